//! Makes the generated files, compares them with the checked-in ones, and writes them.

use super::completions::completions;
use super::cookbook::cookbook;
use super::page::tool_page;
use super::tools::TOOLS;
use super::topic::topic_pages;
use cerveza_manners::{Failure, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The contents of files, by their path from the root of the project.
pub type Generated = BTreeMap<String, Vec<u8>>;

/// The folders in which every file is generated.
const FOLDERS: [&str; 4] = ["man", "completions/bash", "completions/zsh", "completions/fish"];

/// Returns the root of the project.
pub fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).unwrap_or(Path::new(".")).to_path_buf()
}

/// Makes every page and completion from the definitions and the manuals in the project.
pub fn generate() -> Result<Generated> {
    let mut files = Generated::new();
    for tool in &TOOLS {
        let manual = format!("{}/manual.roff", tool.name);
        let manual = fs::read_to_string(root().join(&manual))
            .map_err(|error| Failure::usage(format!("cannot read {manual}: {error}")))?;
        files.insert(format!("man/{}.1", tool.name), tool_page(tool, &manual)?.into_bytes());
        files.extend(completions(tool));
    }
    files.extend(topic_pages()?);
    files.extend([cookbook()?]);
    Ok(files)
}

/// Returns the paths of files that are out of date, including files that are no longer generated.
pub fn stale(generated: &Generated) -> Vec<String> {
    let differs = |(path, content): &(&String, &Vec<u8>)| fs::read(root().join(path)).ok().as_ref() != Some(content);
    let mut stale: Vec<String> = generated.iter().filter(differs).map(|(path, _)| path.clone()).collect();
    stale.extend(left_over(generated));
    stale
}

/// Writes files that differ, and removes files that are no longer generated.
pub fn write(generated: &Generated) -> Result<()> {
    let failed = |path: &str, error| Failure::usage(format!("cannot write {path}: {error}"));
    for folder in FOLDERS {
        fs::create_dir_all(root().join(folder)).map_err(|error| failed(folder, error))?;
    }
    for path in stale(generated) {
        let done = match generated.get(&path) {
            Some(content) => fs::write(root().join(&path), content),
            None => fs::remove_file(root().join(&path)),
        };
        done.map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

fn left_over(generated: &Generated) -> Vec<String> {
    let files = |folder: &'static str| {
        let entries = fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
        entries.map(move |entry| format!("{folder}/{}", entry.file_name().to_string_lossy()))
    };
    let mut left: Vec<String> = FOLDERS.into_iter().flat_map(files).collect();
    left.retain(|path| !generated.contains_key(path));
    left.sort();
    left
}
