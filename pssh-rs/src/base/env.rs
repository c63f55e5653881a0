//! What the environment and this machine say: paths, and the name of the user.

use cerveza_manners::{Failure, Result};
use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The longest wait for the user's own name.
const ID: Duration = Duration::from_secs(5);

/// The files of an option; one that the environment sets to nothing is not set.
pub fn given(files: &[PathBuf]) -> Vec<PathBuf> {
    files.iter().filter(|file| !file.as_os_str().is_empty()).cloned().collect()
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
pub fn env_path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
