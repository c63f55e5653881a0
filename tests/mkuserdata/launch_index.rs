//! `--launch-index`: parts for one instance of a launch.

use crate::{build, forced, judge_one, refused};
use kit::Sandbox;
use kit::cloud_init::{Verdict, judge_at};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["all.sh", "first.sh", "second.sh"] {
        sandbox.file(name, format!("#!/bin/sh\n# {name}\n"));
    }
    sandbox.file("second.cfg", "#cloud-config\nsecond: 1\n");
    sandbox
}

/// The names of the scripts and the keys of the configuration, on each of the first three instances.
fn on_each(user_data: &[Vec<u8>]) -> Vec<[String; 3]> {
    let on = [0, 1, 2].map(|index| judge_at(index, user_data));
    let seen = |verdict: &Verdict| {
        assert_eq!((&verdict.failed, &verdict.warnings), (&None, &vec![]));
        let scripts = verdict.scripts.iter().map(|script| script.filename.clone());
        let keys = verdict.config.as_object().into_iter().flat_map(|map| map.keys().cloned()).collect::<Vec<_>>();
        scripts.chain(keys).collect::<Vec<_>>().join(" ")
    };
    (0..user_data.len()).map(|at| [0, 1, 2].map(|index| seen(&on[index][at]))).collect()
}

#[test]
fn a_part_with_a_launch_index_reaches_only_that_instance() {
    let sandbox = sandbox();
    let args = [
        "--launch-index=first.sh=0",
        "--launch-index=second.sh=1",
        "--launch-index=second.cfg=1",
        "all.sh",
        "first.sh",
        "second.sh",
        "second.cfg",
    ];
    let single = build(&sandbox, &args);
    // A number alone is for all parts, and a later one for a part overrides it.
    let all = build(&sandbox, &["--launch-index", "1", "--launch-index", "first.sh=0", "all.sh", "first.sh"]);
    let seen = on_each(&[single.clone(), all]);
    assert_eq!(seen[0], ["01-all.sh 02-first.sh", "01-all.sh 03-second.sh second", "01-all.sh"]);
    assert_eq!(seen[1], ["first.sh", "all.sh", ""]);
    let verdict = judge_one(single);
    let of: Vec<_> = verdict.headers.iter().map(|headers| headers.get("launch-index").map(String::as_str)).collect();
    assert_eq!(of, [None, Some("0"), Some("1"), Some("1")]);
    // If the data source has no index, cloud-init leaves out no part.
    assert_eq!(verdict.scripts.len(), 3);
}

#[test]
fn wrong_launch_indexes_are_refused() {
    let sandbox = sandbox();
    assert_eq!(refused(&sandbox, &["--launch-index=none=1", "all.sh"]), "--launch-index none=1: no part has this name");
    for bad in ["x", "-1", "1.5", "all.sh=", "4294967296"] {
        let error = refused(&sandbox, &[&format!("--launch-index={bad}"), "all.sh"]);
        assert!(error.starts_with(&format!("--launch-index {bad}: ")), "{error}");
    }
}

/// Their parts have no index of their own; the error says so, and cloud-init confirms it.
#[test]
fn includes_and_archives_reach_all_instances() {
    let sandbox = sandbox();
    let included = sandbox.file("included", "#!/bin/sh\n");
    sandbox.file("include", format!("#include\n{}\n", included.display()));
    sandbox.file("archive", "#cloud-config-archive\n- 'a: 1'\n");
    let problem = "is for one instance of a launch: cloud-init would open it on all of them";
    let args = ["--launch-index", "1", "include", "archive"];
    assert_eq!(refused(&sandbox, &args), format!("include: {problem}"));
    let (user_data, said) = forced(&sandbox, &[&["--force"], &args[..]].concat());
    assert!(said.contains(&format!("archive: {problem}")), "{said}");
    assert_eq!(on_each(&[user_data]), [["part-001 a"; 3]]);
}
