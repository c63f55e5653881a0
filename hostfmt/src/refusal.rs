//! The hosts that a format refuses and why, and warnings.

use cerveza_record::quote;
use hostrange::fold;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Why a host cannot be written, or what to warn of where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Its place in the fleet.
    pub host: usize,
    /// The value that it is about, where it is known.
    pub value: Option<String>,
    /// As it follows the value: `has a control character`.
    pub why: String,
}

/// What is noted while a template is rendered.
#[derive(Debug)]
pub(crate) struct Notes {
    refusals: Mutex<Vec<Problem>>,
    warnings: Mutex<Vec<Problem>>,
    last_host: AtomicUsize,
    /// The reason to refuse a host with an undefined value, instead of ending with an error.
    pub undefined: Option<String>,
}

const NO_HOST: usize = usize::MAX;

impl Notes {
    pub fn new(undefined: Option<String>) -> Notes {
        let last_host = AtomicUsize::new(NO_HOST);
        Notes { refusals: Mutex::default(), warnings: Mutex::default(), last_host, undefined }
    }

    /// Notes that the template has read a field of this host. An error that comes next is most likely about it.
    pub fn read_host(&self, host: usize) {
        self.last_host.store(host, Ordering::Relaxed);
    }

    /// Returns the host whose field was read last.
    pub fn last_host(&self) -> Option<usize> {
        Some(self.last_host.load(Ordering::Relaxed)).filter(|host| *host != NO_HOST)
    }

    pub fn refuse(&self, refusal: Problem) {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).push(refusal);
    }

    pub fn warn(&self, host: usize, why: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(Problem { host, value: None, why });
    }

    /// Returns the refusals in the order of hosts, each once.
    pub fn take_refusals(&self) -> Vec<Problem> {
        take_sorted(&self.refusals)
    }

    /// Returns the warnings in the order of hosts, each once.
    pub fn take_warnings(&self) -> Vec<Problem> {
        take_sorted(&self.warnings)
    }
}

fn take_sorted(problems: &Mutex<Vec<Problem>>) -> Vec<Problem> {
    let mut problems = std::mem::take(&mut *problems.lock().unwrap_or_else(PoisonError::into_inner));
    problems.sort_by_key(|problem| problem.host);
    problems.dedup();
    problems
}

/// So many reasons are reported one by one.
const MOST_REASONS: usize = 10;

/// Returns a line for each reason, in the order of `refusals`, with the names of its hosts folded.
pub(crate) fn reasons(refusals: &[Problem], name: impl Fn(usize) -> String) -> Vec<String> {
    let mut by_reason: Vec<(&str, Vec<&Problem>)> = Vec::new();
    for refusal in refusals {
        match by_reason.iter_mut().find(|(why, _)| *why == refusal.why) {
            Some((_, same)) => same.push(refusal),
            None => by_reason.push((&refusal.why, vec![refusal])),
        }
    }
    let shown = by_reason.iter().take(MOST_REASONS);
    let mut lines: Vec<String> = shown.map(|(why, refusals)| reason(why, refusals, &name)).collect();
    if by_reason.len() > MOST_REASONS {
        lines.push(format!("and hosts for {} more reasons", by_reason.len() - MOST_REASONS));
    }
    lines
}

/// Returns the line of one reason: `web[1-2]: the name is not a host name (2 hosts)`.
fn reason(why: &str, refusals: &[&Problem], name: &impl Fn(usize) -> String) -> String {
    let is_name = |refusal: &Problem| refusal.value.as_deref() == Some(&name(refusal.host));
    let names: Vec<String> = refusals.iter().map(|refusal| name(refusal.host)).collect();
    let hosts = fold(names.iter().map(String::as_str));
    match refusals {
        [Problem { value: Some(value), .. }] if !refusals.iter().all(|refusal| is_name(refusal)) => {
            format!("{hosts}: {} {why}", quote(value))
        }
        _ => {
            let subject = match refusals {
                _ if refusals.iter().all(|refusal| refusal.value.is_none()) => "",
                _ if refusals.iter().all(|refusal| is_name(refusal)) => "the name ",
                _ => "a value ",
            };
            let count = if refusals.len() > 1 { format!(" ({} hosts)", refusals.len()) } else { String::new() };
            format!("{hosts}: {subject}{why}{count}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_its_hosts_and_the_value_of_one() {
        let names = ["web1", "web2", "a b", "db1"];
        let refusal = |host: usize, value: Option<&str>, why: &str| Problem {
            host,
            value: value.map(str::to_string),
            why: why.to_string(),
        };
        let refusals = [
            refusal(0, None, "has no address"),
            refusal(2, Some("a b"), "is not a host name"),
            refusal(3, Some("x\n"), "has a control character"),
            refusal(1, None, "has no address"),
        ];
        let lines = [
            "web[1-2]: has no address (2 hosts)",
            "\"a b\": the name is not a host name",
            "db1: \"x\\n\" has a control character",
        ];
        assert_eq!(reasons(&refusals, |host| names[host].to_string()), lines);
        let many: Vec<Problem> = (0..12).map(|number| refusal(0, None, &format!("is {number}"))).collect();
        assert_eq!(
            reasons(&many, |_| "web1".to_string()).last().map(String::as_str),
            Some("and hosts for 2 more reasons")
        );
    }
}
