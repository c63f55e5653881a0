//! The options that say what to look for.

use crate::condition::glob::Glob;
use cerveza_ec2::{RegionArgs, region_of};
use cerveza_manners::{
    ArgValueCompleter, Failure, Result, fitting, fixed_words, parse_duration, saved_tag_filters, saved_tag_keys,
    saved_values,
};
use clap::builder::NonEmptyStringValueParser;
use hostrange::completion::hosts_and;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(clap::Args, Clone, Debug, Default)]
pub struct FindArgs {
    /// Tags and names, as in role=web or 'web*' [default: every instance]
    ///
    /// KEY=GLOB, KEY!=GLOB and KEY~REGEX filter by a tag; KEY= matches a missing or empty tag. All keys must match;
    /// several filters of one key are alternatives. A pattern ('web*'), an expression ('mysql[1-40]'), an instance id
    /// or an address names hosts. `-` reads names and records from stdin, which is not read otherwise.
    #[arg(value_name = "KEY=GLOB|HOST", add = hosts_and(saved_tag_filters))]
    pub words: Vec<String>,

    /// Instances in these states, as in stopped, or `all`
    ///
    /// States are pending, running, stopping, stopped, shutting-down and terminated [default: all except shutting-down
    /// and terminated]. With --volumes, states of volumes are accepted too: creating, available, in-use, deleting,
    /// deleted, error.
    #[arg(short, long, value_name = "STATE", add = fixed_words(&STATES_AND_ALL), value_delimiter = ',', value_parser = states, help_heading = "Filters")]
    pub state: Vec<States>,

    /// Instances that have these tags, whatever their values
    #[arg(long, value_name = "KEY", add = tag_keys(), value_delimiter = ',', value_parser = NonEmptyStringValueParser::new(), help_heading = "Filters")]
    pub has: Vec<String>,

    /// Instances of these types, as in 't3.*,m5.large'
    #[arg(long = "type", value_name = "TYPE", add = saved_values("instance_type"), value_delimiter = ',', value_parser = NonEmptyStringValueParser::new(), help_heading = "Filters")]
    pub instance_type: Vec<String>,

    /// Instances in these availability zones (names or ids)
    #[arg(short, long, value_name = "ZONE", add = saved_values("zone"), value_delimiter = ',', value_parser = NonEmptyStringValueParser::new(), help_heading = "Filters")]
    pub zone: Vec<String>,

    /// Instances in these VPCs
    #[arg(long, value_name = "ID", add = saved_values("vpc_id"), value_delimiter = ',', value_parser = NonEmptyStringValueParser::new(), help_heading = "Filters", hide_short_help = true)]
    pub vpc: Vec<String>,

    /// Instances in these subnets
    #[arg(long, value_name = "ID", add = saved_values("subnet_id"), value_delimiter = ',', value_parser = NonEmptyStringValueParser::new(), help_heading = "Filters", hide_short_help = true)]
    pub subnet: Vec<String>,

    /// Instances of these images
    #[arg(long, value_name = "ID", add = saved_values("image_id"), value_delimiter = ',', value_parser = NonEmptyStringValueParser::new(), help_heading = "Filters", hide_short_help = true)]
    pub ami: Vec<String>,

    /// Instances that ec2-launch launched with these profiles
    ///
    /// For a profile of the AWS configuration, use --account.
    #[arg(long, value_name = "NAME", add = saved_values("profile"), value_delimiter = ',', value_parser = NonEmptyStringValueParser::new(), help_heading = "Filters")]
    pub profile: Vec<String>,

    /// Instances in these security groups (names or ids)
    #[arg(long, value_name = "GROUP", add = saved_values("security_groups"), value_delimiter = ',', value_parser = NonEmptyStringValueParser::new(), help_heading = "Filters")]
    pub group: Vec<String>,

    /// Instances with these addresses or networks, as in 10.1.0.0/16
    ///
    /// Private, public and IPv6 addresses are compared.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new(), help_heading = "Filters")]
    pub ip: Vec<String>,

    /// Instances last started before this time, as in 2d (2 days ago)
    ///
    /// A date, a time in UTC, or how long ago.
    #[arg(long, value_name = "TIME", help_heading = "Filters", hide_short_help = true)]
    pub launched_before: Option<String>,

    /// Instances last started at this time or later
    #[arg(long, value_name = "TIME", help_heading = "Filters", hide_short_help = true)]
    pub launched_after: Option<String>,

    /// Any filter of EC2, as in Name=tag:role,Values=web*
    ///
    /// The format is the one of the AWS CLI: Name=FILTER,Values=GLOB,...
    #[arg(long, alias = "filters", value_name = "FILTER", num_args = 1.., help_heading = "Filters")]
    pub filter: Vec<String>,

    /// List the instances of a saved listing, for outages
    ///
    /// EC2 is asked by id, zone by zone. If a zone does not answer, its hosts are listed as they are in the file, with
    /// the time of the file in `stale`.
    #[arg(long, value_name = "FILE")]
    pub last: Option<PathBuf>,

    /// Time limit for each answer of a region, and for each part of it
    ///
    /// A region that exceeds it is reported, and the others are listed [default: 20s; 5m while EC2 throttles].
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Regions and accounts", hide_short_help = true)]
    pub timeout: Option<Duration>,

