//! One part: its file read, and what goes into the message for it.

use crate::build::mime::{Block, Headers};
use crate::build::operand::{self, Operand};
use crate::check;
use crate::check::host_keys;
use crate::check::secrets;
use crate::cloud_config::merge::{Config, configs};
use crate::cloud_init::content_type::{Folder, Kind, PLAIN, PartType};
use crate::cloud_init::file_name;
use crate::cloud_init::run_order;
use crate::cloud_init::wrapping;
use cerveza_manners::{Failure, Result};
use std::io::{self, Read};
use std::path::Path;

/// The suffix of a template: it is no part of the name.
const TEMPLATE: &str = ".j2";

/// Nothing near this fits, and a device such as /dev/zero never ends.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// A part as read.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// How messages name it: the path as given.
    pub path: String,
    /// Its file name for cloud-init.
    pub name: String,
    /// The type that was given for it, in full.
    pub declared: Option<String>,
    /// Of a template its source.
    pub content: Vec<u8>,
    /// What cloud-init takes the content for; of a template what it looks like before it is rendered.
    pub part_type: PartType,
    pub is_template: bool,
    /// It is the whole user-data, as it is.
    pub is_raw: bool,
    /// The only instance of a launch that it is for.
    pub launch_index: Option<u32>,
}

/// What goes into the message for a part.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub size: usize,
    pub block: Block,
    /// What cloud-init would do with it that its owner does not expect.
    pub problems: Vec<String>,
    pub warnings: Vec<String>,
    /// That it keeps the host keys off the console.
    pub console_warnings: Vec<String>,
    /// The cloud-configs in it.
    pub configs: Vec<Config>,
}

impl Part {
    /// Reads a file, or stdin, which cloud-init knows as `stdin`. A file that ends in `.j2` is a template.
    pub fn read(operand: &Operand) -> Result<Part> {
        let path = operand::label(&operand.path);
        let content = operand::open(&operand.path).and_then(read);
        let content = content.map_err(|error| Failure::usage(format!("cannot read {path}: {error}")))?;
        let declared = operand.declared.clone();
        // It is compressed with all else: cloud-init damages what is not ASCII in a part compressed by itself.
        let (declared, content) = match declared.as_deref().map(|declared| PartType::of(declared, &content)) {
            Some(PartType::Gzip(_)) => {
                let unpacked = wrapping::unpacked(&content, LARGEST_FILE);
                (None, unpacked.map_err(|error| Failure::usage(format!("{path}: cannot be unpacked: {error}")))?)
            }
            _ => (declared, content),
        };
        let name = name_of(if operand::is_stdin(&operand.path) { Path::new("stdin") } else { &operand.path })?;
        let is_template = is_template(&operand.path);
        if is_template && std::str::from_utf8(&content).is_err() {
            return Err(Failure::usage(format!("{path}: a template has to be UTF-8")));
        }
        let is_raw = operand.is_raw;
        let part_type = if is_raw { PartType::Unknown } else { type_of(declared.as_deref(), &content) };
        Ok(Part { path, name, declared, content, part_type, is_template, is_raw, launch_index: None })
    }

    /// The folder that it will run from. A template may be anything yet: most are scripts.
    pub fn folder(&self) -> Option<Folder> {
        match &self.part_type {
            _ if self.is_raw => None,
            PartType::Unknown if self.is_template => Kind::ShellScript.folder(),
            // Of cloud-init's own templates those that begin with an expression may too.
            PartType::Known(Kind::Jinja) if run_order::behind_first_line(&self.content).is_none() => {
                Kind::ShellScript.folder()
            }
            part_type => run_order::folder_of(part_type.kind(), &self.content),
        }
    }

    /// Whether it is a script for sure, whose place among the parts does not matter: its name says when it runs.
    pub fn runs_by_name(&self) -> bool {
        self.content.starts_with(b"#!") && self.folder().is_some()
    }

    /// What goes into the message for this content of it.
    pub fn body(&self, content: &[u8], merge_type: Option<&str>) -> Body {
        if self.is_raw {
            return Body {
                size: content.len(),
                block: Block::raw(content),
                problems: check::nothing(content).into_iter().collect(),
                warnings: secrets::warnings(content),
                console_warnings: Vec::new(),
                configs: Vec::new(),
            };
        }
        let part_type = type_of(self.declared.as_deref(), content);
        let is_merged = match part_type.kind() {
            Some(Kind::CloudConfig) => true,
            Some(Kind::Jinja) => run_order::behind_first_line(content) == Some(Kind::CloudConfig),
            _ => false,
        };
        // A type that was given stands as it was given, also where cloud-init goes by another.
        let content_type = match &self.declared {
            Some(declared) if declared != PLAIN => declared.clone(),
            _ => part_type.to_string(),
        };
        let mut problems = check::problems(&part_type, self.declared.as_deref(), content);
        if self.launch_index.is_some()
            && matches!(part_type.kind(), Some(Kind::Include | Kind::IncludeOnce | Kind::CloudConfigArchive))
        {
            problems.push("is for one instance of a launch: cloud-init would open it on all of them".to_string());
        }
        let headers = Headers {
            content_type: &content_type,
            name: &self.name,
            merge_type: merge_type.filter(|_| is_merged),
            launch_index: self.launch_index,
        };
        let configs = configs(&part_type, content, headers.merge_type, self.launch_index.map(i64::from));
        Body {
            size: content.len(),
            block: Block::new(&headers, content),
            problems,
            warnings: secrets::warnings(content),
            console_warnings: host_keys::warnings(&configs),
            configs,
        }
    }
}

fn type_of(declared: Option<&str>, content: &[u8]) -> PartType {
    PartType::of(declared.unwrap_or(PLAIN), content)
}

fn is_template(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(TEMPLATE))
}

fn read(input: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    input.take(LARGEST_FILE + 1).read_to_end(&mut content)?;
    match content.len() as u64 > LARGEST_FILE {
        true => Err(io::Error::other("larger than 16 MiB")),
        false => Ok(content),
    }
}

/// The base name of `path`, without `.j2`.
fn name_of(path: &Path) -> Result<String> {
    let shown = path.display();
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::usage(format!("{shown}: the file name is not UTF-8")))?;
    let name = name.strip_suffix(TEMPLATE).unwrap_or(name);
    // cloud-init puts names into comments of the cloud-config it merges: what ends a line in YAML would end the comment.
    if name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(Failure::usage(format!("{shown}: the file name has a control character")));
    }
    match file_name::problem(&file_name::cleaned(name)) {
        None => Ok(name.to_string()),
        Some(why) => Err(Failure::usage(format!("{shown}: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_name_without_the_template_suffix() {
        assert_eq!(name_of(Path::new("a/b/setup.sh")).unwrap(), "setup.sh");
        assert_eq!(name_of(Path::new("/x/hostname.sh.j2")).unwrap(), "hostname.sh");
        assert_eq!(name_of(Path::new("my script.sh")).unwrap(), "my script.sh");
    }

    #[test]
    fn a_name_that_would_do_harm_is_refused() {
        let why = |path: &str| name_of(Path::new(path)).unwrap_err().message;
        assert_eq!(why("a\nruncmd"), "a\nruncmd: the file name has a control character");
        assert!(why("é").ends_with("of this one nothing is left"));
        assert!(why("x/.j2").ends_with("of this one nothing is left"));
    }
}
