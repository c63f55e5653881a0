//! `--resume`: the hosts of commands that an earlier run has sent.

use crate::cli::args::Args;
use cerveza_ec2::{Accounts, Ec2};
use cerveza_manners::{Failure, Result, Tool};
use cerveza_record::Record;
use hostrange::read_given;
use std::io::{self, IsTerminal};

/// Returns a record for each host of the commands: those of stdin that have a `command_id`, or, if ids are given, what SSM
/// lists for them.
pub async fn records(args: &Args, tool: &Tool) -> Result<Vec<Record>> {
    if !args.command.is_empty() {
        return listed(args).await;
    }
    if io::stdin().is_terminal() {
        return Err(Failure::usage(
            "--resume has no command: give the ids of commands, or records of ec2-run on stdin",
        ));
    }
    let records = read_given(&[], tool)?.hosts;
    let sent: Vec<&Record> = records.iter().filter(|record| record.str("command_id").is_some()).collect();
    if sent.is_empty() {
        return Err(Failure::usage("no record has a command_id")
            .hint("--resume reads records that ec2-run wrote; ids of commands are arguments: --resume ID"));
    }
    for record in sent {
        for key in ["instance_id", "region"] {
            if record.str(key).is_none() {
                return Err(Failure::usage(format!("{}: the record has no {key}", record.host()))
                    .hint("--resume reads records that ec2-run wrote"));
            }
        }
    }
    Ok(records)
}

async fn listed(args: &Args) -> Result<Vec<Record>> {
    let accounts = Accounts::connect(&args.regions(), &[]).await;
    let mut records = Vec::new();
    for id in &args.command {
        let before = records.len();
        for account in accounts.iter() {
            let ec2 = account.ec2.as_ref().map_err(Failure::clone)?;
            records.extend(of_command(ec2, id).await?);
        }
        if records.len() == before {
            return Err(Failure::usage(format!("SSM has no command {id} here"))
                .hint("look in the right region (-r) and account; SSM keeps commands for 30 days"));
        }
    }
    Ok(records)
}

async fn of_command(ec2: &Ec2, id: &str) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for region in ec2.regions()? {
        let invocations = ec2.command_invocations(region, id).await?;
        let ids: Vec<String> = invocations.into_iter().map(|invocation| invocation.instance_id).collect();
        // The names are for people: without them the ids do.
        let known = ec2.find_ids(region, &ids).await.unwrap_or_default();
        records.extend(ids.into_iter().map(|instance| {
            let found = known.iter().find(|record| record.str("instance_id").as_ref() == Some(&instance));
            let mut record = found.cloned().unwrap_or_else(|| Record::named(&instance));
            record.set("instance_id", instance);
            record.set("region", region.as_str());
            if let Some(profile) = ec2.profile() {
                record.set("aws_profile", profile);
            }
            record.set("command_id", id);
            record
        }));
    }
    Ok(records)
}
