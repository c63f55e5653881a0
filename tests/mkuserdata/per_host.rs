//! `--per-host`: records in, records out, each with its user-data.

use crate::{Dice, build, judge_one, named, unpacked};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kit::cloud_init::{self, Verdict};
use kit::{Outcome, Sandbox};
use std::time::{Duration, Instant};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("base.txt", "#cloud-config\npackages: [ntp]\n");
    sandbox.file("hostname.sh.j2", "#!/bin/sh\nhostname {{ host }}.{{ tags.role }}.example.com\n");
    sandbox
}

fn user_data(record: &serde_json::Value) -> Vec<u8> {
    BASE64_STANDARD.decode(record["user_data"].as_str().expect("user_data")).expect("base64")
}

/// The result of cloud-init for the user-data of each record.
pub fn judged(run: &Outcome) -> Vec<Verdict> {
    cloud_init::judge(&run.records().iter().map(user_data).collect::<Vec<_>>())
}

#[test]
fn a_template_is_rendered_from_each_record_and_the_rest_is_kept() {
    let input = "{\"z\":1.0,\"host\":\"web1\",\"tags\":{\"role\":\"<é>\"},\"unknown\":[1e3]}\n\
                 # a comment\n\
                 {\"host\":\"db1\",\"user_data\":\"old\",\"tags\":{\"role\":\"db\"}}";
    let run = sandbox().run("mkuserdata", &["--per-host", "base.txt", "hostname.sh.j2"], input).exits(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    let start = "{\"z\":1.0,\"host\":\"web1\",\"tags\":{\"role\":\"<é>\"},\"unknown\":[1e3],\"user_data\":\"";
    assert!(lines[0].starts_with(start), "{}", lines[0]);
    assert!(lines[1].starts_with("{\"host\":\"db1\",\"user_data\":\"H4sI"), "{}", lines[1]);
    assert_eq!((lines.len(), run.stderr.as_str()), (2, ""));
    for (verdict, expected) in judged(&run).iter().zip(["web1.<é>", "db1.db"]) {
        let part = &verdict.parts[1];
        assert_eq!((part.filename.as_str(), part.declared.as_str()), ("hostname.sh", "text/x-shellscript"));
        assert_eq!(String::from_utf8_lossy(&part.content), format!("#!/bin/sh\nhostname {expected}.example.com\n"));
    }
}

#[test]
fn names_become_records_and_parts_without_templates_match_a_single_build() {
    let sandbox = sandbox();
    let run = sandbox.sh("hostrange 'web[1-3]' | mkuserdata --per-host base.txt").exits(0);
    let records = run.records();
    assert_eq!(records.len(), 3);
    assert_eq!(records[2]["host"], "web3");
    let alone = build(&sandbox, &["base.txt"]);
    assert!(records.iter().all(|record| user_data(record) == alone));
    let run = sandbox.sh("hostrange 'web[1-2]' | mkuserdata --per-host base.txt -o table").exits(0);
    assert_eq!(run.stdout, format!("HOST  BYTES\nweb1  {0}\nweb2  {0}\n", alone.len()));
    let run = sandbox.sh("hostrange 'web[1-2]' | mkuserdata --per-host base.txt -1").exits(0);
    assert_eq!(run.stdout, "web1\nweb2\n");
}

#[test]
fn an_error_of_one_host_names_it_and_nothing_is_written() {
    let sandbox = sandbox();
    let parts = ["--per-host", "base.txt", "hostname.sh.j2"];
    let good = "{\"host\":\"web1\",\"tags\":{\"role\":\"web\"}}\n".repeat(6);
    let run = sandbox.run("mkuserdata", &parts, format!("{good}{{\"host\":\"web7\",\"tags\":{{}}}}\nweb8\n")).exits(2);
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr, "mkuserdata: web7: hostname.sh.j2: line 2: tags.role is undefined\n");
    let run = sandbox.run("mkuserdata", &parts, format!("{good}\n{{\"name\":\"web7\"}}\n")).exits(2);
    assert_eq!(
        (run.stdout.as_str(), run.stderr.as_str()),
        ("", "mkuserdata: stdin: line 8: the record has no \"host\"\n")
    );
    let run = sandbox.run("mkuserdata", &parts, "").exits(2);
    assert_eq!(run.stderr, "mkuserdata: no hosts: stdin was empty\n");

    sandbox.file("big.sh.j2", "#!/bin/sh\n{% for n in range(many) %}{{ n * n * n }}{% endfor %}\n");
    let hosts = "{\"host\":\"web1\",\"many\":10}\n{\"host\":\"web2\",\"many\":90000}\n";
    let run = sandbox.run("mkuserdata", &["--per-host", "big.sh.j2"], hosts).exits(2);
    assert!(run.stderr.starts_with("mkuserdata: web2: the user-data has "), "{}", run.stderr);
    assert_eq!(run.stdout, "");
    sandbox.file("kind.j2", "{{ first }}\n");
    let run =
        sandbox.run("mkuserdata", &["--per-host", "kind.j2"], "{\"host\":\"web1\",\"first\":\"hello\"}\n").exits(2);
    assert!(
        run.stderr.starts_with("mkuserdata: web1: kind.j2: cloud-init does not know its first line"),
        "{}",
        run.stderr
    );
}

