//! A private folder for sockets and logs of ssh processes, and a watchdog process that terminates these if we are
//! killed: no connections or files are left behind.

use rustix::fs::{Mode, OFlags, open};
use rustix::process::Pid;
use std::collections::hash_map::RandomState;
use std::env;
use std::fs::{self, DirBuilder, File};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The longest path of the folder. A Unix socket's path has room for 104 bytes on some systems, and ssh adds 17 to it while
/// it makes the socket.
const LONGEST_PATH: usize = 104 - 1 - 17 - "/12345678.socket".len();

/// Waits until its stdin ends, which it does when we end. Then ends the processes that the folder's `.pid` files name, and
/// removes the folder. It ignores the terminal's Ctrl-C.
const WATCHDOG: &str = r#"trap '' INT TERM HUP
while read -r line; do :; done
for pid in "$1"/*.pid; do pid=${pid##*/}; kill -TERM "-${pid%.pid}" || kill -TERM "${pid%.pid}"; done
rm -rf -- "$1""#;

#[derive(Debug)]
pub struct ControlDir {
    path: PathBuf,
    names: AtomicU64,
    watchdog: Option<(Child, ChildStdin)>,
}

impl ControlDir {
    pub fn new() -> io::Result<ControlDir> {
        let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let runtime = runtime.filter(|path| path.is_absolute());
        let tmp = Some(PathBuf::from("/tmp"));
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for parent in runtime.into_iter().chain(tmp) {
            // If another user has guessed the name, the next one is tried.
            for _ in 0..8 {
                let path = parent.join(format!("pssh-rs.{:016x}", RandomState::new().build_hasher().finish()));
                if path.as_os_str().len() > LONGEST_PATH {
                    break;
                }
                match DirBuilder::new().mode(0o700).create(&path) {
                    Ok(()) => {
                        return Ok(ControlDir {
                            watchdog: Some(start_watchdog(&path)?),
                            path,
                            names: AtomicU64::new(1),
                        });
                    }
                    Err(error) => last = error,
                }
            }
        }
        Err(last)
    }

    /// Returns a new path in the folder.
    pub fn name(&self, kind: &str) -> PathBuf {
        self.path.join(format!("{}.{kind}", self.names.fetch_add(1, Ordering::Relaxed)))
    }

    /// Makes a named pipe. Also returns its reading end, which never blocks.
    pub fn fifo(&self) -> io::Result<(PathBuf, File)> {
        let path = self.name("log");
        make_fifo(&path)?;
        let reader: OwnedFd = open(&path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
        Ok((path, File::from(reader)))
    }

    /// Ends the process if we die before the guard is dropped.
    pub fn guard(&self, pid: Pid) -> Guard {
        let path = self.path.join(format!("{}.pid", pid.as_raw_nonzero()));
        let _ = File::create(&path);
        Guard(path)
    }
}

#[derive(Debug)]
pub struct Guard(PathBuf);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn start_watchdog(folder: &Path) -> io::Result<(Child, ChildStdin)> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", WATCHDOG, "sh"])
        .arg(folder)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let stdin = child.stdin.take().ok_or_else(|| io::Error::other("the watchdog has no stdin"))?;
    Ok((child, stdin))
}

impl Drop for ControlDir {
    fn drop(&mut self) {
        let Some((mut child, stdin)) = self.watchdog.take() else { return };
        // It cleans up now.
        drop(stdin);
        let until = Instant::now() + Duration::from_millis(500);
        while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(target_os = "linux")]
fn make_fifo(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::mkfifoat(rustix::fs::CWD, path, Mode::RUSR | Mode::WUSR)?)
}

/// rustix has no such call for macOS.
#[cfg(not(target_os = "linux"))]
fn make_fifo(path: &Path) -> io::Result<()> {
    match Command::new("mkfifo").args(["-m", "600"]).arg(path).status()?.success() {
        true => Ok(()),
        false => Err(io::Error::other("mkfifo failed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::test_kill_process;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_folder_is_private_and_ends_with_the_processes_it_guards() {
        let folder = ControlDir::new().unwrap();
        let path = folder.path.clone();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        folder.fifo().unwrap();
        let mut child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let guard = folder.guard(Pid::from_child(&child));
        let mut other = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        drop(folder.guard(Pid::from_child(&other)));
        drop(folder);
        assert!(!path.exists());
        assert!(!child.wait().unwrap().success());
        assert!(test_kill_process(Pid::from_child(&other)).is_ok());
        other.kill().unwrap();
        other.wait().unwrap();
        drop(guard);
    }
}
