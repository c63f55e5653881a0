//! A run of pssh-rs that a test interacts with.

use kit::hostile::wait_until;
use kit::processes::{marker, peak_memory};
use kit::{Sandbox, records};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub struct Started {
    child: Child,
    stdout: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    stderr: Arc<Mutex<String>>,
}

pub struct Ended {
    /// The exit code as in a shell.
    pub code: i32,
    pub records: Vec<Value>,
    pub stderr: String,
}

impl Started {
    pub fn new(sandbox: &Sandbox, args: &[&str], stdin: impl AsRef<[u8]>) -> Started {
        // A separate file, because another run may not have read its own file.
        let input = sandbox.file(&format!("stdin-{}", marker()), stdin);
        let mut command = sandbox.command("pssh-rs");
        let input = std::fs::File::open(input).expect("its stdin");
        command.args(args).stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("pssh-rs runs");
        let (stdout, stderr) = (Arc::new(Mutex::new(String::new())), Arc::new(Mutex::new(String::new())));
        let readers = vec![
            read(child.stdout.take().expect("piped"), Arc::clone(&stdout)),
            read(child.stderr.take().expect("piped"), Arc::clone(&stderr)),
        ];
        Started { child, stdout, stderr, readers }
    }

    /// The records written so far.
    pub fn records(&self) -> Vec<Value> {
        records(&self.stdout.lock().expect("no panic"))
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs").success());
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits for its end, with a time limit.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        wait_until("the end of pssh-rs", || !self.is_running());
        self.ended()
    }

    /// Waits for its end within the time limit of every run. Also returns its peak memory in MiB.
    pub fn end_and_peak(mut self) -> (Ended, u64) {
        let (started, mut peak) = (std::time::Instant::now(), 0);
        while self.is_running() {
            peak = peak_memory(self.child.id()).unwrap_or(peak).max(peak);
            assert!(started.elapsed().as_secs() < 300, "still running after 300 s");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        (self.ended(), peak)
    }

    fn ended(&mut self) -> Ended {
        let status = self.child.wait().expect("a child");
        self.readers.drain(..).for_each(|reader| reader.join().expect("a reader"));
        let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
        Ended { code, records: self.records(), stderr: self.stderr.lock().expect("no panic").clone() }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(stream: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).expect("text") > 0 {
            into.lock().expect("no panic").push_str(&line);
            line.clear();
        }
    })
}
