//! How hosts are reached: ssh_config, jump hosts, proxies.

use crate::{error, fleet, host, hosts, of};
use kit::hostile::wait_until;
use kit::processes::{marker, with_argument};
use kit::{Hostile, Relay, Sandbox, Sshd};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

/// A sandbox that knows `sshd` only from an ssh_config file.
fn configured(sshd: &Sshd, config: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("config", config.to_string() + &base(sshd));
    sandbox
}

/// What every host needs.
fn base(sshd: &Sshd) -> String {
    format!(
        "\nHost *\n Port {}\n User {}\n IdentityFile {}\n UserKnownHostsFile {}\n",
        sshd.port(),
        sshd.user(),
        sshd.identity().display(),
        sshd.known_hosts(&["*"]).display()
    )
}

/// Where the connection came in.
const WHERE: &str = "set -- $SSH_CONNECTION; echo $3";

#[test]
fn hosts_use_their_settings_in_ssh_config() {
    let sshd = Sshd::start();
    let sandbox = configured(&sshd, "Host web1 db?\n HostName 127.0.0.3\nHost web*\n HostName 127.0.0.4\n");
    let run = sandbox.run("pssh-rs", &["-F", "config", "-w", "web[1-2],db1", "--", WHERE], "").exits(0);
    let records = run.records();
    // The first match counts.
    for (name, address) in [("web1", "127.0.0.3\n"), ("web2", "127.0.0.4\n"), ("db1", "127.0.0.3\n")] {
        assert_eq!(of(&records, name)["stdout"], address);
    }
}

#[test]
fn option_f_replaces_the_file_of_the_environment() {
    let sshd = Sshd::start();
    let mut sandbox = configured(&sshd, "Host web1\n HostName 127.0.0.3\n");
    let other = sandbox.file("other", format!("Host web1\n HostName 127.0.0.5\n{}", base(&sshd)));
    sandbox.env("PSSH_RS_SSH_CONFIG", other.display().to_string());
    let run = sandbox.run("pssh-rs", &["-w", "web1", "--", WHERE], "").exits(0);
    assert_eq!(run.records()[0]["stdout"], "127.0.0.5\n");
    let run = sandbox.run("pssh-rs", &["-F", "config", "-w", "web1", "--", WHERE], "").exits(0);
    assert_eq!(run.records()[0]["stdout"], "127.0.0.3\n");
    let run = sandbox.run("pssh-rs", &["-F", "no-such-file", "-w", "web1", "true"], "").exits(2);
    assert!(run.stderr.contains("no-such-file"), "{}", run.stderr);
}

#[test]
fn include_and_match_work_as_in_ssh() {
    let sshd = Sshd::start();
    let sandbox = configured(
        &sshd,
        &format!(
            "Include {{}}/more.d/*.conf\nMatch host web* user \"nobody-here,{}\"\n HostName 127.0.0.6\n\
             Match host db*,!db2\n HostName 127.0.0.7\nMatch all\n HostName 127.0.0.8\n",
            sshd.user()
        ),
    );
    let config = fs::read_to_string(sandbox.dir().join("config")).unwrap();
    sandbox.file("config", config.replace("{}", &sandbox.dir().display().to_string()));
    sandbox.file("more.d/1.conf", "Host app1\n HostName 127.0.0.9\n");
    let run = sandbox.run("pssh-rs", &["-F", "config", "-l", sshd.user(), "-w", "web1,db[1-2],app1", "--", WHERE], "");
    let records = run.exits(0).records();
    for (name, last) in [("web1", 6), ("db1", 7), ("db2", 8), ("app1", 9)] {
        assert_eq!(of(&records, name)["stdout"], format!("127.0.0.{last}\n"), "{name}");
    }
}

#[test]
fn options_override_ssh_config() {
    let (sshd, other) = (Sshd::start(), Sshd::start());
    let sandbox = configured(&sshd, "Host web1\n HostName 127.0.0.3\n");
    let (port, known) = (other.port().to_string(), other.known_hosts(&["*"]).display().to_string());
    let identity = other.identity().display().to_string();
    let args = ["-F", "config", "-p", &port, "--known-hosts", &known, "-i", &identity, "-w", "web1"];
    let run = sandbox.run("pssh-rs", &[&args[..], &["--", "echo $SSH_CONNECTION"]].concat(), "").exits(0);
    let stdout = run.records()[0]["stdout"].as_str().unwrap().to_string();
    assert!(stdout.trim().ends_with(&format!("127.0.0.3 {port}")), "{stdout}");
    let option = format!("HostName={}", "127.0.0.9");
    let run = sandbox.run("pssh-rs", &["-F", "config", "--ssh-option", &option, "-w", "web1", "--", WHERE], "");
    assert_eq!(run.exits(0).records()[0]["stdout"], "127.0.0.9\n");
}

