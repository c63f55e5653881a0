//! Copies to a host.
//!
//! A file is written next to its place under a temporary name with mode 600. It gets its mode and time, and then
//! replaces the old file in one step. As with rsync, a symbolic link in its place is replaced, not followed. A link to
//! a folder, where a folder is to be, is followed.

use super::names::{join, shown, split, temporary};
use super::remote::{Cause, FileKind, Remote};
use super::tree::{Entry, Item, Kind, PushPlan};
use super::{CopyError, ended};
use crate::ffi::{Attributes, Handle, Open};
use crate::session::ssh_session::SshSession;
use cerveza_results::Copied;
use libssh2_sys as raw;
use sha1::{Digest, Sha1};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::Instant;

/// What is on its way at most, unacknowledged: a second's worth at 4 Mbit/s, and a millisecond's on a fast network.
const WINDOW: usize = 512 * 1024;

/// Pushes all of the plan to one host. Ends at the first thing that cannot be done.
pub fn push(
    session: &SshSession,
    plan: &PushPlan,
    place: &str,
    deadline: Option<Instant>,
) -> Result<Copied, Box<CopyError>> {
    let mut copied = Copied::default();
    let mut partial = None;
    let done = Remote::open(session, deadline).and_then(|remote| {
        let (buffer, mark) = (Vec::new(), mark(place));
        let (copied, partial) = (&mut copied, &mut partial);
        let mut push = Push { remote: &remote, mark, copied, partial, buffer, owner: None };
        plan.items.iter().try_for_each(|item| push.item(item))?;
        remote.close();
        Ok(())
    });
    plan.skipped.iter().for_each(|why| copied.remark(why.clone()));
    ended(done, copied, partial)
}

struct Push<'a> {
    remote: &'a Remote<'a>,
    /// Tells this host's temporary files from those of another name of the same machine.
    mark: String,
    copied: &'a mut Copied,
    /// The temporary file under way, while it is one that can be continued.
    partial: &'a mut Option<String>,
    buffer: Vec<u8>,
    /// Who we are over there, once asked: the owner of the folder that we log in to.
    owner: Option<Option<u32>>,
}

