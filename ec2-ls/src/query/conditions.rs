//! Makes conditions of the options and of the words for tags.

use crate::condition::fact::TAG_KEY;
use crate::condition::glob::Glob;
use crate::condition::launched::Launched;
use crate::condition::network::address_tests;
use crate::condition::{Condition, Test, Wanted};
use crate::query::advice;
use crate::query::filter_option::{is_filter, read_filter};
use crate::query::find_args::{FindArgs, is_zone_id};
use crate::query::shell::shell_word;
use cerveza_ec2::LIVE_STATES;
use cerveza_manners::{Failure, Result};
use std::time::SystemTime;

pub const STATE: &str = "instance-state-name";
const STATE_CODE: &str = "instance-state-code";

/// Tests of the tags by their key: of one key any may hold.
#[derive(Clone, Debug, Default)]
pub struct TagConditions(Vec<(String, Condition)>);

impl TagConditions {
    pub fn add_test(&mut self, key: String, test: Test, is_not: bool) {
        let at = self.0.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            self.0.push((key, Condition::default()));
            self.0.len() - 1
        });
        let condition = &mut self.0[at].1;
        if is_not { condition.none.push(test) } else { condition.any.push(test) }
    }

    /// Refuses a tag that is to have a value and is not to have it.
    pub fn finish(self) -> Result<Vec<Condition>> {
        for (key, condition) in &self.0 {
            let globs = |tests: &[Test]| tests.iter().filter_map(glob).cloned().collect::<Vec<Glob>>();
            let none = globs(&condition.none);
            let excluded = |glob: &Glob| none.iter().any(|other| other == glob || other.text == "*");
            let any = globs(&condition.any);
            if let Some(glob) = any.first().filter(|_| any.len() == condition.any.len() && any.iter().all(excluded)) {
                let (is, is_not) = (format!("{key}={}", glob.text), format!("{key}!={}", glob.text));
                return Err(Failure::usage(format!(
                    "no instance is both {} and {}",
                    shell_word(&is),
                    shell_word(&is_not)
                )));
            }
        }
        Ok(self.0.into_iter().map(|(_, condition)| condition).collect())
    }

    /// Returns what else the words may mean, for when nothing matches.
    pub fn advice(&self) -> Vec<String> {
        let of = |(key, condition): &(String, Condition)| {
            condition.any.iter().filter_map(|test| advice::tag_advice(key, &glob(test)?.text)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of).collect()
    }
}

fn glob(test: &Test) -> Option<&Glob> {
    match &test.wanted {
        Wanted::Glob(glob) => Some(glob),
        _ => None,
    }
}

/// Returns the conditions of the options, and the words that were given after `--filter`.
pub fn option_conditions(args: &FindArgs) -> Result<(Vec<Condition>, Vec<String>)> {
    let mut conditions = Vec::new();
    let (filters, words): (Vec<_>, Vec<_>) = args.filter.iter().cloned().partition(|word| is_filter(word));
    if let Some(word) = words.first().filter(|_| filters.is_empty()) {
        read_filter(word)?;
    }
    let filters = filters.iter().map(|text| read_filter(text)).collect::<Result<Vec<_>>>()?;
    let is_of_state = filters.iter().any(|filter| [STATE, STATE_CODE].contains(&filter.name.as_str()));
    match args.states() {
        Some(states) if states.len() == 6 => {}
        Some(states) => conditions.push(Condition::any(states.iter().map(|state| Test::glob(STATE, *state)))),
        None if is_of_state => {}
        None => conditions.push(Condition::any(LIVE_STATES.map(|state| Test::glob(STATE, state)))),
    }
    for filter in filters {
        conditions.push(Condition::any(filter.values.iter().map(|value| Test::glob(&filter.name, value))));
    }
    conditions.extend(args.has.iter().map(|key| Condition::any([Test::glob(TAG_KEY, key)])));
    let options = [
        (&args.instance_type, "instance-type"),
        (&args.zone, "availability-zone"),
        (&args.vpc, "vpc-id"),
        (&args.subnet, "subnet-id"),
        (&args.ami, "image-id"),
        (&args.profile, "tag:profile"),
        (&args.group, "instance.group-name"),
    ];
    for (values, fact) in options.into_iter().filter(|(values, _)| !values.is_empty()) {
        conditions.push(Condition::any(values.iter().map(|value| Test::glob(fact_of(fact, value), value))));
    }
    if !args.ip.is_empty() {
        let tests = args.ip.iter().map(|text| address_tests(text)).collect::<Result<Vec<_>>>()?;
        conditions.push(Condition::any(tests.into_iter().flatten()));
    }
    let (after, before) = (args.launched_after.as_deref(), args.launched_before.as_deref());
    if let Some(launched) = Launched::new(after, before, SystemTime::now())? {
        conditions.push(Condition::any([Test { fact: "launch-time".to_string(), wanted: Wanted::Launched(launched) }]));
    }
    Ok((conditions, words))
}

/// Zones and security groups are given by their names or ids, which are facts of their own.
fn fact_of(fact: &'static str, value: &str) -> &'static str {
    match fact {
        "availability-zone" if is_zone_id(value) => "availability-zone-id",
        "instance.group-name" if value.starts_with("sg-") => "instance.group-id",
        fact => fact,
    }
}
