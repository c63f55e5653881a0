//! `--outdir`: writes the output of each host to two files, completely and as it arrives.

use crate::output::stream::Stream;
use cerveza_manners::{Failure, Result, visible};
use sha1::{Digest, Sha1};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The most bytes of a file name that are for the host. All usual file systems allow 255 bytes in all.
const LONGEST: usize = 230;
const BUFFER: usize = 16 * 1024;
/// The longest time that output stays in a buffer.
const FLUSH: Duration = Duration::from_secs(1);

/// The folder, and the name of each host's files in it.
#[derive(Debug)]
pub struct Outdir {
    folder: PathBuf,
    names: Vec<String>,
}

impl Outdir {
    /// Creates the folder. If a host is given twice, each gets its own files: `web1.out`, then `web1#2.out`.
    pub fn new<'a>(folder: &Path, hosts: impl Iterator<Item = &'a str>) -> Result<Outdir> {
        fs::create_dir_all(folder)
            .map_err(|error| Failure::usage(format!("--outdir {}: cannot make it: {error}", folder.display())))?;
        let mut seen: HashMap<String, usize> = HashMap::new();
        let names = hosts.map(|host| {
            let name = file_name(host);
            let times = seen.entry(name.clone()).or_default();
            *times += 1;
            match *times {
                1 => name,
                times => format!("{name}#{times}"),
            }
        });
        Ok(Outdir { names: names.collect(), folder: folder.to_path_buf() })
    }

    /// Creates the files of a host, when its command starts. Files of an earlier run are replaced.
    pub fn open(&self, index: usize) -> io::Result<HostFiles> {
        let name = self.names.get(index).ok_or(io::ErrorKind::InvalidInput)?;
        let path = |end| self.folder.join(format!("{name}.{end}"));
        Ok(HostFiles {
            files: [HostFile::create(path("out"))?, HostFile::create(path("err"))?],
            flushed: Instant::now(),
        })
    }
}

/// Both files of a host. If one fails, the other is still written.
#[derive(Debug)]
pub struct HostFiles {
    files: [HostFile; 2],
    flushed: Instant,
}

impl HostFiles {
    /// Writes to a file. Fails once, with the first error of that file; later output for it is dropped.
    pub fn take(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        self.files[stream as usize].write(|file| file.write_all(bytes))?;
        if self.flushed.elapsed() >= FLUSH {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes buffered output to the files. Call it before each wait for more.
    pub fn flush(&mut self) -> io::Result<()> {
        self.flushed = Instant::now();
        let [out, err] = &mut self.files;
        let (out, err) = (out.write(BufWriter::flush), err.write(BufWriter::flush));
        out.and(err)
    }

    /// Writes the rest. Fails if not all output has reached the files.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()
    }
}

#[derive(Debug)]
struct HostFile {
    path: PathBuf,
    /// `None` after a failure.
    file: Option<BufWriter<File>>,
}

impl HostFile {
    /// Creates a new file, in place of an existing one. Writing to the existing file could hang on a pipe, follow a link, or
    /// change other names of that file.
    fn create(path: PathBuf) -> io::Result<HostFile> {
        let made = match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => OpenOptions::new().write(true).create_new(true).open(&path),
        };
        let file = made.map_err(|error| named(&path, &error))?;
        Ok(HostFile { path, file: Some(BufWriter::with_capacity(BUFFER, file)) })
    }

