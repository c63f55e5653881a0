//! The strict EC2 server as a program, with EC2's token buckets.
//!
//! usage: ec2-server [HOSTS SECONDS]: with that many hosts, web1 and so on, whose agents answer a command within so many
//! seconds, each at a time of its own. Every 50th begins and then goes silent.
//!
//! Prints its endpoint and serves until stdin ends. Then it prints one line of JSON: the number of calls of each kind, how
//! many were throttled, when the first one came (seconds since 1970), and the number of instances.

use kit::ec2_server::{Action, Agent, Call, Ec2Server, Options};
use std::collections::BTreeMap;
use std::io::{Read, Result, Write, stdin, stdout};
use std::time::{Duration, SystemTime};

fn main() -> Result<()> {
    let ec2 = Ec2Server::start(Options { buckets: Some(1.0), ..Options::default() });
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<u64>().expect("a number"));
    if let (Some(hosts), Some(seconds)) = (numbers.next(), numbers.next()) {
        launch(&ec2, hosts, seconds);
    }
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

/// What ec2-run's script prints for `uptime`.
const FRAME: &str = "ec2-run: exit=0 late=0 stdout=3 stderr=0 ends=0 as=text\nup\n";

fn launch(ec2: &Ec2Server, hosts: u64, seconds: u64) {
    ec2.launch((1..=hosts).map(|number| format!("web{number}")), &[]);
    ec2.region(|region| {
        for number in 1..=hosts {
            // Spread evenly, neighbours far apart.
            let after = Duration::from_millis(number * 7919 % (seconds * 1000).max(1));
            let action = match number % 50 {
                0 => Action::Vanish,
                _ => Action::Answer { after, code: 0, stdout: FRAME.to_string() },
            };
            region.run_command.agents.insert(format!("web{number}"), Agent::that(action));
        }
    });
}

fn epoch(call: &Call) -> Option<f64> {
    let time = SystemTime::now().checked_sub(call.at.elapsed())?;
    Some(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64())
}
