//! Asks for a passphrase: on the terminal without echo, or, where there is none, through SSH_ASKPASS, as ssh does.

use crate::base::shutdown::Stop;
use crate::base::wait::{WaitError, wait_for};
use rustix::event::PollFlags;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::env;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Nobody is there who takes longer.
const PATIENCE: Duration = Duration::from_secs(300);
/// An askpass program that has answered ends within this time.
const FAREWELL: Duration = Duration::from_secs(5);
/// As OpenSSH's.
const LONGEST: usize = 1024;

pub type Passphrase = Zeroizing<Vec<u8>>;

/// Why there is no answer.
#[derive(Debug)]
pub enum Unasked {
    /// There is neither a terminal nor an askpass program.
    Nobody,
    Interrupted,
    Failed(String),
}

impl From<io::Error> for Unasked {
    fn from(error: io::Error) -> Unasked {
        Unasked::Failed(error.to_string())
    }
}

impl From<WaitError> for Unasked {
    fn from(wait_error: WaitError) -> Unasked {
        match wait_error {
            WaitError::Deadline => {
                Unasked::Failed(format!("no answer within {}", humantime::format_duration(PATIENCE)))
            }
            WaitError::Stopped => Unasked::Interrupted,
            WaitError::Io(error) => error.into(),
            WaitError::Ssh(error) => Unasked::Failed(error.to_string()),
        }
    }
}

/// Asks; the prompt is free of control characters.
pub fn ask(prompt: &str, stop: &Stop) -> Result<Passphrase, Unasked> {
    let terminal = || OpenOptions::new().read(true).write(true).open("/dev/tty").ok();
    match askpass() {
        Askpass::Always(program) => through(&program, prompt, stop),
        Askpass::WithoutTerminal(program) => match terminal() {
            Some(terminal) => on(terminal, prompt, stop),
            None => through(&program, prompt, stop),
        },
        Askpass::Never => on(terminal().ok_or(Unasked::Nobody)?, prompt, stop),
    }
}

enum Askpass {
    Never,
    WithoutTerminal(OsString),
    Always(OsString),
}

/// As ssh(1) says of SSH_ASKPASS, SSH_ASKPASS_REQUIRE and DISPLAY.
fn askpass() -> Askpass {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let Some(program) = set("SSH_ASKPASS") else { return Askpass::Never };
    let display = set("DISPLAY").is_some() || set("WAYLAND_DISPLAY").is_some();
    let require = set("SSH_ASKPASS_REQUIRE").unwrap_or_default();
    match require.to_str().unwrap_or_default() {
        "never" => Askpass::Never,
        "force" => Askpass::Always(program),
        "prefer" if display => Askpass::Always(program),
        _ if display => Askpass::WithoutTerminal(program),
        _ => Askpass::Never,
    }
}

fn through(program: &OsString, prompt: &str, stop: &Stop) -> Result<Passphrase, Unasked> {
    let shown = || cerveza_manners::visible(&program.to_string_lossy()).into_owned();
    let spawned = Command::new(program).arg(prompt).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| Unasked::Failed(format!("cannot run {}: {error}", shown())))?;
    let line = match child.stdout.take() {
        Some(output) => read_line(&File::from(OwnedFd::from(output)), stop),
        None => Ok(Passphrase::default()),
    };
    // With its answer it has done its work.
    let until = Instant::now() + FAREWELL;
    while line.is_ok() && child.try_wait()?.is_none() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    let status = child.wait()?;
    match line? {
        line if status.success() => Ok(line),
        _ => Err(Unasked::Failed(format!("{} gave no passphrase: {status}", shown()))),
    }
}

/// The first line of what is read, without its end.
fn read_line(mut reader: &File, stop: &Stop) -> Result<Passphrase, Unasked> {
    let deadline = Instant::now() + PATIENCE;
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut byte = Zeroizing::new([0]);
    loop {
        wait_for(reader.as_fd(), PollFlags::IN, Some(deadline), stop)?;
        if reader.read(&mut *byte)? == 0 || matches!(byte[0], b'\n' | b'\r') {
            return Ok(line);
        }
        if line.len() < LONGEST {
            line.push(byte[0]);
        }
    }
}

/// A terminal that neither shows what is typed nor makes signals of it; as it was when dropped.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn new(terminal: File) -> io::Result<Quiet> {
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        // Ctrl-C comes as a byte: a signal would leave the terminal without its echo.
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(Quiet { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
        let _ = (&self.terminal).write_all(b"\n");
    }
}

fn on(terminal: File, prompt: &str, stop: &Stop) -> Result<Passphrase, Unasked> {
    let quiet = Quiet::new(terminal)?;
    (&quiet.terminal).write_all(prompt.as_bytes())?;
    let deadline = Instant::now() + PATIENCE;
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut byte = Zeroizing::new([0]);
    loop {
        wait_for(quiet.terminal.as_fd(), PollFlags::IN, Some(deadline), stop)?;
        if (&quiet.terminal).read(&mut *byte)? == 0 {
            return Err(Unasked::Interrupted);
        }
        const CTRL_C: u8 = 3;
        const CTRL_D: u8 = 4;
        const CTRL_U: u8 = 21;
        const CTRL_BACKSLASH: u8 = 28;
        match byte[0] {
            b'\n' | b'\r' => return Ok(line),
            CTRL_C | CTRL_BACKSLASH => return Err(Unasked::Interrupted),
            CTRL_D if line.is_empty() => return Ok(line),
            CTRL_U => line.clear(),
            8 | 127 => {
                // A whole character: in UTF-8 the bytes after its first begin with 10.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            typed if line.len() < LONGEST => line.push(typed),
            _ => {}
        }
    }
}
