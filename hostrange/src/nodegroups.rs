//! The groups that `@NAME` stands for, out of ClusterShell's own files: groups.conf, the YAML files beside it, and the
//! flat file of the stock source `local`. No program is run: a source whose groups come out of one is refused.

mod files;

use cerveza_manners::{nearest, visible};
use files::{Groups, Sections, flat_file, is_absent, read_flat, read_ini, read_yaml, stock_file, wrong};
use indexmap::IndexMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{env, fs};

/// What a group stands for, as its file says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub source: String,
    /// `all` or `*` where all of a source was asked for.
    pub group: String,
    pub file: PathBuf,
    /// Expressions, several where all of a source was asked for, in which `@NAME` means a group of the same source.
    /// They may be empty.
    pub texts: Vec<String>,
}

/// Reads nothing before it is first asked, so that who uses no groups never hears of a broken file.
#[derive(Debug)]
pub(crate) struct NodeGroups {
    folders: Vec<PathBuf>,
    catalogue: OnceLock<Result<Catalogue, String>>,
}

impl NodeGroups {
    pub fn from_env() -> NodeGroups {
        NodeGroups::in_folders(folders(|name| env::var_os(name), env::home_dir()))
    }

    /// The last folder has precedence.
    pub fn in_folders(folders: Vec<PathBuf>) -> NodeGroups {
        let comes_again = |at: usize| folders[at + 1..].contains(&folders[at]);
        let last = (0..folders.len()).filter(|at| !comes_again(*at)).map(|at| folders[at].clone()).collect();
        NodeGroups { folders: last, catalogue: OnceLock::new() }
    }

    /// `source` `None` is the default source. `group` `*` is all of the source: its group `all`, or else every group.
    pub fn find(&self, source: Option<&str>, group: &str) -> Result<Definition, String> {
        self.look_up(|catalogue| catalogue.find(source, group))
    }

    /// The names of a source's groups, in the order of its file, with the source's own. `None` is the default source.
    pub fn names(&self, source: Option<&str>) -> Result<(String, Vec<String>), String> {
        self.look_up(|catalogue| {
            let (name, source) = catalogue.source(source, "GROUP")?;
            let groups = source.groups.as_ref().map_err(String::clone)?;
            Ok((name.to_string(), groups.keys().cloned().collect()))
        })
    }

    /// All sources, the default one first, and the default one's name, if there is any.
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

/// Where ClusterShell looks, the last with precedence. Its third folder is that of the Python it runs on.
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
    /// Or why none of them can be had, which matters only to who asks for one.
    groups: Result<Groups, String>,
}

/// What is in the files.
#[derive(Debug, Default)]
struct Catalogue {
    sources: IndexMap<String, Source>,
    default: Option<String>,
    /// The files that were read, and what was passed over and why: for who misses something.
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

    /// As groups.conf says, in ClusterShell's order: without `default` its first source is the default.
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

    /// ClusterShell knows no groups without a groups.conf. Who has its other files alone means what the stock
    /// groups.conf makes of them.
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

    /// The files of a folder that end so, in the order of their names. No folder has no files.
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

    /// What only others may read, or a link to nothing, is passed over as by ClusterShell, and named when something is
    /// missing. All else that is wrong with a file is an error: it may hold what was asked for.
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

    /// The source that is asked for, or the default one. `group` is what of it is wanted, for messages.
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

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::{TempDir, tempdir};

    const MAP: &str = concat!(
        "map: [ -f $CFGDIR/groups ] && f=$CFGDIR/groups || f=$CFGDIR/groups.d/local.cfg; ",
        r"sed -n 's/^$GROUP:\(.*\)/\1/p' $f"
    );
    const DIRS: &str = "confdir: $CFGDIR/groups.conf.d\nautodir: \"$CFGDIR/groups.d\" ${CFGDIR}/groups.d/";

