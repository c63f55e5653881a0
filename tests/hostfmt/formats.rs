//! Each format, read back by the program that it is for.

use crate::{FLEET, hostfmt, readers, written};
use serde_json::json;

#[test]
fn getent_reads_the_hosts_file() {
    let text = written(&["hosts"], FLEET);
    assert_eq!(text, "10.0.0.3 db1\n10.0.0.1 web1\n10.0.0.2 web2\n10.0.0.10 web10\n");
    let found = readers::hosts(&text, &["web1", "web10", "old1"]);
    assert_eq!(found["web1"], ["10.0.0.1"]);
    assert_eq!(found["web10"], ["10.0.0.10"]);
    assert!(!found.contains_key("old1"));

    let with_domain = written(&["hosts", "-D", "domain=example.com"], FLEET);
    let found = readers::hosts(&with_domain, &["web1", "web1.example.com"]);
    assert_eq!([&found["web1"], &found["web1.example.com"]], [&["10.0.0.1"], &["10.0.0.1"]]);
}

#[test]
fn bind_loads_the_zone() {
    let text = written(&["bind", "-D", "zone=example.com", "-D", "nameservers=ns1.example.org,ns2.example.org"], FLEET);
    let expected = [
        "example.com. SOA ns1.example.org. root.localhost. 1700000000 3600 600 1209600 300",
        "example.com. NS ns1.example.org.",
        "example.com. NS ns2.example.org.",
        "db1.example.com. A 10.0.0.3",
        "web1.example.com. A 10.0.0.1",
        "web1.example.com. AAAA 2001:db8::1",
        "web1-public.example.com. A 192.0.2.1",
        "web10.example.com. A 10.0.0.10",
        "web2.example.com. A 10.0.0.2",
    ];
    assert_eq!(readers::zone(&text, "example.com"), expected);
}

#[test]
fn zone_without_settings_works_for_any_origin() {
    let zone = readers::zone(&written(&["bind"], FLEET), "fleet.test");
    assert!(zone.contains(&"web1-public.fleet.test. A 192.0.2.1".to_string()), "{zone:?}");
    let serial = written(&["bind", "-D", "serial=7", "-D", "ttl=60", "-D", "contact=john.doe@example.com"], FLEET);
    let zone = readers::zone(&serial, "fleet.test");
    assert_eq!(zone[0], "fleet.test. SOA localhost. john\\.doe.example.com. 7 3600 600 1209600 60");
    for setting in ["ttl=abc", "ttl=2147483648", "ttl=-1", "serial=99999999999", "contact=a b@example.com"] {
        let run = hostfmt(&["bind", "-D", setting], FLEET).exits(2);
        assert!(run.stderr.contains("\nhostfmt: bind: line "), "{}", run.stderr);
    }
}

#[test]
fn name_server_in_the_zone_needs_an_address() {
    let zone =
        |server: &str| hostfmt(&["bind", "-D", "zone=example.com", "-D", &format!("nameservers={server}")], FLEET);
    for server in ["ns1.example.com", "NS1.Example.com.", "web1,ns1.example.com", "example.com"] {
        let run = zone(server).exits(2);
        assert!(run.stderr.contains("BIND would not load the zone"), "{}", run.stderr);
    }
    for server in ["Web1.example.com", "web1-public.example.com.", "ns1.anexample.com"] {
        let records = readers::zone(&zone(server).exits(0).stdout, "example.com");
        assert!(records[1].starts_with("example.com. NS "), "{records:?}");
    }
}

#[test]
fn names_in_the_zone_are_shortened_and_hosts_can_share_a_name() {
    let records = concat!(
        r#"{"host":"Web1.Example.com","private_ip":"10.0.0.1"}"#,
        "\n",
        r#"{"host":"web2","private_ip":"10.0.0.2"}"#,
        "\n",
        r#"{"host":"web2","private_ip":"10.0.0.3"}"#,
        "\n",
        r#"{"host":"a.b","private_ip":"10.0.0.4","public_ip":"192.0.2.4"}"#,
    );
    let run = hostfmt(&["bind", "-D", "zone=example.com"], records).exits(0);
    assert_eq!(run.stderr, "hostfmt: bind: web2: has the name of another host; both are written (2 hosts)\n");
    let zone = readers::zone(&run.stdout, "example.com");
    let expected = [
        "a.b.example.com. A 10.0.0.4",
        "a-public.b.example.com. A 192.0.2.4",
        "web1.example.com. A 10.0.0.1",
        "web2.example.com. A 10.0.0.2",
        "web2.example.com. A 10.0.0.3",
    ];
    let found: Vec<String> = zone.into_iter().filter(|record| record.contains(" A ")).collect();
    assert_eq!(found, expected);
}

