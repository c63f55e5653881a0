//! Much output, much input and many hosts: all of it arrives or is marked as truncated, and memory stays small.

use crate::started::Started;
use crate::{fleet, host, hosts, of};
use kit::{Sandbox, SshServer, Sshd};
use serde_json::json;

/// A fleet whose sshd exchanges keys all the time.
fn rekeying() -> (Sandbox, Sshd) {
    let addresses: Vec<String> = (1..=12).map(|last| format!("127.0.0.{last}")).collect();
    let (mut sandbox, sshd) = (Sandbox::new(), Sshd::with(&addresses, "RekeyLimit 256K"));
    sshd.open_to(&mut sandbox);
    (sandbox, sshd)
}

/// Eight million bytes that do not compress or repeat.
const RANDOM: &str =
    "{ openssl enc -aes-128-ctr -nosalt -K 00 -iv 00 -in /dev/zero 2>/dev/null; true; } | head -c 8000000";

#[test]
fn output_is_complete_across_key_exchanges() {
    let (sandbox, _sshd) = rekeying();
    let whole = sandbox.sh(&format!("{RANDOM} | base64 | sha256sum")).exits(0).stdout;
    let remote = format!("{RANDOM} | base64 | tee /dev/stderr");
    let args = ["-t", "100", "--max-output", "16777216", "--", &remote];
    let run = sandbox.run("pssh-rs", &args, hosts(2)).exits(0);
    for record in run.records() {
        for stream in ["stdout", "stderr"] {
            sandbox.file("came", record[stream].as_str().unwrap());
            assert_eq!(sandbox.sh("sha256sum < came").stdout, whole, "{stream}");
        }
        assert!(record.get("truncated").is_none());
    }
}

#[test]
fn input_is_complete_across_key_exchanges() {
    let (sandbox, _sshd) = rekeying();
    let whole = sandbox.sh(&format!("{RANDOM} > input; sha256sum < input")).exits(0).stdout;
    let run = sandbox.run("pssh-rs", &["-t", "100", "--stdin", "input", "--", "sha256sum"], hosts(2)).exits(0);
    assert!(run.records().iter().all(|record| record["stdout"] == whole), "{}", run.stdout);
    // Both directions at once, with more than any window holds.
    let args = ["-t", "100", "--stdin", "input", "--max-output", "33554432", "--", "base64 -w0"];
    let run = sandbox.run("pssh-rs", &args, hosts(1)).exits(0);
    sandbox.file("came", run.records()[0]["stdout"].as_str().unwrap());
    assert_eq!(sandbox.sh("base64 -d < came | sha256sum").stdout, whole);
}

#[test]
fn small_window_does_not_stall_stdin() {
    let (sandbox, sshd) = fleet();
    let _server = SshServer::start(&sshd, sshd.at(80));
    for (user, size) in
        [("window-1", 1000), ("busy-window-1", 200), ("window-4096", 500_000), ("busy-window-4096", 100_000)]
    {
        let input: String = ('a'..='z').cycle().take(size).collect();
        sandbox.file("input", &input);
        let hosts: String = (0..8).map(|number| host(&format!("{user}@odd{number}"), 80)).collect();
        for word in ["stdin", "echo"] {
            // Without -t, nothing would end a stall.
            let args = ["--stdin", "input", "--", &format!(": behave:{word}")];
            let (run, _) = Started::new(&sandbox, &args, &hosts).end_and_peak();
            assert_eq!((run.code, run.records.len()), (0, 8), "{user}, {word}: {:?}", run.records);
            assert!(run.records.iter().all(|record| record["stdout"] == input.as_str()), "{user}, {word}");
        }
    }
}

#[test]
fn unread_stdin_is_not_an_error() {
    let (sandbox, _sshd) = fleet();
    sandbox.sh(&format!("{RANDOM} > input")).exits(0);
    let run = sandbox.run("pssh-rs", &["-t", "60", "--stdin", "input", "--", "echo done"], hosts(3)).exits(0);
    assert!(run.records().iter().all(|record| record["stdout"] == "done\n"), "{}", run.stdout);
    let run = sandbox.run("pssh-rs", &["-t", "2", "--stdin", "input", "--", "sleep 30"], hosts(1)).exits(3);
    assert_eq!(run.records()[0]["status"], "timeout");
    let run = sandbox.run("pssh-rs", &["--stdin", "no-such-file", "--", "cat"], hosts(1)).exits(2);
    assert!(run.stderr.contains("no-such-file"), "{}", run.stderr);
}

