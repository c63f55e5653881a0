//! How cloud-configs are merged: as cloud-init does by itself, or as `--merge` says.

use crate::{Dice, build, check, forced, judge_one, named, refused};
use kit::{Sandbox, cloud_init};
use serde_json::{Value, json};

const APPEND: &str = "list(append)+dict(no_replace,recurse_list)+str()";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("1", "#cloud-config\npackages: [a]\nn: 1\nmap: {x: {l: [1]}, y: 1}\ntext: one\n");
    sandbox.file("2", "#cloud-config\npackages: [b]\nn: 2\nmap: {x: {l: [2], m: 3}}\ntext: two\nnew: 1\n");
    sandbox
}

/// By default, cloud-init loses the lists and mappings of the first one.
#[test]
fn without_merge_losing_a_list_is_an_error() {
    let sandbox = sandbox();
    let run = sandbox.run("mkuserdata", &["1", "2"], "").exits(2);
    let rest = "cloud-init would keep only that of 2. With mkuserdata --merge append, or merge_how in the later, it keeps both";
    assert_eq!(
        run.stderr,
        format!(
            "mkuserdata: 1 (line 2) and 2 (line 2) both have the list packages: {rest}\n\
             1 (line 4) and 2 (line 4) both have the mapping map: {rest}\n\
             mkuserdata: --force builds it anyway\n"
        )
    );
    let verdict = judge_one(forced(&sandbox, &["--force", "1", "2"]).0);
    assert!(verdict.headers.iter().all(|headers| !headers.contains_key("x-merge-type")));
    let last = json!({"packages": ["b"], "n": 2, "map": {"x": {"l": [2], "m": 3}}, "text": "two", "new": 1});
    assert_eq!(verdict.config, last);
}

