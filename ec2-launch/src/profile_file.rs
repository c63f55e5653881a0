//! Where profiles lie: a name is looked up in the folders of profiles, a path is a path.

use crate::profile::Profile;
use cerveza_manners::{Failure, Result, nearest};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// A profile with what its file says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileFile {
    /// The `name` in the file, or the file's own.
    pub name: String,
    /// Files that the profile names are in here, or in `scripts` in here.
    pub folder: PathBuf,
    pub profile: Profile,
    document: serde_json::Value,
}

/// Reads the profile `name`: a path where it has a `/` in it or ends in .yaml or .yml, else a name, looked for as
/// NAME.yaml or NAME.yml in the working directory and in the folders of profiles.
pub fn read(name: &str) -> Result<ProfileFile> {
    let path = match is_path(name) {
        true => PathBuf::from(name),
        false => look_up(name, &folders())?,
    };
    let shown = path.display();
    let text = fs::read_to_string(&path).map_err(|error| Failure::usage(format!("{shown}: cannot read: {error}")))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // A folder that is absolute: what is made of it (startup_scripts) travels on in records.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
    ProfileFile::from_text(&stem, &shown.to_string(), &folder, &text)
}

impl ProfileFile {
    /// Returns `FILE:LINE:COLUMN` of a key's value, for what is found to be wrong with it later. `key` is a canonical
    /// key with the keys and numbers within it: `ami/us-east-1`, `volumes/1/size`. Of a key that the file does not have,
    /// the profile's own place.
    #[allow(dead_code)]
    pub fn at(&self, _key: &str) -> String {
        format!("profile {}", self.name)
    }

    /// Returns the profile as one JSON document, which reads back as the same profile.
    pub fn document(&self) -> serde_json::Value {
        self.document.clone()
    }

    /// Reads a profile that is not in a file, as a remembered one. `shown` is what errors call the text.
    pub fn from_text(name: &str, shown: &str, folder: &Path, text: &str) -> Result<ProfileFile> {
        let profile = Profile::parse(text).map_err(|why| Failure::usage(format!("{shown}: {why}")))?;
        let document = serde_yaml::from_str::<serde_yaml::Value>(text).ok().map(crate::yaml::untag);
        let document = document.and_then(|value| serde_json::to_value(value).ok()).unwrap_or_default();
        Ok(ProfileFile {
            name: profile.name.clone().unwrap_or(name.to_string()),
            folder: folder.to_path_buf(),
            profile,
            document,
        })
    }

    /// Returns the path of a file that the profile names: a script, or a user-data part, whose type may follow a colon.
    /// `what` is the profile's word for it.
    pub fn find(&self, what: &str, name: &str) -> Result<PathBuf> {
        let is_there = |path: &PathBuf| {
            let without_type = path.to_str().and_then(|path| path.rsplit_once(':'));
            path.is_file() || without_type.is_some_and(|(path, _)| Path::new(path).is_file())
        };
        // An absolute path is the same in both.
        let places = [self.folder.clone(), self.folder.join("scripts")];
        places.iter().map(|place| place.join(name)).find(is_there).ok_or_else(|| {
            let [beside, scripts] = places.each_ref().map(|place| place.display());
            Failure::usage(format!("profile {}: there is no {what} {name} in {beside} or {scripts}", self.name))
        })
    }

    /// Returns the paths of scripts, which must be what pssh-rs will be able to send.
    pub fn find_scripts(&self, what: &str, names: &[String]) -> Result<Vec<PathBuf>> {
        let find = |name: &String| {
            let path = self.find(what, name)?;
            let wrong =
                |why: String| Failure::usage(format!("profile {}: {what} {}: {why}", self.name, path.display()));
            match fs::File::open(&path).and_then(|file| file.metadata()) {
                Ok(facts) if facts.len() == 0 => Err(wrong("it is empty".to_string())),
                Ok(_) => Ok(path),
                Err(error) => Err(wrong(format!("cannot read: {error}"))),
            }
        };
        names.iter().map(find).collect()
    }
}

fn is_path(name: &str) -> bool {
    name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml")
}

/// The working directory, `$CERVEZA_PROFILES` (a list with `:`), the user's and the machine's configuration.
pub fn folders() -> Vec<PathBuf> {
    let listed = env::var_os("CERVEZA_PROFILES");
    let config = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let config = config.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    let mut folders = vec![PathBuf::from(".")];
    folders.extend(listed.iter().flat_map(env::split_paths));
    folders.extend(config.map(|config| config.join("cerveza/profiles")));
    folders.push(PathBuf::from("/etc/cerveza/profiles"));
    folders
}

fn look_up(name: &str, folders: &[PathBuf]) -> Result<PathBuf> {
    for folder in folders {
        for ending in ["yaml", "yml"] {
            let path = folder.join(format!("{name}.{ending}"));
            if path.is_file() {
                return Ok(path);
            }
        }
    }
    let looked: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let failure = Failure::usage(format!("no profile {name:?}: looked for {name}.yaml in {}", looked.join(", ")));
    let known: Vec<String> = folders.iter().flat_map(|folder| names(folder)).collect();
    Err(match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure,
    })
}

/// The names of the profiles in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml"));
    yaml.filter_map(|path| Some(path.file_stem()?.to_str()?.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_and_a_near_miss_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("MySQL.yaml"), "ami: ami-1\n").unwrap();
        let folders = [folder.path().to_path_buf()];
        assert_eq!(look_up("MySQL", &folders).unwrap(), folder.path().join("MySQL.yaml"));
        let failure = look_up("mysq", &folders).unwrap_err();
        assert!(failure.message.starts_with("no profile \"mysq\": looked for mysq.yaml in /"), "{failure}");
        assert_eq!(failure.hint.as_deref(), Some("did you mean MySQL?"));
        assert_eq!(look_up("web", &folders).unwrap_err().hint, None);
    }

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
            let why = format!("profile Web: there is no user data part {name} in {place} or {place}/scripts");
            assert_eq!(find(name), Err(why));
        }
        let scripts = |name: &str| file.find_scripts("startup script", &[name.to_string()]);
        assert_eq!(scripts("mount"), Ok(vec![at("scripts/mount")]));
        let why = format!("profile Web: startup script {place}/scripts/empty: it is empty");
        assert_eq!(scripts("empty").unwrap_err().message, why);
    }

    #[test]
    fn a_path_is_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        fs::write(&path, "ami: ami-1\n").unwrap();
        let file = read(path.to_str().unwrap()).unwrap();
        assert_eq!(file.name, "web");
        assert_eq!(file.folder, fs::canonicalize(folder.path()).unwrap());
        assert!(read("./no/such.yaml").unwrap_err().message.contains("cannot read: No such file"));
    }
}
