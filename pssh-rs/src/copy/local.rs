//! The local folder that the files of a server are written to. Each step down starts from an open folder and follows no
//! symbolic link, so nothing that a server says, now or in an earlier run, leads out of the folder.

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawMode, Stat, Timespec, Timestamps, fchmod, fstat, futimens, mkdirat,
    openat, renameat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub struct Folder(OwnedFd);

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

impl Folder {
    /// Opens a folder that the user named. Creates it, and follows links to it.
    pub fn open(path: &Path) -> io::Result<Folder> {
        std::fs::create_dir_all(path)?;
        Ok(Folder(openat(CWD, path, FOLDER, Mode::empty())?))
    }

    /// Opens the folder of this name in here, and creates it if there is none. Its owner can write to it from now on; its
    /// mode is set when everything is in it.
    pub fn enter(&self, name: &[u8]) -> io::Result<Folder> {
        let name = OsStr::from_bytes(name);
        match mkdirat(&self.0, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let open = || openat(&self.0, name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
        let folder = match open() {
            Err(Errno::ACCESS) => {
                // It is our own and not readable, so its mode has to change before it can be opened. Links are refused.
                let found = statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
                    return Err(Errno::NOTDIR.into());
                }
                rustix::fs::chmodat(&self.0, name, Mode::RWXU, AtFlags::empty())?;
                open()?
            }
            folder => folder?,
        };
        let mode = Mode::from_raw_mode(fstat(&folder)?.st_mode);
        if !mode.contains(Mode::RWXU) {
            fchmod(&folder, mode | Mode::RWXU)?;
        }
        Ok(Folder(folder))
    }

    /// Opens a folder below this one, name by name.
    pub fn descend(&self, names: &[Vec<u8>]) -> io::Result<Folder> {
        let mut folder = Folder(self.0.try_clone()?);
        for name in names {
            folder = folder.enter(name)?;
        }
        Ok(folder)
    }

    /// Returns what has this name, if anything has. Does not follow a link.
    pub fn stat(&self, name: &[u8]) -> io::Result<Option<Stat>> {
        match statat(&self.0, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub fn readlink(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        Ok(rustix::fs::readlinkat(&self.0, OsStr::from_bytes(name), Vec::new())?.into_bytes())
    }

    /// Opens the temporary file, and returns its length. One of an earlier run is continued if only we can have written it.
    pub fn begin(&self, name: &[u8], size: u64) -> io::Result<(File, u64)> {
        let path = OsStr::from_bytes(name);
        let create = FILE | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        match openat(&self.0, path, create, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => {}
            file => return Ok((File::from(file?), 0)),
        }
        if let Ok(file) = openat(&self.0, path, FILE | OFlags::WRONLY, Mode::empty()) {
            let found = fstat(&file)?;
            let ours = found.st_uid == rustix::process::geteuid().as_raw()
                && found.st_nlink == 1
                && is_file(&found)
                && found.st_mode & 0o777 == 0o600;
            if ours && size_of(&found) <= size {
                return Ok((File::from(file), size_of(&found)));
            }
        }
        self.remove(name)?;
        Ok((File::from(openat(&self.0, path, create, Mode::RUSR | Mode::WUSR)?), 0))
    }

    pub fn symlink(&self, target: &[u8], name: &[u8]) -> io::Result<()> {
        self.remove(name)?;
        Ok(symlinkat(OsStr::from_bytes(target), &self.0, OsStr::from_bytes(name))?)
    }

    pub fn rename(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        Ok(renameat(&self.0, OsStr::from_bytes(from), &self.0, OsStr::from_bytes(to))?)
    }

    /// Removes a file, if there is one.
    pub fn remove(&self, name: &[u8]) -> io::Result<()> {
        match unlinkat(&self.0, OsStr::from_bytes(name), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets the mode of a file that is here.
    pub fn set_mode(&self, name: &[u8], mode: u32) -> io::Result<()> {
        let file = openat(&self.0, OsStr::from_bytes(name), FILE | OFlags::RDONLY, Mode::empty())?;
        Ok(fchmod(&file, Mode::from_raw_mode(raw_mode(mode)))?)
    }

    pub fn finish(&self, mode: Option<u32>, times: Option<(u32, u32)>) -> io::Result<()> {
        finish(&self.0, mode, times)
    }
}

/// Returns a mode in the type that this system has for it.
#[allow(clippy::unnecessary_cast)]
pub fn raw_mode(mode: u32) -> RawMode {
    mode as RawMode
}

/// Sets mode and times of an open file.
pub fn finish(file: impl std::os::fd::AsFd, mode: Option<u32>, times: Option<(u32, u32)>) -> io::Result<()> {
    if let Some((access, modification)) = times {
        let at = |seconds: u32| Timespec { tv_sec: seconds.into(), tv_nsec: 0 };
        futimens(&file, &Timestamps { last_access: at(access), last_modification: at(modification) })?;
    }
    if let Some(mode) = mode {
        fchmod(&file, Mode::from_raw_mode(raw_mode(mode & 0o777)))?;
    }
    Ok(())
}

pub fn is_file(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
}

pub fn is_folder(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::Directory
}

pub fn is_link(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::Symlink
}

pub fn size_of(found: &Stat) -> u64 {
    u64::try_from(found.st_size).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn no_link_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        fs::create_dir(&outside).unwrap();
        let here = Folder::open(&inside).unwrap();
        symlink(&outside, inside.join("d")).unwrap();
        assert!(here.enter(b"d").is_err());
        fs::write(outside.join("f"), "old").unwrap();
        symlink(outside.join("f"), inside.join("t")).unwrap();
        let (_, at) = here.begin(b"t", 99).unwrap();
        assert_eq!((at, fs::read(outside.join("f")).unwrap().as_slice()), (0, &b"old"[..]));
        assert!(!inside.join("t").is_symlink());
        // A second name of a file elsewhere.
        fs::set_permissions(outside.join("f"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::hard_link(outside.join("f"), inside.join("h")).unwrap();
        assert_eq!(here.begin(b"h", 99).unwrap().1, 0);
        assert_eq!(fs::read(outside.join("f")).unwrap(), b"old");
    }

    #[test]
    fn an_own_partial_file_is_continued_unless_it_is_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let here = Folder::open(folder.path()).unwrap();
        fs::write(folder.path().join("t"), "123").unwrap();
        fs::set_permissions(folder.path().join("t"), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(here.begin(b"t", 3).unwrap().1, 3);
        assert_eq!(here.begin(b"t", 2).unwrap().1, 0);
        assert_eq!(fs::read(folder.path().join("t")).unwrap(), b"");
    }
}
