//! Many instances: pages, and more filter values than a call allows.

use kit::ec2_server::{Ec2Server, Fault, Options, Rule};
use kit::fake_ec2::instances as instances_of;
use kit::{FakeEc2, Moto, Reply};

/// EC2 pages instances, also within one reservation; the stand-in pages reservations.
#[test]
fn every_page_is_read() {
    let ec2 = FakeEc2::start(|request| match request.contains("NextToken=more") {
        false => instances_of(&[("i-1", "page1", "running")], Some("more")),
        true => instances_of(&[("i-2", "page2", "running")], None),
    });
    let mut sandbox = Moto::shared().sandbox();
    sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
    assert_eq!(sandbox.run("ec2-ls", &["-1"], "").exits(0).stdout, "page1\npage2\n");
    assert_eq!(ec2.requests().len(), 2);
}

/// EC2 counts the values of all filters of a call together.
#[test]
fn more_names_than_a_call_allows_are_searched() {
    let ec2 = Ec2Server::start(Options::default());
    let sandbox = ec2.sandbox();
    sandbox.file("Web.yaml", "ami: ami-0000000000000000b\ninstance type: t3.micro\n");
    sandbox.run("ec2-launch", &["-p", "Web", "h1", "h225", "h450"], "").exits(0);
    let run = sandbox.run("ec2-ls", &["-1", "h[1-450]"], "").exits(1);
    assert_eq!(run.stdout, "h1\nh225\nh450\n");
    assert_eq!(run.stderr, "ec2-ls: not found in us-east-1: h[2-224,226-449]\n");
    // Two long filters: each part of one is combined with each part of the other.
    let roles: Vec<String> =
        (0..300).map(|number| format!("profile=x{number}")).chain(["profile=Web".into()]).collect();
    let words: Vec<&str> = roles.iter().map(String::as_str).chain(["h[1-450]"]).collect();
    let run = sandbox.run("ec2-ls", &[&["-1"], words.as_slice()].concat(), "").exits(1);
    assert_eq!(run.stdout, "h1\nh225\nh450\n");
    sandbox.run("ec2-tag", &["h[1-450]", "team=web"], "").exits(3);
    let tagged = sandbox.run("ec2-ls", &["-1", "team=web"], "").exits(0);
    assert_eq!(tagged.stdout, "h1\nh225\nh450\n");
}

/// Broken XML counts as an answer that got lost.
#[test]
fn unusable_answer_is_requested_again() {
    let page = |id| match instances_of(&[(id, "web1", "running")], None) {
        Reply::Xml(page) => page,
        _ => unreachable!("a page"),
    };
    for broken in [page("i-1").replace("</item>", "</itm>"), page("i-1").replace("web1", "a & b")] {
        let ec2 = FakeEc2::start(move |_| Reply::Xml(broken.clone()));
        let mut sandbox = Moto::shared().sandbox();
        sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
        let run = sandbox.run("ec2-ls", &["-1"], "").exits(2);
        assert_eq!(run.stdout, "");
        let why = "ec2-ls: DescribeInstances in us-east-1: the answer cannot be used: it is not well-formed XML: ";
        assert!(run.stderr.starts_with(why), "{}", run.stderr);
        assert!(ec2.requests().len() > 1);
    }
}

#[test]
fn truncated_answer_lists_no_instance_twice() {
    let ec2 = Ec2Server::start(Options::default());
    let sandbox = ec2.sandbox();
    sandbox.file("Web.yaml", "ami: ami-0000000000000000b\ninstance type: t3.micro\n");
    sandbox.run("ec2-launch", &["-p", "Web", "web[1-9]"], "").exits(0);
    ec2.fault(Rule::on("DescribeInstances", Fault::HalfAnswer));
    let run = sandbox.run("ec2-ls", &["-1"], "").exits(0);
    assert!(!ec2.drop_faults(), "nothing was cut off");
    let names: Vec<String> = (1..=9).map(|number| format!("web{number}\n")).collect();
    assert_eq!(run.stdout, names.concat());
}

#[test]
fn a_page_that_comes_again_is_an_error() {
    let ec2 = FakeEc2::start(|_| instances_of(&[("i-1", "page1", "running")], Some("same")));
    let mut sandbox = Moto::shared().sandbox();
    sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
    let run = sandbox.run("ec2-ls", &["-1"], "");
    let why = "DescribeInstances in us-east-1: the endpoint gives the same page again and again: is it EC2?\n";
    assert_eq!(run.stderr, format!("ec2-ls: {why}"));
    assert_ne!(run.code, 0);
    assert_eq!(ec2.requests().len(), 2);
}
