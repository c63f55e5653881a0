//! The profiles of a machine: found by name or path, and resolved with what they extend.

mod files;
pub(crate) mod folders;
mod search;
pub(crate) mod set_option;
pub(crate) mod source;

pub use files::Library;

use crate::document::keys::{INSTANCE_KEYS, VOLUME_KEYS, canonical};
use crate::document::reader::Reader;
use crate::document::yaml::{Node, Pair};
use crate::document::{Document, failure};
use crate::library::search::{Found, path_and_name, stem, yaml_files};
use crate::library::set_option::Override;
use crate::library::source::{DocumentKind, SourceDocument, read_documents};
use cerveza_manners::{Failure, Result};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A profile with all that it extends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolved {
    pub document: Document,
    /// The folders of its file and of the files that it extends, in this order.
    pub folders: Vec<PathBuf>,
}

/// A profile of the folders, for a list of all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// The name that --profile takes; none of a profile without a name in a file of several.
    pub name: Option<String>,
    pub place: String,
    pub description: Option<String>,
}

impl Library {
    /// Reads and resolves an instance profile: a path where it has a `/` in it or ends in .yaml or .yml, with `:NAME`
    /// after it if the file has several; else a name.
    pub fn read(&mut self, name: &str, overrides: &[Override]) -> Result<Resolved> {
        match path_and_name(name) {
            Some((path, name)) => {
                let found = self.in_path(&path, name)?;
                self.resolve(&found, overrides)
            }
            None => self.read_named(name, overrides),
        }
    }

    /// Reads and resolves the instance profile of a name, which is never taken for a path.
    pub fn read_named(&mut self, name: &str, overrides: &[Override]) -> Result<Resolved> {
        let found = self.find(DocumentKind::Instance, name, None)?;
        self.resolve(&found, overrides)
    }

    fn resolve(&mut self, found: &Found, overrides: &[Override]) -> Result<Resolved> {
        let mut resolved = self.instance(found, &mut Vec::new())?;
        if resolved.document.values.get("name").is_none_or(Value::is_null) {
            resolved.document.values.insert("name".to_string(), stem(&found.path).into());
        }
        self.apply_overrides(&mut resolved.document, overrides, Some(&found.path))?;
        resolved.document.values.shift_remove("extends");
        resolved.document.arrange(&INSTANCE_KEYS);
        Ok(resolved)
    }

    /// Reads a text with one profile. `shown` is what errors call the text; `has_lines` says whether they name lines.
    pub fn read_text(&mut self, shown: &str, has_lines: bool, text: &str) -> Result<Document> {
        let documents = read_documents(shown, text)?;
        let [document] = documents.as_slice() else {
            return Err(Failure::usage(format!("{shown}: it has several documents")));
        };
        let mut document = Reader::new(shown, has_lines).instance(&document.root).map_err(failure)?;
        if document.values.contains_key("extends") {
            let place = document.place("extends");
            return Err(Failure::usage(format!("{place}: extends: a profile that is not in a file cannot extend one")));
        }
        self.volumes(&mut document, None)?;
        document.arrange(&INSTANCE_KEYS);
        Ok(document)
    }

    /// Returns all instance profiles in the folders, and why files cannot be read. Those of the working directory may
    /// be another program's.
    pub fn list(&mut self) -> (Vec<Listed>, Vec<Failure>) {
        let (mut listed, mut failures) = (Vec::new(), Vec::new());
        for folder in self.folders.clone() {
            for path in yaml_files(&folder) {
                let shown = path.display().to_string();
                let documents = match self.documents(&path) {
                    Ok(documents) => documents,
                    Err(_) if folder == Path::new(".") => continue,
                    Err(failure) => {
                        failures.push(failure);
                        continue;
                    }
                };
                let is_listed = |document: &&SourceDocument| {
                    let is_here = folder == Path::new(".");
                    document.kind == DocumentKind::Instance && (!is_here || document.looks_like_a_profile())
                };
                let is_only = documents.iter().filter(is_listed).count() == 1;
                for document in documents.iter().filter(is_listed) {
                    let key = |key: &Node| key.text().map(canonical);
                    let is_description =
                        |pair: &&Pair| matches!(key(&pair.key).as_deref(), Some("description" | "desc"));
                    let mut pairs = document.root.pairs().into_iter().flatten();
                    let description = pairs.find(is_description).and_then(|pair| pair.value.text());
                    listed.push(Listed {
                        name: document.name.clone().or_else(|| is_only.then(|| stem(&path))),
                        place: format!("{shown}:{}", document.root.position),
                        description: description.map(str::to_string),
                    });
                }
            }
        }
        (listed, failures)
    }

