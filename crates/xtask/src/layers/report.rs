//! The report over all crates of a project: circles between folders in full, those between files as a number.

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

/// Checks each crate in the project's folder and in its folder `crates`.
pub fn report(root: &Path) -> Result<Report> {
    let mut report = Report { circles: String::new(), between_files: 0 };
    for src in sources(root)? {
        let mut imports = Vec::new();
        for file in ["lib.rs", "main.rs"].into_iter().filter(|file| src.join(file).exists()) {
            imports.extend(Modules::read(&src, file)?.imports());
        }
        let files: BTreeSet<&PathBuf> = imports.iter().flat_map(|import| [&import.from, &import.to]).collect();
        let name = src.strip_prefix(root).unwrap_or(&src).display().to_string();
        let folder = |file: &Path| format!("{name}/{}", folder(file, &files)).trim_end_matches('/').to_string();

        let (within, between): (Vec<Import>, Vec<Import>) =
            imports.iter().cloned().partition(|import| folder(&import.from) == folder(&import.to));
        report.between_files += circles(arrows(&within, |file| file.display().to_string())).len();
        for circle in circles(arrows(&between, folder)) {
            report.circles += &format!("{} -> {}\n", circle.join(" -> "), circle[0]);
            for (from, to) in steps(&circle) {
                let step = between.iter().filter(|import| folder(&import.from) == from && folder(&import.to) == to);
                for Import { from, line, path, to } in step {
                    let (from, to) = (from.display(), to.display());
                    report.circles += &format!("    {name}/{from}:{line} imports {path} of {to}\n");
                }
            }
        }
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

/// The folder of a file. `a.rs` is in the folder `a` if that has files.
fn folder(file: &Path, files: &BTreeSet<&PathBuf>) -> String {
    let own = file.with_extension("");
    let folder = if files.iter().any(|other| other.starts_with(&own)) { Some(own.as_path()) } else { file.parent() };
    folder.unwrap_or(Path::new("")).display().to_string()
}

fn arrows(imports: &[Import], name: impl Fn(&Path) -> String) -> Arrows {
    let mut arrows = Arrows::new();
    for import in imports {
        *arrows.entry((name(&import.from), name(&import.to))).or_default() += 1;
    }
    arrows
}
