//! `Catalogue`: the content of ClusterShell's files, and messages about what is not in them.

use super::Definition;
use super::files::{Groups, Sections, flat_file, is_absent, read_flat, read_ini, read_yaml, stock_file, wrong};
use cerveza_manners::nearest;
use indexmap::IndexMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A namespace of groups.
#[derive(Debug)]
pub struct Source {
    pub file: PathBuf,
    /// The groups, or why they cannot be read. That is an error only if one of them is requested.
    pub groups: Result<Groups, String>,
}

/// The content of the files.
#[derive(Debug, Default)]
pub struct Catalogue {
    pub sources: IndexMap<String, Source>,
    pub default: Option<String>,
    /// The files that were read, and those that were skipped with the reason, for messages.
    read: Vec<PathBuf>,
    unread: Vec<String>,
}

impl Catalogue {
    pub fn read(folders: &[PathBuf]) -> Result<Catalogue, String> {
        let mut catalogue = Catalogue::default();
        let mut sections = Sections::new();
        let mut cfgdir = None;
        for folder in folders {
            let file = folder.join("groups.conf");
            match read_ini(&file) {
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(wrong(&file, &error)),
                Ok(more) => {
                    for (name, section) in more {
                        let known = sections.entry(name).or_default();
                        known.file = section.file;
                        known.options.extend(section.options);
                    }
                    catalogue.read.push(file);
                    cfgdir = Some(folder);
                }
            }
        }
        match cfgdir {
            Some(cfgdir) => catalogue.configured(sections, cfgdir, folders)?,
            None => catalogue.unconfigured(folders)?,
        }
        if catalogue.sources.is_empty() {
            let files = "groups.conf, groups.d/*.yaml, groups.d/local.cfg";
            return Err(format!("there are no node groups ({files}) in {}{}", paths(folders), catalogue.unread()));
        }
        Ok(catalogue)
    }

    /// Reads the sources of groups.conf in ClusterShell's order. Without `default` the first one is the default.
    fn configured(&mut self, mut sections: Sections, cfgdir: &Path, folders: &[PathBuf]) -> Result<(), String> {
        let main = sections.shift_remove("Main").unwrap_or_default();
        let confdir = if main.options.contains_key("groupsdir") { "groupsdir" } else { "confdir" };
        let autodirs = main.folders("autodir", cfgdir)?;
        for confdir in main.folders(confdir, cfgdir)? {
            for file in self.listed(&confdir, "conf")? {
                let sections = self.readable(&file, read_ini(&file))?.unwrap_or_default();
                self.add_sections(sections, &confdir)?;
            }
        }
        for autodir in &autodirs {
            self.add_yaml(autodir)?;
        }
        self.add_sections(sections, cfgdir)?;
        let default = main.options.get("default").filter(|name| !name.is_empty());
        self.default = default.or(self.sources.keys().next()).cloned();
        let beside = folders.iter().map(|folder| folder.join("groups.d"));
        let passed_over = beside.filter(|folder| folder.is_dir() && !autodirs.contains(folder));
        self.unread.extend(passed_over.map(|folder| format!("{}: in no autodir of groups.conf", folder.display())));
        Ok(())
    }

    /// Reads the other files as the stock groups.conf would. ClusterShell itself has no groups without a groups.conf.
    fn unconfigured(&mut self, folders: &[PathBuf]) -> Result<(), String> {
        for folder in folders {
            self.add_yaml(&folder.join("groups.d"))?;
        }
        if let Some(file) = folders.iter().rev().map(|folder| stock_file(folder)).find(|file| file.is_file()) {
            self.add("local", flat_source(file))?;
        }
        let only = self.sources.keys().next().filter(|_| self.sources.len() == 1);
        let mut names = ["local", "default"].into_iter().chain(only.map(String::as_str));
        self.default = names.find(|name| self.sources.contains_key(*name)).map(str::to_string);
        Ok(())
    }

    fn add_sections(&mut self, sections: Sections, cfgdir: &Path) -> Result<(), String> {
        for (names, section) in sections {
            for name in names.split(',').map(str::trim).filter(|name| !matches!(*name, "Main" | "DEFAULT")) {
                let flat = section.options.get("map").and_then(|map| flat_file(map, cfgdir));
                self.add(name, flat.map_or_else(|| upcall_source(name, &section.file), flat_source))?;
            }
        }
        Ok(())
    }

