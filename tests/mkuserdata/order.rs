//! The order in which scripts run: numbered as on the command line, or by name.

use crate::{Dice, build, forced, judge_one, named, refused};
use kit::Sandbox;
use kit::cloud_init::{self, Part};

fn names(parts: &[Part]) -> Vec<&str> {
    parts.iter().map(|part| part.filename.as_str()).collect()
}

/// A sandbox with scripts of these names, each of which prints its name.
fn scripts(names: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    for name in names {
        sandbox.file(name, format!("#!/bin/sh\n# {name}\n"));
    }
    sandbox
}

#[test]
fn scripts_run_in_the_order_given_under_numbered_names() {
    let given = ["z.sh", "b.sh", "B.sh", "10.sh", "9.sh", "_.sh", "(.sh", "a b.sh", "ab.sh", "é1.sh", "x/1.sh", "1.sh"];
    let verdict = judge_one(build(&scripts(&given), &given));
    let numbered: Vec<String> =
        given.iter().enumerate().map(|(at, name)| format!("{:02}-{}", at + 1, name.trim_start_matches("x/"))).collect();
    assert_eq!(names(&verdict.parts), numbered);
    let contents: Vec<_> = named(&verdict.scripts).into_iter().map(|(_, content)| content).collect();
    assert_eq!(contents, given.map(|name| format!("#!/bin/sh\n# {name}\n")));
    assert_eq!(names(&verdict.scripts)[7..10], ["08-ab.sh", "09-ab.sh", "10-1.sh"]);
}

#[test]
fn names_in_order_stay_as_they_are_and_other_parts_are_never_numbered() {
    let sandbox = scripts(&["10-a.sh", "20-b.sh", "c.sh"]);
    sandbox.file("z.cfg", "#cloud-config\nz: 1\n");
    sandbox.file("a.cfg", "#cloud-config\na: 1\n");
    sandbox.file("hook", "#cloud-boothook\n#!/bin/sh\n");
    let verdict = judge_one(build(&sandbox, &["z.cfg", "10-a.sh", "a.cfg", "20-b.sh", "hook", "c.sh"]));
    assert_eq!(names(&verdict.parts), ["z.cfg", "10-a.sh", "a.cfg", "20-b.sh", "hook", "c.sh"]);
    assert_eq!(names(&verdict.scripts), ["10-a.sh", "20-b.sh", "c.sh"]);
}

#[test]
fn scripts_for_each_boot_instance_and_once_are_numbered_among_themselves() {
    let sandbox = scripts(&["d", "c", "b", "a", "y", "x", "w", "v"]);
    sandbox.file("template", "## template: jinja\n#!/bin/sh\n# {{ v1.region }}\n");
    let parts = [
        "d",
        "c:x-shellscript-per-boot",
        "b:x-shellscript-per-boot",
        "y:x-shellscript-per-instance",
        "x:x-shellscript-per-instance",
        "w:x-shellscript-per-once",
        "v:x-shellscript-per-once",
        "template",
        "a",
    ];
    let verdict = judge_one(build(&sandbox, &parts));
    assert_eq!((&verdict.failed, &verdict.warnings), (&None, &vec![]));
    assert_eq!(names(&verdict.per_boot), ["01-c", "02-b"]);
    assert_eq!(names(&verdict.per_instance), ["01-y", "02-x"]);
    assert_eq!(names(&verdict.per_once), ["01-w", "02-v"]);
    // A template of cloud-init becomes one of the scripts.
    assert_eq!(names(&verdict.scripts), ["01-d", "02-template", "03-a"]);
    assert_eq!(verdict.scripts[1].content, b"#!/bin/sh\n# us-east-1\n");
}

#[test]
fn keep_names_warns_of_the_order() {
    let given = ["setup.sh", "b.sh", "a.sh"];
    let sandbox = scripts(&given);
    let (user_data, said) = forced(&sandbox, &["--keep-names", "setup.sh", "b.sh", "a.sh"]);
    assert_eq!(
        said,
        "mkuserdata: cloud-init runs scripts sorted by name: a.sh, b.sh, setup.sh, not as given: setup.sh, b.sh, a.sh\n"
    );
    let verdict = judge_one(user_data);
    assert_eq!(names(&verdict.parts), given);
    assert_eq!(names(&verdict.scripts), ["a.sh", "b.sh", "setup.sh"]);
    build(&sandbox, &["--keep-names", "a.sh", "b.sh", "setup.sh"]);
}

