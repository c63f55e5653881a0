//! The password for sudo. It is asked for once a run, and only if a sudo wants it. It is tried on one host before
//! others get it, because a wrong password on hundreds of hosts locks an account.

use crate::base::wait::WaitError;
use crate::session::command_line::Sudo;
use cerveza_results::Stream;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;
use zeroize::Zeroizing;

/// sudo itself asks as often.
const MOST_TRIES: u32 = 3;
/// How often a host that waits for its turn tries again.
const TURN_CHECK: Duration = Duration::from_millis(20);

/// A password. It is wiped from memory at the end, and never shown.
pub type Secret = Zeroizing<Vec<u8>>;

/// Asks the user with a prompt.
pub type AskPassword = Box<dyn Fn(&str) -> Result<Secret, NoPassword> + Send + Sync>;

/// Why there is no password.
#[derive(Debug)]
pub enum NoPassword {
    /// It cannot be asked for, or sudo refused it. The text says why.
    Because(String),
    WaitError(WaitError),
}

pub struct Password {
    ask: AskPassword,
    state: Mutex<PasswordState>,
}

enum PasswordState {
    NotAsked,
    Good(Secret),
    /// There is none. The text says why.
    None(String),
}

impl fmt::Debug for Password {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl Password {
    pub fn new(ask: AskPassword) -> Password {
        Password { ask, state: Mutex::new(PasswordState::NotAsked) }
    }

    /// Waits until it is this host's turn to get the password. `check` is called while waiting.
    fn lock(&self, check: &dyn Fn() -> Result<(), WaitError>) -> Result<MutexGuard<'_, PasswordState>, WaitError> {
        loop {
            match self.state.try_lock() {
                Ok(state) => return Ok(state),
                Err(TryLockError::Poisoned(state)) => return Ok(state.into_inner()),
                Err(TryLockError::WouldBlock) => check()?,
            }
            std::thread::sleep(TURN_CHECK);
        }
    }
}

/// One sudo on one host. Finds in its output the prompt, and the mark that the command has begun.
pub struct SudoGate<'a> {
    sudo: &'a Sudo,
    password: &'a Password,
    /// The user and the host, for the prompt.
    account: String,
    /// Output of each stream that may be the beginning of a mark.
    held: [Vec<u8>; 2],
    has_begun: bool,
    prompt_count: u32,
    /// Held while this host is the first to try the password.
    first: Option<(MutexGuard<'a, PasswordState>, Secret)>,
}

/// A mark in the output.
#[derive(Debug, PartialEq)]
pub enum SudoSign {
    /// Sudo asks for the password.
    Prompt,
    /// Sudo has started the command, which prints all that follows.
    Begun,
}

impl<'a> SudoGate<'a> {
    pub fn new(sudo: &'a Sudo, password: &'a Password, account: String) -> SudoGate<'a> {
        SudoGate { sudo, password, account, held: Default::default(), has_begun: false, prompt_count: 0, first: None }
    }

    /// Returns whether the command has begun, so its output is no longer searched.
    pub fn is_open(&self) -> bool {
        self.has_begun
    }

    /// Removes the marks from output. Returns the rest of the output, and the marks. What may be the beginning of a mark is
    /// held back.
    pub fn filter(&mut self, stream: Stream, bytes: &[u8]) -> (Vec<u8>, Vec<SudoSign>) {
        let held = &mut self.held[stream as usize];
        held.extend_from_slice(bytes);
        let (mut out, mut signs) = (Vec::new(), Vec::new());
        while !self.has_begun {
            let find = |mark: &str| memchr::memmem::find(held, mark.as_bytes()).map(|at| (at, mark.len()));
            let (prompt, begun) = (find(&self.sudo.prompt), find(&self.sudo.begun));
            let Some((at, len)) = prompt.into_iter().chain(begun).min() else { break };
            out.extend_from_slice(&held[..at]);
            held.drain(..at + len);
            self.has_begun = begun == Some((at, len));
            signs.push(if self.has_begun { SudoSign::Begun } else { SudoSign::Prompt });
        }
        let overlaps = [&self.sudo.prompt, &self.sudo.begun].map(|mark| overlap(held, mark.as_bytes()));
        let keep = if self.has_begun { 0 } else { overlaps[0].max(overlaps[1]) };
        out.extend(held.drain(..held.len() - keep));
        (out, signs)
    }

    /// Returns what is still held back of a stream that has ended.
    pub fn take_held(&mut self, stream: Stream) -> Vec<u8> {
        std::mem::take(&mut self.held[stream as usize])
    }

    /// Returns the password, to answer a prompt.
    pub fn password(&mut self, check: &dyn Fn() -> Result<(), WaitError>) -> Result<Secret, NoPassword> {
        self.prompt_count += 1;
        if self.prompt_count > 1 && self.first.is_none() {
            return Err(NoPassword::Because(format!("sudo refused the password of {}", self.account)));
        }
        let mut state = match self.first.take() {
            Some((state, _)) => state,
            None => self.password.lock(check).map_err(NoPassword::WaitError)?,
        };
        match &*state {
            PasswordState::Good(password) => return Ok(password.clone()),
            PasswordState::None(why) => return Err(NoPassword::Because(why.clone())),
            PasswordState::NotAsked => {}
        }
        check().map_err(NoPassword::WaitError)?;
        if self.prompt_count > MOST_TRIES {
            let why = format!("sudo refused the password of {} {MOST_TRIES} times", self.account);
            *state = PasswordState::None(why.clone());
            return Err(NoPassword::Because(why));
        }
        let again = if self.prompt_count > 1 { "Sorry, try again. " } else { "" };
        match (self.password.ask)(&format!("{again}sudo password of {}: ", self.account)) {
            Ok(password) => {
                self.first = Some((state, password.clone()));
                Ok(password)
            }
            Err(NoPassword::Because(why)) => {
                // A question that a stop ended has no answer.
                check().map_err(NoPassword::WaitError)?;
                *state = PasswordState::None(why.clone());
                Err(NoPassword::Because(why))
            }
            Err(wait_error) => Err(wait_error),
        }
    }

    /// Sudo accepted the password, so other hosts may get it.
    pub fn accept_password(&mut self) {
        if let Some((mut state, password)) = self.first.take() {
            *state = PasswordState::Good(password);
        }
    }
}

