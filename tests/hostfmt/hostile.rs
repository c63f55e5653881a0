//! Hostile names and tags: each is read back as exactly that value, or its host is refused.

use crate::{hostfmt, readers, written};
use kit::Outcome;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Texts that are special to a shell, a template, a terminal or one of the formats.
const TEXTS: [&str; 48] = [
    "web 1",
    "web\t1",
    "web\n1",
    "web1\r",
    "\n",
    "a\"b",
    "a'b",
    "a\\",
    "a\\\"b",
    "a;b",
    "a#b",
    "#a",
    "a,b",
    "{{ 7*7 }}",
    "{% raw %}",
    "{# a #}",
    "$(id)",
    "`id`",
    "${HOME}",
    "$ORIGIN",
    "%h",
    "*",
    "!a",
    "a b\n10.6.6.6 evil",
    "日本語",
    "é",
    "\u{1b}[31mred",
    "\u{9b}31m",
    "a\u{202e}b",
    "\u{7f}",
    "a\u{2028}b",
    "-oProxyCommand=id",
    "localhost",
    "10.0.0.1",
    "null",
    "true",
    "@",
    "a..b",
    ".",
    "..",
    "../x",
    "a}\ndefine host {",
    "::",
    ": a",
    "<a",
    " a ",
    "=1+1",
    "all",
];

/// Records with each text as a name, and as the key and value of a tag. Each record has its own address.
fn records() -> (Vec<Value>, String) {
    // Names that differ only in case or outer blanks have their own test.
    let texts: Vec<String> = TEXTS.iter().map(|text| text.to_string()).chain(generated()).collect();
    let record = |(at, text): (usize, &String)| {
        let named = json!({"host": text, "private_ip": format!("10.1.{}.{}", at / 250, at % 250 + 1)});
        let mut tagged = json!({"host": format!("n{at}"), "private_ip": format!("10.2.{}.{}", at / 250, at % 250 + 1)});
        tagged["tags"] = json!({"note": text, text: "x"});
        [named, tagged]
    };
    let records: Vec<Value> = texts.iter().enumerate().flat_map(record).collect();
    let lines = records.iter().map(|record| format!("{record}\n")).collect();
    (records, lines)
}

/// Random texts made of special pieces, the same in each run.
fn generated() -> Vec<String> {
    const PIECES: [&str; 22] = [
        "a", "b1", "-", ".", " ", "\t", "\n", "\"", "'", "\\", ";", "#", ",", "{{", "}}", "{%", "$", "%", "日",
        "\u{1b}", ":", "*",
    ];
    let mut state: u64 = 42;
    let mut next = |bound: usize| {
        // A linear congruential generator: its upper bits are random enough here.
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % bound
    };
    let texts: BTreeSet<String> =
        (0..150).map(|_| (0..next(6) + 1).map(|_| PIECES[next(PIECES.len())]).collect()).collect();
    // A text that is also the name of another host is not written twice.
    texts.into_iter().filter(|text| !TEXTS.contains(&text.as_str())).collect()
}

/// Runs with --skip. Every host must be in the text or named as refused.
fn skipping(args: &[&str], lines: &str) -> Outcome {
    let run = hostfmt(&[args, &["--skip"]].concat(), lines);
    assert!(matches!(run.code, 0 | 3), "{}", run.stderr);
    let raw = |c: char| c.is_control() && c != '\n';
    assert!(!run.stderr.contains(raw), "{:?}", run.stderr);
    run
}

/// The record that has this address.
fn of_address<'a>(records: &'a [Value], address: &str) -> &'a Value {
    records.iter().find(|record| record["private_ip"] == address).unwrap_or_else(|| panic!("no record has {address}"))
}

/// Fails unless the names that were read are the plain ones, and all tagged hosts are there.
fn only_plain_names<'a>(names: impl IntoIterator<Item = &'a str>) {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let plain = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    let strange: Vec<&&str> = names.iter().filter(|name| !plain(name)).collect();
    assert!(strange.is_empty(), "{strange:?}");
    assert!((0..TEXTS.len()).all(|at| names.contains(format!("n{at}").as_str())));
}

