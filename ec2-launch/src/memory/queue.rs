//! Writes what is to be remembered of hosts, beside their launches.

use crate::memory::Memory;
use crate::memory::recall::PERMISSIONS;
use crate::memory::with_hint;
use cerveza_ec2::{Ec2, MemoryFailure};
use cerveza_record::Record;
use futures_util::stream::{self, StreamExt};
use hostrange::fold;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What is to be remembered of a host (region, name).
type Order = (String, String, Memory);

/// Where the hosts that are to be remembered are put. They are written beside the launches, because SSM takes some
/// three a second.
#[derive(Clone)]
pub struct Queue(UnboundedSender<Order>);

pub fn open_queue() -> (Queue, UnboundedReceiver<Order>) {
    let (sender, receiver) = unbounded_channel();
    (Queue(sender), receiver)
}

impl Queue {
    pub fn remember(&self, record: &Record, memory: Memory) {
        let region = record.str("region").unwrap_or_default();
        // The reader of the queue outlives it.
        let _ = self.0.send((region, record.host().to_string(), memory));
    }
}

/// Requests under way at once.
const AT_ONCE: usize = 4;

/// Writes what the queue holds until it is closed. Returns what could not be remembered, as warnings.
pub async fn write_all(ec2: &Ec2, mut orders: UnboundedReceiver<Order>) -> Vec<String> {
    let failures: RefCell<BTreeMap<String, Vec<String>>> = RefCell::default();
    // A region that refuses one host, or does not answer, does so for all.
    let lost: RefCell<HashMap<String, String>> = RefCell::default();
    let (failures, lost) = (&failures, &lost);
    let fail = &|why: String, host: String| failures.borrow_mut().entry(why).or_default().push(host);
    let orders = stream::poll_fn(|context| orders.poll_recv(context));
    orders
        .for_each_concurrent(AT_ONCE, |(region, host, mut memory)| async move {
            if let Some(why) = lost.borrow().get(&region) {
                return fail(why.clone(), host);
            }
            if memory.since.is_empty() {
                memory.since = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
            }
            let (text, is_whole) = memory.text();
            match ec2.write_memory(&region, &host, &text).await {
                Ok(()) if is_whole => {}
                Ok(()) => fail(format!("the profile {} is too large", memory.profile_name), host),
                Err(MemoryFailure { failure, denied, silent }) => {
                    let why = with_hint(&if denied { failure.hint(PERMISSIONS) } else { failure });
                    if denied || silent {
                        lost.borrow_mut().insert(region, why.clone());
                    }
                    fail(why, host);
                }
            }
        })
        .await;
    let failures = std::mem::take(&mut *failures.borrow_mut());
    let warning = |(why, hosts): (String, Vec<String>)| {
        format!("{}: not remembered: {why}", fold(hosts.iter().map(String::as_str)))
    };
    failures.into_iter().map(warning).collect()
}
