//! Accepts keys on first contact: appends a line for each host to a known_hosts file, under a lock.

use super::found::{HostId, KnownHostMatches, Verdict, lookup_name};
use super::hashed::hash_name;
use super::index::Index;
use super::lock;
use crate::base::key_blob::key_type;
use crate::base::read_capped;
use crate::base::shutdown::Stop;
use crate::base::wait::WaitError;
use base64::prelude::{BASE64_STANDARD, Engine};
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, TryLockError as TryMutexError};
use std::time::{Duration, Instant};

/// How often a lock is tried again that another program holds, and one that another thread holds for its line.
const AGAIN: Duration = Duration::from_millis(20);
const SOON: Duration = Duration::from_millis(2);

/// Which file was read, and how far: to the end of its last whole line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    file: (u64, u64),
    to: u64,
}

#[derive(Debug)]
pub struct AcceptFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: Option<File>,
    /// How far the file was read, by the run at its start and here since.
    seen: Seen,
    /// What was added to the file since, by this run or another.
    added: Index,
}

impl Seen {
    pub fn new(metadata: &Metadata, bytes: &[u8]) -> Seen {
        Seen { file: identity(metadata), to: whole_lines(bytes) }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn whole_lines(bytes: &[u8]) -> u64 {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1)
}

impl AcceptFile {
    /// The file is opened when it is first needed. What comes after `seen` was not read yet.
    pub fn new(path: &Path, seen: Seen) -> AcceptFile {
        let state = Mutex::new(State { file: None, seen, added: Index::default() });
        AcceptFile { path: path.to_path_buf(), state }
    }

    pub fn open(&self) -> io::Result<()> {
        self.current(&mut lock(&self.state)).map(|_| ())
    }

    pub fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// Adds a line for the first of a host's names, which is `hashed` if so wanted, unless the host became known meanwhile.
    pub fn add(
        &self,
        host: &HostId<'_>,
        key: &[u8],
        hashed: bool,
        deadline: Instant,
        stop: &Stop,
    ) -> Result<Verdict, WaitError> {
        // A name comes from a record: one with a blank, a comma or a newline in it would write lines of its own.
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '%' | '+');
        let name = host.names.first().copied().unwrap_or_default();
        if name.is_empty() || !name.chars().all(plain) {
            return Err(WaitError::Io(io::Error::other("no known_hosts line can hold such a name")));
        }
        loop {
            // The mutex too is only tried: who has it may be waiting for a file system that is down.
            let pause = match self.state.try_lock() {
                Ok(mut state) => match self.try_add(&mut state, host, key, hashed).map_err(WaitError::Io)? {
                    Some(verdict) => return Ok(verdict),
                    None => AGAIN,
                },
                Err(TryMutexError::WouldBlock) => SOON,
                Err(TryMutexError::Poisoned(_)) => return Err(WaitError::Io(io::Error::other("a bug in pssh-rs"))),
            };
            if stop.is_set() {
                return Err(WaitError::Stopped);
            }
            if Instant::now() >= deadline {
                return Err(WaitError::Deadline);
            }
            std::thread::sleep(pause);
        }
    }

    /// `None` while another program holds the file's lock, or where it has just put another file in its place.
    fn try_add(&self, state: &mut State, host: &HostId<'_>, key: &[u8], hashed: bool) -> io::Result<Option<Verdict>> {
        let file = self.current(state)?;
        let name = lookup_name(host.names[0], host.port);
        let name = if hashed { hash_name(&name)? } else { name };
        let line = format!("{name} {} {}\n", key_type(key), BASE64_STANDARD.encode(key));
        if !file.metadata()?.is_file() {
            // /dev/null, say: it keeps nothing that could be looked up again.
            file.write_all(line.as_bytes())?;
            return Ok(Some(Verdict::Known));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let verdict = match self.is_current(file) {
            true => self.add_locked(state, host, key, &line).map(Some),
            false => Ok(None),
        };
        if let Some(file) = &state.file {
            file.unlock()?;
        }
        verdict
    }

    /// The file that the path leads to: ssh puts a new one in its place when it updates a key.
    fn current<'a>(&self, state: &'a mut State) -> io::Result<&'a mut File> {
        let file = match state.file.take().filter(|file| self.is_current(file)) {
            Some(file) => file,
            None => open(&self.path)?,
        };
        Ok(state.file.insert(file))
    }

    fn is_current(&self, file: &File) -> bool {
        match (fs::metadata(&self.path), file.metadata()) {
            (Ok(there), Ok(here)) => identity(&there) == identity(&here),
            _ => false,
        }
    }

    fn add_locked(&self, state: &mut State, host: &HostId<'_>, key: &[u8], line: &str) -> io::Result<Verdict> {
        let State { file: Some(file), seen, added } = state else {
            return Ok(Verdict::Unknown);
        };
        let metadata = file.metadata()?;
        if seen.file != identity(&metadata) || metadata.len() < seen.to {
            *seen = Seen { file: identity(&metadata), to: 0 };
            *added = Index::default();
        }
        file.seek(SeekFrom::Start(seen.to))?;
        let bytes = read_capped::read_rest(file)?;
        seen.to += whole_lines(&bytes);
        let taken = added.take(&String::from_utf8_lossy(&bytes), |_| self.shown(), |_| {});
        taken.map_err(|failure| io::Error::other(failure.message))?;
        let verdict = KnownHostMatches::of(host, [&*added].into_iter()).judge(key);
        if verdict == Verdict::Unknown {
            append(file, line)?;
            return Ok(Verdict::Known);
        }
        Ok(verdict)
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let kind = file.metadata()?.file_type();
    match kind.is_file() || kind.is_char_device() {
        true => Ok(file),
        false => Err(io::Error::other("not a regular file")),
    }
}

