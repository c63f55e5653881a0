//! --list, --check and --extract: reports on existing user-data.

use crate::cli::extract::{Paths, extract};
use crate::cli::user_data_input::{UserDataInput, read_inputs};
use crate::cloud_config::schema::Schema;
use crate::read::decoded_part::DecodedPart;
use crate::read::parsed_message::ParsedMessage;
use cerveza_manners::{Column, OutputArgs, OutputMode, Result, Status, Tool};
use cerveza_record::Value;
use serde_json::Map;
use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

/// What to do besides listing.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    List,
    Check,
    Extract(PathBuf),
}

/// Lists each user-data and prints what is wrong with it. Continues after a file that cannot be read.
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
        match read_inputs(file, tool) {
            Ok(all) => read.extend(all.into_iter().map(|input| {
                let mut message = ParsedMessage::read(&input.bytes, input.is_decoded);
                schema.into_iter().for_each(|schema| message.parts.iter_mut().for_each(|part| part.validate(schema)));
                (input, message)
            })),
            Err(failure) => {
                tool.failure(&failure);
                status = Status::Usage;
            }
        }
    }
    let mut is_sound = true;
    for (input, message) in &read {
        is_sound &= print_problems(input, message, tool);
    }
    let paths = match action {
        Action::Extract(folder) => extract(folder, &read, force)?,
        _ => HashMap::new(),
    };
    write(args, &read, &paths, tool)?;
    let has_config = read.iter().any(|(_, message)| message.parts.iter().any(DecodedPart::is_cloud_config));
    if matches!(action, Action::Check) && is_sound && schema.is_none() && has_config && io::stderr().is_terminal() {
        tool.warn("keys of cloud-configs were not checked: --schema auto checks them, if cloud-init is installed here");
    }
    // Where there is no part to show, that is no success of any kind.
    let is_empty = read.iter().any(|(_, message)| message.parts.is_empty());
    match action {
        Action::Check if !is_sound => Ok(status.max(Status::No)),
        _ if is_empty => Ok(status.max(Status::No)),
        _ => Ok(status),
    }
}

/// Prints what is wrong. Returns whether nothing is.
fn print_problems(input: &UserDataInput, message: &ParsedMessage, tool: &Tool) -> bool {
    let label = &input.label;
    message.notes.iter().for_each(|note| tool.warn(format!("{label}: {note}")));
    let mut problems: Vec<String> = message.problems.iter().map(|problem| format!("{label}: {problem}")).collect();
    for (at, part) in message.parts.iter().enumerate() {
        let of_part = part.problems.iter().chain(&part.warnings);
        problems.extend(of_part.map(|problem| format!("{label}: part {} ({}): {problem}", at + 1, part.name)));
    }
    problems.iter().for_each(|problem| tool.warn(problem));
    problems.is_empty()
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

/// Writes a row for each part, with the host or file if there are several.
fn write(args: &OutputArgs, read: &[(UserDataInput, ParsedMessage)], paths: &Paths, tool: &Tool) -> Result<()> {
    let all_hosts = !read.is_empty() && read.iter().all(|(input, _)| input.host.is_some());
    let columns = match read.len() > 1 || all_hosts {
        true if all_hosts => [&COLUMNS[..1], &COLUMNS[2..]].concat(),
        true => COLUMNS[1..].to_vec(),
        false => COLUMNS[2..].to_vec(),
    };
    let mode = args.mode(OutputMode::Table);
    let mut writer = args.writer(OutputMode::Table, &columns, tool);
    for (of, (input, message)) in read.iter().enumerate() {
        for (at, part) in message.parts.iter().enumerate() {
            let mut row = json_of(input, at, part, paths.get(&(of, at)));
            if mode == OutputMode::Table {
                let mime = part.part_type.to_string();
                row["type"] = mime.strip_prefix("text/").unwrap_or(&mime).into();
            }
            if mode.has_columns() && !all_hosts {
                row["from"] = input.label.as_str().into();
            }
            writer.write_object(&row, &part.name)?;
        }
    }
    writer.finish()
}

fn json_of(input: &UserDataInput, at: usize, part: &DecodedPart, path: Option<&PathBuf>) -> Value {
    let mut row = Map::new();
    let mut put = |key: &str, value: Value| row.insert(key.to_string(), value);
    match &input.host {
        Some(host) => put("host", host.as_str().into()),
        None => put("from", input.label.as_str().into()),
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
