//! The user-data that --list, --check and --extract are given: as it is, in records, or as the AWS CLI prints it.

use crate::build::operand;
use crate::cloud_init::foreign::Foreign;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cerveza_manners::{Failure, Result, Tool};
use cerveza_record::{Item, Value, items};
use std::io::Read;
use std::path::Path;

/// One user-data, and whose it is: a host's record, or a file.
pub(crate) struct Given {
    pub host: Option<String>,
    /// How messages name it.
    pub label: String,
    pub bytes: Vec<u8>,
    /// They stood in base64 in JSON.
    pub is_decoded: bool,
}

/// Some thousands of records of user-data are usual; /dev/zero is a slip.
const MOST: u64 = 256 * 1024 * 1024;

/// The user-data of a file, or of stdin: as it is, or in JSON.
pub(crate) fn given(file: &Path, tool: &Tool) -> Result<Vec<Given>> {
    let label = operand::label(file);
    let mut bytes = Vec::new();
    let read = operand::open(file).and_then(|input| input.take(MOST).read_to_end(&mut bytes));
    read.map_err(|error| Failure::usage(format!("cannot read {label}: {error}")))?;
    if bytes.len() as u64 == MOST {
        return Err(Failure::usage(format!("{label}: larger than 256 MiB")));
    }
    if bytes.trim_ascii().is_empty() {
        return Err(Failure::usage(format!("{label}: is empty")));
    }
    let is_json = |text: &&str| text.trim_start().starts_with('{') && Foreign::of(text.as_bytes()).is_none();
    let mut all = match std::str::from_utf8(&bytes).ok().filter(is_json) {
        Some(text) => in_json(text, &label).map_err(|failure| failure.within(&label))?,
        None => vec![Given { host: None, label, bytes, is_decoded: false }],
    };
    for given in all.iter().filter(|given| given.bytes.is_empty()) {
        tool.warn(format!("{}: no user-data", given.label));
    }
    all.retain(|given| !given.bytes.is_empty());
    Ok(all)
}

/// Records, a line each; or one object as `aws ec2 describe-instance-attribute` prints it.
fn in_json(text: &str, label: &str) -> Result<Vec<Given>> {
    let attribute: Option<Value> = text.contains("\"UserData\"").then(|| serde_json::from_str(text).ok()).flatten();
    match attribute.filter(|attribute| attribute.get("UserData").is_some()) {
        None => in_records(text),
        Some(attribute) => {
            let encoded = attribute["UserData"]["Value"].as_str().unwrap_or_default();
            let bytes = BASE64_STANDARD.decode(encoded);
            let bytes = bytes.map_err(|_| Failure::usage("UserData.Value is not base64"))?;
            let host = attribute["InstanceId"].as_str().map(str::to_string);
            Ok(vec![Given { label: host.clone().unwrap_or(label.to_string()), host, bytes, is_decoded: true }])
        }
    }
}

fn in_records(text: &str) -> Result<Vec<Given>> {
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
        all.push(Given { label: host.clone(), host: Some(host), bytes, is_decoded: true });
    }
    Ok(all)
}
