//! Copies from a host to `DIR/HOST/`. Nothing that the server says is trusted: see `local` and `names`.

use super::budget::{BESIDES, HostBudget, WAY_OUT};
use super::cause::{Cause, Copy, CopyError, copy_result, repeated};
use super::find::{Finder, list};
use super::local::{self, Folder};
use super::names::{is_plain, join, shown, stays_inside, temporary};
use super::pattern::Step;
use super::pull_plan::{Item, PullPlan};
use super::remote::{FileKind, Remote, here};
use crate::ffi::{Attributes, Handle, Open};
use crate::session::ssh_session::SshSession;
use cerveza_results::{Copied, file_name};
use rustix::fs::Stat;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Instant;

/// libssh2 requests four times as much ahead.
const BUFFER: usize = 256 * 1024;
/// A deeper tree is taken to be endless.
const DEEPEST: usize = 64;
/// The most that is read of a file whose size the server gives as 0: those of /proc are small, and some never end.
const MOST_OF_EMPTY: u64 = 256 << 20;
/// Pulls all of the plan from one host. Ends at the first error.
pub fn pull(
    session: &SshSession,
    plan: &PullPlan,
    host: &str,
    deadline: Option<Instant>,
) -> Result<Copied, Box<CopyError>> {
    let mut copied = Copied::default();
    let mut partial = None;
    let done = Remote::open(session, deadline).and_then(|remote| {
        let (buffer, budget, taken) = (Vec::new(), plan.budget.for_host(), HashSet::new());
        let (copied, partial) = (&mut copied, &mut partial);
        let mut pull = Pull { remote: &remote, host, copied, partial, buffer, budget, taken };
        plan.items.iter().try_for_each(|item| pull.item(item))
    });
    copy_result(done, copied, partial)
}

struct Pull<'a> {
    remote: &'a Remote<'a>,
    host: &'a str,
    copied: &'a mut Copied,
    /// The current temporary file, if it can be continued.
    partial: &'a mut Option<String>,
    buffer: Vec<u8>,
    budget: HostBudget<'a>,
    /// The paths that this pull has written, and does not write twice.
    taken: HashSet<PathBuf>,
}

/// A local folder that is being filled.
struct Tree<'a> {
    base: &'a Folder,
    shown: PathBuf,
    /// The path below `base`. A folder is opened for each use, so one file descriptor serves any depth.
    names: Vec<Vec<u8>>,
    /// How many of the names lead to the top of the tree, which links must not leave.
    top: usize,
}

impl Tree<'_> {
    fn path(&self) -> PathBuf {
        let mut path = self.shown.clone();
        self.names.iter().for_each(|name| path.push(std::ffi::OsStr::from_bytes(name)));
        path
    }

    fn file(&self, name: &[u8]) -> PathBuf {
        self.path().join(std::ffi::OsStr::from_bytes(name))
    }

    fn open(&self) -> Result<Folder, Cause> {
        self.base.descend(&self.names).map_err(|error| self.cannot_write(&self.path(), error))
    }

    fn cannot_write(&self, path: &std::path::Path, error: io::Error) -> Cause {
        Cause::Local(format!("cannot write {}: {error}", path.display()))
    }
}

