//! Runs `mkuserdata`: reads parts, builds user-data and writes it, or reports on existing user-data.

pub(crate) mod args;
mod extract;
mod report;
mod user_data_input;

use crate::build::gzip::Effort;
use crate::build::operand::Operand;
use crate::build::options::Options;
use crate::build::part::Part;
use crate::build::parts::{Parts, UserData};
use crate::build::user_data_size;
use crate::build::user_data_size::Cost;
use crate::cli::args::Args;
use crate::cloud_config::merge_how::merge_type;
use crate::cloud_config::schema::Schema;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cerveza_manners::{
    Column, Failure, OutputArgs, OutputMode, RecordWriter, Result, Status, Tool, write_file, write_stdout,
};
use cerveza_record::{Record, json};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

/// The columns of a table of hosts. It shows the size instead of the user-data.
const COLUMNS: [Column; 2] = [Column { header: "HOST", key: "host" }, Column { header: "BYTES", key: "size" }];

/// Runs the tool. Nothing is written before everything is built.
pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    args.refuse_misuse(io::stdout().is_terminal(), io::stdin().is_terminal())?;
    if let Some(action) = args.action() {
        let schema = args.schema.as_deref().map(Schema::read).transpose()?;
        return report::run(&action, &args.output, &args.files(), args.force, schema.as_ref(), tool);
    }
    let parts = Parts::new(read(args)?, options(args)?)?;
    if !args.set.is_empty() && !parts.varies() {
        tool.warn("--set gives names to templates, and no part is one: their files end in .j2");
    }
    parts.warnings().iter().chain(parts.console_warnings()).for_each(|warning| tool.warn(warning));
    if args.per_host {
        write_records(args, &parts, tool)?
    } else {
        write_one(args, &parts, tool)?
    }
    Ok(Status::Done)
}

fn options(args: &Args) -> Result<Options> {
    Ok(Options {
        per_host: args.per_host,
        gzip: !args.no_gzip && args.boundary.is_none(),
        effort: if args.fast { Effort::Fast } else { Effort::Thorough },
        limit: args.limit,
        boundary: args.boundary.clone(),
        merge_type: args.merge.as_deref().map(merge_type).transpose()?,
        keep_names: args.keep_names,
        force: args.force,
        hint: Some("--force builds it anyway"),
        set: args.set.clone(),
    })
}

fn read(args: &Args) -> Result<Vec<Part>> {
    let read = |part: &PathBuf| Part::read(&Operand::parse(part.as_os_str())?);
    let mut parts: Vec<Part> = args.parts.iter().map(read).collect::<Result<_>>()?;
    // One for all comes before those for some.
    let mut indices: Vec<&String> = args.launch_index.iter().collect();
    indices.sort_by_key(|given| given.contains('='));
    for given in indices {
        let (of, number) = given.rsplit_once('=').map_or((None, given.as_str()), |(part, number)| (Some(part), number));
        let number: u32 = number.parse().map_err(|_| {
            Failure::usage(format!("--launch-index {given}: {number} is not the number of an instance in its launch"))
        })?;
        let mut chosen: Vec<&mut Part> =
            parts.iter_mut().filter(|part| of.is_none_or(|of| part.path == of || part.name == of)).collect();
        if chosen.is_empty() {
            return Err(Failure::usage(format!("--launch-index {given}: no part has this name")));
        }
        chosen.iter_mut().for_each(|part| part.launch_index = Some(number));
    }
    Ok(parts)
}

fn write_one(args: &Args, parts: &Parts, tool: &Tool) -> Result<()> {
    let built = parts.build(None).map_err(|failure| {
        // Without either it is a name that a host's record would have, most likely.
        if parts.varies() && args.set.is_empty() && failure.hint.is_none() {
            failure.hint("--per-host renders templates from the records of hosts, --set KEY=VALUE gives a name once")
        } else {
            failure
        }
    });
    let UserData { bytes, warnings } = built?;
    warnings.iter().for_each(|warning| tool.warn(warning));
    let size = bytes.len();
    let bytes = if args.base64 { format!("{}\n", BASE64_STANDARD.encode(bytes)).into_bytes() } else { bytes };
    match args.file() {
        Some(file) => write_file(file, &bytes)?,
        None if args.size => {}
        None => write_stdout(&bytes)?,
    }
    if args.size {
        let costs = parts.costs(None, size)?;
        write_costs(&args.output, &costs, tool)?;
        tool.summary(format!("{size} bytes of user-data; the limit is {}", args.limit));
    }
    Ok(())
}

