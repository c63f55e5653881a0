//! A local script on a host: uploads it over the connection, and removes it.

use crate::session::command_line::{command_line, quote};
use crate::session::exec::{CommandEnd, CommandExit, CommandRequest, START, Stdin, exec};
use crate::session::phase_timer::PhaseTimer;
use crate::session::ssh_session::SshSession;
use cerveza_manners::{last_line, read_capped};
use cerveza_results::Captured;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// In bytes: a script is text that people wrote, or an archive behind a few lines of it.
const LARGEST: u64 = 64 << 20;

/// A script, read once for all hosts.
#[derive(Debug)]
pub struct Script {
    pub path: PathBuf,
    bytes: Vec<u8>,
}

impl Script {
    pub fn read(path: &Path) -> io::Result<Script> {
        let bytes = read_capped(File::open(path)?, LARGEST)?;
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

/// Makes a file that may be executed, and fills it: where a folder's file system forbids that the next is tried. Prints the
/// file's name. It is one line without a single quote, so that login shells other than sh hand it on as it is.
const UPLOAD: &str = "umask 077; f=; gone() { rm -f \"$f\"; exit 1; }; trap gone HUP INT TERM; for d in \"${TMPDIR:-/tmp}\" /var/tmp \"$HOME\"; do \
    f=$(mktemp \"$d/.pssh-rs.XXXXXXXXXX\" 2>/dev/null) || continue; \
    if chmod MODE \"$f\" && test -x \"$f\"; then \
    cat >\"$f\" && printf %s \"$f\" && exit 0; rm -f \"$f\"; exit 1; fi; rm -f \"$f\"; done; \
    echo \"no folder for a script: none of ${TMPDIR:-/tmp}, /var/tmp and $HOME takes files that may be executed\" >&2; \
    exit 1";

/// Counted for the path of an uploaded script before it is known: the folder is the host's to choose.
pub const PATH_ALLOWANCE: usize = 256;

/// The command that runs the script at `path` with its arguments.
pub fn line(path: &str, args: &[String]) -> String {
    let words: Vec<&str> = std::iter::once(path).chain(args.iter().map(String::as_str)).collect();
    command_line(&words)
}

/// What went wrong before the script itself began.
pub enum NotStarted {
    CommandEnd(CommandExit, CommandEnd),
    /// The upload failed; what it said.
    Upload(String),
}

/// Puts the script on the host; the file's name there. With `readable` others than who logs in may read it:
/// sudo may make another user of us.
pub fn upload(
    session: &SshSession,
    script: &Script,
    readable: bool,
    timer: &PhaseTimer<'_>,
) -> Result<String, NotStarted> {
    let mode = if readable { "755" } else { "700" };
    let line = format!("exec sh -c '{}'", UPLOAD.replace("MODE", mode));
    let mut said = Captured::default();
    let request = CommandRequest { line: &line, env: &[], stdin: Stdin::Bytes(&script.bytes), tty: false, gate: None };
    match exec(session, request, timer, &mut said) {
        (CommandExit { exit_code: Some(0), .. }, CommandEnd::Closed) => {}
        (CommandExit { exit_code: Some(_), .. }, CommandEnd::Closed) => {
            let why = last_line(&said.stderr).unwrap_or("no reason was given".to_string());
            return Err(NotStarted::Upload(why));
        }
        (_, CommandEnd::Unfinished(wait_error)) => {
            return Err(NotStarted::CommandEnd(CommandExit::default(), CommandEnd::WaitError(wait_error)));
        }
        (exit, end) => return Err(NotStarted::CommandEnd(exit, end)),
    }
    // A login shell that prints something of its own prints it first.
    let said = String::from_utf8_lossy(&said.stdout);
    let path = said.rfind("/.pssh-rs.").map(|at| said[..at].rfind('\n').map_or(&said[..], |line| &said[line + 1..]));
    match path {
        Some(path) if path.starts_with('/') => Ok(path.to_string()),
        _ => Err(NotStarted::Upload("the host did not say where it put the script".to_string())),
    }
}

/// How long the removal may take; it is tried also after a timeout or Ctrl-C.
const REMOVAL: Duration = Duration::from_secs(5);

/// Removes what `upload` put there; whether that was done.
pub fn remove(session: &SshSession, path: &str, timer: &PhaseTimer<'_>) -> bool {
    timer.report_deadline(Some(Instant::now() + START + REMOVAL));
    let line = format!("exec rm -f {}", quote(path));
    let mut watch = |_, _| {};
    let own_timer = PhaseTimer::start(Some(REMOVAL), &mut watch);
    let request = CommandRequest { line: &line, env: &[], stdin: Stdin::Nothing, tty: false, gate: None };
    let ended = session.sheltered(|| exec(session, request, &own_timer, &mut Captured::default()));
    timer.report_own_deadline();
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
