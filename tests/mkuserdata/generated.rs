//! Generated parts of all types: what builds without a word cloud-init takes without one, `--check` finds sound, and
//! `--extract` takes apart as cloud-init does.

use crate::Dice;
use kit::{Outcome, Sandbox, cloud_init};

const STARTS: [&str; 16] = [
    "#!/bin/sh\n",
    "#!/bin/sh\n",
    "#! /usr/bin/env python3\n",
    "#cloud-config\n",
    "#Cloud-Config\r\n",
    "\n  #cloud-config\n",
    "#cloud-config-archive\n",
    "#cloud-boothook\n#!/bin/sh\n",
    "#cloud-boothook\n",
    "#include\n",
    "#include-once\n",
    "## template: jinja\n#!/bin/sh\n",
    "\u{feff}",
    "# cloud-config\n",
    "\t",
    "",
];

const PIECES: [&str; 24] = [
    "\n",
    "\n",
    " ",
    "\r\n",
    "\r",
    "#",
    "- ",
    "a: 1\n",
    "b: [x, y]\n",
    "c:\n  d: e\n",
    "- 'x: 1'\n",
    "- '#!/bin/sh'\n",
    "/dev/null\n",
    "file:///dev/null\n",
    "# comment\n",
    "é",
    "日本",
    "\0",
    "=",
    "--cerveza\n",
    "From x\n",
    "\x1b",
    "echo word\n",
    "key: value # comment\n",
];

#[test]
fn user_data_without_warnings_is_valid_for_cloud_init_check_and_extract() {
    let sandbox = Sandbox::new();
    let mut dice = Dice(11);
    let mut built: Vec<(String, Vec<u8>)> = Vec::new();
    for number in 0..200 {
        let mut args = vec!["-w".to_string(), format!("message-{number:03}")];
        for part in 0..dice.below(3) + 1 {
            let mut content = dice.pick(&STARTS).to_string();
            for _ in 0..dice.below(8) {
                content += dice.pick(&PIECES);
            }
            let path = format!("{number}/p{part}");
            sandbox.file(&path, content);
            args.push(path);
        }
        args.extend(dice.pick(&[None, Some("--no-gzip"), Some("--fast")]).map(str::to_string));
        let run = sandbox.run("mkuserdata", &args.iter().map(String::as_str).collect::<Vec<_>>(), "");
        // Scripts of an archive give a warning, which is not an error.
        if run.code == 0 && run.stderr.lines().all(|line| line.contains("the scripts in it run by names of their own"))
        {
            built.push((args[1].clone(), std::fs::read(sandbox.dir().join(&args[1])).unwrap()));
        }
    }
    assert!((20..150).contains(&built.len()), "{} of 200 build", built.len());
    let names: Vec<&str> = built.iter().map(|(name, _)| name.as_str()).collect();
    let read = |action: &[&str]| -> Outcome { sandbox.run("mkuserdata", &[action, &names].concat(), "") };
    read(&["--extract", "out"]).exits(0);
    let user_data: Vec<Vec<u8>> = built.iter().map(|(_, bytes)| bytes.clone()).collect();
    let mut unsound = Vec::new();
    for (verdict, name) in cloud_init::judge(&user_data).iter().zip(&names) {
        // An included file that is empty is not a fault of the part.
        let warnings: Vec<_> = verdict.warnings.iter().filter(|warning| !warning.contains("non-multipart")).collect();
        if verdict.failed.is_some() || !warnings.is_empty() || !verdict.defects.is_empty() {
            unsound.push(format!("{:?}: {warnings:#?} {:?} {:?}", verdict.parts, verdict.failed, verdict.defects));
        }
        for part in &verdict.parts {
            let file = std::fs::read(sandbox.dir().join("out").join(name).join(&part.filename)).expect("the part");
            assert_eq!(file, part.content, "{name} {}", part.filename);
        }
        assert_eq!(std::fs::read_dir(sandbox.dir().join("out").join(name)).unwrap().count(), verdict.parts.len());
    }
    assert!(unsound.is_empty(), "cloud-init has something to say of {unsound:#?}");
    let checked = read(&["--check"]);
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""));
}
