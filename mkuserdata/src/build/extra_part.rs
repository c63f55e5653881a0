//! A part that is not a file: another tool makes it, and adds it to the parts of a run or to user-data that is finished.

use crate::build::gzip::{Effort, gzip};
use crate::build::mime::{self, Block, Headers};
use crate::build::part::Part;
use crate::build::template::{Templates, fields};
use crate::build::user_data_size::LIMIT;
use crate::cloud_init::content_type::{Kind, NOT_MULTIPART, PartType};
use crate::cloud_init::foreign::Foreign;
use crate::cloud_init::wrapping::{MOST_UNPACKED, is_gzip, is_message, unpacked, unwrapped};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;

/// A part that is not a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraPart {
    /// What messages call it.
    pub label: String,
    /// Its file name for cloud-init.
    pub name: String,
    /// As `text/x-shellscript-per-boot`.
    pub content_type: String,
    pub content: String,
    /// Whether it is rendered for each host, as a file that ends in `.j2`.
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

    /// Returns user-data that has this part too, behind those of `user_data`, which is a message or one part alone. Fails
    /// if cloud-init would not read that, or if the result is larger than EC2 takes. User-data that has the part already
    /// stays as it is.
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
        let first = match (is_message(&given), Foreign::of(&given), Kind::of(&given)) {
            // A message inside a message: cloud-init reads the parts of both.
            (true, ..) => Block::raw(&given),
            (false, None, Some(_)) => block(NOT_MULTIPART, "part-001", &given),
            (false, foreign, _) => {
                let what = foreign.map_or("nothing that cloud-init reads".to_string(), |foreign| foreign.to_string());
                return Err(Failure::usage(format!("{} cannot be added to user-data that is {what}", self.label)));
            }
        };
        let content = match self.is_template {
            true => {
                let mut templates = Templates::new();
                templates.add(&self.label, &self.content)?;
                templates.render(&self.label, &fields(Some(record), &[]))?
            }
            false => self.content.clone(),
        };
        let blocks = [first, block(&self.content_type, &self.name, content.as_bytes())];
        let message = mime::message(blocks.iter(), &mime::boundary(blocks.iter()));
        let compressed = gzip(&message, Effort::Thorough);
        let bytes = if compressed.len() < message.len() { compressed } else { message };
        match bytes.len() <= LIMIT {
            true => Ok(bytes),
            false => Err(Failure::usage(format!(
                "user-data has {} bytes with {}: EC2 takes at most {LIMIT}",
                bytes.len(),
                self.label
            ))),
        }
    }
}

fn block(content_type: &str, name: &str, content: &[u8]) -> Block {
    Block::new(&Headers { content_type, name, merge_type: None, launch_index: None }, content)
}
