//! Decodes the parts of existing user-data like cloud-init: names them, unpacks them, opens archives, and orders them.

use crate::check;
use crate::check::host_keys;
use crate::check::secrets;
use crate::cloud_config::archive;
use crate::cloud_config::merge::{CloudConfig, Merged, configs, merge};
use crate::cloud_config::merge_how;
use crate::cloud_config::schema::Schema;
use crate::cloud_init::content_type::{ContentType, Folder, NOT_MULTIPART, PLAIN, PartType};
use crate::cloud_init::file_name;
use crate::cloud_init::foreign::Foreign;
use crate::cloud_init::run_order;
use crate::cloud_init::run_order::RUNCMD;
use crate::cloud_init::wrapping::{self, MOST_UNPACKED};

/// A part of existing user-data.
#[derive(Debug)]
pub(crate) struct DecodedPart {
    /// Its file name for cloud-init.
    pub name: String,
    pub part_type: PartType,
    /// Its Content-Transfer-Encoding, or `gzip`, or `archive` for a part of an archive.
    pub encoding: &'static str,
    pub content: Vec<u8>,
    pub merge_type: Option<String>,
    pub launch_index: Option<String>,
    /// Its cloud-config, if it is one.
    config: Option<CloudConfig>,
    /// What cloud-init does with it, and in what order: `script 2` is the second script to run.
    pub runs: String,
    pub problems: Vec<String>,
    pub warnings: Vec<String>,
}

impl DecodedPart {
    /// Returns user-data for another program as a single part.
    pub fn foreign(foreign: Foreign, content: Vec<u8>) -> DecodedPart {
        DecodedPart {
            name: "part-001".to_string(),
            part_type: PartType::Unknown,
            encoding: "none",
            warnings: secrets::warnings(&content),
            content,
            merge_type: None,
            launch_index: None,
            config: None,
            runs: foreign.reader().to_string(),
            problems: Vec::new(),
        }
    }

    /// Returns whether it has keys that a schema can validate.
    pub fn is_cloud_config(&self) -> bool {
        self.config.is_some()
    }

    /// Adds the problems that the schema finds in a cloud-config.
    pub fn validate(&mut self, schema: &Schema) {
        self.problems.extend(self.config.iter().flat_map(|config| schema.problems(&config.node)));
    }

    /// Returns whether it is a script that cloud-init writes to a file.
    pub fn runs_as_file(&self) -> bool {
        run_order::folder_of(self.part_type.content_type(), &self.content).is_some()
    }
}

/// A part of a message, before it is named and unpacked.
pub(crate) struct MessagePart {
    pub name: Option<String>,
    pub declared: String,
    pub encoding: &'static str,
    pub content: Vec<u8>,
    pub merge_type: Option<String>,
    pub launch_index: Option<String>,
    pub problems: Vec<String>,
}

impl MessagePart {
    pub fn alone(content: Vec<u8>) -> MessagePart {
        let declared = NOT_MULTIPART.to_string();
        let (name, merge_type, launch_index) = (None, None, None);
        MessagePart { name, declared, encoding: "none", content, merge_type, launch_index, problems: Vec::new() }
    }
}

/// Names parts as cloud-init does, unpacks them, and opens archives.
pub(crate) struct PartDecoder {
    pub parts: Vec<DecodedPart>,
    /// The number of parts that got a number. Includes and archives get none.
    attached: usize,
    /// How many more bytes compressed parts may unpack to.
    budget: u64,
}

impl Default for PartDecoder {
    fn default() -> PartDecoder {
        PartDecoder { parts: Vec::new(), attached: 0, budget: MOST_UNPACKED }
    }
}