#[test]
fn head_and_tail_of_too_much_output_are_kept() {
    let (sandbox, _sshd) = fleet();
    let command = "echo first; head -c 100000 /dev/zero | tr '\\0' x; echo; echo last; echo few >&2";
    let run = sandbox.run("pssh-rs", &["--max-output", "1000", "--", command], hosts(1)).exits(0);
    let record = &run.records()[0];
    let stdout = record["stdout"].as_str().unwrap();
    assert!(stdout.starts_with("first\nx") && stdout.ends_with("x\nlast\n"), "{stdout}");
    // The marker for omitted output can be added to that.
    assert!(stdout.len() <= 1200, "{}", stdout.len());
    assert_eq!((&record["truncated"], &record["stderr"]), (&json!(true), &json!("few\n")));
    // Output of exactly the allowed size is complete.
    let command = "head -c 1000 /dev/zero | tr '\\0' x";
    let run = sandbox.run("pssh-rs", &["--max-output", "1000", "--", command], hosts(1)).exits(0);
    assert_eq!(run.records()[0]["stdout"].as_str().unwrap().len(), 1000);
    assert!(run.records()[0].get("truncated").is_none());
}

#[test]
fn memory_does_not_grow_with_200_megabytes_of_output() {
    let (sandbox, _sshd) = fleet();
    let args = ["-f", "8", "-t", "110", "--", "head -c 25000000 /dev/zero | tr '\\0' x"];
    let (ended, peak) = Started::new(&sandbox, &args, hosts(8)).end_and_peak();
    assert_eq!((ended.code, ended.records.len()), (0, 8), "{}", ended.stderr);
    assert!(ended.records.iter().all(|record| record["truncated"] == true));
    assert!(0 < peak && peak < 120, "{peak} MiB");
}

#[test]
fn memory_does_not_grow_with_a_sleeping_reader() {
    let (sandbox, _sshd) = fleet();
    let fleet: String = (0..80).map(|number| host(&format!("web{number}"), (number % 12 + 1) as u8)).collect();
    sandbox.file("fleet.jsonl", fleet);
    // 80 MB of records, and a reader that pauses.
    let line = "mkfifo out; pssh-rs -f 8 -- 'head -c 1000000 /dev/zero | tr \\0 x' < fleet.jsonl > out & pid=$!
        exec 3< out; sleep 10; grep VmHWM /proc/$pid/status >&2; grep -c '\"status\":\"ok\"' <&3; wait $pid";
    let run = sandbox.sh(line).exits(0);
    assert_eq!(run.stdout, "80\n", "{}", run.stderr);
    let peak = run.stderr.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 120 * 1024, "{peak} KiB");
}

#[test]
fn three_hundred_records_are_each_written_once() {
    let (sandbox, _sshd) = fleet();
    let fleet: String = (0..300).map(|number| host(&format!("web{number}"), (number % 12 + 1) as u8)).collect();
    let run = sandbox.run("pssh-rs", &["-f", "100", "--", "echo", "here"], fleet).exits(0);
    let records = run.records();
    assert_eq!(records.len(), 300);
    for number in 0..300 {
        assert_eq!(of(&records, &format!("web{number}"))["stdout"], "here\n");
    }
}

#[test]
fn fanout_limits_concurrent_commands() {
    let (sandbox, _sshd) = fleet();
    let dir = sandbox.dir().display();
    // Each host counts the others that run at the same time.
    let command = format!("touch {dir}/run.$$; ls {dir}/run.* | wc -l; sleep 0.3; rm {dir}/run.$$");
    let fleet: String = (0..24).map(|number| host(&format!("web{number}"), (number % 12 + 1) as u8)).collect();
    let run = sandbox.run("pssh-rs", &["-f", "4", "--", &command], fleet).exits(0);
    let most =
        run.records().iter().map(|record| record["stdout"].as_str().unwrap().trim().parse::<u32>().unwrap()).max();
    assert!(most <= Some(4), "{most:?}");
}
