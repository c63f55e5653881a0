//! `ec2-run` against the strict EC2 server, whose agents run the commands in a shell.

mod bucket;
mod lost;
mod output;
mod permissions;
mod powershell;
mod resume;
mod rollout;
mod scale;
mod statuses;
mod stopping;

use kit::ec2_server::{Agent, Ec2Server, Options};
use kit::{Outcome, Sandbox};
use serde_json::Value;

/// A server with these hosts, and a sandbox whose tools speak to it.
fn fleet(hosts: &[&str]) -> (Ec2Server, Sandbox) {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(hosts.iter().copied(), &[]);
    let sandbox = ec2.sandbox();
    (ec2, sandbox)
}

/// Says what the agent of a host does.
fn set_agent(ec2: &Ec2Server, host: &str, agent: Agent) {
    ec2.region(|region| region.run_command.agents.insert(host.to_string(), agent));
}

/// The records of a run, by host.
fn by_host(run: &Outcome) -> Vec<Value> {
    let mut records = run.records();
    records.sort_by_key(|record| record["host"].as_str().unwrap_or_default().to_string());
    records
}

/// Status, phase and exit code of each host, as `web1 ok exec 0`.
fn lines(run: &Outcome) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let line = |record: &Value| ["host", "status", "phase", "exit_code"].map(|key| text(&record[key])).join(" ");
    by_host(run).iter().map(line).collect()
}

#[test]
fn a_command_runs_on_each_host_and_its_record_has_what_it_printed() {
    let (ec2, sandbox) = fleet(&["web1", "web2"]);
    let run = sandbox.sh("ec2-ls | jq -c '. + {mine: 1}' | ec2-run -- 'echo out; echo err >&2; exit 3'").exits(1);
    let records = by_host(&run);
    assert_eq!(records.len(), 2);
    for record in &records {
        assert_eq!((&record["status"], &record["exit_code"]), (&"failed".into(), &3.into()));
        assert_eq!((&record["stdout"], &record["stderr"]), (&"out\n".into(), &"err\n".into()));
        assert_eq!((&record["phase"], &record["attempts"], &record["mine"]), (&"exec".into(), &1.into(), &1.into()));
        assert_eq!(record["error"], "the command's exit status is 3");
        assert_eq!(record["command_id"].as_str().map(str::len), Some(36));
        assert!(record["started_at"].is_string() && record["signal"].is_null(), "{record}");
    }
    assert_eq!(run.stderr, "ec2-run: 2 failed: web[1-2]\n");
    assert_eq!((ec2.count("SendCommand"), ec2.count("GetCommandInvocation")), (1, 0));
    // A record with its instance and region is not looked up again.
    assert_eq!(ec2.count("DescribeInstances"), 1);
}

#[test]
fn hosts_may_be_names_and_come_out_with_their_facts() {
    let (_ec2, sandbox) = fleet(&["web1", "web2", "web3"]);
    let run = sandbox.run("ec2-run", &["-w", "web[1-4]", "-x", "web3", "uptime", ">/dev/null"], "").exits(3);
    assert_eq!(lines(&run), ["web1 ok exec 0", "web2 ok exec 0", "web4 unreachable lookup null"]);
    let records = by_host(&run);
    assert!(records[0]["instance_id"].is_string() && records[0]["region"] == "us-east-1", "{}", records[0]);
    assert_eq!(records[2]["error"], "no live instance has this name in us-east-1");
    assert_eq!(run.stderr, "ec2-run: 2 ok; 1 unreachable: web4\n");
}

#[test]
fn an_instance_with_another_name_than_its_record_is_left_alone() {
    let (ec2, sandbox) = fleet(&["web1", "web2"]);
    let id = ec2.region(|region| region.live("web2")[0].id.clone());
    let record = format!("{{\"host\":\"web1\",\"instance_id\":\"{id}\"}}\n");
    let run = sandbox.run("ec2-run", &["true"], record).exits(3);
    assert_eq!(lines(&run), ["web1 unreachable lookup null"]);
    let error = run.records()[0]["error"].as_str().expect("an error").to_string();
    assert!(error.starts_with(&format!("{id} is named web2 now, not web1")), "{error}");
    assert_eq!(ec2.count("SendCommand"), 0);
}