impl Push<'_> {
    fn item(&mut self, item: &Item) -> Result<(), Cause> {
        let root = self.root(item)?;
        // Folders of our own making: nothing can be in them yet.
        let mut made: HashSet<&[u8]> = HashSet::new();
        for entry in &item.entries {
            let target = at(&root, entry);
            let folder = split(&entry.below).0;
            let folder = folder.strip_suffix(b"/").unwrap_or(folder);
            let fresh = !entry.below.is_empty() && made.contains(folder);
            match &entry.kind {
                Kind::Folder => {
                    if self.folder(&target, fresh)? {
                        made.insert(&entry.below);
                    }
                }
                Kind::File => self.file(entry, &target, fresh)?,
                Kind::Link(link) => self.link(link, &target, fresh)?,
            }
        }
        // What was put into a folder moved its time, and its mode may forbid to put anything there: so last, and from below.
        for entry in item.entries.iter().rev().filter(|entry| matches!(entry.kind, Kind::Folder)) {
            let target = at(&root, entry);
            match self.remote.setstat(&target, &attributes(entry)) {
                // One that is another's, and was there before.
                Err(cause @ Cause::Answer { .. }) if !made.contains(entry.below.as_slice()) => {
                    self.copied.skip(&target, format!("mode and time stay: {cause}"));
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// Where the item goes: a file into the destination where that is a folder. A folder becomes the destination, so that
    /// the same push again finds what is there; into it only with a slash at its end.
    fn root(&self, item: &Item) -> Result<Vec<u8>, Cause> {
        if item.dest.is_empty() {
            return Ok(item.name.clone());
        }
        match self.remote.stat(&item.dest)? {
            Some(found) if found.kind() == FileKind::Folder && (!item.is_folder() || item.dest.ends_with(b"/")) => {
                Ok(join(&item.dest, &item.name))
            }
            _ if item.dest.ends_with(b"/") => Err(Cause::Refused(format!("{}: no such folder", shown(&item.dest)))),
            _ => Ok(item.dest.clone()),
        }
    }

    /// Makes a folder, if it is not there; whether it was made.
    fn folder(&mut self, target: &[u8], fresh: bool) -> Result<bool, Cause> {
        let found = if fresh { None } else { self.remote.stat(target)? };
        match found {
            Some(found) if found.kind() == FileKind::Folder => Ok(false),
            Some(_) => Err(Cause::Refused(format!("{}: not a folder", shown(target)))),
            None => self.remote.mkdir(target, 0o700).map(|()| true),
        }
    }

    fn link(&mut self, link: &[u8], target: &[u8], fresh: bool) -> Result<(), Cause> {
        match if fresh { None } else { self.remote.lstat(target)? }.map(|found| found.kind()) {
            Some(FileKind::Folder) => return Err(is_folder(target)),
            Some(FileKind::Link) if self.remote.readlink(target)? == link => {
                self.copied.unchanged += 1;
                return Ok(());
            }
            _ => {}
        }
        let (folder, name) = split(target);
        let temporary = join(folder, &temporary(name, 0, &format!("link-{}", self.mark)));
        if let Err(cause @ Cause::Answer { .. }) = self.remote.symlink(link, &temporary) {
            // One of an earlier run, perhaps.
            if self.remote.lstat(&temporary)?.is_none_or(|found| found.kind() != FileKind::Link) {
                return Err(of(cause, target));
            }
            self.remote.unlink(&temporary)?;
            self.remote.symlink(link, &temporary)?;
        }
        self.take_place(&temporary, target)?;
        self.copied.files += 1;
        Ok(())
    }

    fn file(&mut self, entry: &Entry, target: &[u8], fresh: bool) -> Result<(), Cause> {
        match if fresh { None } else { self.remote.lstat(target)? } {
            Some(found) if found.kind() == FileKind::Folder => return Err(is_folder(target)),
            Some(found) if is_same(&found, entry) => {
                if found.permissions() != Some(entry.stamp.mode) {
                    let mode = Attributes { mode: Some(entry.stamp.mode), ..Attributes::default() };
                    self.remote.setstat(target, &mode)?;
                }
                self.copied.unchanged += 1;
                return Ok(());
            }
            _ => {}
        }
        let local = |error: io::Error| Cause::Local(format!("cannot read {}: {error}", entry.local.display()));
        let mut source = entry.open().map_err(local)?;
        let (folder, name) = split(target);
        let time = format!("{}.{}-{}", entry.stamp.mtime, entry.stamp.nanos, self.mark);
        let temporary = join(folder, &temporary(name, entry.stamp.size, &time));
        let (handle, offset) = begin(self.remote, &mut self.owner, &temporary, target, entry.stamp.size)?;
        *self.partial = Some(shown(&temporary));
        let filled = (|| {
            source.seek(SeekFrom::Start(offset)).map_err(local)?;
            handle.seek(offset);
            self.buffer.resize(WINDOW, 0);
            let sent = &mut self.copied.bytes;
            fill(self.remote, &handle, target, entry, &mut source, offset, &mut self.buffer, sent)?;
            self.remote.fsetstat(&handle, target, &attributes(entry))
        })();
        let filled = self.remote.finish(&handle, target, filled);
        drop(handle);
        match filled.and_then(|()| self.take_place(&temporary, target)) {
            Ok(()) => {}
            Err(cause) if cause.is_end() => return Err(cause),
            Err(cause) => {
                // Nobody is left to continue it: it is not what it should be, or has no place here.
                let _ = self.remote.unlink(&temporary);
                *self.partial = None;
                return Err(cause);
            }
        }
        *self.partial = None;
        self.copied.files += 1;
        Ok(())
    }

    fn take_place(&mut self, temporary: &[u8], target: &[u8]) -> Result<(), Cause> {
        if !self.remote.replace(temporary, target)? {
            self.copied.skip(target, "replaced in two steps: the server has no posix-rename@openssh.com");
        }
        Ok(())
    }
}

/// Opens the temporary file, and tells from where on it is to be written. One of an earlier run is continued if nobody
/// but us can have written it: the name is easy to guess, and the folder may be /tmp.
fn begin<'a>(
    remote: &'a Remote<'_>,
    owner: &mut Option<Option<u32>>,
    temporary: &[u8],
    target: &[u8],
    size: u64,
) -> Result<(Handle<'a>, u64), Cause> {
    let refusal = match remote.open_file(temporary, Open::Create, target) {
        Err(cause @ Cause::Answer { code: raw::LIBSSH2_FX_FAILURE | raw::LIBSSH2_FX_FILE_ALREADY_EXISTS, .. }) => cause,
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
            // What was not acknowledged a server may have written in any order.
            Ok((handle, there.saturating_sub(WINDOW as u64)))
        }
        _ => {
            remote.unlink(temporary)?;
            Ok((remote.open_file(temporary, Open::Create, target)?, 0))
        }
    }
}

/// Sends the source's rest, and makes sure that it is what the plan says.
#[allow(clippy::too_many_arguments)]
fn fill(
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
        // Topped up when half of it is through, so that moving what is left costs no more than a copy.
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
    // /proc and the like say that their files are empty.
    if failed.is_none() && entry.stamp.size == 0 && source.read(&mut [0]).is_ok_and(|read| read > 0) {
        failed = Some("it is said to be empty and is not".to_string());
    }
    match failed {
        None => Ok(()),
        Some(why) => Err(Cause::Local(format!("cannot read {}: {why}", entry.local.display()))),
    }
}

/// The same for the same place in the next run, which is to continue this one.
fn mark(place: &str) -> String {
    Sha1::digest(place).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn at(root: &[u8], entry: &Entry) -> Vec<u8> {
    match entry.below.as_slice() {
        b"" => root.to_vec(),
        below => join(root, below),
    }
}

fn attributes(entry: &Entry) -> Attributes {
    Attributes { mode: Some(entry.stamp.mode), times: Some(entry.stamp.times()), ..Attributes::default() }
}

fn is_same(found: &Attributes, entry: &Entry) -> bool {
    found.kind() == FileKind::File
        && found.size == Some(entry.stamp.size)
        && found.mtime() == Some(entry.stamp.times().1)
}

fn is_folder(path: &[u8]) -> Cause {
    Cause::Refused(format!("{}: is a folder", shown(path)))
}

/// The same answer, told of the path that people know.
fn of(cause: Cause, path: &[u8]) -> Cause {
    match cause {
        Cause::Answer { code, words, .. } => Cause::Answer { path: shown(path), code, words },
        cause => cause,
    }
}