/// One write, so that a reader without the lock never sees half a line. Where the disk is full, what got in is taken back.
fn append(file: &mut File, line: &str) -> io::Result<()> {
    let mut last = [b'\n'];
    let end = file.seek(SeekFrom::End(0))?;
    if end > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let newline = if last == *b"\n" { "" } else { "\n" };
    let line = format!("{newline}{line}");
    let written = file.write(line.as_bytes())?;
    if written == line.len() {
        return Ok(());
    }
    if file.metadata()?.len() == end + written as u64 {
        file.set_len(end)?;
    }
    Err(io::ErrorKind::StorageFull.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";
    const OTHER: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn open_now(path: &Path) -> AcceptFile {
        let accept = AcceptFile::new(path, Seen::default());
        accept.open().unwrap();
        accept
    }

    fn add(accept: &AcceptFile, name: &str, key: &str) -> Result<Verdict, WaitError> {
        let deadline = Instant::now() + Duration::from_secs(1);
        let host = HostId { names: vec![name], port: 2222 };
        accept.add(&host, &BASE64_STANDARD.decode(key).unwrap(), false, deadline, &Stop::new().unwrap())
    }

    #[test]
    fn a_line_a_host_after_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/known_hosts");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, "# no newline at the end").unwrap();
        let accept = open_now(&path);
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
        let (one, two) = (open_now(&path), open_now(&path));
        assert_eq!(add(&one, "web1", KEY).unwrap(), Verdict::Known);
        assert_eq!(add(&two, "web1", KEY).unwrap(), Verdict::Known);
        assert!(matches!(add(&two, "web1", OTHER).unwrap(), Verdict::Changed { .. }));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn a_lock_that_is_held_costs_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        let accept = open_now(&path);
        let held = File::open(&path).unwrap();
        held.lock().unwrap();
        assert!(matches!(add(&accept, "web1", KEY), Err(WaitError::Deadline)));
        held.unlock().unwrap();
        assert_eq!(add(&accept, "web1", KEY).unwrap(), Verdict::Known);
    }

    #[test]
    fn a_hostile_name_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/known_hosts");
        let accept = open_now(&path);
        for name in ["a\n* ssh-ed25519 AAAA", "a,b", "a b", "*", "!a", "#a", "|1|a", "@revoked", "[a]", ""] {
            assert!(add(&accept, name, KEY).is_err(), "{name}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn a_file_put_in_its_place_gets_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        let accept = open_now(&path);
        assert_eq!(add(&accept, "web1", KEY).unwrap(), Verdict::Known);
        let replacement = folder.path().join("new");
        fs::write(&replacement, format!("[web2]:2222 ssh-ed25519 {OTHER}\n")).unwrap();
        fs::rename(&replacement, &path).unwrap();
        assert!(matches!(add(&accept, "web2", KEY).unwrap(), Verdict::Changed { .. }));
        assert_eq!(add(&accept, "web1", KEY).unwrap(), Verdict::Known);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        // Emptied in place.
        fs::write(&path, "").unwrap();
        assert_eq!(add(&accept, "web2", KEY).unwrap(), Verdict::Known);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn many_threads_keep_each_host_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        std::os::unix::fs::symlink("made", &path).unwrap();
        let (one, two) = (open_now(&path), open_now(&path));
        let stop = Stop::new().unwrap();
        let (key, deadline) = (BASE64_STANDARD.decode(KEY).unwrap(), Instant::now() + Duration::from_secs(60));
        std::thread::scope(|scope| {
            for number in 0..200 {
                let accept = if number % 2 == 0 { &one } else { &two };
                let (key, stop) = (&key, &stop);
                scope.spawn(move || {
                    let name = format!("web{}", number / 2);
                    let host = HostId { names: vec![&name], port: 22 };
                    assert_eq!(accept.add(&host, key, false, deadline, stop).unwrap(), Verdict::Known);
                });
            }
        });
        assert!(path.is_symlink());
        let text = fs::read_to_string(folder.path().join("made")).unwrap();
        let mut names: Vec<&str> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!((text.lines().count(), names.len()), (100, 100));
    }

    #[test]
    fn a_sink_keeps_nothing_and_a_full_disk_is_an_error() {
        let sink = open_now(Path::new("/dev/null"));
        assert_eq!(add(&sink, "web1", KEY).unwrap(), Verdict::Known);
        let full = open_now(Path::new("/dev/full"));
        assert!(
            matches!(add(&full, "web1", KEY), Err(WaitError::Io(error)) if error.kind() == io::ErrorKind::StorageFull)
        );
        let folder = tempfile::tempdir().unwrap();
        assert!(AcceptFile::new(folder.path(), Seen::default()).open().is_err());
    }
}
