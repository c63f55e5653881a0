//! `--check --schema`: cloud-configs against the schemas of two releases of cloud-init, whose own validation is the judge.

use kit::{Outcome, Sandbox, cloud_init};
use serde_json::Value;
use std::path::Path;

fn schema(packages: &Path) -> String {
    packages.join("cloudinit/config/schemas/schema-cloud-config-v1.json").display().to_string()
}

fn check(sandbox: &Sandbox, packages: &Path, file: &str) -> Outcome {
    sandbox.run("mkuserdata", &["--check", "--schema", &schema(packages), file], "")
}

const JUDGE: &str = r#"
import json, sys, yaml
from cloudinit.config import schema
verdicts = []
for text in json.load(open("configs.json")):
    try:
        schema.validate_cloudconfig_schema(yaml.safe_load(text), strict=True)
        verdicts.append(False)
    except schema.SchemaValidationError as error:
        verdicts.append(bool(error.schema_errors))
print(json.dumps(verdicts))
"#;

/// Whether cloud-init rejects each cloud-config.
fn judged(sandbox: &Sandbox, packages: &Path, configs: &[&str]) -> Vec<Value> {
    sandbox.file("configs.json", serde_json::json!(configs).to_string());
    sandbox.file("judge.py", JUDGE);
    let python = kit::target_dir().join("venv/bin/python");
    let line = format!("PYTHONPATH={} {} judge.py", packages.display(), python.display());
    serde_json::from_str(&sandbox.sh(&line).exits(0).stdout).expect("verdicts")
}

/// Cloud-configs, and the problems that the newer release reports.
const UNSOUND: [(&str, &[&str]); 20] = [
    ("pakages: [a]", &["line 2: pakages is not a key of the schema: did you mean packages?"]),
    (
        "packages:\n- 5\n- [a, b, c]\n- a",
        &[
            "line 3: packages.0 is a number, and has to be a mapping or a list or text",
            "line 4: packages.1 is a list, and has to have at most 2 entries",
        ],
    ),
    (
        "runcmd:\n- [ls, 5]\n- {a: b}",
        &[
            "line 3: runcmd.0.1 is a number, and has to be text",
            "line 4: runcmd.1 is a mapping, and has to be a list or text or null",
        ],
    ),
    ("runcmd: echo", &["line 2: runcmd is text, and has to be a list"]),
    ("runcmd: []", &["line 2: runcmd is an empty list, and has to have at least 1 entries"]),
    (
        "write_files:\n- path: /x\n  permision: a\n- content: secret",
        &[
            "line 4: write_files.0.permision is not a key of the schema: did you mean permissions?",
            "line 5: write_files.1 is a mapping, and has to have the key path",
        ],
    ),
    // An octal number, because it has no quotes.
    (
        "write_files:\n- path: /x\n  permissions: 0644",
        &["line 4: write_files.0.permissions is a number, and has to be text"],
    ),
    ("power_state: {mode: secret}", &["line 2: power_state.mode is text, and has to be one of poweroff, reboot, halt"]),
    (
        "power_state: {mode: halt, delay: secret}",
        &["line 2: power_state.delay is text, and has to match ^\\+?[0-9]+$ or be now"],
    ),
    ("power_state: {mode: halt, delay: -1}", &["line 2: power_state.delay is a number, and has to be at least 0"]),
    ("package_update: 'yes'", &["line 2: package_update is text, and has to be true or false"]),
    ("hostname: yes", &["line 2: hostname is true or false, and has to be text"]),
    (
        "users:\n- name: a\n  expiredate: 2032-09-01",
        &["line 4: users.0.expiredate is a date without quotes, and has to be text"],
    ),
    (
        "users:\n- name: a\n  expiredate: secret",
        &["line 4: users.0.expiredate is text, and has to have the form of a date"],
    ),
    (
        "ssh_keys: {dsa_private: secret}",
        &["line 2: ssh_keys.dsa_private is not a key of the schema; allowed: keys that match \
           ^(ecdsa|ed25519|rsa)_(public|private|certificate)$"],
    ),
    ("users:\n- {nmae: secret}", &["line 3: users.0.nmae is not a key of the schema: did you mean name?"]),
    ("users:\n- {gecos: secret}", &["line 3: users.0 is a mapping, and has to have the key name or the key snapuser"]),
    ("ntp: {servers: [a, a]}", &["line 2: ntp.servers is a list, and has to have no entry twice"]),
    (
        "apt: {sources: {x: {surce: y}}}",
        &["line 2: apt.sources.x.surce is not a key of the schema: did you mean source?"],
    ),
    ("x: &x {mode: 7}\npower_state: *x", &["line 2: x is not a key of the schema"]),
];