#[test]
fn csv_preserves_every_name_and_tag() {
    let (records, lines) = records();
    let rows = readers::csv(&written(&["csv"], &lines));
    let rows = rows.as_array().expect("rows");
    assert_eq!(rows.len(), records.len());
    for row in rows {
        let record = of_address(&records, row["private_ip"].as_str().expect("an address"));
        assert_eq!(row["host"], record["host"]);
        for (key, value) in record["tags"].as_object().into_iter().flatten() {
            assert_eq!(&row[format!("tags.{key}")], value);
        }
    }
}

#[test]
fn ldif_preserves_every_name_and_tag() {
    let (records, lines) = records();
    let entries = readers::ldif(&skipping(&["ldif", "-D", "base=dc=example"], &lines).stdout);
    let entries = entries.as_array().expect("entries");
    assert!(entries.len() > records.len() * 9 / 10, "{} of {}", entries.len(), records.len());
    for entry in entries {
        let record = of_address(&records, entry[1]["ipHostNumber"][0].as_str().expect("an address"));
        assert_eq!(entry[1]["cn"], json!([record["host"]]));
        if let Some(tags) = record.get("tags") {
            assert_eq!(&readers::json(entry[1]["description"][0].as_str().expect("a text")), tags);
        }
    }
}

#[test]
fn prometheus_preserves_every_name_and_value() {
    let (records, lines) = records();
    let targets = readers::prometheus(&skipping(&["prometheus"], &lines).stdout);
    assert_eq!(targets.len(), records.len());
    for (address, labels) in targets {
        let record = of_address(&records, address.strip_suffix(":9100").expect("a port"));
        assert_eq!(labels["instance"], record["host"]);
        assert_eq!(labels.get("__meta_ec2_tag_note"), record.get("tags").map(|tags| &tags["note"]));
    }
}

#[test]
fn ansible_preserves_every_tag_and_runs_no_template() {
    let (records, lines) = records();
    let text = skipping(&["ansible"], &lines).stdout;
    let (variables, _) = readers::ansible(&text, "inventory.json");
    only_plain_names(variables.keys().map(String::as_str));
    for variables in variables.values() {
        let record = of_address(&records, variables["ansible_host"].as_str().expect("an address"));
        assert_eq!(variables.get("ec2_tags"), record.get("tags"));
    }
    let template = TEXTS.iter().position(|text| *text == "{{ 7*7 }}").expect("the template");
    let tags = readers::ansible_variable(&text, "inventory.json", &format!("n{template}"), "ec2_tags");
    assert_eq!(tags, json!({"note": "{{ 7*7 }}", "{{ 7*7 }}": "x"}));
}

