//! Counts what was copied to or from a host.

use std::fmt::Display;

/// The most remarks that are kept for a host.
const MOST_REMARKS: usize = 100;

/// What was copied, also if the copy failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Files and symbolic links that were written.
    pub files: u64,
    /// Bytes of file contents that were transferred.
    pub bytes: u64,
    /// Files and symbolic links that were already the same.
    pub unchanged: u64,
    /// What was left out or differs from the source, as `PATH: why`.
    pub skipped: Vec<String>,
    /// The number of further ones.
    pub more_skipped: u64,
}

impl Copied {
    pub fn add(&mut self, more: Copied) {
        self.files += more.files;
        self.bytes += more.bytes;
        self.unchanged += more.unchanged;
        self.skipped.extend(more.skipped);
        self.more_skipped += more.more_skipped;
    }

    pub fn skip(&mut self, path: &[u8], why: impl Display) {
        self.remark(format!("{}: {why}", String::from_utf8_lossy(path)));
    }

    pub fn remark(&mut self, remark: String) {
        match self.skipped.len() < MOST_REMARKS {
            true => self.skipped.push(remark),
            false => self.more_skipped += 1,
        }
    }
}
