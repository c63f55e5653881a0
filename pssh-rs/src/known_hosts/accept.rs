//! Keys accepted on first contact: appended to a known_hosts file, a line a host, under a lock.

use super::Verdict;
use super::entry::key_type;
use base64::prelude::{BASE64_STANDARD, Engine};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

#[derive(Debug)]
pub struct AcceptFile {
    shown: String,
    /// The file, and what this run added to it: the entries were read before.
    state: Mutex<(File, HashMap<String, Vec<u8>>)>,
}

impl AcceptFile {
    pub fn open(path: &Path) -> io::Result<AcceptFile> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        Ok(AcceptFile { shown: path.display().to_string(), state: Mutex::new((file, HashMap::new())) })
    }

    /// Adds a line for `name`, spelled with its port.
    pub fn add(&self, name: &str, key: &[u8]) -> io::Result<Verdict> {
        // A name comes from a record: one with a blank, a comma or a newline in it would write lines of its own.
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '%' | '+' | '@' | '[' | ']');
        if !name.chars().all(plain) || name.starts_with(['@', '#']) {
            return Err(io::Error::other("no known_hosts line can hold such a name"));
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, added) = &mut *state;
        match added.get(name) {
            Some(earlier) if earlier == key => return Ok(Verdict::Known),
            Some(_) => {
                return Ok(Verdict::Changed { place: self.shown.clone() });
            }
            None => {}
        }
        file.lock()?;
        let written = append(file, &format!("{name} {} {}\n", key_type(key), BASE64_STANDARD.encode(key)));
        file.unlock()?;
        written?;
        added.insert(name.to_string(), key.to_vec());
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

    const KEY: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x01x";

    #[test]
    fn a_line_a_host_after_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/known_hosts");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, "# no newline at the end").unwrap();
        let accept = AcceptFile::open(&path).unwrap();
        assert_eq!(accept.add("[web1]:2222", KEY).unwrap(), Verdict::Known);
        assert_eq!(accept.add("[web1]:2222", KEY).unwrap(), Verdict::Known);
        assert!(matches!(accept.add("[web1]:2222", b"other").unwrap(), Verdict::Changed { .. }));
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "# no newline at the end\n[web1]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAXg=\n"
        );
    }

    #[test]
    fn a_hostile_name_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/known_hosts");
        let accept = AcceptFile::open(&path).unwrap();
        for name in ["a\n* ssh-ed25519 AAAA", "a,b", "a b", "*", "!a", "#a", "|1|a"] {
            assert!(accept.add(name, KEY).is_err(), "{name}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }
}
