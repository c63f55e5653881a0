//! The parts of a run: read once, put together as often as there are hosts.

use crate::build::extra_part::ExtraPart;
use crate::build::gzip::{Effort, Head, gzip};
use crate::build::layout::{Arranged, arrange};
use crate::build::mime;
use crate::build::operand::Operand;
use crate::build::part::{Body, Part};
use crate::build::template::{Templates, fields};
use crate::build::user_data_size::{self, Cost, LIMIT};
use crate::cloud_config::merge::{Clash, Config, merge};
use crate::cloud_init::content_type::Kind;
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use cerveza_template::Setting;
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

/// Above this zopfli takes seconds, and what is so much text hardly fits, in bytes.
const MOST_THOROUGH: usize = 1024 * 1024;

/// How user-data is to be made.
#[derive(Clone, Debug)]
pub struct Options {
    /// It is built for many hosts: what is the same for all is compressed once.
    pub per_host: bool,
    /// Compress: where that makes it smaller.
    pub gzip: bool,
    pub effort: Effort,
    /// The most bytes it may have.
    pub limit: usize,
    /// The boundary between the parts; without it one that occurs in none.
    pub boundary: Option<String>,
    /// The X-Merge-Type of each cloud-config.
    pub merge_type: Option<String>,
    /// Leave the names of scripts as they are, though they may then run in another order.
    pub keep_names: bool,
    /// Go on where cloud-init would do what nobody expects.
    pub force: bool,
    /// What to do about problems that are refused, where the caller has a way.
    pub hint: Option<&'static str>,
    /// What templates see, over a host's record.
    pub set: Vec<Setting>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            per_host: true,
            gzip: true,
            effort: Effort::default(),
            limit: LIMIT,
            boundary: None,
            merge_type: None,
            keep_names: false,
            force: false,
            hint: None,
            set: Vec::new(),
        }
    }
}

/// User-data, and what has to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserData {
    pub bytes: Vec<u8>,
    /// Of templates as they were rendered for this one.
    pub warnings: Vec<String>,
}

/// Parts read, checked and compiled.
#[derive(Debug)]
pub struct Parts {
    parts: Vec<Part>,
    /// What does not vary, in place of each part.
    fixed: Vec<Option<Body>>,
    templates: Templates,
    options: Options,
    warnings: Vec<String>,
    console_warnings: Vec<String>,
    /// How messages begin, but for those that need another boundary; `None` where the first part varies.
    head: OnceLock<Option<Head>>,
    /// What is built where no part varies: the same for every host.
    only: OnceLock<Result<UserData>>,
}

impl Parts {
    /// Reads the part files, in order, each a path or `PATH:TYPE`. Those that end in `.j2` are templates, which vary by
    /// host.
    pub fn read(files: &[PathBuf], options: Options) -> Result<Parts> {
        Parts::read_with(files, None, options)
    }

    /// The same with a part that is not a file before them.
    pub fn read_with(files: &[PathBuf], extra: Option<ExtraPart>, options: Options) -> Result<Parts> {
        let operands: Vec<Operand> =
            files.iter().map(|file| Operand::parse(file.as_os_str())).collect::<Result<_>>()?;
        let extra = extra.into_iter().map(|extra| Ok(extra.into_part()));
        Parts::new(extra.chain(operands.iter().map(Part::read)).collect::<Result<_>>()?, options)
    }

    pub(crate) fn new(parts: Vec<Part>, options: Options) -> Result<Parts> {
        refuse_raw_beside_others(&parts, &options)?;
        let Arranged { parts, mut problems, mut warnings } = arrange(parts, options.keep_names);
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
        match options.force {
            true => warnings.extend(problems),
            false => refuse(problems, &options)?,
        }
        if let Some(boundary) = &options.boundary
            && !mime::is_boundary(boundary)
        {
            return Err(Failure::usage(format!("{boundary}: RFC 2046 does not allow it for a boundary")));
        }
        let (head, only) = (OnceLock::new(), OnceLock::new());
        Ok(Parts { parts, fixed, templates, options, warnings, console_warnings, head, only })
    }

    /// Whether there are templates: then user-data is built from a host's record.
    pub fn varies(&self) -> bool {
        self.parts.iter().any(|part| part.is_template)
    }

    /// What their owner should know of the parts that do not vary.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What keeps the host keys off the console, in the parts that do not vary.
    pub fn console_warnings(&self) -> &[String] {
        &self.console_warnings
    }

