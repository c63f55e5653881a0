//! `ec2-tag`: sets and removes tags of instances and their volumes.

mod cli;
mod execute;
mod facts;
mod plan;
mod show;
mod wanted;
mod words;

pub use cli::{Args, command, run};
