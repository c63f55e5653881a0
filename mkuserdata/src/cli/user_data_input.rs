//! Reads user-data for --list, --check and --extract: plain, in records, or in the output of the AWS CLI.

use crate::build::operand;
use crate::cloud_init::foreign::Foreign;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cerveza_manners::{Failure, Result, Tool, read_capped};
use cerveza_record::{Item, Value, items};
use std::path::Path;

/// The user-data of one host's record or of one file.
pub(crate) struct UserDataInput {
    pub host: Option<String>,
    /// Its name in messages.
    pub label: String,
    pub bytes: Vec<u8>,
    /// They were in base64 in JSON.
    pub is_decoded: bool,
}

/// The limit for a file, in bytes: room for thousands of records, but not for /dev/zero.
const MOST: u64 = 256 * 1024 * 1024;

/// Returns the user-data of a file or of stdin.
pub(crate) fn read_inputs(file: &Path, tool: &Tool) -> Result<Vec<UserDataInput>> {
    let label = operand::label(file);
    let read = operand::open(file).and_then(|input| read_capped(input, MOST));
    let bytes = read.map_err(|error| Failure::usage(format!("cannot read {label}: {error}")))?;
    if bytes.trim_ascii().is_empty() {
        return Err(Failure::usage(format!("{label}: is empty")));
    }
    let is_json = |text: &&str| text.trim_start().starts_with('{') && Foreign::of(text.as_bytes()).is_none();
    let mut all = match std::str::from_utf8(&bytes).ok().filter(is_json) {
        Some(text) => in_json(text, &label).map_err(|failure| failure.within(&label))?,
        None => vec![UserDataInput { host: None, label, bytes, is_decoded: false }],
    };
    for input in all.iter().filter(|input| input.bytes.is_empty()) {
        tool.warn(format!("{}: no user-data", input.label));
    }
    all.retain(|input| !input.bytes.is_empty());
    Ok(all)
}

/// Reads records, one on each line, or the object that `aws ec2 describe-instance-attribute` prints.
fn in_json(text: &str, label: &str) -> Result<Vec<UserDataInput>> {
    let attribute: Option<Value> = text.contains("\"UserData\"").then(|| serde_json::from_str(text).ok()).flatten();
    match attribute.filter(|attribute| attribute.get("UserData").is_some()) {
        None => in_records(text),
        Some(attribute) => {
            let encoded = attribute["UserData"]["Value"].as_str().unwrap_or_default();
            let bytes = BASE64_STANDARD.decode(encoded);
            let bytes = bytes.map_err(|_| Failure::usage("UserData.Value is not base64"))?;
            let host = attribute["InstanceId"].as_str().map(str::to_string);
            Ok(vec![UserDataInput { label: host.clone().unwrap_or(label.to_string()), host, bytes, is_decoded: true }])
        }
    }
}

fn in_records(text: &str) -> Result<Vec<UserDataInput>> {
    let mut all = Vec::new();
    for item in items(text) {
        let (line, item) = item.map_err(|error| Failure::usage(error.to_string()))?;
        let Item::Record(record) = item else {
            return Err(Failure::usage(format!("line {line}: not a record, as those before it")));
        };
        let host = record.host().to_string();
        let encoded = record.str("user_data").unwrap_or_default();
        let bytes = BASE64_STANDARD.decode(encoded);
        let bytes = bytes.map_err(|_| Failure::usage(format!("line {line}: {host}: user_data is not base64")))?;
        all.push(UserDataInput { label: host.clone(), host: Some(host), bytes, is_decoded: true });
    }
    Ok(all)
}
