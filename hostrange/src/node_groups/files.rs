//! Reads the files in which ClusterShell keeps groups: INI, YAML and flat files.

use cerveza_manners::read_capped;
use configparser::ini::{Ini, IniDefault};
use indexmap::IndexMap;
use serde_yaml::Value;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A larger file is not a file of groups.
const MOST_BYTES: u64 = 64 << 20;

/// Groups with their expressions, in order.
pub type Groups = IndexMap<String, String>;

/// The sections of an INI file, in order.
pub type Sections = IndexMap<String, Section>;

#[derive(Debug, Default)]
pub struct Section {
    pub file: PathBuf,
    pub options: IndexMap<String, String>,
}

impl Section {
    /// Returns the folders that an option lists, each once.
    pub fn folders(&self, option: &str, cfgdir: &Path) -> Result<Vec<PathBuf>, String> {
        let words = self.options.get(option).map_or(Some(Vec::new()), |value| shlex::split(value));
        let words = words.ok_or_else(|| format!("{}: {option}: a quote is not closed", self.file.display()))?;
        let mut folders = Vec::new();
        for folder in words.iter().map(|word| path(word, cfgdir)) {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        Ok(folders)
    }
}

/// Replaces `$CFGDIR`.
fn path(text: &str, cfgdir: &Path) -> PathBuf {
    let cfgdir = cfgdir.to_string_lossy();
    text.replace("${CFGDIR}", &cfgdir).replace("$CFGDIR", &cfgdir).into()
}

/// Reads as Python's configparser does: `#` and `;` start a comment only at the start of a line.
pub fn read_ini(file: &Path) -> io::Result<Sections> {
    let mut settings = IniDefault::default();
    settings.case_sensitive = true;
    settings.multiline = true;
    settings.enable_inline_comments = false;
    settings.default_section = String::new();
    let parsed = Ini::new_from_defaults(settings).read(read_text(file)?).map_err(invalid)?;
    let mut sections = Sections::new();
    for (name, values) in parsed {
        let mut section = Section { file: file.to_path_buf(), ..Section::default() };
        for (option, value) in values {
            let (false, Some(value)) = (name.is_empty(), value) else {
                return Err(invalid(format!("{option:?} is no 'option: value' of a [section]")));
            };
            section.options.insert(option.to_lowercase(), value);
        }
        sections.insert(name, section);
    }
    Ok(sections)
}

pub fn read_yaml(file: &Path) -> io::Result<IndexMap<String, Groups>> {
    let mut content: Value = serde_yaml::from_str(&read_text(file)?).map_err(|error| invalid(error.to_string()))?;
    content.apply_merge().map_err(|error| invalid(error.to_string()))?;
    if content.is_null() {
        return Ok(IndexMap::new());
    }
    let mut sources = IndexMap::new();
    for (source, content) in named(content).ok_or_else(|| invalid("it is no mapping of sources to groups"))? {
        let content = named(content).ok_or_else(|| invalid(format!("{source:?} is no mapping of groups to nodes")))?;
        let groups = content.into_iter().map(|(group, nodes)| match text(&nodes) {
            Some(text) => Ok((group, text)),
            None => Err(invalid(format!("{source:?}: {group:?} is neither a text nor a list of texts"))),
        });
        let groups = groups.collect::<io::Result<_>>()?;
        sources.insert(source, groups);
    }
    Ok(sources)
}

fn named(value: Value) -> Option<Vec<(String, Value)>> {
    let Value::Mapping(mapping) = value else { return None };
    mapping.into_iter().map(|(name, value)| Some((text(&name)?, value))).collect()
}

/// Returns a text, a number, or a list of both as one expression.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.trim().to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Sequence(items) => Some(joined(items.iter().map(text).collect::<Option<_>>()?)),
        _ => None,
    }
}

pub fn joined(texts: Vec<String>) -> String {
    texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(",")
}

/// Reads the lines `GROUP: NODES` of a flat file. A group may have several lines.
pub fn read_flat(file: &Path) -> io::Result<Groups> {
    let is_name = |name: &str| !name.starts_with('#') && !name.contains(char::is_whitespace);
    let content = read_text(file)?;
    let lines = content.lines().filter_map(|line| line.split_once(':'));
    let mut groups = Groups::new();
    for (group, nodes) in lines.filter(|(name, _)| is_name(name)) {
        let (known, nodes) = (groups.entry(group.to_string()).or_default(), nodes.trim());
        known.push_str(if known.is_empty() || nodes.is_empty() { "" } else { "," });
        known.push_str(nodes);
    }
    Ok(groups)
}

/// Returns the file that a `map` command only looks a group up in, as that of the stock source `local` does.
pub fn flat_file(map: &str, cfgdir: &Path) -> Option<PathBuf> {
    const STOCK: &str = "[ -f $CFGDIR/groups ] && f=$CFGDIR/groups || f=$CFGDIR/groups.d/local.cfg; ";
    let (is_stock, map) = map.strip_prefix(STOCK).map_or((false, map), |rest| (true, rest));
    let file = map.strip_prefix(r"sed -n 's/^$GROUP:\(.*\)/\1/p' ")?;
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    match file {
        "$f" if is_stock => Some(stock_file(cfgdir)),
        file if !is_stock && file.replace("$CFGDIR", "").chars().all(is_plain) => Some(cfgdir.join(path(file, cfgdir))),
        _ => None,
    }
}

pub fn stock_file(cfgdir: &Path) -> PathBuf {
    let old = cfgdir.join("groups");
    if old.is_file() { old } else { cfgdir.join("groups.d/local.cfg") }
}

/// Reads a regular file only: a FIFO would block, and a device may never end.
fn read_text(file: &Path) -> io::Result<String> {
    if !fs::metadata(file)?.is_file() {
        return Err(invalid("it is no regular file"));
    }
    let bytes = read_capped(fs::File::open(file)?, MOST_BYTES).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => invalid(format!("it is {error}")),
        _ => error,
    })?;
    let text = String::from_utf8(bytes).map_err(|error| invalid(format!("it is not UTF-8: {}", error.utf8_error())))?;
    Ok(text.trim_start_matches('\u{feff}').to_string())
}

fn invalid(why: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why.into())
}

pub fn wrong(file: &Path, error: &io::Error) -> String {
    let doing = if error.kind() == ErrorKind::InvalidData { "" } else { "cannot read: " };
    format!("{}: {doing}{error}", file.display())
}

pub fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
