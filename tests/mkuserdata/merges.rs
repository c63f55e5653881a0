//! How cloud-configs are merged: as cloud-init does by itself, or as `--merge` says.

use crate::{build, forced, judge_one, refused};
use kit::{Sandbox, cloud_init};
use serde_json::json;

const APPEND: &str = "list(append)+dict(no_replace,recurse_list)+str()";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("1", "#cloud-config\npackages: [a]\nn: 1\nmap: {x: {l: [1]}, y: 1}\ntext: one\n");
    sandbox.file("2", "#cloud-config\npackages: [b]\nn: 2\nmap: {x: {l: [2], m: 3}}\ntext: two\nnew: 1\n");
    sandbox
}

#[test]
fn without_it_the_last_part_wins() {
    let verdict = judge_one(build(&sandbox(), &["1", "2"]));
    assert!(verdict.headers.iter().all(|headers| !headers.contains_key("x-merge-type")));
    let last = json!({"packages": ["b"], "n": 2, "map": {"x": {"l": [2], "m": 3}}, "text": "two", "new": 1});
    assert_eq!(verdict.config, last);
}

#[test]
fn append_appends_lists_and_merges_mappings_and_the_first_value_stays() {
    let sandbox = sandbox();
    let verdict = judge_one(build(&sandbox, &["--merge", "append", "1", "2"]));
    assert!(verdict.headers.iter().all(|headers| headers["x-merge-type"] == APPEND));
    let merged = json!({
        "packages": ["a", "b"], "n": 1, "map": {"x": {"l": [1, 2], "m": 3}, "y": 1}, "text": "one", "new": 1
    });
    assert_eq!(verdict.config, merged);
    assert_eq!(verdict.warnings, [""; 0]);
    assert_eq!(build(&sandbox, &["--merge", APPEND, "1", "2"]), build(&sandbox, &["--merge=append", "1", "2"]));
}

#[test]
fn a_value_of_ones_own_is_written_as_it_is() {
    let value = "dict(replace)+list(prepend)+str(append)";
    let nested = "dict(recurse_array, recurse_str)+list(prepend)+str(append)";
    let verdict = judge_one(build(&sandbox(), &["--merge", value, "1", "2"]));
    assert_eq!(verdict.headers[1]["x-merge-type"], value);
    assert_eq!(verdict.config["packages"], json!(["b"]));
    let verdict = judge_one(build(&sandbox(), &["--merge", nested, "1", "2"]));
    assert_eq!(verdict.config["packages"], json!(["b", "a"]));
    assert_eq!(verdict.config["text"], "onetwo");
}

#[test]
fn only_cloud_configs_have_it_and_templates_that_become_one() {
    let sandbox = sandbox();
    sandbox.file("s", "#!/bin/sh\n");
    sandbox.file("p", "#cloud-config-jsonp\n[{\"op\":\"add\",\"path\":\"/p\",\"value\":1}]\n");
    sandbox.file("j", "## template: jinja\n#cloud-config\npackages: ['{{ v1.region }}']\n");
    sandbox.file("k", "## template: jinja\n#!/bin/sh\n");
    sandbox.file("t.j2", "#cloud-config\npackages: ['{{ c }}']\n");
    sandbox.file("plain", "packages: [d]\n");
    let parts = ["--merge", "append", "--set", "c=c", "1", "s", "p", "j", "k", "t.j2", "plain:cloud-config"];
    let verdict = judge_one(build(&sandbox, &parts));
    let merged: Vec<_> = verdict.headers.iter().map(|headers| headers.contains_key("x-merge-type")).collect();
    assert_eq!(merged, [true, false, false, true, false, true, true]);
    assert_eq!(verdict.config["packages"], json!(["a", "us-east-1", "c", "d"]));
    assert_eq!(verdict.config["p"], 1);
}

/// What is taken merges without a complaint; what is refused cloud-init would not understand.
#[test]
fn the_syntax_is_that_of_cloud_init() {
    let sandbox = sandbox();
    let taken = [
        "dict()",
        "dict()+str(append)",
        "List(Append)+DICT(no-replace,recurse-list)+Str()",
        "list(append, recurse_dict) + dict(allow_delete)",
        "m_dict()",
        "dict()++list(append)",
        "dict(recurse_list,)",
    ];
    let wrong = ["list", "dict()+list(append", "(append)", "set()", "list()x", "9()", "li st()", "é()"];
    let mut user_data = Vec::new();
    for value in taken {
        user_data.push(build(&sandbox, &["--no-gzip", "--merge", value, "1", "2"]));
    }
    let message = String::from_utf8(build(&sandbox, &["--no-gzip", "--merge", "dict()", "1", "2"])).unwrap();
    for value in wrong {
        assert!(refused(&sandbox, &["--merge", value, "1", "2"]).starts_with(&format!("--merge {value}: ")));
        user_data.push(message.replace("dict()", value).into_bytes());
    }
    // Without one for mappings a cloud-config merges into nothing, in silence.
    user_data.push(message.replace("dict()", "list(append)+str()").into_bytes());
    let mut verdicts = cloud_init::judge(&user_data);
    assert_eq!(verdicts.pop().map(|verdict| (verdict.config, verdict.warnings)), Some((json!({}), vec![])));
    for (value, verdict) in taken.iter().chain(&wrong).zip(verdicts) {
        let complains = verdict.warnings.iter().any(|warning| warning.contains("Failed at merging"));
        assert_eq!(complains, wrong.contains(value), "{value}: {:?}", verdict.warnings);
    }
}

#[test]
fn settings_that_cloud_init_would_pass_over_in_silence_are_refused_too() {
    let sandbox = sandbox();
    for (value, why) in [
        ("", "without dict() cloud-init would leave the whole cloud-config out"),
        ("list(append)+str()", "without dict() cloud-init would leave"),
        ("str(replace)", "str has no setting replace, but append"),
        ("list(appned)", "list has no setting appned, but append, prepend"),
        ("list()(append)", "list has no setting )(append, but "),
        ("dict(append)", "dict has no setting append, but "),
    ] {
        let run = sandbox.run("mkuserdata", &["--merge", value, "1"], "").exits(2);
        let error = format!("mkuserdata: --merge {value}: {why}");
        assert!(run.stderr.replace("\\n", "\n").starts_with(&error), "{}", run.stderr);
    }
    let run = sandbox.run("mkuserdata", &["--merge", "dict()\nX-Evil: 1", "1"], "").exits(2);
    assert!(run.stderr.contains(": it has a control character\n"), "{}", run.stderr);
    // Also by force.
    assert_eq!(sandbox.run("mkuserdata", &["--force", "--merge", "list", "1"], "").exits(2).stdout, "");
    assert_eq!(forced(&sandbox, &["--merge=dict()", "1"]).1, "");
}
