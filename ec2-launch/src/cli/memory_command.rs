//! Options that show and delete what is remembered of hosts, and launch nothing.

use crate::memory::Memory;
use crate::memory::with_hint;
use cerveza_ec2::{Acted, ByHost, Ec2, FAILED, MemoryFailure, NO_ACTION, RegionArgs, block_on, report};
use cerveza_manners::{Column, Failure, OutputArgs, OutputMode, Result, Status, Tool};
use cerveza_record::{Record, Value, json};
use hostrange::fold;
use std::collections::BTreeMap;

#[derive(clap::Args, Clone, Debug)]
pub struct MemoryArgs {
    /// Do not read or write what is remembered of hosts
    ///
    /// It is in the SSM parameters /cerveza/hosts/NAME.
    #[arg(long)]
    pub no_remember: bool,

    /// Print what is remembered of each host
    ///
    /// The records have it as `memory`.
    #[arg(long, group = "instead", conflicts_with_all = ["profile", "set", "spread", "tag", "plan", "no_remember", "dry_run"], help_heading = "Instead of launching")]
    pub show_memory: bool,

    /// Delete what is remembered of each host
    ///
    /// With --dry-run, print what would be deleted.
    #[arg(long, group = "instead", conflicts_with_all = ["profile", "set", "spread", "tag", "plan", "no_remember"], help_heading = "Instead of launching")]
    pub forget: bool,
}

const PERMISSION: &str =
    "--forget needs the permissions ssm:GetParameters and ssm:DeleteParameters on parameter/cerveza/hosts/*";

const COLUMNS: [Column; 4] = [
    Column { header: "HOST", key: "host" },
    Column { header: "REGION", key: "region" },
    Column { header: "REMEMBERED", key: "remembered" },
    Column { header: "ERROR", key: "error" },
];

/// Prints what is remembered of each host.
pub fn show_memory(mut hosts: Vec<Record>, regions: &RegionArgs, output: &OutputArgs, tool: &Tool) -> Result<Status> {
    let texts = block_on(async {
        let ec2 = Ec2::connect(regions).await?;
        let keys = memory_keys(&ec2, &mut hosts)?;
        Ok::<_, Failure>(ec2.read_memory(&keys).await)
    })??;
    let mut writer = output.writer(OutputMode::Table, &COLUMNS, tool).only_if_used(&["error"]);
    let mut failures: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut status = Status::Done;
    for mut host in hosts {
        match memory_of(&host, &texts) {
            Ok(memory) => {
                host.set("remembered", memory.remembered_note());
                host.set("memory", json!(memory));
            }
            Err(failure) => {
                host.set("error", failure.message.as_str());
                status = status.max(failure.status);
                failures.entry(with_hint(&failure)).or_default().push(host.host().to_string());
            }
        }
        writer.write(&host)?;
    }
    writer.finish()?;
    for (why, hosts) in failures {
        tool.warn(format!("{}: {why}", fold(hosts.iter().map(String::as_str))));
    }
    Ok(status)
}

fn memory_of(host: &Record, texts: &ByHost<String>) -> Result<Memory> {
    match texts.get(&memory_key(host)) {
        Some(Ok(Some(text))) => Memory::parse(text),
        Some(Err(failure)) => Err(failure.failure.clone()),
        Some(Ok(None)) | None => Err(Failure::no("nothing is remembered")),
    }
}

/// Deletes what is remembered of each host.
pub fn forget(
    mut hosts: Vec<Record>,
    regions: &RegionArgs,
    dry_run: bool,
    output: &OutputArgs,
    tool: &Tool,
) -> Result<Status> {
    let acted = block_on(async {
        let ec2 = Ec2::connect(regions).await?;
        let keys = memory_keys(&ec2, &mut hosts)?;
        let had_memory =
            if dry_run { without_values(ec2.read_memory(&keys).await) } else { ec2.delete_memory(&keys).await };
        Ok::<_, Failure>(hosts.into_iter().map(|host| forgotten(host, &had_memory, dry_run)).collect())
    })??;
    report(tool, output, dry_run, acted)
}

fn without_values(texts: ByHost<String>) -> ByHost<()> {
    texts.into_iter().map(|(key, text)| (key, text.map(|text| text.map(drop)))).collect()
}

fn forgotten(record: Record, had_memory: &ByHost<()>, dry_run: bool) -> Acted {
    let (action, result) = match had_memory.get(&memory_key(&record)) {
        Some(Ok(Some(()))) => (if dry_run { "forget" } else { "forgotten" }, Ok(())),
        Some(Ok(None)) | None => (if dry_run { "leave" } else { NO_ACTION }, Ok(())),
        Some(Err(MemoryFailure { failure, denied: true, .. })) => (FAILED, Err(failure.clone().hint(PERMISSION))),
        Some(Err(MemoryFailure { failure, .. })) => (FAILED, Err(failure.clone())),
    };
    Acted { record, action, result }
}

/// Gives each host the region whose memory is meant, and returns their keys (region, name).
fn memory_keys(ec2: &Ec2, hosts: &mut [Record]) -> Result<Vec<(String, String)>> {
    for host in hosts.iter_mut().filter(|host| host.str("region").is_none()) {
        let region = ec2.regions()?.first().cloned();
        host.set("region", Value::from(region));
    }
    Ok(hosts.iter().map(memory_key).collect())
}

fn memory_key(host: &Record) -> (String, String) {
    (host.str("region").unwrap_or_default(), host.host().to_string())
}