/// The inventory as a file and as the output of a script, each with a file name.
fn inventories(args: &[&str], records: &str) -> [(String, &'static str); 2] {
    let script = skipping(&[&["ansible", "-D", "script=yes"], args].concat(), records).stdout;
    [
        (skipping(&[&["ansible"], args].concat(), records).stdout, "inventory.json"),
        (format!("#!/bin/sh\ncat << 'END'\n{script}END\n"), "inventory.sh"),
    ]
}

#[test]
fn ansible_runs_no_template_with_its_own_delimiters() {
    let text = "#jinja2:variable_start_string:'[[',variable_end_string:']]'\n[[ lookup('pipe', 'echo ran') ]]";
    let tags = json!({"note": text, "list": [text, {"deep": text}], text: "x"});
    let record = json!({"host": "web1", "user": text, "tags": tags, "security_groups": [text]});
    for (inventory, file) in inventories(&[], &record.to_string()) {
        let seen = readers::ansible_variable(&inventory, file, "web1", "hostvars.web1");
        assert_eq!(seen["ec2_tags"], tags, "{file}");
        assert_eq!((&seen["ansible_user"], &seen["ec2_security_groups"]), (&json!(text), &json!([text])), "{file}");
    }
}

#[test]
fn reserved_names_of_ansible_are_refused() {
    let records = concat!(
        r#"{"host":"web1","security_groups":["_meta"]}"#,
        "\n",
        r#"{"host":"web2","security_groups":["all"]}"#,
        "\n",
        r#"{"host":"web3","tags":{"a":"b","__ansible_unsafe":"x"}}"#,
        "\n",
        r#"{"host":"web4","tags":{"a":{"__ansible_vault":"x"}}}"#,
        "\n",
        r#"{"host":"web5","security_groups":["hosts","vars","children"],"tags":{"a":"b"}}"#,
        "\n",
    );
    let run = skipping(&["ansible"], records);
    assert!(run.stderr.contains("web[1-2]: is in a group with a name that Ansible has for its own"), "{}", run.stderr);
    let keys = "  web3: has the key \"__ansible_unsafe\", which is special in Ansible\n  web4: has the key \"__ansible_vault\"";
    assert!(run.stderr.contains(keys), "{}", run.stderr);
    for (inventory, file) in inventories(&[], records) {
        let (variables, groups) = readers::ansible(&inventory, file);
        assert_eq!(variables.keys().collect::<Vec<_>>(), ["web5"]);
        assert_eq!(variables["web5"]["ec2_tags"], json!({"a": "b"}));
        assert!(["hosts", "vars", "children"].iter().all(|group| groups[*group] == ["web5"]), "{groups:?}");
    }
}

#[test]
fn host_with_the_name_of_a_group_gives_it_no_variables() {
    let records = concat!(
        r#"{"host":"web","user":"root","security_groups":["web"]}"#,
        "\n",
        r#"{"host":"web2","security_groups":["web"]}"#,
        "\n",
    );
    for (inventory, file) in inventories(&[], records) {
        let (variables, _) = readers::ansible(&inventory, file);
        assert_eq!(variables["web2"].get("ansible_user"), None, "{file}");
    }
}

#[test]
fn invalid_port_refuses_only_its_host() {
    for port in [json!("abc"), json!(99999), json!(22.5), json!(true), json!(0), json!(-1), json!(""), json!([22])] {
        let records =
            format!("{}\n{}\n", json!({"host": "web1", "port": port}), json!({"host": "web2", "port": "022"}));
        let text = skipping(&["ssh-config"], &records).stdout;
        assert_eq!((readers::ssh(&text, "web2")["port"].as_str(), text.contains("web1")), ("22", false), "{port}");
        let (variables, _) = readers::ansible(&skipping(&["ansible"], &records).stdout, "inventory.json");
        assert_eq!((variables.len(), &variables["web2"]["ansible_port"]), (1, &json!(22)), "{port}");
    }
    let run = hostfmt(&["ssh-config"], "{\"host\":\"web1\",\"port\":99999}\n").exits(2);
    assert!(run.stderr.contains("web1: \"99999\" is not a whole number from 1 to 65535"), "{}", run.stderr);
}

#[test]
fn tags_with_the_same_label_are_written_once_with_a_warning() {
    let tags = json!({"a-b": "1", "a_b": "2", "x y": "3", "x:y": "4", "1a": "5"});
    let run = hostfmt(&["prometheus"], &json!({"host": "web1", "tags": tags}).to_string()).exits(0);
    let labels = &readers::prometheus(&run.stdout)["web1:9100"];
    let kept = ["a_b", "x_y", "1a"].map(|key| labels[&format!("__meta_ec2_tag_{key}")].clone());
    assert_eq!(kept, ["2", "3", "5"].map(|value| json!(value)));
    assert_eq!(run.stdout.matches("__meta_ec2_tag_a_b").count(), 1);
    assert!(
        run.stderr.contains("web1: \"a-b\" and \"a_b\" both become __meta_ec2_tag_a_b; the value of \"a_b\" is kept"),
        "{}",
        run.stderr
    );
}

#[test]
fn bind_gets_only_plain_names() {
    let (records, lines) = records();
    let zone = readers::zone(&skipping(&["bind", "-D", "zone=example.com"], &lines).stdout, "example.com");
    let hosts: Vec<(&str, &str)> = zone.iter().filter_map(|record| record.split_once(".example.com. A ")).collect();
    only_plain_names(hosts.iter().map(|(name, _)| *name));
    for (name, address) in hosts {
        assert_eq!(name, of_address(&records, address)["host"].as_str().expect("a name").to_lowercase());
    }
}

#[test]
fn texts_of_a_zone_are_read_unchanged() {
    let (records, lines) = records();
    let sandbox = kit::Sandbox::new();
    sandbox.file(
        "txt.zone.j2",
        "@ 300 IN SOA a. b. 1 1 1 1 1\n@ 300 IN NS a.\n{% for h in hosts if h.tags %}\n\
         {{ h.host }} 300 IN TXT {{ h.tags.note | txt }}\n{% endfor %}\n",
    );
    let text = sandbox.run("hostfmt", &["txt.zone.j2"], lines).exits(0).stdout;
    let zone = readers::zone(&text, "example.com");
    let texts: Vec<(&str, &str)> = zone.iter().filter_map(|record| record.split_once(".example.com. TXT ")).collect();
    assert_eq!(texts.len(), records.len() / 2);
    for (name, text) in texts {
        let record = records.iter().find(|record| record["host"] == name).expect("the host");
        assert_eq!(unescaped(text), record["tags"]["note"].as_str().expect("a note"), "{text}");
    }
}

/// The text of a TXT record as named-checkzone dumps it.
fn unescaped(dumped: &str) -> String {
    let inner = dumped.strip_prefix('"').and_then(|text| text.strip_suffix('"')).expect("quotes");
    let (mut bytes, mut rest) = (Vec::new(), inner.as_bytes());
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'\\', [a @ b'0'..=b'9', b, c, tail @ ..]) => {
                bytes.push((a - b'0') * 100 + (b - b'0') * 10 + (c - b'0'));
                rest = tail;
            }
            (b'\\', [c, tail @ ..]) => {
                bytes.push(*c);
                rest = tail;
            }
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn hosts_file_has_only_plain_names() {
    let (records, lines) = records();
    let text = skipping(&["hosts"], &lines).stdout;
    let named: Vec<&str> = text.lines().map(|line| line.split_once(' ').expect("two words").1).collect();
    only_plain_names(named.iter().copied());
    // nss_wrapper can hold some hundred names.
    let lines: Vec<&str> = text.lines().collect();
    for (lines, names) in lines.chunks(50).zip(named.chunks(50)) {
        let found = readers::hosts(&lines.join("\n"), names);
        assert_eq!(found.len(), names.len());
        for (name, addresses) in found {
            assert_eq!(of_address(&records, &addresses[0])["host"], name);
        }
    }
}

#[test]
fn ssh_gets_only_plain_names() {
    let (_, lines) = records();
    let text = skipping(&["ssh-config"], &lines).stdout;
    only_plain_names(text.lines().filter_map(|line| line.strip_prefix("Host ")));
    assert!(text.lines().all(|line| line.starts_with("Host ") || line.starts_with("    HostName 10.")), "{text}");
    let options = readers::ssh(&text, "n3");
    assert_eq!((&*options["hostname"], options.get("proxycommand")), ("10.2.0.4", None));
    for user in ["a b", "-oX", "root\nProxyCommand id", "a\"b", "%r", ""] {
        let record = json!({"host": "web1", "user": user, "port": "22"});
        let run = hostfmt(&["ssh-config"], &record.to_string());
        let is_safe = run.code == 2 || !run.stdout.contains("User");
        assert!(is_safe, "{user}: {}", run.stdout);
    }
}

#[test]
fn nagios_preserves_every_name_that_it_accepts() {
    let (records, lines) = records();
    let objects = readers::nagios(&skipping(&["nagios"], &lines).stdout);
    assert!(objects.len() > TEXTS.len() && objects.contains_key("host 日本語"));
    for (name, attributes) in &objects {
        let record = of_address(&records, &attributes["address"]);
        assert_eq!(*name, format!("host {}", record["host"].as_str().expect("a name")));
    }
}

#[test]
fn groups_with_strange_names_are_read_unchanged_or_refused() {
    let (_, lines) = records();
    let sources = readers::gmetad(&skipping(&["ganglia", "-g", "tags.note"], &lines).stdout);
    let names: BTreeSet<&str> = sources.iter().map(|words| words[1].as_str()).collect();
    for text in TEXTS.iter().filter(|text| !text.contains(char::is_control) && !text.contains("${")) {
        assert!(names.contains(text), "{text}");
    }
    for words in &sources {
        assert!(words[1] == "unspecified" || words.len() == 4, "{words:?}");
    }
    let objects = readers::nagios(&skipping(&["nagios", "-g", "tags.note"], &lines).stdout);
    assert!(objects.contains_key("hostgroup web 1"), "{:?}", objects.keys());
    assert!(!objects.keys().any(|name| name.contains(';')));
    let (_, groups) = readers::ansible(&skipping(&["ansible", "-g", "tags.note"], &lines).stdout, "inventory.json");
    let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    assert!(groups.keys().all(|name| plain(name)), "{:?}", groups.keys());
}