const COST_COLUMNS: [Column; 3] = [
    Column { header: "BYTES", key: "size" },
    Column { header: "COST", key: "cost" },
    Column { header: "PART", key: "part" },
];

/// Writes the costs to stdout.
fn write_costs(args: &OutputArgs, costs: &[Cost], tool: &Tool) -> Result<()> {
    if args.mode(OutputMode::Table) == OutputMode::Table && args.format.columns.is_empty() {
        return write_stdout((user_data_size::table(costs) + "\n").as_bytes());
    }
    let mut writer = args.writer(OutputMode::Table, &COST_COLUMNS, tool);
    for row in costs {
        writer.write_object(&json!({"part": row.part, "size": row.size, "cost": row.cost}), &row.part)?;
    }
    writer.finish()
}

fn write_records(args: &Args, parts: &Parts, tool: &Tool) -> Result<()> {
    let mode = args.output.mode(OutputMode::Table);
    let records = hostrange::read_given(&[], tool)?.hosts;
    let bar = args.progress.bar(records.len() as u64, "building");
    let built = parts.build_all(&records, || bar.inc(1));
    bar.finish_and_clear();
    let built = built?;
    warn(&records, &built, tool);
    let Some(file) = args.file() else {
        return write_rows(args.output.writer(OutputMode::Table, &COLUMNS, tool), mode, records, built);
    };
    let mut text = Vec::new();
    let writer = RecordWriter::new(&mut text, &args.output.format, mode, &COLUMNS, tool).sorted(&args.output.sort);
    write_rows(writer, mode, records, built)?;
    write_file(file, &text)
}

fn write_rows(
    mut writer: RecordWriter<impl Write>,
    mode: OutputMode,
    records: Vec<Record>,
    built: Vec<UserData>,
) -> Result<()> {
    for (mut record, UserData { bytes, .. }) in records.into_iter().zip(built) {
        match mode {
            OutputMode::Json | OutputMode::Names => record.set("user_data", BASE64_STANDARD.encode(bytes)),
            _ => record.set("size", bytes.len()),
        }
        writer.write(&record)?;
    }
    writer.finish()
}

/// Prints each warning once, however many hosts have it.
fn warn(records: &[Record], built: &[UserData], tool: &Tool) {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (record, built) in records.iter().zip(built) {
        for warning in &built.warnings {
            found.entry(warning).or_default().push(record.host());
        }
    }
    for (warning, hosts) in found {
        match hosts.len() {
            1 => tool.warn(format!("{}: {warning}", hosts[0])),
            many => tool.warn(format!("{} and {} more: {warning}", hosts[0], many - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn user_data_can_be_for_one_instance_of_a_launch() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
        for name in ["a.sh", "b.sh"] {
            std::fs::write(file(name), "#!/bin/sh\n").unwrap();
        }
        let indices = |given: &[&str]| {
            let words = ["mkuserdata", &file("a.sh"), &file("b.sh")].map(str::to_string);
            let options = given.iter().map(|given| format!("--launch-index={given}"));
            let parts = read(&Args::parse_from(words.into_iter().chain(options)))?;
            Ok(parts.iter().map(|part| part.launch_index).collect::<Vec<_>>())
        };
        assert_eq!(indices(&["1"]), Ok(vec![Some(1), Some(1)]));
        assert_eq!(indices(&["b.sh=0", "1"]), Ok(vec![Some(1), Some(0)]));
        let why = |given: &str| indices(&[given]).map_err(|failure: Failure| failure.message).unwrap_err();
        assert_eq!(why("c.sh=0"), "--launch-index c.sh=0: no part has this name");
        assert_eq!(why("-1"), "--launch-index -1: -1 is not the number of an instance in its launch");
    }
}