    fn add_yaml(&mut self, folder: &Path) -> Result<(), String> {
        for file in self.listed(folder, "yaml")? {
            for (name, groups) in self.readable(&file, read_yaml(&file))?.unwrap_or_default() {
                self.add(&name, Source { file: file.clone(), groups: Ok(groups) })?;
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, source: Source) -> Result<(), String> {
        if let Some(known) = self.sources.get(name) {
            let (one, other) = (known.file.display(), source.file.display());
            return Err(format!("the source of groups {name:?} is defined twice: in {one} and in {other}"));
        }
        self.sources.insert(name.to_string(), source);
        Ok(())
    }

    /// Returns the files with this extension, sorted by name. A missing folder has no files.
    fn listed(&mut self, folder: &Path, extension: &str) -> Result<Vec<PathBuf>, String> {
        let entries = match fs::read_dir(folder) {
            Err(_) if !folder.exists() => return Ok(Vec::new()),
            entries => entries.and_then(Iterator::collect::<io::Result<Vec<_>>>),
        };
        let entries = self.readable(folder, entries)?.unwrap_or_default();
        let is_hidden = |name: &OsString| name.as_encoded_bytes().starts_with(b".");
        let names = entries.iter().map(fs::DirEntry::file_name).filter(|name| !is_hidden(name));
        let files = names.map(|name| folder.join(name));
        let mut files = files.filter(|file| file.extension().is_some_and(|end| end == extension)).collect::<Vec<_>>();
        files.sort();
        Ok(files)
    }

    /// Skips a file that may not be read and a dangling link, as ClusterShell does, and notes it for messages. Any other error
    /// is returned, because the file may have the group that was requested.
    fn readable<T>(&mut self, file: &Path, read: io::Result<T>) -> Result<Option<T>, String> {
        match &read {
            Ok(_) if file.is_dir() => {}
            Ok(_) => self.read.push(file.to_path_buf()),
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound) => {
                self.unread.push(wrong(file, error));
            }
            Err(error) => return Err(wrong(file, error)),
        }
        Ok(read.ok())
    }

    /// Returns the requested source, or the default one. `group` is for messages.
    pub fn source<'s>(&'s self, asked: Option<&'s str>, group: &str) -> Result<(&'s str, &'s Source), String> {
        let Some(name) = asked.or(self.default.as_deref()) else {
            let what = format!("which source of groups? {} have {}", paths(&self.read), self.names());
            return Err(format!("{what}: write @SOURCE:{group}, or 'default: SOURCE' under [Main] in a groups.conf"));
        };
        Ok((name, self.sources.get(name).ok_or_else(|| self.no_source(name, group))?))
    }

    pub fn find(&self, asked: Option<&str>, group: &str) -> Result<Definition, String> {
        let asked = asked.filter(|name| !name.is_empty());
        let (name, source) = self.source(asked, group)?;
        let groups = source.groups.as_ref().map_err(String::clone)?;
        let known = if group == "*" { groups.get_key_value("all") } else { groups.get_key_value(group) };
        let (group, texts) = match known {
            Some((group, text)) => (group.as_str(), vec![text.clone()]),
            None if group == "*" => (group, groups.values().cloned().collect()),
            None => return Err(self.no_group(asked, name, source, group)),
        };
        Ok(Definition { source: name.to_string(), group: group.to_string(), file: source.file.clone(), texts })
    }

    fn no_group(&self, asked: Option<&str>, name: &str, source: &Source, group: &str) -> String {
        let has = |source: &Source| source.groups.as_ref().is_ok_and(|groups| groups.contains_key(group));
        let elsewhere = self.sources.iter().find(|(_, source)| has(source));
        let near = nearest(group, source.groups.iter().flat_map(IndexMap::keys).map(String::as_str));
        let hint = match (near, asked, elsewhere) {
            (_, _, Some((other, _))) => format!(": did you mean @{other}:{group}?"),
            (Some(near), Some(asked), _) => format!(": did you mean @{asked}:{near}?"),
            (Some(near), None, _) => format!(": did you mean @{near}?"),
            (None, ..) => String::new(),
        };
        format!("no group {group:?} in the source {name:?} ({}){hint}{}", source.file.display(), self.unread())
    }

    fn no_source(&self, name: &str, group: &str) -> String {
        let which = if self.default.as_deref() == Some(name) { " (the default of groups.conf)" } else { "" };
        let near = nearest(name, self.sources.keys().map(String::as_str));
        let hint = near.map(|near| format!(": did you mean @{near}:{group}?")).unwrap_or_default();
        let (files, names) = (paths(&self.read), self.names());
        format!("no source of groups {name:?}{which} in {files}, which have {names}{hint}{}", self.unread())
    }

    fn names(&self) -> String {
        self.sources.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    fn unread(&self) -> String {
        let unread = self.unread.join("; ");
        if unread.is_empty() { unread } else { format!("; not read: {unread}") }
    }
}

fn flat_source(file: PathBuf) -> Source {
    Source { groups: read_flat(&file).map_err(|error| wrong(&file, &error)), file }
}

fn upcall_source(name: &str, file: &Path) -> Source {
    let what =
        format!("the groups of {name:?} come out of a program (map in {}), which is not run here", file.display());
    let instead = format!("give the hosts by \"$(nodeset -f @{name}:GROUP)\"");
    Source { file: file.to_path_buf(), groups: Err(format!("{what}: {instead}")) }
}

pub fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