#[test]
fn colliding_names_are_an_error_with_keep_names() {
    let sandbox = scripts(&["set up.sh", "setup.sh", "x/setup.sh"]);
    let twins = "cloud-init would write both as setup.sh, one over the other";
    let error = refused(&sandbox, &["--keep-names", "set up.sh", "setup.sh"]);
    assert_eq!(error, format!("set up.sh and setup.sh: {twins}"));
    let (user_data, said) = forced(&sandbox, &["--keep-names", "--force", "set up.sh", "setup.sh", "x/setup.sh"]);
    assert!(said.contains(&format!("mkuserdata: set up.sh and setup.sh: {twins}\n")), "{said}");
    assert!(said.contains("x/setup.sh: cloud-init would write both"), "{said}");
    let verdict = judge_one(user_data);
    assert_eq!(named(&verdict.scripts), [("setup.sh", "#!/bin/sh\n# x/setup.sh\n".to_string())]);
    // Numbered names do not collide, nor do scripts of different folders.
    assert_eq!(judge_one(build(&sandbox, &["set up.sh", "setup.sh", "x/setup.sh"])).scripts.len(), 3);
    build(&sandbox, &["--keep-names", "setup.sh", "x/setup.sh:x-shellscript-per-boot"]);
}

#[test]
fn the_same_file_twice_is_an_error() {
    let sandbox = scripts(&["a.sh"]);
    assert_eq!(refused(&sandbox, &["a.sh", "a.sh"]), "a.sh is given twice");
    let verdict = judge_one(forced(&sandbox, &["--force", "a.sh", "a.sh"]).0);
    assert_eq!(names(&verdict.scripts), ["01-a.sh", "02-a.sh"]);
    // With two types it is two parts.
    build(&sandbox, &["a.sh", "a.sh:x-shellscript-per-boot"]);
}

#[test]
fn any_names_run_in_the_order_given() {
    const PIECES: [&str; 16] =
        ["a", "B", "z", "0", "1", "10", "-", "_", ".", "(", " ", "é", "日", "'", "~", "aaaaaaaaaaaaaaaa"];
    let sandbox = Sandbox::new();
    let mut dice = Dice(3);
    let mut contents = Vec::new();
    let mut user_data = Vec::new();
    for _ in 0..15 {
        let mut paths = Vec::new();
        for at in 0..dice.below(20) + 1 {
            let name: String = (0..dice.below(4)).map(|_| dice.pick(&PIECES)).collect();
            let path = format!("{at}/{name}x");
            sandbox.file(&path, format!("#!/bin/sh\n# {at}\n"));
            paths.push(path);
        }
        user_data.push(build(&sandbox, &paths.iter().map(String::as_str).collect::<Vec<_>>()));
        contents.push((0..paths.len()).map(|at| format!("#!/bin/sh\n# {at}\n")).collect::<Vec<_>>());
    }
    for (verdict, contents) in cloud_init::judge(&user_data).iter().zip(contents) {
        let ran: Vec<_> = named(&verdict.scripts).into_iter().map(|(_, content)| content).collect();
        assert_eq!(ran, contents, "{:?}", names(&verdict.parts));
    }
}

#[test]
fn templates_keep_their_place_in_the_order() {
    let sandbox = scripts(&["z.sh", "a.sh"]);
    sandbox.file("m.sh.j2", "#!/bin/sh\n# {{ host }}\n");
    sandbox.file("any.j2", "{{ kind }}\nx: 1\n");
    let verdicts = ["#!/bin/sh", "#cloud-config"].map(|kind| {
        let args = ["--set", "host=h", "--set", &format!("kind={kind}"), "z.sh", "m.sh.j2", "any.j2", "a.sh"];
        judge_one(build(&sandbox, &args))
    });
    assert_eq!(names(&verdicts[0].scripts), ["01-z.sh", "02-m.sh", "03-any", "04-a.sh"]);
    assert_eq!(names(&verdicts[1].scripts), ["01-z.sh", "02-m.sh", "04-a.sh"]);
    assert_eq!(verdicts[1].config, serde_json::json!({"x": 1}));
}

