//! The file of `--stdin`, which each host reads from its beginning. What can be read only once, such as a pipe, is
//! copied to a temporary file first.

use crate::base::shutdown::Stop;
use crate::base::wait::{WaitError, wait_for};
use crate::cli::args::Args;
use cerveza_manners::{Failure, Result};
use rustix::event::PollFlags;
use rustix::fs::{OFlags, fstat};
use std::env::temp_dir;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The most that is copied, because a temporary folder may lie in memory.
const LARGEST: u64 = 1 << 30;

/// What `--stdin` names, open.
pub struct StdinFile {
    file: File,
    name: String,
    /// Each host can read it from its beginning.
    is_shared: bool,
}

impl StdinFile {
    /// Opens what `--stdin` names, and reads nothing from it.
    pub fn open(path: &Path, args: &Args) -> Result<StdinFile> {
        let is_own = path.as_os_str() == "-";
        let name = if is_own { "standard input".to_string() } else { path.display().to_string() };
        let file = if is_own {
            io::stdin().as_fd().try_clone_to_owned().map(File::from)
        } else {
            // Opening a named pipe would block until something writes to it.
            File::options().read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32).open(path)
        };
        let cannot = |error: io::Error| Failure::usage(format!("cannot read {name}: {error}"));
        let mut file = file.map_err(cannot)?;
        let about = file.metadata().map_err(cannot)?;
        if about.is_dir() {
            return Err(Failure::usage(format!("cannot read {name}: it is a folder")));
        }
        if file.is_terminal() {
            return Err(Failure::usage("--stdin is a terminal").hint("name a file, or pipe the input in"));
        }
        // /dev/stdin is another name of it.
        let is_own = is_own || !about.is_file() && is_same(&file, io::stdin())?;
        if is_own && (args.hosts.is_empty() || args.hosts.iter().any(|word| word == "-" || word == "^-")) {
            return Err(Failure::usage("standard input cannot be both the hosts and the input of --stdin")
                .hint("name the hosts with -w, as in -w 'web[1-3]' or -w ^FILE"));
        }
        let is_shared = about.is_file() && file.stream_position().map_err(cannot)? == 0;
        Ok(StdinFile { file, name, is_shared })
    }

    /// Returns a file that each host can read from its beginning. Reads a pipe to its end. After a stop the file is not
    /// complete, and no host reads it.
    pub fn shared(mut self, stop: &Stop) -> Result<File> {
        if self.is_shared {
            return Ok(self.file);
        }
        let folder = temp_dir();
        let cannot_write = |error: io::Error| {
            Failure::usage(format!("cannot keep the input of --stdin in {}: {error}", folder.display()))
        };
        // It has no name, so nothing is left of it after a crash.
        let mut spool = tempfile::tempfile_in(&folder).map_err(cannot_write)?;
        let mut buffer = vec![0; 256 * 1024];
        let mut len = 0;
        loop {
            if let Err(WaitError::Stopped) = wait_for(self.file.as_fd(), PollFlags::IN, None, stop) {
                return Ok(spool);
            }
            match self.file.read(&mut buffer) {
                Ok(0) => return Ok(spool),
                Ok(read) => {
                    len += read as u64;
                    if len > LARGEST {
                        let why = format!("more than {} GiB came, which is the most that is kept", LARGEST >> 30);
                        return Err(Failure::usage(format!("cannot read {}: {why}", self.name))
                            .hint("save it to a file, and give that to --stdin"));
                    }
                    spool.write_all(&buffer[..read]).map_err(cannot_write)?;
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(error) => return Err(Failure::usage(format!("cannot read {}: {error}", self.name))),
            }
        }
    }
}

fn is_same(one: impl AsFd, other: impl AsFd) -> Result<bool> {
    let failed = |error: rustix::io::Errno| Failure::usage(format!("cannot read the file of --stdin: {error}"));
    let (one, other) = (fstat(one).map_err(failed)?, fstat(other).map_err(failed)?);
    Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}
