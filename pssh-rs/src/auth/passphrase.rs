//! Asks for a passphrase: on the terminal without echo, or through SSH_ASKPASS if there is no terminal, as ssh does.

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

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long an askpass program may run after its answer.
const ASKPASS_EXIT: Duration = Duration::from_secs(5);
/// OpenSSH's limit.
const LONGEST: usize = 1024;

pub type Passphrase = Zeroizing<Vec<u8>>;

/// Why there is no answer.
#[derive(Debug)]
pub enum PassphraseError {
    /// There is neither a terminal nor an askpass program.
    CannotAsk,
    Interrupted,
    Failed(String),
}

impl From<io::Error> for PassphraseError {
    fn from(error: io::Error) -> PassphraseError {
        PassphraseError::Failed(error.to_string())
    }
}

impl From<WaitError> for PassphraseError {
    fn from(wait_error: WaitError) -> PassphraseError {
        match wait_error {
            WaitError::Deadline => {
                PassphraseError::Failed(format!("no answer within {}", humantime::format_duration(PATIENCE)))
            }
            WaitError::Stopped => PassphraseError::Interrupted,
            WaitError::Io(error) => error.into(),
            WaitError::Ssh(error) => PassphraseError::Failed(error.to_string()),
        }
    }
}

/// Asks for a passphrase. The prompt must not contain control characters.
pub fn ask_passphrase(prompt: &str, stop: &Stop) -> Result<Passphrase, PassphraseError> {
    let askpass = askpass();
    if let Some((program, Use::Always)) = &askpass {
        return ask_by_program(program, prompt, stop);
    }
    match (OpenOptions::new().read(true).write(true).open("/dev/tty"), askpass) {
        (Ok(terminal), _) => ask_on_terminal(terminal, prompt, stop),
        (Err(_), Some((program, _))) => ask_by_program(&program, prompt, stop),
        (Err(_), None) => Err(PassphraseError::CannotAsk),
    }
}

/// When the askpass program is used.
enum Use {
    Always,
    WithoutTerminal,
}

/// Returns the askpass program, by the rules for SSH_ASKPASS, SSH_ASKPASS_REQUIRE and DISPLAY in ssh(1).
fn askpass() -> Option<(OsString, Use)> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let program = set("SSH_ASKPASS")?;
    let display = set("DISPLAY").is_some() || set("WAYLAND_DISPLAY").is_some();
    let require = set("SSH_ASKPASS_REQUIRE").unwrap_or_default();
    match require.to_str().unwrap_or_default() {
        "never" => None,
        "force" => Some((program, Use::Always)),
        "prefer" if display => Some((program, Use::Always)),
        _ => display.then_some((program, Use::WithoutTerminal)),
    }
}

fn ask_by_program(program: &OsString, prompt: &str, stop: &Stop) -> Result<Passphrase, PassphraseError> {
    let shown = cerveza_manners::visible(&program.to_string_lossy()).into_owned();
    let spawned = Command::new(program).arg(prompt).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| PassphraseError::Failed(format!("cannot run {shown}: {error}")))?;
    let line = match child.stdout.take() {
        Some(output) => read_line(&File::from(OwnedFd::from(output)), Source::Program, stop),
        None => Ok(Passphrase::default()),
    };
    let until = Instant::now() + ASKPASS_EXIT;
    while line.is_ok() && child.try_wait()?.is_none() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    let status = child.wait()?;
    let line = line?;
    if status.success() {
        Ok(line)
    } else {
        Err(PassphraseError::Failed(format!("{shown} gave no passphrase: {status}")))
    }
}

fn ask_on_terminal(terminal: File, prompt: &str, stop: &Stop) -> Result<Passphrase, PassphraseError> {
    let quiet = QuietTerminal::new(terminal)?;
    (&quiet.terminal).write_all(prompt.as_bytes())?;
    read_line(&quiet.terminal, Source::Terminal, stop)
}

/// Where a line is read from. A terminal's has control characters.
#[derive(PartialEq)]
enum Source {
    Program,
    Terminal,
}

/// Reads one line. Returns it without its end.
fn read_line(mut file: &File, source: Source, stop: &Stop) -> Result<Passphrase, PassphraseError> {
    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    const CTRL_U: u8 = 21;
    const CTRL_BACKSLASH: u8 = 28;
    const BACKSPACE: [u8; 2] = [8, 127];
    let is_terminal = source == Source::Terminal;
    let deadline = Instant::now() + PATIENCE;
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut byte = Zeroizing::new([0]);
    loop {
        wait_for(file.as_fd(), PollFlags::IN, Some(deadline), stop)?;
        if file.read(&mut *byte)? == 0 {
            return if is_terminal { Err(PassphraseError::Interrupted) } else { Ok(line) };
        }
        match byte[0] {
            b'\n' | b'\r' => return Ok(line),
            CTRL_C | CTRL_BACKSLASH if is_terminal => return Err(PassphraseError::Interrupted),
            CTRL_D if is_terminal && line.is_empty() => return Ok(line),
            CTRL_U if is_terminal => line.clear(),
            byte if is_terminal && BACKSPACE.contains(&byte) => {
                // Remove a whole character: in UTF-8 the bytes after its first begin with the bits 10.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            byte if line.len() < LONGEST => line.push(byte),
            _ => {}
        }
    }
}

/// A terminal that neither shows what is typed nor turns it into signals. Dropping this restores it.
struct QuietTerminal {
    terminal: File,
    before: Termios,
}

impl QuietTerminal {
    fn new(terminal: File) -> io::Result<QuietTerminal> {
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        // Ctrl-C is read as a byte, because a signal would leave the terminal without echo.
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(QuietTerminal { terminal, before })
    }
}

impl Drop for QuietTerminal {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
        let _ = (&self.terminal).write_all(b"\n");
    }
}
