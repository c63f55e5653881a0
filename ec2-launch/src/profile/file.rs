//! A profile with its name, its folders, and the place of each of its values.

use crate::document::{Document, failure, problems};
use crate::library::folders::folders;
use crate::library::set_option::Override;
use crate::library::{Library, Resolved};
use crate::profile::Profile;
use crate::tags::{sha256, short_digest};
use cerveza_manners::{Failure, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A resolved profile with what is known of its file.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileFile {
    /// The `name` in the file, or the file's own.
    pub name: String,
    /// Files that the profile names are in here, or in `scripts` in here.
    pub folder: PathBuf,
    pub profile: Profile,
    /// SHA-256 of the document.
    pub digest: String,
    /// Files that the profile names may be in these folders too: those of the profiles that it extends.
    base_folders: Vec<PathBuf>,
    document: Document,
}

/// Reads the profile of a name in the folders of profiles. The name is never taken for a path.
pub fn read_named(name: &str) -> Result<ProfileFile> {
    ProfileFile::from_resolved(name, Library::new(folders()).read_named(name, &[])?)
}

/// Reads the profile `name`, and sets in it what --set says. It is a path if it has a `/` in it or ends in .yaml or
/// .yml, else a name that is looked for in the folders of profiles.
pub fn read(name: &str, overrides: &[Override]) -> Result<ProfileFile> {
    ProfileFile::from_resolved(name, Library::new(folders()).read(name, overrides)?)
}

impl ProfileFile {
    fn from_resolved(name: &str, resolved: Resolved) -> Result<ProfileFile> {
        let mut folders = resolved.folders.into_iter();
        let folder = folders.next().unwrap_or_default();
        ProfileFile::new(resolved.document, name, folder, folders.collect())
    }

    fn new(document: Document, name: &str, folder: PathBuf, base_folders: Vec<PathBuf>) -> Result<ProfileFile> {
        let profile = Profile::from_values(&document.values).map_err(|wrong| failure(problems(&document, wrong)))?;
        let name = profile.name.clone().unwrap_or(name.to_string());
        let digest = sha256(document.to_json().to_string().as_bytes());
        Ok(ProfileFile { name, folder, profile, digest, base_folders, document })
    }

    /// Reads a profile that is not in a file, as a remembered one. `shown` is what errors call the text, whose lines
    /// a user does not see.
    pub fn from_text(name: &str, shown: &str, folder: &Path, text: &str) -> Result<ProfileFile> {
        let document = Library::new(folders()).read_text(shown, false, text)?;
        ProfileFile::new(document, name, folder.to_path_buf(), Vec::new())
    }

    /// Returns `FILE:LINE:COLUMN` of a key's value, for what is found to be wrong with it later. `key` is a canonical
    /// key with the keys and numbers within it: `ami/us-east-1`, `volumes/1/size`. Of a key that the file does not
    /// have, the place of what it would be in.
    pub fn place_of(&self, key: &str) -> String {
        self.document.place(key).to_string()
    }

    /// Returns the profile as one JSON document with canonical keys, which reads back as the same profile.
    pub fn document(&self) -> serde_json::Value {
        self.document.to_json()
    }

    /// Returns the same document as YAML.
    pub fn to_yaml(&self) -> String {
        self.document.to_yaml()
    }

    /// Returns the path of a file that the profile names: a script, or a user-data part, whose type may follow a colon.
    /// `what` is the profile's word for it.
    pub fn find(&self, what: &str, name: &str) -> Result<PathBuf> {
        let is_there = |path: &PathBuf| {
            let without_type = path.to_str().and_then(|path| path.rsplit_once(':'));
            path.is_file() || without_type.is_some_and(|(path, _)| Path::new(path).is_file())
        };
        let folders = std::iter::once(&self.folder).chain(&self.base_folders);
        let mut places: Vec<PathBuf> = Vec::new();
        for place in folders.flat_map(|folder| [folder.clone(), folder.join("scripts")]) {
            // A profile and what it extends are often in one folder.
            if !places.contains(&place) {
                places.push(place);
            }
        }
        // An absolute path is the same in all.
        places.iter().map(|place| place.join(name)).find(is_there).ok_or_else(|| {
            let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
            let place = self.place_of_file(what, name);
            Failure::usage(format!("{place}: there is no {what} {name} in {}", places.join(" or ")))
        })
    }

    /// Returns the place of a file's name in the profile. `what` is the profile's word for the file.
    fn place_of_file(&self, what: &str, name: &str) -> String {
        let key = match what {
            "startup script" => "startup scripts",
            "shutdown script" => "shutdown scripts",
            _ => "user data",
        };
        let names = self.document.values.get(key).and_then(|names| names.as_array());
        match names.and_then(|names| names.iter().position(|known| known == name)) {
            Some(number) => self.place_of(&format!("{key}/{number}")),
            None => self.place_of(key),
        }
    }

    /// Returns the path of a script, which must be what pssh-rs will be able to send.
    pub fn find_script(&self, what: &str, name: &str) -> Result<PathBuf> {
        let path = self.find(what, name)?;
        let place = self.place_of_file(what, name);
        let wrong = |why: String| Failure::usage(format!("{place}: {what} {}: {why}", path.display()));
        match fs::File::open(&path).and_then(|file| file.metadata()) {
            Ok(facts) if facts.len() == 0 => Err(wrong("it is empty".to_string())),
            Ok(_) => Ok(path),
            Err(error) => Err(wrong(format!("cannot read: {error}"))),
        }
    }

    /// Returns the value of the tag `profile-digest`.
    pub fn digest_tag(&self) -> &str {
        short_digest(&self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_beside_the_profile_or_in_scripts() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("scripts/taken")).unwrap();
        for name in ["both", "scripts/both", "scripts/mount", "scripts/empty"] {
            fs::write(at(name), if name.ends_with("empty") { "" } else { "#!/bin/sh\n" }).unwrap();
        }
        let file = ProfileFile::from_text("Web", "text", folder.path(), "ami: ami-1").unwrap();
        let find = |name: &str| file.find("user data part", name).map_err(|failure| failure.message);
        assert_eq!(find("both"), Ok(at("both")));
        assert_eq!(find("mount"), Ok(at("scripts/mount")));
        assert_eq!(find("mount:x-shellscript"), Ok(at("scripts/mount:x-shellscript")));
        assert_eq!(find(at("scripts/mount").to_str().unwrap()), Ok(at("scripts/mount")));
        let place = folder.path().display();
        for name in ["taken", "gone"] {
            let why = format!("text: there is no user data part {name} in {place} or {place}/scripts");
            assert_eq!(find(name), Err(why));
        }
        let scripts = |name: &str| file.find_script("startup script", name);
        assert_eq!(scripts("mount"), Ok(at("scripts/mount")));
        let extended = ProfileFile { base_folders: vec![folder.path().to_path_buf()], ..file.clone() };
        let why = format!("text: there is no user data part gone in {place} or {place}/scripts");
        assert_eq!(extended.find("user data part", "gone").unwrap_err().message, why);
        let why = format!("text: startup script {place}/scripts/empty: it is empty");
        assert_eq!(scripts("empty").unwrap_err().message, why);
    }
}
