//! Starts `ssh_server.py`: an SSH server whose behaviour a command or the user's name sets.

use crate::Sshd;
use std::io::Read;
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// A running server. It ends when this value is dropped, or with the test process.
pub struct SshServer {
    child: Child,
    _stdin: ChildStdin,
    /// The file that the server writes events to. In a file, unlike a pipe, an event is there before the server answers.
    events: NamedTempFile,
}

impl SshServer {
    /// Listens at this address, with the host key and the login key of `sshd`.
    pub fn start(sshd: &Sshd, at: SocketAddr) -> SshServer {
        let python = crate::target_dir().join("venv/bin/python3");
        assert!(python.is_file(), "{} is missing: run `make setup`", python.display());
        let events = NamedTempFile::with_prefix("cerveza-events-").expect("a temporary file");
        let folder = sshd.identity().with_file_name("");
        let mut child = Command::new(python)
            .arg(crate::root().join("tests/kit/ssh_server.py"))
            .args([at.ip().to_string(), at.port().to_string()])
            .arg(folder.join("host_ed25519"))
            .arg(folder.join("id.pub"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(events.reopen().expect("a file of ours"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the venv's Python runs");
        let stdin = child.stdin.take().expect("piped");
        let mut stderr = child.stderr.take().expect("piped");
        let started = Instant::now();
        while events.as_file().metadata().expect("a file of ours").len() == 0 {
            if started.elapsed() > Duration::from_secs(60) || child.try_wait().expect("a child").is_some() {
                let _ = child.kill();
                let mut said = String::new();
                let _ = stderr.read_to_string(&mut said);
                panic!("the SSH server at {at} does not start (it needs asyncssh: run `make setup`):\n{said}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // A full pipe would block the server.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::stderr()));
        SshServer { child, _stdin: stdin, events }
    }

    /// Returns the events so far: `login USER`, `exec WORD`, `signal NAME`, `closed`, ...
    pub fn events(&self) -> Vec<String> {
        let events = std::fs::read_to_string(self.events.path()).expect("a file of ours");
        events.lines().map(str::to_string).collect()
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
