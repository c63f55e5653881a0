//! All parts of a run. They are read and checked once, and built for each host.

use crate::build::extra_part::ExtraPart;
use crate::build::gzip::{Effort, Head, gzip};
use crate::build::layout::{Layout, lay_out};
use crate::build::mime;
use crate::build::operand::Operand;
use crate::build::options::Options;
use crate::build::part::{Body, Part};
use crate::build::template::{Templates, fields};
use crate::build::user_data_size::{self, Cost};
use crate::cloud_config::merge::{Clash, CloudConfig, merge};
use crate::cloud_init::content_type::ContentType;
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

/// The largest message to compress thoroughly, in bytes. Above it zopfli takes seconds, and the result would hardly fit.
const MOST_THOROUGH: usize = 1024 * 1024;

/// User-data and its warnings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserData {
    pub bytes: Vec<u8>,
    /// Warnings about templates as rendered for this host.
    pub warnings: Vec<String>,
}

/// Parts that are read and checked, with compiled templates.
#[derive(Debug)]
pub struct Parts {
    parts: Vec<Part>,
    /// The body of each part, or `None` for a template.
    fixed: Vec<Option<Body>>,
    templates: Templates,
    options: Options,
    warnings: Vec<String>,
    console_warnings: Vec<String>,
    /// The beginning of all messages with the usual boundary. `None` inside if the first part is a template.
    head: OnceLock<Option<Head>>,
    /// The user-data if no part is a template: it is the same for every host.
    only: OnceLock<Result<UserData>>,
}

impl Parts {
    /// Reads the part files, each a path or `PATH:TYPE`. Files that end in `.j2` are templates.
    pub fn read(files: &[PathBuf], options: Options) -> Result<Parts> {
        Parts::read_with(files, None, options)
    }

    /// The same with a part before them that is not a file.
    pub fn read_with(files: &[PathBuf], extra: Option<ExtraPart>, options: Options) -> Result<Parts> {
        let operands: Vec<Operand> =
            files.iter().map(|file| Operand::parse(file.as_os_str())).collect::<Result<_>>()?;
        let extra = extra.into_iter().map(|extra| Ok(extra.into_part()));
        Parts::new(extra.chain(operands.iter().map(Part::read)).collect::<Result<_>>()?, options)
    }

    pub(crate) fn new(parts: Vec<Part>, options: Options) -> Result<Parts> {
        refuse_raw_beside_others(&parts, &options)?;
        let Layout { parts, mut problems, mut warnings } = lay_out(parts, options.keep_names);
        let mut templates = Templates::new();
        let (mut fixed, mut console_warnings) = (Vec::new(), Vec::new());
        for part in &parts {
            if part.is_template {
                templates.add(&part.path, &String::from_utf8_lossy(&part.content))?;
                fixed.push(None);
                continue;
            }
            let body = part.body(&part.content, options.merge_type.as_deref());
            let named = |text: &String| format!("{}: {text}", part.path);
            problems.extend(body.problems.iter().map(named));
            warnings.extend(body.warnings.iter().map(named));
            console_warnings.extend(body.console_warnings.iter().map(named));
            fixed.push(Some(body));
        }
        problems.extend(clashes(&parts, fixed.iter().map(Option::as_ref)).into_iter().map(|(_, problem)| problem));
        if options.force {
            warnings.extend(problems)
        } else {
            refuse(problems, &options)?
        }
        if let Some(boundary) = &options.boundary
            && !mime::is_boundary(boundary)
        {
            return Err(Failure::usage(format!("{boundary}: RFC 2046 does not allow it as a boundary")));
        }
        let (head, only) = (OnceLock::new(), OnceLock::new());
        Ok(Parts { parts, fixed, templates, options, warnings, console_warnings, head, only })
    }

    /// Returns whether there are templates, so that user-data differs by host.
    pub fn varies(&self) -> bool {
        self.parts.iter().any(|part| part.is_template)
    }

    /// Returns the warnings about parts that are not templates.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the warnings about host keys that are kept off the console, for parts that are not templates.
    pub fn console_warnings(&self) -> &[String] {
        &self.console_warnings
    }

    /// Builds the user-data of a host. Without a record, templates see only what was set.
    pub fn build(&self, record: Option<&Record>) -> Result<UserData> {
        if self.varies() {
            self.assemble(&self.bodies(record)?)
        } else {
            self.only.get_or_init(|| self.assemble(&self.bodies(record)?)).clone()
        }
    }

