//! The command line of `ec2-tag`.

use crate::words::sort_words;
use cerveza_ec2::{
    Acted, By, Ec2, Filter, Found, LIVE_STATES, NO_ACTION, RegionArgs, Tags, block_on, check_records, host_name,
    locate, report,
};
use cerveza_manners::{Failure, OutputArgs, Result, Status, Tool};
use cerveza_record::Record;
use clap::{CommandFactory, Parser};
use hostrange::read_given;
use std::collections::{BTreeMap, HashMap};

/// Set and remove tags of EC2 instances and their volumes
///
/// Sets and removes tags of hosts given as records, names or instance ids, and of the volumes attached to them.
#[derive(Parser, Clone, Debug)]
#[command(name = "ec2-tag", version)]
pub struct Args {
    /// KEY=VALUE sets a tag, KEY- removes one; anything else is a host: an expression as in 'mysql[1-3]'
    /// (hostrange(1) has the language), an instance id, or `-` for names and records on stdin, which is read also when
    /// no host is given
    #[arg(value_name = "KEY=VALUE|KEY-|HOST", required = true)]
    pub words: Vec<String>,

    /// Leave the tags of the volumes alone
    #[arg(long)]
    pub no_volumes: bool,

    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub region: RegionArgs,

    #[command(flatten)]
    pub output: OutputArgs,
}

pub fn command() -> clap::Command {
    Args::command()
}

/// Sorts the words, reads the hosts, looks them up, tags, reports.
pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    let (tags, words) = sort_words(&args.words)?;
    let given = read_given(&words, tool)?;
    check_records(&given.hosts)?;
    if given.hosts.len() > 1 && tags.set.iter().any(|(key, _)| key == "Name") {
        return Err(Failure::usage("several hosts cannot have one name: set Name of one host at a time"));
    }
    let acted = block_on(async {
        let (accounts, found) = locate(&args.region, &given, By::Instance).await;
        accounts.warn_of_denied(tool);
        let mut acted: Vec<Acted> = given.hosts.into_iter().zip(found).map(|(host, found)| plan(host, found)).collect();
        let in_account = async |ec2: &Ec2, acted: &mut Vec<Acted>| {
            refuse_taken_name(ec2, &tags, acted).await;
            if !args.dry_run {
                execute(args, ec2, &tags, acted).await;
            }
        };
        accounts.each(&mut acted, in_account).await;
        acted.iter_mut().filter(|host| host.result.is_ok()).for_each(|host| show(&mut host.record, &tags));
        acted
    })?;
    report(tool, &args.output, args.dry_run, acted)
}

fn plan(mut record: Record, found: Found) -> Acted {
    let result = found.instance(&record).map(|instance| record.merge(instance));
    let action = if result.is_ok() { "tag" } else { NO_ACTION };
    Acted { record, action, result }
}

/// A name that another live instance has: with two of it neither can be addressed by it any more.
async fn refuse_taken_name(ec2: &Ec2, tags: &Tags, acted: &mut [Acted]) {
    let Some((_, name)) = tags.set.iter().find(|(key, _)| key == "Name") else { return };
    for host in acted.iter_mut().filter(|host| host.result.is_ok()) {
        let (region, id) = host.place();
        let named = [Filter::exact("tag:Name", [name]), Filter::new("instance-state-name", LIVE_STATES)];
        let other = ec2.find(&region, &named).await.map(|found| {
            found.into_iter().filter_map(|instance| instance.str("instance_id")).find(|other| *other != id)
        });
        host.result = match other {
            Ok(None) => Ok(()),
            Ok(Some(other)) => Err(Failure::unreached(format!("{other} has the name {name} already"))),
            Err(failure) => Err(failure),
        };
    }
}

/// Tags region by region; a host that was given twice is tagged once.
async fn execute(args: &Args, ec2: &Ec2, tags: &Tags, acted: &mut [Acted]) {
    let mut regions: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for host in acted.iter().filter(|host| host.result.is_ok()) {
        let (region, id) = host.place();
        regions.entry(region).or_default().insert(id, resources(&host.record, !args.no_volumes));
    }
    let mut results: HashMap<String, Result<()>> = HashMap::new();
    for (region, hosts) in regions {
        let (ids, hosts): (Vec<String>, Vec<Vec<String>>) = hosts.into_iter().unzip();
        results.extend(ids.into_iter().zip(ec2.tag(&region, &hosts, tags).await));
    }
    for host in acted.iter_mut() {
        if let Some(result) = results.get(&host.place().1) {
            host.result = result.clone();
        }
    }
}

/// The ids that get the tags: the instance's first.
fn resources(record: &Record, with_volumes: bool) -> Vec<String> {
    let mut ids = vec![record.str("instance_id").unwrap_or_default()];
    let volumes = record.get("volumes").filter(|_| with_volumes);
    let volumes = volumes.as_ref().and_then(|volumes| volumes.as_array());
    ids.extend(volumes.into_iter().flatten().filter_map(|volume| volume["volume_id"].as_str().map(str::to_string)));
    ids
}

/// The record as it is once the tags are set: EC2 may list the old ones for a moment still.
fn show(record: &mut Record, tags: &Tags) {
    let mut now: BTreeMap<String, String> = record.get("tags").and_then(|tags| parse(&tags)).unwrap_or_default();
    now.extend(tags.set.iter().cloned());
    tags.remove.iter().for_each(|key| drop(now.remove(key)));
    if let Some(id) = record.str("instance_id") {
        record.set("host", host_name(now.get("Name").map(String::as_str), &id));
    }
    record.set("profile", now.get("profile").cloned());
    record.set("tags", now.into_iter().map(|(key, value)| (key, value.into())).collect::<serde_json::Map<_, _>>());
}

fn parse(tags: &serde_json::Value) -> Option<BTreeMap<String, String>> {
    let tags = tags.as_object()?;
    Some(tags.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_string()))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"host":"web1","instance_id":"i-1","profile":null,"tags":{"Name":"web1","old":"x"},"volumes":[{"device":"/dev/sda1","volume_id":"vol-1"}]}"#;

    #[test]
    fn without_its_name_a_host_is_its_id() {
        let mut record = Record::parse(RECORD).unwrap();
        show(&mut record, &Tags { remove: vec!["Name".into()], ..Tags::default() });
        assert_eq!(record.host(), "i-1");
    }

    #[test]
    fn volumes_are_tagged_with_their_instance() {
        let record = Record::parse(RECORD).unwrap();
        assert_eq!(resources(&record, true), ["i-1", "vol-1"]);
        assert_eq!(resources(&record, false), ["i-1"]);
    }

    #[test]
    fn the_record_shows_the_tags_as_they_are_then() {
        let mut record = Record::parse(RECORD).unwrap();
        let tags = Tags {
            set: vec![("Name".into(), "web2".into()), ("profile".into(), "Web".into())],
            remove: vec!["old".into()],
        };
        show(&mut record, &tags);
        let expected = RECORD
            .replace("web1", "web2")
            .replace(r#""profile":null"#, r#""profile":"Web""#)
            .replace(r#""old":"x""#, r#""profile":"Web""#);
        assert_eq!(record.to_string(), expected);
    }
}
