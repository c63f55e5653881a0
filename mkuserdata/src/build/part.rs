//! One part: reads its file, and makes its block of the message.

use crate::build::mime::{Block, Headers};
use crate::build::operand::{self, Operand};
use crate::check;
use crate::check::host_keys;
use crate::check::secrets;
use crate::cloud_config::merge::{CloudConfig, configs};
use crate::cloud_init::content_type::{ContentType, Folder, PLAIN, PartType};
use crate::cloud_init::file_name;
use crate::cloud_init::run_order;
use crate::cloud_init::wrapping;
use cerveza_manners::{Failure, Result, read_capped};
use std::path::Path;

/// The suffix of a template. It is removed from the name.
const TEMPLATE: &str = ".j2";

/// The limit for a file, in bytes. Much less than this fits, and a device such as /dev/zero never ends.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// A part, read from its file.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The path as given, for messages.
    pub path: String,
    /// Its file name for cloud-init.
    pub name: String,
    /// The full type, if one was given.
    pub declared: Option<String>,
    /// The content of the file. For a template, its source.
    pub content: Vec<u8>,
    /// The type by which cloud-init handles it. For a template, that of its source.
    pub part_type: PartType,
    pub is_template: bool,
    /// It is the whole user-data, and is not changed.
    pub is_raw: bool,
    /// The only instance of a launch that uses it.
    pub launch_index: Option<u32>,
}

/// A part's block of the message, and what was found in it.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub size: usize,
    pub block: Block,
    /// What cloud-init would do with it that its author does not expect.
    pub problems: Vec<String>,
    pub warnings: Vec<String>,
    /// Warnings that it keeps the host keys off the console.
    pub console_warnings: Vec<String>,
    /// The cloud-configs in it.
    pub configs: Vec<CloudConfig>,
}

impl Part {
    /// Reads a file or stdin, whose name for cloud-init is `stdin`. A file that ends in `.j2` is a template.
    pub fn read(operand: &Operand) -> Result<Part> {
        let path = operand::label(&operand.path);
        let content = operand::open(&operand.path).and_then(|input| read_capped(input, LARGEST_FILE));
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

    /// Returns the folder from which cloud-init will run it. A template of unknown type counts as a script.
    pub fn folder(&self) -> Option<Folder> {
        match &self.part_type {
            _ if self.is_raw => None,
            PartType::Unknown if self.is_template => ContentType::ShellScript.folder(),
            // Of cloud-init's own templates those that begin with an expression may too.
            PartType::Known(ContentType::Jinja) if run_order::behind_first_line(&self.content).is_none() => {
                ContentType::ShellScript.folder()
            }
            part_type => run_order::folder_of(part_type.content_type(), &self.content),
        }
    }

    /// Returns whether it is certainly a script. Its place among the parts does not matter, because scripts run by name.
    pub fn runs_by_name(&self) -> bool {
        self.content.starts_with(b"#!") && self.folder().is_some()
    }

    /// Makes the block of the message for this content.
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
        let is_merged = match part_type.content_type() {
            Some(ContentType::CloudConfig) => true,
            Some(ContentType::Jinja) => run_order::behind_first_line(content) == Some(ContentType::CloudConfig),
            _ => false,
        };
        // A type that was given stands as it was given, also where cloud-init goes by another.
        let content_type = match &self.declared {
            Some(declared) if declared != PLAIN => declared.clone(),
            _ => part_type.to_string(),
        };
        let mut problems = check::problems(&part_type, self.declared.as_deref(), content);
        if self.launch_index.is_some()
            && matches!(
                part_type.content_type(),
                Some(ContentType::Include | ContentType::IncludeOnce | ContentType::CloudConfigArchive)
            )
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

/// Returns the base name of `path` without `.j2`.
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
    fn harmful_file_names_are_refused() {
        let why = |path: &str| name_of(Path::new(path)).unwrap_err().message;
        assert_eq!(why("a\nruncmd"), "a\nruncmd: the file name has a control character");
        assert!(why("é").ends_with("of this one nothing is left"));
        assert!(why("x/.j2").ends_with("of this one nothing is left"));
    }
}
