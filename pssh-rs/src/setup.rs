//! From the options to a job: what can be checked without a host is checked here, before the first connection.

use crate::attempt::{Bounds, Job};
use crate::cli::{Args, HostKeyPolicy};
use crate::identity::Identities;
use crate::interrupt::Stop;
use crate::known_hosts::KnownHosts;
use cerveza_manners::{Failure, Result, Tool};
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const AUTH: Duration = Duration::from_secs(20);
/// The longest wait for the user's own name.
const ID: Duration = Duration::from_secs(5);

/// Where ssh looks for known hosts: the user's files, then the machine's.
const USER_FILES: [&str; 2] = [".ssh/known_hosts", ".ssh/known_hosts2"];
const SYSTEM_FILES: [&str; 2] = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];

pub fn job(args: &Args, command: String, tool: &Tool) -> Result<Job> {
    let home = env_path("HOME");
    let stop = Stop::new().map_err(|error| Failure::usage(format!("cannot make a pipe: {error}")))?;
    Ok(Job {
        command,
        bounds: Bounds { connect: args.connect_timeout, auth: AUTH, command: args.timeout },
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
    let accept = match args.host_key {
        // Without a HOME the first would be a file of the machine.
        HostKeyPolicy::AcceptNew if home.is_none() && named(&args.known_hosts).is_empty() => {
            return Err(Failure::usage("HOME is not set: name a file with --known-hosts"));
        }
        HostKeyPolicy::AcceptNew => files.first().map(PathBuf::as_path),
        HostKeyPolicy::Strict | HostKeyPolicy::Off => None,
    };
    KnownHosts::read(&files, required, accept, |warning| tool.warn(warning))
}

/// The files of an option; one that the environment sets to nothing is not set.
fn named(files: &[PathBuf]) -> Vec<PathBuf> {
    files.iter().filter(|file| !file.as_os_str().is_empty()).cloned().collect()
}

fn usual_files(home: Option<&Path>) -> Vec<PathBuf> {
    let user = home.into_iter().flat_map(|home| USER_FILES.map(|name| home.join(name)));
    user.chain(SYSTEM_FILES.map(PathBuf::from)).collect()
}

/// Who logs in where nothing else says so: as for ssh, whoever this process runs as, whatever the environment calls
/// them. That is what is left where the machine cannot tell.
pub fn local_user() -> Result<String> {
    let named = || ["USER", "LOGNAME"].iter().find_map(|key| env::var(key).ok().filter(|name| !name.is_empty()));
    user_by_id().or_else(named).ok_or_else(|| Failure::usage("cannot tell who you are").hint("name the user with -l"))
}

/// Asks `id`, but not for ever: behind it may be a directory service that is down.
fn user_by_id() -> Option<String> {
    let mut id = Command::new("id");
    let id = id.arg("-un").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = id.spawn().ok()?;
    let until = Instant::now() + ID;
    while child.try_wait().ok()?.is_none() {
        if Instant::now() >= until {
            let _ = child.kill();
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output().ok().filter(|output| output.status.success())?;
    let name = String::from_utf8(output.stdout).ok()?.trim().to_string();
    (!name.is_empty()).then_some(name)
}

/// A path from the environment; set to nothing it is not set.
fn env_path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
