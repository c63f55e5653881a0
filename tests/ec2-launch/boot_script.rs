//! The boot script for volumes: how it gets into the user-data, what cloud-init makes of it, and that it runs for real.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kit::cloud_init::{Part, Verdict, judge};
use kit::ec2_server::{Ec2Server, Options};
use kit::{Outcome, Sandbox};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PROFILE: &str = "ami: ami-0000000000000000b\ninstance type: t3.micro\n";
const ONE: &str = "volumes: [{device: /dev/sdf, size: 1, file system: ext4, mount point: /data, owner: nobody}]\n";

fn sandbox(profile: &str) -> Sandbox {
    let sandbox = Ec2Server::start(Options::default()).sandbox();
    sandbox.file("Disks.yaml", format!("{PROFILE}{profile}"));
    sandbox
}

fn dry_run(sandbox: &Sandbox, stdin: &str) -> Outcome {
    sandbox.run("ec2-launch", &["--profile", "Disks", "--dry-run"], stdin)
}

fn user_data(run: &Outcome) -> Vec<u8> {
    STANDARD.decode(run.records()[0]["user_data"].as_str().expect("user_data")).expect("base64")
}

fn verdict(run: &Outcome) -> Verdict {
    let verdict = judge(&[user_data(run)]).remove(0);
    assert_eq!((&verdict.failed, &verdict.warnings), (&None, &vec![]));
    verdict
}

fn names(parts: &[Part]) -> Vec<&str> {
    parts.iter().map(|part| part.filename.as_str()).collect()
}

#[test]
fn cloud_init_runs_the_script_at_every_boot_along_with_parts_of_the_profile() {
    let sandbox = sandbox(&format!("{ONE}user data: [hello.sh.j2]\n"));
    sandbox.file("hello.sh.j2", "#!/bin/sh\necho {{ host }}\n");
    let verdict = verdict(&dry_run(&sandbox, "db1\n").exits(0));
    assert_eq!((names(&verdict.per_boot), names(&verdict.scripts)), (vec!["cerveza-volumes"], vec!["hello.sh"]));
    assert_eq!(verdict.scripts[0].content, b"#!/bin/sh\necho db1\n");
    let script = String::from_utf8(verdict.per_boot[0].content.clone()).unwrap();
    let call = script.lines().rev().nth(1).unwrap();
    assert!(call.starts_with("volume_set sdf sdf "), "{call}");
    assert!(call.ends_with(" '' '' ext4 /data defaults nobody /dev/sdf || failed=1"), "{call}");
}

#[test]
fn script_is_added_to_user_data_of_the_record() {
    let sandbox = sandbox(ONE);
    sandbox.file("a.sh", "#!/bin/sh\necho a\n");
    sandbox.file("b.yaml", "#cloud-config\npackages: [jq]\n");
    let message = sandbox.run("mkuserdata", &["--base64", "a.sh", "b.yaml"], "").exits(0).stdout.trim().to_string();
    for user_data in [message, STANDARD.encode("#!/bin/sh\necho a\n")] {
        let record = json!({"host": "db1", "user_data": user_data});
        let run = dry_run(&sandbox, &record.to_string()).exits(0);
        let verdict = verdict(&run);
        assert_eq!(names(&verdict.per_boot), ["cerveza-volumes"]);
        assert_eq!(verdict.scripts[0].content, b"#!/bin/sh\necho a\n");
        // The record of the plan already has the script, so it is not added a second time.
        let again = dry_run(&sandbox, &run.stdout).exits(0);
        assert_eq!(again.records()[0]["user_data"], run.records()[0]["user_data"]);
    }
}

#[test]
fn user_data_that_cannot_include_the_script_is_refused() {
    let sandbox = sandbox(ONE);
    let refused = |content: &[u8]| {
        let record = json!({"host": "db1", "user_data": STANDARD.encode(content)});
        dry_run(&sandbox, &record.to_string()).exits(2).records()[0]["error"].as_str().unwrap().to_string()
    };
    let windows = refused(b"<powershell>\r\nRename-Computer web1\r\n</powershell>\r\n");
    let cannot = "user_data: the boot script for volumes cannot be added to user-data that is";
    assert_eq!(windows, format!("{cannot} a script for EC2Launch on Windows"));
    // Text that does not get smaller when it is compressed.
    let mut state = 1u64;
    let mut character = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + ((state >> 33) % 94) as u8)
    };
    let noise: String = (0..16_000).map(|_| character()).collect();
    let large = refused(format!("#!/bin/sh\n# {noise}\n").as_bytes());
    assert!(large.contains("bytes with the boot script for volumes: EC2 allows at most 16384"), "{large}");
}

