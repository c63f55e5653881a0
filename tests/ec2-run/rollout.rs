//! Batches, fanout and limits on failures.

use crate::{fleet, lines};

#[test]
fn batches_run_one_after_the_other_and_stop_at_a_failure() {
    let (ec2, sandbox) = fleet(&["web1", "web2", "web3", "web4"]);
    let run = sandbox.run("ec2-run", &["-w", "web[1-4]", "--batch", "1,2", "true"], "").exits(0);
    assert_eq!(lines(&run).len(), 4);
    let sizes: Vec<usize> =
        ec2.region(|region| region.run_command.commands.iter().map(|command| command.invocations.len()).collect());
    assert_eq!(sizes, [1, 2, 1]);
    let run = sandbox.run("ec2-run", &["-w", "web[1-4]", "--batch", "1,2", "false"], "").exits(3);
    let skipped = |host| format!("{host} skipped null null");
    let expected = ["web1 failed exec 1".to_string(), skipped("web2"), skipped("web3"), skipped("web4")];
    assert_eq!(lines(&run), expected);
}

#[test]
fn serial_runs_one_host_at_a_time() {
    let (ec2, sandbox) = fleet(&["web1", "web2", "web3"]);
    let mark = sandbox.dir().join("lock");
    let command = format!("mkdir {0} && sleep 0.2 && rmdir {0}", mark.display());
    let run = sandbox.run("ec2-run", &["-w", "web[1-3]", "--serial", &command], "").exits(0);
    assert_eq!(
        run.records().iter().map(|record| record["host"].as_str().unwrap_or_default()).collect::<Vec<_>>(),
        ["web1", "web2", "web3"]
    );
    assert_eq!(ec2.count("SendCommand"), 3);
}

#[test]
fn fanout_and_max_fail_reach_ssm() {
    let (ec2, sandbox) = fleet(&["web1", "web2", "web3", "web4", "web5"]);
    let mark = sandbox.dir().join("count");
    // Each host notes how many run with it.
    let command = format!(
        "mkdir -p {0}; touch {0}/$AWS_SSM_INSTANCE_ID; ls {0} | wc -l; sleep 0.3; rm {0}/$AWS_SSM_INSTANCE_ID",
        mark.display()
    );
    let run = sandbox.run("ec2-run", &["-w", "web[1-5]", "-f", "2", &command], "").exits(0);
    for record in run.records() {
        let count: usize = record["stdout"].as_str().unwrap_or_default().trim().parse().unwrap();
        assert!(count <= 2, "{record}");
    }
    let run = sandbox.run("ec2-run", &["-w", "web[1-5]", "-f", "1", "--max-fail", "1", "false"], "").exits(3);
    let skipped = lines(&run).iter().filter(|line| line.contains("skipped")).count();
    assert_eq!(skipped, 3, "{:?}", lines(&run));
    let limits = ec2.region(|region| {
        let commands = &region.run_command.commands;
        commands.iter().map(|command| (command.max_concurrency, command.max_errors)).collect::<Vec<_>>()
    });
    assert_eq!(limits, [(2, 5), (1, 1)]);
}

#[test]
fn a_host_that_is_given_twice_runs_twice() {
    let (ec2, sandbox) = fleet(&["web1"]);
    let twice = "{\"host\":\"web1\",\"mine\":1}\n{\"host\":\"web1\",\"mine\":2}\n";
    let run = sandbox.run("ec2-run", &["true"], twice).exits(0);
    assert_eq!(run.records().len(), 2);
    assert_eq!(ec2.count("SendCommand"), 2);
}