impl Pull<'_> {
    fn item(&mut self, item: &Item) -> Result<(), Cause> {
        let mut finder = Finder { remote: self.remote, budget: &self.budget, copied: self.copied };
        let places = finder.find(item)?;
        let folder = file_name(self.host);
        let shown_at = item.folder.join(&folder);
        let cannot = |error| Cause::Local(format!("cannot write {}: {error}", shown_at.display()));
        let base = Folder::open(&item.folder).and_then(|here| here.enter(folder.as_bytes())).map_err(cannot)?;
        for (place, found) in places {
            let mut names = place.names;
            let (shown_path, path) = (shown(&place.path), place.path);
            let mut tree = Tree { base: &base, shown: shown_at.clone(), top: names.len(), names: Vec::new() };
            let Some(name) = names.pop() else {
                return Err(Cause::Refused(format!("{shown_path}: it has no name to be kept by")));
            };
            tree.names = names;
            if !self.taken.insert(tree.file(&name)) {
                let at = tree.file(&name);
                return Err(Cause::Refused(format!("{shown_path}: {} is another one's already", at.display())));
            }
            match found.kind() {
                FileKind::File => {
                    let folder = tree.open()?;
                    self.file(&tree, &folder, &path, &name)?;
                }
                FileKind::Folder => {
                    tree.names.push(name);
                    self.folder(&mut tree, &path, &found)?;
                }
                // The user named it, so it is an error.
                _ if item.steps.iter().all(|step| matches!(step, Step::Name(_))) => {
                    return Err(Cause::Refused(format!("{shown_path}: neither file nor folder")));
                }
                _ => self.copied.skip(&path, "neither file nor folder"),
            }
        }
        Ok(())
    }

    /// Copies a remote folder.
    fn folder(&mut self, tree: &mut Tree<'_>, path: &[u8], found: &Attributes) -> Result<(), Cause> {
        if tree.names.len() > DEEPEST {
            return Err(Cause::Refused(format!("{}: more than {DEEPEST} folders deep: {WAY_OUT}", shown(path))));
        }
        let folder = tree.open()?;
        let (mut names, mut folders, mut held) = (Vec::new(), Vec::new(), 0);
        list(self.remote, &self.budget, path, &mut |name, attributes| {
            let bytes = name.len() + BESIDES;
            self.budget.hold(bytes, here(path))?;
            held += bytes;
            names.push((name.to_vec(), attributes));
            Ok(())
        })?;
        for (name, mut attributes) in names {
            if !is_plain(&name) {
                self.copied.skip(&join(path, &name), "not a name of a file");
                continue;
            }
            let remote = join(path, &name);
            if attributes.mode.is_none() {
                attributes = self.remote.lstat(&remote)?.unwrap_or_default();
            }
            match attributes.kind() {
                FileKind::File => self.file(tree, &folder, &remote, &name)?,
                FileKind::Link => self.link(tree, &folder, &remote, &name)?,
                FileKind::Folder => folders.push((name, attributes)),
                FileKind::Other => self.copied.skip(&remote, "neither file, folder nor symbolic link"),
            }
        }
        drop(folder);
        for (name, attributes) in folders {
            let remote = join(path, &name);
            tree.names.push(name);
            self.folder(tree, &remote, &attributes)?;
            tree.names.pop();
        }
        self.budget.release(held);
        let folder = tree.open()?;
        folder.finish(found.permissions(), found.times).map_err(|error| tree.cannot_write(&tree.path(), error))
    }

    fn link(&mut self, tree: &Tree<'_>, folder: &Folder, path: &[u8], name: &[u8]) -> Result<(), Cause> {
        let target = self.remote.readlink(path)?;
        if !stays_inside(&target, tree.names.len() - tree.top) {
            self.copied.skip(path, format!("the symbolic link leads out of what is pulled: {}", shown(&target)));
            return Ok(());
        }
        let cannot = |error| tree.cannot_write(&tree.file(name), error);
        let here = folder.stat(name).map_err(cannot)?;
        if here.is_some_and(|here| local::is_link(&here)) && folder.readlink(name).map_err(cannot)? == target {
            self.copied.unchanged += 1;
            return Ok(());
        }
        let temporary = temporary(name, 0, "link");
        let made = folder.symlink(&target, &temporary).and_then(|()| folder.rename(&temporary, name));
        made.map_err(|error| {
            let _ = folder.remove(&temporary);
            cannot(error)
        })?;
        self.copied.files += 1;
        Ok(())
    }

    fn file(&mut self, tree: &Tree<'_>, folder: &Folder, path: &[u8], name: &[u8]) -> Result<(), Cause> {
        repeated(|_| self.copy_file(tree, folder, path, name))
    }

    fn copy_file(&mut self, tree: &Tree<'_>, folder: &Folder, path: &[u8], name: &[u8]) -> Result<Copy, Cause> {
        let cannot = |error| tree.cannot_write(&tree.file(name), error);
        let remote = self.remote;
        let handle = remote.open_file(path, Open::Read, path)?;
        let found = match self.remote.fstat(&handle, path) {
            Ok(found) => found,
            Err(cause) => return self.remote.finish(&handle, path, Err(cause)),
        };
        let (size, times) = (found.size.unwrap_or_default(), found.times);
        let here = match folder.stat(name) {
            Ok(here) => here,
            Err(error) => return self.remote.finish(&handle, path, Err(cannot(error))),
        };
        if let Some(here) = here {
            let done = if local::is_folder(&here) {
                Some(Err(cannot(io::Error::other("it is a folder"))))
            } else if local::is_file(&here) && is_same(&here, &found) {
                self.copied.unchanged += 1;
                Some(match found.permissions() {
                    Some(mode) if local::raw_mode(mode) != here.st_mode & 0o777 => {
                        folder.set_mode(name, mode).map(|()| Copy::Done).map_err(cannot)
                    }
                    _ => Ok(Copy::Done),
                })
            } else {
                None
            };
            if let Some(done) = done {
                return self.remote.finish(&handle, path, done);
            }
        }
        let temporary = temporary(name, size, &times.map_or(0, |(_, mtime)| mtime).to_string());
        let (mut file, at) = match folder.begin(&temporary, size) {
            Ok(begun) => begun,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {
                return self.remote.finish(&handle, path, Ok(Copy::Raced(cannot(error))));
            }
            Err(error) => return self.remote.finish(&handle, path, Err(cannot(error))),
        };
        *self.partial = Some(tree.file(&temporary).display().to_string());
        let filled = self.fill(&handle, path, &mut file, at, &found, &cannot);
        let filled = self.remote.finish(&handle, path, filled);
        drop(handle);
        let placed = filled.and_then(|()| {
            local::finish(&file, found.permissions(), times).map_err(cannot)?;
            match folder.rename(&temporary, name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Copy::Raced(cannot(error))),
                placed => placed.map(|()| Copy::Done).map_err(cannot),
            }
        });
        match placed {
            Ok(Copy::Done) => {}
            Ok(raced) => {
                *self.partial = None;
                return Ok(raced);
            }
            // The temporary file stays, because it is the beginning of this file.
            Err(cause) if cause.is_end() || matches!(cause, Cause::Local(_)) => return Err(cause),
            Err(cause) => {
                let _ = folder.remove(&temporary);
                *self.partial = None;
                return Err(cause);
            }
        }
        *self.partial = None;
        self.copied.files += 1;
        Ok(Copy::Done)
    }

    /// Reads the rest of the file, up to the size that it had when it was opened.
    fn fill(
        &mut self,
        handle: &Handle<'_>,
        path: &[u8],
        file: &mut File,
        at: u64,
        found: &Attributes,
        cannot: &dyn Fn(io::Error) -> Cause,
    ) -> Result<(), Cause> {
        file.seek(SeekFrom::Start(at)).map_err(cannot)?;
        handle.seek(at);
        self.buffer.resize(BUFFER, 0);
        // The size of files in /proc is 0, so they are read to their end.
        let endless = found.size.unwrap_or_default() == 0;
        let mut left = if endless { u64::MAX } else { found.size.unwrap_or_default().saturating_sub(at) };
        while left > 0 {
            let read = self.remote.read(handle, path, &mut self.buffer)?;
            let taken = left.min(read as u64) as usize;
            // Files in /sys have fewer bytes than their size says.
            if taken == 0 {
                break;
            }
            if endless && u64::MAX - left > MOST_OF_EMPTY {
                let what = format!("its size is 0, and more than {} MiB came", MOST_OF_EMPTY >> 20);
                return Err(Cause::Refused(format!("{}: {what}", shown(path))));
            }
            file.write_all(&self.buffer[..taken]).map_err(cannot)?;
            left -= taken as u64;
            self.copied.bytes += taken as u64;
        }
        let now = self.remote.fstat(handle, path)?;
        match (found.size, now.size) {
            // A log to which more was written: the copy is complete up to the old size. It gets the old time, so the next
            // run copies the rest.
            (Some(before), Some(now)) if now > before => {
                let why = format!("it grew while it was read: these are its first {before} bytes");
                self.copied.skip(path, why);
                Ok(())
            }
            _ if now.size == found.size && now.mtime() == found.mtime() => Ok(()),
            _ => Err(Cause::Refused(format!("{}: it changed while it was read", shown(path)))),
        }
    }
}

/// Returns whether a local file has the size and time of the remote one.
fn is_same(here: &Stat, found: &Attributes) -> bool {
    local::size_of(here) == found.size.unwrap_or_default()
        && found.mtime().is_some_and(|mtime| here.st_mtime == i64::from(mtime))
}