#[test]
fn profile_without_anything_to_assemble_adds_no_script() {
    let run = dry_run(&sandbox("volumes: [{device: /dev/sdf, size: 1}]\n"), "db1\n").exits(0);
    assert_eq!(run.records()[0].get("user_data"), None);
}

/// A file as a disk, which is detached when the value is dropped.
struct Loop {
    device: PathBuf,
}

impl Loop {
    fn new(file: &Path) -> Loop {
        fs::File::create(file).and_then(|file| file.set_len(64 << 20)).expect("a file");
        let output = Command::new("losetup").args(["--find", "--show"]).arg(file).output().expect("losetup runs");
        assert!(output.status.success(), "losetup: {}", String::from_utf8_lossy(&output.stderr));
        Loop { device: String::from_utf8(output.stdout).expect("UTF-8").trim().into() }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.device).status();
    }
}

/// Runs a shell command with `$SCRIPT` and `$ROOT` in its own mount namespace, so its mounts end with it.
fn boot(sandbox: &Sandbox, command: &str) -> (String, bool) {
    let root = sandbox.dir().join("root");
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", command])
        .env("SCRIPT", sandbox.dir().join("script"))
        .env("ROOT", &root)
        .env("CERVEZA_ROOT", &root)
        .env("CERVEZA_PATIENCE", "0")
        .stderr(Stdio::inherit())
        .output()
        .expect("unshare runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8").replace(&root.display().to_string(), "");
    (text, output.status.success())
}

/// `tests/run` warns where this test has no disks.
#[test]
fn script_formats_mounts_and_keeps_a_real_disk() {
    if !rustix::process::geteuid().is_root() || !Path::new("/dev/loop-control").exists() {
        return;
    }
    let sandbox = sandbox(ONE);
    sandbox.file("root/etc/fstab", "");
    sandbox.file("root/var/lib/cloud/data/instance-id", "i-1\n");
    let disk = Loop::new(&sandbox.dir().join("disk"));
    let device = disk.device.to_str().unwrap();
    let part = verdict(&dry_run(&sandbox, "db1\n").exits(0)).per_boot.remove(0);
    let script = String::from_utf8(part.content).unwrap().replace("/dev/sdf", device);
    sandbox.file("script", script);

    let (said, done) = boot(&sandbox, "sh $SCRIPT && echo precious > $ROOT/data/file && stat -c %U $ROOT/data");
    assert!(done && said.contains(&format!("volumes: sdf: runs: mkfs.ext4 {device}\n")), "{said}");
    assert!(said.ends_with("volumes: sdf: complete\nnobody\n"), "{said}");
    let fstab = fs::read_to_string(sandbox.dir().join("root/etc/fstab")).unwrap();
    assert!(
        fstab.starts_with("UUID=") && fstab.ends_with(" /data ext4 defaults,nofail,x-systemd.device-timeout=60s 0 2\n")
    );

    // The next boot, and a second run in it.
    let (said, done) = boot(&sandbox, "sh $SCRIPT && sh $SCRIPT && cat $ROOT/data/file && stat -c %U $ROOT/data");
    let mount = format!("volumes: sdf: runs: mount -t ext4 -o defaults {device} /data\nvolumes: sdf: complete\n");
    let again = format!("volumes: sdf: {device} is mounted on /data\nvolumes: sdf: complete\nprecious\nnobody\n");
    assert_eq!((said, done), (mount + &again, true));
    assert_eq!(fs::read_to_string(sandbox.dir().join("root/etc/fstab")).unwrap(), fstab);

    for (command, found) in [
        ("wipefs -aq $DISK", "data without a known signature"),
        ("mkswap -q $DISK", "swap"),
        ("head -c 64M /dev/zero > $DISK; printf x | dd of=$DISK bs=1 seek=67108855 status=none", "data without"),
    ] {
        let command = command.replace("$DISK", device);
        let (said, done) =
            boot(&sandbox, &format!("{command}; cksum {device}; sh $SCRIPT; code=$?; cksum {device}; exit $code"));
        let lines: Vec<&str> = said.lines().collect();
        assert!(!done && lines[1].contains(&format!("{device} is not blank ({found}")), "{said}");
        assert_eq!((lines.len(), lines[0]), (3, lines[2]), "{said}");
    }
}
