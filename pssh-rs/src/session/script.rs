//! A local script on a host: uploads it over the connection, and removes it.

use crate::base::attempt_timer::AttemptTimer;
use crate::base::user_file;
use crate::session::command_line::command_line;
use crate::session::exec::{CommandEnd, CommandExit, CommandRequest, START, Stdin, exec};
use crate::session::ssh_session::SshSession;
use cerveza_manners::{last_line, quote};
use cerveza_results::Captured;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A script, read once for all hosts.
#[derive(Debug)]
pub struct Script {
    pub path: PathBuf,
    bytes: Vec<u8>,
}

impl Script {
    pub fn read(path: &Path) -> io::Result<Script> {
        let bytes = user_file::read(path)?;
        if bytes.is_empty() {
            return Err(io::Error::other("it is empty"));
        }
        if has_crlf(&bytes) {
            return Err(io::Error::other(format!(
                "its lines end in CRLF, as on Windows: convert it, as in: sed -i 's/\\r$//' {}",
                quote(&path.to_string_lossy())
            )));
        }
        Ok(Script { path: path.to_path_buf(), bytes })
    }
}

/// Returns whether the first line ends in CRLF, or all lines after it do. A script may hold other text that does.
fn has_crlf(script: &[u8]) -> bool {
    let mut lines = script.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let is_crlf = |line: &[u8]| line.ends_with(b"\r\n");
    lines.next().is_some_and(is_crlf) || lines.clone().next().is_some() && lines.all(is_crlf)
}

/// Makes a file that may be executed, and fills it. If the file system of a folder forbids that, the next folder is tried.
/// Prints the path of the file. This is one line without a single quote, so every login shell passes it on unchanged.
const UPLOAD: &str = "umask 077; f=; gone() { rm -f \"$f\"; exit 1; }; trap gone HUP INT TERM; for d in \"${TMPDIR:-/tmp}\" /var/tmp \"$HOME\"; do \
    f=$(mktemp \"$d/.pssh-rs.XXXXXXXXXX\" 2>/dev/null) || continue; \
    if chmod MODE \"$f\" && test -x \"$f\"; then \
    cat >\"$f\" && printf %s \"$f\" && exit 0; rm -f \"$f\"; exit 1; fi; rm -f \"$f\"; done; \
    echo \"no folder for a script: none of ${TMPDIR:-/tmp}, /var/tmp and $HOME takes files that may be executed\" >&2; \
    exit 1";

/// Counted for the path of an uploaded script before it is known, because the host chooses the folder.
pub const PATH_ALLOWANCE: usize = 256;

/// Returns the command that runs the script at `path` with its arguments.
pub fn line(path: &str, args: &[String]) -> String {
    let words: Vec<&str> = std::iter::once(path).chain(args.iter().map(String::as_str)).collect();
    command_line(&words)
}

/// Why the script itself was not started.
pub enum NotStarted {
    CommandEnd(CommandExit, CommandEnd),
    /// The host could not store it. The text says why.
    Upload(String),
}

/// Uploads the script. Returns its path on the host. With `readable` other users may read it, because sudo may run it as
/// one of them.
pub fn upload(
    session: &SshSession,
    script: &Script,
    readable: bool,
    timer: &AttemptTimer,
) -> Result<String, NotStarted> {
    let mode = if readable { "755" } else { "700" };
    let line = format!("exec sh -c '{}'", UPLOAD.replace("MODE", mode));
    let mut output = Captured::default();
    let request = CommandRequest { line: &line, env: &[], stdin: Stdin::Bytes(&script.bytes), tty: false, gate: None };
    match exec(session, request, timer, &mut output) {
        (CommandExit { exit_code: Some(0), .. }, CommandEnd::Closed) => {}
        (CommandExit { exit_code: Some(_), .. }, CommandEnd::Closed) => {
            let why = last_line(&output.stderr).unwrap_or("no reason was given".to_string());
            return Err(NotStarted::Upload(why));
        }
        (_, CommandEnd::Unfinished(wait_error)) => {
            return Err(NotStarted::CommandEnd(CommandExit::default(), CommandEnd::WaitError(wait_error)));
        }
        (exit, end) => return Err(NotStarted::CommandEnd(exit, end)),
    }
    // If a login shell prints something, that comes first.
    let stdout = String::from_utf8_lossy(&output.stdout);
    let path =
        stdout.rfind("/.pssh-rs.").map(|at| stdout[..at].rfind('\n').map_or(&stdout[..], |line| &stdout[line + 1..]));
    match path {
        Some(path) if path.starts_with('/') => Ok(path.to_string()),
        _ => Err(NotStarted::Upload("the host did not print where it put the script".to_string())),
    }
}

/// Time limit for the removal. It is tried also after a timeout or Ctrl-C.
const REMOVAL: Duration = Duration::from_secs(5);

/// Removes the script that `upload` put at `path`. Returns whether it is gone.
pub fn remove(session: &SshSession, path: &str, timer: &AttemptTimer) -> bool {
    let line = format!("exec rm -f {}", quote(path));
    let request = CommandRequest { line: &line, env: &[], stdin: Stdin::Nothing, tty: false, gate: None };
    let ended = timer.with_limit(START + REMOVAL, |_| {
        let own_timer = AttemptTimer::started(REMOVAL);
        session.sheltered(|| exec(session, request, &own_timer, &mut Captured::default()))
    });
    matches!(ended, (CommandExit { exit_code: Some(0), .. }, CommandEnd::Closed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_script_of_crlf_lines_is_one() {
        for script in ["#!/bin/sh\r\nid\r\n", "#!/bin/sh\r\nid", "#!/bin/sh\nid\r\ndf\r\n", "id\r\n"] {
            assert!(has_crlf(script.as_bytes()), "{script:?}");
        }
        for script in ["id", "#!/bin/sh\n", "#!/bin/sh\nprintf 'a\r\n'\nid\n", "id\r", "#!/bin/sh\nid\n\x7f\r\n"] {
            assert!(!has_crlf(script.as_bytes()), "{script:?}");
        }
    }
}
