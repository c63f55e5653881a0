//! Answers of EC2 that end in the middle: an error for every call, and nothing is done twice.

use kit::fake_ec2::{cut_off, instances};
use kit::{FakeEc2, Moto, Reply, Sandbox};

const PROFILE: &str = "ami: ami-1\ninstance type: t3.micro\nelastic ip: yes\n";
const CUT: &str = "the answer cannot be used: it was cut off";

fn action(request: &str) -> &str {
    request.split('&').next().unwrap_or_default().strip_prefix("Action=").unwrap_or_default()
}

/// How many times each call was made.
fn count(ec2: &FakeEc2, wanted: &str) -> usize {
    ec2.requests().iter().filter(|request| action(request) == wanted).count()
}

/// The XML of an answer.
fn xml(reply: Reply) -> String {
    match reply {
        Reply::Xml(xml) => xml,
        _ => panic!("no XML"),
    }
}

fn three() -> String {
    xml(instances(&[("i-1", "web1", "running"), ("i-2", "web2", "running"), ("i-3", "web3", "running")], None))
}

/// The address of `web1`, associated with this instance.
fn addresses(holder: Option<&str>) -> String {
    let used = holder.map(|id| format!("<associationId>eipassoc-1</associationId><instanceId>{id}</instanceId>"));
    format!(
        "<DescribeAddressesResponse><addressesSet><item><publicIp>192.0.2.1</publicIp><allocationId>eipalloc-1\
         </allocationId>{}<tagSet><item><key>Name</key><value>web1</value></item></tagSet></item></addressesSet>\
         </DescribeAddressesResponse>",
        used.unwrap_or_default()
    )
}

/// Answers as EC2 does for the running host `web1`, except that answers to the call `broken` are `reply`.
fn ec2(broken: &'static str, reply: impl Fn(String) -> Reply + Send + Sync + 'static) -> FakeEc2 {
    FakeEc2::start(move |request| {
        let action = action(request);
        let answer = match action {
            "DescribeInstances" => xml(instances(&[("i-1", "web1", "running")], None)),
            "DescribeAddresses" => addresses(None),
            _ => format!("<{action}Response><requestId>r</requestId><return>true</return></{action}Response>"),
        };
        match action == broken {
            true => reply(answer),
            false => Reply::Xml(answer),
        }
    })
}

fn sandbox(ec2: &FakeEc2) -> Sandbox {
    let mut sandbox = Moto::shared().sandbox();
    sandbox.file("Web.yaml", PROFILE);
    sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
    sandbox
}

#[test]
fn truncated_listing_is_an_error_and_launches_nothing() {
    let ec2 = FakeEc2::start(|_| cut_off("200 OK", &three()));
    let sandbox = sandbox(&ec2);
    let run = sandbox.run("ec2-ls", &[], "").exits(2);
    assert_eq!((run.stdout.as_str(), run.stderr), ("", format!("ec2-ls: DescribeInstances in us-east-1: {CUT}\n")));
    let run = sandbox.run("ec2-launch", &["--profile", "Web", "web[1-3]"], "").exits(2);
    assert_eq!(run.records()[2]["error"], format!("DescribeInstances in us-east-1: {CUT}"));
    assert_eq!(count(&ec2, "RunInstances"), 0);
}

#[test]
fn other_truncated_answers_are_errors_too() {
    for (head, body) in [
        ("200 OK\r\nContent-Length: 100000", three()),
        ("200 OK\r\nTransfer-Encoding: chunked", "4\r\n<Des\r\n".to_string()),
        ("200 OK", String::new()),
        ("200 OK", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_string()),
        ("200 OK", "<html>Please log in</html>".to_string()),
        ("400 Bad Request", "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Mess".to_string()),
        ("400 Bad Request", String::new()),
        ("400 Bad Request", "<!doctype html>\n<title>No</title>\n<p>Not closed".to_string()),
    ] {
        let answer = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}");
        let ec2 = ec2("DescribeInstances", move |_| Reply::Raw(answer.clone()));
        let run = sandbox(&ec2).run("ec2-ls", &[], "").exits(2);
        let why = run.stderr.strip_prefix("ec2-ls: DescribeInstances in us-east-1: ").unwrap_or_default();
        let is_said = why.starts_with("the answer ") || why.starts_with("HTTP 400, without an error code of EC2");
        assert!(is_said, "{head}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{head}");
    }
}

