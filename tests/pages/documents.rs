//! Checks what README.md and the pages in docs/ say about the code: messages, options, links and permissions.

use kit::Sandbox;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Returns README.md and all Markdown files of docs/ and of the project's folder.
fn documents() -> Vec<(PathBuf, String)> {
    let folders = [kit::root().to_path_buf(), kit::root().join("docs")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder").flatten());
    let paths = files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    let documents: Vec<_> = paths.map(|path| (path.clone(), fs::read_to_string(path).expect("a document"))).collect();
    assert!(documents.len() > 4, "{documents:?}");
    documents
}

fn document(name: &str) -> String {
    fs::read_to_string(kit::root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns the texts between backticks.
fn code(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn every_message_of_troubleshooting_is_in_the_source() {
    let sources = sources();
    let mut missing = Vec::new();
    let text = document("docs/troubleshooting.md");
    let messages: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("### ")).flat_map(code).collect();
    assert!(messages.len() > 40, "{messages:?}");
    for message in messages {
        let parts: Vec<&str> = message.split("...").map(str::trim).filter(|part| part.len() > 3).collect();
        assert!(!parts.is_empty(), "{message}");
        if !sources.iter().any(|source| parts.iter().all(|part| source.contains(part))) {
            missing.push(message);
        }
    }
    assert!(missing.is_empty(), "no tool prints: {missing:#?}");
}

/// Returns the Rust files of the tools and crates. Strings that are divided into lines are joined.
fn sources() -> Vec<String> {
    let mut folders: Vec<PathBuf> = [kit::root().to_path_buf(), kit::root().join("crates")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).expect("a folder").flatten())
        .map(|entry| entry.path().join("src"))
        .filter(|path| path.is_dir())
        .collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let source = fs::read_to_string(path).expect("a Rust file");
                let mut lines = source.split("\\\n");
                let first = lines.next().unwrap_or_default().to_string();
                sources.push(lines.fold(first, |joined, line| joined + line.trim_start()));
            }
        }
    }
    sources
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for (path, text) in documents() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target) {
            if target.contains("://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let linked = if file.is_empty() { path.clone() } else { path.parent().expect("a folder").join(file) };
            if !linked.exists() || !heading.is_empty() && !has_heading(&linked, heading) {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Returns whether a document has a heading with this anchor, as GitHub makes it.
fn has_heading(path: &Path, anchor: &str) -> bool {
    let text = fs::read_to_string(path).expect("a document");
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let is_kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    let mut anchors = headings.map(|heading| {
        heading.to_lowercase().chars().filter(is_kept).map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
    });
    anchors.any(|found| found == anchor)
}

/// In the tables of docs/coming-from.md, the second column is what is typed here. Its options belong to the tool at the
/// head of the column, or to the one that is named before them.
#[test]
fn options_of_coming_from_exist() {
    let mut help: BTreeMap<String, String> = BTreeMap::new();
    for tool in crate::tools() {
        help.insert(tool.clone(), Sandbox::new().run(&tool, &["--help"], "").exits(0).stdout);
    }
    let text = document("docs/coming-from.md");
    let (mut column, mut unknown, mut checked) = (String::new(), Vec::new(), 0);
    for row in text.lines().filter(|line| line.starts_with("| ")) {
        let cell = row.split(" | ").nth(1).unwrap_or_default();
        if !cell.contains('`') && !cell.is_empty() {
            column = cell.to_string();
        }
        let mut tool = column.clone();
        for word in code(cell).flat_map(str::split_whitespace) {
            if help.contains_key(word) {
                tool = word.to_string();
            }
            let option = word.split('=').next().unwrap_or_default();
            if option.len() > 2 && option.starts_with("--") {
                checked += 1;
                let is_known = match help.get(&tool) {
                    Some(help) => has_option(help, option),
                    // The column is about several tools, and none is named.
                    None => help.values().any(|help| has_option(help, option)),
                };
                if !is_known {
                    unknown.push(format!("{tool} {option}: {row}"));
                }
            }
        }
    }
    assert!(checked > 60, "{checked}");
    assert!(unknown.is_empty(), "{unknown:#?}");
}

fn has_option(help: &str, option: &str) -> bool {
    let is_word = |word: &str| word.split(['=', '[', ',']).next() == Some(option);
    help.split_whitespace().any(is_word)
}
