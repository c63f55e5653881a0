//! Finds a profile by its path, or by its name in folders.

use crate::library::files::Library;
use crate::library::source::{DocumentKind, SourceDocument, read_text};
use cerveza_manners::{Failure, Result, nearest};
use std::fs;
use std::path::{Path, PathBuf};

/// A document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub path: PathBuf,
    pub number: usize,
}

impl Library {
    /// Returns the instance profile of a path: the one of this name, or the only one.
    pub fn in_path(&mut self, path: &Path, name: Option<&str>) -> Result<Found> {
        let shown = path.display();
        let documents = self.documents(path)?;
        let of_kind = documents.iter().enumerate().filter(|(_, document)| document.kind == DocumentKind::Instance);
        let (all, names): (Vec<usize>, Vec<Option<&str>>) =
            of_kind.clone().map(|(number, document)| (number, document.name.as_deref())).unzip();
        let known: Vec<&str> = names.iter().flatten().copied().collect();
        let wanted: Vec<usize> = match name {
            Some(name) => {
                all.iter().zip(&names).filter(|(_, known)| **known == Some(name)).map(|(at, _)| *at).collect()
            }
            None => all,
        };
        match (wanted.as_slice(), name) {
            ([number], _) => Ok(Found { path: path.to_path_buf(), number: *number }),
            ([], None) => Err(Failure::usage(format!("{shown}: it has only volume profiles"))),
            ([], Some(name)) => {
                let failure = Failure::usage(format!("{shown}: it has no profile {name:?}"));
                Err(match nearest(name, known.iter().copied()) {
                    Some(near) => failure.hint(format!("did you mean {near}?")),
                    None => failure.hint(format!("it has {}", known.join(", "))),
                })
            }
            (_, None) => {
                let label = |(_, document): (usize, &SourceDocument)| {
                    let line = document.root.position.line;
                    document.name.clone().unwrap_or_else(|| format!("one without a name in line {line}"))
                };
                let all: Vec<String> = of_kind.map(label).collect();
                Err(Failure::usage(format!("{shown}: it has several profiles: {}", all.join(", ")))
                    .hint(format!("name one, as in {shown}:{}", known.first().unwrap_or(&"NAME"))))
            }
            (several, Some(name)) => {
                let several = several.iter().map(|number| Found { path: path.to_path_buf(), number: *number });
                Err(self.several_found(DocumentKind::Instance, name, &several.collect::<Vec<_>>()))
            }
        }
    }

    /// Finds a document by its name, or by the name of its file if it is the only one of its kind in there. It may be
    /// in the file `beside`, in the folder of that, or in the folders of profiles.
    pub fn find(&mut self, kind: DocumentKind, name: &str, beside: Option<&Path>) -> Result<Found> {
        if let Some(path) = beside
            && let Some(found) = self.only_one(kind, name, self.named_in(path, kind, name))?
        {
            return Ok(found);
        }
        let beside = beside.map(|path| path.parent().map(Path::to_path_buf).unwrap_or_default());
        let folders: Vec<PathBuf> = beside.into_iter().chain(self.folders.clone()).collect();
        for folder in &folders {
            let found = self.in_folder(folder, kind, name)?;
            if let Some(found) = self.only_one(kind, name, found)? {
                return Ok(found);
            }
        }
        Err(self.not_found(kind, name, &folders))
    }

    fn only_one(&self, kind: DocumentKind, name: &str, found: Vec<Found>) -> Result<Option<Found>> {
        match found.as_slice() {
            [] => Ok(None),
            [found] => Ok(Some(found.clone())),
            several => Err(self.several_found(kind, name, several)),
        }
    }

    fn several_found(&self, kind: DocumentKind, name: &str, several: &[Found]) -> Failure {
        let place = |found: &Found| {
            let position =
                self.files.get(&found.path).and_then(|file| Some(file.as_ref().ok()?.get(found.number)?.root.position));
            let position = position.map(|position| format!(":{position}")).unwrap_or_default();
            format!("{}{position}", found.path.display())
        };
        let places: Vec<String> = several.iter().map(place).collect();
        Failure::usage(format!("several {}s have the name {name:?}: {}", kind.noun(), places.join(", ")))
    }