#[test]
fn schema_problems_name_key_line_and_allowed_values() {
    let sandbox = Sandbox::new();
    let packages = cloud_init::packages();
    // Older schemas allow some of it, and differ in what else they allow.
    let texts = UNSOUND.map(|(text, _)| text);
    let is_newer = cloud_init::releases().len() > 1;
    for ((text, problems), unsound) in UNSOUND.into_iter().zip(judged(&sandbox, &packages, &texts)) {
        sandbox.file("c", format!("#cloud-config\n{text}\n"));
        if !is_newer && unsound == false {
            check(&sandbox, &packages, "c").exits(0);
            continue;
        }
        let run = check(&sandbox, &packages, "c").exits(1);
        let wanted = |problem: &str| {
            if is_newer { format!("{problem}\n") } else { problem[..problem.find(": ").unwrap()].to_string() }
        };
        let said =
            problems.iter().all(|problem| run.stderr.contains(&format!("c: part 1 (part-001): {}", wanted(problem))));
        assert!(said && run.stderr.lines().count() >= problems.len(), "{text}: {}", run.stderr);
        assert!(!run.stderr.contains("secret"), "{}", run.stderr);
        assert_eq!(run.records()[0]["problems"].as_array().unwrap().len(), run.stderr.lines().count());
    }
}

/// cloud-init of each release agrees on what is valid.
#[test]
fn schema_results_match_those_of_cloud_init() {
    const SOUND: [&str; 12] = [
        "{}",
        "packages: [a, [b, '1.0'], {apt: [c]}]\npackage_update: yes\npackage_upgrade: off",
        "runcmd:\n- echo\n- [ls, -l]\n-\nbootcmd: [[a, b]]",
        "write_files:\n- {path: /x, permissions: '0644', content: !!binary aGk=, encoding: b64}",
        "users: [default, {name: a, groups: [b], sudo: 'ALL=(ALL) ALL', ssh_authorized_keys: [x]}]",
        "users: a,b",
        "ssh_authorized_keys: [a]\nhostname: '010'\nfqdn: a.b.c\nmanage_etc_hosts: localhost",
        "power_state: {mode: reboot, delay: now, timeout: 0x10, condition: true}",
        "ntp: {enabled: true, servers: [a, b]}",
        "phone_home: {url: 'http://x/{{ y }}/ z', post: all}",
        "merge_how: 'dict()+list()'\nmerge_type: [{name: list, settings: [append]}]\nlaunch-index: 1",
        "apt:\n  sources: {x: {source: 'ppa:a/b'}}\n  conf: |\n    x",
    ];
    let sandbox = Sandbox::new();
    let texts: Vec<&str> = SOUND.iter().copied().chain(UNSOUND.iter().map(|(text, _)| *text)).collect();
    for (release, packages) in cloud_init::releases() {
        let verdicts = judged(&sandbox, &packages, &texts);
        for (text, unsound) in texts.iter().zip(verdicts) {
            sandbox.file("c", format!("#cloud-config\n{text}\n"));
            let run = check(&sandbox, &packages, "c");
            assert_eq!(Value::from(run.code != 0), unsound, "{release}: {text}: {}", run.stderr);
        }
    }
}