    /// Folders `etc` and `home`, of which `home` has precedence, with these files.
    fn files(files: &[(&str, &str)]) -> TempDir {
        let top = tempdir().unwrap();
        for (path, content) in files {
            let path = top.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        top
    }

    fn find(top: &TempDir, source: &str, group: &str) -> Result<Definition, String> {
        NodeGroups::in_folders(["etc", "home"].map(|folder| top.path().join(folder)).into())
            .find(Some(source).filter(|source| !source.is_empty()), group)
            .map_err(|error| error.replace(top.path().to_str().unwrap(), "TOP"))
    }

    fn text(top: &TempDir, source: &str, group: &str) -> String {
        let found = find(top, source, group).unwrap();
        format!("{}:{}={}", found.source, found.group, found.texts.join(" | "))
    }

    fn stock() -> TempDir {
        let conf = format!("# stock\n[Main]\n\ndefault: local\n{DIRS}\n[local]\n{MAP}\n; end\n");
        files(&[
            ("etc/groups.conf", &conf),
            ("etc/groups.d/local.cfg", "# comment: none\nadm: n0\nweb: n1 n2\nweb: n[3-4]!n3\n\nstray\n"),
            (
                "etc/groups.d/b.yaml",
                "racks:\n  r1: 'n[1-2]'\n  r2: [n3, 7, 'n4,n5']\n  r3: 12\n  all: '@r[1-2]'\n  none:\n",
            ),
            (
                "etc/groups.d/a.yaml",
                "cpu: &cpu {ivy: \"@racks:r1\", op: 'a&b', plain: \"c\\nd\\n\"}\nother: {<<: *cpu}\n",
            ),
            ("etc/groups.d/.c.yaml", "]"),
            ("etc/groups.d/c.yaml.example", "]"),
            ("etc/groups.conf.d/x.conf", "[slurm,sp]\nmap: sinfo -h -o \"%N\" -p $GROUP ; # = : [x]\n  | more\n"),
        ])
    }

    #[test]
    fn the_flat_file_of_the_stock_source_is_read() {
        let top = stock();
        assert_eq!(text(&top, "", "adm"), "local:adm=n0");
        assert_eq!(text(&top, "local", "web"), "local:web=n1 n2,n[3-4]!n3");
        assert_eq!(find(&top, "", "adm").unwrap().file, top.path().join("etc/groups.d/local.cfg"));
        fs::write(top.path().join("etc/groups"), "adm: old\n").unwrap();
        assert_eq!(text(&top, "", "adm"), "local:adm=old");
    }

    #[test]
    fn yaml_gives_texts_lists_and_numbers() {
        let top = stock();
        assert_eq!(text(&top, "racks", "r1"), "racks:r1=n[1-2]");
        assert_eq!(text(&top, "racks", "r2"), "racks:r2=n3,7,n4,n5");
        assert_eq!(text(&top, "racks", "r3"), "racks:r3=12");
        assert_eq!(text(&top, "racks", "none"), "racks:none=");
        assert_eq!(text(&top, "other", "ivy"), "other:ivy=@racks:r1");
    }

    #[test]
    fn all_of_a_source_is_its_group_all_or_else_every_group() {
        let top = stock();
        assert_eq!(text(&top, "racks", "*"), "racks:all=@r[1-2]");
        assert_eq!(text(&top, "cpu", "*"), "cpu:*=@racks:r1 | a&b | c\nd");
        assert_eq!(text(&top, "", "*"), "local:*=n0 | n1 n2,n[3-4]!n3");
    }

    #[test]
    fn a_source_that_is_a_program_is_refused_and_no_other() {
        let top = stock();
        let why =
            "come out of a program (map in TOP/etc/groups.conf.d/x.conf), which is not run here: give the hosts by";
        assert_eq!(
            find(&top, "sp", "x").unwrap_err(),
            format!("the groups of \"sp\" {why} \"$(nodeset -f @sp:GROUP)\"")
        );
        for map in [
            "map: cat /etc/passwd",
            r"map: sed -n 's/^$GROUP:\(.*\)/\1/p' /etc/groups | sort",
            r"map: sed -n 's/^$GROUP:\(.*\)/\1/p' $HOME/g",
            &format!("{MAP}; date"),
            "list: x",
        ] {
            let top = files(&[("etc/groups.conf", &format!("[local]\n{map}\n"))]);
            assert!(find(&top, "local", "x").unwrap_err().contains("(map in TOP/etc/groups.conf)"), "{map}");
        }
        let conf = "[old]\nmap: sed -n 's/^$GROUP:\\(.*\\)/\\1/p' $CFGDIR/my-file\n";
        let top = files(&[("etc/groups.conf", conf), ("etc/my-file", "a: b\n")]);
        assert_eq!(text(&top, "", "a"), "old:a=b");
    }

    #[test]
    fn the_default_source_is_that_of_groups_conf_or_else_the_first() {
        let yaml = ("etc/groups.d/x.yaml", "one: {a: n1}\ntwo: {a: n2}\n");
        let conf = |default| format!("[Main]\nAutodir = $CFGDIR/groups.d\n{default}");
        let with = |default| files(&[("etc/groups.conf", &conf(default)), yaml]);
        assert_eq!(text(&with("default: two"), "", "a"), "two:a=n2");
        assert_eq!(text(&with("default:"), "", "a"), "one:a=n1");
        let why = "no source of groups \"twoo\" (the default of groups.conf) in TOP/etc/groups.conf, \
                   TOP/etc/groups.d/x.yaml, which have one, two: did you mean @two:a?";
        assert_eq!(find(&with("default: twoo"), "", "a").unwrap_err(), why);
    }

    #[test]
    fn the_groups_conf_of_the_last_folder_overrides_and_is_cfgdir() {
        let top = stock();
        let add = |path: &str, content: &str| {
            fs::create_dir_all(top.path().join("home/groups.d")).unwrap();
            fs::write(top.path().join(path), content).unwrap();
        };
        add("home/groups.d/mine.yaml", "mine: {a: n1}\n");
        let why = "no source of groups \"mine\" in TOP/etc/groups.conf, TOP/etc/groups.conf.d/x.conf, \
                   TOP/etc/groups.d/a.yaml, TOP/etc/groups.d/b.yaml, which have slurm, sp, cpu, other, racks, local; \
                   not read: TOP/home/groups.d: in no autodir of groups.conf";
        assert_eq!(find(&top, "mine", "a").unwrap_err(), why);
        add("home/groups.conf", "[Main]\ndefault: mine\n");
        assert_eq!(text(&top, "", "a"), "mine:a=n1");
        assert!(find(&top, "racks", "r1").is_err());
        // What is not said anew stays as it was, of this $CFGDIR.
        let why = "TOP/home/groups.d/local.cfg: cannot read: No such file or directory (os error 2)";
        assert_eq!(find(&top, "local", "adm").unwrap_err(), why);
        add("home/groups.d/local.cfg", "adm: mine\n");
        assert_eq!(text(&top, "local", "adm"), "local:adm=mine");
    }

    #[test]
    fn without_groups_conf_the_files_beside_it_are_the_groups() {
        let yaml = |name, content| files(&[(name, content)]);
        assert_eq!(text(&yaml("home/groups.d/x.yaml", "only: {a: n1}"), "", "a"), "only:a=n1");
        let two = "x: {a: n1}\ndefault: {a: n2}";
        assert_eq!(text(&yaml("home/groups.d/x.yaml", two), "", "a"), "default:a=n2");
        assert_eq!(text(&yaml("etc/groups.d/local.cfg", "a: n3"), "", "a"), "local:a=n3");
        let both =
            files(&[("etc/groups", "a: n3"), ("home/groups.d/local.cfg", "a: n4"), ("etc/groups.d/x.yaml", two)]);
        assert_eq!((text(&both, "", "a"), text(&both, "x", "a")), ("local:a=n4".into(), "x:a=n1".into()));
        let why = "which source of groups? TOP/home/groups.d/x.yaml have x, y: write @SOURCE:a, or 'default: SOURCE' \
                   under [Main] in a groups.conf";
        assert_eq!(find(&yaml("home/groups.d/x.yaml", "x: {}\ny: {}"), "", "a").unwrap_err(), why);
        let why = "there are no node groups (groups.conf, groups.d/*.yaml, groups.d/local.cfg) in TOP/etc, TOP/home";
        assert_eq!(find(&files(&[]), "", "a").unwrap_err(), why);
    }

    #[test]
    fn a_missing_group_says_where_it_was_looked_for_and_what_is_near() {
        let top = stock();
        let local = "in the source \"local\" (TOP/etc/groups.d/local.cfg)";
        assert_eq!(find(&top, "", "wbe").unwrap_err(), format!("no group \"wbe\" {local}: did you mean @web?"));
        assert_eq!(find(&top, "", "r1").unwrap_err(), format!("no group \"r1\" {local}: did you mean @racks:r1?"));
        assert_eq!(find(&top, "", "database").unwrap_err(), format!("no group \"database\" {local}"));
        let why = "no group \"al\" in the source \"racks\" (TOP/etc/groups.d/b.yaml): did you mean @racks:all?";
        assert_eq!(find(&top, "racks", "al").unwrap_err(), why);
        assert!(find(&top, "rack", "r1").unwrap_err().ends_with(": did you mean @racks:r1?"));
        assert!(find(&top, "", "").is_err());
    }

    #[test]
    fn a_broken_file_is_named_with_the_reason() {
        let broken = |name: &str, content: &str| find(&files(&[(name, content)]), "", "a").unwrap_err();
        let yaml = |content| broken("etc/groups.d/x.yaml", content).replace("TOP/etc/groups.d/x.yaml: ", "");
        assert_eq!(
            yaml("a: [b"),
            "did not find expected ',' or ']' at line 2 column 1, while parsing a flow sequence at line 1 column 4"
        );
        assert_eq!(yaml("- a"), "it is no mapping of sources to groups");
        assert_eq!(yaml("s: x"), "\"s\" is no mapping of groups to nodes");
        assert_eq!(yaml("s: {g: {a: b}}"), "\"s\": \"g\" is neither a text nor a list of texts");
        assert_eq!(yaml("s: {g: [true]}"), "\"s\": \"g\" is neither a text nor a list of texts");
        assert_eq!(yaml("s: {g: a, g: b}"), "s: duplicate entry with key \"g\" at line 1 column 4");
        assert_eq!(broken("etc/groups.d/x.yaml/y", ""), "TOP/etc/groups.d/x.yaml: it is no regular file");
        let ini = |content| broken("etc/groups.conf", content).replace("TOP/etc/groups.conf: ", "");
        assert_eq!(ini("[Main\n"), "line 1: Found opening bracket for section name but no closing bracket");
        assert_eq!(ini("default: x\n"), "\"default\" is no 'option: value' of a [section]");
        assert_eq!(ini("[Main]\nwhat\n"), "\"what\" is no 'option: value' of a [section]");
        assert_eq!(ini("[Main]\nautodir: 'x\n"), "autodir: a quote is not closed");
    }

    #[test]
    fn a_file_that_is_no_text_is_refused_and_one_that_is_out_of_reach_named() {
        let top = stock();
        let yaml = top.path().join("etc/groups.d/z.yaml");
        fs::write(&yaml, b"s: {g: \xff}").unwrap();
        let why = "TOP/etc/groups.d/z.yaml: it is not UTF-8: invalid utf-8 sequence of 1 bytes from index 7";
        assert_eq!(find(&top, "", "adm").unwrap_err(), why);
        fs::File::create(&yaml).unwrap().set_len((64 << 20) + 1).unwrap();
        assert_eq!(find(&top, "", "adm").unwrap_err(), "TOP/etc/groups.d/z.yaml: it is larger than 64 MiB");
        fs::remove_file(&yaml).unwrap();
        let listener = std::os::unix::net::UnixListener::bind(&yaml).unwrap();
        assert_eq!(find(&top, "", "adm").unwrap_err(), "TOP/etc/groups.d/z.yaml: it is no regular file");
        drop(listener);
        fs::remove_file(&yaml).unwrap();
        std::os::unix::fs::symlink("gone", &yaml).unwrap();
        assert_eq!(text(&top, "", "adm"), "local:adm=n0");
        let why = "; not read: TOP/etc/groups.d/z.yaml: cannot read: No such file or directory (os error 2)";
        assert!(find(&top, "z", "x").unwrap_err().ends_with(why));
    }

    #[test]
    fn a_source_in_two_files_is_an_error_as_in_clustershell() {
        let top = files(&[("etc/groups.d/x.yaml", "s: {a: n1}"), ("home/groups.d/y.yaml", "s: {a: n2}")]);
        let why =
            "the source of groups \"s\" is defined twice: in TOP/etc/groups.d/x.yaml and in TOP/home/groups.d/y.yaml";
        assert_eq!(find(&top, "s", "a").unwrap_err(), why);
    }

    #[test]
    fn a_folder_that_is_given_twice_is_read_once() {
        let top = files(&[("etc/groups.d/x.yaml", "s: {a: n1}")]);
        let folder = top.path().join("etc");
        assert!(NodeGroups::in_folders(vec![folder.clone(), folder]).find(None, "a").is_ok());
    }

    #[test]
    fn an_error_is_one_line_of_visible_text() {
        let top = files(&[("etc/groups.d/x.yaml", "\"a\\nb\\e[1m\": {c: n1}")]);
        let why = "no source of groups \"x\" in TOP/etc/groups.d/x.yaml, which have a\\nb\\u{1b}[1m";
        assert_eq!(find(&top, "x", "c").unwrap_err(), why);
    }

    #[test]
    fn the_folders_are_those_of_clustershell() {
        let of = |vars: &[(&str, &str)]| {
            let var = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
            paths(&folders(var, Some("/h".into())))
        };
        let system = "/etc/clustershell, /h/.local/etc/clustershell";
        let usual = format!("{system}, /usr/etc/clustershell, /h/.config/clustershell");
        assert_eq!(of(&[]), usual);
        assert_eq!(of(&[("XDG_CONFIG_HOME", ""), ("CLUSTERSHELL_CFGDIR", "")]), usual);
        let all = [("XDG_CONFIG_HOME", "/x"), ("CLUSTERSHELL_CFGDIR", "cfg"), ("VIRTUAL_ENV", "/v")];
        assert_eq!(of(&all), format!("{system}, /v/etc/clustershell, /x/clustershell, cfg"));
    }
}
