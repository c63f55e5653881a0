//! Templates rendered once, with `--set` and no host.

use crate::{build, forced, judge_one, named, refused};
use kit::Sandbox;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("host.sh.j2", "#!/bin/sh\nhostname {{ host }}.{{ tags.role | default('none') }}\n");
    sandbox.file("base.cfg", "#cloud-config\na: 1\n");
    sandbox
}

#[test]
fn templates_are_rendered_with_set() {
    let args = ["--set", "host=web1", "--set=tags.role=a=b é", "base.cfg", "host.sh.j2"];
    let verdict = judge_one(build(&sandbox(), &args));
    assert_eq!(named(&verdict.scripts), [("host.sh", "#!/bin/sh\nhostname web1.a=b é\n".to_string())]);
    assert_eq!(verdict.config["a"], 1);
    let verdict = judge_one(build(&sandbox(), &["--set", "host=", "--set", "tags.x=1", "host.sh.j2"]));
    assert_eq!(named(&verdict.scripts), [("host.sh", "#!/bin/sh\nhostname .none\n".to_string())]);
}

#[test]
fn set_overrides_the_record() {
    let record = "{\"host\":\"web1\",\"tags\":{\"role\":\"db\",\"x\":1}}\n";
    let args = ["--per-host", "--no-gzip", "--set", "tags.role=web", "host.sh.j2"];
    let run = sandbox().run("mkuserdata", &args, record).exits(0);
    let parts = crate::per_host::judged(&run).remove(0).parts;
    assert_eq!(named(&parts)[0].1, "#!/bin/sh\nhostname web1.web\n");
    // The record itself stays as it is.
    assert!(
        run.stdout.starts_with("{\"host\":\"web1\",\"tags\":{\"role\":\"db\",\"x\":1},\"user_data\":"),
        "{}",
        run.stdout
    );
}

#[test]
fn missing_names_and_malformed_settings_are_errors() {
    let sandbox = sandbox();
    let error = refused(&sandbox, &["host.sh.j2"]);
    assert_eq!(error, "host.sh.j2: line 2: host is undefined");
    assert_eq!(refused(&sandbox, &["--set", "x=1", "host.sh.j2"]), "host.sh.j2: line 2: host is undefined");
    for bad in ["x", "=x", "a..b=x"] {
        assert!(refused(&sandbox, &["--set", bad, "host.sh.j2"]).contains(bad));
    }
    let (_, said) = forced(&sandbox, &["--set", "x=1", "base.cfg"]);
    assert_eq!(said, "mkuserdata: --set gives names to templates, and no part is one: their files end in .j2\n");
}
