//! `NodeGroups`: the groups that `@NAME` stands for, read from ClusterShell's own files: groups.conf, the YAML files beside
//! it, and the flat file of the stock source `local`. It never runs a program: a source that needs one is refused.

mod files;
#[cfg(test)]
mod tests;

use cerveza_manners::{nearest, visible};
use files::{Groups, Sections, flat_file, is_absent, read_flat, read_ini, read_yaml, stock_file, wrong};
use indexmap::IndexMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{env, fs};

/// The text of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub source: String,
    /// `all` or `*` if all groups of a source were requested.
    pub group: String,
    pub file: PathBuf,
    /// Expressions, several if all groups of a source were requested. They may be empty. `@NAME` in them is a group of the
    /// same source.
    pub texts: Vec<String>,
}

/// Reads the files at the first request, so a broken file is no error if no group is used.
#[derive(Debug)]
pub(crate) struct NodeGroups {
    folders: Vec<PathBuf>,
    catalogue: OnceLock<Result<Catalogue, String>>,
}

impl NodeGroups {
    pub fn from_env() -> NodeGroups {
        NodeGroups::in_folders(folders(|name| env::var_os(name), env::home_dir()))
    }

    /// Reads from these folders. The last one has precedence.
    pub fn in_folders(folders: Vec<PathBuf>) -> NodeGroups {
        let comes_again = |at: usize| folders[at + 1..].contains(&folders[at]);
        let last = (0..folders.len()).filter(|at| !comes_again(*at)).map(|at| folders[at].clone()).collect();
        NodeGroups { folders: last, catalogue: OnceLock::new() }
    }

    /// Returns a group. `None` is the default source. `*` is the group `all` of the source, or every group if it has none.
    pub fn find(&self, source: Option<&str>, group: &str) -> Result<Definition, String> {
        self.look_up(|catalogue| catalogue.find(source, group))
    }

    /// Returns the name of a source and the names of its groups, in the order of the file. `None` is the default source.
    pub fn names(&self, source: Option<&str>) -> Result<(String, Vec<String>), String> {
        self.look_up(|catalogue| {
            let (name, source) = catalogue.source(source, "GROUP")?;
            let groups = source.groups.as_ref().map_err(String::clone)?;
            Ok((name.to_string(), groups.keys().cloned().collect()))
        })
    }

    /// Returns all sources, the default one first, and the name of the default one, if any.
    pub fn sources(&self) -> Result<(Vec<String>, Option<String>), String> {
        self.look_up(|catalogue| {
            let default = catalogue.default.clone().filter(|name| catalogue.sources.contains_key(name));
            let others = catalogue.sources.keys().filter(|name| Some(*name) != default.as_ref());
            Ok((default.iter().chain(others).cloned().collect(), default.clone()))
        })
    }

    fn look_up<T>(&self, look: impl FnOnce(&Catalogue) -> Result<T, String>) -> Result<T, String> {
        let found = match self.catalogue.get_or_init(|| Catalogue::read(&self.folders)) {
            Ok(catalogue) => look(catalogue),
            Err(error) => Err(error.clone()),
        };
        found.map_err(|error| visible(&error).into_owned())
    }
}

/// Returns the folders where ClusterShell looks, the last with precedence. The third is that of its Python.
fn folders(var: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Vec<PathBuf> {
    let folder = |name| var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let in_home = |rest| home.as_ref().map(|home| home.join(rest));
    let python = folder("VIRTUAL_ENV").unwrap_or_else(|| "/usr".into());
    let config = folder("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).or_else(|| in_home(".config"));
    let folders = [
        Some("/etc/clustershell".into()),
        in_home(".local/etc/clustershell"),
        Some(python.join("etc/clustershell")),
        config.map(|config| config.join("clustershell")),
        folder("CLUSTERSHELL_CFGDIR"),
    ];
    folders.into_iter().flatten().collect()
}

/// A namespace of groups.
#[derive(Debug)]
struct Source {
    file: PathBuf,
    /// The groups, or why they cannot be read. That is an error only if one of them is requested.
    groups: Result<Groups, String>,
}

/// The content of the files.
#[derive(Debug, Default)]
struct Catalogue {
    sources: IndexMap<String, Source>,
    default: Option<String>,
    /// The files that were read, and those that were skipped with the reason, for messages.
    read: Vec<PathBuf>,
    unread: Vec<String>,
}

impl Catalogue {
    fn read(folders: &[PathBuf]) -> Result<Catalogue, String> {
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
    fn source<'s>(&'s self, asked: Option<&'s str>, group: &str) -> Result<(&'s str, &'s Source), String> {
        let Some(name) = asked.or(self.default.as_deref()) else {
            let what = format!("which source of groups? {} have {}", paths(&self.read), self.names());
            return Err(format!("{what}: write @SOURCE:{group}, or 'default: SOURCE' under [Main] in a groups.conf"));
        };
        Ok((name, self.sources.get(name).ok_or_else(|| self.no_source(name, group))?))
    }

    fn find(&self, asked: Option<&str>, group: &str) -> Result<Definition, String> {
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

fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