impl PartDecoder {
    pub fn decode_part(&mut self, part: MessagePart) {
        let MessagePart { name, declared, mut encoding, mut content, merge_type, launch_index, mut problems } = part;
        let mut part_type = PartType::of(&declared, &content);
        let mut given = Some(declared.as_str()).filter(|declared| ![PLAIN, NOT_MULTIPART].contains(declared));
        if let PartType::Gzip(_) = part_type {
            match wrapping::unpacked(&content, self.budget) {
                Ok(unpacked) => {
                    self.budget = self.budget.saturating_sub(unpacked.len() as u64);
                    part_type = PartType::of(PLAIN, &unpacked);
                    (encoding, content, given) = ("gzip", unpacked, None);
                    if !content.is_ascii() {
                        problems.push("is not ASCII, and compressed as a part: cloud-init would damage it".to_string());
                    }
                }
                Err(error) => problems.push(format!(
                    "is broken gzip: cloud-init would fail to unpack it, and take none of the user-data ({error})"
                )),
            }
        }
        problems.extend(check::problems(&part_type, given, &content));
        let why = merge_type
            .as_deref()
            .filter(|_| part_type.content_type() == Some(ContentType::CloudConfig))
            .and_then(merge_how::problem);
        problems.extend(why.map(|why| format!("X-Merge-Type: {why}")));
        if launch_index.as_deref().is_some_and(|index| index.trim().parse::<i64>().is_err()) {
            problems.push("Launch-Index is not a number: cloud-init would leave the part out everywhere".to_string());
        }
        let entries = match part_type.content_type() {
            Some(ContentType::CloudConfigArchive) => archive::entries(&String::from_utf8_lossy(&content)),
            _ => Vec::new(),
        };
        let name = self.attach(name, &part_type);
        let runs = String::new();
        let index = launch_index.as_deref().and_then(|index| index.trim().parse().ok());
        let mut configs = configs(&part_type, &content, merge_type.as_deref(), index);
        let warnings = [secrets::warnings(&content), host_keys::warnings(&configs)].concat();
        self.parts.push(DecodedPart {
            name,
            config: configs.pop_if(|config| config.entry.is_none()),
            part_type,
            encoding,
            content,
            merge_type,
            launch_index,
            runs,
            problems,
            warnings,
        });
        for (at, entry) in entries.into_iter().enumerate() {
            let part_type = entry.part_type();
            let name = self.attach(entry.name, &part_type);
            self.parts.push(DecodedPart {
                name,
                part_type,
                encoding: "archive",
                content: entry.content.into_bytes(),
                merge_type: entry.merge_type,
                launch_index: None,
                config: configs.iter().find(|config| config.entry == Some(at + 1)).cloned(),
                runs: String::new(),
                // The archive has the problems of what is in it.
                problems: Vec::new(),
                warnings: Vec::new(),
            });
        }
    }

    /// Returns the name of a part: a number if none is given.
    fn attach(&mut self, name: Option<String>, part_type: &PartType) -> String {
        let name = name.unwrap_or_else(|| format!("part-{:03}", self.attached + 1));
        let opened = [ContentType::Include, ContentType::IncludeOnce, ContentType::CloudConfigArchive];
        self.attached += usize::from(!part_type.content_type().is_some_and(|kind| opened.contains(&kind)));
        name
    }
}

/// Returns the file name of each part, and the folder from which it runs.
fn files(parts: &[DecodedPart]) -> Vec<(String, Option<Folder>)> {
    let file = |part: &DecodedPart| {
        let folder = run_order::folder_of(part.part_type.content_type(), &part.content);
        // handlers/shell_script_by_frequency.py takes the last of a path, handlers/shell_script.py all of it.
        let name = match folder {
            None | Some(Folder::Instance) => &part.name,
            Some(_) => part.name.rsplit('/').next().unwrap_or_default(),
        };
        (file_name::cleaned(name), folder)
    };
    parts.iter().map(file).collect()
}

