//! The keys that hosts are known by: read once from known_hosts files, asked for once a host, added to on first contact.

mod accept;
mod entry;
mod index;

pub use entry::key_type;
pub use index::{Found, Verdict};

use crate::bounded;
use crate::interrupt::Stop;
use crate::link::Halt;
use accept::AcceptFile;
use cerveza_manners::{Failure, Result};
use index::Index;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Debug, Default)]
pub struct KnownHosts {
    index: Index,
    accept: Option<AcceptFile>,
}

impl KnownHosts {
    /// Reads the files. One that is missing is skipped, unless `required`. Unknown keys may be accepted into `accept`,
    /// which is made if need be.
    pub fn read(
        files: &[PathBuf],
        required: bool,
        accept: Option<&Path>,
        mut warn: impl FnMut(String),
    ) -> Result<KnownHosts> {
        // Opened first: what others add to it while it is read is then read twice, never missed.
        let accept = accept.map(|file| {
            AcceptFile::open(file).map_err(|error| {
                Failure::usage(format!("cannot write to the known_hosts file {}: {error}", file.display()))
            })
        });
        let mut known = KnownHosts { accept: accept.transpose()?, index: Index::default() };
        for file in files {
            let shown = file.display();
            match bounded::read(file) {
                Ok(bytes) => {
                    let place = |line| format!("{shown}:{line}");
                    known.index.take(&String::from_utf8_lossy(&bytes), place, &mut warn)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound && !required => {}
                Err(error) => {
                    let failure = Failure::usage(format!("cannot read the known_hosts file {shown}: {error}"));
                    return Err(match error.kind() {
                        io::ErrorKind::NotFound => failure.hint("--host-key accept-new makes it on first contact"),
                        _ => failure,
                    });
                }
            }
        }
        Ok(known)
    }

    /// What is written of a host that goes by `names`.
    pub fn find(&self, names: &[&str], port: u16) -> Found<'_> {
        self.index.find(names, port)
    }

    /// Accepts an unknown key on first contact, for the first of the names. `Changed` when another key was accepted
    /// meanwhile.
    pub fn accept(
        &self,
        names: &[&str],
        port: u16,
        key: &[u8],
        deadline: Instant,
        stop: &Stop,
    ) -> std::result::Result<Verdict, Halt> {
        match &self.accept {
            Some(accept) => accept.add(names, port, key, deadline, stop),
            None => Ok(Verdict::Unknown),
        }
    }

    /// The file that accepted keys go to.
    pub fn accept_file(&self) -> &str {
        self.accept.as_ref().map_or("", AcceptFile::shown)
    }
}
