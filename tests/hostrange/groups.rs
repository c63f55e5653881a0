//! Node groups, `@NAME`, from ClusterShell's files. A user's own groups.conf overrides that of /etc/clustershell.

use crate::{names_in, printed_in};
use kit::Sandbox;

const CONF: &str = "[Main]\ndefault: cerveza\nconfdir: $CFGDIR/groups.conf.d\nautodir: $CFGDIR/groups.d\n";

const YAML: &str = "
cerveza:
  web: 'web[1-3]'
  db: [db1, 'db2']
  front: '@web!web2'
  all: '@front,@db'
taps:
  rack1: 'web1,db1'
  rack2: 'web2,db2'
";

/// A sandbox whose user has groups in `folder`.
fn with_groups(folder: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file(&format!("{folder}/groups.conf"), CONF);
    sandbox.file(&format!("{folder}/groups.d/cerveza.yaml"), YAML);
    sandbox
}

fn in_home() -> Sandbox {
    with_groups(".config/clustershell")
}

#[test]
fn a_group_can_be_anywhere_in_an_expression() {
    let sandbox = in_home();
    assert_eq!(names_in(&sandbox, &["@web", "x1"], ""), "web1 web2 web3 x1");
    assert_eq!(names_in(&sandbox, &["@front,@taps:rack1!web3"], ""), "web1 db1");
    assert_eq!(names_in(&sandbox, &["@taps:rack[1-2]&@web"], ""), "web1 web2");
    assert_eq!(names_in(&sandbox, &["@*"], ""), "web1 web3 db1 db2");
    assert_eq!(names_in(&sandbox, &["@taps:*"], ""), "web1 db1 web2 db2");
    assert_eq!(names_in(&sandbox, &["web[1-5]", "-x", "@web"], ""), "web4 web5");
    assert_eq!(names_in(&sandbox, &["-i", "@db"], "@taps:rack1\n"), "db1");
    assert_eq!(printed_in(&sandbox, &["-c", "@web"], ""), "3\n");
    assert_eq!(printed_in(&sandbox, &["--contains", "@front", "@web"], ""), "");
    // Else nothing with an @ in it would be a host.
    assert_eq!(names_in(&sandbox, &["root@web"], ""), "root@web");
}

#[test]
fn the_environment_sets_the_folder_of_the_groups() {
    for (variable, folder, value) in
        [("XDG_CONFIG_HOME", "xdg/clustershell", "xdg"), ("CLUSTERSHELL_CFGDIR", "own", "own")]
    {
        let mut sandbox = with_groups(folder);
        sandbox.env(variable, sandbox.dir().join(value).display().to_string());
        assert_eq!(names_in(&sandbox, &["@db"], ""), "db1 db2", "{variable}");
    }
}

#[test]
fn a_missing_group_is_an_error_with_a_suggestion() {
    let sandbox = in_home();
    for args in [["x1", "@wbe"], ["x1", "-x@wbe"], ["x1", "x2!@wbe"]] {
        let run = sandbox.run("hostrange", &args, "").exits(2);
        assert_eq!(run.stdout, "");
        let file = sandbox.dir().join(".config/clustershell/groups.d/cerveza.yaml");
        let why = format!("no group \"wbe\" in the source \"cerveza\" ({}): did you mean @web?", file.display());
        assert!(run.stderr.starts_with(&format!("hostrange: bad expression: {why}")), "{}", run.stderr);
        assert!(run.stderr.ends_with("^^^^\n"), "{}", run.stderr);
    }
    let run = sandbox.run("hostrange", &["-1"], "x1\n@taps:web\n").exits(2);
    assert_eq!(run.stdout, "");
    let message = "hostrange: stdin: line 2: bad expression: no group \"web\" in the source \"taps\"";
    assert!(run.stderr.starts_with(message), "{}", run.stderr);
    assert!(run.stderr.contains("did you mean @cerveza:web?"), "{}", run.stderr);
}

#[test]
fn a_broken_file_of_groups_is_an_error_only_if_groups_are_used() {
    let sandbox = in_home();
    let file = sandbox.file(".config/clustershell/groups.d/broken.yaml", "taps2: [\n");
    assert_eq!(names_in(&sandbox, &["x1"], ""), "x1");
    let run = sandbox.run("hostrange", &["@web"], "").exits(2);
    assert!(run.stderr.starts_with(&format!("hostrange: bad expression: {}: ", file.display())), "{}", run.stderr);
}

#[test]
fn no_program_is_run_for_a_group() {
    let sandbox = in_home();
    sandbox.file(".config/clustershell/groups.conf", format!("{CONF}[upcall]\nmap: touch ran; echo web1\n"));
    let run = sandbox.run("hostrange", &["@upcall:x"], "").exits(2);
    assert!(
        run.stderr.contains("which is not run here: give the hosts by \"$(nodeset -f @upcall:GROUP)\""),
        "{}",
        run.stderr
    );
    assert!(!sandbox.dir().join("ran").exists());
    assert_eq!(names_in(&sandbox, &["@db"], ""), "db1 db2");
}