/// Sets `runs` of each part. Returns what is lost when the cloud-configs are merged.
pub(crate) fn set_run_order(parts: &mut [DecodedPart]) -> Vec<String> {
    let (of, configs): (Vec<usize>, Vec<&CloudConfig>) =
        parts.iter().enumerate().filter_map(|(at, part)| Some((at, part.config.as_ref()?))).unzip();
    let Merged { clashes, runcmd } = merge(&configs);
    let name = |at: usize| format!("part {} ({})", of[at] + 1, parts[of[at]].name);
    let problems = clashes.iter().map(|clash| clash.say(&configs, name)).collect();
    let runcmd: Vec<usize> = runcmd.into_iter().map(|at| of[at]).collect();
    let mut files = files(parts);
    // The last is the file of runcmd.
    files.push((RUNCMD.to_string(), (!runcmd.is_empty()).then_some(Folder::Instance)));
    let mut by_name: Vec<usize> = (0..files.len()).collect();
    by_name.sort_by_key(|at| (&files[*at].0, *at));
    let mut as_script = String::new();
    for folder in Folder::ALL {
        let scripts = by_name.iter().filter(|at| files[**at].1 == Some(folder));
        for (place, at) in scripts.enumerate() {
            let runs = format!("{} {}", folder.noun(), place + 1);
            match parts.get_mut(*at) {
                Some(part) => part.runs = runs,
                None => as_script = format!(", {RUNCMD} as {runs}"),
            }
        }
    }
    let (mut merges, mut boothooks, mut handled) = (0, 0, false);
    let next = |count: &mut usize, what: &str| {
        *count += 1;
        format!("{what} {count}")
    };
    for part in parts.iter_mut().filter(|part| part.runs.is_empty()) {
        let kind = match part.part_type.content_type() {
            Some(ContentType::Jinja) => run_order::behind_first_line(&part.content).or(Some(ContentType::Jinja)),
            kind => kind,
        };
        part.runs = match kind {
            Some(ContentType::CloudConfig | ContentType::CloudConfigJsonp) => next(&mut merges, "merge"),
            Some(ContentType::CloudBoothook) => next(&mut boothooks, "boothook"),
            Some(ContentType::Include | ContentType::IncludeOnce) => "fetched".to_string(),
            Some(ContentType::CloudConfigArchive) => "opened".to_string(),
            Some(ContentType::PartHandler) => "handler".to_string(),
            Some(_) => "rendered".to_string(),
            None => match part.part_type {
                PartType::NodeConfig => "nodeadm".to_string(),
                PartType::Custom(_) if handled => "handled".to_string(),
                _ => "ignored".to_string(),
            },
        };
        handled |= matches!(kind, Some(ContentType::PartHandler | ContentType::Include | ContentType::IncludeOnce));
    }
    runcmd.iter().for_each(|at| parts[*at].runs += &as_script);
    problems
}

/// Returns what is wrong between parts: order, names, and types without a handler.
pub(crate) fn problems_between(parts: &[DecodedPart]) -> Vec<String> {
    let files = files(parts);
    let mut problems = Vec::new();
    // Who puts numbers before names means the order that they give.
    let is_numbered =
        |(name, folder): &(String, Option<Folder>)| folder.is_none() || name.starts_with(|c: char| c.is_ascii_digit());
    if !files.iter().all(is_numbered) {
        let changed = run_order::changed(&files).into_iter();
        problems
            .extend(changed.map(|(run, _)| format!("cloud-init runs scripts by name, {run}: not as the parts stand")));
    }
    for (first, second, say) in run_order::collisions(&files) {
        problems.push(format!("parts {} and {}: {say}", first + 1, second + 1));
    }
    for (at, (name, folder)) in files.iter().enumerate().filter(|(_, (_, folder))| folder.is_some()) {
        let problem = file_name::problem(name).or(run_order::overwritten(name, *folder));
        problems.extend(problem.map(|why| format!("part {}: {why}", at + 1)));
    }
    for (at, part) in parts.iter().enumerate() {
        if part.runs == "ignored"
            && let PartType::Custom(mime) = &part.part_type
        {
            problems.push(format!("part {}: {}", at + 1, check::unhandled(mime)));
        }
    }
    problems
}
