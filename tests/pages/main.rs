//! Checks that the man pages and completions in the repository are valid, complete and true. Tests of crates/xtask check
//! that they are current.

mod completions;
mod cookbook;
mod documents;
mod examples;
mod figures;
mod fixtures;
mod lint;
mod permissions;

use std::path::PathBuf;
use std::process::{Command, Output};

/// The tools, by the folders that hold a manual.
fn tools() -> Vec<String> {
    let folders = std::fs::read_dir(kit::root()).expect("the project").flatten();
    let mut tools: Vec<String> = folders
        .filter(|folder| folder.path().join("src/main.rs").is_file())
        .map(|folder| folder.file_name().into_string().expect("a name in ASCII"))
        .collect();
    tools.sort();
    assert!(tools.iter().any(|tool| tool == "hostrange"), "{tools:?}");
    tools
}

/// All pages, such as `hostrange.1`.
fn pages() -> Vec<String> {
    let files = std::fs::read_dir(kit::root().join("man")).expect("man/").flatten();
    let mut pages: Vec<String> = files.map(|file| file.file_name().into_string().expect("a name in ASCII")).collect();
    pages.sort();
    let missing: Vec<String> =
        tools().iter().map(|tool| format!("{tool}.1")).filter(|page| !pages.contains(page)).collect();
    assert!(missing.is_empty(), "man/ lacks {}: run: cargo xtask", missing.join(", "));
    pages
}

/// The path of a page.
fn path(page: &str) -> PathBuf {
    kit::root().join("man").join(page)
}

/// Runs a program that this machine must have.
fn run(package: &str, command: &mut Command) -> Output {
    let program = command.get_program().to_string_lossy().into_owned();
    command.output().unwrap_or_else(|error| panic!("cannot run {program}: {error}: run: apt-get install {package}"))
}

/// A page as a terminal of this width shows it, without bold and underlined.
fn rendered(page: &str, width: usize) -> String {
    let width = format!("-Owidth={width}");
    let output = run("mandoc", Command::new("mandoc").args(["-Tutf8", &width]).arg(path(page)));
    let mut text = String::new();
    for c in String::from_utf8(output.stdout).expect("UTF-8").chars() {
        match c {
            // Overstriking: the previous character is removed.
            '\u{8}' => _ = text.pop(),
            c => text.push(c),
        }
    }
    text
}
