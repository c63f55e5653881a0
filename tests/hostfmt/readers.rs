//! The real readers of each format. Each returns what it read as JSON, or what it refused.

use kit::Sandbox;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Runs a command of the shell in a sandbox that has these files.
#[track_caller]
pub fn run(command: &str, files: &[(&str, &str)]) -> String {
    let sandbox = Sandbox::new();
    for (name, content) in files {
        sandbox.file(name, content);
    }
    let outcome = sandbox.sh(command);
    let is_missing = ["command not found", "cannot be preloaded"].iter().any(|sign| outcome.stderr.contains(sign));
    assert!(!is_missing, "a reader is missing: run: tests/setup test\n{}", outcome.stderr);
    assert_eq!(outcome.code, 0, "{command}\n{}\n{}\nof:\n{}", outcome.stdout, outcome.stderr, files[0].1);
    outcome.stdout
}

/// A program that tests/setup puts into target.
fn program(path: &str) -> String {
    let program: PathBuf = kit::target_dir().join(path);
    assert!(program.exists(), "{} is missing: run: tests/setup test", program.display());
    program.display().to_string()
}

fn python(script: &str, files: &[(&str, &str)]) -> Value {
    let output = run(&format!("{} -c '{script}' < {}", program("venv/bin/python"), files[0].0), files);
    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// The addresses of names in a hosts file, as getent prints them.
pub fn hosts(text: &str, names: &[&str]) -> BTreeMap<String, Vec<String>> {
    let lookup = "set +o pipefail; export NSS_WRAPPER_HOSTS=hosts LD_PRELOAD=libnss_wrapper.so; \
                  while read -r name; do getent ahosts \"$name\" | sed \"s/ .*//; s/^/$name /\" | sort -u; done < names; true";
    let names = names.iter().map(|name| format!("{name}\n")).collect::<String>();
    let found = run(lookup, &[("hosts", text), ("names", &names)]);
    let mut addresses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, address) in found.lines().filter_map(|line| line.split_once(' ')) {
        addresses.entry(name.to_string()).or_default().push(address.to_string());
    }
    addresses
}

/// The records of a zone as BIND has loaded them: `web1.example.com. A 10.0.0.1`.
pub fn zone(text: &str, origin: &str) -> Vec<String> {
    let dump = run(&format!("named-checkzone -k fail -i local -D -o - {origin} zone 2>&1"), &[("zone", text)]);
    let record = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [name, _, "IN", kind @ ("A" | "AAAA" | "NS" | "TXT" | "SOA"), value @ ..] => {
                Some(format!("{name} {kind} {}", value.join(" ")))
            }
            _ => None,
        }
    };
    dump.lines().filter_map(record).collect()
}

/// The options that ssh takes for a host.
pub fn ssh(text: &str, host: &str) -> BTreeMap<String, String> {
    let options = run(&format!("ssh -G -F config {host}"), &[("config", text)]);
    options.lines().filter_map(|line| line.split_once(' ')).map(|(key, value)| (key.into(), value.into())).collect()
}

/// The entries of LDIF, each a list of its name and its attributes.
pub fn ldif(text: &str) -> Value {
    let script = r#"
import base64, json, sys, ldif3
base64.decodestring = base64.decodebytes  # its name until Python 3.9, by which ldif3 calls it
print(json.dumps([[dn, dict(entry)] for dn, entry in ldif3.LDIFParser(sys.stdin.buffer).parse()]))"#;
    python(script, &[("fleet.ldif", text)])
}

/// What ansible-inventory reads of a file: variables of hosts, and hosts of groups.
pub fn ansible(text: &str, file: &str) -> (Map<String, Value>, BTreeMap<String, Vec<String>>) {
    let inventory = program("venv/bin/ansible-inventory");
    // Without this, Ansible only warns about what it cannot parse.
    let strict = "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=true ANSIBLE_LOCALHOST_WARNING=false";
    let listed = run(&format!("chmod +x {file}; {strict} {inventory} -i ./{file} --list"), &[(file, text)]);
    let mut listed: Map<String, Value> = serde_json::from_str(&listed).expect("JSON");
    let meta = listed.remove("_meta").expect("_meta");
    let hosts = |group: &Value| {
        group["hosts"].as_array().into_iter().flatten().map(|host| host.as_str().expect("a name").to_string()).collect()
    };
    let groups = listed.iter().map(|(name, group)| (name.clone(), hosts(group))).collect();
    let Value::Object(variables) = without_unsafe(meta["hostvars"].clone()) else { panic!("no hostvars: {meta}") };
    (variables, groups)
}

/// ansible-inventory lists a text that is not a template with a mark.
fn without_unsafe(value: Value) -> Value {
    match value {
        Value::Object(map) if map.len() == 1 && map.contains_key("__ansible_unsafe") => map["__ansible_unsafe"].clone(),
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, without_unsafe(value))).collect()),
        Value::Array(items) => items.into_iter().map(without_unsafe).collect(),
        value => value,
    }
}