    /// Documents of this name in a file that has been read.
    fn named_in(&self, path: &Path, kind: DocumentKind, name: &str) -> Vec<Found> {
        let documents = self.files.get(path).and_then(|file| file.as_ref().ok());
        let documents = documents.into_iter().flat_map(|documents| documents.iter().enumerate());
        let of_name = documents.filter(|(_, document)| document.kind == kind && document.name.as_deref() == Some(name));
        of_name.map(|(number, _)| Found { path: path.to_path_buf(), number }).collect()
    }

    fn in_folder(&mut self, folder: &Path, kind: DocumentKind, name: &str) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        for path in yaml_files(folder) {
            let is_of_name = stem(&path) == name;
            // A working directory has files of other programs. Most are not parsed, and an error in one does not count.
            if !is_of_name && !self.files.contains_key(&path) && !read_text(&path).is_ok_and(|text| text.contains(name))
            {
                continue;
            }
            let documents = match self.documents(&path) {
                Ok(documents) => documents,
                Err(failure) if is_of_name => return Err(failure),
                Err(_) => continue,
            };
            let named = self.named_in(&path, kind, name);
            let is_profile = |found: &Found| is_of_name || documents[found.number].looks_like_a_profile();
            let named: Vec<Found> = named.into_iter().filter(is_profile).collect();
            if named.is_empty() && is_of_name {
                let mut of_kind = documents.iter().enumerate().filter(|(_, document)| document.kind == kind);
                match (of_kind.next(), of_kind.next()) {
                    (Some((number, _)), None) => found.push(Found { path, number }),
                    (Some(_), Some(_)) if kind == DocumentKind::Instance => {
                        return self.in_path(&path, None).map(|found| vec![found]);
                    }
                    _ => {}
                }
            } else {
                found.extend(named);
            }
        }
        Ok(found)
    }

    fn not_found(&mut self, kind: DocumentKind, name: &str, folders: &[PathBuf]) -> Failure {
        let mut looked: Vec<String> = Vec::new();
        let mut known: Vec<String> = Vec::new();
        for folder in folders {
            let shown = if folder.as_os_str().is_empty() { ".".to_string() } else { folder.display().to_string() };
            if looked.contains(&shown) {
                continue;
            }
            looked.push(shown);
            for path in yaml_files(folder) {
                let documents = self.documents(&path);
                let documents = documents.iter().flat_map(|documents| documents.iter());
                let of_kind = documents.filter(|document| document.kind == kind && document.looks_like_a_profile());
                known.extend(of_kind.map(|document| document.name.clone().unwrap_or_else(|| stem(&path))));
                if kind == DocumentKind::Instance {
                    known.push(stem(&path));
                }
            }
        }
        let failure = Failure::usage(format!(
            "no {} {name:?}: looked for it and for {name}.yaml in {}",
            kind.noun(),
            looked.join(", ")
        ));
        match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => failure.hint(format!("did you mean {near}?")),
            None => failure,
        }
    }
}

/// Splits `FILE` and `FILE:NAME`. A name of a profile is not a path.
pub fn path_and_name(name: &str) -> Option<(PathBuf, Option<&str>)> {
    let is_file = |name: &str| name.ends_with(".yaml") || name.ends_with(".yml");
    if let Some((path, profile)) = name.rsplit_once(':')
        && !Path::new(name).exists()
        && (is_file(path) || Path::new(path).is_file())
    {
        return Some((PathBuf::from(path), Some(profile)));
    }
    (name.contains('/') || is_file(name)).then(|| (PathBuf::from(name), None))
}

/// Returns the YAML files of a folder, in the order of their names.
pub fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(is_yaml).filter(|path| path.is_file()).collect();
    paths.sort();
    paths
}

pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