/// runcmd runs after the scripts, and --list shows that.
#[test]
fn scripts_run_before_runcmd_however_many_they_are() {
    let sandbox = scripts(&["setup.sh", "zz.sh", "a.sh", "runcmd"]);
    sandbox.file("base.cfg", "#cloud-config\npackages: [ntp]\nruncmd: [echo hi]\n");
    let cases: [&[&str]; 6] =
        [&["setup.sh"], &["a.sh"], &["setup.sh", "zz.sh"], &["zz.sh", "a.sh"], &["runcmd"], &["a.sh", "runcmd"]];
    let user_data: Vec<_> = cases.iter().map(|scripts| build(&sandbox, &[&["base.cfg"], *scripts].concat())).collect();
    for ((scripts, user_data), verdict) in cases.iter().zip(&user_data).zip(cloud_init::judge(&user_data)) {
        let ran: Vec<_> = named(&verdict.scripts).into_iter().map(|(_, content)| content).collect();
        let expected: Vec<_> = scripts.iter().map(|name| format!("#!/bin/sh\n# {name}\n")).collect();
        assert_eq!(ran[..scripts.len()], expected);
        assert_eq!((names(&verdict.scripts).last(), ran.len()), (Some(&"runcmd"), scripts.len() + 1));
        let rows = sandbox.run("mkuserdata", &["--list"], user_data).exits(0).records();
        assert_eq!(rows[0]["runs"], format!("merge 1, runcmd as script {}", scripts.len() + 1));
        assert_eq!(rows[1]["runs"], "script 1");
    }
}

#[test]
fn list_shows_runcmd_among_the_scripts() {
    let sandbox = scripts(&["setup.sh", "a.sh"]);
    sandbox.file("base.cfg", "#cloud-config\nruncmd: [echo hi]\n");
    sandbox.file("more.cfg", "#cloud-config\nruncmd: [echo more]\n");
    sandbox.file("last.cfg", "#cloud-config\npackages: [ntp]\n");
    let parts = ["--keep-names", "--merge=append", "a.sh", "base.cfg", "setup.sh", "more.cfg", "last.cfg"];
    let user_data = build(&sandbox, &parts);
    let rows = sandbox.run("mkuserdata", &["--list"], &user_data).exits(0).records();
    let runs: Vec<_> = rows.iter().map(|row| row["runs"].as_str().unwrap()).collect();
    assert_eq!(runs, ["script 1", "merge 1, runcmd as script 2", "script 3", "merge 2, runcmd as script 2", "merge 3"]);
    assert_eq!(names(&judge_one(user_data).scripts), ["a.sh", "runcmd", "setup.sh"]);
}

/// cloud-init writes the file runcmd after it wrote the scripts.
#[test]
fn a_script_of_the_name_runcmd_is_refused() {
    let sandbox = scripts(&["runcmd", "x/run cmd"]);
    sandbox.file("base.cfg", "#cloud-config\nruncmd: [echo hi]\n");
    sandbox.file("archive", "#cloud-config-archive\n- {filename: runcmd, content: '#!/bin/sh'}\n");
    let why = "cloud-init writes the commands of runcmd to a file of this name, over the script";
    for (part, label) in [("runcmd", "runcmd"), ("x/run cmd", "x/run cmd"), ("archive", "archive: entry 1")] {
        let args = ["--keep-names", "base.cfg", part];
        assert_eq!(refused(&sandbox, &args), format!("{label}: {why}"));
        let (user_data, _) = forced(&sandbox, &[&["--force"], &args[..]].concat());
        assert!(crate::check(&sandbox, &user_data).exits(1).stderr.contains(why), "{part}");
        let verdict = judge_one(user_data);
        assert_eq!(named(&verdict.scripts), [("runcmd", "#!/bin/sh\necho hi\n".to_string())]);
    }
    build(&sandbox, &["--keep-names", "base.cfg", "runcmd:x-shellscript-per-boot"]);
}

/// A name that consists of dots is a folder, and cannot be a script.
#[test]
fn a_name_of_dots_alone_is_refused() {
    let sandbox = scripts(&["é.", "é.."]);
    for name in ["é.", "é.."] {
        let run = sandbox.run("mkuserdata", &["--keep-names", "--no-gzip", name], "");
        assert_eq!(run.code, 2, "{name} is written as {:?}", &name[2..]);
    }
}
