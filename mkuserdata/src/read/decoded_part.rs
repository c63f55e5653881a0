//! The parts of existing user-data as cloud-init sees them: named, opened, and in the order in which it goes about them.

use crate::check;
use crate::check::host_keys;
use crate::check::secrets;
use crate::cloud_config::archive;
use crate::cloud_config::merge::{Config, Merged, configs, merge};
use crate::cloud_config::merge_how;
use crate::cloud_config::schema::Schema;
use crate::cloud_init::content_type::{Folder, Kind, NOT_MULTIPART, PLAIN, PartType};
use crate::cloud_init::file_name;
use crate::cloud_init::foreign::Foreign;
use crate::cloud_init::run_order;
use crate::cloud_init::run_order::RUNCMD;
use crate::cloud_init::wrapping::{self, MOST_UNPACKED};

/// A part as cloud-init sees it.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The name by which cloud-init knows it.
    pub name: String,
    pub part_type: PartType,
    /// How the message holds it: its Content-Transfer-Encoding, `gzip`, or `archive` for a part within one.
    pub encoding: &'static str,
    pub content: Vec<u8>,
    pub merge_type: Option<String>,
    pub launch_index: Option<String>,
    /// What it is to the other cloud-configs, if it is one.
    config: Option<Config>,
    /// What cloud-init does with it, and in what order: `script 2` is the second of the scripts to run.
    pub runs: String,
    pub problems: Vec<String>,
    pub warnings: Vec<String>,
}

impl Seen {
    /// The whole user-data, which cloud-init does not read.
    pub fn foreign(foreign: Foreign, content: Vec<u8>) -> Seen {
        Seen {
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

    /// Adds what the schema does not allow in a cloud-config.
    pub fn validate(&mut self, schema: &Schema) {
        self.problems.extend(self.config.iter().flat_map(|config| schema.problems(&config.node)));
    }

    /// Whether it is a script that runs from a file.
    pub fn runs_as_file(&self) -> bool {
        run_order::folder_of(self.part_type.kind(), &self.content).is_some()
    }
}

/// A part before cloud-init names it.
pub(crate) struct Leaf {
    pub name: Option<String>,
    pub declared: String,
    pub encoding: &'static str,
    pub content: Vec<u8>,
    pub merge_type: Option<String>,
    pub launch_index: Option<String>,
    pub problems: Vec<String>,
}

impl Leaf {
    pub fn alone(content: Vec<u8>) -> Leaf {
        let declared = NOT_MULTIPART.to_string();
        let (name, merge_type, launch_index) = (None, None, None);
        Leaf { name, declared, encoding: "none", content, merge_type, launch_index, problems: Vec::new() }
    }
}

/// Names parts as cloud-init does, and goes into those that are archives or compressed.
pub(crate) struct Seeing {
    pub parts: Vec<Seen>,
    /// How many cloud-init has attached: includes and archives are opened instead.
    attached: usize,
    /// How many bytes may yet come out of compressed parts.
    budget: u64,
}

impl Default for Seeing {
    fn default() -> Seeing {
        Seeing { parts: Vec::new(), attached: 0, budget: MOST_UNPACKED }
    }
}

impl Seeing {
    pub fn see(&mut self, leaf: Leaf) {
        let Leaf { name, declared, mut encoding, mut content, merge_type, launch_index, mut problems } = leaf;
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
        let why =
            merge_type.as_deref().filter(|_| part_type.kind() == Some(Kind::CloudConfig)).and_then(merge_how::problem);
        problems.extend(why.map(|why| format!("X-Merge-Type: {why}")));
        if launch_index.as_deref().is_some_and(|index| index.trim().parse::<i64>().is_err()) {
            problems.push("Launch-Index is no number: cloud-init would leave the part out everywhere".to_string());
        }
        let entries = match part_type.kind() {
            Some(Kind::CloudConfigArchive) => archive::entries(&String::from_utf8_lossy(&content)),
            _ => Vec::new(),
        };
        let name = self.attach(name, &part_type);
        let runs = String::new();
        let index = launch_index.as_deref().and_then(|index| index.trim().parse().ok());
        let mut configs = configs(&part_type, &content, merge_type.as_deref(), index);
        let warnings = [secrets::warnings(&content), host_keys::warnings(&configs)].concat();
        self.parts.push(Seen {
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
            self.parts.push(Seen {
                name,
                part_type,
                encoding: "archive",
                content: entry.content.into_bytes(),
                merge_type: entry.merge_type,
                launch_index: entry.launch_index.map(|index| index.to_string()),
                config: configs.iter().find(|config| config.entry == Some(at + 1)).cloned(),
                runs: String::new(),
                // The archive has the problems of what is in it.
                problems: Vec::new(),
                warnings: Vec::new(),
            });
        }
    }

    /// The name of a part, which has a number where none is given.
    fn attach(&mut self, name: Option<String>, part_type: &PartType) -> String {
        let name = name.unwrap_or_else(|| format!("part-{:03}", self.attached + 1));
        let opened = [Kind::Include, Kind::IncludeOnce, Kind::CloudConfigArchive];
        self.attached += usize::from(!part_type.kind().is_some_and(|kind| opened.contains(&kind)));
        name
    }
}

/// The files of the parts, and the folders that they run from.
fn files(parts: &[Seen]) -> Vec<(String, Option<Folder>)> {
    let file = |part: &Seen| {
        let folder = run_order::folder_of(part.part_type.kind(), &part.content);
        // handlers/shell_script_by_frequency.py takes the last of a path, handlers/shell_script.py all of it.
        let name = match folder {
            None | Some(Folder::Instance) => &part.name,
            Some(_) => part.name.rsplit('/').next().unwrap_or_default(),
        };
        (file_name::cleaned(name), folder)
    };
    parts.iter().map(file).collect()
}

/// Says of each part what cloud-init does with it, and which place it has among its like. Returns what is wrong with the
/// cloud-configs among each other.
pub(crate) fn number(parts: &mut [Seen]) -> Vec<String> {
    let (of, configs): (Vec<usize>, Vec<&Config>) =
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
        let kind = match part.part_type.kind() {
            Some(Kind::Jinja) => run_order::behind_first_line(&part.content).or(Some(Kind::Jinja)),
            kind => kind,
        };
        part.runs = match kind {
            Some(Kind::CloudConfig | Kind::CloudConfigJsonp) => next(&mut merges, "merge"),
            Some(Kind::CloudBoothook) => next(&mut boothooks, "boothook"),
            Some(Kind::Include | Kind::IncludeOnce) => "fetched".to_string(),
            Some(Kind::CloudConfigArchive) => "opened".to_string(),
            Some(Kind::PartHandler) => "handler".to_string(),
            Some(_) => "rendered".to_string(),
            None => match part.part_type {
                PartType::NodeConfig => "nodeadm".to_string(),
                PartType::Custom(_) if handled => "handled".to_string(),
                _ => "ignored".to_string(),
            },
        };
        handled |= matches!(kind, Some(Kind::PartHandler | Kind::Include | Kind::IncludeOnce));
    }
    runcmd.iter().for_each(|at| parts[*at].runs += &as_script);
    problems
}

/// What is wrong with the parts among each other.
pub(crate) fn among(parts: &[Seen]) -> Vec<String> {
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
