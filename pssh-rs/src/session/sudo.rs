//! Sudo's password: asked for once in the run, and only where a sudo asks; tried on one host before others get it, since
//! a wrong one on hundreds of hosts locks an account.

use crate::base::wait::WaitError;
use crate::session::command_line::Sudo;
use cerveza_results::Stream;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;
use zeroize::Zeroizing;

/// As often as sudo itself asks.
const MOST_TRIES: u32 = 3;
/// How often somebody who waits for another's answer looks again.
const AGAIN: Duration = Duration::from_millis(20);

/// A password; it is wiped from memory in the end, and shown by nothing.
pub type Secret = Zeroizing<Vec<u8>>;

/// Asks the user, with a prompt; or why that is not possible.
pub type AskPassword = Box<dyn Fn(&str) -> Result<Secret, NoPassword> + Send + Sync>;

/// Why there is no password.
#[derive(Debug)]
pub enum NoPassword {
    /// In words.
    Because(String),
    WaitError(WaitError),
}

pub struct Password {
    ask: AskPassword,
    known: Mutex<Known>,
}

enum Known {
    NotAsked,
    Good(Secret),
    /// There is none to be had; why.
    None(String),
}

impl fmt::Debug for Password {
    /// Never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl Password {
    pub fn new(ask: AskPassword) -> Password {
        Password { ask, known: Mutex::new(Known::NotAsked) }
    }

    /// Waits until it is this host's turn to know the password. `check` is called while waiting.
    fn lock(&self, check: &dyn Fn() -> Result<(), WaitError>) -> Result<MutexGuard<'_, Known>, WaitError> {
        loop {
            match self.known.try_lock() {
                Ok(known) => return Ok(known),
                Err(TryLockError::Poisoned(known)) => return Ok(known.into_inner()),
                Err(TryLockError::WouldBlock) => check()?,
            }
            std::thread::sleep(AGAIN);
        }
    }
}

/// One sudo on one host: what it prints is looked through for its prompt, and for the mark that the command has begun.
pub struct SudoGate<'a> {
    sudo: &'a Sudo,
    password: &'a Password,
    /// Whose account it is, for who is asked.
    whose: String,
    held: [Vec<u8>; 2],
    begun: bool,
    asked: u32,
    /// Held while this host is the first to try the password.
    first: Option<(MutexGuard<'a, Known>, Secret)>,
}

/// What a stretch of output held besides output.
#[derive(Debug, PartialEq)]
pub enum SudoSign {
    /// Sudo wants the password.
    Prompt,
    /// Sudo is content: what comes from now on is the command's.
    Begun,
}

impl<'a> SudoGate<'a> {
    pub fn new(sudo: &'a Sudo, password: &'a Password, whose: String) -> SudoGate<'a> {
        SudoGate { sudo, password, whose, held: [Vec::new(), Vec::new()], begun: false, asked: 0, first: None }
    }

    pub fn is_open(&self) -> bool {
        self.begun
    }

    /// Takes prompt and mark out of the output. What may be the beginning of one is held back.
    pub fn pass(&mut self, stream: Stream, bytes: &[u8]) -> (Vec<u8>, Vec<SudoSign>) {
        let held = &mut self.held[stream as usize];
        held.extend_from_slice(bytes);
        let (mut out, mut seen) = (Vec::new(), Vec::new());
        while !self.begun {
            let find = |mark: &str| memchr::memmem::find(held, mark.as_bytes()).map(|at| (at, mark.len()));
            let (prompt, begun) = (find(&self.sudo.prompt), find(&self.sudo.begun));
            let Some((at, len)) = prompt.into_iter().chain(begun).min() else { break };
            out.extend_from_slice(&held[..at]);
            held.drain(..at + len);
            self.begun = begun == Some((at, len));
            seen.push(if self.begun { SudoSign::Begun } else { SudoSign::Prompt });
        }
        let keep = match self.begun {
            true => 0,
            false => [&self.sudo.prompt, &self.sudo.begun]
                .map(|mark| overlap(held, mark.as_bytes()))
                .into_iter()
                .max()
                .unwrap_or(0),
        };
        out.extend(held.drain(..held.len() - keep));
        (out, seen)
    }

    /// What was held back to the last.
    pub fn rest(&mut self, stream: Stream) -> Vec<u8> {
        std::mem::take(&mut self.held[stream as usize])
    }

    /// The answer to a prompt.
    pub fn answer(&mut self, check: &dyn Fn() -> Result<(), WaitError>) -> Result<Secret, NoPassword> {
        self.asked += 1;
        if self.asked > 1 && self.first.is_none() {
            return Err(NoPassword::Because(format!("sudo refused the password of {}", self.whose)));
        }
        let mut known = match self.first.take() {
            Some((known, _)) => known,
            None => self.password.lock(check).map_err(NoPassword::WaitError)?,
        };
        match &*known {
            Known::Good(password) => return Ok(password.clone()),
            Known::None(why) => return Err(NoPassword::Because(why.clone())),
            Known::NotAsked => {}
        }
        check().map_err(NoPassword::WaitError)?;
        if self.asked > MOST_TRIES {
            let why = format!("sudo refused the password of {} {MOST_TRIES} times", self.whose);
            *known = Known::None(why.clone());
            return Err(NoPassword::Because(why));
        }
        let again = if self.asked > 1 { "Sorry, try again. " } else { "" };
        match (self.password.ask)(&format!("{again}sudo password of {}: ", self.whose)) {
            Ok(password) => {
                self.first = Some((known, password.clone()));
                Ok(password)
            }
            Err(NoPassword::Because(why)) => {
                // The end of the run is no answer.
                check().map_err(NoPassword::WaitError)?;
                *known = Known::None(why.clone());
                Err(NoPassword::Because(why))
            }
            Err(wait_error) => Err(wait_error),
        }
    }

    /// The password was good: others may have it.
    pub fn accepted(&mut self) {
        if let Some((mut known, password)) = self.first.take() {
            *known = Known::Good(password);
        }
    }
}

