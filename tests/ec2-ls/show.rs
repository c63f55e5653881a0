//! What `ec2-ls` shows: columns and formats, on a terminal and in a pipe; status, volumes, addresses and consoles.

use kit::ec2_server::{Ec2Server, Event, Fault, Health, Options, Rule};
use kit::{Outcome, Sandbox};
use serde_json::{Value, json};
use std::time::SystemTime;

/// A server with these hosts, and a sandbox that uses it.
pub fn hosts(names: impl IntoIterator<Item = impl Into<String>>) -> (Ec2Server, Sandbox) {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(names, &[("InstanceType", "t3.micro")]);
    let sandbox = ec2.sandbox();
    (ec2, sandbox)
}

/// Runs a shell line on a terminal of this width; its output is stdout.
fn on_terminal(sandbox: &Sandbox, columns: usize, line: &str) -> Outcome {
    on_terminal_of(sandbox, (columns, 24), line)
}

/// Runs a shell line on a terminal of so many columns and rows; its output is stdout.
pub fn on_terminal_of(sandbox: &Sandbox, (columns, rows): (usize, usize), line: &str) -> Outcome {
    let line = format!("stty cols {columns} rows {rows}; {line}").replace('\'', "'\\''");
    let mut run = sandbox.sh(&format!("TERM=xterm script -qec '{line}' /dev/null < /dev/null"));
    run.stdout = run.stdout.replace("\r\n", "\n");
    run
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn table_fits_80_columns_and_leaves_out_empty_columns() {
    let (ec2, sandbox) = hosts(["web1", "web2", "web3"]);
    let run = on_terminal(&sandbox, 80, "NO_COLOR=1 ec2-ls").exits(0);
    let shown = lines(&run.stdout);
    assert_eq!(shown.len(), 4, "{}", run.stdout);
    assert!(shown.iter().all(|line| line.chars().count() <= 80), "{}", run.stdout);
    assert!(
        shown[0].starts_with("HOST  INSTANCE             STATE    TYPE      ZONE        PRIVATE IP"),
        "{}",
        run.stdout
    );
    // The status of healthy instances is neither requested one by one nor shown.
    assert!(!run.stdout.contains("NOTE"), "{}", run.stdout);
    let wide = on_terminal(&sandbox, 200, "NO_COLOR=1 ec2-ls -o table | cat").exits(0);
    assert!(wide.stdout.contains("PUBLIC IP"), "a pipe has every column: {}", wide.stdout);
    let narrow = on_terminal(&sandbox, 30, "NO_COLOR=1 ec2-ls").exits(0);
    assert!(lines(&narrow.stdout).iter().all(|line| line.chars().count() <= 30), "{}", narrow.stdout);
    assert_eq!(lines(&narrow.stdout).len(), 4, "{}", narrow.stdout);
    let piped = sandbox.sh("COLUMNS=60 ec2-ls -o table").exits(0);
    assert!(lines(&piped.stdout).iter().all(|line| line.chars().count() <= 60), "{}", piped.stdout);
    assert!(ec2.count("DescribeInstanceStatus") > 0);
}

#[test]
fn states_are_coloured_on_a_terminal_unless_disabled() {
    let (_ec2, sandbox) = hosts(["web1"]);
    let is_coloured = |line: &str| on_terminal(&sandbox, 80, line).exits(0).stdout.contains("\x1b[32mrunning\x1b[0m");
    assert!(is_coloured("ec2-ls"));
    assert!(!is_coloured("NO_COLOR=1 ec2-ls"));
    assert!(!is_coloured("CLICOLOR=0 ec2-ls"));
    assert!(!is_coloured("ec2-ls --color never"));
    assert!(!is_coloured("ec2-ls -o table | cat"));
    assert!(is_coloured("ec2-ls -o table --color always | cat"));
}

#[test]
fn columns_and_sort_work_in_every_format() {
    let (ec2, sandbox) = hosts(["web1", "web2", "web10"]);
    ec2.region(|region| {
        for one in &mut region.instances {
            let weights = [("web1", "9.5"), ("web2", "10"), ("web10", "x")];
            let weight = weights.iter().find(|(name, _)| one.tags["Name"] == *name).expect("one of the hosts").1;
            one.tags.insert("weight".to_string(), weight.to_string());
        }
    });
    let out = |args: &[&str]| sandbox.run("ec2-ls", args, "").exits(0).stdout;
    assert_eq!(
        out(&["--columns", "host,tags.weight,state"]),
        "HOST   TAGS.WEIGHT  STATE\nweb1   9.5          running\nweb2   10           running\nweb10  x            running\n"
    );
    assert_eq!(
        out(&["-o", "csv", "--columns", "host,tags.weight", "--sort", "-tags.weight"]),
        "host,tags.weight\nweb10,x\nweb2,10\nweb1,9.5\n"
    );
    assert_eq!(
        out(&["-o", "tsv", "--no-header", "--columns", "host,security_groups,public_ip"])
            .lines()
            .next()
            .unwrap()
            .matches('\t')
            .count(),
        2
    );
    assert_eq!(out(&["-1", "--sort", "-host"]), "web10\nweb2\nweb1\n");
    let sorted = sandbox.run("ec2-ls", &["-o", "json", "--sort", "tags.weight,-host"], "").exits(0).records();
    assert_eq!(
        sorted.iter().map(|record| record["host"].as_str().unwrap()).collect::<Vec<_>>(),
        ["web1", "web2", "web10"]
    );
    let age = out(&["--columns", "age", "--no-header"]);
    assert!(age.lines().all(|age| age.ends_with('s') || age.ends_with('m')), "{age}");
    assert_eq!(sandbox.sh("CERVEZA_COLUMNS=host,zone ec2-ls -o table web1 | head -1").exits(0).stdout, "HOST  ZONE\n");
    assert_eq!(sandbox.sh("CERVEZA_COLUMNS=host,zone ec2-ls web1 | jq -r .state").exits(0).stdout, "running\n");
    let run = sandbox.run("ec2-ls", &["--columns", "host,weight,stat"], "").exits(0);
    assert_eq!(
        run.stderr,
        "ec2-ls: no record has the key weight; did you mean tags.weight?\nec2-ls: no record has the key stat; did you mean state?\n"
    );
}

#[test]
fn selected_columns_are_never_cut() {
    let (_ec2, sandbox) = hosts(["a-rather-long-name-of-a-host"]);
    let columns = "host,instance_id,vpc_id,subnet_id,zone,private_ip";
    for line in [format!("ec2-ls --columns {columns}"), format!("CERVEZA_COLUMNS={columns} ec2-ls")] {
        let run = on_terminal(&sandbox, 40, &format!("NO_COLOR=1 {line}")).exits(0);
        assert!(!run.stdout.contains('…') && run.stdout.contains("a-rather-long-name-of-a-host  i-"), "{}", run.stdout);
        assert_eq!(lines(&run.stdout).len(), 2, "{}", run.stdout);
    }
}

#[test]
fn instance_without_a_name_shows_its_id_once_and_uncut() {
    let (ec2, sandbox) = hosts(["web1", "nameless"]);
    ec2.region(|region| region.instances[1].tags.clear());
    let id = ec2.region(|region| region.instances[1].id.clone());
    let run = on_terminal(&sandbox, 80, "NO_COLOR=1 ec2-ls").exits(0);
    assert!(lines(&run.stdout)[1].starts_with(&format!("{id}  -  ")), "{}", run.stdout);
    assert_eq!(run.stdout.matches(&id).count(), 1, "{}", run.stdout);
    let run = on_terminal(&sandbox, 60, &format!("NO_COLOR=1 ec2-ls {id}")).exits(0);
    assert!(lines(&run.stdout)[0].starts_with("HOST                 STATE"), "{}", run.stdout);
    let csv = sandbox.run("ec2-ls", &["-o", "csv", &id], "").exits(0).stdout;
    assert!(csv.lines().nth(1).unwrap().starts_with(&format!("{id},{id},")), "{csv}");
}

#[test]
fn column_that_needs_an_option_names_the_option() {
    let (_ec2, sandbox) = hosts(["web1"]);
    let columns = "host,volumes.size_gib,status_checks,scheduled_events.code,user_data,volumes.volume_id";
    let run = sandbox.run("ec2-ls", &["--columns", columns], "").exits(0);
    let expected = "ec2-ls: no record has the key volumes.size_gib; --volume-sizes adds it\n\
                    ec2-ls: no record has the key status_checks; --status adds it\n\
                    ec2-ls: no record has the key scheduled_events.code; --status adds it\n\
                    ec2-ls: no record has the key user_data; --user-data adds it\n";
    assert_eq!(run.stderr, expected);
    let run = sandbox.run("ec2-ls", &["--columns", "volumes.size_gib", "--volume-sizes"], "").exits(0);
    assert_eq!(run.stderr, "");
}

/// Text that AWS allows in a tag.
const HOSTILE: &str = "a\tb\n\"c\",\u{9b}2J\u{202e}日本\\";

#[test]
fn hostile_tag_stays_in_its_cell_in_every_format() {
    let (ec2, sandbox) = hosts(["web1"]);
    ec2.region(|region| region.instances[0].tags.insert("x".to_string(), HOSTILE.to_string()));
    let out = |args: &[&str]| sandbox.run("ec2-ls", args, "").exits(0).stdout;
    let columns = ["--columns", "tags.x,host", "--no-header", "-o"];
    assert_eq!(out(&[&columns[..], &["table"]].concat()), "a\\tb\\n\"c\",\\u{9b}2J\\u{202e}日本\\  web1\n");
    assert_eq!(out(&[&columns[..], &["tsv"]].concat()), "a\\tb\\n\"c\",\u{9b}2J\u{202e}日本\\\\\tweb1\n");
    let csv = out(&[&columns[..], &["csv"]].concat());
    assert_eq!(csv, "\"a\tb\n\"\"c\"\",\u{9b}2J\u{202e}日本\\\",web1\n");
    assert_eq!(sandbox.run("ec2-ls", &[], "").exits(0).records()[0]["tags"]["x"], HOSTILE);
    for format in ["table", "tsv", "csv", "json"] {
        let run = on_terminal(&sandbox, 100, &format!("NO_COLOR=1 ec2-ls --columns tags.x,host -o {format}")).exits(0);
        assert!(!run.stdout.contains(['\u{9b}', '\u{202e}']), "{format}: {:?}", run.stdout);
    }
}

#[test]
fn csv_reads_back_unchanged() {
    let (ec2, sandbox) = hosts(["web1"]);
    ec2.region(|region| region.instances[0].tags.insert("x".to_string(), HOSTILE.to_string()));
    let read = "import csv,json,sys; print(json.dumps(list(csv.reader(sys.stdin))))";
    let run = sandbox.sh(&format!("ec2-ls -o csv --columns host,tags.x,volumes | python3 -c '{read}'")).exits(0);
    let rows: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(rows[0], json!(["host", "tags.x", "volumes"]));
    assert_eq!((&rows[1][0], &rows[1][1]), (&json!("web1"), &json!(HOSTILE)));
    let volumes: Value = serde_json::from_str(rows[1][2].as_str().unwrap()).unwrap();
    assert!(volumes[0]["volume_id"].as_str().unwrap().starts_with("vol-"));
}

const RETIREMENT: Event = Event {
    code: "instance-retirement",
    description: "The instance is running on degraded hardware",
    not_before: "2026-12-03T10:00:00.000Z",
};

/// web1 has failed a check, web2 is to be retired, web3 is well, and web4 is well again.
fn unwell() -> (Ec2Server, Sandbox) {
    let (ec2, sandbox) = hosts(["web1", "web2", "web3", "web4"]);
    let past = Event { description: "[Completed] it was moved", ..RETIREMENT };
    ec2.region(|region| {
        region.health.insert("web1".to_string(), Health { instance: "impaired", ..Health::default() });
        region.health.insert("web2".to_string(), Health { events: vec![RETIREMENT], ..Health::default() });
        region.health.insert("web4".to_string(), Health { events: vec![past], ..Health::default() });
    });
    (ec2, sandbox)
}

#[test]
fn table_shows_notes_by_default() {
    let (ec2, sandbox) = unwell();
    sandbox.run("ec2-power", &["stop", "--wait", "web3"], "").exits(0);
    ec2.region(|region| {
        let why = ("Server.SpotInstanceTermination", "Server.SpotInstanceTermination: Spot instance termination");
        region.state_reasons.insert("web3".to_string(), why);
    });
    let run = on_terminal(&sandbox, 200, "NO_COLOR=1 ec2-ls").exits(0);
    let notes: Vec<&str> = lines(&run.stdout).iter().map(|line| line.rsplit("  ").next().unwrap()).collect();
    assert_eq!(notes[..3], ["NOTE", "status check failed", "retires 2026-12-03"], "{}", run.stdout);
    assert_eq!(notes[3..], ["Server.SpotInstanceTermination: Spot instance termination", "-"], "{}", run.stdout);
    // At 80 columns too.
    let run = on_terminal(&sandbox, 80, "NO_COLOR=1 ec2-ls").exits(0);
    assert!(run.stdout.contains("status check failed") && run.stdout.contains("retires 2026-12-03"), "{}", run.stdout);
    // Other formats have only the keys that were requested.
    let records = sandbox.run("ec2-ls", &[], "").exits(0).records();
    assert_eq!(records[0].get("status_checks"), None);
}

#[test]
fn listing_works_without_the_status_for_notes() {
    let (ec2, sandbox) = unwell();
    ec2.fault(Rule::on("DescribeInstanceStatus", Fault::unauthorized()).always());
    let run = on_terminal(&sandbox, 80, "NO_COLOR=1 ec2-ls").exits(0);
    assert_eq!(lines(&run.stdout).len(), 5, "{}", run.stdout);
    ec2.drop_faults();
    ec2.fault(Rule::on("DescribeInstanceStatus", Fault::SilenceBefore).always());
    let run = on_terminal(&sandbox, 80, "NO_COLOR=1 ec2-ls").exits(0);
    assert_eq!(lines(&run.stdout).len(), 5, "{}", run.stdout);
}

#[test]
fn status_is_in_each_record() {
    let (ec2, sandbox) = unwell();
    sandbox.run("ec2-power", &["stop", "--wait", "web3"], "").exits(0);
    let records = sandbox.run("ec2-ls", &["--status"], "").exits(0).records();
    let checks: Vec<&Value> = records.iter().map(|record| &record["status_checks"]).collect();
    assert_eq!(checks, ["impaired", "ok", "not-applicable", "ok"]);
    assert_eq!(records[0]["scheduled_events"], json!([]));
    assert_eq!(records[3]["scheduled_events"], json!([]));
    assert_eq!(records[1]["scheduled_events"][0]["code"], "instance-retirement");
    assert_eq!(records[1]["scheduled_events"][0]["not_before"], "2026-12-03T10:00:00Z");
    let table = sandbox.run("ec2-ls", &["--status", "-o", "table"], "").exits(0).stdout;
    assert!(table.lines().nth(1).unwrap().contains("  impaired  "), "{table}");

    ec2.fault(Rule::on("DescribeInstanceStatus", Fault::unauthorized()).always());
    let run = sandbox.run("ec2-ls", &["--status"], "").exits(3);
    assert_eq!(run.records().len(), 4);
    assert!(run.stderr.contains("ec2:DescribeInstanceStatus"), "{}", run.stderr);
}

#[test]
fn status_of_many_hosts_is_requested_within_the_limits_of_a_call() {
    let (ec2, sandbox) = hosts((1..=130).map(|number| format!("n{number}")));
    let records = sandbox.run("ec2-ls", &["--status"], "").exits(0).records();
    assert_eq!(records.iter().filter(|record| record["status_checks"] == "ok").count(), 130);
    assert_eq!(ec2.count("DescribeInstanceStatus"), 2);
}

#[test]
fn volumes_are_records_with_host_and_device() {
    let (ec2, sandbox) = hosts(["web1", "web2"]);
    let zone = ec2.region(|region| region.instances[0].place.zone.clone());
    let free = ec2.region(|region| {
        let mut volume = region.volumes[0].clone();
        (volume.id, volume.attachment, volume.size) = ("vol-0000000000000ffff".to_string(), None, 500);
        region.volumes.push(volume);
        "vol-0000000000000ffff"
    });
    let records = sandbox.run("ec2-ls", &["--volumes"], "").exits(0).records();
    assert_eq!(
        records.iter().map(|record| record["host"].as_str().unwrap()).collect::<Vec<_>>(),
        [free, "web1", "web2"]
    );
    let (unused, used) = (&records[0], &records[1]);
    assert_eq!(
        (&unused["instance_id"], &unused["state"], &unused["size_gib"]),
        (&json!(null), &json!("available"), &json!(500))
    );
    assert!(used["device"].as_str().unwrap().starts_with("/dev/"), "{used}");
    assert_eq!(
        (&used["zone"], &used["state"], &used["attachment"]),
        (&json!(zone), &json!("in-use"), &json!("attached"))
    );
    assert!(used["size_gib"].is_i64() && used["volume_type"].is_string() && used["encrypted"].is_boolean(), "{used}");
    // With a filter, only volumes of matching instances are listed.
    let records = sandbox.run("ec2-ls", &["--volumes", "web2"], "").exits(0).records();
    assert_eq!(records.iter().map(|record| record["host"].as_str().unwrap()).collect::<Vec<_>>(), ["web2"]);
    let table = sandbox.run("ec2-ls", &["--volumes", "-o", "table"], "").exits(0).stdout;
    assert!(table.starts_with("HOST                   VOLUME "), "{table}");
    assert!(table.lines().nth(1).unwrap().starts_with("vol-0000000000000ffff  vol-0000000000000ffff  -"), "{table}");
    let names = |args: &[&str]| sandbox.run("ec2-ls", &[&["--volumes", "-1"], args].concat(), "").exits(0).stdout;
    assert_eq!((names(&["-s", "available"]), names(&["-s", "in-use"])), (format!("{free}\n"), "web1\nweb2\n".into()));
    let run = sandbox.run("ec2-ls", &["--state", "available"], "").exits(2);
    let why = "ec2-ls: --state available: a state of volumes, not of instances\nec2-ls: --volumes lists volumes\n";
    assert_eq!(run.stderr, why);
    // Other tools read these records as the hosts that use the volumes.
    assert_eq!(sandbox.sh("ec2-ls --volumes web1 | ec2-ls -1 -").exits(0).stdout, "web1\n");
}

#[test]
fn volume_sizes_are_added_to_the_volumes_of_each_host() {
    let (_ec2, sandbox) = hosts(["web1", "web2"]);
    let records = sandbox.run("ec2-ls", &["--volume-sizes"], "").exits(0).records();
    assert!(records.iter().all(|record| record["volumes"][0]["size_gib"].is_i64()), "{records:?}");
    let sizes =
        sandbox.run("ec2-ls", &["--volume-sizes", "--columns", "host,volumes.size_gib", "--no-header"], "").exits(0);
    assert_eq!(sizes.stdout.lines().next().unwrap(), format!("web1  {}", records[0]["volumes"][0]["size_gib"]));
}

#[test]
fn addresses_are_records_with_their_host() {
    let (ec2, sandbox) = hosts(["web1"]);
    ec2.region(|region| {
        let instance = region.instances[0].id.clone();
        let address = |id: &str, ip: &str, association: Option<(String, String)>| kit::ec2_server::Address {
            id: id.to_string(),
            ip: ip.to_string(),
            tags: [("Name".to_string(), "x".to_string())].into(),
            association,
        };
        region.addresses.push(address("eipalloc-1", "127.200.0.1", Some(("eipassoc-1".to_string(), instance))));
        region.addresses.push(address("eipalloc-2", "127.200.0.2", None));
    });
    let records = sandbox.run("ec2-ls", &["--addresses"], "").exits(0).records();
    let hosts: Vec<&str> = records.iter().map(|record| record["host"].as_str().unwrap()).collect();
    assert_eq!(hosts, ["127.200.0.2", "web1"]);
    assert_eq!((&records[1]["public_ip"], &records[1]["allocation_id"]), (&json!("127.200.0.1"), &json!("eipalloc-1")));
    assert_eq!(records[0]["instance_id"], json!(null));
    let table = sandbox.run("ec2-ls", &["--addresses", "-o", "table"], "").exits(0).stdout;
    assert!(table.lines().nth(1).unwrap().starts_with("127.200.0.2  127.200.0.2  eipalloc-2"), "{table}");
    let run = sandbox.run("ec2-ls", &["--addresses", "--columns", "host,age"], "").exits(0);
    assert_eq!(run.stderr, "ec2-ls: no record has the key age\n");
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

#[test]
fn consoles_and_the_host_keys_on_them_are_read() {
    let (ec2, sandbox) = hosts(["web1", "web2"]);
    let text = format!(
        "[  \x1b[32mOK\x1b[0m  ] up\r\n-----BEGIN SSH HOST KEY KEYS-----\r\n{KEY} root@web1\r\n-----END SSH HOST KEY KEYS-----\r\n\x07"
    );
    ec2.region(|region| region.consoles.insert("web1".to_string(), (text.clone(), SystemTime::now())));
    let records = sandbox.run("ec2-ls", &["--console"], "").exits(0).records();
    assert_eq!((&records[0]["console"], &records[1]["console"]), (&json!(text), &json!(null)));
    let shown = sandbox.run("ec2-ls", &["--console", "-o", "table"], "").exits(0).stdout;
    assert!(shown.starts_with("==> web1 <==\n[  OK  ] up\n-----BEGIN"), "{shown}");
    assert!(shown.ends_with("\\u{7}\n\n==> web2 <==\n\n"), "{shown:?}");

    let run = sandbox.run("ec2-ls", &["--host-keys"], "").exits(3);
    assert_eq!(run.records()[0]["host_keys"], json!([KEY]));
    assert_eq!(run.records()[1]["error"], "the console shows no host keys");
    assert!(
        run.stderr.starts_with("ec2-ls: web2: the console shows no host keys\nec2-ls: cloud-init prints"),
        "{}",
        run.stderr
    );
}
