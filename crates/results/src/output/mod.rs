//! The output and outcome of a host, from the first byte to its record.

pub mod capture;
pub mod copied;
pub mod outcome;
pub mod outdir;
pub mod queue;
pub mod record;
pub mod sink;
pub mod stream;
