//! Logging in by public key (RFC 4252 section 7): with key files, certificates, and the keys of an agent.
//!
//! `store` reads all of them once a run, `choice` says which a host is offered, and this module offers them: one after
//! another, each signed with outside of libssh2, so that no wait is without a deadline.

mod agent;
mod blob;
mod choice;
mod key;
mod passphrase;
mod store;
#[cfg(test)]
mod tests;

pub use passphrase::{Unasked, ask};
pub use store::{KeyStore, Named, Offer};

use crate::ffi::{KeyOffer, Step};
use crate::link::{Halt, LOST, Link, is_disconnect, phrase};
use agent::Trouble;
use blob::Reader;
use choice::{Candidate, Signer, choose};
use libssh2_sys as raw;
use ssh2::ErrorCode;
use std::io;
use std::time::Instant;

/// Servers hang up after so many refused keys (MaxAuthTries).
const MOST_OFFERS: usize = 6;

/// Why the login failed.
#[derive(Debug)]
pub enum Refusal {
    /// The server took none of the keys; the message tells which were tried.
    Refused(String),
    /// The agent was too busy to sign in time.
    Late(String),
    Halt(Halt),
}

pub fn log_in(link: &Link, user: &str, store: &KeyStore, offer: &Offer, deadline: Instant) -> Result<(), Refusal> {
    let choice = choose(store, offer);
    let mut login = Login { link, user, deadline, tried: Vec::new(), not: choice.notes, left: 0, refused: false };
    let mut offered = 0;
    for (at, candidate) in choice.candidates.iter().enumerate() {
        if login.is_lost(candidate) {
            continue;
        }
        login.left = choice.candidates.len() - at;
        if offered == MOST_OFFERS {
            return Err(login.refusal());
        }
        offered += 1;
        login.left -= 1;
        if login.offer(candidate)? {
            return Ok(());
        }
    }
    login.left = 0;
    Err(login.refusal())
}

/// One login: what was tried so far, in words.
struct Login<'a> {
    link: &'a Link,
    user: &'a str,
    deadline: Instant,
    tried: Vec<String>,
    not: Vec<String>,
    /// Keys that had no turn yet.
    left: usize,
    refused: bool,
}

impl Login<'_> {
    /// Offers one key; whether that let us in.
    fn offer(&mut self, candidate: &Candidate<'_>) -> Result<bool, Refusal> {
        let Some(mut offer) = KeyOffer::new(self.link.session(), self.user, &candidate.public.blob) else {
            return Err(Refusal::Refused(format!("{:?} is no user's name", self.user)));
        };
        let (mut asked, mut failed, mut other_algorithm) = (false, None, false);
        loop {
            match offer.step() {
                Ok(Step::Accepted) => return Ok(self.link.session().authenticated()),
                Ok(Step::Wait) => self.link.wait(Some(self.deadline)).map_err(Refusal::Halt)?,
                Ok(Step::Sign(data)) => {
                    asked = true;
                    match self.sign(candidate, &data) {
                        Ok(signature) => offer.answer(signature),
                        Err(Trouble::Stopped) => return Err(Refusal::Halt(Halt::Stopped)),
                        Err(Trouble::Late) => return Err(self.late()),
                        Err(Trouble::OtherAlgorithm) if !other_algorithm => {
                            other_algorithm = true;
                            offer.answer_other_algorithm();
                        }
                        Err(Trouble::OtherAlgorithm) => {
                            failed = Some("the agent makes no RSA signature with SHA-2".to_string());
                            offer.refuse();
                        }
                        Err(Trouble::Gone(why) | Trouble::Refused(why)) => {
                            failed = Some(why);
                            offer.refuse();
                        }
                    }
                }
                Err(error) => return self.judge(&error, candidate, asked, failed).map(|()| false),
            }
        }
    }

    fn sign(&self, candidate: &Candidate<'_>, data: &[u8]) -> Result<Vec<u8>, Trouble> {
        let algorithm = algorithm(data, &candidate.public.algorithm);
        match &candidate.signer {
            Signer::Key(key) => key.sign(&algorithm, data).map_err(Trouble::Refused),
            Signer::Agent(agent, blob) => agent.sign(blob, &algorithm, data, self.deadline, &self.link.stop()),
        }
    }

    /// Whether its agent is gone since the keys were chosen.
    fn is_lost(&mut self, candidate: &Candidate<'_>) -> bool {
        let Signer::Agent(agent, _) = &candidate.signer else { return false };
        let Some(why) = agent.gone() else { return false };
        let note = format!("the agent not ({why})");
        if !self.not.contains(&note) {
            self.not.push(note);
        }
        true
    }

    /// Tells a refusal, after which the next key has its turn, from the end of the login.
    fn judge(
        &mut self,
        error: &ssh2::Error,
        candidate: &Candidate<'_>,
        asked: bool,
        failed: Option<String>,
    ) -> Result<(), Refusal> {
        let shown = &candidate.shown;
        // libssh2 calls a lost connection a refused key too.
        if is_disconnect(error) || self.link.is_closed() {
            return Err(match self.refused {
                // A server hangs up on who tried too many keys.
                true => {
                    self.not.push(format!("{shown} not (the server hung up)"));
                    self.refusal()
                }
                false => Refusal::Halt(Halt::Io(io::Error::other(LOST))),
            });
        }
        let refused = matches!(
            error.code(),
            ErrorCode::Session(raw::LIBSSH2_ERROR_AUTHENTICATION_FAILED | raw::LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED)
        );
        match failed {
            Some(why) => self.not.push(format!("{shown} not ({why})")),
            None => {
                self.refused |= refused;
                self.tried.push(match refused {
                    true if asked => format!("{shown} (the server knows it, and wants more than its signature)"),
                    true => shown.clone(),
                    false => format!("{shown} ({})", phrase(error)),
                });
            }
        }
        Ok(())
    }

    fn refusal(&self) -> Refusal {
        let left = (self.left > 0).then(|| {
            let left = self.left;
            format!("{left} more not (servers take some {MOST_OFFERS} tries: name the right one with -i)")
        });
        let words: Vec<&str> = self.tried.iter().chain(&self.not).chain(&left).map(String::as_str).collect();
        let words = words.join(", ");
        Refusal::Refused(match self.refused {
            true => format!("the server refused user {:?}: tried {words}", self.user),
            false if words.is_empty() => format!("there is no key to offer for user {:?}", self.user),
            false => format!("no key could be offered for user {:?}: {words}", self.user),
        })
    }

    fn late(&self) -> Refusal {
        let tried = match self.tried.is_empty() {
            true => String::new(),
            false => format!("; before that: tried {}", self.tried.join(", ")),
        };
        Refusal::Late(format!("while logging in: the agent did not sign in time: it was busy with other hosts{tried}"))
    }
}

/// The signature algorithm that libssh2 agreed on with the server, as it stands in what is to be signed (RFC 4252
/// section 7): of a certificate, that of its key.
fn algorithm(data: &[u8], of_key: &str) -> String {
    let mut reader = Reader(data);
    let mut read = || {
        let (_session_id, _message) = (reader.string()?, reader.bytes(1)?);
        let (_user, _service, _method, _true) =
            (reader.string()?, reader.string()?, reader.string()?, reader.bytes(1)?);
        std::str::from_utf8(reader.string()?).ok()
    };
    match read().map(|name| name.strip_suffix("-cert-v01@openssh.com").unwrap_or(name)) {
        Some(name @ ("rsa-sha2-512" | "rsa-sha2-256")) => name.to_string(),
        _ => of_key.to_string(),
    }
}
