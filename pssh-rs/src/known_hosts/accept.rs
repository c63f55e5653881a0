//! Keys accepted on first contact: appended to a known_hosts file, a line a host, under a lock.

use super::entry::key_type;
use super::index::{Index, Verdict, lookup_name};
use crate::bounded;
use crate::interrupt::Stop;
use crate::link::Halt;
use base64::prelude::{BASE64_STANDARD, Engine};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, TryLockError as TryMutexError};
use std::time::{Duration, Instant};

/// How often a lock that somebody else holds is tried again.
const AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub struct AcceptFile {
    shown: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// How far the file was read, by the run at its start and here since.
    read_to: u64,
    /// What was added to the file since, by this run or another.
    added: Index,
}

impl AcceptFile {
    pub fn open(path: &Path) -> io::Result<AcceptFile> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let read_to = file.metadata()?.len();
        let state = Mutex::new(State { file, read_to, added: Index::default() });
        Ok(AcceptFile { shown: path.display().to_string(), state })
    }

    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Adds a line for the first of a host's names, unless the host became known meanwhile.
    pub fn add(&self, names: &[&str], port: u16, key: &[u8], deadline: Instant, stop: &Stop) -> Result<Verdict, Halt> {
        // A name comes from a record: one with a blank, a comma or a newline in it would write lines of its own.
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '%' | '+');
        let name = names.first().copied().unwrap_or_default();
        if name.is_empty() || !name.chars().all(plain) {
            return Err(Halt::Io(io::Error::other("no known_hosts line can hold such a name")));
        }
        loop {
            // The mutex too is only tried: who has it may be waiting for the file's lock.
            match self.state.try_lock() {
                Ok(mut state) => match state.file.try_lock() {
                    Ok(()) => {
                        let verdict = self.add_locked(&mut state, names, port, key);
                        state.file.unlock().map_err(Halt::Io)?;
                        return verdict.map_err(Halt::Io);
                    }
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(error)) => return Err(Halt::Io(error)),
                },
                Err(TryMutexError::WouldBlock) => {}
                Err(TryMutexError::Poisoned(_)) => return Err(Halt::Io(io::Error::other("a bug in pssh-rs"))),
            }
            if stop.is_set() {
                return Err(Halt::Stopped);
            }
            if Instant::now() >= deadline {
                return Err(Halt::Deadline);
            }
            std::thread::sleep(AGAIN);
        }
    }

    fn add_locked(&self, state: &mut State, names: &[&str], port: u16, key: &[u8]) -> io::Result<Verdict> {
        state.file.seek(SeekFrom::Start(state.read_to))?;
        let bytes = bounded::read_rest(&mut state.file)?;
        state.read_to += bytes.len() as u64;
        let taken = state.added.take(&String::from_utf8_lossy(&bytes), |_| self.shown.clone(), |_| {});
        taken.map_err(|failure| io::Error::other(failure.message))?;
        let verdict = state.added.find(names, port).judge(key);
        if verdict != Verdict::Unknown {
            return Ok(verdict);
        }
        let name = lookup_name(names[0], port);
        append(&mut state.file, &format!("{name} {} {}\n", key_type(key), BASE64_STANDARD.encode(key)))?;
        Ok(Verdict::Known)
    }
}

/// One write, so that a reader without the lock never sees half a line.
fn append(file: &mut File, line: &str) -> io::Result<()> {
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let newline = if last == *b"\n" { "" } else { "\n" };
    file.write_all(format!("{newline}{line}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";
    const OTHER: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn add(accept: &AcceptFile, name: &str, key: &str) -> Result<Verdict, Halt> {
        let deadline = Instant::now() + Duration::from_secs(1);
        accept.add(&[name], 2222, &BASE64_STANDARD.decode(key).unwrap(), deadline, &Stop::new().unwrap())
    }

    #[test]
    fn a_line_a_host_after_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/known_hosts");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, "# no newline at the end").unwrap();
        let accept = AcceptFile::open(&path).unwrap();
        assert_eq!(add(&accept, "web1", KEY).unwrap(), Verdict::Known);
        assert_eq!(add(&accept, "web1", KEY).unwrap(), Verdict::Known);
        assert!(matches!(add(&accept, "web1", OTHER).unwrap(), Verdict::Changed { .. }));
        let want = format!("# no newline at the end\n[web1]:2222 ssh-ed25519 {KEY}\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), want);
    }

    #[test]
    fn two_runs_at_once_believe_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        let (one, two) = (AcceptFile::open(&path).unwrap(), AcceptFile::open(&path).unwrap());
        assert_eq!(add(&one, "web1", KEY).unwrap(), Verdict::Known);
        assert_eq!(add(&two, "web1", KEY).unwrap(), Verdict::Known);
        assert!(matches!(add(&two, "web1", OTHER).unwrap(), Verdict::Changed { .. }));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn a_lock_that_is_held_costs_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        let accept = AcceptFile::open(&path).unwrap();
        let held = File::open(&path).unwrap();
        held.lock().unwrap();
        assert!(matches!(add(&accept, "web1", KEY), Err(Halt::Deadline)));
        held.unlock().unwrap();
        assert_eq!(add(&accept, "web1", KEY).unwrap(), Verdict::Known);
    }

    #[test]
    fn a_hostile_name_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/known_hosts");
        let accept = AcceptFile::open(&path).unwrap();
        for name in ["a\n* ssh-ed25519 AAAA", "a,b", "a b", "*", "!a", "#a", "|1|a", "@revoked", "[a]", ""] {
            assert!(add(&accept, name, KEY).is_err(), "{name}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }
}
