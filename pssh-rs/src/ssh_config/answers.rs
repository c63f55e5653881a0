//! Asks ssh about two hosts of each class, and predicts the answers for the others of it.
//!
//! If the answer for the second host is what the first one predicts, the others are predicted too. Else ssh is asked about
//! each host of the class.

use super::HostConfig;
use super::classes::{classes, representatives};
use super::expand::{Host, LocalFacts};
use super::options::ConfigBuilder;
use super::query::Query;
use super::run::{Dump, NOTHING, Ssh, SshError};
use super::scan::{Scan, files};
use crate::base::policy::Engine;
use std::borrow::Cow;

type Answer = Result<HostConfig, String>;

/// The values that ssh prints with its tokens expanded, so that they can name the host.
const EXPANDED: [&str; 4] = ["hostname", "userknownhostsfile", "globalknownhostsfile", "identityagent"];
/// A warning says why ssh is run for so many hosts.
const MANY: usize = 200;

pub fn answers(ssh: &Ssh<'_>, queries: &[Query], warn: &mut dyn FnMut(String)) -> Result<Vec<Answer>, SshError> {
    let neutral = Query::neutral();
    let mut first_two = ssh.run_all(vec![ssh.defaults(), ssh.ask(queries.first().unwrap_or(&neutral))]).into_iter();
    let mut next = || first_two.next().unwrap_or_else(|| Err(SshError::Failed("`ssh -G` was not run".to_string())));
    let (defaults, first) = (next()?, next());
    let facts = defaults.bytes("controlpath").and_then(LocalFacts::parse);
    let facts = facts.ok_or_else(|| SshError::Failed("the output of `ssh -G` is not understood".to_string()))?;
    let log = match &first {
        Ok(dump) => dump.log.clone(),
        // Either this host is wrong, or the configuration.
        Err(_) => ssh.run(ssh.ask(&neutral))?.log,
    };
    let mut scan = Scan::new(ssh.source, &log);
    if !files(&defaults.log).contains(NOTHING.as_bytes()) {
        scan.doubt("ssh does not say which files it reads".to_string());
    }

    let mut dumps: Vec<Option<Result<Dump, SshError>>> = vec![None; queries.len()];
    if let Some(dump) = dumps.first_mut() {
        *dump = Some(first);
    }
    let mut ask = |dumps: &mut [Option<Result<Dump, SshError>>], wanted: Vec<usize>| {
        let wanted: Vec<usize> = wanted.into_iter().filter(|&index| dumps[index].is_none()).collect();
        if wanted.len() >= MANY {
            let why = scan.unsure.as_deref().unwrap_or("the configuration tells so many apart");
            warn(format!("`ssh -G` is run for {} hosts: {why}", wanted.len()));
        }
        let answers = ssh.run_all(wanted.iter().map(|&index| ssh.ask(&queries[index])).collect());
        for (index, answer) in wanted.into_iter().zip(answers) {
            dumps[index] = Some(answer);
        }
    };
    let classes = classes(&scan, queries);
    ask(&mut dumps, classes.iter().flat_map(|class| representatives(class, queries)).collect());
    let mut predictor = Predictor { builder: ConfigBuilder::new(&defaults, &scan), facts: &facts, queries };
    let mut answers: Vec<Option<Answer>> = vec![None; queries.len()];
    for class in &classes {
        for (index, answer) in class.iter().zip(predictor.predict(class, &dumps).into_iter().flatten()) {
            answers[*index] = Some(answer);
        }
    }
    ask(&mut dumps, (0..queries.len()).filter(|&index| answers[index].is_none()).collect());
    if ssh.source.engine == Engine::Libssh2 {
        warn_of_unused(&scan, &defaults, dumps.iter().flatten().flatten(), warn);
    }
    let answers = answers.into_iter().zip(&dumps).zip(queries);
    Ok(answers.map(|((answer, dump), query)| answer.unwrap_or_else(|| predictor.own(query, dump))).collect())
}

fn warn_of_unused<'a>(
    scan: &Scan,
    defaults: &Dump,
    dumps: impl Iterator<Item = &'a Dump> + Clone,
    warn: &mut dyn FnMut(String),
) {
    let differs = |keyword: &str| dumps.clone().any(|dump| dump.all(keyword).ne(defaults.all(keyword)));
    let unused: Vec<&str> =
        scan.unused.iter().filter(|(keyword, _)| differs(keyword)).map(|(_, name)| name.as_str()).collect();
    if !unused.is_empty() {
        let unused = unused.join(", ");
        warn(format!("these settings of ssh_config have no effect with the default engine: {unused}"));
    }
}

