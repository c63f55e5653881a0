//! A part that is not a file. Another tool makes it and adds it to other parts, or to finished user-data.

use crate::build::gzip::{Effort, gzip};
use crate::build::mime::{self, Block, Headers};
use crate::build::part::Part;
use crate::build::template::{Templates, fields};
use crate::build::user_data_size::LIMIT;
use crate::cloud_init::content_type::{ContentType, NOT_MULTIPART, PartType};
use crate::cloud_init::foreign::Foreign;
use crate::cloud_init::wrapping::{MOST_UNPACKED, is_gzip, is_message, unpacked, unwrapped};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;

/// A part that is not a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraPart {
    /// Its name in messages.
    pub label: String,
    /// Its file name for cloud-init.
    pub name: String,
    /// Such as `text/x-shellscript-per-boot`.
    pub content_type: String,
    pub content: String,
    /// Whether it is rendered for each host, like a file that ends in `.j2`.
    pub is_template: bool,
}

impl ExtraPart {
    pub(crate) fn into_part(self) -> Part {
        Part {
            part_type: PartType::of(&self.content_type, self.content.as_bytes()),
            path: self.label,
            name: self.name,
            declared: Some(self.content_type),
            content: self.content.into_bytes(),
            is_template: self.is_template,
            is_raw: false,
            launch_index: None,
        }
    }

    /// Returns `user_data`, a message or a single part, with this part after its own parts. Returns it unchanged if it has
    /// the part already. Fails if cloud-init would not read it, or if the result is larger than EC2 takes.
    pub fn added_to(&self, user_data: &[u8], record: &Record) -> Result<Vec<u8>> {
        let mut given = user_data.to_vec();
        while let Some(inner) = unwrapped(&given) {
            given = inner;
        }
        if is_gzip(&given) {
            given = unpacked(&given, MOST_UNPACKED)
                .map_err(|error| Failure::usage(format!("{} cannot be added: broken gzip: {error}", self.label)))?;
        }
        let header = format!("filename={}\n", self.name);
        if is_message(&given) && String::from_utf8_lossy(&given).contains(&header) {
            return Ok(user_data.to_vec());
        }
        let first = match (is_message(&given), Foreign::of(&given), ContentType::of(&given)) {
            // A message inside a message: cloud-init reads the parts of both.
            (true, ..) => Block::raw(&given),
            (false, None, Some(_)) => block(NOT_MULTIPART, "part-001", &given),
            (false, foreign, _) => {
                let what = foreign.map_or("nothing that cloud-init reads".to_string(), |foreign| foreign.to_string());
                return Err(Failure::usage(format!("{} cannot be added to user-data that is {what}", self.label)));
            }
        };
        let content = if self.is_template {
            let mut templates = Templates::new();
            templates.add(&self.label, &self.content)?;
            templates.render(&self.label, &fields(Some(record), &[]))?
        } else {
            self.content.clone()
        };
        let blocks = [first, block(&self.content_type, &self.name, content.as_bytes())];
        let message = mime::message(blocks.iter(), &mime::boundary(blocks.iter()));
        let compressed = gzip(&message, Effort::Thorough);
        let bytes = if compressed.len() < message.len() { compressed } else { message };
        if bytes.len() <= LIMIT {
            Ok(bytes)
        } else {
            Err(Failure::usage(format!(
                "user-data has {} bytes with {}: EC2 allows at most {LIMIT}",
                bytes.len(),
                self.label
            )))
        }
    }
}

fn block(content_type: &str, name: &str, content: &[u8]) -> Block {
    Block::new(&Headers { content_type, name, merge_type: None, launch_index: None }, content)
}
