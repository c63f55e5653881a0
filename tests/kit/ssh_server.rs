//! Starts `ssh_server.py`: an SSH server whose behaviour a command or the user's name sets.

use crate::Sshd;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Ends with its value, and with the test process.
pub struct SshServer {
    child: Child,
    _stdin: ChildStdin,
    events: Arc<Mutex<Vec<String>>>,
}

impl SshServer {
    /// Listens there, with the host key of `sshd`, for who may log in to it too.
    pub fn start(sshd: &Sshd, at: SocketAddr) -> SshServer {
        let python = crate::target_dir().join("venv/bin/python3");
        assert!(python.is_file(), "{} is missing: run `make setup`", python.display());
        let folder = sshd.identity().with_file_name("");
        let mut child = Command::new(python)
            .arg(crate::root().join("tests/kit/ssh_server.py"))
            .args([at.ip().to_string(), at.port().to_string()])
            .arg(folder.join("host_ed25519"))
            .arg(folder.join("id.pub"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the venv's Python runs");
        let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut stderr = child.stderr.take().expect("piped");
        let (ready, is_ready) = channel();
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&events);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                heard.lock().expect("no panic").push(line);
                let _ = ready.send(());
            }
        });
        if is_ready.recv_timeout(Duration::from_secs(60)).is_err() {
            let _ = child.kill();
            let mut said = String::new();
            let _ = stderr.read_to_string(&mut said);
            panic!("the SSH server at {at} does not start (it needs asyncssh: run `make setup`):\n{said}");
        }
        // A full pipe would stop it.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::stderr()));
        SshServer { child, _stdin: stdin, events }
    }

    /// What it has told of so far: `login USER`, `exec WORD`, `signal NAME`, `closed`, ...
    pub fn events(&self) -> Vec<String> {
        self.events.lock().expect("no panic").clone()
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
