//! Checks all crates of a project. Circles between folders are reported in full, circles between files as a number.

use super::circle::{Arrows, circles, steps};
use super::modules::{Import, Modules};
use cerveza_manners::{Failure, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct Report {
    /// The circles between folders as lines of text; empty if there are none.
    pub circles: String,
    /// How many circles there are between files of one folder.
    pub between_files: usize,
}

/// Checks each crate in the project's folder and in its folder `crates`. Each file counts as one node, and so does each
/// folder with everything in it. A circle is reported if a folder is part of it.
pub fn report(root: &Path) -> Result<Report> {
    let mut report = Report { circles: String::new(), between_files: 0 };
    for src in sources(root)? {
        let mut imports = Vec::new();
        for file in ["lib.rs", "main.rs"].into_iter().filter(|file| src.join(file).exists()) {
            imports.extend(Modules::read(&src, file)?.imports());
        }
        let files: BTreeSet<&PathBuf> = imports.iter().flat_map(|import| [&import.from, &import.to]).collect();
        let name = src.strip_prefix(root).unwrap_or(&src).display().to_string();
        let ends = |import: &Import| entries(&within(&import.from, &files), &within(&import.to, &files));
        let mut arrows = Arrows::new();
        imports.iter().for_each(|import| *arrows.entry(ends(import)).or_default() += 1);
        for circle in circles(arrows.clone(), |entry| !is_file(entry)) {
            let shown = circle.iter().chain(circle.first()).map(|entry| format!("{name}/{entry}"));
            report.circles += &format!("{}\n", shown.collect::<Vec<_>>().join(" -> "));
            for step in steps(&circle) {
                for Import { from, line, path, to } in imports.iter().filter(|import| ends(import) == step) {
                    let (from, to) = (from.display(), to.display());
                    report.circles += &format!("    {name}/{from}:{line} imports {path} of {to}\n");
                }
            }
        }
        arrows.retain(|(from, to), _| is_file(from) && is_file(to));
        report.between_files += circles(arrows, is_file).len();
    }
    Ok(report)
}

/// The `src` folders of the crates.
fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for folder in [root.to_path_buf(), root.join("crates")] {
        let entries = fs::read_dir(&folder)
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", folder.display())))?;
        sources.extend(entries.flatten().map(|entry| entry.path().join("src")));
    }
    sources.retain(|src| src.is_dir());
    sources.sort();
    Ok(sources)
}

/// The path of a file as a path in its folder: `a.rs` is `a/mod.rs` if the folder `a` has files.
fn within(file: &Path, files: &BTreeSet<&PathBuf>) -> PathBuf {
    let folder = file.with_extension("");
    match files.iter().any(|other| other.starts_with(&folder)) {
        true => folder.join("mod.rs"),
        false => file.to_path_buf(),
    }
}

/// The two entries of one folder, each a file or a folder in it, that an import leads from and to.
fn entries(from: &Path, to: &Path) -> (String, String) {
    let (mut from_entry, mut to_entry) = (PathBuf::new(), PathBuf::new());
    for (from, to) in from.components().zip(to.components()) {
        from_entry.push(from);
        to_entry.push(to);
        if from != to {
            break;
        }
    }
    (from_entry.display().to_string(), to_entry.display().to_string())
}

fn is_file(entry: &str) -> bool {
    entry.ends_with(".rs")
}
