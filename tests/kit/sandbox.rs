//! A sandbox runs the tools as a user would, without the real user's files: its own HOME, no AWS or SSH settings, no
//! terminal, and a time limit for every run.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The time limit of a run. A run that takes longer hangs, and fails its test.
const LONGEST_RUN: Duration = Duration::from_secs(300);

pub struct Sandbox {
    home: TempDir,
    env: BTreeMap<String, String>,
}

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code, or 128 + the signal that ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Default for Sandbox {
    fn default() -> Self {
        Sandbox::new()
    }
}

impl Sandbox {
    pub fn new() -> Sandbox {
        let home = TempDir::with_prefix("cerveza-").expect("a temporary folder");
        let path =
            format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", crate::bin_dir().display());
        let env = [
            ("PATH", path.as_str()),
            ("HOME", &home.path().display().to_string()),
            ("LANG", "C.UTF-8"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            // ssh reads the home directory of the user database, not HOME.
            ("PSSH_RS_SSH_CONFIG", "none"),
        ];
        let env = env.map(|(name, value)| (name.to_string(), value.to_string()));
        Sandbox { env: env.into(), home }
    }

    /// Sets an environment variable for every run from now on.
    pub fn env(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.env.insert(name.to_string(), value.into());
        self
    }

    /// Returns the folder that is HOME and the working directory.
    pub fn dir(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file under [`Sandbox::dir`], with the folders above it.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for the file");
        std::fs::write(&path, content).expect("a file written");
        path
    }

    /// Returns a command in the sandbox, for what [`Sandbox::run`] cannot do.
    pub fn command(&self, program: &str) -> Command {
        let built = crate::bin_dir().join(program);
        let program = if built.is_file() { built } else { PathBuf::from(program) };
        let mut command = Command::new(program);
        command.env_clear().envs(&self.env).current_dir(self.dir());
        command
    }

    /// Runs a tool with `stdin` as its input.
    pub fn run(&self, tool: &str, args: &[&str], stdin: impl AsRef<[u8]>) -> Outcome {
        assert!(crate::bin_dir().join(tool).is_file(), "{tool} is not built: run `cargo build --workspace` first");
        let mut command = self.command(tool);
        command.args(args);
        finish(command, stdin.as_ref(), || false)
    }

    /// Runs a tool, and sends it SIGINT as soon as `ready` returns true.
    pub fn interrupt(&self, tool: &str, args: &[&str], stdin: &str, ready: impl FnMut() -> bool) -> Outcome {
        let mut command = self.command(tool);
        command.args(args);
        finish(command, stdin.as_bytes(), ready)
    }

    /// Runs a line in the shell, with `pipefail`.
    pub fn sh(&self, line: &str) -> Outcome {
        let mut command = self.command("bash");
        command.args(["-o", "pipefail", "-c", line]);
        finish(command, b"", || false)
    }
}

impl Outcome {
    /// Returns the records of stdout. A line that is not a record fails the test.
    pub fn records(&self) -> Vec<Value> {
        records(&self.stdout)
    }

    /// Fails the test unless the exit code is `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Outcome {
        assert_eq!(self.code, code, "\nstdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

/// Parses JSON lines.
pub fn records(lines: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in the record {line}"));
    lines.lines().map(parse).collect()
}

/// Writes `stdin`, reads stdout and stderr, and waits up to the time limit. Sends SIGINT once `interrupt` returns true.
fn finish(mut command: Command, stdin: &[u8], interrupt: impl FnMut() -> bool) -> Outcome {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let mut input = child.stdin.take().expect("piped");
    let stdin = stdin.to_vec();
    // A tool may end without reading all of it.
    let feeder = std::thread::spawn(move || input.write_all(&stdin).is_ok());
    let stdout = drain(child.stdout.take().expect("piped"));
    let stderr = drain(child.stderr.take().expect("piped"));
    let code = wait(&mut child, &format!("{command:?}"), interrupt);
    feeder.join().expect("the feeder");
    let text =
        |thread: std::thread::JoinHandle<Vec<u8>>| String::from_utf8_lossy(&thread.join().expect("a reader")).into();
    Outcome { code, stdout: text(stdout), stderr: text(stderr) }
}

fn drain(mut stream: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a readable stream");
        bytes
    })
}

fn wait(child: &mut Child, what: &str, mut interrupt: impl FnMut() -> bool) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    let (started, mut interrupted) = (Instant::now(), false);
    loop {
        if let Some(status) = child.try_wait().expect("a child to wait for") {
            return status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
        }
        if !interrupted && interrupt() {
            interrupted = true;
            let pid = child.id().to_string();
            assert!(Command::new("kill").args(["-s", "INT", &pid]).status().expect("kill runs").success());
        }
        if started.elapsed() > LONGEST_RUN {
            let _ = child.kill();
            panic!("{what} was still running after {LONGEST_RUN:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
