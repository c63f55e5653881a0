//! What `ec2-ls` finds, against the strict server. EC2's filters and the tool's own matcher find the same.

use kit::Sandbox;
use kit::ec2_server::{Ec2Server, Options};

/// web1 and web2 in zone a, db1 in zone b, and an instance without a name in zone c.
fn fleet() -> (Ec2Server, Sandbox) {
    let ec2 = Ec2Server::start(Options::default());
    let place =
        |zone, group, kind| [("Placement.AvailabilityZone", zone), ("SecurityGroup.1", group), ("InstanceType", kind)];
    ec2.launch(["web1", "web2"], &place("us-east-1a", "web", "t3.micro"));
    ec2.launch(["db1"], &place("us-east-1b", "mysql", "m5.large"));
    ec2.launch([""], &place("us-east-1c", "default", "m5.xlarge"));
    for (host, key, value) in [
        ("web1", "role", "web"),
        ("web2", "role", "web"),
        ("db1", "role", "db"),
        ("web1", "env", "prod"),
        ("web2", "env", ""),
        ("db1", "profile", "MySQL"),
        ("db1", "state", "prod"),
        ("db1", "type", "primary"),
    ] {
        tag(&ec2, host, key, value);
    }
    ec2.region(|region| region.instances[2].ipv6 = Some("2600:1f18:1:200::a".to_string()));
    let sandbox = ec2.sandbox();
    (ec2, sandbox)
}

fn tag(ec2: &Ec2Server, host: &str, key: &str, value: &str) {
    ec2.region(|region| {
        let instances = region.instances.iter_mut().filter(|one| one.tags.get("Name").is_some_and(|name| name == host));
        instances.for_each(|one| _ = one.tags.insert(key.to_string(), value.to_string()));
    });
}

/// The names that a run lists; `-` is an instance without a name.
fn names(sandbox: &Sandbox, args: &[&str]) -> String {
    let run = sandbox.run("ec2-ls", &[&["-1"], args].concat(), "");
    assert!(run.code <= 1, "{args:?}: {}", run.stderr);
    let names = run.stdout.lines().map(|name| if name.starts_with("i-") { "-" } else { name });
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn filters_find_the_same_instances_with_and_without_ec2() {
    let (ec2, sandbox) = fleet();
    sandbox.sh("ec2-ls --state all > saved.jsonl").exits(0);
    let (private, public) =
        ec2.region(|region| (region.instances[0].private_ip.clone(), region.instances[0].public_ip.clone().unwrap()));
    let network = private.rsplit_once('.').unwrap().0.to_string() + ".0/24";
    for (args, expected) in [
        (&["role=web"][..], "web1 web2"),
        (&["role=w*"], "web1 web2"),
        (&["role=Web"], ""),
        (&["role!=web"], "db1 -"),
        (&["role!=web", "role!=db"], "-"),
        (&["role=web", "role=db"], "db1 web1 web2"),
        (&["role=w*", "role~^d"], "db1 web1 web2"),
        (&["role=web", "env=prod"], "web1"),
        (&["role=web", "env!=prod"], "web2"),
        (&["role~^(web|db)$"], "db1 web1 web2"),
        (&["role~(?i)^WEB"], "web1 web2"),
        (&["role!~^w"], "db1 -"),
        (&["env="], "db1 web2 -"),
        (&["env=", "env=prod"], "db1 web1 web2 -"),
        (&["env!="], "web1"),
        (&["--has", "env"], "web1 web2"),
        (&["--has", "env,role", "--has", "r*"], "web1 web2"),
        (&["tag:role=db"], "db1"),
        (&["state=prod"], "db1"),
        (&["--state", "running"], "db1 web1 web2 -"),
        (&["--state", "stop*"], ""),
        (&["--type", "t3.*"], "web1 web2"),
        (&["--type", "t3.micro,m5.l*"], "db1 web1 web2"),
        (&["--zone", "us-east-1b"], "db1"),
        (&["--zone", "us-east-1b,us-east-1c"], "db1 -"),
        (&["--vpc", "vpc-*d"], "db1 web1 web2 -"),
        (&["--subnet", "subnet-0000000000000002d"], "db1"),
        (&["--ami", "ami-0000000000000000b"], "db1 web1 web2 -"),
        (&["--profile", "My*"], "db1"),
        (&["--group", "web"], "web1 web2"),
        (&["--group", "sg-0000000000000002d,web"], "db1 web1 web2"),
        (&["sg-0000000000000002d"], "db1"),
        (&["sg-0000000000000002d", "sg-0000000000000003d"], "db1 web1 web2"),
        (&["sg-0000000000000002d", "vpc-0000000000000000a"], ""),
        (&["--ip", &private], "web1"),
        (&["--ip", &public], "web1"),
        (&["--ip", &network], "web1 web2"),
        (&["--ip", "127.20.*,2600:1f18:1::/48"], "db1 web1 web2"),
        (&["--ip", "2600:1F18:1:200:0::A"], "db1"),
        (&[&private, "2600:1f18:1:200::a"], "db1 web1"),
        (&[&network, "db*"], "db1 web1 web2"),
        (&["127.20.*"], "web1 web2"),
        (&["--launched-after", "1h"], "db1 web1 web2 -"),
        (&["--launched-before", "1h"], ""),
        (&["--launched-after", "2020-01-01", "--launched-before", "1h"], ""),
        (&["--filter", "Name=tag:role,Values=web,db", "Name=instance-type,Values=t3.*"], "web1 web2"),
        (&["--filter", "Name=instance-type,Values=m5.*", "role=db"], "db1"),
        (&["--filters", "Name=tag:role,Values=web", "role=db"], ""),
        (&["--filter", "Name=instance-state-name,Values=terminated"], ""),
        (&["role=db", "Name=web*", "web*"], ""),
        (&["Name=web*", "web1"], "web1"),
    ] {
        let sorted = |names: String| {
            let mut names: Vec<String> = names.split(' ').map(str::to_string).collect();
            names.sort_by_key(|name| (name == "-", name.clone()));
            names.join(" ")
        };
        assert_eq!(sorted(names(&sandbox, args)), expected, "{args:?}");
        let local = [args, &["--last", "saved.jsonl"]].concat();
        assert_eq!(sorted(names(&sandbox, &local)), expected, "{local:?}");
    }
}

/// Numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn text(&mut self, letters: &str, most: u64) -> String {
        let letters: Vec<char> = letters.chars().collect();
        (0..self.below(most + 1)).map(|_| letters[self.below(letters.len() as u64) as usize]).collect()
    }

    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

