//! `--dry-run`: what would run where, as records with a `plan`.

use crate::cli::args::Args;
use crate::run::plan::commands;
use crate::run::runner::Settings;
use crate::run::target::Target;
use cerveza_manners::{Column, OutputMode, Result, Status, Tool};
use cerveza_record::json;
use cerveza_results::{RolloutRules, batches};

const COLUMNS: [Column; 4] = [
    Column { header: "HOST", key: "host" },
    Column { header: "INSTANCE", key: "instance_id" },
    Column { header: "REGION", key: "region" },
    Column { header: "ERROR", key: "error" },
];

pub fn write_plan(
    args: &Args,
    settings: &Settings,
    rules: &RolloutRules,
    targets: &[Target],
    tool: &Tool,
) -> Result<Status> {
    let mut writer = args.output.writer(OutputMode::Table, &COLUMNS, tool);
    let mut numbers = vec![0; targets.len()];
    let mut count = 0;
    for (batch, hosts) in batches(targets.len(), &rules.batches).into_iter().enumerate() {
        for command in commands(targets, hosts.clone(), settings.hosts_per_command) {
            count += 1;
            command.hosts.into_iter().for_each(|at| numbers[at] = count);
        }
        for at in hosts {
            let mut record = targets[at].record.clone();
            match &targets[at].instance {
                Err(problem) => {
                    record.set("status", problem.status.name());
                    record.set("phase", problem.phase.name());
                    record.set("error", problem.why.as_str());
                }
                Ok(_) => {
                    let mut plan = json!({"command": numbers[at], "document": settings.shell.document()});
                    if !rules.batches.is_empty() {
                        plan["batch"] = (batch + 1).into();
                    }
                    if let Some(output) = &settings.output {
                        plan["output"] = output.to_string().into();
                    }
                    plan["script"] = settings.script.as_str().into();
                    record.set("plan", plan);
                }
            }
            writer.write(&record)?;
        }
    }
    writer.finish()?;
    let all_found = targets.iter().all(|target| target.instance.is_ok());
    Ok(if all_found { Status::Done } else { Status::Unreached })
}
