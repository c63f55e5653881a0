//! What the end-to-end tests use: a sandbox for the built tools, and the servers that the tools connect to.

mod account;
pub mod cloud_init;
pub mod ec2_server;
pub mod fake_ec2;
pub mod hostile;
mod moto;
pub mod processes;
mod sandbox;
mod ssh_server;
mod sshd;

pub use ec2_server::Ec2Server;
pub use fake_ec2::{FakeEc2, Reply};
pub use hostile::{Hostile, Relay};
pub use moto::{Moto, REGION, element};
pub use sandbox::{Outcome, Sandbox, records};
pub use ssh_server::SshServer;
pub use sshd::Sshd;

use std::path::{Path, PathBuf};

/// Returns the root of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the project")
}

/// Returns the folder of the built programs, such as `target/debug`.
pub fn bin_dir() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let deps = test.parent().expect("a folder");
    deps.parent().expect("deps/ lies in the folder of the programs").to_path_buf()
}

/// Returns the target folder, where `make setup` stores what the tests need.
pub fn target_dir() -> PathBuf {
    bin_dir().parent().expect("the profile's folder lies in target").to_path_buf()
}
