//! Reads with a limit, and writes to stdout or to files. A file is written completely or not at all.

use crate::{Failure, Result};
use std::fs::{self, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Reads all of `input`. Fails if it has more than `limit` bytes, for example because it is a device.
pub fn read_capped(input: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {} MiB", limit >> 20)))
    } else {
        Ok(bytes)
    }
}

/// Writes to stdout and flushes it.
pub fn write_stdout(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| Failure::stdout(&error))
}

/// The names of stdout and stderr. Where they lead to a file, it has what other programs have written too.
const STDOUT: [&str; 3] = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
const STDERR: [&str; 3] = ["/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"];

/// Where the other open files of this process have names.
const DESCRIPTORS: [&str; 2] = ["/dev/fd", "/proc/self/fd"];

/// Writes a temporary file beside `path` and renames it, so no reader ever sees half of it. Something else than a file,
/// such as /dev/null or a pipe, is opened and written, because a rename would replace it.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let is_one_of = |names: [&str; 3]| names.map(Path::new).contains(&path);
    if is_one_of(STDOUT) {
        return write_stdout(bytes);
    }
    let written = match fs::metadata(path) {
        _ if is_one_of(STDERR) => io::stderr().write_all(bytes),
        Ok(found) if found.is_file() && DESCRIPTORS.iter().any(|folder| path.starts_with(folder)) => {
            Err(io::Error::other("it leads to a file: write to that by its name, or to /dev/stdout"))
        }
        Ok(found) if found.is_file() => {
            // Replace the file that a symbolic link leads to, not the link.
            fs::canonicalize(path).and_then(|path| replace(&path, bytes, found.permissions(), Some(&found)))
        }
        Ok(_) => OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A symbolic link to a file that is not there yet stays a link.
            let mut target = path.to_path_buf();
            while let Ok(link) = fs::read_link(&target) {
                target = target.parent().unwrap_or(Path::new("")).join(link);
            }
            replace(&target, bytes, Permissions::from_mode(0o666), None)
        }
        Err(error) => Err(error),
    };
    written.map_err(|error| cannot_write(path, &error))
}

/// Writes a file that only its owner can read, and creates its folder.
pub fn write_private_file(path: &Path, bytes: &[u8], executable: bool) -> Result<()> {
    let mode = if executable { 0o700 } else { 0o600 };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .map_err(|error| Failure::usage(format!("cannot make the folder {}: {error}", folder.display())))?;
    }
    let written = replace(path, bytes, Permissions::from_mode(mode), None);
    written.map_err(|error| cannot_write(path, &error))
}

/// Writes a temporary file and renames it to `path`. The umask applies to a new file, as in a shell. A file that is
/// replaced keeps its permissions, and its owner and group where that is allowed.
fn replace(path: &Path, bytes: &[u8], permissions: Permissions, replaced: Option<&Metadata>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let mut builder = tempfile::Builder::new();
    let mut file = builder.prefix(".cerveza-").permissions(permissions).tempfile_in(folder)?;
    if let Some(old) = replaced {
        let (owner, group) = (old.uid(), old.gid());
        let has_group = fchown(file.as_file(), Some(owner), Some(group))
            .or_else(|_| fchown(file.as_file(), None, Some(group)))
            .is_ok();
        // What the old group was allowed is not for another one.
        let mode = if has_group { old.mode() } else { old.mode() & !0o070 };
        file.as_file().set_permissions(Permissions::from_mode(mode & 0o7777))?;
    }
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Returns the error without the path of the temporary file, which tempfile adds.
fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    let text = error.to_string();
    let reason = text.split_once(" at path ").map_or(text.as_str(), |(reason, _)| reason);
    Failure::usage(format!("cannot write {}: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("user-data"), folder.path().join("link"));
        fs::write(&file, "an earlier, longer one").unwrap();
        // A usual umask would make it 644.
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        let is_root = std::os::unix::fs::chown(&file, Some(12), Some(34)).is_ok();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_file(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        let found = fs::metadata(&file).unwrap();
        assert_eq!(found.mode() & 0o777, 0o666);
        assert_eq!((found.uid(), found.gid()) == (12, 34), is_root);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        fs::remove_file(&file).unwrap();
        write_file(&link, b"made").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"made");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_device_without_an_end_is_not_read() {
        let error = read_capped(io::repeat(0), 1 << 20).unwrap_err();
        assert_eq!(error.to_string(), "larger than 1 MiB");
        assert_eq!(read_capped(&b"abc"[..], 3).unwrap(), b"abc");
    }

    #[test]
    fn a_device_is_written_to_not_replaced() {
        use std::os::unix::fs::FileTypeExt;
        write_file(Path::new("/dev/null"), b"x").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let why = |path: &str| write_file(Path::new(path), b"x").unwrap_err().message;
        assert_eq!(why("/no/such/folder/x"), "cannot write /no/such/folder/x: No such file or directory");
        assert_eq!(why("/"), "cannot write /: Is a directory");
    }
}
