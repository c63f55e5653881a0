//! `--output-bucket`: output that SSM does not keep comes through S3.

use crate::{by_host, fleet, lines, set_agent};
use kit::ec2_server::{Action, Agent, Fault, Rule, S3};
use kit::{Ec2Server, Moto, REGION, Sandbox};
use serde_json::Value;
use std::fmt::Write;
use std::time::Duration;

const FOLDER: &str = "awsrunShellScript/0.awsrunShellScript";

fn fleet_with_bucket(hosts: &[&str]) -> (Ec2Server, Sandbox, S3) {
    let (ec2, sandbox) = fleet(hosts);
    let s3 = ec2.s3();
    s3.add_bucket("logs", REGION);
    (ec2, sandbox, s3)
}

fn keys(s3: &S3) -> Vec<String> {
    s3.bucket("logs", |bucket| bucket.objects.keys().cloned().collect())
}

fn numbers(last: u32) -> String {
    (1..=last).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{number}");
        text
    })
}

fn error(record: &Value) -> &str {
    record["error"].as_str().unwrap_or_default()
}

#[test]
fn output_of_any_length_is_complete_and_leaves_nothing_in_the_bucket() {
    let (ec2, sandbox, s3) = fleet_with_bucket(&["web1", "web2"]);
    let command = "seq 1 100000; seq 1 50000 >&2; exit 3";
    let args = ["-w", "web[1-2]", "--output-bucket", "s3://logs/a b/", command];
    let run = sandbox.run("ec2-run", &args, "").exits(1);
    for record in run.records() {
        assert_eq!((&record["exit_code"], &record["truncated"]), (&3.into(), &Value::Null));
        assert!(record["stdout"] == numbers(100_000) && record["stderr"] == numbers(50_000));
        assert_eq!(error(&record), "the command's exit status is 3");
    }
    assert_eq!(run.stderr, "ec2-run: 2 failed: web[1-2]\n");
    assert!(keys(&s3).is_empty(), "{:?}", keys(&s3));
    assert_eq!((ec2.count("GetObject"), ec2.count("DeleteObject")), (2, 4));
    let key = ec2.calls().into_iter().find(|call| call.action == "GetObject").map(|call| call.params);
    let key = key.as_ref().and_then(|params| params.get("Key")).unwrap_or_default().to_string();
    assert!(key.starts_with("a b/0000") && key.ends_with(&format!("/{FOLDER}/stdout")), "{key}");
}

#[test]
fn bytes_are_exact_through_the_bucket() {
    let (_ec2, sandbox, _s3) = fleet_with_bucket(&["web1"]);
    let command = r"seq 1 40000 | tr '12\n' '\377\200\0'";
    let run = sandbox.run("ec2-run", &["-w", "web1", "--output-bucket", "logs", command], "").exits(0);
    assert_eq!(run.records()[0]["encoding"], "base64");
    let run = sandbox.sh(&format!(
        "ec2-run -w web1 --output-bucket logs -- \"{command}\" | jq -r .stdout | base64 -d | cmp - <(sh -c \"{command}\")"
    ));
    run.exits(0);
}

#[test]
fn output_that_ssm_keeps_is_not_read_from_the_bucket_but_removed() {
    let (ec2, sandbox, s3) = fleet_with_bucket(&["web1", "web2"]);
    set_agent(&ec2, "web2", Agent::that(Action::End("Undeliverable")));
    let run = sandbox.run("ec2-run", &["-w", "web[1-2]", "--output-bucket", "logs", "seq 1 5000"], "").exits(3);
    assert_eq!(lines(&run), ["web1 ok exec 0", "web2 unreachable deliver null"]);
    assert_eq!(by_host(&run)[0]["stdout"], numbers(5000));
    // Nothing was put there for a host on which nothing ran.
    assert_eq!((ec2.count("GetObject"), ec2.count("DeleteObject"), keys(&s3).len()), (0, 2, 0));
}

#[test]
fn keep_leaves_readable_output_in_the_bucket() {
    let (ec2, sandbox, s3) = fleet_with_bucket(&["web1"]);
    for command in ["echo short", "seq 1 5000", "seq 1 100000"] {
        let run = sandbox.run("ec2-run", &["-w", "web1", "--output-bucket", "logs/a", "--keep", command], "").exits(0);
        let record = &run.records()[0];
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_string();
        let key = format!("a/{}/{}/{FOLDER}/stdout", text("command_id"), text("instance_id"));
        let object = s3.bucket("logs", |bucket| bucket.objects.get(&key).cloned()).unwrap_or_default();
        assert!(String::from_utf8_lossy(&object).ends_with(&format!("as=text\n{}", text("stdout"))), "{key}");
    }
    assert_eq!(ec2.count("DeleteObject"), 0);
}

