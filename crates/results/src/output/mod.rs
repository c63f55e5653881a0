//! What a host printed and how its command ended, from where it comes in to its record.

pub mod capture;
pub mod copied;
pub mod outcome;
pub mod outdir;
pub mod queue;
pub mod record;
pub mod sink;
pub mod stream;
