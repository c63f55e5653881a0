//! --list, --check and --extract: what existing user-data holds.

use crate::build::operand;
use crate::cloud_config::schema::Schema;
use crate::cloud_init::file_name;
use crate::cloud_init::foreign::Foreign;
use crate::read::decoded_part::Seen;
use crate::read::parsed_message::Received;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cerveza_manners::{Column, Failure, OutputArgs, OutputMode, Result, Status, Tool, write_private_file};
use cerveza_record::{Item, Value, items};
use serde_json::Map;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What to do with user-data that is read, beside listing it.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    List,
    Check,
    Extract(PathBuf),
}

/// One user-data, and whose it is: a host's record, or a file.
struct Given {
    host: Option<String>,
    /// How messages name it.
    label: String,
    bytes: Vec<u8>,
    /// They stood in base64 in JSON.
    is_decoded: bool,
}

/// Lists each user-data and says what is wrong with it. One that cannot be read does not keep the others from it.
pub(crate) fn run(
    action: &Action,
    args: &OutputArgs,
    files: &[PathBuf],
    force: bool,
    schema: Option<&Schema>,
    tool: &Tool,
) -> Result<Status> {
    let mut read = Vec::new();
    let mut status = Status::Done;
    for file in files {
        match given(file, tool) {
            Ok(all) => read.extend(all.into_iter().map(|given| {
                let mut received = Received::read(&given.bytes, given.is_decoded);
                schema.into_iter().for_each(|schema| received.parts.iter_mut().for_each(|part| part.validate(schema)));
                (given, received)
            })),
            Err(failure) => {
                tool.failure(&failure);
                status = Status::Usage;
            }
        }
    }
    let mut is_sound = true;
    for (given, received) in &read {
        is_sound &= say(given, received, tool);
    }
    let paths = match action {
        Action::Extract(folder) => extract(folder, &read, force)?,
        _ => HashMap::new(),
    };
    write(args, &read, &paths, tool)?;
    // Where there is no part to show, that is no success of any kind.
    let is_empty = read.iter().any(|(_, received)| received.parts.is_empty());
    match action {
        Action::Check if !is_sound => Ok(status.max(Status::No)),
        _ if is_empty => Ok(status.max(Status::No)),
        _ => Ok(status),
    }
}

/// Says what is wrong, and whether nothing is.
fn say(given: &Given, received: &Received, tool: &Tool) -> bool {
    let label = &given.label;
    received.notes.iter().for_each(|note| tool.warn(format!("{label}: {note}")));
    let mut problems: Vec<String> = received.problems.iter().map(|problem| format!("{label}: {problem}")).collect();
    for (at, part) in received.parts.iter().enumerate() {
        let of_part = part.problems.iter().chain(&part.warnings);
        problems.extend(of_part.map(|problem| format!("{label}: part {} ({}): {problem}", at + 1, part.name)));
    }
    problems.iter().for_each(|problem| tool.warn(problem));
    problems.is_empty()
}

/// Some thousands of records of user-data are usual; /dev/zero is a slip.
const MOST: u64 = 256 * 1024 * 1024;

