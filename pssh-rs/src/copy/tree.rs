//! The local files to push, read from disk once for all hosts.

use super::spec::Spec;
use cerveza_manners::{Failure, Result};
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What to push, the same for all hosts.
#[derive(Debug, Default)]
pub struct PushPlan {
    pub(super) items: Vec<Item>,
    /// What is neither file, folder nor symbolic link, as `PATH: why`.
    pub skipped: Vec<String>,
}

/// One `--push`: a file, or a folder with all that is in it.
#[derive(Debug)]
pub(super) struct Item {
    /// Its name in a destination that is a folder.
    pub name: Vec<u8>,
    pub dest: Vec<u8>,
    /// Each folder comes before its contents.
    pub entries: Vec<Entry>,
}

impl Item {
    pub fn is_folder(&self) -> bool {
        self.entries.first().is_some_and(|entry| matches!(entry.kind, Kind::Folder))
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    pub local: PathBuf,
    /// Below the item; empty for the item itself.
    pub below: Vec<u8>,
    pub stamp: Stamp,
    pub kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Folder,
    File,
    Link(Vec<u8>),
}

/// Shows whether a source is still the same as in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub size: u64,
    pub mode: u32,
    pub atime: i64,
    pub mtime: i64,
    pub nanos: i64,
    inode: (u64, u64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            size: metadata.len(),
            // The owner changes, so a set-user-ID bit is not copied.
            mode: metadata.mode() & 0o777,
            atime: metadata.atime(),
            mtime: metadata.mtime(),
            nanos: metadata.mtime_nsec(),
            inode: (metadata.dev(), metadata.ino()),
        }
    }

    /// Returns access and modification time for SFTP: seconds from 1970 to 2106.
    pub fn times(&self) -> (u32, u32) {
        let clamp = |seconds: i64| seconds.clamp(0, u32::MAX.into()) as u32;
        (clamp(self.atime), clamp(self.mtime))
    }

    fn same(&self, other: &Stamp) -> bool {
        // Reading changes the access time.
        Stamp { atime: 0, ..*self } == Stamp { atime: 0, ..*other }
    }
}

impl PushPlan {
    pub fn read(specs: &[Spec]) -> Result<PushPlan> {
        let mut plan = PushPlan::default();
        for spec in specs {
            let path = Path::new(&spec.source);
            let item = plan
                .item(path, spec.dest.as_ref())
                .map_err(|(path, error)| Failure::usage(format!("cannot push {}: {error}", path.display())))?;
            plan.items.push(item);
        }
        Ok(plan)
    }

    fn item(&mut self, path: &Path, dest: Option<&OsString>) -> std::result::Result<Item, (PathBuf, io::Error)> {
        let at = |path: &Path, error: io::Error| (path.to_path_buf(), error);
        // `.` and `..` have to be resolved to get a name; a link keeps its own.
        let name = match path.file_name() {
            Some(name) if !path.as_os_str().as_bytes().ends_with(b"/.") => name.to_os_string(),
            _ => {
                let real = path.canonicalize().map_err(|error| at(path, error))?;
                real.file_name().map(OsString::from).ok_or_else(|| at(path, io::Error::other("it has no name")))?
            }
        };
        let dest = dest.map(|dest| dest.as_bytes().to_vec()).unwrap_or_default();
        let dest = match dest.as_slice() {
            b"~" => Vec::new(),
            dest => dest.strip_prefix(b"~/").unwrap_or(dest).to_vec(),
        };
        let mut item = Item { name: name.into_vec(), dest, entries: Vec::new() };
        // A link is followed if it is the source itself; those below stay links.
        let metadata = fs::metadata(path).map_err(|error| at(path, error))?;
        if !metadata.is_file() && !metadata.is_dir() {
            return Err(at(path, io::Error::other("it is neither a file nor a folder")));
        }
        let mut todo = vec![(path.to_path_buf(), Vec::new(), metadata)];
        while let Some((local, below, metadata)) = todo.pop() {
            let kind = match metadata.file_type() {
                kind if kind.is_dir() => {
                    let mut names = Vec::new();
                    for entry in fs::read_dir(&local).map_err(|error| at(&local, error))? {
                        names.push(entry.map_err(|error| at(&local, error))?.file_name());
                    }
                    // Last in, first out.
                    names.sort_unstable_by(|a, b| b.cmp(a));
                    for name in names {
                        let local = local.join(&name);
                        let below = super::names::join(&below, name.as_bytes());
                        let metadata = fs::symlink_metadata(&local).map_err(|error| at(&local, error))?;
                        todo.push((local, below, metadata));
                    }
                    Kind::Folder
                }
                kind if kind.is_file() => {
                    // An error here is better than one for each host.
                    open(&local).map_err(|error| at(&local, error))?;
                    Kind::File
                }
                kind if kind.is_symlink() => {
                    let target = fs::read_link(&local).map_err(|error| at(&local, error))?;
                    Kind::Link(target.into_os_string().into_vec())
                }
                _ => {
                    self.skipped.push(format!("{}: neither file, folder nor symbolic link", local.display()));
                    continue;
                }
            };
            item.entries.push(Entry { local, below, stamp: Stamp::of(&metadata), kind });
        }
        Ok(item)
    }
}

