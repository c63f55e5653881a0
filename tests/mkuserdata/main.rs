//! `mkuserdata` alone: its command line, its records, and what real cloud-init code makes of its bytes.

mod bytes;
mod command_line;
mod extract;
mod foreign;
mod generated;
mod launch_index;
mod listing;
mod merges;
mod order;
mod per_host;
mod problems;
mod raw;
mod schema;
mod set;
mod size;
mod types;
mod yaml;

use flate2::read::GzDecoder;
use kit::cloud_init::{self, Part, Verdict};
use kit::{Outcome, Sandbox};
use std::io::Read;

/// The user-data of these parts and options, which must build without a message.
#[track_caller]
fn build(sandbox: &Sandbox, args: &[&str]) -> Vec<u8> {
    let (user_data, said) = forced(sandbox, args);
    assert_eq!(said, "");
    user_data
}

/// The user-data of these parts and options, and the messages.
#[track_caller]
fn forced(sandbox: &Sandbox, args: &[&str]) -> (Vec<u8>, String) {
    let run = sandbox.run("mkuserdata", &[&["-w", "user-data"], args].concat(), "").exits(0);
    assert_eq!(run.stdout, "");
    (std::fs::read(sandbox.dir().join("user-data")).expect("the user-data"), run.stderr)
}

/// The first line of the error of a build that must fail.
#[track_caller]
fn refused(sandbox: &Sandbox, args: &[&str]) -> String {
    let run = sandbox.run("mkuserdata", args, "").exits(2);
    assert_eq!(run.stdout, "");
    let line = run.stderr.lines().next().expect("an error");
    line.strip_prefix("mkuserdata: ").expect("the tool's name").to_string()
}

fn judge_one(user_data: Vec<u8>) -> Verdict {
    cloud_init::judge(&[user_data]).remove(0)
}

/// `--check` of the user-data.
fn check(sandbox: &Sandbox, user_data: &[u8]) -> Outcome {
    sandbox.run("mkuserdata", &["--check"], user_data)
}

/// The MIME message, decompressed if necessary.
fn unpacked(user_data: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    if user_data.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(user_data).read_to_end(&mut text).map(|_| text).expect("gzip")
    } else {
        user_data.to_vec()
    }
}

/// The names and contents of parts, for comparison.
fn named(parts: &[Part]) -> Vec<(&str, String)> {
    parts.iter().map(|part| (part.filename.as_str(), String::from_utf8_lossy(&part.content).into())).collect()
}

/// A fixed pseudorandom sequence (an LCG of Knuth's), so failures can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Text that hardly compresses.
    fn noise(&mut self, bytes: usize) -> String {
        (0..bytes).map(|_| char::from(b'!' + self.below(90) as u8)).collect()
    }
}
