//! Sends the contents of one file to a temporary file on the host.

use super::cause::Cause;
use super::remote::{FileKind, Remote};
use super::tree::Entry;
use crate::ffi::{Handle, Open};
use std::fs::File;
use std::io::{self, Read};

/// The most that is sent and not acknowledged: a second of it at 4 Mbit/s, and a millisecond on a fast network.
pub const WINDOW: usize = 512 * 1024;

/// Opens the temporary file, and returns the offset to write from. One of an earlier run is continued if only we can have
/// written it: the name is easy to guess, and the folder may be /tmp.
pub fn begin<'a>(
    remote: &'a Remote<'_>,
    owner: &mut Option<Option<u32>>,
    temporary: &[u8],
    target: &[u8],
    size: u64,
) -> Result<(Handle<'a>, u64), Cause> {
    let refusal = match remote.open_file(temporary, Open::Create, target) {
        Err(cause) if cause.is_taken() => cause,
        result => return result.map(|handle| (handle, 0)),
    };
    let Some(found) = remote.lstat(temporary)? else { return Err(refusal) };
    if owner.is_none() {
        *owner = Some(remote.stat(b".")?.and_then(|home| home.uid));
    }
    let ours = found.uid.is_some() && Some(found.uid) == *owner && found.permissions() == Some(0o600);
    match found.size {
        Some(there) if ours && found.kind() == FileKind::File && there <= size => {
            let handle = remote.open_file(temporary, Open::Write, target)?;
            // The server may have written what it did not acknowledge in any order.
            Ok((handle, there.saturating_sub(WINDOW as u64)))
        }
        _ => {
            remote.unlink(temporary)?;
            Ok((remote.open_file(temporary, Open::Create, target)?, 0))
        }
    }
}

/// Sends the rest of the source, and checks that the source is still what the plan says.
#[allow(clippy::too_many_arguments)]
pub fn fill(
    remote: &Remote<'_>,
    handle: &Handle<'_>,
    target: &[u8],
    entry: &Entry,
    source: &mut File,
    offset: u64,
    buffer: &mut [u8],
    sent: &mut u64,
) -> Result<(), Cause> {
    let (mut start, mut end) = (0, 0);
    let mut left = entry.stamp.size - offset;
    let mut failed = None;
    loop {
        // Refilled when half of it is acknowledged, so moving the rest costs no more than a copy.
        if end - start <= buffer.len() / 2 && left > 0 {
            buffer.copy_within(start..end, 0);
            (start, end) = (0, end - start);
            let room = left.min((buffer.len() - end) as u64) as usize;
            match source.read(&mut buffer[end..end + room]) {
                Ok(0) => (failed, left) = (Some("it changed while it was read".to_string()), 0),
                Ok(read) => (end, left) = (end + read, left - read as u64),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => (failed, left) = (Some(error.to_string()), 0),
            }
        }
        if start == end && left == 0 {
            break;
        }
        if start < end {
            let taken = remote.write(handle, target, &buffer[start..end])?;
            start += taken;
            *sent += taken as u64;
        }
    }
    if failed.is_none() {
        failed = match entry.is_same(source) {
            Ok(true) => None,
            Ok(false) => Some("it changed while it was read".to_string()),
            Err(error) => Some(error.to_string()),
        };
    }
    // File systems such as /proc give the size of their files as 0.
    if failed.is_none() && entry.stamp.size == 0 && source.read(&mut [0]).is_ok_and(|read| read > 0) {
        failed = Some("its size is 0, and it is not empty".to_string());
    }
    match failed {
        None => Ok(()),
        Some(why) => Err(Cause::Local(format!("cannot read {}: {why}", entry.local.display()))),
    }
}
