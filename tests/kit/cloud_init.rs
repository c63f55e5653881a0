//! Real cloud-init code as the judge of user-data: Debian's package, unpacked, none of its services started.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use std::io::Write;
use std::process::{Command, Stdio};

/// What cloud-init makes of one user-data.
#[derive(Debug, Deserialize)]
pub struct Verdict {
    /// The parts of the message.
    pub parts: Vec<Part>,
    /// What reaches cloud-init's handlers: includes are fetched and archives opened.
    pub handled: Vec<Part>,
    /// The scripts it writes, in the order in which it would run them.
    pub scripts: Vec<Part>,
    /// The cloud-config it merges.
    pub cloud_config: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Part {
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

fn from_base64<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(input)?;
    BASE64_STANDARD.decode(text).map_err(serde::de::Error::custom)
}

/// Has cloud-init take apart user-data, in order, in one process.
pub fn judge(user_data: &[Vec<u8>]) -> Vec<Verdict> {
    let target = crate::target_dir();
    let python = target.join("venv/bin/python");
    let packages = target.join("cloud-init/usr/lib/python3/dist-packages");
    assert!(python.is_file() && packages.join("cloudinit").is_dir(), "cloud-init is missing: run: make setup");
    let mut command = Command::new(python);
    command.arg(crate::root().join("tests/mkuserdata/judge.py"));
    command.env_clear().env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a Python that runs");
    let input: Vec<String> = user_data.iter().map(|bytes| BASE64_STANDARD.encode(bytes)).collect();
    let input = serde_json::to_string(&input).expect("a list of strings");
    // The judge reads all before it writes any.
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("a judge that reads");
    let output = child.wait_with_output().expect("a judge that ends");
    assert!(output.status.success(), "the judge failed");
    serde_json::from_slice(&output.stdout).expect("verdicts")
}
