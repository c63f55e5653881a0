//! One part: its file read, its content encoded.

use crate::encoding::Encoded;
use crate::kind::{Kind, all_prefixes};
use crate::name;
use cerveza_manners::{Failure, Result};
use std::io::{self, Read};
use std::path::Path;

/// Nothing near this fits, and a device such as /dev/zero never ends.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// A part as read.
#[derive(Debug)]
pub(crate) struct Part {
    /// How messages name it: the path as given.
    pub path: String,
    /// Its file name for cloud-init.
    pub name: String,
    pub content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    /// The same for every host.
    Fixed(Body),
    /// The source of a template, rendered for each host.
    Template(String),
}

/// What goes into the message for one part.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub kind: Kind,
    pub size: usize,
    pub is_utf8: bool,
    pub encoded: Encoded,
}

impl Part {
    /// Reads a file. One that ends in `.j2` is a template.
    pub fn read(path: &Path) -> Result<Part> {
        let shown = path.display().to_string();
        let content = std::fs::File::open(path).and_then(read);
        let content = content.map_err(|error| Failure::usage(format!("cannot read {shown}: {error}")))?;
        let name = name::of(path)?;
        match path.to_str().is_some_and(|path| path.ends_with(name::TEMPLATE)) {
            false => Part::fixed(shown, name, &content),
            true => {
                let source = String::from_utf8(content);
                let source = source.map_err(|_| Failure::usage(format!("{shown}: a template has to be UTF-8")))?;
                Ok(Part { path: shown, name, content: Content::Template(source) })
            }
        }
    }

    /// Reads stdin. cloud-init knows the part as `stdin`.
    pub fn stdin() -> Result<Part> {
        let content = read(io::stdin().lock());
        let content = content.map_err(|error| Failure::usage(format!("cannot read stdin: {error}")))?;
        Part::fixed("stdin".to_string(), "stdin".to_string(), &content)
    }

    /// What the part is; of a template what it looks like before it is rendered.
    pub fn kind(&self) -> Option<Kind> {
        match &self.content {
            Content::Fixed(body) => Some(body.kind),
            Content::Template(source) => Kind::of(source.as_bytes()),
        }
    }

    fn fixed(path: String, name: String, content: &[u8]) -> Result<Part> {
        let body = Body::new(content).map_err(|failure| failure.within(&path))?;
        Ok(Part { path, name, content: Content::Fixed(body) })
    }
}

impl Body {
    pub fn new(content: &[u8]) -> Result<Body> {
        if content.trim_ascii().is_empty() {
            return Err(Failure::usage("is empty"));
        }
        let kind = Kind::of(content).ok_or_else(|| {
            // What it says instead may be a secret: messages end in logs and records.
            Failure::usage("cloud-init does not know its first line")
                .hint(format!("a part begins with one of {}", all_prefixes()))
        })?;
        Ok(Body {
            kind,
            size: content.len(),
            is_utf8: std::str::from_utf8(content).is_ok(),
            encoded: Encoded::new(content),
        })
    }
}

fn read(input: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    input.take(LARGEST_FILE + 1).read_to_end(&mut content)?;
    match content.len() as u64 > LARGEST_FILE {
        true => Err(io::Error::other("larger than 16 MiB")),
        false => Ok(content),
    }
}
