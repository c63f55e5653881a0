//! The name of the user, for logins.

use cerveza_manners::{Failure, Result};
use std::env;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The longest wait for `id`.
const ID_TIME: Duration = Duration::from_secs(5);

/// Returns the user name for logins if nothing else names one. As in ssh, that is the user of this process. If the machine has no
/// name for it, the environment decides.
pub fn local_user() -> Result<String> {
    let named = || ["USER", "LOGNAME"].iter().find_map(|key| env::var(key).ok().filter(|name| !name.is_empty()));
    user_by_id().or_else(named).ok_or_else(|| Failure::usage("cannot tell who you are").hint("name the user with -l"))
}

/// Asks `id`, with a time limit, because it may ask a directory service that is down.
fn user_by_id() -> Option<String> {
    let mut id = Command::new("id");
    let id = id.arg("-un").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = id.spawn().ok()?;
    let until = Instant::now() + ID_TIME;
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
