//! The order in which scripts run: cloud-init sorts those of a folder by name, whatever the order of the parts.

use crate::cloud_init::content_type::{ContentType, Folder};
use crate::cloud_init::file_name;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// cloud-init writes the commands of this key to a script of this name, and runs it with the others.
pub(crate) const RUNCMD: &str = "runcmd";

/// Returns the folder into which cloud-init writes the part, if it is a script that runs by name.
pub(crate) fn folder_of(kind: Option<ContentType>, content: &[u8]) -> Option<Folder> {
    match kind {
        Some(ContentType::Jinja) => behind_first_line(content).and_then(ContentType::folder),
        kind => kind.and_then(ContentType::folder),
    }
}

/// Returns the type of a template that cloud-init renders, which is detected after its first line.
pub(crate) fn behind_first_line(content: &[u8]) -> Option<ContentType> {
    let end = content.iter().position(|byte| *byte == b'\n')?;
    ContentType::of(&content[end + 1..])
}

/// Puts numbers before the names of a folder's scripts, unless their names are already in the order given and before
/// `runcmd`. A script that `moves` marks will be put after the others in the message.
pub(crate) fn number(names: &mut [(String, Option<Folder>)], moves: &[bool]) {
    for folder in Folder::ALL {
        let mut scripts: Vec<(&mut String, bool)> = names
            .iter_mut()
            .zip(moves)
            .filter(|((_, of), _)| *of == Some(folder))
            .map(|((name, _), moves)| (name, *moves))
            .collect();
        let is_before_runcmd = |name: &str| folder != Folder::Instance || *file_name::cleaned(name) < *RUNCMD;
        let stay =
            scripts.is_sorted_by_key(|(_, moves)| *moves) && scripts.iter().all(|(name, _)| is_before_runcmd(name));
        if stay && scripts.is_sorted_by(|(a, _), (b, _)| file_name::cleaned(a) < file_name::cleaned(b)) {
            continue;
        }
        let digits = scripts.len().to_string().len().max(2);
        for (at, (name, _)) in scripts.iter_mut().enumerate() {
            **name = format!("{:0digits$}-{name}", at + 1);
        }
    }
}

/// Returns the order of each folder's scripts as they run and as they are given, if these differ.
pub(crate) fn changed(names: &[(String, Option<Folder>)]) -> Vec<(String, String)> {
    let mut changed = Vec::new();
    for folder in Folder::ALL {
        let given: Vec<String> =
            names.iter().filter(|(_, of)| *of == Some(folder)).map(|(name, _)| file_name::cleaned(name)).collect();
        let mut run = given.clone();
        run.sort();
        if run != given {
            changed.push((listed(&run), listed(&given)));
        }
    }
    changed
}

fn listed(names: &[String]) -> String {
    const MOST: usize = 10;
    let more = if names.len() > MOST { ", ..." } else { "" };
    names[..names.len().min(MOST)].join(", ") + more
}

/// Returns scripts with the same folder and name, of which the second overwrites the first: their indexes and a message.
pub(crate) fn collisions(names: &[(String, Option<Folder>)]) -> Vec<(usize, usize, String)> {
    let mut first: HashMap<(String, Folder), usize> = HashMap::new();
    let mut collisions = Vec::new();
    for (at, (name, folder)) in names.iter().enumerate() {
        let Some(folder) = *folder else { continue };
        let cleaned = file_name::cleaned(name);
        let say = format!("cloud-init would write both as {cleaned}, one over the other");
        match first.entry((cleaned, folder)) {
            Entry::Occupied(first) => collisions.push((*first.get(), at, say)),
            Entry::Vacant(free) => _ = free.insert(at),
        }
    }
    collisions
}

/// Returns why a script of this name would not run.
pub(crate) fn overwritten(name: &str, folder: Option<Folder>) -> Option<String> {
    (folder == Some(Folder::Instance) && file_name::cleaned(name) == RUNCMD)
        .then(|| format!("cloud-init writes the commands of {RUNCMD} to a file of this name, over the script"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripts(names: &[&str]) -> Vec<(String, Option<Folder>)> {
        names.iter().map(|name| (name.to_string(), Some(Folder::Instance))).collect()
    }

    fn numbered(names: &[&str]) -> Vec<String> {
        let mut names = scripts(names);
        let moves = vec![false; names.len()];
        number(&mut names, &moves);
        names.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn script_names_in_order_stay_and_others_are_numbered() {
        assert_eq!(numbered(&["10-a.sh", "20-b.sh"]), ["10-a.sh", "20-b.sh"]);
        // Before runcmd, as two scripts in another order are.
        assert_eq!(numbered(&["setup.sh"]), ["01-setup.sh"]);
        assert_eq!(numbered(&["a.sh", "runcmd"]), ["01-a.sh", "02-runcmd"]);
        assert_eq!(numbered(&["b.sh", "a.sh"]), ["01-b.sh", "02-a.sh"]);
        assert_eq!(numbered(&["a.sh", "a.sh"]), ["01-a.sh", "02-a.sh"]);
        // As cloud-init cleans them these are one name.
        assert_eq!(numbered(&["a b.sh", "ab.sh"]), ["01-a b.sh", "02-ab.sh"]);
        let many = vec!["x"; 100];
        assert_eq!(numbered(&many)[99], "100-x");
        assert_eq!(numbered(&many)[0], "001-x");
    }

    #[test]
    fn moving_a_script_to_the_end_numbers_all_scripts() {
        let mut names = scripts(&["a", "b"]);
        number(&mut names, &[false, true]);
        assert_eq!(names, scripts(&["a", "b"]));
        number(&mut names, &[true, false]);
        assert_eq!(names, scripts(&["01-a", "02-b"]));
    }

    #[test]
    fn each_folder_is_numbered_by_itself() {
        let mut names = scripts(&["b", "a"]);
        names.extend([("0".into(), Some(Folder::PerBoot)), ("config".into(), None)]);
        number(&mut names, &[false; 4]);
        let names: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["01-b", "02-a", "0", "config"]);
    }

    #[test]
    fn changed_order_and_colliding_names_are_found() {
        assert_eq!(changed(&scripts(&["b", "a"])), [("a, b".to_string(), "b, a".to_string())]);
        assert!(changed(&scripts(&["a", "b"])).is_empty());
        assert_eq!(
            collisions(&scripts(&["a b", "c", "ab"])),
            [(0, 2, "cloud-init would write both as ab, one over the other".to_string())]
        );
        assert!(
            collisions(&[
                ("a".into(), Some(Folder::Instance)),
                ("a".into(), Some(Folder::PerBoot)),
                ("a".into(), None)
            ])
            .is_empty()
        );
    }

    #[test]
    fn a_template_of_cloud_init_runs_as_what_it_renders() {
        assert_eq!(folder_of(Some(ContentType::Jinja), b"## template: jinja\n#!/bin/sh\n"), Some(Folder::Instance));
        assert_eq!(folder_of(Some(ContentType::Jinja), b"## template: jinja\n#cloud-config\n"), None);
        assert_eq!(folder_of(Some(ContentType::Jinja), b"## template: jinja"), None);
    }
}
