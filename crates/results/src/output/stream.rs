//! The two output streams of a command.

/// One of the two output streams. The numbers are those of SSH's extended data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout = 0,
    Stderr = 1,
}