#[test]
fn merge_append_appends_lists_and_keeps_first_values() {
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
fn a_merge_value_is_written_unchanged() {
    let value = "dict(replace)+list(prepend)+str(append)";
    let nested = "dict(recurse_array, recurse_str)+list(prepend)+str(append)";
    let verdict = judge_one(forced(&sandbox(), &["--force", "--merge", value, "1", "2"]).0);
    assert_eq!(verdict.headers[1]["x-merge-type"], value);
    assert_eq!(verdict.config["packages"], json!(["b"]));
    let verdict = judge_one(build(&sandbox(), &["--merge", nested, "1", "2"]));
    assert_eq!(verdict.config["packages"], json!(["b", "a"]));
    assert_eq!(verdict.config["text"], "onetwo");
}

#[test]
fn only_cloud_configs_get_a_merge_type() {
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

/// cloud-init merges accepted settings without a warning, and does not understand refused ones.
#[test]
fn the_merge_syntax_is_that_of_cloud_init() {
    let sandbox = sandbox();
    let taken = [
        "dict()",
        "dict()+str(append)",
        "List(Append)+DICT(no-replace,recurse-list)+Str()",
        "list(append, recurse_dict) + dict(allow_delete)",
        "dict()++list(append)",
        "dict(recurse_list,)",
    ];
    let wrong = ["list", "dict()+list(append", "(append)", "set()", "list()x", "9()", "li st()", "é()"];
    let mut user_data = Vec::new();
    for value in taken {
        user_data.push(forced(&sandbox, &["--force", "--no-gzip", "--merge", value, "1", "2"]).0);
    }
    let message = String::from_utf8(build(&sandbox, &["--no-gzip", "--merge", "dict()", "1", "2"])).unwrap();
    for value in wrong {
        assert!(refused(&sandbox, &["--merge", value, "1", "2"]).starts_with(&format!("--merge {value}: ")));
        user_data.push(message.replace("dict()", value).into_bytes());
    }
    // Without a merger for mappings, a cloud-config is silently ignored.
    user_data.push(message.replace("dict()", "list(append)+str()").into_bytes());
    let mut verdicts = cloud_init::judge(&user_data);
    assert_eq!(verdicts.pop().map(|verdict| (verdict.config, verdict.warnings)), Some((json!({}), vec![])));
    for (value, verdict) in taken.iter().chain(&wrong).zip(verdicts) {
        let complains = verdict.warnings.iter().any(|warning| warning.contains("Failed at merging"));
        assert_eq!(complains, wrong.contains(value), "{value}: {:?}", verdict.warnings);
    }
}

#[test]
fn merge_settings_that_cloud_init_ignores_are_refused() {
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
    // With --force too.
    assert_eq!(sandbox.run("mkuserdata", &["--force", "--merge", "list", "1"], "").exits(2).stdout, "");
    assert_eq!(forced(&sandbox, &["--merge=dict()", "1"]).1, "");
}

/// Cloud-configs that are merged in this order, the key that loses something, and what cloud-init keeps of it.
fn lossy() -> Vec<(&'static [&'static str], &'static str, Value)> {
    vec![
        (&["runcmd: [a]", "runcmd: [b]"], "list runcmd", json!(["b"])),
        (&["runcmd: [a]", "n: 1", "runcmd:\n- b\n- [c, d]"], "list runcmd", json!(["b", ["c", "d"]])),
        (&["write_files: [{path: /a}]", "write_files: [{path: /b}]"], "list write_files", json!([{"path": "/b"}])),
        (&["packages: [a]", "packages:"], "list packages", Value::Null),
        (&["packages: [a, b]", "packages: [b, c]"], "list packages", json!(["b", "c"])),
        (&["apt: {a: 1}", "apt: {b: 2}"], "mapping apt", json!({"b": 2})),
        (&["apt: {a: {b: [1]}}", "apt: {a: {b: [2]}}"], "mapping apt", json!({"a": {"b": [2]}})),
        // The merge setting of the first does not apply to the second.
        (
            &["packages: [a]\nmerge_how: 'list(append)+dict(no_replace,recurse_list)+str()'", "packages: [b]"],
            "list packages",
            json!(["b"]),
        ),
        (&["packages: [a]", "packages: [b]\nmerge_how: 'list(append)+dict()+str()'"], "list packages", json!(["a"])),
        (
            &["packages: [a]", "packages: [b]\nmerge_how: [{name: list, settings: [prepend]}, [dict, replace]]"],
            "list packages",
            json!(["b"]),
        ),
    ]
}

/// Names of files with these cloud-configs.
fn parts(sandbox: &Sandbox, configs: &[&str]) -> Vec<String> {
    let file = |(at, config): (usize, &&str)| {
        sandbox.file(&format!("{at}.cfg"), format!("#cloud-config\n{config}\n"));
        format!("{at}.cfg")
    };
    configs.iter().enumerate().map(file).collect()
}

#[test]
fn lost_lists_are_refused_and_reported_by_check() {
    let sandbox = Sandbox::new();
    let mut user_data = Vec::new();
    for (configs, key, _) in lossy() {
        let parts = parts(&sandbox, configs);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let error = refused(&sandbox, &parts);
        assert!(error.contains(&format!("0.cfg (line 2) and {}.cfg (line 2) both have the {key}: ", parts.len() - 1)));
        let (forced, said) = forced(&sandbox, &[&["--force"], &parts[..]].concat());
        assert_eq!(said, format!("mkuserdata: {error}\n"));
        let again = check(&sandbox, &forced).exits(1);
        assert!(
            again.stderr.contains(&format!("part 1 (0.cfg) (line 2) and part {} (", parts.len())),
            "{}",
            again.stderr
        );
        assert!(again.stderr.contains(&format!(" both have the {key}: ")), "{}", again.stderr);
        user_data.push(forced);
    }
    for ((configs, key, kept), verdict) in lossy().into_iter().zip(cloud_init::judge(&user_data)) {
        let key = key.split(' ').nth(1).unwrap();
        assert_eq!(verdict.config[key], kept, "{configs:?}");
    }
}

/// The texts in the lists of a configuration.
fn items(config: &Value) -> Vec<&str> {
    match config {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        Value::Object(map) => map.values().flat_map(items).collect(),
        _ => Vec::new(),
    }
}

/// Exactly the configs that lose an item of a list are refused.
#[test]
fn generated_cloud_configs_are_refused_exactly_if_they_lose_an_item() {
    const HOW: [&str; 6] = [
        "",
        "",
        "merge_how: 'list(append)+dict(no_replace,recurse_list)+str()'\n",
        "merge_how: [[dict, recurse_array], [list, prepend]]\n",
        "merge_how: 'list(append)+dict()+str()'\n",
        "merge_how: 'dict(replace)+list(append)'\n",
    ];
    let sandbox = Sandbox::new();
    let mut dice = Dice(29);
    let (mut refused, mut written, mut user_data) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..120 {
        let (mut paths, mut all) = (Vec::new(), Vec::new());
        for at in 0..dice.below(3) + 2 {
            let mut text = format!("#cloud-config\ns: {at}\n{}", dice.pick(&HOW));
            for key in ["a", "m", "n"] {
                let has = dice.below(2) == 0;
                let mut list = |name: &str| {
                    let items: Vec<String> = (0..dice.below(3)).map(|item| format!("{name}{at}{item}")).collect();
                    all.extend(items.clone());
                    items.join(", ")
                };
                text += &match key {
                    _ if !has => continue,
                    "a" => format!("a: [{}]\n", list("a")),
                    "m" => format!("m: {{b: [{}], x: {at}}}\n", list("b")),
                    _ => format!("n: {{c: [{}], d: {{e: [{}]}}}}\n", list("c"), list("e")),
                };
            }
            let path = format!("{at}.cfg");
            sandbox.file(&path, text);
            paths.push(path);
        }
        let parts: Vec<&str> = paths.iter().map(String::as_str).collect();
        let (bytes, said) = forced(&sandbox, &[&["--force"], &parts[..]].concat());
        refused.push(said);
        written.push(all);
        user_data.push(bytes);
    }
    let mut builds = 0;
    for ((said, all), verdict) in refused.iter().zip(written).zip(cloud_init::judge(&user_data)) {
        let kept = items(&verdict.config);
        let lost: Vec<_> = all.iter().filter(|item| !kept.contains(&item.as_str())).collect();
        assert_eq!(said.is_empty(), lost.is_empty(), "{lost:?} of {:?}: {said}", named(&verdict.parts));
        builds += usize::from(said.is_empty());
    }
    assert!((20..100).contains(&builds), "{builds} of 120 build");
}

#[test]
fn configs_that_lose_nothing_build() {
    let sandbox = Sandbox::new();
    let replaces = "packages: [b]\nmerge_how: 'dict(replace)+list()+str()'";
    let append = "packages: [b]\nmerge_how: 'list(append)+dict(no_replace,recurse_list)+str()'";
    let as_list = "packages: [b]\nmerge_how: [[list, append], [dict, recurse_array], [str]]";
    let cases: [(&[&str], Value); 9] = [
        (&["packages: [a]", "runcmd: [b]"], json!(["a"])),
        (&["packages: [a]", "packages: [b, a]"], json!(["b", "a"])),
        (&["packages: []", "packages: [b]"], json!(["b"])),
        (&["packages: a", "packages: b"], json!("b")),
        (&["packages: {a: 1, l: [1]}", "packages: {a: 2, l: [1, 2]}"], json!({"a": 2, "l": [1, 2]})),
        (&["packages: [a]", replaces], json!(["b"])),
        (&["packages: [a]", append], json!(["a", "b"])),
        (&["packages: [a]", as_list], json!(["a", "b"])),
        // The second one adds nothing.
        (&["packages: [a]", "# nothing\nx: 1"], json!(["a"])),
    ];
    let mut user_data = Vec::new();
    for (configs, _) in &cases {
        let parts = parts(&sandbox, configs);
        user_data.push(build(&sandbox, &parts.iter().map(String::as_str).collect::<Vec<_>>()));
        assert_eq!(check(&sandbox, user_data.last().unwrap()).exits(0).stderr, "");
    }
    for ((configs, packages), verdict) in cases.iter().zip(cloud_init::judge(&user_data)) {
        assert_eq!((verdict.config["packages"].clone(), verdict.warnings.len()), (packages.clone(), 0), "{configs:?}");
    }
}

#[test]
fn lost_lists_in_archives_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.file("base.cfg", "#cloud-config\npackages: [a]\n");
    sandbox
        .file("archive", "#cloud-config-archive\n- 'runcmd: [a]'\n- content: |\n    #cloud-config\n    runcmd: [b]\n");
    let error = refused(&sandbox, &["archive"]);
    let start =
        "archive entry 1 (line 1) and archive entry 2 (line 2) both have the list runcmd: cloud-init would keep";
    assert!(error.starts_with(start), "{error}");
    assert!(error.contains(&format!("merge_how: '{APPEND}'")), "{error}");
    let verdict = judge_one(forced(&sandbox, &["--force", "archive"]).0);
    assert_eq!(verdict.config["runcmd"], json!(["b"]));
    let again = check(&sandbox, &forced(&sandbox, &["--force", "archive"]).0).exits(1);
    assert!(
        again.stderr.contains("part 2 (part-001) (line 1) and part 3 (part-002) (line 2) both"),
        "{}",
        again.stderr
    );
    // --merge does not apply inside: cloud-init does not pass the header of an archive to its parts.
    sandbox.file("archive", "#cloud-config-archive\n- 'packages: [b]'\n");
    assert!(refused(&sandbox, &["--merge", "append", "base.cfg", "archive"]).starts_with("base.cfg (line 2) and "));
    let verdict = judge_one(forced(&sandbox, &["--force", "--merge=append", "base.cfg", "archive"]).0);
    assert_eq!(verdict.config["packages"], json!(["b"]));
    for how in [format!("X-Merge-Type: {APPEND}, content"), "content".to_string()] {
        let content =
            if how == "content" { format!("packages: [b]\\nmerge_how: {APPEND}") } else { "packages: [b]".into() };
        sandbox.file(
            "archive",
            format!("#cloud-config-archive\n- {{{}: \"{content}\"}}\n", how.replace(APPEND, &format!("'{APPEND}'"))),
        );
        let verdict = judge_one(build(&sandbox, &["base.cfg", "archive"]));
        assert_eq!(verdict.config["packages"], json!(["a", "b"]), "{how}");
    }
}