    /// Returns how many bytes of the user-data each part takes, the largest first, if the whole has `size` bytes.
    pub fn costs(&self, record: Option<&Record>, size: usize) -> Result<Vec<Cost>> {
        Ok(self.costs_of(&self.bodies(record)?, size))
    }

    /// Builds the user-data of each host, in order, and calls `done` after each. The first failure ends it; it names the
    /// host if it depends on the host.
    pub fn build_all(&self, records: &[Record], done: impl Fn() + Sync) -> Result<Vec<UserData>> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let next = AtomicUsize::new(0);
        let work = || {
            let mut built = Vec::new();
            while let Some((at, record)) = take(&next, records) {
                let result = self.build_named(record);
                if result.is_err() {
                    next.store(records.len(), Ordering::Relaxed);
                }
                built.push((at, result));
                done();
            }
            built
        };
        let mut all: Vec<(usize, Result<UserData>)> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let join = |worker: ScopedJoinHandle<'_, Vec<_>>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().flat_map(join).collect()
        });
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().map(|(_, built)| built).collect()
    }

    /// Names the host in an error, unless no part depends on the host.
    fn build_named(&self, record: &Record) -> Result<UserData> {
        self.build(Some(record)).map_err(|failure| if self.varies() { failure.within(record.host()) } else { failure })
    }

    /// Returns the body of each part, with templates rendered.
    fn bodies(&self, record: Option<&Record>) -> Result<Vec<Cow<'_, Body>>> {
        let fields = if self.varies() { fields(record, &self.options.set) } else { minijinja::Value::UNDEFINED };
        self.parts.iter().zip(&self.fixed).map(|(part, fixed)| self.body(part, fixed.as_ref(), &fields)).collect()
    }

    fn body<'a>(&self, part: &Part, fixed: Option<&'a Body>, fields: &minijinja::Value) -> Result<Cow<'a, Body>> {
        if let Some(body) = fixed {
            return Ok(Cow::Borrowed(body));
        }
        let text =
            self.templates.render(&part.path, fields).map_err(|failure| match part.part_type.content_type() {
                Some(ContentType::Jinja) => {
                    failure.hint("cloud-init renders it on the instance if its name does not end in .j2")
                }
                _ => failure,
            })?;
        let mut body = part.body(text.as_bytes(), self.options.merge_type.as_deref());
        let problems = std::mem::take(&mut body.problems);
        if self.options.force {
            body.warnings.extend(problems)
        } else {
            refuse(problems, &self.options).map_err(|failure| failure.within(&part.path))?
        }
        Ok(Cow::Owned(body))
    }

    fn assemble(&self, bodies: &[Cow<Body>]) -> Result<UserData> {
        let bytes = self.compressed(bodies)?;
        user_data_size::check(bytes.len(), self.options.limit, || self.costs_of(bodies, bytes.len()))?;
        let mut warnings = Vec::new();
        if self.varies() {
            let clashes = clashes(&self.parts, bodies.iter().map(|body| Some(body.as_ref())));
            let of_templates = clashes.into_iter().filter(|(varies, _)| *varies).map(|(_, problem)| problem).collect();
            if self.options.force { warnings = of_templates } else { refuse(of_templates, &self.options)? }
        }
        for (part, body) in self.parts.iter().zip(bodies).filter(|(part, _)| part.is_template) {
            let all = body.warnings.iter().chain(&body.console_warnings);
            warnings.extend(all.map(|warning| format!("{}: {warning}", part.path)));
        }
        Ok(UserData { bytes, warnings })
    }

    /// Returns the message of the bodies, compressed if that is requested and makes it smaller.
    fn compressed(&self, bodies: &[Cow<Body>]) -> Result<Vec<u8>> {
        let blocks = bodies.iter().map(|body| &body.block);
        if let ([part], [body]) = (&self.parts[..], bodies)
            && part.is_raw
        {
            return Ok(body.block.text().to_vec());
        }
        let boundary = match &self.options.boundary {
            None => mime::boundary(blocks.clone()),
            Some(boundary) => {
                let line = format!("\n--{boundary}");
                if let Some(at) = blocks.clone().position(|block| block.contains(&line)) {
                    let path = &self.parts[at].path;
                    return Err(Failure::usage(format!("a line of {path} begins with the boundary, --{boundary}")));
                }
                boundary.clone()
            }
        };
        let message = mime::message(blocks, &boundary);
        if !self.options.gzip {
            return Ok(message);
        }
        let mut compressed = self.gzip(&message);
        if compressed.len() > self.options.limit && self.options.effort == Effort::Fast {
            compressed = self.thoroughly(&message, compressed);
        }
        Ok(if compressed.len() < message.len() { compressed } else { message })
    }

    /// Compresses only the part after the common head if that is small. This adds some bytes, so a message with a large
    /// rest is compressed from the start, unless speed is requested.
    fn gzip(&self, message: &[u8]) -> Vec<u8> {
        let is_fast = self.options.effort == Effort::Fast;
        let has_head = self.options.per_host && self.varies();
        let head = has_head.then(|| self.head.get_or_init(|| self.head()).as_ref()).flatten();
        match head.and_then(|head| Some((head, head.rest(message)?))) {
            Some((head, rest)) if is_fast || rest.len() < message.len() / 4 => head.gzip_with(rest),
            _ if is_fast => gzip(message, Effort::Fast),
            _ => self.thoroughly(message, gzip(message, Effort::Fast)),
        }
    }

    /// Compresses thoroughly, unless that would take minutes or `fast` is so large that it would not help.
    fn thoroughly(&self, message: &[u8], fast: Vec<u8>) -> Vec<u8> {
        if message.len() > MOST_THOROUGH || fast.len() / 2 > self.options.limit {
            fast
        } else {
            gzip(message, Effort::Thorough)
        }
    }

    /// Returns the common beginning of all messages, with a boundary that occurs in none of its parts.
    fn head(&self) -> Option<Head> {
        let boundary = self.options.boundary.clone();
        let boundary = boundary.unwrap_or_else(|| mime::boundary(self.fixed.iter().flatten().map(|body| &body.block)));
        let first: Vec<&Body> = self.fixed.iter().map_while(Option::as_ref).collect();
        let text = mime::beginning(first.iter().map(|body| &body.block), &boundary);
        let effort = if text.len() > MOST_THOROUGH { Effort::Fast } else { self.options.effort };
        (!first.is_empty()).then(|| Head::new(text, effort))
    }

    fn costs_of(&self, bodies: &[Cow<Body>], size: usize) -> Vec<Cost> {
        let parts: Vec<_> =
            self.parts.iter().zip(bodies).map(|(part, body)| (part.path.as_str(), body.as_ref())).collect();
        user_data_size::costs(&parts, size)
    }
}