#[test]
fn strict_host_key_checking_can_be_set_per_host() {
    let sshd = Sshd::start();
    let sandbox = configured(&sshd, "Host web1\n StrictHostKeyChecking no\nHost web2\n StrictHostKeyChecking yes\n");
    let empty = sandbox.file("none", "");
    let config = fs::read_to_string(sandbox.dir().join("config")).unwrap();
    let known = sshd.known_hosts(&["*"]).display().to_string();
    sandbox.file("config", config.replace(&known, &empty.display().to_string()));
    let run = sandbox.run("pssh-rs", &["-F", "config", "true"], hosts(2)).exits(3);
    assert_eq!(of(&run.records(), "web1")["status"], "ok", "{}", run.stdout);
    assert_eq!(of(&run.records(), "web2")["status"], "hostkey");
}

#[test]
fn jump_host_carries_all_hosts_over_one_connection() {
    let (mut sandbox, sshd) = fleet();
    let jump = Relay::to(sshd.at(1)).at(sshd.at(80));
    sandbox.env("PSSH_RS_KNOWN_HOSTS", sshd.known_hosts(&["*"]).display().to_string());
    let through = format!("{}@127.0.0.80:{}", sshd.user(), sshd.port());
    let fleet: String = (0..40).map(|number| host(&format!("web{number}"), (number % 12 + 1) as u8)).collect();
    let run = sandbox.run("pssh-rs", &["-J", &through, "--", "echo here"], fleet).exits(0);
    assert_eq!(run.records().len(), 40);
    assert!(run.records().iter().all(|record| record["stdout"] == "here\n"), "{}", run.stdout);
    assert_eq!(jump.accepted(), 1);
}

#[test]
fn jump_host_in_ssh_config_is_used() {
    let sshd = Sshd::start();
    let jump = Relay::to(sshd.at(1)).at(sshd.at(80));
    let sandbox = configured(&sshd, "Host bastion\n HostName 127.0.0.80\nHost web*\n ProxyJump bastion\n");
    let run = sandbox.run("pssh-rs", &["-F", "config", "--", WHERE], hosts(3)).exits(0);
    assert_eq!(of(&run.records(), "web3")["stdout"], "127.0.0.3\n");
    assert_eq!(jump.accepted(), 1);
}

#[test]
fn dead_jump_host_reports_each_host_without_hanging() {
    let (sandbox, sshd) = fleet();
    let _servers = [
        Hostile::black_hole(sshd.at(80)),
        Hostile::silent(sshd.at(81)),
        Relay::to(sshd.at(1)).stall_after(4000).at(sshd.at(82)),
    ];
    for last in [80, 81, 82, 83] {
        let through = format!("127.0.0.{last}:{}", sshd.port());
        let started = Instant::now();
        let args = ["-J", &through, "--connect-timeout", "2", "--auth-timeout", "2", "-t", "2", "--", "true"];
        let run = sandbox.run("pssh-rs", &args, hosts(5)).exits(3);
        assert!(started.elapsed() < Duration::from_secs(60), "{last}: {:?}", started.elapsed());
        assert_eq!(run.records().len(), 5);
        for record in run.records() {
            assert_eq!(record["exit_code"], Value::Null, "{record}");
            assert!(["unreachable", "timeout"].contains(&record["status"].as_str().unwrap()), "{record}");
            assert_ne!(error(&record), "");
        }
    }
}

#[test]
fn dead_host_behind_a_jump_host_does_not_delay_others() {
    let (sandbox, sshd) = fleet();
    let (_hole, _silent) = (Hostile::black_hole(sshd.at(80)), Hostile::silent(sshd.at(81)));
    let through = format!("127.0.0.12:{}", sshd.port());
    let dead = host("hole", 80) + &host("silent", 81) + &host("closed", 82);
    let args = ["-J", &through, "--connect-timeout", "10", "--", "true"];
    let run = sandbox.run("pssh-rs", &args, dead + &hosts(5)).exits(3);
    let records = run.records();
    for name in ["hole", "silent", "closed"] {
        assert_eq!(of(&records, name)["status"], "unreachable", "{}", run.stdout);
    }
    assert_eq!(records.iter().filter(|record| record["status"] == "ok").count(), 5);
}

