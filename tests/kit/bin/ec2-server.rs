//! The strict EC2 server as a program, with EC2's token buckets.
//!
//! Prints its endpoint and serves until stdin ends. Then it prints one line of JSON: the number of calls of each kind, how
//! many were throttled, when the first one came (seconds since 1970), and the number of instances.

use kit::ec2_server::{Call, Ec2Server, Options};
use std::collections::BTreeMap;
use std::io::{Read, Result, Write, stdin, stdout};
use std::time::SystemTime;

fn main() -> Result<()> {
    let ec2 = Ec2Server::start(Options { buckets: Some(1.0), ..Options::default() });
    writeln!(stdout(), "{}", ec2.endpoint)?;
    stdin().read_to_string(&mut String::new())?;
    let calls = ec2.calls();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for call in &calls {
        *counts.entry(&call.action).or_default() += 1;
    }
    let report = serde_json::json!({
        "calls": counts,
        "throttled": ec2.throttled(),
        "first_call": calls.first().and_then(epoch),
        "instances": ec2.region(|region| region.instances.len()),
    });
    writeln!(stdout(), "{report}")
}

fn epoch(call: &Call) -> Option<f64> {
    let time = SystemTime::now().checked_sub(call.at.elapsed())?;
    Some(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64())
}