#[test]
fn public_name_of_another_host_is_refused() {
    let records = concat!(
        r#"{"host":"web1","private_ip":"10.0.0.1","public_ip":"192.0.2.1"}"#,
        "\n",
        r#"{"host":"WEB1-public","private_ip":"10.0.0.2"}"#,
    );
    let run = hostfmt(&["bind"], records).exits(2);
    assert!(run.stdout.is_empty() && run.stderr.contains("stands for several hosts"), "{}", run.stderr);
}

#[test]
fn ssh_uses_address_user_and_port() {
    let text = written(&["ssh-config"], FLEET);
    let options = readers::ssh(&text, "web10");
    assert_eq!(
        (options["hostname"].as_str(), options["user"].as_str(), options["port"].as_str()),
        ("10.0.0.10", "admin", "2222")
    );
    let options = readers::ssh(&text, "web1");
    assert_eq!((options["hostname"].as_str(), options["port"].as_str()), ("10.0.0.1", "22"));
    assert_eq!(readers::ssh(&text, "web3")["hostname"], "web3");
    let public = readers::ssh(&written(&["ssh-config", "--address", "public_ip"], &public_only()), "web1");
    assert_eq!(public["hostname"], "192.0.2.1");
}

#[test]
fn ssh_uses_user_and_key_from_settings() {
    let text = written(&["ssh-config", "-D", "user=ec2-user", "-D", "key=~/.ssh/my key"], FLEET);
    let options = |host| readers::ssh(&text, host);
    assert_eq!((&*options("web1")["user"], &*options("web10")["user"]), ("ec2-user", "admin"));
    assert_eq!(options("web1")["identityfile"], "~/.ssh/my key");
    for setting in ["user=a b", "user=", "key=", "key=a\"b", "key=a\nProxyCommand x"] {
        let run = hostfmt(&["ssh-config", "-D", setting], FLEET).exits(2);
        assert!(run.stderr.contains("\nhostfmt: ssh-config: line "), "{}", run.stderr);
    }
}

