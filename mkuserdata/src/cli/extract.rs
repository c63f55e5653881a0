//! --extract: writes the parts of existing user-data to files.

use crate::cli::user_data_input::UserDataInput;
use crate::cloud_init::file_name;
use crate::read::decoded_part::DecodedPart;
use crate::read::parsed_message::ParsedMessage;
use cerveza_manners::{Failure, Result, write_private_file};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The file of each part, by the index of the user-data and of the part in it.
pub(crate) type Paths = HashMap<(usize, usize), PathBuf>;

/// Writes each part to a file of its name, in a folder for each host if there are several. Overwrites only with `force`.
pub(crate) fn extract(folder: &Path, read: &[(UserDataInput, ParsedMessage)], force: bool) -> Result<Paths> {
    let mut paths = Paths::new();
    let mut files: Vec<(PathBuf, &DecodedPart)> = Vec::new();
    let mut taken = HashSet::new();
    let mut folders: HashMap<String, &str> = HashMap::new();
    for (of, (input, message)) in read.iter().enumerate() {
        let folder = match (&input.host, read.len()) {
            (None, 1) => folder.to_path_buf(),
            _ => {
                let name = file_name(&input.label)
                    .ok_or_else(|| Failure::usage(format!("{} is not a name for a folder", input.label)))?;
                if let Some(other) = folders.insert(name.clone(), &input.label) {
                    return Err(Failure::usage(format!("{other} and {} would have one folder, {name}", input.label)));
                }
                let folder = folder.join(name);
                if fs::symlink_metadata(&folder).is_ok_and(|found| found.is_symlink()) {
                    return Err(Failure::usage(format!("{} is a link: nothing was written", folder.display())));
                }
                folder
            }
        };
        // What is in an archive is in the archive's file.
        for (at, part) in message.parts.iter().enumerate().filter(|(_, part)| part.encoding != "archive") {
            let name = file_name(&part.name).unwrap_or_else(|| format!("part-{:03}", at + 1));
            let mut path = folder.join(&name);
            let mut number = at + 1;
            while !taken.insert(path.clone()) {
                path = folder.join(format!("{number:03}-{name}"));
                number += 1;
            }
            paths.insert((of, at), path.clone());
            files.push((path, part));
        }
    }
    if !force && let Some((path, _)) = files.iter().find(|(path, _)| fs::symlink_metadata(path).is_ok()) {
        return Err(Failure::usage(format!("{} is there already: nothing was written", path.display()))
            .hint("--force overwrites it"));
    }
    for (at, (path, part)) in files.iter().enumerate() {
        write_private_file(path, &part.content, part.runs_as_file()).map_err(|failure| match at {
            0 => failure,
            _ => failure.hint(format!("{at} of {} parts were written", files.len())),
        })?;
    }
    Ok(paths)
}

/// Returns the name as cloud-init cleans it, so it has no `/`, or `None` if it is not a file name.
fn file_name(name: &str) -> Option<String> {
    let name = file_name::cleaned(name);
    file_name::problem(&name).is_none().then_some(name)
}