    /// Sets what --set says.
    fn apply_overrides(
        &mut self,
        document: &mut Document,
        overrides: &[Override],
        beside: Option<&Path>,
    ) -> Result<()> {
        for given in overrides {
            let shown = format!("--set {:?}", given.argument);
            let mut over = Reader::new(&shown, false).instance(&given.root).map_err(failure)?;
            if over.values.contains_key("extends") {
                return Err(Failure::usage(format!("{shown}: extends: it cannot be set here")));
            }
            self.volumes(&mut over, beside)?;
            over.places.remove("");
            document.merge(over);
        }
        Ok(())
    }

    /// Resolves an instance profile. `chain` has those that extend it.
    fn instance(&mut self, found: &Found, chain: &mut Vec<Found>) -> Result<Resolved> {
        let source = self.source(found)?;
        let mut document =
            Reader::new(&found.path.display().to_string(), true).instance(&source.root).map_err(failure)?;
        self.volumes(&mut document, Some(&found.path))?;
        let mut folders = vec![folder(&found.path)];
        if let Some(base) = self.base(&document, DocumentKind::Instance, found, chain)? {
            let mut base = self.instance(&base, chain)?;
            // These are the base's own.
            base.document.values.shift_remove("name");
            base.document.values.shift_remove("description");
            base.document.merge(document);
            document = base.document;
            folders.extend(base.folders);
        }
        chain.pop();
        Ok(Resolved { document, folders })
    }

    /// Resolves a volume profile.
    fn volume(&mut self, found: &Found, chain: &mut Vec<Found>) -> Result<Document> {
        let source = self.source(found)?;
        let mut document =
            Reader::new(&found.path.display().to_string(), true).volume(&source.root).map_err(failure)?;
        if document.values.get("name").is_none_or(Value::is_null) {
            document.values.insert("name".to_string(), stem(&found.path).into());
        }
        if let Some(base) = self.base(&document, DocumentKind::Volume, found, chain)? {
            let mut base = self.volume(&base, chain)?;
            base.merge(document);
            document = base;
        }
        chain.pop();
        Ok(document)
    }

    /// Finds what a document extends, and adds the document to the chain. A chain that leads back to it is refused.
    fn base(
        &mut self,
        document: &Document,
        kind: DocumentKind,
        found: &Found,
        chain: &mut Vec<Found>,
    ) -> Result<Option<Found>> {
        chain.push(found.clone());
        let Some(name) = document.values.get("extends").and_then(Value::as_str) else { return Ok(None) };
        let place = document.place("extends");
        let base = match path_and_name(name).filter(|_| kind == DocumentKind::Instance) {
            Some((path, name)) => self.in_path(&found.path.parent().unwrap_or(Path::new("")).join(path), name),
            None => self.find(kind, name, Some(&found.path)),
        };
        let base = base.map_err(|failure| failure.within(format!("{place}: extends")))?;
        if chain.contains(&base) {
            Err(Failure::usage(format!("{place}: extends: {name} extends this profile itself")))
        } else {
            Ok(Some(base))
        }
    }

    /// Puts into each volume of a document what it extends. Volumes of a volume profile are kept when the instance
    /// ends, unless a profile says otherwise.
    fn volumes(&mut self, document: &mut Document, beside: Option<&Path>) -> Result<()> {
        let Some(Value::Array(volumes)) = document.values.get("volumes") else { return Ok(()) };
        let volumes = volumes.clone();
        let mut resolved = Vec::new();
        let mut places = HashMap::new();
        for (number, volume) in volumes.into_iter().enumerate() {
            let path = format!("volumes/{number}");
            let name = volume.get("extends").and_then(Value::as_str);
            let (Some(name), Value::Object(values)) = (name, &volume) else {
                resolved.push(volume);
                continue;
            };
            let place = document.place(&format!("{path}/extends"));
            let within = |failure: Failure| failure.within(format!("{place}: volumes"));
            let found = self.find(DocumentKind::Volume, name, beside).map_err(within)?;
            let mut base = self.volume(&found, &mut Vec::new())?;
            // The places of what the volume says itself are known in this document.
            let base_places = std::mem::take(&mut base.places);
            base.merge(Document { values: values.clone(), ..Document::default() });
            base.values.shift_remove("extends");
            base.values.shift_remove("description");
            base.values.entry("delete on termination").or_insert(false.into());
            base.arrange(VOLUME_KEYS);
            for (key, place) in base_places.into_iter().filter(|(key, _)| !key.is_empty()) {
                places.insert(format!("{path}/{key}"), place);
            }
            resolved.push(base.values.into());
        }
        document.values.insert("volumes".to_string(), resolved.into());
        for (path, place) in places {
            document.places.entry(path).or_insert(place);
        }
        Ok(())
    }

    fn source(&mut self, found: &Found) -> Result<SourceDocument> {
        let documents = self.documents(&found.path)?;
        documents
            .get(found.number)
            .cloned()
            .ok_or_else(|| Failure::usage(format!("{}: it has changed", found.path.display())))
    }
}

/// Returns the folder of a file, as an absolute path: what is made of it (startup_scripts) travels on in records.
fn folder(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf())
}
