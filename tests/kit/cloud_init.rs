//! Real cloud-init code as the judge of user-data: the package of this machine's distribution, and that of the
//! distribution's next release, if its mirror offers one. They are only unpacked: none of their services is started.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The folders in target that `make setup` unpacks the releases into, oldest first. `make setup` warns if the mirror has
/// no second one.
const RELEASES: [&str; 2] = ["cloud-init", "cloud-init-newer"];

/// What cloud-init makes of one user-data at the first boot. One that failed has no more than the message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Why cloud-init gave up on the user-data as a whole.
    pub failed: Option<String>,
    /// What it logged as a warning or worse.
    pub warnings: Vec<String>,
    /// The parts of the message.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// The headers of each part, by their names in lower case.
    #[serde(default)]
    pub headers: Vec<BTreeMap<String, String>>,
    /// What Python's email parser has to say against the message.
    #[serde(default)]
    pub defects: Vec<String>,
    /// What reaches cloud-init's handlers: includes are fetched, archives opened, other launch indexes left out.
    #[serde(default)]
    pub handled: Vec<Part>,
    /// The boothooks as they are when it runs them, in that order.
    #[serde(default)]
    pub boothooks: Vec<Part>,
    /// The scripts it writes, that of `runcmd` among them, in the order in which it would run them.
    #[serde(default)]
    pub scripts: Vec<Part>,
    #[serde(default)]
    pub per_boot: Vec<Part>,
    #[serde(default)]
    pub per_instance: Vec<Part>,
    #[serde(default)]
    pub per_once: Vec<Part>,
    /// What the user-data's own part handlers, which do run, are given.
    #[serde(default)]
    pub custom: Vec<Part>,
    /// The file of the cloud-config that it merges.
    #[serde(default)]
    pub cloud_config: String,
    /// That cloud-config; null if there was none, and what JSON lacks as Python's text of it.
    #[serde(default)]
    pub config: Value,
}

impl Verdict {
    /// What releases have to agree on, to be compared and read: all but the wording of warnings and of comments.
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
    /// Empty if the message gives none.
    pub filename: String,
    /// The type that its header says.
    #[serde(default)]
    pub declared: String,
    /// The type that cloud-init tells from how it begins.
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

/// What cloud-init makes of each user-data; all releases have to agree.
pub fn judge(user_data: &[Vec<u8>]) -> Vec<Verdict> {
    agreed(verdicts(None, user_data))
}

/// The same on the instance of this launch index.
pub fn judge_at(launch_index: u32, user_data: &[Vec<u8>]) -> Vec<Verdict> {
    agreed(verdicts(Some(launch_index), user_data))
}

/// What each release makes of each user-data, oldest release first, where they may differ.
pub fn judge_each(user_data: &[Vec<u8>]) -> Vec<Vec<Verdict>> {
    verdicts(None, user_data)
}

/// The folder of the newest release's Python packages.
pub fn packages() -> PathBuf {
    releases().pop().expect("a release").1
}

/// The folder names and the Python packages of the releases there are, oldest first.
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
    // All judges run before the first is waited for.
    let judges: Vec<Child> = releases().into_iter().map(|(_, packages)| start(packages, &task)).collect();
    let mut verdicts: Vec<Vec<Verdict>> = user_data.iter().map(|_| Vec::new()).collect();
    for judge in judges {
        let of_release = finish(judge);
        assert_eq!(of_release.len(), user_data.len());
        verdicts.iter_mut().zip(of_release).for_each(|(verdicts, verdict)| verdicts.push(verdict));
    }
    verdicts
}

fn start(packages: PathBuf, task: &str) -> Child {
    let python = crate::target_dir().join("venv/bin/python");
    assert!(python.is_file(), "{} is missing: run `make setup`", python.display());
    let mut command = Command::new(python);
    command.arg(crate::root().join("tests/mkuserdata/judge.py"));
    command.env_clear().env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a Python that runs");
    // A judge reads all before it writes any.
    child.stdin.take().expect("piped").write_all(task.as_bytes()).expect("a judge that reads");
    child
}

fn finish(judge: Child) -> Vec<Verdict> {
    let output = judge.wait_with_output().expect("a judge that ends");
    assert!(output.status.success(), "the judge failed");
    serde_json::from_slice(&output.stdout).expect("verdicts")
}