/// Fails if a part that is passed through unchanged is combined with anything else.
fn refuse_raw_beside_others(parts: &[Part], options: &Options) -> Result<()> {
    let Some(raw) = parts.iter().find(|part| part.is_raw) else { return Ok(()) };
    let path = &raw.path;
    let why = match (parts, options) {
        ([_, _, ..], _) => "so it has to be the only part",
        (_, Options { boundary: Some(_), .. }) => "so it has no boundary",
        (_, Options { merge_type: Some(_), .. }) => "so it is not merged",
        _ if raw.launch_index.is_some() => "so it is for every instance of a launch",
        _ => return Ok(()),
    };
    Err(Failure::usage(format!("{path}:raw is passed through unchanged, {why}")))
}

/// Returns what the cloud-configs of the parts lose to each other, and whether a template is involved.
fn clashes<'a>(parts: &[Part], bodies: impl Iterator<Item = Option<&'a Body>>) -> Vec<(bool, String)> {
    let with_part = parts.iter().zip(bodies).flat_map(|(part, body)| {
        let configs = body.map_or(&[][..], |body| &body.configs[..]);
        configs.iter().map(move |config| (part, config))
    });
    let (of, configs): (Vec<&Part>, Vec<&CloudConfig>) = with_part.unzip();
    let name = |at: usize| match configs[at].entry {
        Some(entry) => format!("{} entry {entry}", of[at].path),
        None => of[at].path.clone(),
    };
    let say = |clash: Clash| (of[clash.first].is_template || of[clash.second].is_template, clash.say(&configs, name));
    merge(&configs).clashes.into_iter().map(say).collect()
}

/// Returns the next record that no thread has taken, and its index.
fn take<'a>(next: &AtomicUsize, records: &'a [Record]) -> Option<(usize, &'a Record)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((at, records.get(at)?))
}

/// Fails if there are problems, with a line for each.
fn refuse(problems: Vec<String>, options: &Options) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    let failure = Failure::usage(problems.join("\n"));
    Err(match options.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}