/// Opens a file; if it has become a pipe, without a wait.
fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    fs::OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)
}

impl Entry {
    /// Opens the file, unless it is no longer the one of the plan.
    pub fn open(&self) -> io::Result<File> {
        let file = open(&self.local)?;
        if self.is_same(&file)? { Ok(file) } else { Err(io::Error::other("it has changed since this run began")) }
    }

    pub fn is_same(&self, file: &File) -> io::Result<bool> {
        let metadata = file.metadata()?;
        Ok(metadata.is_file() && Stamp::of(&metadata).same(&self.stamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_tree_is_read_top_down_without_sockets_and_devices() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        fs::create_dir_all(top.join("b/empty")).unwrap();
        fs::write(top.join("b/c"), "123").unwrap();
        fs::write(top.join("a"), "").unwrap();
        symlink("b/c", top.join("l")).unwrap();
        let _socket = UnixListener::bind(top.join("s")).unwrap();
        let spec = Spec { source: top.clone().into_os_string(), dest: Some("~/x".into()) };
        let plan = PushPlan::read(&[spec]).unwrap();
        assert_eq!(plan.skipped, [format!("{}: neither file, folder nor symbolic link", top.join("s").display())]);
        let item = &plan.items[0];
        assert_eq!((item.name.as_slice(), item.dest.as_slice()), (&b"top"[..], &b"x"[..]));
        let below: Vec<&[u8]> = item.entries.iter().map(|entry| entry.below.as_slice()).collect();
        assert_eq!(below, [&b""[..], b"a", b"b", b"b/c", b"b/empty", b"l"]);
        assert!(matches!(&item.entries[5].kind, Kind::Link(target) if target == b"b/c"));
    }

    #[test]
    fn a_source_that_is_missing_or_a_device_is_a_usage_error() {
        let read = |source: &str| {
            PushPlan::read(&[Spec { source: source.into(), dest: None }]).map(|_| ()).unwrap_err().message
        };
        assert_eq!(read("/no/such"), "cannot push /no/such: No such file or directory");
        assert_eq!(read("/dev/null"), "cannot push /dev/null: it is neither a file nor a folder");
        assert_eq!(read("/"), "cannot push /: it has no name");
    }

    #[test]
    fn a_file_that_has_changed_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "old").unwrap();
        let plan = PushPlan::read(&[Spec { source: path.clone().into_os_string(), dest: None }]).unwrap();
        let entry = &plan.items[0].entries[0];
        assert!(entry.open().is_ok());
        fs::write(&path, "longer").unwrap();
        assert!(entry.open().is_err());
    }
}