impl SudoGate<'_> {
    /// Why the command did not begin, where that was for want of a password.
    pub fn refusal(&self) -> Option<String> {
        match (self.begun, self.asked) {
            (true, _) | (_, 0) => None,
            (false, 1) => Some(format!("sudo took the password of {} and ran nothing: stderr says why", self.whose)),
            (false, _) => Some(format!("sudo refused the password of {}", self.whose)),
        }
    }
}

impl Drop for SudoGate<'_> {
    /// Sudo gives up by itself after the last try: then the password is tried nowhere else.
    fn drop(&mut self) {
        if let (Some((mut known, _)), true) = (self.first.take(), self.asked >= MOST_TRIES) {
            *known = Known::None(format!("sudo refused the password of {} {MOST_TRIES} times", self.whose));
        }
    }
}

/// How much of the end of `bytes` may be the beginning of `mark`.
fn overlap(bytes: &[u8], mark: &[u8]) -> usize {
    (1..mark.len().min(bytes.len() + 1)).rev().find(|len| bytes.ends_with(&mark[..*len])).unwrap_or(0)
}

/// Marks for one run that no output holds by chance or, since they are random, on purpose.
pub fn marks(user: Option<String>) -> Sudo {
    let random = || format!("{:016x}", RandomState::new().build_hasher().finish());
    Sudo { user, prompt: format!("pssh-rs.sudo.{}:", random()), begun: format!("pssh-rs.begun.{}:", random()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sudo() -> Sudo {
        Sudo { user: None, prompt: "<ask>".to_string(), begun: "<go>".to_string() }
    }

    fn never() -> Result<(), WaitError> {
        Ok(())
    }

    proptest! {
        #[test]
        fn marks_are_taken_out_wherever_the_output_is_cut(cuts in proptest::collection::vec(0usize..40, 0..6)) {
            let (sudo, password) = (sudo(), Password::new(Box::new(|_| Err(NoPassword::Because(String::new())))));
            let mut gate = SudoGate::new(&sudo, &password, "me".to_string());
            let all = b"lecture <as<ask>\nno<ask>x<go>out <ask> <go>";
            let mut cuts: Vec<usize> = cuts.into_iter().chain([0, all.len()]).collect();
            cuts.sort_unstable();
            let (mut out, mut seen) = (Vec::new(), Vec::new());
            for cut in cuts.windows(2) {
                let (bytes, marks) = gate.pass(Stream::Stderr, &all[cut[0]..cut[1]]);
                out.extend(bytes);
                seen.extend(marks);
            }
            prop_assert_eq!(String::from_utf8(out).unwrap(), "lecture <as\nnoxout <ask> <go>");
            prop_assert_eq!(seen, [SudoSign::Prompt, SudoSign::Prompt, SudoSign::Begun]);
        }
    }

    #[test]
    fn the_first_host_tries_it_and_the_others_get_what_was_good() {
        let sudo = sudo();
        let asked = std::sync::atomic::AtomicU32::new(0);
        let ask = move |_: &str| {
            Ok(Zeroizing::new(format!("pw{}", asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed)).into_bytes()))
        };
        let password = Password::new(Box::new(ask));
        let mut first = SudoGate::new(&sudo, &password, "me".to_string());
        assert_eq!(*first.answer(&never).unwrap(), b"pw0");
        let mut second = SudoGate::new(&sudo, &password, "me".to_string());
        assert!(matches!(second.answer(&|| Err(WaitError::Stopped)), Err(NoPassword::WaitError(WaitError::Stopped))));
        assert_eq!(*first.answer(&never).unwrap(), b"pw1");
        first.accepted();
        let mut second = SudoGate::new(&sudo, &password, "me".to_string());
        assert_eq!(*second.answer(&never).unwrap(), b"pw1");
        match second.answer(&never) {
            Err(NoPassword::Because(why)) => assert_eq!(why, "sudo refused the password of me"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_password_refused_three_times_is_tried_nowhere_else() {
        let sudo = sudo();
        let password = Password::new(Box::new(|_| Ok(Zeroizing::new(b"x".to_vec()))));
        let mut gate = SudoGate::new(&sudo, &password, "me".to_string());
        for _ in 0..3 {
            gate.answer(&never).unwrap();
        }
        assert!(gate.answer(&never).is_err());
        let mut other = SudoGate::new(&sudo, &password, "me".to_string());
        match other.answer(&never) {
            Err(NoPassword::Because(why)) => assert_eq!(why, "sudo refused the password of me 3 times"),
            other => panic!("{other:?}"),
        }
    }
}
