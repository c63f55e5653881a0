//! Scripts, files, and the environment of a command.

use crate::{error, fleet, host, hosts, of};
use kit::hostile::wait_until;
use kit::processes::{marker, with_argument};
use kit::{Outcome, Sandbox, SshServer, Sshd};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

fn run(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    sandbox.run("pssh-rs", args, hosts(1))
}

#[test]
fn script_runs_with_its_arguments_and_is_removed() {
    let (sandbox, _sshd) = fleet();
    let script = "#!/bin/bash\necho \"$0\"\nprintf '<%s>' \"$@\"\nexit 4\n";
    sandbox.file("my script.sh", script);
    let args = ["--script", "my script.sh", "--", "one", "two words", "it's \"$HOME\"", "", "*"];
    let run = sandbox.run("pssh-rs", &args, hosts(3)).exits(1);
    for record in run.records() {
        assert_eq!(record["exit_code"], 4, "{record}");
        let stdout = record["stdout"].as_str().unwrap();
        let (path, words) = stdout.split_once('\n').unwrap();
        assert_eq!(words, "<one><two words><it's \"$HOME\"><><*>");
        assert!(path.starts_with('/') && !Path::new(path).exists(), "{path}");
    }
}

#[test]
fn script_is_removed_after_a_timeout() {
    let (sandbox, _sshd) = fleet();
    let marker = marker();
    sandbox.file("script", format!("#!/bin/sh\necho \"$0\"\nsleep {marker}\n"));
    let run = run(&sandbox, &["--script", "script", "-t", "10"]).exits(3);
    let record = &run.records()[0];
    assert_eq!((&record["status"], &record["exit_code"]), (&json!("timeout"), &Value::Null));
    let path = record["stdout"].as_str().unwrap().trim().to_string();
    assert!(path.starts_with('/'), "{record}");
    wait_until("the end of the script and its file", || {
        !Path::new(&path).exists() && with_argument(&marker).is_empty()
    });
}

#[test]
fn script_has_its_own_interpreter_and_empty_input() {
    let (sandbox, _sshd) = fleet();
    sandbox.file("script.py", "#!/usr/bin/env python3\nimport sys\nprint(len(sys.stdin.read()), sys.argv[1:])\n");
    let ran = run(&sandbox, &["--script", "script.py", "-t", "30", "--", "x"]).exits(0);
    assert_eq!(ran.records()[0]["stdout"], "0 ['x']\n");
    let ran = run(&sandbox, &["--script", "no-such-script"]).exits(2);
    assert!(ran.stderr.contains("no-such-script"), "{}", ran.stderr);
}

#[test]
fn scripts_of_a_record_run_in_order_until_one_fails() {
    let (sandbox, _sshd) = fleet();
    for (name, script) in [("a.sh", "echo a"), ("b.sh", "echo b; exit 3"), ("c.sh", "echo c")] {
        sandbox.file(name, format!("#!/bin/sh\n{script}\n"));
    }
    let path = |name: &str| sandbox.dir().join(name);
    let record = |name: &str, scripts: Value| {
        json!({"host": name, "private_ip": "127.0.0.1", "startup_scripts": scripts}).to_string() + "\n"
    };
    let fleet = record("good", json!([path("a.sh"), path("c.sh")]))
        + &record("bad", json!([path("a.sh"), path("b.sh"), path("c.sh")]));
    let run = sandbox.run("pssh-rs", &["--run", "startup_scripts"], fleet).exits(1);
    let records = run.records();
    let good = of(&records, "good");
    assert_eq!((&good["status"], &good["stdout"]), (&json!("ok"), &json!("a\nc\n")));
    let bad = of(&records, "bad");
    assert_eq!((&bad["status"], &bad["exit_code"], &bad["stdout"]), (&json!("failed"), &json!(3), &json!("a\nb\n")));
    assert!(error(bad).contains("b.sh"), "{bad}");
    // Without scripts it is not tried.
    let fleet = record("good", json!([path("a.sh")])) + &hosts(1);
    let records = sandbox.run("pssh-rs", &["--run", "startup_scripts"], fleet).records();
    let none = of(&records, "web1");
    let [status, phase, started] = ["status", "phase", "started_at"].map(|key| none[key].clone());
    assert_eq!([status, phase, started], [json!("skipped"), Value::Null, Value::Null]);
}

