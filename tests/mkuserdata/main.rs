//! `mkuserdata` alone: its command line, its records, and what real cloud-init code makes of its bytes.

mod bytes;
mod command_line;
mod per_host;

use kit::Sandbox;
use kit::cloud_init::{self, Verdict};

/// The user-data of the parts, which have to build without a warning.
fn build(sandbox: &Sandbox, parts: &[&str]) -> Vec<u8> {
    let run = sandbox.run("mkuserdata", &[&["-w", "user-data"], parts].concat(), "").exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    std::fs::read(sandbox.dir().join("user-data")).expect("the user-data")
}

fn judge_one(user_data: Vec<u8>) -> Verdict {
    cloud_init::judge(&[user_data]).remove(0)
}
