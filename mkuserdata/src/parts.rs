//! The parts of a run: read once, put together as often as there are hosts.

use crate::kind::Kind;
use crate::part::{Body, Content, Part};
use crate::template::{Templates, fields};
use crate::{limit, mime, name};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use flate2::{Compression, GzBuilder};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Parts read, checked and compiled.
#[derive(Debug)]
pub struct Parts {
    parts: Vec<Part>,
    templates: Templates,
    gzip: bool,
    /// What is built where no part varies: the same for every host.
    fixed: OnceLock<Result<Vec<u8>>>,
}

impl Parts {
    /// Reads the part files, in order. Those that end in `.j2` are templates, which vary by host.
    pub fn read(files: &[PathBuf]) -> Result<Parts> {
        Parts::new(files.iter().map(|file| Part::read(file)).collect::<Result<_>>()?)
    }

    pub(crate) fn new(parts: Vec<Part>) -> Result<Parts> {
        refuse_twins(&parts)?;
        let mut templates = Templates::new();
        for part in &parts {
            if let Content::Template(source) = &part.content {
                templates.add(&part.path, source)?;
            }
        }
        Ok(Parts { parts, templates, gzip: true, fixed: OnceLock::new() })
    }

    /// Builds plain MIME from now on, without compressing it.
    pub fn without_gzip(mut self) -> Parts {
        self.gzip = false;
        self
    }

    /// The templates, by path: with any, user-data is built from a host's record alone.
    pub fn templates(&self) -> impl Iterator<Item = &str> {
        let is_template = |part: &&Part| matches!(part.content, Content::Template(_));
        self.parts.iter().filter(is_template).map(|part| part.path.as_str())
    }

    /// The user-data of a host, at most [`LIMIT`](crate::LIMIT) bytes.
    pub fn build(&self, record: &Record) -> Result<Vec<u8>> {
        match self.templates().next() {
            None => self.build_fixed(),
            Some(_) => self.render(record),
        }
    }

    /// The user-data of parts that do not vary.
    pub fn build_fixed(&self) -> Result<Vec<u8>> {
        if let Some(template) = self.templates().next() {
            return Err(Failure::usage(format!("{template} is a template, rendered from a host's record")));
        }
        let build = || self.assemble(self.parts.iter().map(|part| self.body(part, None)).collect::<Result<_>>()?);
        self.fixed.get_or_init(build).clone()
    }

    /// The user-data of each host, in order. The first failure ends it, and names the host where it is the host's own.
    pub fn build_all(&self, records: &[Record]) -> Result<Vec<Vec<u8>>> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = records.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            let build =
                |records: &[Record]| records.iter().map(|record| self.build_named(record)).collect::<Result<Vec<_>>>();
            let shares: Vec<_> = records.chunks(share).map(|share| scope.spawn(move || build(share))).collect();
            let mut all = Vec::with_capacity(records.len());
            for share in shares {
                all.extend(share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(all)
        })
    }

    /// What is wrong with parts that do not vary is no fault of a host's.
    fn build_named(&self, record: &Record) -> Result<Vec<u8>> {
        self.build(record).map_err(|failure| match self.templates().next() {
            None => failure,
            Some(_) => failure.within(record.host()),
        })
    }

    /// What cloud-init will do with the parts that their owner may not expect.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for part in &self.parts {
            if let Content::Fixed(body) = &part.content
                && !body.is_utf8
            {
                let path = &part.path;
                warnings.push(format!("{path}: not UTF-8: cloud-init writes no such script and reads no such config"));
            }
        }
        warnings.extend(self.order_warning());
        warnings
    }

    fn order_warning(&self) -> Option<String> {
        let scripts = self.parts.iter().filter(|part| part.kind() == Some(Kind::ShellScript));
        let names: Vec<String> = scripts.map(|part| name::cleaned(&part.name)).collect();
        let mut sorted = names.clone();
        sorted.sort();
        let (given, run) = (names.join(", "), sorted.join(", "));
        (names != sorted).then(|| format!("cloud-init runs scripts sorted by name: {run}, not as given: {given}"))
    }

    fn render(&self, record: &Record) -> Result<Vec<u8>> {
        let fields = fields(record);
        self.assemble(self.parts.iter().map(|part| self.body(part, Some(&fields))).collect::<Result<_>>()?)
    }

    /// The name and body of a part, rendered from `fields` if it is a template.
    fn body<'a>(&self, part: &'a Part, fields: Option<&minijinja::Value>) -> Result<(&'a str, Cow<'a, Body>)> {
        let body = match &part.content {
            Content::Fixed(body) => Cow::Borrowed(body),
            Content::Template(_) => {
                let text = self.templates.render(&part.path, fields.unwrap_or(&minijinja::Value::UNDEFINED))?;
                Cow::Owned(Body::new(text.as_bytes()).map_err(|failure| failure.within(&part.path))?)
            }
        };
        Ok((&part.name, body))
    }

    fn assemble(&self, parts: Vec<(&str, Cow<Body>)>) -> Result<Vec<u8>> {
        let parts: Vec<(&str, &Body)> = parts.iter().map(|(name, body)| (*name, body.as_ref())).collect();
        let message = mime::message(&parts);
        let user_data = match self.gzip {
            true => gzip(&message),
            false => message,
        };
        limit::check(&user_data, &parts)?;
        Ok(user_data)
    }
}

/// The smallest gzip there is of `bytes` at this effort, without a time or a name: the same bytes give the same.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    // Writing to a Vec cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Two parts of one name: cloud-init would write one over the other.
fn refuse_twins(parts: &[Part]) -> Result<()> {
    let mut paths: HashMap<String, &str> = HashMap::new();
    for part in parts {
        let name = name::cleaned(&part.name);
        if let Some(first) = paths.insert(name.clone(), &part.path) {
            let path = &part.path;
            let message = format!("{first} and {path}: cloud-init would write both as {name}, one over the other");
            return Err(Failure::usage(message));
        }
    }
    Ok(())
}
