//! --list, --check and --extract: what existing user-data holds.

use crate::name;
use crate::order;
use crate::output;
use crate::received::{Received, Seen};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cerveza_manners::{Failure, OutputMode, Result, Status, Tool, table, visible};
use cerveza_record::{Item, Value, items};
use serde_json::json;
use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What to do with user-data that is read.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    List(OutputMode),
    Check,
    Extract(PathBuf),
}

/// One user-data, and whose it is: a host's record, or a file.
struct Given {
    host: Option<String>,
    /// How messages name it.
    label: String,
    bytes: Vec<u8>,
}

/// Does with each user-data what is asked for. One that cannot be read does not keep the others from it.
pub(crate) fn run(action: &Action, files: &[PathBuf], force: bool, tool: &Tool) -> Result<Status> {
    let mut read = Vec::new();
    let mut status = Status::Done;
    for given in given(files, tool)? {
        match Received::read(&given.bytes) {
            Ok(received) => read.push((given, received)),
            Err(failure) => {
                tool.failure(&failure.within(&given.label));
                status = Status::Usage;
            }
        }
    }
    let mut any = false;
    for (given, received) in &read {
        any |= !say(given, received, tool).is_empty();
    }
    match action {
        Action::List(mode) => write(*mode, &read)?,
        Action::Check if any => status = status.max(Status::No),
        Action::Check => {}
        Action::Extract(folder) => extract(folder, &read, force, tool)?,
    }
    Ok(status)
}

/// Says what is wrong, and gives it back.
fn say(given: &Given, received: &Received, tool: &Tool) -> Vec<String> {
    let mut all = Vec::new();
    for problem in &received.problems {
        all.push(format!("{}: {problem}", given.label));
    }
    for (at, part) in received.parts.iter().enumerate() {
        for problem in part.problems.iter().chain(&part.warnings) {
            all.push(format!("{}: part {} ({}): {problem}", given.label, at + 1, part.name));
        }
    }
    all.iter().for_each(|message| tool.warn(message));
    all
}

/// The user-data of the files, or of stdin: as it is, or in records.
fn given(files: &[PathBuf], tool: &Tool) -> Result<Vec<Given>> {
    let mut all = Vec::new();
    for file in files {
        let stdin = file.as_os_str() == "-";
        let label = if stdin { "stdin".to_string() } else { file.display().to_string() };
        let mut bytes = Vec::new();
        let read = match stdin {
            true => io::stdin().lock().read_to_end(&mut bytes),
            false => fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes)),
        };
        read.map_err(|error| Failure::usage(format!("cannot read {label}: {error}")))?;
        match std::str::from_utf8(&bytes).ok().filter(|text| text.trim_start().starts_with('{')) {
            Some(text) => all.extend(in_records(text).map_err(|failure| failure.within(&label))?),
            None => all.push(Given { host: None, label, bytes }),
        }
    }
    for given in all.iter().filter(|given| given.bytes.is_empty()) {
        tool.warn(format!("{}: no user-data", given.label));
    }
    all.retain(|given| !given.bytes.is_empty());
    Ok(all)
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
        all.push(Given { label: host.clone(), host: Some(host), bytes });
    }
    Ok(all)
}

const HEADERS: [&str; 6] = ["PART", "TYPE", "NAME", "BYTES", "ENCODING", "RUNS"];

/// A row a part: its host, if there are records, and what `HEADERS` names.
fn write(mode: OutputMode, read: &[(Given, Received)]) -> Result<()> {
    let with_hosts = read.iter().any(|(given, _)| given.host.is_some() || read.len() > 1);
    let headers = [&["HOST"][..usize::from(with_hosts)], &HEADERS].concat();
    let mut lines = String::new();
    let mut rows = Vec::new();
    for (given, received) in read {
        for (at, part) in received.parts.iter().enumerate() {
            match mode {
                OutputMode::Json => lines += &format!("{}\n", json_of(given, at, part)),
                OutputMode::Names => lines += &format!("{}\n", visible(&part.name)),
                OutputMode::Table => {
                    let host = with_hosts.then(|| Some(Value::from(given.label.as_str())));
                    let short = part.part_type.to_string();
                    let short = short.strip_prefix("text/").unwrap_or(&short);
                    let cells: [Value; 6] = [
                        (at + 1).into(),
                        short.into(),
                        part.name.as_str().into(),
                        part.content.len().into(),
                        part.encoding.into(),
                        part.runs.as_str().into(),
                    ];
                    rows.push(host.into_iter().chain(cells.map(Some)).collect());
                }
            }
        }
    }
    if mode == OutputMode::Table && !rows.is_empty() {
        lines = table(&headers, rows.into_iter());
    }
    output::to_stdout(lines.as_bytes())
}

fn json_of(given: &Given, at: usize, part: &Seen) -> Value {
    let problems = [&part.problems[..], &part.warnings].concat();
    let mut row = json!({
        "part": at + 1,
        "type": part.part_type.to_string(),
        "name": part.name,
        "size": part.content.len(),
        "encoding": part.encoding,
        "runs": part.runs,
        "problems": problems,
    });
    let mut put = |key: &str, value: &Option<String>| {
        if let Some(value) = value {
            row[key] = Value::from(value.as_str());
        }
    };
    put("merge_type", &part.merge_type);
    put("launch_index", &part.launch_index);
    put("host", &given.host);
    row
}

/// Writes each part to a file of its name, of several hosts to a folder each. What is there is not overwritten.
fn extract(folder: &Path, read: &[(Given, Received)], force: bool, tool: &Tool) -> Result<()> {
    let mut files: Vec<(PathBuf, &Seen)> = Vec::new();
    let mut taken = HashSet::new();
    for (given, received) in read {
        let folder = match &given.host {
            Some(host) => {
                folder.join(file_name(host).ok_or_else(|| Failure::usage(format!("{host} is no name for a folder")))?)
            }
            None if read.len() > 1 => folder.join(file_name(&given.label).unwrap_or_else(|| "stdin".to_string())),
            None => folder.to_path_buf(),
        };
        for (at, part) in received.parts.iter().enumerate().filter(|(_, part)| part.encoding != "archive") {
            let name = file_name(&part.name).unwrap_or_else(|| format!("part-{:03}", at + 1));
            let mut path = folder.join(&name);
            if !taken.insert(path.clone()) {
                path = folder.join(format!("{:03}-{name}", at + 1));
                taken.insert(path.clone());
            }
            files.push((path, part));
        }
    }
    if !force && let Some((path, _)) = files.iter().find(|(path, _)| fs::symlink_metadata(path).is_ok()) {
        return Err(Failure::usage(format!("{} is there already: nothing was written", path.display()))
            .hint("--force writes over it"));
    }
    for (at, (path, part)) in files.iter().enumerate() {
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).map_err(|error| {
            Failure::usage(format!("cannot make {}: {error}", path.parent().unwrap_or(path).display()))
        });
        let is_script = order::folder_of(part.part_type.kind(), &part.content).is_some();
        written.and_then(|()| output::to_new_file(path, &part.content, is_script)).map_err(|failure| match at {
            0 => failure,
            _ => failure.hint(format!("{at} of {} parts were written", files.len())),
        })?;
    }
    tool.summary(format!("{} parts written to {}", files.len(), folder.display()));
    Ok(())
}

/// The name as cloud-init cleans it, which can lead to no other folder; `None` where nothing is left.
fn file_name(name: &str) -> Option<String> {
    let name = name::cleaned(name);
    (!name.trim_matches('.').is_empty()).then_some(name)
}
