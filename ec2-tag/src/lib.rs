//! `ec2-tag`: sets and removes tags of instances and their volumes.

mod cli;
mod words;

pub use cli::{Args, command, run};