    fn write(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let written = write(file).map_err(|error| named(&self.path, &error));
        if written.is_err() {
            // Drop the file without another try to write its buffer.
            self.file.take().map(BufWriter::into_parts);
        }
        written
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
}

/// Returns the host as a file name. Characters that a file name cannot have, and those that would hide the file, become
/// %XX, also `#`, which is before the number of a repeated host. A long name is cut, and ends with its SHA-1.
pub fn file_name(host: &str) -> String {
    let mut name = String::with_capacity(host.len());
    for (at, c) in host.char_indices() {
        let text = &host[at..at + c.len_utf8()];
        let escaped = matches!(c, '/' | '\\' | '%' | '#') || (c == '.' && at == 0) || visible(text) != text;
        match escaped {
            false => name.push(c),
            true => text.bytes().for_each(|byte| name.push_str(&format!("%{byte:02X}"))),
        }
    }
    if name.len() > LONGEST {
        let digest = Sha1::digest(host.as_bytes());
        name.truncate(name.floor_char_boundary(LONGEST - 42));
        name.push_str("%~");
        digest.iter().for_each(|byte| name.push_str(&format!("{byte:02x}")));
    }
    match name.is_empty() {
        true => "%".to_string(),
        false => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn outdir(folder: &Path, hosts: &[&str]) -> Outdir {
        Outdir::new(folder, hosts.iter().copied()).unwrap()
    }

    #[test]
    fn hosts_are_safe_file_names_that_can_be_read_back() {
        assert_eq!(file_name("web-1.example_com"), "web-1.example_com");
        assert_eq!(file_name("fe80::1%eth0"), "fe80::1%25eth0");
        assert_eq!(file_name("../a/b"), "%2E.%2Fa%2Fb");
        assert_eq!(file_name("a\0\nb#2\u{202e}é"), "a%00%0Ab%232%E2%80%AEé");
        assert_eq!(file_name(""), "%");
        let long = ["é".repeat(200), "é".repeat(201)].map(|host| file_name(&host));
        assert!(long[0] != long[1] && long[0].len() <= LONGEST);
    }

    #[test]
    fn files_hold_all_output_and_a_host_twice_has_two_of_each() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("a/b");
        let outdir = outdir(&folder, &["web1", "db1", "web1"]);
        let big = vec![b'x'; 3_000_000];
        for (index, text) in [(0, b"first".as_slice()), (2, &big)] {
            let mut files = outdir.open(index).unwrap();
            files.take(Stream::Stdout, text).unwrap();
            files.take(Stream::Stdout, b"\n").unwrap();
            files.finish().unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["web1#2.err", "web1#2.out", "web1.err", "web1.out"]);
        assert_eq!(fs::read(folder.join("web1.out")).unwrap(), b"first\n");
        assert_eq!(fs::read(folder.join("web1.err")).unwrap(), b"");
        assert_eq!(fs::read(folder.join("web1#2.out")).unwrap().len(), big.len() + 1);
    }

    #[test]
    fn what_came_can_be_read_before_the_next_wait() {
        let temp = tempfile::tempdir().unwrap();
        let mut files = outdir(temp.path(), &["a"]).open(0).unwrap();
        files.take(Stream::Stderr, b"warn\n").unwrap();
        files.flush().unwrap();
        assert_eq!(fs::read(temp.path().join("a.err")).unwrap(), b"warn\n");
    }

    #[test]
    fn a_link_is_replaced_and_what_it_names_is_not_touched() {
        let temp = tempfile::tempdir().unwrap();
        let other = temp.path().join("other");
        fs::write(&other, "precious").unwrap();
        symlink(&other, temp.path().join("a.out")).unwrap();
        outdir(temp.path(), &["a"]).open(0).unwrap().finish().unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"precious");
    }

    #[test]
    fn a_full_disk_is_said_once_and_the_other_file_is_written() {
        let full = HostFile {
            path: "/dev/full".into(),
            file: Some(BufWriter::new(OpenOptions::new().write(true).open("/dev/full").unwrap())),
        };
        let temp = tempfile::tempdir().unwrap();
        let err = HostFile::create(temp.path().join("a.err")).unwrap();
        let mut files = HostFiles { files: [full, err], flushed: Instant::now() };
        let error = files.take(Stream::Stdout, &[b'x'; 100_000]).unwrap_err();
        assert_eq!(error.to_string(), "cannot write /dev/full: No space left on device (os error 28)");
        files.take(Stream::Stdout, b"more").unwrap();
        files.take(Stream::Stderr, b"warn").unwrap();
        files.finish().unwrap();
        assert_eq!(fs::read(temp.path().join("a.err")).unwrap(), b"warn");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_before_the_run() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Outdir::new(&file.path().join("x"), ["a"].into_iter()).unwrap_err();
        assert!(error.message.contains("cannot make it: Not a directory"), "{error}");
    }
}
