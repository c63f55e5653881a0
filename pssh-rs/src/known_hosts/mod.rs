//! Known host keys. known_hosts files are read once, searched once for each host, and appended to on first contact. A
//! record can name its host's keys itself (`pinned`). `verifier` decides about the key that a host shows.

mod accept;
mod certificate;
pub mod entry;
mod hashed;
mod index;
mod matches;
mod pinned;
mod revoked;
pub mod verifier;

pub use certificate::Certificate;
pub use index::Index;
pub use matches::{HostId, KnownHostMatches, Verdict};
pub use pinned::HostKeys;

use crate::base::shutdown::Stop;
use crate::base::user_file;
use crate::base::wait::WaitError;
use accept::{AcceptFile, Seen};
use cerveza_manners::{Failure, Result};
use cerveza_results::lock;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// All known_hosts files of a run. Each is read once.
#[derive(Debug, Default)]
pub struct KnownHostsStore {
    files: Mutex<HashMap<PathBuf, Arc<KnownFile>>>,
    revoked: Mutex<HashMap<PathBuf, std::result::Result<Arc<Index>, String>>>,
    accepts: Mutex<HashMap<PathBuf, Arc<AcceptFile>>>,
}

#[derive(Debug)]
struct KnownFile {
    index: Index,
    /// How far the file was read, or why it could not be found.
    seen: std::result::Result<Seen, String>,
}

/// The files to search for a host, in their order. Hosts share them.
#[derive(Clone, Debug, Default)]
pub struct KnownHosts {
    files: Vec<Arc<KnownFile>>,
    /// The keys of RevokedHostKeys.
    revoked: Option<Arc<Index>>,
    accept: Option<Arc<AcceptFile>>,
}

impl KnownHostsStore {
    /// Returns the files of a host. A missing file is skipped, unless `required`. Keys accepted on first contact are added to
    /// `accept`.
    pub fn view(
        &self,
        files: &[PathBuf],
        required: bool,
        accept: Option<&Path>,
        mut warn: impl FnMut(String),
    ) -> Result<KnownHosts> {
        let mut view = KnownHosts::default();
        for path in files {
            let file = self.read(path, &mut warn)?;
            if let (Err(why), true) = (&file.seen, required) {
                let failure = Failure::usage(format!("cannot read the known_hosts file {}: {why}", path.display()));
                return Err(failure.hint("--host-key accept-new makes it on first contact"));
            }
            view.files.push(file);
        }
        view.accept = accept.map(|path| {
            let seen = lock(&self.files).get(path).and_then(|file| file.seen.as_ref().ok().cloned());
            let mut accepts = lock(&self.accepts);
            let file = accepts.entry(path.to_path_buf());
            Arc::clone(file.or_insert_with(|| Arc::new(AcceptFile::new(path, seen.unwrap_or_default()))))
        });
        Ok(view)
    }

    /// Returns the keys that a file of RevokedHostKeys revokes, or why it cannot be used.
    pub fn revoked(&self, path: &Path) -> std::result::Result<Arc<Index>, String> {
        lock(&self.revoked).entry(path.to_path_buf()).or_insert_with(|| revoked::read(path).map(Arc::new)).clone()
    }

    fn read(&self, path: &Path, warn: &mut impl FnMut(String)) -> Result<Arc<KnownFile>> {
        if let Some(file) = lock(&self.files).get(path) {
            return Ok(Arc::clone(file));
        }
        let shown = path.display();
        let read = || -> io::Result<_> {
            let mut file = File::open(path)?;
            let metadata = file.metadata()?;
            Ok((user_file::read_rest(&mut file)?, metadata))
        };
        let file = match read() {
            Ok((bytes, metadata)) => {
                let mut index = Index::default();
                index.read_lines(&String::from_utf8_lossy(&bytes), |line| format!("{shown}:{line}"), warn)?;
                KnownFile { index, seen: Ok(Seen::new(&metadata, &bytes)) }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                KnownFile { index: Index::default(), seen: Err(error.to_string()) }
            }
            Err(error) => {
                let failure = Failure::usage(format!("cannot read the known_hosts file {shown}: {error}"));
                return Err(failure.hint("make it readable, or name others with --known-hosts"));
            }
        };
        let file = Arc::new(file);
        lock(&self.files).insert(path.to_path_buf(), Arc::clone(&file));
        Ok(file)
    }
}

impl KnownHosts {
    pub fn with_revoked(self, revoked: Option<Arc<Index>>) -> KnownHosts {
        KnownHosts { revoked, ..self }
    }

    /// Returns the lines that match a host.
    pub fn find<'a>(&'a self, host: &HostId<'a>) -> KnownHostMatches<'a> {
        let revoked = self.revoked.as_deref();
        KnownHostMatches::find(host, self.files.iter().map(|file| &file.index).chain(revoked))
    }

    /// Opens the file that accepted keys are added to, or creates it. So an error is reported before the first
    /// connection.
    pub fn open_accept(&self) -> Result<()> {
        let Some(accept) = &self.accept else {
            return Ok(());
        };
        accept.check().map_err(|error| {
            Failure::usage(format!("cannot write to the known_hosts file {}: {error}", accept.shown()))
                .hint("make it writable, or name another first with --known-hosts")
        })
    }

    /// Accepts an unknown key on first contact, under the first of the host's names, `hashed` or not. Returns `Changed` if
    /// another key was accepted in the meantime.
    pub fn accept(
        &self,
        host: &HostId<'_>,
        key: &[u8],
        hashed: bool,
        deadline: Instant,
        stop: &Stop,
    ) -> std::result::Result<Verdict, WaitError> {
        match &self.accept {
            Some(accept) => accept.add_key(host, key, hashed, deadline, stop),
            None => Ok(Verdict::Unknown),
        }
    }

    /// Returns the name of the file that accepted keys are added to.
    pub fn accept_file(&self) -> String {
        self.accept.as_ref().map_or_else(String::new, |accept| accept.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

    #[test]
    fn a_file_is_read_once_and_each_host_sees_its_own_files() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        fs::write(&one, format!("web1 {A}\nnonsense\n")).unwrap();
        fs::write(&two, format!("web2 {A}\n")).unwrap();
        let store = KnownHostsStore::default();
        let mut warnings = 0;
        let mut view = |files: &[PathBuf]| store.view(files, true, None, |_| warnings += 1).unwrap();
        let both = view(&[one.clone(), two.clone()]);
        fs::remove_file(&one).unwrap();
        let first = view(std::slice::from_ref(&one));
        assert_eq!(warnings, 1);
        let types = |view: &KnownHosts, name| view.find(&HostId::alias(name)).key_types().len();
        assert_eq!([types(&both, "web1"), types(&both, "web2")], [1, 1]);
        assert_eq!([types(&first, "web1"), types(&first, "web2")], [1, 0]);
    }

    #[test]
    fn a_missing_file_is_an_error_if_it_was_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = [folder.path().join("missing")];
        let store = KnownHostsStore::default();
        assert!(store.view(&missing, false, None, |_| {}).is_ok());
        let failure = store.view(&missing, true, None, |_| {}).unwrap_err();
        assert!(failure.message.contains("cannot read the known_hosts file"), "{}", failure.message);
        assert!(store.view(&[folder.path().to_path_buf()], false, None, |_| {}).is_err());
    }
}