/// The user-data of a file, or of stdin: as it is, or in JSON.
fn given(file: &Path, tool: &Tool) -> Result<Vec<Given>> {
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

const COLUMNS: [Column; 8] = [
    Column { header: "HOST", key: "host" },
    Column { header: "FROM", key: "from" },
    Column { header: "PART", key: "part" },
    Column { header: "TYPE", key: "type" },
    Column { header: "NAME", key: "name" },
    Column { header: "BYTES", key: "size" },
    Column { header: "ENCODING", key: "encoding" },
    Column { header: "RUNS", key: "runs" },
];

/// Writes a row for each part. Of several user-data it has a column that says whose each is.
fn write(args: &OutputArgs, read: &[(Given, Received)], paths: &Paths, tool: &Tool) -> Result<()> {
    let all_hosts = !read.is_empty() && read.iter().all(|(given, _)| given.host.is_some());
    let columns = match read.len() > 1 || all_hosts {
        true if all_hosts => [&COLUMNS[..1], &COLUMNS[2..]].concat(),
        true => COLUMNS[1..].to_vec(),
        false => COLUMNS[2..].to_vec(),
    };
    let mode = args.mode(OutputMode::Table);
    let mut writer = args.writer(OutputMode::Table, &columns, tool);
    for (of, (given, received)) in read.iter().enumerate() {
        for (at, part) in received.parts.iter().enumerate() {
            let mut row = json_of(given, at, part, paths.get(&(of, at)));
            if mode == OutputMode::Table {
                let mime = part.part_type.to_string();
                row["type"] = mime.strip_prefix("text/").unwrap_or(&mime).into();
            }
            if mode.has_columns() && !all_hosts {
                row["from"] = given.label.as_str().into();
            }
            writer.write_object(&row, &part.name)?;
        }
    }
    writer.finish()
}

fn json_of(given: &Given, at: usize, part: &Seen, path: Option<&PathBuf>) -> Value {
    let mut row = Map::new();
    let mut put = |key: &str, value: Value| row.insert(key.to_string(), value);
    match &given.host {
        Some(host) => put("host", host.as_str().into()),
        None => put("from", given.label.as_str().into()),
    };
    put("part", (at + 1).into());
    put("type", part.part_type.to_string().into());
    put("name", part.name.as_str().into());
    put("size", part.content.len().into());
    put("encoding", part.encoding.into());
    put("runs", part.runs.as_str().into());
    if let Some(merge_type) = &part.merge_type {
        put("merge_type", merge_type.as_str().into());
    }
    if let Some(index) = &part.launch_index {
        put("launch_index", index.trim().parse::<i64>().map_or(index.as_str().into(), Value::from));
    }
    put("problems", [&part.problems[..], &part.warnings].concat().into());
    if let Some(path) = path {
        put("file", path.to_string_lossy().into());
    }
    row.into()
}

/// The file of a part, by the places of the user-data and of the part in it.
type Paths = HashMap<(usize, usize), PathBuf>;

/// Writes each part to a file of its name, of several hosts to a folder each. What is there is not overwritten.
fn extract(folder: &Path, read: &[(Given, Received)], force: bool) -> Result<Paths> {
    let mut paths = Paths::new();
    let mut files: Vec<(PathBuf, &Seen)> = Vec::new();
    let mut taken = HashSet::new();
    let mut folders: HashMap<String, &str> = HashMap::new();
    for (of, (given, received)) in read.iter().enumerate() {
        let folder = match (&given.host, read.len()) {
            (None, 1) => folder.to_path_buf(),
            _ => {
                let name = file_name(&given.label)
                    .ok_or_else(|| Failure::usage(format!("{} is no name for a folder", given.label)))?;
                if let Some(other) = folders.insert(name.clone(), &given.label) {
                    return Err(Failure::usage(format!("{other} and {} would have one folder, {name}", given.label)));
                }
                let folder = folder.join(name);
                if fs::symlink_metadata(&folder).is_ok_and(|found| found.is_symlink()) {
                    return Err(Failure::usage(format!("{} is a link: nothing was written", folder.display())));
                }
                folder
            }
        };
        // What is in an archive is in the archive's file.
        for (at, part) in received.parts.iter().enumerate().filter(|(_, part)| part.encoding != "archive") {
            let name = file_name(&part.name).unwrap_or_else(|| format!("part-{:03}", at + 1));
            let mut path = folder.join(&name);
            let mut number = at + 1;
            while !taken.insert(path.clone()) {
                path = folder.join(format!("{number:03}-{name}"));
                number += 1;
            }
            paths.insert((of, at), path.clone());
            files.push((path, part));
        }
    }
    if !force && let Some((path, _)) = files.iter().find(|(path, _)| fs::symlink_metadata(path).is_ok()) {
        return Err(Failure::usage(format!("{} is there already: nothing was written", path.display()))
            .hint("--force writes over it"));
    }
    for (at, (path, part)) in files.iter().enumerate() {
        write_private_file(path, &part.content, part.runs_as_file()).map_err(|failure| match at {
            0 => failure,
            _ => failure.hint(format!("{at} of {} parts were written", files.len())),
        })?;
    }
    Ok(paths)
}

/// The name as cloud-init cleans it, which can lead to no other folder; `None` where nothing is left.
fn file_name(name: &str) -> Option<String> {
    let name = file_name::cleaned(name);
    file_name::problem(&name).is_none().then_some(name)
}
