//! Tests that no folder of a crate is part of a circle of imports.

#[test]
fn imports_between_folders_run_one_way() {
    let report = xtask::layers::report(&xtask::pages::root()).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(report.circles.is_empty(), "circles of imports:\n{}", report.circles);
}