impl SudoGate<'_> {
    /// Returns why the command did not begin, if sudo wanted a password.
    pub fn refusal(&self) -> Option<String> {
        match (self.has_begun, self.prompt_count) {
            (true, _) | (_, 0) => None,
            (false, 1) => Some(format!("sudo took the password of {} and ran nothing: stderr says why", self.account)),
            (false, _) => Some(format!("sudo refused the password of {}", self.account)),
        }
    }
}

impl Drop for SudoGate<'_> {
    /// Sudo gives up after the last try. Then the password is tried on no other host.
    fn drop(&mut self) {
        if let Some((mut state, _)) = self.first.take()
            && self.prompt_count >= MOST_TRIES
        {
            *state = PasswordState::None(format!("sudo refused the password of {} {MOST_TRIES} times", self.account));
        }
    }
}

/// Returns how many bytes at the end of `bytes` may be the beginning of `mark`.
fn overlap(bytes: &[u8], mark: &[u8]) -> usize {
    (1..mark.len().min(bytes.len() + 1)).rev().find(|len| bytes.ends_with(&mark[..*len])).unwrap_or(0)
}

/// Makes the marks of a run. They are random, so no output contains them.
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
        fn marks_are_removed_wherever_the_output_is_cut(cuts in proptest::collection::vec(0usize..40, 0..6)) {
            let (sudo, password) = (sudo(), Password::new(Box::new(|_| Err(NoPassword::Because(String::new())))));
            let mut gate = SudoGate::new(&sudo, &password, "me".to_string());
            let all = b"lecture <as<ask>\nno<ask>x<go>out <ask> <go>";
            let mut cuts: Vec<usize> = cuts.into_iter().chain([0, all.len()]).collect();
            cuts.sort_unstable();
            let (mut out, mut seen) = (Vec::new(), Vec::new());
            for cut in cuts.windows(2) {
                let (bytes, marks) = gate.filter(Stream::Stderr, &all[cut[0]..cut[1]]);
                out.extend(bytes);
                seen.extend(marks);
            }
            prop_assert_eq!(String::from_utf8(out).unwrap(), "lecture <as\nnoxout <ask> <go>");
            prop_assert_eq!(seen, [SudoSign::Prompt, SudoSign::Prompt, SudoSign::Begun]);
        }
    }

    #[test]
    fn the_first_host_tries_the_password_and_the_others_get_what_was_accepted() {
        let sudo = sudo();
        let asked = std::sync::atomic::AtomicU32::new(0);
        let ask = move |_: &str| {
            Ok(Zeroizing::new(format!("pw{}", asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed)).into_bytes()))
        };
        let password = Password::new(Box::new(ask));
        let mut first = SudoGate::new(&sudo, &password, "me".to_string());
        assert_eq!(*first.password(&never).unwrap(), b"pw0");
        let mut second = SudoGate::new(&sudo, &password, "me".to_string());
        assert!(matches!(second.password(&|| Err(WaitError::Stopped)), Err(NoPassword::WaitError(WaitError::Stopped))));
        assert_eq!(*first.password(&never).unwrap(), b"pw1");
        first.accept_password();
        let mut second = SudoGate::new(&sudo, &password, "me".to_string());
        assert_eq!(*second.password(&never).unwrap(), b"pw1");
        match second.password(&never) {
            Err(NoPassword::Because(why)) => assert_eq!(why, "sudo refused the password of me"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_password_refused_three_times_is_tried_on_no_other_host() {
        let sudo = sudo();
        let password = Password::new(Box::new(|_| Ok(Zeroizing::new(b"x".to_vec()))));
        let mut gate = SudoGate::new(&sudo, &password, "me".to_string());
        for _ in 0..3 {
            gate.password(&never).unwrap();
        }
        assert!(gate.password(&never).is_err());
        let mut other = SudoGate::new(&sudo, &password, "me".to_string());
        match other.password(&never) {
            Err(NoPassword::Because(why)) => assert_eq!(why, "sudo refused the password of me 3 times"),
            other => panic!("{other:?}"),
        }
    }
}