#[test]
fn lost_lists_in_templates_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.file("base.cfg", "#cloud-config\nruncmd: [a]\n");
    sandbox.file(
        "region.cfg",
        "## template: jinja\n#cloud-config\n{% if v1.region == 'us-east-1' %}\nruncmd:\n- echo {{ v1.region }}\n{% endif %}\n",
    );
    let error = refused(&sandbox, &["base.cfg", "region.cfg"]);
    assert!(error.starts_with("base.cfg (line 2) and region.cfg (line 4) both have the list runcmd: "), "{error}");
    let verdict = judge_one(forced(&sandbox, &["--force", "base.cfg", "region.cfg"]).0);
    assert_eq!(verdict.config["runcmd"], json!(["echo us-east-1"]));
    build(&sandbox, &["--merge", "append", "base.cfg", "region.cfg"]);
    // With --per-host, some hosts may lose something.
    sandbox.file("role.cfg.j2", "#cloud-config\n{{ tags.key }}: [{{ host }}]\n");
    let hosts =
        "{\"host\":\"web1\",\"tags\":{\"key\":\"packages\"}}\n{\"host\":\"web2\",\"tags\":{\"key\":\"runcmd\"}}\n";
    let run = sandbox.run("mkuserdata", &["--per-host", "base.cfg", "role.cfg.j2"], hosts).exits(2);
    let start = "mkuserdata: web2: base.cfg (line 2) and role.cfg.j2 (line 2) both have the list runcmd: ";
    assert!(run.stderr.starts_with(start) && run.stdout.is_empty(), "{}", run.stderr);
    let run = sandbox.run("mkuserdata", &["--per-host", "--force", "base.cfg", "role.cfg.j2"], hosts).exits(0);
    assert!(run.stderr.starts_with(start) && run.stderr.lines().count() == 1, "{}", run.stderr);
    sandbox.run("mkuserdata", &["--per-host", "--merge=append", "base.cfg", "role.cfg.j2"], hosts).exits(0);
}

#[test]
fn parts_for_different_instances_lose_nothing() {
    let sandbox = Sandbox::new();
    let parts = parts(&sandbox, &["runcmd: [a]", "runcmd: [b]"]);
    build(&sandbox, &["--launch-index=0.cfg=0", "--launch-index=1.cfg=1", &parts[0], &parts[1]]);
    assert!(refused(&sandbox, &["--launch-index=1.cfg=1", &parts[0], &parts[1]]).contains("the list runcmd"));
}