#[test]
fn malformed_records_get_the_hint_for_records() {
    let (_ec2, sandbox) = fleet(&["web1"]);
    let run = sandbox.run("ec2-run", &["true"], "{\"host\":\"web1\"\n").exits(2);
    assert!(
        run.stderr.ends_with("ec2-run: a record is one line of JSON: jq -c '.[]' makes them of an array\n"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_pipeline_goes_from_ssh_to_ssm() {
    let (_ec2, sandbox) = fleet(&["web1", "web2"]);
    sandbox.file(
        "before.jsonl",
        sandbox.sh("ec2-ls | jq -c '. + {status: \"unreachable\", error: \"x\", signal: null}'").exits(0).stdout,
    );
    let run =
        sandbox.sh("jq -c 'select(.status == \"unreachable\")' before.jsonl | ec2-run -- hostname | jq -r .status");
    assert_eq!(run.exits(0).stdout, "ok\nok\n");
}

#[test]
fn folder_environment_and_user() {
    let (_ec2, sandbox) = fleet(&["web1"]);
    let args = ["-w", "web1", "--chdir", "/usr/lib", "--env", "A=it's {{ssm:x}}", "pwd; printf %s \"$A\""];
    let run = sandbox.run("ec2-run", &args, "").exits(0);
    assert_eq!(run.records()[0]["stdout"], "/usr/lib\nit's {{ssm:x}}");
    let run = sandbox.run("ec2-run", &["-w", "web1", "--user", "nobody", "id -un"], "").exits(0);
    assert_eq!(run.records()[0]["stdout"], "nobody\n");
    let run = sandbox.run("ec2-run", &["-w", "web1", "--env", "DB_PASSWORD=x", "true"], "").exits(0);
    assert!(run.stderr.contains("--env DB_PASSWORD looks like a secret"), "{}", run.stderr);
}

#[test]
fn a_local_script_runs_with_its_arguments() {
    let (_ec2, sandbox) = fleet(&["web1"]);
    sandbox.file("s.sh", "#!/bin/bash\necho \"$2 {{x}}\"\nexit 4\n");
    let run = sandbox.run("ec2-run", &["-w", "web1", "--script", "s.sh", "--", "a", "b c"], "").exits(1);
    assert_eq!((&run.records()[0]["stdout"], &run.records()[0]["exit_code"]), (&"b c {{x}}\n".into(), &4.into()));
    sandbox.file("big.sh", [b"#!/bin/sh\necho big\nexit\n".as_slice(), &[b'\xff'; 500_000]].concat());
    let run = sandbox.run("ec2-run", &["-w", "web1", "--script", "big.sh"], "").exits(0);
    assert_eq!(run.records()[0]["stdout"], "big\n");
}

#[test]
fn dry_run_shows_the_script_and_sends_nothing() {
    let (ec2, sandbox) = fleet(&["web1", "web2"]);
    let run = sandbox.run("ec2-run", &["-w", "web[1-3]", "--batch", "1", "--dry-run", "uptime"], "").exits(3);
    let records = by_host(&run);
    let script = records[0]["plan"]["script"].as_str().unwrap_or_default();
    assert!(script.contains("exec sh -c uptime 5>&-\n") && script.contains("ec2-run: exit="), "{script}");
    assert_eq!((&records[1]["plan"]["batch"], &records[1]["plan"]["command"]), (&2.into(), &2.into()));
    assert_eq!((&records[2]["plan"], &records[2]["status"]), (&Value::Null, &"unreachable".into()));
    assert_eq!(ec2.count("SendCommand"), 0);
}

#[test]
fn text_views_show_each_host_when_it_is_done() {
    let (_ec2, sandbox) = fleet(&["web1", "web2"]);
    let run =
        sandbox.run("ec2-run", &["-w", "web[1-2]", "--lines", "--ordered", "echo a; echo b >&2; exit 2"], "").exits(1);
    let lines = |host: &str| format!("{host}: a\n{host}: ! b\n{host}: = failed: the command's exit status is 2\n");
    assert_eq!(run.stdout, lines("web1") + &lines("web2"));
    let run = sandbox.run("ec2-run", &["-w", "web[1-2]", "--group", "echo same"], "").exits(0);
    assert!(run.stdout.contains("web[1-2]") && run.stdout.contains("same"), "{}", run.stdout);
    let run = sandbox.run("ec2-run", &["-w", "web[1-2]", "--outdir", "out", "-o", "names", "echo file"], "").exits(0);
    assert_eq!(run.stdout.lines().count(), 2);
    assert_eq!(std::fs::read_to_string(sandbox.dir().join("out/web1.out")).unwrap(), "file\n");
}

#[test]
fn usage_errors_end_the_run_before_anything_is_sent() {
    let (ec2, sandbox) = fleet(&["web1"]);
    let run = sandbox.run("ec2-run", &["-w", "web1"], "").exits(2);
    assert!(run.stderr.starts_with("ec2-run: there is no command\n"), "{}", run.stderr);
    let run = sandbox.run("ec2-run", &["-w", "web*", "uptime"], "").exits(2);
    assert!(run.stderr.contains("ec2-ls 'web*' | ec2-run"), "{}", run.stderr);
    let run = sandbox.run("ec2-run", &["uptime"], "{\"host\":1}\n").exits(2);
    assert!(run.stderr.contains("line 1"), "{}", run.stderr);
    let long = "x".repeat(60_000);
    let run = sandbox.run("ec2-run", &["-w", "web1", &long], "").exits(2);
    assert!(run.stderr.contains("can be sent"), "{}", run.stderr);
    assert!(ec2.calls().is_empty());
}

#[test]
fn without_credentials_nothing_can_be_done() {
    let (_ec2, mut sandbox) = fleet(&["web1"]);
    sandbox.env("AWS_ACCESS_KEY_ID", "").env("AWS_SECRET_ACCESS_KEY", "");
    let run = sandbox
        .run("ec2-run", &["uptime"], "web1\n{\"host\":\"web2\",\"instance_id\":\"i-1\",\"region\":\"us-east-1\"}\n")
        .exits(2);
    assert_eq!(lines(&run), ["web1 unreachable lookup null", "web2 unreachable lookup null"]);
}
