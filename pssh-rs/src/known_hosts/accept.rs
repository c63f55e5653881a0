//! Accepts keys on first contact: appends a line for each host to a known_hosts file, under a lock.

use super::hashed::hash_name;
use super::index::Index;
use super::matches::{HostId, KnownHostMatches, Verdict};
use crate::base::key_blob::key_type;
use crate::base::shutdown::Stop;
use crate::base::user_file;
use crate::base::wait::WaitError;
use base64::prelude::{BASE64_STANDARD, Engine};
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, TryLockError as TryMutexError};
use std::time::{Duration, Instant};

/// How often a lock that is held elsewhere is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// Which file was read, and how far: to the end of its last whole line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    file: (u64, u64),
    to: u64,
}

#[derive(Debug)]
pub struct AcceptFile {
    path: PathBuf,
    added: Mutex<AddedLines>,
}

/// What this run or another has added to the file since the start of the run.
#[derive(Debug)]
struct AddedLines {
    seen: Seen,
    index: Index,
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
    /// `seen` is how far the run has read the file at its start.
    pub fn new(path: &Path, seen: Seen) -> AcceptFile {
        AcceptFile { path: path.to_path_buf(), added: Mutex::new(AddedLines { seen, index: Index::default() }) }
    }

    /// Opens the file, or creates it, to see whether that works.
    pub fn check(&self) -> io::Result<()> {
        open(&self.path).map(drop)
    }

    pub fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// Adds a line for the first of a host's names, `hashed` or not, unless the host became known in the meantime.
    pub fn add_key(
        &self,
        host: &HostId<'_>,
        key: &[u8],
        hashed: bool,
        deadline: Instant,
        stop: &Stop,
    ) -> Result<Verdict, WaitError> {
        // A name comes from a record. With a blank, a comma or a newline it would write other lines.
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '%' | '+');
        if host.name().is_empty() || !host.name().chars().all(is_plain) {
            return Err(WaitError::Io(io::Error::other("no known_hosts line can hold such a name")));
        }
        loop {
            // The mutex is tried too, because its owner may be waiting for a file system that does not respond.
            match self.added.try_lock() {
                Ok(mut added) => {
                    if let Some(verdict) = self.try_add(&mut added, host, key, hashed).map_err(WaitError::Io)? {
                        return Ok(verdict);
                    }
                }
                Err(TryMutexError::WouldBlock) => {}
                Err(TryMutexError::Poisoned(_)) => return Err(WaitError::Io(io::Error::other("a bug in pssh-rs"))),
            }
            if stop.is_set() {
                return Err(WaitError::Stopped);
            }
            if Instant::now() >= deadline {
                return Err(WaitError::Deadline);
            }
            std::thread::sleep(RETRY);
        }
    }

    /// Returns `None` if another program holds the file's lock, or has just replaced the file.
    fn try_add(
        &self,
        added: &mut AddedLines,
        host: &HostId<'_>,
        key: &[u8],
        hashed: bool,
    ) -> io::Result<Option<Verdict>> {
        let name = if hashed { hash_name(&host.lookup_name())? } else { host.lookup_name() };
        let line = format!("{name} {} {}\n", key_type(key), BASE64_STANDARD.encode(key));
        // Opened each time, because ssh replaces the file when it updates a key. Closing it releases the lock.
        let mut file = open(&self.path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            // Such as /dev/null: what is written cannot be looked up again.
            file.write_all(line.as_bytes())?;
            return Ok(Some(Verdict::Known));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if !fs::metadata(&self.path).is_ok_and(|current| identity(&current) == identity(&metadata)) {
            return Ok(None);
        }
        self.read_added(added, &mut file)?;
        let verdict = KnownHostMatches::find(host, [&added.index].into_iter()).judge(key);
        if verdict == Verdict::Unknown {
            append(&mut file, &line)?;
            return Ok(Some(Verdict::Known));
        }
        Ok(Some(verdict))
    }

    fn read_added(&self, added: &mut AddedLines, file: &mut File) -> io::Result<()> {
        let metadata = file.metadata()?;
        if added.seen.file != identity(&metadata) || metadata.len() < added.seen.to {
            *added = AddedLines { seen: Seen { file: identity(&metadata), to: 0 }, index: Index::default() };
        }
        file.seek(SeekFrom::Start(added.seen.to))?;
        let bytes = user_file::read_rest(file)?;
        added.seen.to += whole_lines(&bytes);
        let read = added.index.read_lines(&String::from_utf8_lossy(&bytes), |_| self.shown(), |_| {});
        read.map_err(|failure| io::Error::other(failure.message))
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() || kind.is_char_device() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

/// Appends a line in one write, so a reader without the lock never sees half of it. If the disk is full, removes what was
/// written.
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
        accept.check().unwrap();
        accept
    }

    fn add(accept: &AcceptFile, name: &str, key: &str) -> Result<Verdict, WaitError> {
        let deadline = Instant::now() + Duration::from_secs(1);
        let host = HostId { names: vec![name], port: 2222 };
        accept.add_key(&host, &BASE64_STANDARD.decode(key).unwrap(), false, deadline, &Stop::new().unwrap())
    }

    #[test]
    fn each_host_gets_one_line_after_the_existing_ones() {
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
    fn two_runs_at_once_see_each_others_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        let (one, two) = (open_now(&path), open_now(&path));
        assert_eq!(add(&one, "web1", KEY).unwrap(), Verdict::Known);
        assert_eq!(add(&two, "web1", KEY).unwrap(), Verdict::Known);
        assert!(matches!(add(&two, "web1", OTHER).unwrap(), Verdict::Changed { .. }));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn a_lock_that_is_held_is_waited_for_until_the_deadline() {
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
    fn a_file_that_was_replaced_is_read_again() {
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
    fn many_threads_add_each_host_once() {
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
                    assert_eq!(accept.add_key(&host, key, false, deadline, stop).unwrap(), Verdict::Known);
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
    fn dev_null_stores_nothing_and_a_full_disk_is_an_error() {
        let sink = open_now(Path::new("/dev/null"));
        assert_eq!(add(&sink, "web1", KEY).unwrap(), Verdict::Known);
        let full = open_now(Path::new("/dev/full"));
        assert!(
            matches!(add(&full, "web1", KEY), Err(WaitError::Io(error)) if error.kind() == io::ErrorKind::StorageFull)
        );
        let folder = tempfile::tempdir().unwrap();
        assert!(AcceptFile::new(folder.path(), Seen::default()).check().is_err());
    }
}
