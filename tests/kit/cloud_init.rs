//! Runs cloud-init's own code on user-data. Two releases are used: the one of this machine's distribution, and the one of
//! the distribution's next release, if the mirror has it. Both are only unpacked; none of their services is started.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

/// The folders in target with the unpacked releases, oldest first. `make setup` warns if the mirror has no second one.
const RELEASES: [&str; 2] = ["cloud-init", "cloud-init-newer"];

/// The result of cloud-init's first boot with some user-data. If it failed, only the message is set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Why cloud-init gave up on the user-data as a whole.
    pub failed: Option<String>,
    /// Its log messages of level WARNING and above.
    pub warnings: Vec<String>,
    /// The parts of the message.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// The headers of each part, by their names in lower case.
    #[serde(default)]
    pub headers: Vec<BTreeMap<String, String>>,
    /// The defects that Python's email parser found in the message.
    #[serde(default)]
    pub defects: Vec<String>,
    /// The parts that reach cloud-init's handlers. Includes are fetched, archives opened, and other launch indexes left out.
    #[serde(default)]
    pub handled: Vec<Part>,
    /// The boothooks, in the order in which they run.
    #[serde(default)]
    pub boothooks: Vec<Part>,
    /// The scripts that it writes, including that of `runcmd`, in the order in which they would run.
    #[serde(default)]
    pub scripts: Vec<Part>,
    #[serde(default)]
    pub per_boot: Vec<Part>,
    #[serde(default)]
    pub per_instance: Vec<Part>,
    #[serde(default)]
    pub per_once: Vec<Part>,
    /// The input of the part handlers in the user-data. These do run.
    #[serde(default)]
    pub custom: Vec<Part>,
    /// The file with the merged cloud-config.
    #[serde(default)]
    pub cloud_config: String,
    /// The merged cloud-config, or null. Values that JSON lacks are Python's text of them.
    #[serde(default)]
    pub config: Value,
}

impl Verdict {
    /// Returns what the releases must agree on: everything except the wording of warnings and comments.
    fn essence(&self) -> [(&'static str, String); 12] {
        [
            ("failed", format!("{:#?}", self.failed)),
            ("parts", format!("{:#?}", self.parts)),
            ("headers", format!("{:#?}", self.headers)),
            ("defects", format!("{:#?}", self.defects)),
            ("handled", format!("{:#?}", self.handled)),
            ("boothooks", format!("{:#?}", self.boothooks)),
            ("scripts", format!("{:#?}", self.scripts)),
            ("per_boot", format!("{:#?}", self.per_boot)),
            ("per_instance", format!("{:#?}", self.per_instance)),
            ("per_once", format!("{:#?}", self.per_once)),
            ("custom", format!("{:#?}", self.custom)),
            ("config", format!("{:#}", self.config)),
        ]
    }
}

#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Empty if the message has none.
    pub filename: String,
    /// The type in its header.
    #[serde(default)]
    pub declared: String,
    /// The type that cloud-init detects from its first line.
    #[serde(default)]
    pub detected: Option<String>,
    #[serde(deserialize_with = "from_base64")]
    pub content: Vec<u8>,
}

impl fmt::Debug for Part {
    fn fmt(&self, output: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = match std::str::from_utf8(&self.content) {
            Ok(text) => format!("{text:?}"),
            Err(_) => format!("b\"{}\"", self.content.escape_ascii()),
        };
        write!(output, "{:?} ({:?}, {:?}): {content}", self.filename, self.declared, self.detected)
    }
}

fn from_base64<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(input)?;
    BASE64_STANDARD.decode(text).map_err(serde::de::Error::custom)
}

/// Runs cloud-init on each user-data. All releases must agree.
pub fn judge(user_data: &[Vec<u8>]) -> Vec<Verdict> {
    agreed(verdicts(None, user_data))
}

/// Like `judge`, on the instance with this launch index.
pub fn judge_at(launch_index: u32, user_data: &[Vec<u8>]) -> Vec<Verdict> {
    agreed(verdicts(Some(launch_index), user_data))
}