#[test]
fn matcher_agrees_with_ec2_on_any_pattern() {
    let ec2 = Ec2Server::start(Options::default());
    let mut random = Random(13);
    for number in 0..60 {
        let host = format!("h{number}");
        ec2.launch([host.as_str()], &[]);
        tag(&ec2, &host, "v", &random.text(r"aAb*?\é日", 5));
    }
    let sandbox = ec2.sandbox();
    sandbox.sh("ec2-ls > saved.jsonl").exits(0);
    for _ in 0..40 {
        let word = format!("v={}", random.text(r"aAb*?**\é日", 6));
        let by_ec2 = names(&sandbox, &[&word]);
        assert_eq!(by_ec2, names(&sandbox, &["--last", "saved.jsonl", &word]), "{word}");
    }
}

#[test]
fn filter_values_can_be_any_text() {
    let ec2 = Ec2Server::start(Options::default());
    let values =
        ["a\tb", "a\nb", "\"quoted\"", "it's", "日本語", "\u{1b}[31mred\u{1b}[0m", "a,b", "a=b", "~", r"a\b", "a*b?"];
    for (number, value) in values.iter().enumerate() {
        let host = format!("h{number}");
        ec2.launch([host.as_str()], &[]);
        tag(&ec2, &host, "odd key=\t日", value);
    }
    let sandbox = ec2.sandbox();
    for (number, value) in values.iter().enumerate() {
        let escaped = value.replace('\\', r"\\").replace('*', r"\*").replace('?', r"\?");
        let word = format!("\"odd key=\\t日\"={escaped}");
        assert_eq!(names(&sandbox, &[&word]), format!("h{number}"), "{word:?}");
    }
    // Escape sequences of a word are not written to stderr.
    let run = sandbox.run("ec2-ls", &["role=\u{1b}[31mred,x"], "").exits(0);
    assert!(!run.stderr.contains('\u{1b}'), "{}", run.stderr);
}

#[test]
fn impossible_filters_are_refused_with_a_hint() {
    let sandbox = Ec2Server::start(Options::default()).sandbox();
    for (args, message) in [
        (
            &["instance-type=t3.*"][..],
            "'instance-type=t3.*': instance-type is a fact of EC2, not a tag\nec2-ls: write --type 't3.*'; for a tag of that name, 'tag:instance-type=t3.*'\n",
        ),
        (&["private_ip=10.*"], "'private_ip=10.*': private_ip is a fact of EC2, not a tag\n"),
        (&["=x"], "=x: a tag has no key\n"),
        (&["role=web", "role!=web"], "no instance is both role=web and 'role!=web'\n"),
        (&["role~("], "'role~(': not a regular expression: unclosed group\n"),
        (&["web[1-3]*"], "web[1-3]*: a pattern has * and ?, but not [...]\n"),
        (&["--ip", "10.1.2"], "--ip 10.1.2: not an address\n"),
        (&["--ip", "10.1.2.0/33"], "--ip 10.1.2.0/33: not a network\n"),
        (&["--launched-after", "2d", "--launched-before", "7d"], "--launched-after is not earlier than"),
        (&["--launched-after", "2999-01-01"], "--launched-after: the time is in the future\n"),
        (&["--launched-before", "tuesday"], "--launched-before tuesday: not a time\n"),
        (&["--filter", "Name=x"], "--filter Name=x: it has no Values"),
        (&["--filter", "role=web"], "--filter role=web: it has a Name and Values, and nothing else\n"),
        (&["--zone", "us-east-1"], "--zone us-east-1: not the name of a zone\n"),
        (
            &["--zone", "eu-west-1a", "-r", "us-east-1"],
            "--zone eu-west-1a is in eu-west-1, not in --region us-east-1\n",
        ),
        (&["--state", "prod"], "invalid value 'prod' for '--state <STATE>': the states are pending, running,"),
        (&["--last", "nosuch.jsonl"], "cannot read nosuch.jsonl: No such file"),
    ] {
        let run = sandbox.run("ec2-ls", args, "").exits(2);
        assert!(run.stderr.starts_with(&format!("ec2-ls: {message}")), "{args:?}: {}", run.stderr);
    }
    // EC2 refuses a filter that it does not have.
    let run = sandbox.run("ec2-ls", &["--filter", "Name=nosuch,Values=x"], "").exits(2);
    assert!(run.stderr.contains("InvalidParameterValue: The filter 'nosuch' is invalid"), "{}", run.stderr);
}