#[test]
fn html_is_not_an_answer_of_ssm() {
    for status in ["404 Not Found", "200 OK"] {
        let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n<html>No</html>");
        let ec2 = FakeEc2::start(move |request| match action(request) {
            "DescribeInstances" => instances(&[("i-0123456789abcdef0", "web1", "running")], None),
            _ => Reply::Raw(answer.clone()),
        });
        let run = sandbox(&ec2).run("ec2-run", &["-w", "web1", "--", "true"], "");
        let why = format!("HTTP {}, and the answer is not JSON: is the endpoint SSM?", &status[..3]);
        assert!(run.stdout.contains(&why), "{}{}", run.stdout, run.stderr);
    }
}

#[test]
fn launch_with_a_truncated_answer_is_found_by_its_token() {
    let ec2 = FakeEc2::start(|request| match action(request) {
        "RunInstances" => cut_off("200 OK", &three().replace("Describe", "Run")),
        "DescribeAddresses" => Reply::Xml(addresses(Some("i-0123456789abcdef0"))),
        _ if request.contains("tag%3AName") => instances(&[], None),
        _ => instances(&[("i-0123456789abcdef0", "web1", "running")], None),
    });
    let run = sandbox(&ec2).run("ec2-launch", &["--profile", "Web", "web1"], "").exits(0);
    assert_eq!(run.records()[0]["instance_id"], "i-0123456789abcdef0");
    assert_eq!(count(&ec2, "RunInstances"), 1);
    assert!(ec2.requests().iter().any(|request| request.contains("client-token")), "{:?}", ec2.requests());
}

#[test]
fn no_second_address_is_allocated() {
    let ec2 = ec2("DescribeAddresses", |answer| cut_off("200 OK", &answer));
    let run = sandbox(&ec2).run("ec2-launch", &["--profile", "Web", "web1"], "").exits(3);
    let why = format!("it runs without its elastic IP: DescribeAddresses in us-east-1: {CUT}");
    assert_eq!((&run.records()[0]["error"], count(&ec2, "AllocateAddress")), (&why.into(), 0));
}

#[test]
fn change_with_a_truncated_answer_is_reported_as_possible() {
    // Idempotent calls are repeated; a reboot is not, because it would happen twice.
    for (tool, words, call, times) in [
        ("ec2-tag", vec!["team=ops", "web1"], "CreateTags", 4),
        ("ec2-tag", vec!["Name-", "web1"], "DeleteTags", 4),
        ("ec2-power", vec!["stop", "web1"], "StopInstances", 4),
        ("ec2-power", vec!["reboot", "web1"], "RebootInstances", 1),
        ("ec2-power", vec!["terminate", "--yes", "web1"], "TerminateInstances", 4),
        ("ec2-launch", vec!["--profile", "Web", "web1"], "AssociateAddress", 4),
    ] {
        let ec2 = ec2(call, |answer| cut_off("200 OK", &answer));
        let run = sandbox(&ec2).run(tool, &words, "").exits(3);
        let error = run.records()[0]["error"].as_str().unwrap_or_default().to_string();
        assert!(error.ends_with(&format!("{call} in us-east-1: {CUT}")), "{tool}: {error}");
        let hint = format!("{tool}: EC2 may have done it anyway: check with ec2-ls before you run this again\n");
        assert!(run.stderr.contains(&hint), "{}", run.stderr);
        assert_eq!(count(&ec2, call), times, "{call}");
    }
}