/// Returns the results of each release, oldest first. They may differ.
pub fn judge_each(user_data: &[Vec<u8>]) -> Vec<Vec<Verdict>> {
    verdicts(None, user_data)
}

/// Returns the folder with the Python packages of the newest release.
pub fn packages() -> PathBuf {
    releases().pop().expect("a release").1
}

/// Returns the folder names and Python packages of the available releases, oldest first.
pub fn releases() -> Vec<(&'static str, PathBuf)> {
    let packages = |release| crate::target_dir().join(release).join("usr/lib/python3/dist-packages");
    let found = RELEASES.map(|release| (release, packages(release))).into_iter();
    let found: Vec<_> = found.filter(|(_, packages)| packages.join("cloudinit").is_dir()).collect();
    assert!(found.iter().any(|(release, _)| *release == RELEASES[0]), "cloud-init is missing: run `make setup`");
    found
}

fn agreed(verdicts: Vec<Vec<Verdict>>) -> Vec<Verdict> {
    let releases = releases();
    let mut agreed = Vec::with_capacity(verdicts.len());
    for (number, mut verdicts) in verdicts.into_iter().enumerate() {
        let newest = verdicts.pop().expect("a release");
        for (verdict, (release, _)) in verdicts.iter().zip(&releases) {
            for ((field, older), (_, newer)) in verdict.essence().iter().zip(newest.essence()) {
                let newest = releases[releases.len() - 1].0;
                assert!(
                    *older == newer,
                    "user-data {number}: `{field}` differs\n{release}: {older}\n{newest}: {newer}"
                );
            }
        }
        agreed.push(newest);
    }
    agreed
}

fn verdicts(launch_index: Option<u32>, user_data: &[Vec<u8>]) -> Vec<Vec<Verdict>> {
    let encoded: Vec<String> = user_data.iter().map(|bytes| BASE64_STANDARD.encode(bytes)).collect();
    let task = json!({ "launch_index": launch_index, "user_data": encoded }).to_string();
    let mut judges = JUDGES.lock().unwrap_or_else(PoisonError::into_inner);
    // All of them are given the task before the first one is waited for.
    judges.iter_mut().for_each(|judge| judge.begin(&task));
    let mut verdicts: Vec<Vec<Verdict>> = user_data.iter().map(|_| Vec::new()).collect();
    for judge in judges.iter_mut() {
        let of_release = judge.end();
        assert_eq!(of_release.len(), user_data.len());
        verdicts.iter_mut().zip(of_release).for_each(|(verdicts, verdict)| verdicts.push(verdict));
    }
    verdicts
}

/// A judge of each release, for all tests of this process: loading cloud-init takes longer than most tasks.
static JUDGES: LazyLock<Mutex<Vec<Judge>>> =
    LazyLock::new(|| Mutex::new(releases().into_iter().map(|(_, packages)| Judge::start(packages)).collect()));

/// A running judge. It ends when this process does, because its input ends then.
struct Judge {
    process: Child,
    verdicts: BufReader<ChildStdout>,
}

impl Judge {
    fn start(packages: PathBuf) -> Judge {
        let python = crate::target_dir().join("venv/bin/python");
        assert!(python.is_file(), "{} is missing: run `make setup`", python.display());
        let mut command = Command::new(python);
        command.arg(crate::root().join("tests/mkuserdata/judge.py"));
        command.env_clear().env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a Python that runs");
        let verdicts = BufReader::new(process.stdout.take().expect("piped"));
        Judge { process, verdicts }
    }

    /// Gives the judge a task. It reads all of it before it writes anything.
    fn begin(&mut self, task: &str) {
        let tasks = self.process.stdin.as_mut().expect("piped");
        tasks.write_all(format!("{task}\n").as_bytes()).expect("a judge that reads");
    }

    /// Waits for the verdicts on the task.
    fn end(&mut self) -> Vec<Verdict> {
        let mut line = String::new();
        self.verdicts.read_line(&mut line).expect("a judge that writes");
        assert!(!line.is_empty(), "the judge failed: {:?}", self.process.wait());
        serde_json::from_str(&line).expect("verdicts")
    }
}