/// A variable of a host as a play of Ansible sees it. A template in it has run by then.
pub fn ansible_variable(text: &str, file: &str, host: &str, name: &str) -> Value {
    let ansible = program("venv/bin/ansible");
    let command = format!("chmod +x {file}; {ansible} -i ./{file} {host} -c local -m debug -a var={name} -o");
    let output = run(&command, &[(file, text)]);
    let (_, json) = output.split_once("=> ").unwrap_or_else(|| panic!("{output}"));
    serde_json::from_str::<Value>(json).expect("JSON")[name].clone()
}

/// The labels of each target that Prometheus discovers, by address.
pub fn prometheus(text: &str) -> BTreeMap<String, Map<String, Value>> {
    let config = "scrape_configs: [{job_name: fleet, file_sd_configs: [{files: [targets.json]}]}]";
    let promtool = program("promtool/usr/bin/promtool");
    let command =
        format!("{promtool} check config p.yml >&2 && {promtool} check service-discovery --timeout 2s p.yml fleet");
    let found = run(&command, &[("targets.json", text), ("p.yml", config)]);
    let targets: Vec<Value> = serde_json::from_str(&found).unwrap_or_else(|error| panic!("{error}: {found}"));
    let labels = |target: &Value| {
        let labels = target["discoveredLabels"].as_object().expect("labels").clone();
        (labels["__address__"].as_str().expect("an address").to_string(), labels)
    };
    targets.iter().map(labels).collect()
}

/// The hosts and hostgroups that Nagios has read, each by its name with its attributes.
pub fn nagios(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let base = "define command {\ncommand_name check\ncommand_line /bin/true\n}\n\
                define timeperiod {\ntimeperiod_name always\nalias always\n}\n\
                define contact {\ncontact_name admin\nhost_notification_commands check\n\
                service_notification_commands check\n}\n\
                define host {\nname generic-host\nmax_check_attempts 3\ncontacts admin\nregister 0\n}\n\
                define service {\nservice_description up\nhost_name *\ncheck_command check\nmax_check_attempts 3\n\
                check_period always\ncontacts admin\n}\n";
    let main = "cfg_file=base.cfg\ncfg_file=fleet.cfg\nlog_file=log\nprecached_object_file=objects\n\
                check_result_path=.\ntemp_path=.\ncommand_file=rw\nlock_file=lock\nstatus_file=status\n\
                illegal_object_name_chars=`~!$%^&*|'\"<>?,()=\n";
    // Nagios gives up root's rights for those of a user whom this machine may not have.
    let command = format!(
        "printf 'nagios_user=%s\\nnagios_group=%s\\n' $(id -u) $(id -g) >> main.cfg; {} -vp main.cfg >&2 && cat objects",
        program("nagios/usr/sbin/nagios4")
    );
    let read = run(&command, &[("fleet.cfg", text), ("base.cfg", base), ("main.cfg", main)]);
    let mut objects = BTreeMap::new();
    for definition in read.split("define ").skip(1) {
        let (kind, body) = definition.split_once(" {\n").expect("a definition");
        let attributes: BTreeMap<String, String> = body
            .lines()
            .filter_map(|line| line.trim_start().split_once('\t'))
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect();
        if let "host" | "hostgroup" = kind {
            let name = attributes.get("host_name").or(attributes.get("hostgroup_name")).expect("a name");
            objects.insert(format!("{kind} {name}"), attributes);
        }
    }
    objects
}

/// The words of each data source of gmetad.conf, as its parser (dotconf_read_arg) takes them.
pub fn gmetad(text: &str) -> Vec<Vec<String>> {
    text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).map(dotconf_words).collect()
}

fn dotconf_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quote, mut chars) = (None, line.chars());
    while let Some(c) = chars.next() {
        let word = words.last_mut().expect("a word");
        match (c, quote) {
            ('\\', _) => word.extend(chars.next()),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('#', None) => break,
            (c, None) if c.is_ascii_whitespace() => words.push(String::new()),
            (c, _) => word.push(c),
        }
    }
    assert!(quote.is_none(), "a quote is open: {line}");
    assert!(!line.contains("${"), "gmetad replaces it: {line}");
    words.retain(|word| !word.is_empty());
    assert!(words.len() <= 16, "gmetad reads 16 words of a line: {line}");
    words
}

/// The rows of CSV, each by the header.
pub fn csv(text: &str) -> Value {
    let script = r#"
import csv, io, json, sys
text = sys.stdin.buffer.read().decode()
print(json.dumps(list(csv.DictReader(io.StringIO(text, newline=""), strict=True))))"#;
    let rows = python(script, &[("fleet.csv", text)]);
    assert!(rows.as_array().is_some_and(|rows| rows.iter().all(|row| row.get("null").is_none())), "{rows}");
    rows
}

/// The value of a JSON text.
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| json!(error.to_string()))
}