#[test]
fn a_bucket_in_another_region_is_found() {
    let (ec2, sandbox, s3) = fleet_with_bucket(&["web1", "web2"]);
    s3.add_bucket("logs", "eu-west-1");
    let run =
        sandbox.run("ec2-run", &["-w", "web[1-2]", "--serial", "--output-bucket", "logs", "seq 1 100000"], "").exits(0);
    assert!(run.records().iter().all(|record| record["stdout"] == numbers(100_000)));
    let calls: Vec<String> =
        ec2.calls().into_iter().filter(|call| call.action == "GetObject").map(|call| call.outcome).collect();
    assert_eq!(calls, ["PermanentRedirect", "ok", "ok"]);
    assert!(keys(&s3).is_empty());
}

#[test]
fn an_object_that_is_not_there_leaves_what_ssm_has() {
    let (_ec2, sandbox, s3) = fleet_with_bucket(&["web1"]);
    s3.bucket("logs", |bucket| bucket.is_writable = false);
    let run = sandbox.run("ec2-run", &["-w", "web1", "--output-bucket", "logs", "seq 1 100000"], "").exits(0);
    let record = &run.records()[0];
    let text = record["stdout"].as_str().unwrap_or_default();
    assert_eq!((&record["exit_code"], &record["truncated"]), (&0.into(), &true.into()));
    assert!(text.starts_with("1\n2\n") && text.ends_with("\n100000\n") && text.contains(" bytes left out]\n"));
    let expected = "SSM Agent has not put the output into s3://logs/";
    assert!(error(record).starts_with(expected) && error(record).contains("s3:PutObject"), "{record}");
}

#[test]
fn a_denied_read_says_so_and_leaves_the_object() {
    let (ec2, sandbox, s3) = fleet_with_bucket(&["web1"]);
    ec2.fault(Rule::on("GetObject", Fault::refuse(403, "AccessDenied", "Access Denied")).always());
    let run = sandbox.run("ec2-run", &["-w", "web1", "--output-bucket", "logs", "seq 1 100000"], "").exits(0);
    let record = &run.records()[0];
    assert_eq!((&record["exit_code"], &record["truncated"]), (&0.into(), &true.into()));
    assert!(error(record).contains("GetObject in us-east-1: AccessDenied: Access Denied (you need s3:GetObject"));
    let object = error(record).split_once("s3://logs/").and_then(|(_, rest)| rest.split_once(' ')).map(|(key, _)| key);
    assert!(keys(&s3).iter().any(|key| Some(key.as_str()) == object), "{record}");
    assert_eq!(ec2.count("DeleteObject"), 0);
}

#[test]
fn outputs_that_cannot_be_removed_are_a_warning() {
    let (ec2, sandbox, _s3) = fleet_with_bucket(&["web1", "web2"]);
    ec2.fault(Rule::on("DeleteObject", Fault::refuse(403, "AccessDenied", "Access Denied")).always());
    let run = sandbox.run("ec2-run", &["-w", "web[1-2]", "--output-bucket", "logs/a", "uptime"], "").exits(0);
    let warning = "ec2-run: outputs stay in s3://logs/a: DeleteObject in us-east-1: AccessDenied: Access Denied";
    assert!(run.stderr.starts_with(warning) && run.stderr.matches("outputs stay").count() == 1, "{}", run.stderr);
}

#[test]
fn a_bucket_that_does_not_exist_is_an_error_of_each_host() {
    let (_ec2, sandbox) = fleet(&["web1"]);
    let run = sandbox.run("ec2-run", &["-w", "web1", "--output-bucket", "nowhere", "uptime"], "").exits(3);
    let record = &run.records()[0];
    assert!(error(record).contains("InvalidOutputFolder") && error(record).contains("--output-bucket"), "{record}");
    let run = sandbox.run("ec2-run", &["-w", "web1", "--output-bucket", "Not_A_Bucket", "uptime"], "").exits(2);
    assert!(run.stderr.contains("is not the name of a bucket"), "{}", run.stderr);
}

#[test]
fn a_download_goes_on_where_it_was_cut_off() {
    let (ec2, sandbox, s3) = fleet_with_bucket(&["web1"]);
    ec2.fault(Rule::on("GetObject", Fault::Throttle));
    ec2.fault(Rule::on("GetObject", Fault::HalfAnswer).times(2));
    ec2.fault(Rule::on("DeleteObject", Fault::CutAfter));
    let run = sandbox.run("ec2-run", &["-w", "web1", "--output-bucket", "logs", "seq 1 100000"], "").exits(0);
    assert!(run.records()[0]["stdout"] == numbers(100_000), "{}", run.stderr);
    let calls = ec2.calls();
    let first_bytes = calls.iter().filter(|call| call.action == "GetObject").map(|call| call.params.get("Range"));
    let first_bytes: Vec<usize> =
        first_bytes.map(|byte| byte.and_then(|byte| byte.parse().ok()).unwrap_or(0)).collect();
    assert_eq!((first_bytes.len(), first_bytes[..2].to_vec()), (4, vec![0, 0]));
    assert!(0 < first_bytes[2] && first_bytes[2] < first_bytes[3], "{first_bytes:?}");
    assert!(keys(&s3).is_empty());
}