    /// The user-data of a host, or without one of what was set.
    pub fn build(&self, record: Option<&Record>) -> Result<UserData> {
        match self.varies() {
            false => self.only.get_or_init(|| self.assemble(&self.bodies(record)?)).clone(),
            true => self.assemble(&self.bodies(record)?),
        }
    }

    /// What each part costs of the user-data, the dearest first, if it was built to `size` bytes.
    pub fn costs(&self, record: Option<&Record>, size: usize) -> Result<Vec<Cost>> {
        Ok(self.costs_of(&self.bodies(record)?, size))
    }

    /// The user-data of each host, in order; `done` hears of each. The first failure ends it, and names the host where
    /// it is the host's own.
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

    /// What is wrong with parts that do not vary is no fault of a host's.
    fn build_named(&self, record: &Record) -> Result<UserData> {
        self.build(Some(record)).map_err(|failure| match self.varies() {
            false => failure,
            true => failure.within(record.host()),
        })
    }

    /// What goes into the message for each part: of templates rendered.
    fn bodies(&self, record: Option<&Record>) -> Result<Vec<Cow<'_, Body>>> {
        let fields = match self.varies() {
            true => fields(record, &self.options.set),
            false => minijinja::Value::UNDEFINED,
        };
        self.parts.iter().zip(&self.fixed).map(|(part, fixed)| self.body(part, fixed.as_ref(), &fields)).collect()
    }

    fn body<'a>(&self, part: &Part, fixed: Option<&'a Body>, fields: &minijinja::Value) -> Result<Cow<'a, Body>> {
        if let Some(body) = fixed {
            return Ok(Cow::Borrowed(body));
        }
        let text = self.templates.render(&part.path, fields).map_err(|failure| match part.part_type.kind() {
            Some(Kind::Jinja) => failure.hint("cloud-init renders it on the instance if its name does not end in .j2"),
            _ => failure,
        })?;
        let mut body = part.body(text.as_bytes(), self.options.merge_type.as_deref());
        let problems = std::mem::take(&mut body.problems);
        match self.options.force {
            true => body.warnings.extend(problems),
            false => refuse(problems, &self.options).map_err(|failure| failure.within(&part.path))?,
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
            match self.options.force {
                true => warnings = of_templates,
                false => refuse(of_templates, &self.options)?,
            }
        }
        for (part, body) in self.parts.iter().zip(bodies).filter(|(part, _)| part.is_template) {
            let all = body.warnings.iter().chain(&body.console_warnings);
            warnings.extend(all.map(|warning| format!("{}: {warning}", part.path)));
        }
        Ok(UserData { bytes, warnings })
    }

    /// The message of the bodies, compressed where that is asked for and makes it smaller.
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

    /// Where little varies only that is compressed anew. It costs some bytes, so that where much varies the thorough
    /// way is to begin from the start.
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

    /// Compresses as far as can be, unless `fast` is too large for that to help, or it would take minutes.
    fn thoroughly(&self, message: &[u8], fast: Vec<u8>) -> Vec<u8> {
        match message.len() > MOST_THOROUGH || fast.len() / 2 > self.options.limit {
            true => fast,
            false => gzip(message, Effort::Thorough),
        }
    }

    /// What messages begin with at the boundary that suits what does not vary.
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

/// What is passed through unchanged is no part of a message.
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

/// What the cloud-configs of the parts lose to each other, and whether it is a template that loses or takes.
fn clashes<'a>(parts: &[Part], bodies: impl Iterator<Item = Option<&'a Body>>) -> Vec<(bool, String)> {
    let with_part = parts.iter().zip(bodies).flat_map(|(part, body)| {
        let configs = body.map_or(&[][..], |body| &body.configs[..]);
        configs.iter().map(move |config| (part, config))
    });
    let (of, configs): (Vec<&Part>, Vec<&Config>) = with_part.unzip();
    let name = |at: usize| match configs[at].entry {
        Some(entry) => format!("{} entry {entry}", of[at].path),
        None => of[at].path.clone(),
    };
    let say = |clash: Clash| (of[clash.first].is_template || of[clash.second].is_template, clash.say(&configs, name));
    merge(&configs).clashes.into_iter().map(say).collect()
}

/// The record that nobody has taken yet, and its place.
fn take<'a>(next: &AtomicUsize, records: &'a [Record]) -> Option<(usize, &'a Record)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((at, records.get(at)?))
}

/// All problems in one failure, a line each.
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