#[test]
fn invalid_templates_are_reported_before_hosts_are_read() {
    let sandbox = sandbox();
    sandbox.file("bad.sh.j2", "#!/bin/sh\n{{ host\n");
    let run = sandbox.run("mkuserdata", &["--per-host", "bad.sh.j2"], "{bad").exits(2);
    assert!(run.stderr.starts_with("mkuserdata: bad.sh.j2: line 2: "), "{}", run.stderr);
    let run = sandbox.run("mkuserdata", &["--per-host", "-"], "web1").exits(2);
    assert_eq!(run.stderr, "mkuserdata: a part cannot come from stdin ('-') with --per-host: the hosts do\n");
}

#[test]
fn records_can_be_written_to_a_file_too() {
    let sandbox = sandbox();
    let expected = sandbox.run("mkuserdata", &["--per-host", "base.txt"], "web1\nweb2\n").exits(0).stdout;
    let run = sandbox.run("mkuserdata", &["--per-host", "-w", "hosts", "base.txt"], "web1\nweb2\n").exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    assert_eq!(std::fs::read_to_string(sandbox.dir().join("hosts")).unwrap(), expected);
}

#[test]
fn a_jinja_part_is_left_for_cloud_init() {
    let sandbox = sandbox();
    let content = "## template: jinja\n#cloud-config\nx: {{ v1.local_hostname }}\n";
    sandbox.file("x.txt", content);
    let run = sandbox.run("mkuserdata", &["--per-host", "x.txt"], "web1").exits(0);
    let part = judge_one(user_data(&run.records()[0])).parts.remove(0);
    assert_eq!((part.declared.as_str(), &part.content[..]), ("text/jinja2", content.as_bytes()));
}