#[test]
fn a_download_that_fails_half_way_says_how_much_is_missing() {
    let (ec2, sandbox, s3) = fleet_with_bucket(&["web1"]);
    ec2.fault(Rule::on("GetObject", Fault::HalfAnswer));
    ec2.fault(Rule::on("GetObject", Fault::refuse(403, "AccessDenied", "Access Denied")));
    let run = sandbox.run("ec2-run", &["-w", "web1", "--output-bucket", "logs", "seq 1 100000"], "").exits(0);
    let record = &run.records()[0];
    let text = record["stdout"].as_str().unwrap_or_default();
    let (head, rest) = text.split_once("[ec2-run: ").unwrap_or_default();
    let missing: usize = rest.strip_suffix(" bytes left out]\n").and_then(|count| count.parse().ok()).unwrap_or(0);
    let head = if numbers(100_000).starts_with(head) { head } else { head.trim_end_matches('\n') };
    assert_eq!((head.len() + missing, &record["truncated"]), (numbers(100_000).len(), &true.into()));
    assert!(numbers(100_000).starts_with(head) && error(record).contains("could not be read"), "{}", error(record));
    assert!(!keys(&s3).is_empty());
}

#[test]
fn ctrl_c_ends_a_download() {
    let (ec2, sandbox, s3) = fleet_with_bucket(&["web1"]);
    ec2.fault(Rule::on("GetObject", Fault::SilenceBefore).always());
    let args = ["-w", "web1", "--output-bucket", "logs", "seq 1 100000"];
    let run = sandbox.interrupt("ec2-run", &args, "", || ec2.count("GetObject") > 0).exits(130);
    let record = &run.records()[0];
    assert_eq!((&record["status"], &record["truncated"]), (&"ok".into(), &true.into()));
    assert!(error(record).contains("s3://logs/") && error(record).contains("interrupted"), "{record}");
    assert!(!keys(&s3).is_empty());
}

#[test]
fn outdir_has_all_of_it_and_the_record_what_max_output_allows() {
    let (_ec2, sandbox, _s3) = fleet_with_bucket(&["web1"]);
    let args = ["-w", "web1", "--output-bucket", "logs", "--outdir", "out", "--max-output", "1000", "seq 1 100000"];
    let run = sandbox.run("ec2-run", &args, "").exits(0);
    assert_eq!(run.records()[0]["truncated"], true);
    assert!(std::fs::read_to_string(sandbox.dir().join("out/web1.out")).unwrap() == numbers(100_000));
}

#[test]
fn powershell_has_both_streams_from_the_bucket() {
    let (ec2, sandbox, s3) = fleet_with_bucket(&["win1"]);
    let action = Action::Answer { after: Duration::ZERO, code: 5, stdout: "x".repeat(30_000) };
    set_agent(&ec2, "win1", Agent::that(action));
    let args = ["-w", "win1", "--shell", "powershell", "--output-bucket", "logs", "Get-Host"];
    let run = sandbox.run("ec2-run", &args, "").exits(1);
    let record = &run.records()[0];
    assert_eq!((&record["exit_code"], &record["truncated"]), (&5.into(), &Value::Null));
    assert!(record["stdout"] == "x".repeat(30_000));
    assert_eq!((ec2.count("GetObject"), keys(&s3).len()), (1, 0));
}

/// S3 is moto here. The object that the agent would have put there is put by the test, and collected by --resume.
#[test]
fn moto_serves_the_bucket() {
    let (ec2, mut sandbox, s3) = fleet_with_bucket(&["web1"]);
    let moto = Moto::shared();
    moto.put("/logs", b"");
    sandbox.env("AWS_ENDPOINT_URL_S3", format!("http://127.0.0.1:{}", moto.port));
    let args = ["-w", "web1", "--output-bucket", "logs/é + b", "--", "seq 1 100000"];
    let first = sandbox.run("ec2-run", &args, "").exits(0);
    assert!(error(&first.records()[0]).starts_with("SSM Agent has not put the output into s3://"), "{}", first.stdout);
    let (key, object) = s3.bucket("logs", |bucket| bucket.objects.pop_first()).expect("an output");
    let path: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
    moto.put(&format!("/logs/{path}"), &object);
    let args = ["--resume", "--output-bucket", "logs/é + b"];
    let resumed = sandbox.run("ec2-run", &args, &first.stdout).exits(0);
    let record = &resumed.records()[0];
    assert!(record["stdout"] == numbers(100_000) && record["truncated"].is_null(), "{}", error(record));
    let again = sandbox.run("ec2-run", &args, &first.stdout).exits(0);
    assert!(error(&again.records()[0]).contains("has not put the output"), "it was not removed: {}", again.stdout);
    assert_eq!(ec2.count("GetObject"), 0);
}