#[test]
fn filters_that_match_nothing_suggest_another_meaning() {
    let (_ec2, sandbox) = fleet();
    for (word, advice) in [
        ("state=running", "state=running looks for a tag; --state running looks for the fact of EC2"),
        ("region=us-east-1", "region=us-east-1 looks for a tag; --region us-east-1 looks for the fact of EC2"),
        ("role=web,db", "role=web,db looks for that one value; role=web role=db looks for any of these"),
        ("name=web*", "'name=web*' looks for a tag of that name; 'web*' looks for the host"),
    ] {
        let run = sandbox.run("ec2-ls", &[word], "").exits(0);
        assert_eq!(run.stderr, format!("ec2-ls: no instance matches in us-east-1\nec2-ls: {advice}\n"));
        sandbox.run("ec2-ls", &["--fail-empty", word], "").exits(1);
    }
}

#[test]
fn zone_selects_the_region() {
    let (_ec2, mut sandbox) = fleet();
    sandbox.env("AWS_REGION", "eu-west-1");
    assert_eq!(names(&sandbox, &["--zone", "us-east-1b"]), "db1");
    assert_eq!(names(&sandbox, &["--zone", "us-*"]), "");
}

#[test]
fn records_of_stdin_keep_their_keys_and_order() {
    let (ec2, sandbox) = fleet();
    let id = |at: usize| ec2.region(|region| region.instances[at].id.clone());
    let record =
        |host: &str, id: &str| format!("{{\"mine\":\"{host}\",\"host\":\"{host}\",\"instance_id\":\"{id}\"}}\n");
    let stdin =
        record("w2", &id(1)) + "db1\n" + &record("gone", "i-00000000000000fff") + &record("w1", &id(0)) + &id(0) + "\n";
    let run = sandbox.run("ec2-ls", &["-"], &stdin).exits(1);
    let hosts: Vec<_> = run.records().iter().map(|record| (record["host"].clone(), record["mine"].clone())).collect();
    let null = serde_json::Value::Null;
    assert_eq!(hosts, [("web2".into(), "w2".into()), ("db1".into(), null), ("web1".into(), "w1".into())]);
    assert!(run.stdout.starts_with("{\"mine\":\"w2\",\"host\":\"web2\",\"instance_id\":"), "{}", run.stdout);
    assert_eq!(run.stderr, "ec2-ls: not found in us-east-1: gone (instance i-00000000000000fff)\n");
    // Filters apply to them.
    let run = sandbox.run("ec2-ls", &["-1", "-", "role=db"], &stdin).exits(1);
    assert_eq!(run.stdout, "db1\n");
}

#[test]
fn two_hosts_with_one_name_are_both_listed_and_a_host_named_twice_once() {
    let (ec2, sandbox) = fleet();
    ec2.launch(["web1"], &[]);
    assert_eq!(names(&sandbox, &["web1"]), "web1 web1");
    let id = ec2.region(|region| region.instances[0].id.clone());
    assert_eq!(names(&sandbox, &["web1", &id, "web*", "db1"]), "db1 web1 web1 web2");
    assert_eq!(sandbox.run("ec2-ls", &["web1", "web9"], "").exits(1).stderr, "ec2-ls: not found in us-east-1: web9\n");
}

#[test]
fn hosts_are_found_by_their_addresses() {
    let (ec2, sandbox) = fleet();
    let address = ec2.region(|region| region.instances[1].private_ip.clone());
    let run = sandbox.run("ec2-ls", &["-1", "-"], format!("db1\n{address}\n127.0.0.99\n")).exits(1);
    assert_eq!(
        (run.stdout.as_str(), run.stderr.as_str()),
        ("db1\nweb2\n", "ec2-ls: not found in us-east-1: 127.0.0.99\n")
    );
}
