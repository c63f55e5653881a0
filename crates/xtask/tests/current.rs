//! Tests that the checked-in man pages and completions are up to date.

#[test]
fn man_pages_and_completions_are_current() {
    let generated = xtask::pages::generate().unwrap_or_else(|failure| panic!("{failure}"));
    let stale = xtask::pages::stale(&generated);
    assert!(stale.is_empty(), "stale: {}\nrun: cargo xtask", stale.join(", "));
}
