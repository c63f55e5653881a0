//! Sends the changes to EC2, identical ones together, and reports what was done if some fail.

use crate::plan::TagChange;
use cerveza_ec2::{Ec2, TagCall, time_for_tags};
use cerveza_manners::{Failure, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// What became of the tags to set (true) and of those to remove (false) of each resource.
pub type Results = HashMap<(String, bool), Result<()>>;

/// The three steps. Tags are set before others are removed, except where the limit has no room for both.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    RemoveFirst,
    Set,
    Remove,
}

const STEPS: [Step; 3] = [Step::RemoveFirst, Step::Set, Step::Remove];

/// Returns how many resources the calls for these changes of one region have, and how long they take at least.
pub fn cost(changes: &BTreeSet<TagChange>, remove_first: &HashSet<String>) -> (usize, Duration) {
    let calls = STEPS.map(|step| calls(step, changes, remove_first, &mut Results::new())).concat();
    (calls.iter().map(|call| call.resources.len()).sum(), time_for_tags(&calls))
}

/// Makes the changes in one region. `done` is called with the number of resources of each call. `remove_first` are the
/// resources whose tags are removed before others are set.
pub async fn execute(
    ec2: &Ec2,
    region: &str,
    changes: &BTreeSet<TagChange>,
    remove_first: &HashSet<String>,
    done: &impl Fn(usize),
) -> Results {
    let mut results = Results::new();
    for step in STEPS {
        let calls = calls(step, changes, remove_first, &mut results);
        let tagged = ec2.tag_all(region, calls, done).await;
        results.extend(tagged.into_iter().map(|(id, result)| ((id, step == Step::Set), result)));
    }
    results
}

/// Returns the calls of a step, one for all resources with the same change. A resource that failed in the step before
/// keeps that failure.
fn calls(
    step: Step,
    changes: &BTreeSet<TagChange>,
    remove_first: &HashSet<String>,
    results: &mut Results,
) -> Vec<TagCall> {
    let is_set = step == Step::Set;
    let is_in_step = |change: &&TagChange| match step {
        Step::Set => change.after.is_some(),
        Step::RemoveFirst => change.after.is_none() && remove_first.contains(&change.resource),
        Step::Remove => change.after.is_none() && !remove_first.contains(&change.resource),
    };
    let mut by_resource: BTreeMap<&String, Vec<(&String, &Option<String>)>> = BTreeMap::new();
    for change in changes.iter().filter(is_in_step) {
        by_resource.entry(&change.resource).or_default().push((&change.key, &change.after));
    }
    let mut calls: BTreeMap<Vec<(&String, &Option<String>)>, Vec<String>> = BTreeMap::new();
    for (resource, tags) in by_resource {
        match results.get(&(resource.clone(), !is_set)).cloned() {
            Some(Err(failure)) => _ = results.insert((resource.clone(), is_set), Err(failure)),
            _ => calls.entry(tags).or_default().push(resource.clone()),
        }
    }
    let call = |(tags, resources): (Vec<(&String, &Option<String>)>, Vec<String>)| {
        let tags = tags.into_iter().map(|(key, value)| (key.clone(), value.clone()));
        TagCall { resources, tags: tags.collect() }
    };
    calls.into_iter().map(call).collect()
}

/// Returns the changes of a host that are done. The failure says which are and which are not.
pub fn outcome(changes: &[TagChange], results: &Results) -> (Vec<TagChange>, Result<()>) {
    let result = |change: &TagChange| results.get(&(change.resource.clone(), change.after.is_some()));
    let (done, failed): (Vec<TagChange>, Vec<TagChange>) =
        changes.iter().cloned().partition(|change| matches!(result(change), Some(Ok(()))));
    let mut failures = failed.iter().filter_map(|change| result(change)?.as_ref().err());
    let Some(failure) = failures.next() else { return (done, Ok(())) };
    let mut failure = failure.clone();
    if !done.is_empty() {
        failure = failure.within(format!("{} ({})", described_changes(&failed, "not "), described_changes(&done, "")));
    }
    (done, Err(failure))
}