/// Common parts are compressed once, wherever the template is.
#[test]
fn the_place_of_a_template_does_not_change_the_message() {
    let sandbox = sandbox();
    let noise = |seed| format!("#!/bin/sh\n: {}\n", Dice(seed).noise(2500));
    sandbox.file("a.sh", noise(1));
    sandbox.file("b.sh", noise(2));
    sandbox.file("t.sh.j2", "#!/bin/sh\n: {{ host }} {{ host * 40 }}\n");
    sandbox.file("t.cfg.j2", "#cloud-config\nhostname: {{ host }}\n");
    let mut made: Vec<(&[&str], String, Vec<u8>)> = Vec::new();
    for parts in [
        &["t.sh.j2", "base.txt", "a.sh", "b.sh"][..],
        &["base.txt", "a.sh", "t.sh.j2", "b.sh"],
        &["base.txt", "a.sh", "b.sh", "t.sh.j2"],
        &["t.cfg.j2", "a.sh", "b.sh"],
        &["a.sh", "t.cfg.j2", "b.sh"],
        &["a.sh", "b.sh", "t.cfg.j2"],
        &["t.sh.j2"],
        &["t.cfg.j2", "t.sh.j2"],
    ] {
        for options in [&[][..], &["--fast"]] {
            let args = [options, &["--per-host"], parts].concat();
            let run = sandbox.run("mkuserdata", &args, "web1\ndb1\n").exits(0);
            for record in run.records() {
                let set = format!("host={}", record["host"].as_str().unwrap());
                let alone = build(&sandbox, &[options, &["--set", &set], parts].concat());
                assert!(unpacked(&user_data(&record)) == unpacked(&alone), "{set} {args:?}");
            }
            if options.is_empty() {
                made.extend(run.records().iter().map(|record| (parts, record["host"].to_string(), user_data(record))));
            }
        }
    }
    let all: Vec<Vec<u8>> = made.iter().map(|(.., user_data)| user_data.clone()).collect();
    for (verdict, (parts, host, _)) in cloud_init::judge(&all).iter().zip(&made) {
        assert_eq!((&verdict.failed, &verdict.warnings), (&None, &vec![]));
        let given: Vec<_> = parts.iter().filter(|part| part.contains(".sh")).collect();
        let ran = named(&verdict.scripts);
        assert_eq!(ran.len(), given.len());
        for ((name, content), given) in ran.iter().zip(given) {
            assert!(name.ends_with(given.trim_end_matches(".j2")), "{name} {given}");
            assert!(*given != "t.sh.j2" || content.contains(host.trim_matches('"')), "{content}");
        }
        let hostname = verdict.config["hostname"].as_str().map(|name| format!("\"{name}\""));
        assert_eq!(hostname.as_ref(), parts.contains(&"t.cfg.j2").then_some(host));
    }
}

#[test]
fn the_same_hosts_give_the_same_bytes() {
    let sandbox = sandbox();
    sandbox.file("rest.sh", format!("#!/bin/sh\n: {}\n", Dice(1).noise(800)));
    let twice = |args: &[&str], hosts: &str| {
        let run = || sandbox.run("mkuserdata", &[&["--per-host"], args].concat(), hosts).exits(0).stdout;
        let first = run();
        (0..5).all(|_| run() == first)
    };
    sandbox.file("host.sh.j2", "#!/bin/sh\n: {{ host }}\n");
    let hosts: String = (1..=12).map(|n| format!("web{n}\n")).collect();
    assert!(twice(&["base.txt", "rest.sh", "host.sh.j2"], &hosts));
    assert!(twice(&["--fast", "base.txt", "rest.sh", "host.sh.j2"], &hosts));
    // Even if hosts need different boundaries because of their parts.
    let hosts = format!("{}{}", "web\n".repeat(6), "cerveza\n".repeat(6));
    assert!(twice(&["base.txt", "rest.sh", "host.sh.j2"], &hosts), "not the same bytes each time");
}

#[test]
fn a_warning_of_many_hosts_is_said_once() {
    let sandbox = sandbox();
    sandbox.file("kind.j2", "{{ first }}\n");
    let hosts: String = (1..=3).map(|n| format!("{{\"host\":\"web{n}\",\"first\":\"hello\"}}\n")).collect();
    let run = sandbox.run("mkuserdata", &["--per-host", "--force", "kind.j2"], &hosts).exits(0);
    assert_eq!((run.stderr.lines().count(), run.records().len()), (1, 3), "{}", run.stderr);
    assert!(
        run.stderr.starts_with("mkuserdata: web1 and 2 more: kind.j2: cloud-init does not know "),
        "{}",
        run.stderr
    );
}

#[test]
fn thousands_of_hosts_take_seconds_and_a_closed_pipe_ends_them_quietly() {
    let sandbox = sandbox();
    sandbox.file("rest.sh", format!("#!/bin/sh\n{}", "apt-get install -y something\n".repeat(200)));
    let hosts = "{\"host\":\"web1\",\"tags\":{\"role\":\"web\"}}\n".repeat(5000);
    sandbox.file("hosts", hosts);
    let started = Instant::now();
    let run = sandbox.sh("mkuserdata --per-host base.txt hostname.sh.j2 rest.sh < hosts | head -n 1").exits(0);
    assert_eq!((run.records().len(), run.stderr.as_str()), (1, ""));
    assert!(started.elapsed() < Duration::from_secs(120), "{:?}", started.elapsed());
}