#[test]
fn every_cloud_config_of_the_user_data_is_validated() {
    let sandbox = Sandbox::new();
    sandbox.file("base.cfg", "#cloud-config\nhostname: 5\n");
    sandbox.file("archive", "#cloud-config-archive\n- 'runcmd: x'\n- \"#!/bin/sh\\n\"\n- \"\\n\\nfqdn: [a]\"\n");
    sandbox.file(
        "jinja",
        "## template: jinja\n#cloud-config\npackage_update: {{ v1.update }}\n{% if v1.region %}\nlocale: {{ v1.a }}\n\
         timezone: 7\n{% endif %}\n{{ v1.key }}: 1\n",
    );
    sandbox.file("zone.cfg.j2", "#cloud-config\npreserve_hostname: {{ flag }}\n");
    let hosts = "{\"host\":\"a\",\"flag\":true}\n{\"host\":\"b\",\"flag\":\"maybe\"}\n";
    let parts = ["--per-host", "base.cfg", "archive", "jinja", "zone.cfg.j2"];
    let records = sandbox.run("mkuserdata", &parts, hosts).exits(0).stdout;
    let run = sandbox.run("mkuserdata", &["--check", "--schema", &schema(&cloud_init::packages())], &records).exits(1);
    let problems: Vec<&str> = run.stderr.lines().collect();
    let common = [
        "part 1 (base.cfg): line 2: hostname is a number, and has to be text",
        "part 3 (part-002): line 1: runcmd is text, and has to be a list",
        "part 5 (part-004): line 3: fqdn is a list, and has to be text",
        "part 6 (jinja): line 6: timezone is a number, and has to be text",
    ];
    let mut expected: Vec<String> = common.iter().map(|problem| format!("mkuserdata: a: {problem}")).collect();
    expected.extend(common.iter().map(|problem| format!("mkuserdata: b: {problem}")));
    let of_template = "part 7 (zone.cfg): line 2: preserve_hostname is text, and has to be true or false";
    expected.push(format!("mkuserdata: b: {of_template}"));
    assert_eq!(problems, expected);
}

#[test]
fn auto_finds_the_schema_of_the_installed_cloud_init() {
    let mut sandbox = Sandbox::new();
    sandbox.file("c", "#cloud-config\nhostname: 5\n");
    let auto = |sandbox: &Sandbox| sandbox.run("mkuserdata", &["--check", "--schema", "auto", "c"], "");
    std::fs::create_dir(sandbox.dir().join("none")).unwrap();
    let paths = [sandbox.dir().join("none"), cloud_init::packages()].map(|path| path.display().to_string());
    sandbox.env("PYTHONPATH", paths.join(":"));
    assert!(auto(&sandbox).exits(1).stderr.contains("hostname is a number"));
    sandbox.env("PYTHONPATH", &paths[0]);
    let installed = ["/usr/lib/python3", "/usr/local/lib/python3"]
        .iter()
        .any(|python| std::path::Path::new(python).join("dist-packages/cloudinit").exists());
    if !installed {
        let run = auto(&sandbox).exits(2);
        let start = format!(
            "mkuserdata: --schema auto: there is no cloudinit/config/schemas/schema-cloud-config-v1.json in {}",
            paths[0]
        );
        assert!(run.stderr.starts_with(&start), "{}", run.stderr);
    }
}

#[test]
fn an_invalid_schema_is_refused_before_anything_is_read() {
    let sandbox = Sandbox::new();
    sandbox.file("c", "#cloud-config\nhostname: 5\n");
    for (name, content, why) in [
        ("text", "# no JSON\n", "is not JSON: "),
        ("empty.json", "{}", "is not a JSON schema\n"),
        ("list.json", "[1]", "is not a JSON schema"),
        ("type.json", "{\"type\": 7}", "is not a JSON schema: "),
        ("far.json", "{\"$ref\": \"https://x.org/y\"}", "refers to a schema elsewhere, which is not fetched\n"),
    ] {
        sandbox.file(name, content);
        let run = sandbox.run("mkuserdata", &["--check", "--schema", name, "c"], "").exits(2);
        assert!(run.stderr.starts_with(&format!("mkuserdata: --schema {name}: {why}")), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    let run = sandbox.run("mkuserdata", &["--check", "--schema", "none", "c"], "").exits(2);
    assert!(run.stderr.starts_with("mkuserdata: --schema none: cannot be read: No such file"), "{}", run.stderr);
    for args in [&["--list"][..], &["--extract", "d"], &[]] {
        sandbox.run("mkuserdata", &[args, &["--schema", "none", "c"]].concat(), "").exits(2);
    }
    // Without it nothing is validated, which a terminal is told.
    assert_eq!(sandbox.run("mkuserdata", &["--check", "c"], "").exits(0).stderr, "");
    let run = sandbox.sh("script -qec 'mkuserdata --check c' /dev/null < /dev/null").exits(0);
    assert!(run.stdout.contains("keys of cloud-configs were not checked: --schema auto checks them"), "{}", run.stdout);
}