/// `role, team set on i-1, vol-1; old removed from i-1`.
fn described_changes(changes: &[TagChange], not: &str) -> String {
    let mut keys: BTreeMap<(bool, &String), Vec<&str>> = BTreeMap::new();
    for change in changes {
        keys.entry((change.after.is_none(), &change.resource)).or_default().push(&change.key);
    }
    let mut resources: BTreeMap<(bool, Vec<&str>), Vec<&str>> = BTreeMap::new();
    for ((is_removed, resource), keys) in keys {
        resources.entry((is_removed, keys)).or_default().push(resource);
    }
    let part = |((is_removed, keys), resources): ((bool, Vec<&str>), Vec<&str>)| {
        let done = if is_removed { "removed from" } else { "set on" };
        format!("{} {not}{done} {}", keys.join(", "), resources.join(", "))
    };
    resources.into_iter().map(part).collect::<Vec<_>>().join("; ")
}

/// Returns a host that could be tagged, and is not because others cannot.
pub fn not_alone() -> Failure {
    Failure::usage("nothing is tagged, because other hosts of this run are refused")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(resource: &str, key: &str, after: Option<&str>) -> TagChange {
        let before = after.is_none().then(|| "x".to_string());
        TagChange { resource: resource.into(), key: key.into(), before, after: after.map(str::to_string) }
    }

    fn shown(step: Step, changes: &[TagChange], first: &[&str], results: &mut Results) -> Vec<String> {
        let first = first.iter().map(|id| id.to_string()).collect();
        let text = |call: TagCall| {
            let tags = call.tags.iter().map(|(key, value)| format!("{key}={}", value.as_deref().unwrap_or("-")));
            format!("{} {}", tags.collect::<Vec<_>>().join(" "), call.resources.join("+"))
        };
        calls(step, &changes.iter().cloned().collect(), &first, results).into_iter().map(text).collect()
    }

    #[test]
    fn identical_changes_share_a_call() {
        let changes = [
            change("i-1", "a", Some("1")),
            change("i-1", "b", Some("2")),
            change("i-2", "a", Some("1")),
            change("i-2", "b", Some("2")),
            change("i-3", "a", Some("2")),
            change("i-1", "old", None),
            change("i-3", "old", None),
        ];
        let mut results = Results::new();
        assert_eq!(shown(Step::Set, &changes, &[], &mut results), ["a=1 b=2 i-1+i-2", "a=2 i-3"]);
        assert_eq!(shown(Step::Remove, &changes, &[], &mut results), ["old=- i-1+i-3"]);
        assert_eq!(shown(Step::RemoveFirst, &changes, &["i-3"], &mut results), ["old=- i-3"]);
        results.insert(("i-3".into(), false), Err(Failure::unreached("denied")));
        assert_eq!(shown(Step::Set, &changes, &["i-3"], &mut results), ["a=1 b=2 i-1+i-2"]);
        assert!(results[&("i-3".to_string(), true)].is_err());
    }

    #[test]
    fn a_failure_says_what_is_done() {
        let changes = [
            change("i-1", "a", Some("1")),
            change("i-1", "b", Some("2")),
            change("i-1", "old", None),
            change("vol-1", "a", Some("1")),
            change("vol-1", "b", Some("2")),
        ];
        let denied = || Err(Failure::unreached("denied"));
        let results = |instance: Result<()>, volume: Result<()>, old: Result<()>| {
            let of = |id: &str, is_set| (id.to_string(), is_set);
            Results::from([(of("i-1", true), instance), (of("vol-1", true), volume), (of("i-1", false), old)])
        };
        let said = |results: Results| outcome(&changes, &results).1.unwrap_err().message;
        assert_eq!(outcome(&changes, &results(Ok(()), Ok(()), Ok(()))), (changes.to_vec(), Ok(())));
        assert_eq!(said(results(denied(), denied(), denied())), "denied");
        assert_eq!(
            said(results(Ok(()), denied(), Ok(()))),
            "a, b not set on vol-1 (a, b set on i-1; old removed from i-1): denied"
        );
        assert_eq!(
            said(results(Ok(()), Ok(()), denied())),
            "old not removed from i-1 (a, b set on i-1, vol-1): denied"
        );
    }
}
