//! Copies to a host.
//!
//! A file is written next to its place under a temporary name with mode 600. It gets its mode and time, and then
//! replaces the old file in one step. As with rsync, a symbolic link in its place is replaced, not followed. A link to
//! a folder, where a folder is to be, is followed.

use super::cause::{Cause, Copy, CopyError, copy_result, repeated};
use super::names::{join, shown, split, temporary};
use super::remote::{FileKind, Remote};
use super::send::{WINDOW, begin, fill};
use super::tree::{Entry, Item, Kind, PushPlan};
use crate::ffi::Attributes;
use crate::session::ssh_session::SshSession;
use cerveza_results::Copied;
use sha1::{Digest, Sha1};
use std::collections::HashSet;
use std::io::{self, Seek, SeekFrom};
use std::time::Instant;

/// Pushes all of the plan to one host. Ends at the first error.
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
    copy_result(done, copied, partial)
}

struct Push<'a> {
    remote: &'a Remote<'a>,
    /// Part of the names of temporary files. It differs between two names of the same machine.
    mark: String,
    copied: &'a mut Copied,
    /// The current temporary file, if it can be continued.
    partial: &'a mut Option<String>,
    buffer: Vec<u8>,
    /// Our user ID on the host, once it is known: that of the owner of the home folder.
    owner: Option<Option<u32>>,
}

impl Push<'_> {
    fn item(&mut self, item: &Item) -> Result<(), Cause> {
        let root = self.root(item)?;
        // Folders that this push has created, so nothing else is in them.
        let mut made: HashSet<&[u8]> = HashSet::new();
        for entry in &item.entries {
            let target = target_path(&root, entry);
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
        // Writing into a folder changes its time, and its mode may forbid it: so folders come last, from the bottom up.
        for entry in item.entries.iter().rev().filter(|entry| matches!(entry.kind, Kind::Folder)) {
            let target = target_path(&root, entry);
            match self.remote.setstat(&target, &attributes(entry)) {
                // It was there before, and belongs to another user.
                Err(cause @ Cause::Answer { .. }) if !made.contains(entry.below.as_slice()) => {
                    self.copied.skip(&target, format!("mode and time stay: {cause}"));
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// Returns the path that the item gets. A file goes into a destination that is a folder. A folder becomes the
    /// destination, so a second push finds the first one; it goes into it only if there is a slash at its end.
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

    /// Creates a folder, unless it is there. Returns whether it was created.
    fn folder(&mut self, target: &[u8], fresh: bool) -> Result<bool, Cause> {
        let found = if fresh { None } else { self.remote.stat(target)? };
        match found {
            Some(found) if found.kind() == FileKind::Folder => Ok(false),
            Some(_) => Err(Cause::Refused(format!("{}: not a folder", shown(target)))),
            None => match self.remote.mkdir(target, 0o700) {
                // Another run may have created it just now.
                Err(cause) if cause.is_taken() => match self.remote.stat(target)? {
                    Some(found) if found.kind() == FileKind::Folder => Ok(false),
                    _ => Err(cause),
                },
                made => made.map(|()| true),
            },
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
            // It may be from an earlier run.
            if self.remote.lstat(&temporary)?.is_none_or(|found| found.kind() != FileKind::Link) {
                return Err(with_path(cause, target));
            }
            self.remote.unlink(&temporary)?;
            self.remote.symlink(link, &temporary)?;
        }
        self.take_place(&temporary, target)?;
        self.copied.files += 1;
        Ok(())
    }

    fn file(&mut self, entry: &Entry, target: &[u8], fresh: bool) -> Result<(), Cause> {
        repeated(|attempt| self.copy_file(entry, target, fresh && attempt == 0))
    }

    fn copy_file(&mut self, entry: &Entry, target: &[u8], fresh: bool) -> Result<Copy, Cause> {
        match if fresh { None } else { self.remote.lstat(target)? } {
            Some(found) if found.kind() == FileKind::Folder => return Err(is_folder(target)),
            Some(found) if is_same(&found, entry) => {
                if found.permissions() != Some(entry.stamp.mode) {
                    let mode = Attributes { mode: Some(entry.stamp.mode), ..Attributes::default() };
                    self.remote.setstat(target, &mode)?;
                }
                self.copied.unchanged += 1;
                return Ok(Copy::Done);
            }
            _ => {}
        }
        let local = |error: io::Error| Cause::Local(format!("cannot read {}: {error}", entry.local.display()));
        let mut source = entry.open().map_err(local)?;
        let (folder, name) = split(target);
        let time = format!("{}.{}-{}", entry.stamp.mtime, entry.stamp.nanos, self.mark);
        let temporary = join(folder, &temporary(name, entry.stamp.size, &time));
        let (handle, offset) = match begin(self.remote, &mut self.owner, &temporary, target, entry.stamp.size) {
            Err(cause) if cause.is_missing() || cause.is_taken() => return Ok(Copy::Raced(cause)),
            begun => begun?,
        };
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
            Err(cause) if cause.is_missing() => {
                *self.partial = None;
                return Ok(Copy::Raced(cause));
            }
            Err(cause) => {
                // The next run cannot continue it.
                let _ = self.remote.unlink(&temporary);
                *self.partial = None;
                return Err(cause);
            }
        }
        *self.partial = None;
        self.copied.files += 1;
        Ok(Copy::Done)
    }

    fn take_place(&mut self, temporary: &[u8], target: &[u8]) -> Result<(), Cause> {
        if !self.remote.replace(temporary, target)? {
            self.copied.skip(target, "replaced in two steps: the server has no posix-rename@openssh.com");
        }
        Ok(())
    }
}

/// Returns a mark that is the same in the next run, which continues the files of this one.
fn mark(place: &str) -> String {
    Sha1::digest(place).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn target_path(root: &[u8], entry: &Entry) -> Vec<u8> {
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

/// Returns the same answer about the path that the user knows.
fn with_path(cause: Cause, path: &[u8]) -> Cause {
    match cause {
        Cause::Answer { code, words, .. } => Cause::Answer { path: shown(path), code, words },
        cause => cause,
    }
}
