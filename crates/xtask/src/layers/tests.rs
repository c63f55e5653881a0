//! Tests that circles are found in small crates made for the tests.

use super::report;
use std::fs;
use tempfile::TempDir;

/// Makes a project with one crate of these files.
fn project(files: &[(&str, &str)]) -> TempDir {
    let project = TempDir::new().unwrap();
    fs::create_dir(project.path().join("crates")).unwrap();
    for (file, text) in files {
        let path = project.path().join("tool/src").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    project
}

fn circles(files: &[(&str, &str)]) -> String {
    let project = project(files);
    report(project.path()).unwrap().circles
}

#[test]
fn folders_that_import_one_way_are_no_circle() {
    let files = [
        ("lib.rs", "mod high; mod low; pub use high::top; pub use low::Low;"),
        ("high/mod.rs", "mod a; pub use a::top;"),
        ("high/a.rs", "use crate::low::Low; use std::fmt; pub fn top(_: Low) -> fmt::Result { Ok(()) }"),
        ("low/mod.rs", "mod b; pub use b::Low;"),
        ("low/b.rs", "pub struct Low;"),
    ];
    assert_eq!(circles(&files), "");
}

#[test]
fn a_circle_is_printed_with_the_file_and_line_of_each_import() {
    let files = [
        ("lib.rs", "mod high;\nmod low;"),
        ("high/mod.rs", "pub mod a;"),
        ("high/a.rs", "\nuse crate::low::{\n    b::Low,\n};\npub struct High(Low);"),
        ("low/mod.rs", "pub mod b;"),
        ("low/b.rs", "pub struct Low;\npub fn up() -> crate::high::a::High { todo!() }"),
    ];
    let printed = "tool/src/high -> tool/src/low -> tool/src/high\n    \
        tool/src/high/a.rs:3 imports crate::low::b::Low of low/b.rs\n    \
        tool/src/low/b.rs:2 imports crate::high::a::High of high/a.rs\n";
    assert_eq!(circles(&files), printed);
}

/// The crate has a folder `high` that imports `low`; this is the text of a file in `low`.
fn low_file_imports_high(text: &str) -> bool {
    let files = [
        ("lib.rs", "mod high; mod low; pub use high::High; fn of_the_root() {}"),
        ("high/mod.rs", "mod a; pub use a::High;"),
        ("high/a.rs", "use crate::low::Low; pub struct High(Low); impl High { pub const X: u8 = 1; }"),
        ("low/mod.rs", text),
    ];
    !circles(&files).is_empty()
}

#[test]
fn every_kind_of_path_counts() {
    for text in [
        "use crate::high::High;",
        "use crate::High;",
        "pub use crate::high::High as Other;",
        "use super::high;",
        "use crate::{high::*};",
        "mod inner { fn f() { use super::super::high::High; } }",
        "fn f() -> u8 { crate::high::High::X }",
        "fn f() { println!(\"{}\", crate::High::X); }",
        "#[arg(value_parser = crate::high::parse)] struct A;",
    ] {
        assert!(low_file_imports_high(text), "{text}");
    }
}

#[test]
fn tests_and_other_crates_do_not_count() {
    for text in [
        "#[cfg(test)] use crate::high::High;",
        "#[cfg(test)] mod tests { use crate::high::High; }",
        "#[cfg(test)] #[allow(unused)] fn f() -> crate::High { todo!() }",
        "use high::High;",
        "use low::low; fn f() { low::low() }",
        "// crate::high::High\nfn f() -> &'static str { \"crate::high\" }",
    ] {
        assert!(!low_file_imports_high(text), "{text}");
    }
}

#[test]
fn a_file_beside_its_folder_is_part_of_the_folder() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "mod part; use crate::b::B; pub struct A(B);"),
        ("a/part.rs", "use super::A;"),
        ("b/mod.rs", "pub struct B; fn f(_: crate::a::A) {}"),
    ];
    assert!(circles(&files).starts_with("tool/src/a -> tool/src/b -> tool/src/a\n"), "{}", circles(&files));
}

#[test]
fn circles_between_files_of_one_folder_are_only_counted() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use crate::a::A; pub struct B;"),
        ("c.rs", "use crate::a::A;"),
    ];
    let project = project(&files);
    let report = report(project.path()).unwrap();
    assert_eq!((report.circles.as_str(), report.between_files), ("", 1));
}

#[test]
fn a_folder_may_use_a_file_that_does_not_use_it() {
    let one_way = [
        ("lib.rs", "mod top; mod folder; mod base;"),
        ("top.rs", "use crate::folder::F;"),
        ("folder/mod.rs", "mod part; mod inner; pub struct F;"),
        ("folder/part.rs", "use super::inner::I; use crate::base::B;"),
        ("folder/inner/mod.rs", "use crate::base::B; pub struct I;"),
        ("base.rs", "pub struct B;"),
    ];
    assert_eq!(circles(&one_way), "");
    let mut circle = one_way;
    circle[5].1 = "use crate::top::T; pub struct B;";
    assert!(
        circles(&circle).starts_with("tool/src/folder -> tool/src/base.rs -> tool/src/top.rs -> tool/src/folder\n")
    );
    let mut nested = one_way;
    nested[4].1 = "use crate::folder::part::P; pub struct I;";
    assert!(
        circles(&nested).starts_with("tool/src/folder/inner -> tool/src/folder/part.rs -> tool/src/folder/inner\n")
    );
}
