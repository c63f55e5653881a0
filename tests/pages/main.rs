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

fn page(tool: &str) -> PathBuf {
    let page = kit::root().join(format!("man/{tool}.1"));
    assert!(page.is_file(), "man/{tool}.1 is missing: run: cargo xtask");
    page
}

/// Runs a program that this machine must have.
fn run(package: &str, command: &mut Command) -> Output {
    let program = command.get_program().to_string_lossy().into_owned();
    command.output().unwrap_or_else(|error| panic!("cannot run {program}: {error}: run: apt-get install {package}"))
}

/// A page as a terminal shows it, without bold and underlined.
fn rendered(tool: &str) -> String {
    let output = run("mandoc", Command::new("mandoc").args(["-Tutf8", "-Owidth=500"]).arg(page(tool)));
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
