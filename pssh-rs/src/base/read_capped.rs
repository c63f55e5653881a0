//! Files that the user names, read with a bound: a device given by mistake has no end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// In bytes: more than any known_hosts or key file has.
const LARGEST: u64 = 64 << 20;

pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_rest(&mut File::open(path)?)
}

/// What is left of an open file.
pub fn read_rest(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LARGEST {
        true => Err(io::Error::other(format!("larger than {} MiB", LARGEST >> 20))),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_an_end_is_refused() {
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err().to_string(), "larger than 64 MiB");
        assert_eq!(read(Path::new("/dev/null")).unwrap(), b"");
    }
}
