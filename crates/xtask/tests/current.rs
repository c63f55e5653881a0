//! What is checked in is what the sources give.

#[test]
fn man_pages_and_completions_are_current() {
    let generated = xtask::generate().unwrap_or_else(|failure| panic!("{failure}"));
    let stale = xtask::stale(&generated);
    assert!(stale.is_empty(), "stale: {}\nrun: cargo xtask", stale.join(", "));
}
