//! From the options to a job: what can be checked without a host is checked here, before the first connection.

use crate::attempt::{Bounds, Job};
use crate::cli::{Args, HostKeyPolicy};
use crate::identity::Identities;
use crate::interrupt::Stop;
use crate::known_hosts::KnownHosts;
use cerveza_manners::{Failure, Result, Tool};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const HANDSHAKE: Duration = Duration::from_secs(10);
const AUTH: Duration = Duration::from_secs(20);

/// Where ssh looks for known hosts: the user's files, then the machine's.
const USER_FILES: [&str; 2] = [".ssh/known_hosts", ".ssh/known_hosts2"];
const SYSTEM_FILES: [&str; 2] = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];

pub fn job(args: &Args, command: String, tool: &Tool) -> Result<Job> {
    let home = env_path("HOME");
    let stop = Stop::new().map_err(|error| Failure::usage(format!("cannot make a pipe: {error}")))?;
    Ok(Job {
        command,
        bounds: Bounds { connect: args.connect_timeout, handshake: HANDSHAKE, auth: AUTH, command: args.timeout },
        identities: Identities::read(&named(&args.identity), env_path("SSH_AUTH_SOCK"), home.as_deref())?,
        known_hosts: known_hosts(args, home.as_deref(), tool)?,
        host_key: args.host_key,
        stop: Arc::new(stop),
    })
}

fn known_hosts(args: &Args, home: Option<&Path>, tool: &Tool) -> Result<KnownHosts> {
    if args.host_key == HostKeyPolicy::Off {
        return Ok(KnownHosts::default());
    }
    let chosen = named(&args.known_hosts);
    // A file that was named and is not there is a slip, unless it is to be made.
    let required = !chosen.is_empty() && args.host_key == HostKeyPolicy::Strict;
    let files = match chosen.is_empty() {
        true => usual_files(home),
        false => chosen,
    };
    let mut known = KnownHosts::read(&files, required, |warning| tool.warn(warning))?;
    if args.host_key == HostKeyPolicy::AcceptNew {
        // Without a HOME the first would be a file of the machine.
        let first = files.first().filter(|_| home.is_some() || !named(&args.known_hosts).is_empty());
        let first = first.ok_or_else(|| Failure::usage("HOME is not set: name a file with --known-hosts"))?;
        known.accept_into(first)?;
    }
    Ok(known)
}

/// The files of an option; one that the environment sets to nothing is not set.
fn named(files: &[PathBuf]) -> Vec<PathBuf> {
    files.iter().filter(|file| !file.as_os_str().is_empty()).cloned().collect()
}

fn usual_files(home: Option<&Path>) -> Vec<PathBuf> {
    let user = home.into_iter().flat_map(|home| USER_FILES.map(|name| home.join(name)));
    user.chain(SYSTEM_FILES.map(PathBuf::from)).collect()
}

/// Who logs in where nothing else says so: who runs this, as for ssh.
pub fn local_user() -> Result<String> {
    let named = ["USER", "LOGNAME"].iter().find_map(|key| env::var(key).ok().filter(|name| !name.is_empty()));
    named.or_else(user_by_id).ok_or_else(|| Failure::usage("cannot tell who you are").hint("name the user with -l"))
}

fn user_by_id() -> Option<String> {
    let output = Command::new("id").arg("-un").output().ok().filter(|output| output.status.success())?;
    let name = String::from_utf8(output.stdout).ok()?.trim().to_string();
    (!name.is_empty()).then_some(name)
}

/// A path from the environment; set to nothing it is not set.
fn env_path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