    /// Exit with 1 if nothing is found
    #[arg(long, hide_short_help = true)]
    pub fail_empty: bool,

    #[command(flatten)]
    pub region: RegionArgs,
}

const STATES: [&str; 6] = ["pending", "running", "stopping", "stopped", "shutting-down", "terminated"];

const STATES_AND_ALL: [&str; 7] = ["pending", "running", "stopping", "stopped", "shutting-down", "terminated", "all"];

/// States of volumes (VolumeState, Amazon EC2 API Reference).
const VOLUME_STATES: [&str; 6] = ["creating", "available", "in-use", "deleting", "deleted", "error"];

/// Completes the key of a tag.
fn tag_keys() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| fitting(typed, saved_tag_keys()))
}

/// The states that one value of `--state` stands for: those of instances, or if there are none those of volumes.
pub type States = Vec<&'static str>;

fn states(text: &str) -> std::result::Result<States, String> {
    let glob = Glob::new(if text == "all" { "*" } else { text });
    let matching = |states: [&'static str; 6]| states.into_iter().filter(|state| glob.matches(state)).collect();
    let states: [States; 2] = [matching(STATES), matching(VOLUME_STATES)];
    let states = states.into_iter().find(|states| !states.is_empty());
    states.ok_or_else(|| format!("the states are {} and all", STATES.join(", ")))
}

/// Returns whether `--state` takes this for states of instances.
pub fn is_state(text: &str) -> bool {
    states(text).is_ok_and(|states| STATES.contains(&states[0]))
}

/// Returns whether it is the id of a zone, as `use1-az1`, which is the same zone in every account.
pub fn is_zone_id(zone: &str) -> bool {
    let number = zone.rsplit_once("-az").map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

impl FindArgs {
    /// Returns the states of instances to look for. `None` stands for the default.
    pub fn states(&self) -> Option<BTreeSet<&'static str>> {
        let states = self.state.iter().flatten().copied().filter(|state| STATES.contains(state));
        let states: BTreeSet<&str> = states.collect();
        (!states.is_empty()).then_some(states)
    }

    /// Returns the states of volumes to look for, if any are given.
    pub fn volume_states(&self) -> Vec<&'static str> {
        self.state.iter().flatten().copied().filter(|state| VOLUME_STATES.contains(state)).collect()
    }

    /// Returns the regions to look in: those of the zones if only these are given.
    pub fn region_args(&self) -> Result<RegionArgs> {
        let mut args = self.region.clone();
        let is_zone = |zone: &&String| zone.contains(['*', '?']) || is_zone_id(zone) || region_of(zone).is_some();
        if let Some(other) = self.zone.iter().find(|zone| !is_zone(zone)) {
            return Err(Failure::usage(format!("--zone {other}: not the name of a zone")).hint(match other.as_str() {
                letter if letter.len() == 1 => format!(
                    "write its whole name, as us-east-1{letter}, or --zone '*{letter}' for this zone of each region"
                ),
                _ => "the name of a zone ends with a letter, as us-east-1a; --region takes regions".to_string(),
            }));
        }
        let of_zones: Option<BTreeSet<String>> = self.zone.iter().map(|zone| region_of(zone)).collect();
        let Some(of_zones) = of_zones.filter(|regions| !regions.is_empty()) else { return Ok(args) };
        let regions = args.regions();
        if regions.is_empty() || regions.iter().any(|region| region == "all") {
            args.region = of_zones.into_iter().collect();
            return Ok(args);
        }
        match self.zone.iter().find(|zone| region_of(zone).is_some_and(|region| !regions.contains(&region))) {
            None => Ok(args),
            Some(zone) => {
                let region = region_of(zone).unwrap_or_default();
                let regions = regions.join(",");
                Err(Failure::usage(format!("--zone {zone} is in {region}, not in --region {regions}"))
                    .hint(format!("write --region {region}, or leave out --region")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_say_their_regions() {
        let regions = |zones: &[&str], regions: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
            let region = RegionArgs { region: texts(regions), ..RegionArgs::default() };
            let args = FindArgs { zone: texts(zones), region, ..FindArgs::default() };
            args.region_args().map(|args| args.region.join(","))
        };
        assert_eq!(regions(&["eu-west-1a", "us-east-1b"], &[]), Ok("eu-west-1,us-east-1".to_string()));
        assert_eq!(regions(&["eu-west-1a"], &["all"]), Ok("eu-west-1".to_string()));
        assert_eq!(regions(&["eu-west-1a"], &["eu-west-1", "us-east-1"]), Ok("eu-west-1,us-east-1".to_string()));
        assert_eq!(regions(&["eu-*"], &[]), Ok(String::new()));
        assert_eq!(regions(&["euw1-az2"], &[]), Ok(String::new()));
        assert!(regions(&["eu-west-1a"], &["us-east-1"]).is_err());
        assert!(regions(&["eu-west-1"], &[]).is_err());
    }

    #[test]
    fn state_is_a_pattern() {
        assert_eq!(states("stop*"), Ok(vec!["stopping", "stopped"]));
        assert_eq!(states("all").unwrap().len(), 6);
        assert!(states("prod").is_err());
        assert_eq!(states("available"), Ok(vec!["available"]));
        assert!(is_state("stop*") && !is_state("available") && !is_state("prod"));
    }
}