#[test]
fn groups_are_listed_by_source() {
    let sandbox = in_home();
    // As nodeset -l, -ll and -L print them.
    assert_eq!(printed_in(&sandbox, &["--groups"], ""), "@all\n@db\n@front\n@web\n");
    assert_eq!(printed_in(&sandbox, &["--groups=taps"], ""), "@taps:rack1\n@taps:rack2\n");
    assert_eq!(printed_in(&sandbox, &["--groups=@taps:"], ""), "@taps:rack1\n@taps:rack2\n");
    // A source of the machine's own may be unreadable, which is message.
    assert_eq!(
        sandbox.run("hostrange", &["--groups=*"], "").exits(0).stdout,
        "@all\n@db\n@front\n@web\n@taps:rack1\n@taps:rack2\n"
    );
    let members = "@all: web[1,3],db[1-2]\n@db: db[1-2]\n@front: web[1,3]\n@web: web[1-3]\n";
    assert_eq!(printed_in(&sandbox, &["--groups", "--fold"], ""), members);
    assert_eq!(printed_in(&sandbox, &["--groups", "-c"], ""), "@all: 4\n@db: 2\n@front: 2\n@web: 3\n");
    let json = printed_in(&sandbox, &["--groups=taps", "-o", "json"], "");
    assert!(
        json.starts_with("{\"by\":\"group\",\"value\":\"@taps:rack1\",\"count\":2,\"hosts\":\"web1,db1\"}\n"),
        "{json}"
    );
}

#[test]
fn groups_with_hosts_lists_the_groups_of_these_hosts() {
    let sandbox = in_home();
    assert_eq!(printed_in(&sandbox, &["--groups", "web1"], ""), "@all\n@front\n@web\n");
    assert_eq!(
        printed_in(&sandbox, &["--groups", "-f", "-"], "web1\n{\"host\":\"db2\"}\n"),
        "@all: web1,db2\n@db: db2\n@front: web1\n@web: web1\n"
    );
    let of_all = sandbox.run("hostrange", &["--groups=*", "@db!db2"], "").exits(0).stdout;
    assert_eq!(of_all, "@all\n@db\n@taps:rack1\n");
    assert_eq!(printed_in(&sandbox, &["--groups", "x1"], ""), "");
    assert_eq!(sandbox.run("hostrange", &["--groups", "--fail-empty", "x1"], "").exits(1).stdout, "");
}

#[test]
fn a_missing_source_and_a_program_are_reported() {
    let sandbox = in_home();
    let run = sandbox.run("hostrange", &["--groups=tap"], "").exits(2);
    assert!(
        run.stderr.contains("no source of groups \"tap\"") && run.stderr.contains("did you mean @taps:GROUP?"),
        "{}",
        run.stderr
    );
    sandbox.file(
        ".config/clustershell/groups.conf",
        format!("{CONF}[upcall]\nmap: touch ran; echo web1\nlist: touch ran\n"),
    );
    let run = sandbox.run("hostrange", &["--groups=*"], "").exits(0);
    assert!(run.stdout.ends_with("@taps:rack2\n"), "{}", run.stdout);
    assert!(run.stderr.contains("the groups of \"upcall\" come out of a program"), "{}", run.stderr);
    assert!(!sandbox.dir().join("ran").exists());
}

#[test]
fn hosts_are_folded_into_the_largest_whole_groups() {
    let sandbox = in_home();
    let regrouped = |args: &[&str]| printed_in(&sandbox, &[&["--regroup"], args].concat(), "").trim_end().to_string();
    // What nodeset -r makes of them, words in the order of their first name.
    assert_eq!(regrouped(&["web[1,3]"]), "@front");
    assert_eq!(regrouped(&["web[1-3]", "db1", "db2"]), "@all,web2");
    assert_eq!(regrouped(&["web[1-3]", "db1", "x[1-2]"]), "@web,db1,x[1-2]");
    assert_eq!(regrouped(&["web[1-2],x1"]), "web[1-2],x1");
    assert_eq!(regrouped(&["db[1-2]", "web2"]), "@db,web2");
    assert_eq!(regrouped(&["@web"]), "@web");
    assert_eq!(regrouped(&["web[1-10000]"]), "@web,web[4-10000]");
    assert_eq!(
        printed_in(&sandbox, &["--regroup=taps"], "web1\n{\"host\":\"web2\"}\ndb[1-2],n1\n"),
        "@taps:rack[1-2],n1\n"
    );
    assert_eq!(printed_in(&sandbox, &["--regroup=taps", "-x", "n1", "@*", "n1"], ""), "@taps:rack1,web3,db2\n");
    let folded = sandbox.run("hostrange", &["--regroup=*", "web[1-3],db[1-2],x9"], "").exits(0).stdout;
    assert_eq!(names_in(&sandbox, &[folded.trim_end()], "").split(' ').count(), 6, "{folded}");
}

#[test]
fn regroup_needs_hosts() {
    let run = in_home().run("hostrange", &["--regroup", "--fail-empty"], "").exits(1);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "hostrange: no hosts: the input was empty\n"));
    let run = Sandbox::new().run("hostrange", &["--regroup", "a"], "");
    if !std::path::Path::new("/etc/clustershell").exists() {
        assert!(run.stderr.starts_with("hostrange: there are no node groups"), "{}", run.stderr);
    }
}