#[test]
fn pushed_files_are_pulled_unchanged() {
    let (sandbox, _sshd) = fleet();
    let bytes: Vec<u8> = (0..3_000_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let source = sandbox.file("source file", &bytes);
    fs::set_permissions(&source, fs::Permissions::from_mode(0o640)).unwrap();
    sandbox.sh("touch -d 2001-02-03T04:05:06Z 'source file'").exits(0);
    let there = sandbox.dir().join("there file");
    let push = format!("source file:{}", there.display());
    run(&sandbox, &["--push", &push]).exits(0);
    let (sent, kept) = (fs::metadata(&source).unwrap(), fs::metadata(&there).unwrap());
    assert_eq!((kept.mode(), kept.mtime()), (sent.mode(), sent.mtime()));
    let pull = format!("{}:got", there.display());
    sandbox.run("pssh-rs", &["--pull", &pull], hosts(3)).exits(0);
    for name in ["web1", "web2", "web3"] {
        let got = sandbox.dir().join("got").join(name).join("there file");
        assert_eq!(fs::read(&got).unwrap(), bytes);
        let got = fs::metadata(&got).unwrap();
        assert_eq!((got.mode() & 0o777, got.mtime()), (0o640, sent.mtime()));
    }
}

#[test]
fn push_runs_before_the_command_and_pull_after_it() {
    let (sandbox, _sshd) = fleet();
    sandbox.file("in", "pushed");
    let dir = sandbox.dir().display();
    let (push, pull) = (format!("in:{dir}/there"), format!("{dir}/result:out"));
    let command = format!("cat {dir}/there; echo made > {dir}/result");
    let ran = run(&sandbox, &["--push", &push, "--pull", &pull, "--", &command]).exits(0);
    assert_eq!(ran.records()[0]["stdout"], "pushed");
    assert_eq!(fs::read_to_string(sandbox.dir().join("out/web1/result")).unwrap(), "made\n");
}

#[test]
fn links_that_lead_out_of_what_is_pulled_are_told() {
    let (sandbox, _sshd) = fleet();
    let there = sandbox.dir().join("there");
    fs::create_dir(&there).unwrap();
    fs::write(there.join("a"), "x").unwrap();
    std::os::unix::fs::symlink("a", there.join("inside")).unwrap();
    std::os::unix::fs::symlink("/etc/hosts", there.join("outside")).unwrap();
    let ran = run(&sandbox, &["--pull", &format!("{}:got", there.display()), "-o", "csv"]).exits(0);
    let said = "pssh-rs: 1 ok; copied to got/; not all was copied on 1, see copied in the records\n";
    assert_eq!(ran.stderr, said);
    assert_eq!(fs::read_link(sandbox.dir().join("got/web1/there/inside")).unwrap(), Path::new("a"));
    assert!(!sandbox.dir().join("got/web1/there/outside").exists());
}

#[test]
fn failed_push_keeps_the_old_file_and_runs_nothing() {
    let (sandbox, _sshd) = fleet();
    sandbox.file("in", "new");
    let dir = sandbox.dir().display();
    let push = format!("in:{dir}/no-such-folder/x");
    let ran = run(&sandbox, &["--push", &push, "--", &format!("touch {dir}/ran")]).exits(1);
    let record = &ran.records()[0];
    assert_eq!((&record["status"], &record["exit_code"]), (&json!("failed"), &Value::Null));
    assert!(error(record).contains("no-such-folder"), "{record}");
    assert!(!sandbox.dir().join("ran").exists());
    let ran = run(&sandbox, &["--push", "no-such-file:/tmp/x"]).exits(2);
    assert!(ran.stderr.contains("no-such-file"), "{}", ran.stderr);
    let ran = run(&sandbox, &["--pull", &format!("{dir}/no-such-file:got")]).exits(1);
    assert!(error(&ran.records()[0]).contains("no-such-file"), "{}", ran.stdout);
    assert!(!sandbox.dir().join("got/web1/no-such-file").exists());
}

#[test]
fn host_name_cannot_leave_the_pull_folder() {
    let (sandbox, _sshd) = fleet();
    let there = sandbox.file("there", "x");
    let pull = format!("{}:a/b", there.display());
    for name in ["../../up", "..", "/tmp/cerveza-absolute", "x/../../../y"] {
        let ran = sandbox.run("pssh-rs", &["--pull", &pull], host(name, 1));
        assert_eq!(ran.records().len(), 1, "{}", ran.stderr);
        for path in ["up", "a/there", "there.up", "y"] {
            assert!(!sandbox.dir().join(path).exists(), "{name}: {path}");
        }
        assert!(!Path::new("/tmp/cerveza-absolute").exists());
    }
}

#[test]
fn broken_link_of_a_wildcard_is_reported() {
    let (sandbox, _sshd) = fleet();
    sandbox.file("logs/a", "a");
    sandbox.sh("ln -s nowhere logs/b && ln -s nowhere logs/c").exits(0);
    let (pull, at) = (format!("{}/logs/*:got", sandbox.dir().display()), sandbox.dir().join("logs"));
    let why = |name: &str| format!("{}/{name}: the symbolic link leads nowhere", at.display());
    let ran = run(&sandbox, &["--pull", &pull]).exits(0);
    assert_eq!(ran.records()[0]["copied"]["skipped"], json!([why("b"), why("c")]));
    let ran = run(&sandbox, &["--lines", "--pull", &pull]).exits(0);
    assert!(ran.stdout.contains(&format!("ok, but not all was copied: {} (and 1 more)", why("b"))), "{}", ran.stdout);
}

#[test]
fn pull_without_a_folder_writes_no_host_name_here() {
    let (sandbox, _sshd) = fleet();
    let there = sandbox.file("there", "x");
    let args = ["-w", "127.0.0.[1-2]", "--pull", &there.display().to_string()];
    let ran = sandbox.run("pssh-rs", &args, "").exits(0);
    assert_eq!(ran.stderr, "pssh-rs: 2 ok; copied to pulled/\n");
    for host in ["127.0.0.1", "127.0.0.2"] {
        assert_eq!(fs::read_to_string(sandbox.dir().join("pulled").join(host).join("there")).unwrap(), "x");
    }
    // The pull wrote no file with the name of a host here, or this run would warn about an unquoted expression.
    let ran = sandbox.run("pssh-rs", &["-w", "127.0.0.1", "--", "true"], "").exits(0);
    assert_eq!(ran.stderr, "pssh-rs: 1 ok\n");
}

#[test]
fn push_without_sftp_fails_with_a_reason() {
    let (sandbox, sshd) = fleet();
    let server = SshServer::start(&sshd, sshd.at(80));
    sandbox.file("in", "x");
    let ran = sandbox.run("pssh-rs", &["--push", "in:/tmp/x"], host("odd", 80)).exits(1);
    let record = &ran.records()[0];
    assert_eq!((&record["status"], &record["exit_code"]), (&json!("failed"), &Value::Null), "{record}");
    assert!(error(record).to_lowercase().contains("sftp"), "{record}");
    assert!(server.events().contains(&"subsystem sftp".to_string()), "{:?}", server.events());
}

#[test]
fn variables_arrive_unchanged() {
    let (sandbox, _sshd) = fleet();
    let value = "it's \"$HOME\" `id` \\ é\n second line\n";
    let ran =
        run(&sandbox, &["--env", &format!("X={value}"), "--env", "Y=", "--", "printf '%s|%s' \"$X\" \"${Y-unset}\""]);
    assert_eq!(ran.exits(0).records()[0]["stdout"], format!("{value}|"));
    for bad in ["=x", "1X=y", "A B=c", "X;id=1"] {
        let ran = run(&sandbox, &["--env", bad, "--", "true"]).exits(2);
        assert!(ran.stderr.contains("--env"), "{}", ran.stderr);
    }
}

#[test]
fn command_runs_in_the_given_folder_or_not_at_all() {
    let (sandbox, _sshd) = fleet();
    let folder = sandbox.dir().join("it's a $folder");
    fs::create_dir(&folder).unwrap();
    let folder = folder.display().to_string();
    let ran = run(&sandbox, &["--chdir", &folder, "--", "pwd"]).exits(0);
    assert_eq!(ran.records()[0]["stdout"], folder.clone() + "\n");
    let ran = run(
        &sandbox,
        &["--chdir", &format!("{folder}/none"), "--", &format!("touch '{}/ran'", sandbox.dir().display())],
    );
    assert_eq!(ran.exits(1).records()[0]["status"], "failed");
    assert!(!sandbox.dir().join("ran").exists());
}

#[test]
fn terminal_is_allocated_on_request() {
    let (sandbox, _sshd) = fleet();
    let command = "test -t 0 && test -t 1 && echo terminal || echo none";
    assert_eq!(run(&sandbox, &["--", command]).exits(0).records()[0]["stdout"], "none\n");
    let ran = run(&sandbox, &["--tty", "-t", "30", "--", command]).exits(0);
    assert_eq!(ran.records()[0]["stdout"].as_str().unwrap().trim_end(), "terminal");
}

#[test]
fn sudo_runs_the_whole_command_as_root() {
    let (sandbox, _sshd) = fleet();
    assert!(Path::new("/usr/bin/sudo").exists(), "sudo is missing: run `apt-get install sudo`, or `make setup`");
    let dir = sandbox.dir().display();
    let command = format!("cd {dir} && id -u | cat; echo \"$X\"; pwd; exit 3");
    let started = std::time::Instant::now();
    let ran = run(&sandbox, &["--sudo", "-t", "60", "--env", "X=it's", "--", &command]);
    assert!(started.elapsed() < Duration::from_secs(90));
    let record = &ran.records()[0];
    let stdout = record["stdout"].as_str().unwrap();
    assert_eq!(
        (stdout, &record["exit_code"]),
        (format!("0\nit's\n{dir}\n").as_str(), &json!(3)),
        "needs a user who may sudo without a password: {record}"
    );
}

#[test]
fn login_shells_do_not_change_script_arguments() {
    let words = ["hello!world", "it's", "a\\b\\", "=ls", "$HOME", "two\nlines", "", "*", "~", "é"];
    let shown: String = words.iter().map(|word| format!("<{word}>")).collect();
    for shell in ["bash", "zsh", "fish", "csh", "tcsh"] {
        let addresses = ["127.0.0.1".to_string()];
        let sshd = Sshd::with(&addresses, &format!("ForceCommand exec {shell} -c \"$SSH_ORIGINAL_COMMAND\""));
        let mut sandbox = Sandbox::new();
        sshd.open_to(&mut sandbox);
        sandbox.file("script.sh", "#!/bin/bash\nprintf '<%s>' \"$@\"\n");
        let ran = run(&sandbox, &[&["--script", "script.sh", "-t", "30", "--"], &words[..]].concat()).exits(0);
        assert_eq!(ran.records()[0]["stdout"], shown, "{shell}");
        assert_eq!(ran.records()[0]["error"], Value::Null, "{shell}");
    }
}

#[test]
fn script_with_windows_lines_is_refused_before_any_connection() {
    let sandbox = Sandbox::new();
    sandbox.file("script.sh", "#!/bin/sh\r\necho hi\r\n");
    let ran = sandbox.run("pssh-rs", &["-w", "web[1-3]", "--script", "script.sh"], "").exits(2);
    let said = "pssh-rs: cannot read the script script.sh: its lines end in CRLF, as on Windows: convert it, as in: sed -i 's/\\r$//' script.sh\n";
    assert_eq!(ran.stderr, said);
    let (sandbox, _sshd) = fleet();
    sandbox.file("script.sh", "#!/bin/sh\r\necho hi\r\n");
    let record = "{\"host\":\"web1\",\"private_ip\":\"127.0.0.1\",\"startup_scripts\":\"script.sh\"}\n";
    let ran = sandbox.run("pssh-rs", &["--run", "startup_scripts"], record).exits(1);
    assert!(ran.records()[0]["error"].as_str().unwrap().contains("sed -i"), "{}", ran.stdout);
    assert_eq!(ran.records()[0]["attempts"], 1);
}
