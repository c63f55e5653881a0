//! Hosts that a format cannot hold, and why.

use cerveza_record::{Value as Json, quote};
use hostrange::fold;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why a host cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Its place in the fleet.
    pub host: usize,
    /// What cannot be written, where it is known.
    pub value: Option<String>,
    /// As it follows the value: `has a control character`.
    pub why: String,
}

/// What is noted while a template is rendered.
#[derive(Debug)]
pub(crate) struct Notes {
    refusals: Mutex<Vec<Refusal>>,
    last_host: AtomicUsize,
    last_object: Mutex<Option<FieldObject>>,
    /// The reason to refuse a host of which a value is undefined, instead of ending with an error.
    pub undefined: Option<String>,
}

/// An object in a record: the place of its host, its key, and itself.
type FieldObject = (usize, String, Json);

const NO_HOST: usize = usize::MAX;

impl Notes {
    pub fn new(undefined: Option<String>) -> Notes {
        Notes {
            refusals: Mutex::new(Vec::new()),
            last_host: AtomicUsize::new(NO_HOST),
            last_object: Mutex::new(None),
            undefined,
        }
    }

    /// Notes that the template has read a field of this host. An error that comes next is most likely about it.
    pub fn read_host(&self, host: usize) {
        self.last_host.store(host, Ordering::Relaxed);
    }

    /// The host of which a field was read last.
    pub fn last_host(&self) -> Option<usize> {
        Some(self.last_host.load(Ordering::Relaxed)).filter(|host| *host != NO_HOST)
    }

    /// The object of a record that was read last.
    pub fn last_object(&self) -> MutexGuard<'_, Option<FieldObject>> {
        self.last_object.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn refuse(&self, refusal: Refusal) {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).push(refusal);
    }

    pub fn take_refusals(&self) -> Vec<Refusal> {
        std::mem::take(&mut self.refusals.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// So many reasons are told one by one.
const MOST_REASONS: usize = 10;

/// Returns a line for each reason, with the names of its hosts folded.
pub(crate) fn reasons(refusals: &[Refusal], name: impl Fn(usize) -> String) -> Vec<String> {
    let mut by_reason: BTreeMap<(usize, &str), Vec<&Refusal>> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for refusal in refusals {
        let place = order.iter().position(|why| *why == refusal.why).unwrap_or_else(|| {
            order.push(&refusal.why);
            order.len() - 1
        });
        by_reason.entry((place, &refusal.why)).or_default().push(refusal);
    }
    let count = by_reason.len();
    let mut lines: Vec<String> = by_reason
        .into_iter()
        .take(MOST_REASONS)
        .map(|((_, why), refusals)| {
            let names: Vec<String> = refusals.iter().map(|refusal| name(refusal.host)).collect();
            let hosts = fold(names.iter().map(String::as_str));
            let is_name = |refusal: &&&Refusal| refusal.value.as_deref() == Some(&name(refusal.host));
            match refusals.as_slice() {
                [Refusal { value: Some(value), .. }] if refusals.first().is_some_and(|one| is_name(&one)) => {
                    format!("{}: the name {why}", quote(value))
                }
                [Refusal { value: Some(value), .. }] => format!("{hosts}: {} {why}", quote(value)),
                [Refusal { value: None, .. }] => format!("{hosts}: {why}"),
                many => {
                    let subject = match many {
                        _ if many.iter().all(|refusal| refusal.value.is_none()) => "",
                        _ if many.iter().all(|refusal| is_name(&refusal)) => "the name ",
                        _ => "a value ",
                    };
                    format!("{hosts}: {subject}{why} ({} hosts)", many.len())
                }
            }
        })
        .collect();
    if count > MOST_REASONS {
        lines.push(format!("and hosts for {} more reasons", count - MOST_REASONS));
    }
    lines
}
