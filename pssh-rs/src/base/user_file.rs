//! Reads files that the user names, up to a limit: a device named by mistake has no end.

use cerveza_manners::read_capped;
use std::fs::File;
use std::io;
use std::path::Path;

/// The limit in bytes: more than any key, known_hosts or script file has.
const LARGEST: u64 = 64 << 20;

pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_rest(&mut File::open(path)?)
}

/// Reads the rest of an open file.
pub fn read_rest(file: &mut File) -> io::Result<Vec<u8>> {
    read_capped(file, LARGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_device_is_refused() {
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err().to_string(), "larger than 64 MiB");
        assert_eq!(read(Path::new("/dev/null")).unwrap(), b"");
    }
}
