//! The two outputs of a command.

/// Which of a command's two outputs. The numbers are those of SSH's extended data, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout = 0,
    Stderr = 1,
}
