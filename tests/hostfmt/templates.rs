//! Templates of the user, --show and --list, and messages for typos.

use crate::{FLEET, hostfmt};
use kit::{Outcome, Sandbox};

const FORMATS: [&str; 9] = ["ansible", "bind", "csv", "ganglia", "hosts", "ldif", "nagios", "prometheus", "ssh-config"];

/// Renders a template of this name.
fn render(name: &str, source: &str, args: &[&str]) -> Outcome {
    let sandbox = Sandbox::new();
    sandbox.file(name, source);
    sandbox.run("hostfmt", &[&[name], args].concat(), FLEET)
}

#[test]
fn shown_format_is_a_template_with_the_same_output() {
    let mut sandbox = Sandbox::new();
    sandbox.env("SOURCE_DATE_EPOCH", "1700000000");
    for format in FORMATS {
        let set: &[&str] = if format == "ldif" { &["-D", "base=dc=example"] } else { &[] };
        let shown = sandbox.run("hostfmt", &["--show", format], "").exits(0).stdout;
        sandbox.file("mine.j2", shown);
        let of_format = sandbox.run("hostfmt", &[&[format], set].concat(), FLEET).exits(0).stdout;
        assert_eq!(sandbox.run("hostfmt", &[&["mine.j2"], set].concat(), FLEET).exits(0).stdout, of_format, "{format}");
    }
}

#[test]
fn the_list_has_a_line_for_each_format() {
    let list = hostfmt(&["--list"], "").exits(0).stdout;
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, FORMATS);
    assert!(list.lines().all(|line| line.len() <= 100), "{list}");
}

#[test]
fn a_template_sees_hosts_groups_and_settings() {
    let source = "{% for g in groups %}\n{{ g.name }}: {{ g.hosts | map(attribute='host') | join(' ') }}\n{% endfor %}\n\
                  {{ hosts | length }} {{ x.y }} {{ hosts[2].tags.get('role') }} {{ hosts[2].host.upper() }}\n\
                  {% if hosts[2].vpc_id %}no{% else %}none{% endif %}\n";
    let run = render("x.j2", source, &["-g", "tags.role", "-D", "x.y=z"]).exits(0);
    assert_eq!(run.stdout, "db: db1\nweb: web1 web2 web10\n5 z web WEB1\nnone");
}

#[test]
fn file_name_selects_the_escape() {
    let source = "{% for h in hosts %}{{ h.tags.note | default('-') }};{% endfor %}";
    let note = "it's \"new\", ok";
    assert_eq!(render("x.txt.j2", source, &[]).exits(0).stdout, format!("-;-;{note};-;-;"));
    assert_eq!(render("x.csv.j2", source, &[]).exits(0).stdout, "-;-;\"it's \"\"new\"\", ok\";-;-;");
    assert!(render("x.json.j2", source, &[]).exits(0).stdout.contains(r#";"it's \"new\", ok";"#));
    assert!(render("x.html.j2", source, &[]).exits(0).stdout.contains("&quot;new&quot;"));
    let refused = render("x.j2", &format!("{{# hostfmt: escape=zone #}}\n{source}"), &[]).exits(2);
    assert!(
        refused.stderr.contains("web1: \"it's \\\"new\\\", ok\" has a character that is not plain here"),
        "{}",
        refused.stderr
    );
}

#[test]
fn control_characters_are_never_written_unescaped() {
    let sandbox = Sandbox::new();
    sandbox.file("x.j2", "{% for h in hosts %}{{ h.host }}\n{% endfor %}");
    let run = sandbox.run("hostfmt", &["x.j2"], "{\"host\":\"a\\nb\"}\nweb1\n").exits(2);
    assert!(run.stderr.contains("has a control character"), "{}", run.stderr);
    assert_eq!(sandbox.run("hostfmt", &["x.j2", "--skip"], "{\"host\":\"a\\nb\"}\nweb1\n").exits(3).stdout, "web1\n");
}

#[test]
fn template_error_names_file_line_and_host() {
    let why = |source: &str| render("x.j2", source, &[]).exits(2).stderr;
    assert_eq!(why("a\n{% for h in %}"), "hostfmt: x.j2: line 2: unexpected end of block\n");
    assert_eq!(
        why("{{ nobody }}"),
        "hostfmt: x.j2: line 1: nobody is undefined\nhostfmt: --set nobody=VALUE gives it\n"
    );
    assert_eq!(
        why("\n{% for h in hosts %}{{ h.hots }}{% endfor %}"),
        "hostfmt: db1: x.j2: line 2: h.hots is undefined\n"
    );
    assert_eq!(
        why("{% for h in hosts %}{{ h.tags.note }}{% endfor %}"),
        "hostfmt: db1: x.j2: line 1: h.tags.note is undefined\n"
    );
    assert_eq!(why("{{ hosts | zonk }}"), "hostfmt: x.j2: line 1: filter zonk is unknown\n");
    let skipped =
        render("x.j2", "{% for h in hosts %}{{ h.host }} {{ h.tags.note }}\n{% endfor %}", &["--skip"]).exits(3);
    assert_eq!(skipped.stdout, "web1 it's \"new\", ok\n");
}

#[test]
fn many_hosts_without_a_value_are_left_out_in_one_pass() {
    let sandbox = Sandbox::new();
    let records: String =
        (1..=3000).map(|n| format!("{{\"host\":\"n{n}\",\"tags\":{{\"t{}\":\"x\"}}}}\n", n % 2)).collect();
    for (name, value) in [("x.j2", "h.tags.t1"), ("x.json.j2", "h.tags.t1"), ("y.j2", "h.tags.t1 | ip | default('')")] {
        sandbox.file(name, format!("{{% for h in hosts %}}{{{{ h.host }}}} {{{{ {value} }}}}\n{{% endfor %}}"));
        let run = sandbox.run("hostfmt", &[name, "--skip"], &records);
        assert!(run.stderr.contains("n[2,4,") && run.stderr.lines().count() < 10, "{}", run.stderr);
    }
}

#[test]
fn command_line_typos_get_suggestions() {
    let why = |args: &[&str]| hostfmt(args, FLEET).exits(2).stderr;
    assert_eq!(
        why(&["ansibel"]),
        "hostfmt: 'ansibel' is not a format; a template's file ends in .j2\nhostfmt: is it ansible?\n"
    );
    assert!(why(&["etc"]).ends_with("hostfmt: hostfmt --list names the formats\n"));
    assert!(why(&["no.j2"]).starts_with("hostfmt: cannot read no.j2: No such file"));
    assert_eq!(why(&["nagios", "-D", "uses=x"]), "hostfmt: nagios has no setting uses: it has use\n");
    assert!(why(&["bind", "-D", "zon=x"]).contains("it has contact, nameservers, public_suffix, serial, ttl, zone\n"));
    assert!(why(&["ssh-config", "-D", "x=y"]).contains("ssh-config has no setting x: it has key, user\n"));
    assert!(why(&[]).contains("required"));
}
