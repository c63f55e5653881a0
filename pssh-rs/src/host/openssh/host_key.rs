//! Makes ssh decide about a host's key as the other engine does.

use super::SshRunner;
use crate::host::target::Target;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::{fs, io};

/// Adds the options that decide about the host's key. Returns the known_hosts file that was made for it, if any.
pub fn host_key_options(runner: &SshRunner, target: &Target, command: &mut Command) -> io::Result<Option<PathBuf>> {
    let verifier = target.host_key_verifier();
    for option in verifier.ssh_options() {
        command.args(["-o", &option]);
    }
    let Some(lines) = verifier.pinned_lines() else { return Ok(None) };
    let path = runner.folder.name("known");
    fs::write(&path, lines)?;
    let mut option = OsString::from("UserKnownHostsFile=");
    option.push(&path);
    command.arg("-o").arg(option).args(["-o", "GlobalKnownHostsFile=/dev/null"]);
    Ok(Some(path))
}