/// The records that have a public address.
fn public_only() -> String {
    FLEET.lines().filter(|line| line.contains("192.0.2.")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn ldif_is_read_as_entries() {
    let text = written(&["ldif", "-D", "base=ou=hosts,dc=example,dc=com"], FLEET);
    let entries = readers::ldif(&text);
    assert_eq!(entries.as_array().expect("entries").len(), 4);
    assert_eq!(entries[1][0], "cn=web1,ou=hosts,dc=example,dc=com");
    let web1 = &entries[1][1];
    assert_eq!(web1["objectClass"], json!(["top", "device", "ipHost"]));
    assert_eq!(web1["ipHostNumber"], json!(["10.0.0.1", "192.0.2.1", "2001:db8::1"]));
    assert_eq!((&web1["serialNumber"], &web1["l"]), (&json!(["i-001"]), &json!(["us-east-1a"])));
    let tags = readers::json(web1["description"][0].as_str().expect("a text"));
    assert_eq!(tags, json!({"Name": "web1", "role": "web", "note": "it's \"new\", ok"}));
}

#[test]
fn missing_base_has_a_hint() {
    let run = hostfmt(&["ldif"], FLEET).exits(2);
    assert!(run.stderr.contains("base is undefined") && run.stderr.contains("--set base=VALUE"), "{}", run.stderr);
}

#[test]
fn settings_that_do_not_fit_the_format_are_refused() {
    for (format, setting) in [("ldif", "base="), ("ldif", "base=foo"), ("hosts", "domain=.x"), ("hosts", "domain=")] {
        let run = hostfmt(&[format, "-D", setting], FLEET).exits(2);
        assert_eq!(run.stdout, "", "{format} {setting}");
    }
}

#[test]
fn ansible_reads_the_inventory() {
    for (args, file) in [(&["ansible"][..], "inventory.json"), (&["ansible", "-D", "script=yes"], "inventory.sh")] {
        let text = written(args, FLEET);
        let text = if file.ends_with(".sh") { format!("#!/bin/sh\ncat <<'END'\n{text}END\n") } else { text };
        let (variables, groups) = readers::ansible(&text, file);
        assert_eq!(variables.keys().collect::<Vec<_>>(), ["db1", "web1", "web10", "web2"]);
        assert_eq!(variables["web10"]["ansible_host"], "10.0.0.10");
        assert_eq!(
            (&variables["web10"]["ansible_user"], &variables["web10"]["ansible_port"]),
            (&json!("admin"), &json!(2222))
        );
        assert_eq!(variables["web1"]["ec2_tags"]["note"], "it's \"new\", ok");
        assert_eq!(variables["web2"]["ec2_state"], "stopped");
        assert_eq!(groups["web_sg"], ["db1", "web1", "web2", "web10"]);
        assert_eq!(groups["db"], ["db1"]);
    }
    let (_, groups) = readers::ansible(&written(&["ansible", "--group-by", "tags.role"], FLEET), "inventory.json");
    assert_eq!(
        (&groups["web"][..], &groups["db"][..]),
        (&["web1", "web2", "web10"].map(String::from)[..], &["db1".to_string()][..])
    );
}

#[test]
fn prometheus_discovers_the_targets() {
    let targets = readers::prometheus(&written(&["prometheus"], FLEET));
    assert_eq!(targets.keys().collect::<Vec<_>>(), ["10.0.0.10:9100", "10.0.0.1:9100", "10.0.0.3:9100"]);
    let labels = &targets["10.0.0.1:9100"];
    assert_eq!((&labels["instance"], &labels["job"]), (&json!("web1"), &json!("fleet")));
    assert_eq!(labels["__meta_ec2_instance_id"], "i-001");
    assert_eq!(labels["__meta_ec2_availability_zone"], "us-east-1a");
    assert_eq!(labels["__meta_ec2_tag_note"], "it's \"new\", ok");
    assert!(!labels.contains_key("__meta_ec2_vpc_id"));
    let by_ipv6 = written(&["prometheus", "--address", "ipv6", "-D", "port=9256"], &public_only());
    assert!(readers::prometheus(&by_ipv6).contains_key("[2001:db8::1]:9256"));
}

#[test]
fn nagios_accepts_hosts_and_groups() {
    let objects = readers::nagios(&written(&["nagios"], FLEET));
    let names = ["host db1", "host web1", "host web10", "hostgroup db", "hostgroup web-sg"];
    assert_eq!(objects.keys().collect::<Vec<_>>(), names);
    assert_eq!((&*objects["host web1"]["address"], &*objects["host web1"]["alias"]), ("10.0.0.1", "i-001"));
    assert_eq!(objects["hostgroup web-sg"]["members"], "db1,web1,web10");
}

#[test]
fn gmetad_gets_a_source_for_each_group() {
    let words = |args: &[&str]| readers::gmetad(&written(args, FLEET));
    let source = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
    let web = ["data_source", "web-sg", "15", "10.0.0.3:8649", "10.0.0.1:8649", "10.0.0.10:8649"];
    assert_eq!(words(&["ganglia"]), [source(&["data_source", "db", "15", "10.0.0.3:8649"]), source(&web)]);
    let by_role = words(&["ganglia", "-g", "tags.team", "-D", "port=1", "-D", "interval=60"]);
    assert_eq!(by_role, [source(&["data_source", "unspecified", "60", "10.0.0.3:1", "10.0.0.1:1", "10.0.0.10:1"])]);
    let many: String = (1..100).map(|n| format!("{{\"host\":\"n{n}\",\"security_groups\":[\"g\"]}}\n")).collect();
    assert_eq!(readers::gmetad(&written(&["ganglia"], &many))[0].len(), 15);
}

#[test]
fn csv_has_a_line_for_each_host_and_a_column_for_each_tag() {
    let rows = readers::csv(&written(&["csv"], FLEET));
    assert_eq!(rows.as_array().expect("rows").len(), 5);
    assert_eq!(rows[2]["host"], "web1");
    assert_eq!(
        (&rows[2]["tags.note"], &rows[2]["public_ip"], &rows[3]["public_ip"]),
        (&json!("it's \"new\", ok"), &json!("192.0.2.1"), &json!(""))
    );
    assert_eq!(rows[0]["security_groups"], "db,web-sg");
    let run = hostfmt(&["csv", "-D", "columns=host,role,public_ip"], FLEET).exits(0);
    assert_eq!(run.stderr, "hostfmt: no record has the key role; did you mean tags.role?\n");
    let chosen = written(&["csv", "-D", "columns=host,tags.role,tags"], FLEET);
    assert_eq!(written(&["csv", "-D", "columns=tags.team"], "web1\n"), "tags.team\n\"\"\n");
    assert!(chosen.starts_with("host,tags.role,tags\ndb1,db,\"{\"\"Name\"\":\"\"db1\"\""), "{chosen}");
}

#[test]
fn names_are_enough_if_the_name_is_an_address() {
    assert_eq!(written(&["ssh-config"], "web1\n"), "Host web1\n    HostName web1\n");
    assert!(readers::prometheus(&written(&["prometheus"], "web1\n")).contains_key("web1:9100"));
    assert_eq!(readers::nagios(&written(&["nagios"], "web1\n"))["host web1"]["address"], "web1");
    let run = hostfmt(&["hosts"], "web1\nweb2\n").exits(2);
    assert!(run.stderr.contains("web[1-2]: has no address"), "{}", run.stderr);
}
