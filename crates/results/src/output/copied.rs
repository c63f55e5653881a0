//! What was copied to or from a host.

use std::fmt::Display;

/// So many remarks are kept of a host; who sends more has more of the same.
const MOST_REMARKS: usize = 100;

/// What was copied, also where it did not come to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Files and symbolic links that are now as the source, those that were so before not counted.
    pub files: u64,
    /// Of contents, over the wire.
    pub bytes: u64,
    /// Files and symbolic links that were as the source already.
    pub unchanged: u64,
    /// What was left out or is not quite as the source, and why: `PATH: why`.
    pub skipped: Vec<String>,
    /// Beyond those.
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
