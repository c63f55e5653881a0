//! `NodeGroups`: the groups that `@NAME` stands for, read from ClusterShell's own files: groups.conf, the YAML files beside
//! it, and the flat file of the stock source `local`. It never runs a program: a source that needs one is refused.

mod catalogue;
mod files;
#[cfg(test)]
mod tests;

use catalogue::Catalogue;
use cerveza_manners::visible;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

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
