//! Real cloud-init code as the judge of user-data, of two releases: Debian's package, and one of today that is pinned.
//! They are only unpacked: none of their services is started.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::process::{Child, Command, Stdio};

/// The folders in target that `make setup` unpacks them into; the pinned release is the last.
const RELEASES: [&str; 2] = ["cloud-init", "cloud-init-26.1"];

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
    /// The scripts it writes, in the order in which it would run them.
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

/// What the pinned release makes of each user-data; Debian's has to agree.
pub fn judge(user_data: &[Vec<u8>]) -> Vec<Verdict> {
    agreed(verdicts(None, user_data))
}

/// The same on the instance of this launch index.
pub fn judge_at(launch_index: u32, user_data: &[Vec<u8>]) -> Vec<Verdict> {
    agreed(verdicts(Some(launch_index), user_data))
}

/// What Debian's release and the pinned one make of each user-data, where they may differ.
pub fn judge_each(user_data: &[Vec<u8>]) -> Vec<[Verdict; 2]> {
    verdicts(None, user_data)
}

fn agreed(verdicts: Vec<[Verdict; 2]>) -> Vec<Verdict> {
    let mut agreed = Vec::with_capacity(verdicts.len());
    for (number, [debian, pinned]) in verdicts.into_iter().enumerate() {
        for ((field, of_debian), (_, of_pinned)) in debian.essence().iter().zip(pinned.essence()) {
            let [debian, pinned] = RELEASES;
            assert!(
                *of_debian == of_pinned,
                "user-data {number}: `{field}` differs\n{debian}: {of_debian}\n{pinned}: {of_pinned}"
            );
        }
        agreed.push(pinned);
    }
    agreed
}

fn verdicts(launch_index: Option<u32>, user_data: &[Vec<u8>]) -> Vec<[Verdict; 2]> {
    let user_data: Vec<String> = user_data.iter().map(|bytes| BASE64_STANDARD.encode(bytes)).collect();
    let task = json!({ "launch_index": launch_index, "user_data": user_data }).to_string();
    // Both are at work before the first is waited for.
    let [debian, pinned] = RELEASES.map(|release| start(release, &task)).map(finish);
    assert_eq!((debian.len(), pinned.len()), (user_data.len(), user_data.len()));
    debian.into_iter().zip(pinned).map(|(debian, pinned)| [debian, pinned]).collect()
}

fn start(release: &str, task: &str) -> Child {
    let target = crate::target_dir();
    let python = target.join("venv/bin/python");
    let packages = target.join(release).join("usr/lib/python3/dist-packages");
    assert!(python.is_file() && packages.join("cloudinit").is_dir(), "{release} is missing: run: make setup");
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