struct Predictor<'a> {
    builder: ConfigBuilder<'a>,
    facts: &'a LocalFacts,
    queries: &'a [Query],
}

impl Predictor<'_> {
    /// Returns the answer for a host that ssh was asked about.
    fn own(&mut self, query: &Query, dump: &Option<Result<Dump, SshError>>) -> Answer {
        match dump {
            Some(Ok(dump)) => self.builder.build(&Host::new(query, dump, self.facts), dump),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("`ssh -G` was not run".to_string()),
        }
    }

    /// Returns the answers of a class, or `None` if it is not certain that they are alike.
    fn predict(&mut self, class: &[usize], dumps: &[Option<Result<Dump, SshError>>]) -> Option<Vec<Answer>> {
        let [first, second] = representatives(class, self.queries)[..] else { return None };
        match (dumps[first].as_ref()?, dumps[second].as_ref()?) {
            (Err(one), Err(other)) if one == other => Some(vec![Err(one.to_string()); class.len()]),
            (Ok(one), Ok(other)) if !canonicalizes(one) && !canonicalizes(other) => {
                let varying: Vec<&str> =
                    EXPANDED.into_iter().filter(|keyword| one.bytes(keyword) != other.bytes(keyword)).collect();
                let mut predicted = |index: usize| {
                    let query = &self.queries[index];
                    let dump = predicted_dump(one, &self.queries[first], query, &varying, self.facts);
                    self.builder.build(&Host::new(query, &dump, self.facts), &dump)
                };
                let (foretold, answers) = (predicted(second), class.iter().map(|&index| predicted(index)).collect());
                (foretold == self.own(&self.queries[second], &dumps[second])).then_some(answers)
            }
            _ => None,
        }
    }
}

/// Returns what ssh would print for `query` if it prints `dump` for `asked`: each varying value, with the host's own name,
/// address, user and port in it.
fn predicted_dump<'a>(
    dump: &'a Dump,
    asked: &Query,
    query: &Query,
    varying: &[&str],
    facts: &LocalFacts,
) -> Cow<'a, Dump> {
    if varying.is_empty() {
        return Cow::Borrowed(dump);
    }
    let from = Host::new(asked, dump, facts);
    let mut predicted = dump.clone();
    for keyword in varying {
        let to = Host::new(query, &predicted, facts);
        let parts = match *keyword {
            // It comes first, because the others may name it. ssh prints it in lower case.
            "hostname" => vec![(asked.name.to_ascii_lowercase(), query.name.to_ascii_lowercase())],
            _ => vec![
                (from.hostname.clone(), to.hostname),
                (from.name.clone(), to.name),
                (from.user.clone(), to.user),
                (from.port.to_string(), to.port.to_string()),
            ],
        };
        if let Some(value) = dump.bytes(keyword) {
            predicted.set(keyword, replaced(value, parts));
        }
    }
    Cow::Owned(predicted)
}

/// Replaces each text by the other of its pair; the longest text comes first.
fn replaced(value: &[u8], mut pairs: Vec<(String, String)>) -> Vec<u8> {
    pairs.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
    let mut out = Vec::new();
    let mut rest = value;
    while let [byte, after @ ..] = rest {
        match pairs.iter().find(|(from, _)| !from.is_empty() && rest.starts_with(from.as_bytes())) {
            Some((from, to)) => {
                out.extend_from_slice(to.as_bytes());
                rest = &rest[from.len()..];
            }
            None => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    out
}

fn canonicalizes(dump: &Dump) -> bool {
    let off = |value: &[u8]| [&b"no"[..], b"false"].contains(&value);
    !dump.bytes("canonicalizehostname").is_none_or(off)
        || !dump.bytes("canonicalizepermittedcnames").is_none_or(|value| value == b"none" || value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_predicted_by_the_longest_part_of_the_host_in_it() {
        let pairs = [("web1", "db2"), ("web1.x", "db2.y"), ("22", "7")];
        let pairs = pairs.map(|(from, to)| (from.to_string(), to.to_string())).to_vec();
        assert_eq!(replaced(b"/k/web1-web1.x-22 /k", pairs), b"/k/db2-db2.y-7 /k");
        assert_eq!(
            replaced(b"ab", vec![("a".to_string(), "b".to_string()), ("b".to_string(), "a".to_string())]),
            b"ba"
        );
    }
}
