//! Refused logins: which keys were offered, why it failed, and what to do.

use crate::{error, host, of};
use kit::{Sandbox, Sshd, hostile::wait_until};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const ENGINES: [&str; 2] = ["libssh2", "openssh"];

/// An ssh-agent for this test.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(folder: &Path) -> Agent {
        let socket = folder.join("agent");
        let child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .expect("ssh-agent runs");
        wait_until("the agent's socket", || socket.exists());
        Agent { child, socket }
    }

    fn add(&self, key: &Path) {
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).stderr(Stdio::null());
        assert!(add.status().expect("ssh-add runs").success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a key and returns its path and its fingerprint.
fn keygen(sandbox: &Sandbox, name: &str) -> (PathBuf, String) {
    let path = sandbox.dir().join(name);
    let run = sandbox.sh(&format!("ssh-keygen -q -t ed25519 -N '' -f {name} && ssh-keygen -lf {name}")).exits(0);
    (path, run.stdout.split(' ').nth(1).expect("a fingerprint").to_string())
}

/// A sandbox without key files whose agent holds five keys, the right one last; and the fingerprints.
fn five_keys(sshd: &Sshd) -> (Sandbox, Agent, Vec<String>) {
    let mut sandbox = Sandbox::new();
    let agent = Agent::start(sandbox.dir());
    let mut fingerprints = Vec::new();
    for number in 1..5 {
        let (path, fingerprint) = keygen(&sandbox, &format!("key{number}"));
        agent.add(&path);
        fingerprints.push(fingerprint);
    }
    agent.add(&sshd.identity());
    sshd.open_to(&mut sandbox);
    // An empty variable counts as unset.
    sandbox.env("PSSH_RS_IDENTITY", "").env("SSH_AUTH_SOCK", agent.socket.display().to_string());
    (sandbox, agent, fingerprints)
}

fn sshd_with(config: &str) -> Sshd {
    Sshd::with(&["127.0.0.1".to_string(), "127.0.0.2".to_string()], config)
}

#[test]
fn too_many_login_attempts_report_the_keys_that_were_tried() {
    for most in 1..=3 {
        let sshd = sshd_with(&format!("MaxAuthTries {most}"));
        let (sandbox, _agent, fingerprints) = five_keys(&sshd);
        // Repeated, because the outcome must not depend on what arrives first.
        for engine in [&ENGINES[..], &ENGINES[..], &ENGINES[..1], &ENGINES[..1]].concat() {
            let args = ["--engine", engine, "true"];
            let run = sandbox.run("pssh-rs", &args, host("one", 1) + &host("two", 2)).exits(3);
            for record in run.records() {
                assert_eq!(
                    (&record["status"], &record["phase"]),
                    (&json!("auth"), &json!("auth")),
                    "{engine} {record}"
                );
                assert_eq!(record["attempts"], 1, "{engine} {record}");
                let error = error(&record);
                let offered: Vec<&String> = fingerprints.iter().filter(|key| error.contains(*key)).collect();
                assert_eq!(offered, fingerprints[..most].iter().collect::<Vec<_>>(), "{engine} {error}");
                for part in ["Too many authentication failures", "ended the attempts", "-i ", "IdentitiesOnly"] {
                    assert!(error.contains(part), "{engine} {part}: {error}");
                }
            }
        }
        // The hint of the message works.
        let identity = sshd.identity().display().to_string();
        for engine in ENGINES {
            let args = ["--engine", engine, "-i", &identity, "--ssh-option", "IdentitiesOnly=yes", "true"];
            sandbox.run("pssh-rs", &args, host("one", 1)).exits(0);
        }
    }
}

#[test]
fn server_limits_how_many_keys_are_offered() {
    let sshd = sshd_with("MaxAuthTries 20");
    let (sandbox, agent, _) = five_keys(&sshd);
    sandbox.run("pssh-rs", &["true"], host("one", 1)).exits(0);
    // The right key is the last of fifteen.
    let removed = sandbox.command("ssh-add").args(["-q", "-d"]).arg(sshd.identity()).status().unwrap();
    assert!(removed.success());
    for number in 5..15 {
        agent.add(&keygen(&sandbox, &format!("key{number}")).0);
    }
    agent.add(&sshd.identity());
    for engine in ENGINES {
        sandbox.run("pssh-rs", &["--engine", engine, "true"], host("one", 1)).exits(0);
    }
}

#[test]
fn server_without_publickey_login_is_reported() {
    let sshd = sshd_with("Match all\nPubkeyAuthentication no\nPasswordAuthentication yes");
    let mut sandbox = Sandbox::new();
    sshd.open_to(&mut sandbox);
    for engine in ENGINES {
        let run = sandbox.run("pssh-rs", &["--engine", engine, "true"], host("one", 1)).exits(3);
        let records = run.records();
        let record = of(&records, "one");
        assert_eq!((&record["status"], &record["phase"]), (&json!("auth"), &json!("auth")), "{engine} {record}");
        assert!(error(record).contains("password"), "{engine} {record}");
        if engine == "libssh2" {
            assert!(error(record).contains("accepts no keys from user"), "{record}");
        }
    }
}

#[test]
fn private_key_that_others_can_read_is_not_used() {
    let (mut sandbox, sshd) = crate::fleet();
    let key = sandbox.dir().join("key");
    fs::copy(sshd.identity(), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    sandbox.env("PSSH_RS_IDENTITY", key.display().to_string());
    let run = sandbox.run("pssh-rs", &["true"], host("one", 1)).exits(2);
    let why = format!("{} not (its permissions 0640 are too open: ", key.display());
    assert!(run.stderr.contains(&why), "{}", run.stderr);
    // Another key may work, and an agent may hold this one.
    let both = format!("{}:{}", key.display(), sshd.identity().display());
    sandbox.env("PSSH_RS_IDENTITY", both);
    sandbox.run("pssh-rs", &["true"], host("one", 1)).exits(0);
    let agent = Agent::start(sandbox.dir());
    agent.add(&sshd.identity());
    sandbox.env("PSSH_RS_IDENTITY", key.display().to_string()).env("SSH_AUTH_SOCK", agent.socket.display().to_string());
    sandbox.run("pssh-rs", &["--ssh-option", "IdentitiesOnly=yes", "true"], host("one", 1)).exits(0);
    // A public key that others can read is fine.
    let public = sandbox.file("public", fs::read_to_string(sshd.identity().with_extension("pub")).unwrap());
    sandbox.env("PSSH_RS_IDENTITY", public.display().to_string());
    sandbox.run("pssh-rs", &["--ssh-option", "IdentitiesOnly=yes", "true"], host("one", 1)).exits(0);
}

#[test]
fn a_tilde_that_the_shell_leaves_alone_is_the_home() {
    let (mut sandbox, sshd) = crate::fleet();
    let key = sandbox.dir().join("key");
    fs::copy(sshd.identity(), &key).unwrap();
    sandbox.env("PSSH_RS_IDENTITY", "");
    sandbox.run("pssh-rs", &["--identity=~/key", "true"], host("one", 1)).exits(0);
    sandbox.env("PSSH_RS_IDENTITY", "~/key:~/key");
    sandbox.run("pssh-rs", &["true"], host("one", 1)).exits(0);
}

/// A user id that the user database does not know.
const UNKNOWN_UID: u32 = 4242;

/// pssh-rs of the sandbox, run by a user id without an account.
fn by_unknown_uid(sandbox: &Sandbox) -> Command {
    let is_root = fs::metadata("/proc/self").expect("our own process").uid() == 0;
    // Copied out of folders that only their owner can enter.
    let program = sandbox.dir().join("copied-pssh-rs");
    // Copied by another process: children of other tests inherit files that this process has open for writing, and such a
    // file cannot be run.
    let copied = Command::new("cp").arg(kit::bin_dir().join("pssh-rs")).arg(&program).status();
    assert!(copied.is_ok_and(|status| status.success()), "pssh-rs is copied");
    fs::set_permissions(sandbox.dir(), fs::Permissions::from_mode(0o755)).expect("a folder of ours");
    let mut command = match is_root {
        true => {
            let mut command = sandbox.command(&program.display().to_string());
            command.uid(UNKNOWN_UID);
            command
        }
        false => {
            let mut command = sandbox.command("unshare");
            command.args(["--user", &format!("--map-user={UNKNOWN_UID}")]).arg(&program);
            command
        }
    };
    if is_root {
        chown(sandbox.dir().join("key"), Some(UNKNOWN_UID), None).expect("a file of ours");
    }
    command.stdin(Stdio::null());
    command
}

#[test]
fn user_id_without_an_account_logs_in_with_limits() {
    let (mut sandbox, sshd) = crate::fleet();
    let key = sandbox.dir().join("key");
    fs::copy(sshd.identity(), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let known = sandbox.file("known", fs::read_to_string(sshd.known_hosts(&["*"])).unwrap());
    sandbox.env("PSSH_RS_IDENTITY", key.display().to_string()).env("PSSH_RS_KNOWN_HOSTS", known.display().to_string());
    sandbox.env("PSSH_RS_USER", "");
    let finish = |mut command: Command, args: &[&str]| {
        let output = command.args([args, &["-w", "127.0.0.1", "--", "id -un"]].concat()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let run = |sandbox: &Sandbox, args: &[&str]| finish(by_unknown_uid(sandbox), args);
    let user = sshd.user().to_string();
    let (code, stdout, stderr) = run(&sandbox, &["-l", &user]);
    assert_eq!((code, stderr.as_str()), (Some(0), "pssh-rs: 1 ok\n"), "{stdout}");
    assert!(stdout.contains(&format!("\"stdout\":\"{user}\\n\"")), "{stdout}");
    // The environment has the login name and the place of .ssh.
    let (code, _, stderr) = run(&sandbox, &[]);
    assert_eq!((code, stderr.contains("cannot tell who you are")), (Some(2), true), "{stderr}");
    sandbox.env("USER", user.clone());
    assert_eq!(run(&sandbox, &[]).0, Some(0));
    sandbox.env("PSSH_RS_IDENTITY", "").env("PSSH_RS_KNOWN_HOSTS", "");
    sandbox.file(".ssh/known_hosts", fs::read_to_string(&known).unwrap());
    let usual = sandbox.dir().join(".ssh/id_ed25519");
    fs::rename(&key, &usual).unwrap();
    std::os::unix::fs::symlink(&usual, &key).unwrap();
    let (code, _, stderr) = run(&sandbox, &[]);
    assert_eq!(code, Some(0), "{stderr}");
    // ssh itself refuses to run for this user id.
    sandbox.file("config", "Host *\n ForwardAgent no\n");
    for (option, args) in [
        ("-F", &["-F", "config"][..]),
        ("-J", &["-J", "gw"]),
        ("--ssh-option", &["--ssh-option", "Compression=yes"]),
        ("--engine openssh", &["--engine", "openssh"]),
    ] {
        let (code, _, stderr) = run(&sandbox, args);
        let start =
            format!("pssh-rs: {option} needs the program ssh, and it does not run for an unknown user (No user exists");
        assert!(code == Some(2) && stderr.starts_with(&start), "{option}: {stderr}");
        assert!(stderr.contains("-F none -l USER"), "{option}: {stderr}");
    }
    // A file that cannot be read gives a warning.
    sandbox.file(".ssh/config", "Host *\n Port 1\n");
    let mut command = by_unknown_uid(&sandbox);
    command.env_remove("PSSH_RS_SSH_CONFIG");
    let (code, _, stderr) = finish(command, &[]);
    let file = sandbox.dir().join(".ssh/config").display().to_string();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.starts_with("pssh-rs: not read: ") && stderr.contains(&file), "{stderr}");
}

#[test]
fn verbose_reports_each_step_of_handshake_and_login() {
    let (mut sandbox, sshd) = crate::fleet();
    let (other, fingerprint) = keygen(&sandbox, "other");
    let both = format!("{}:{}", other.display(), sshd.identity().display());
    sandbox.env("PSSH_RS_IDENTITY", both);
    let quiet = sandbox.run("pssh-rs", &["true"], host("one", 1)).exits(0);
    let known = sshd.known_hosts(&["*"]);
    for engine in ENGINES {
        let args = ["-v", "--engine", engine, "--", "echo debug1: not of ssh >&2"];
        let run = sandbox.run("pssh-rs", &args, host("one", 1) + &host("closed", 77)).exits(3);
        assert_eq!(of(&run.records(), "one")["stderr"], "debug1: not of ssh\n");
        let line = |host: &str, parts: &[&str]| {
            let found = run.stderr.lines().any(|line| {
                line.starts_with(&format!("pssh-rs: {host}: ")) && parts.iter().all(|part| line.contains(part))
            });
            assert!(found, "{engine} {host} {parts:?}:\n{}", run.stderr);
        };
        let at = format!("127.0.0.1{}{}", if engine == "libssh2" { ":" } else { "] port " }, sshd.port());
        line("one", &["onnect", &at]);
        line("one", &["SSH-2.0-OpenSSH", ""][usize::from(engine == "openssh")..]);
        line("one", &["25519-sha"]);
        line("one", &["host key", "ssh-ed25519 SHA256:"][usize::from(engine == "openssh")..]);
        line("one", &["publickey"]);
        line("one", &[&fingerprint, &other.display().to_string()]);
        line("one", &[&sshd.identity().display().to_string()]);
        line("closed", &["efused"]);
        assert!(!run.stderr.contains("not of ssh"), "{}", run.stderr);
        if engine == "libssh2" {
            line("one", &[&format!("(known from {}:1): accepted", known.display())]);
            line("one", &["key ssh-ed25519", &fingerprint, ": refused"]);
            line("one", &["key ssh-ed25519", &sshd.identity().display().to_string(), ": accepted"]);
        }
    }
    assert_eq!(quiet.stderr, "pssh-rs: 1 ok\n");
    let through = format!("127.0.0.12:{}", sshd.port());
    let run = sandbox.run("pssh-rs", &["-v", "-J", &through, "true"], host("one", 1)).exits(0);
    assert!(
        run.stderr.contains(&format!("pssh-rs: jump host [127.0.0.12]:{}: Server host key: ", sshd.port())),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains(&format!("pssh-rs: one: connected to 127.0.0.1 port {} through ", sshd.port())),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("stdio"), "{}", run.stderr);
}