#[test]
fn lost_jump_host_is_reported_for_each_host_behind_it() {
    let (sandbox, sshd) = fleet();
    let jump = Relay::to(sshd.at(1)).at(sshd.at(80));
    let through = format!("127.0.0.80:{}", sshd.port());
    let marker = marker();
    let run = crate::started::Started::new(&sandbox, &["-J", &through, "--", &format!("sleep {marker}")], hosts(4));
    wait_until("four commands", || with_argument(&marker).len() == 4);
    jump.reset_all();
    let ended = run.end();
    assert_eq!((ended.code, ended.records.len()), (3, 4), "{}", ended.stderr);
    for record in &ended.records {
        assert_eq!((&record["status"], &record["exit_code"]), (&json!("lost"), &Value::Null), "{record}");
    }
}

#[test]
fn proxy_command_carries_the_connection() {
    let sshd = Sshd::start();
    let sandbox = configured(&sshd, "Host web*\n ProxyCommand bash proxy.sh %h %p\n");
    sandbox.file("proxy.sh", "echo $1 >> proxied; exec 3<>/dev/tcp/$1/$2; cat <&3 & cat >&3; kill $!\n");
    let run = sandbox.run("pssh-rs", &["-F", "config", "--", WHERE], hosts(3)).exits(0);
    assert_eq!(of(&run.records(), "web2")["stdout"], "127.0.0.2\n");
    assert_eq!(fs::read_to_string(sandbox.dir().join("proxied")).unwrap().lines().count(), 3);
}

#[test]
fn proxy_command_can_pass_its_socket() {
    let sshd = Sshd::start();
    let python = kit::target_dir().join("venv/bin/python3").display().to_string();
    let sandbox = configured(&sshd, &format!("Host web*\n ProxyUseFdpass yes\n ProxyCommand {python} pass.py %h %p\n"));
    sandbox.file(
        "pass.py",
        "import socket, sys\nconnection = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n\
         socket.send_fds(socket.socket(fileno=1), [b'\\0'], [connection.fileno()])\n",
    );
    for engine in ["libssh2", "openssh"] {
        let run = sandbox.run("pssh-rs", &["-F", "config", "--engine", engine, "--", WHERE], hosts(2)).exits(0);
        assert_eq!(of(&run.records(), "web2")["stdout"], "127.0.0.2\n", "{engine}");
    }
    // One that passes no socket, and one that never ends.
    for (program, why) in [("echo no way >&2", "no way"), ("sleep 60", "not done within 1s")] {
        let config = format!("Host web*\n ProxyUseFdpass yes\n ProxyCommand {program}\n");
        sandbox.file("config", config + &base(&sshd));
        let args = ["-F", "config", "--connect-timeout", "1", "true"];
        let run = sandbox.run("pssh-rs", &args, hosts(1)).exits(3);
        let record = &run.records()[0];
        assert_eq!((&record["status"], &record["phase"]), (&json!("unreachable"), &json!("connect")), "{record}");
        assert!(error(record).contains(why), "{record}");
    }
}

#[test]
fn hanging_or_failing_proxy_command_is_unreachable_and_leaves_no_process() {
    let marker = marker();
    let sshd = Sshd::start();
    for command in ["false".to_string(), "no-such-program".to_string(), format!("sleep {marker}")] {
        let sandbox = configured(&sshd, &format!("Host web*\n ProxyCommand {command}\n"));
        let started = Instant::now();
        let run = sandbox.run("pssh-rs", &["-F", "config", "--connect-timeout", "2", "--", "true"], hosts(2)).exits(3);
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
        for record in run.records() {
            assert_eq!(record["status"], "unreachable", "{record}");
        }
        wait_until("the end of the proxy", || with_argument(&marker).is_empty());
    }
}

#[test]
fn hostile_name_reaches_no_shell_through_a_proxy_command() {
    let sshd = Sshd::start();
    let sandbox = configured(&sshd, "Host *\n ProxyCommand bash proxy.sh %h %p\n");
    sandbox.file("proxy.sh", "exit 1\n");
    let hostile = "{\"host\":\"$(touch x)\"}\n{\"host\":\";touch y\"}\n{\"host\":\"-oProxyCommand=touch z\"}\n";
    let run = sandbox.run("pssh-rs", &["-F", "config", "--", "true"], hostile);
    assert_eq!(run.records().len(), 3, "{}", run.stderr);
    for name in ["x", "y", "z"] {
        assert!(!sandbox.dir().join(name).exists());
    }
}
