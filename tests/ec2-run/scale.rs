//! Many simulated hosts, of which some are lost, with throttled polls.

use kit::ec2_server::{Action, Agent, Ec2Server, Options, Ping};
use std::collections::HashSet;
use std::time::Duration;

#[test]
fn every_host_of_a_thousand_comes_out_once() {
    const HOSTS: usize = 1000;
    let ec2 = Ec2Server::start(Options { buckets: Some(1.0), ..Options::default() });
    let names: Vec<String> = (1..=HOSTS).map(|number| format!("web{number}")).collect();
    ec2.launch(names.iter().cloned(), &[]);
    let frame = "ec2-run: exit=0 late=0 stdout=3 stderr=0 ends=0 as=text\nup\n";
    ec2.region(|region| {
        for (at, name) in names.iter().enumerate() {
            let action = match at % 50 {
                7 => Action::End("Undeliverable"),
                _ => {
                    Action::Answer { after: Duration::from_millis(at as u64 % 40 * 100), code: 0, stdout: frame.into() }
                }
            };
            let ping = if at % 100 == 3 { Ping::ConnectionLost } else { Ping::Online };
            region.run_command.agents.insert(name.clone(), Agent { ping, ..Agent::that(action) });
        }
    });
    let sandbox = ec2.sandbox();
    let run = sandbox.sh("ec2-ls | ec2-run -- uptime").exits(3);
    let hosts: HashSet<String> =
        run.records().iter().map(|record| record["host"].as_str().unwrap_or_default().to_string()).collect();
    assert_eq!((run.records().len(), hosts.len()), (HOSTS, HOSTS));
    let ok = run.records().iter().filter(|record| record["status"] == "ok" && record["stdout"] == "up\n").count();
    assert_eq!(ok, HOSTS - HOSTS / 50 - HOSTS / 100);
    assert_eq!(ec2.count("GetCommandInvocation"), 0);
    assert!(ec2.region(|region| region.run_command.commands.len()) <= 21);
}
