//! Logs in by public key (RFC 4252 section 7): with key files, certificates, and the keys of an agent.
//!
//! `store` reads all keys once a run, and `choice` selects those that a host is offered. This module offers them one
//! after another. Signatures are made outside of libssh2, so every wait has a deadline.

mod agent;
mod choice;
mod passphrase;
mod private_key;
mod public_key;
mod store;
#[cfg(test)]
mod tests;

pub use passphrase::{PassphraseError, ask_passphrase};
pub use store::{KeySource, KeyStore, Offer};

use crate::base::trace::Trace;
use crate::base::wait::WaitError;
use crate::ffi::{KeyOffer, Step, accepted_methods};
use crate::session::ssh_session::{LOST, SshSession, is_disconnect, phrase};
use agent::AgentError;
use choice::{Candidate, Signer, choose};
use libssh2_sys as raw;
use ssh_encoding::{Decode, Error};
use ssh2::ErrorCode;
use std::io;
use std::time::Instant;

/// Why the login failed.
#[derive(Debug)]
pub enum LoginError {
    /// The server accepted none of the keys. The message names those that were tried.
    Refused(String),
    /// The agent was too busy to sign in time.
    Late(String),
    WaitError(WaitError),
}

pub fn log_in(
    session: &SshSession,
    user: &str,
    store: &KeyStore,
    offer: &Offer,
    deadline: Instant,
    trace: Trace<'_>,
) -> Result<(), LoginError> {
    let choice = choose(store, offer);
    let mut login =
        Login { session, user, deadline, trace, tried: Vec::new(), not_tried: choice.notes, left: 0, refused: false };
    login.not_tried.iter().for_each(|note| trace.say(|| format!("key {note}")));
    if login.needs_no_key()? {
        return Ok(());
    }
    for (at, candidate) in choice.candidates.iter().enumerate() {
        login.left = choice.candidates.len() - at - 1;
        if !login.is_agent_gone(candidate) && login.offer_key(candidate)? {
            return Ok(());
        }
    }
    Err(login.refusal(None))
}

/// A login, and what has happened to its keys so far, as phrases.
struct Login<'a> {
    session: &'a SshSession,
    user: &'a str,
    deadline: Instant,
    trace: Trace<'a>,
    tried: Vec<String>,
    not_tried: Vec<String>,
    /// How many keys have not been offered so far.
    left: usize,
    refused: bool,
}

/// Login methods that ssh has and this engine lacks, and that do not ask the user.
const OTHER_METHODS: [&str; 3] = ["gssapi-with-mic", "gssapi-keyex", "hostbased"];
/// How much of the list of login methods is shown.
const LONGEST_LIST: usize = 200;

impl Login<'_> {
    /// Asks the server for its login methods, as ssh does first. Returns whether it lets the user in without any.
    fn needs_no_key(&mut self) -> Result<bool, LoginError> {
        let methods = match self.session.drive(Some(self.deadline), |raw| accepted_methods(raw, self.user)) {
            Ok(Some(methods)) => methods,
            Ok(None) => {
                self.trace.say(|| format!("the server lets user {:?} in without a key", self.user));
                return Ok(true);
            }
            Err(WaitError::Ssh(_)) => return Err(self.connection_ended()),
            Err(wait_error) => return Err(LoginError::WaitError(wait_error)),
        };
        let shown: String = methods.chars().take(LONGEST_LIST).collect();
        self.trace.say(|| format!("the server accepts from user {:?}: {shown}", self.user));
        let methods: Vec<&str> = methods.split(',').filter(|method| !method.is_empty()).collect();
        if methods.is_empty() || methods.contains(&"publickey") {
            return Ok(false);
        }
        let remedy = match methods.iter().find(|method| OTHER_METHODS.contains(method)) {
            Some(method) => format!("--engine openssh may log in by {method}"),
            None => "let the server accept keys (sshd's PubkeyAuthentication)".to_string(),
        };
        let user = self.user;
        Err(LoginError::Refused(format!("the server accepts no keys from user {user:?}, only {shown}: {remedy}")))
    }

    /// Offers one key. Returns whether the server accepted it.
    fn offer_key(&mut self, candidate: &Candidate<'_>) -> Result<bool, LoginError> {
        let Some(mut offer) = KeyOffer::new(self.session.raw(), self.user, &candidate.public.blob) else {
            return Err(LoginError::Refused(format!("{:?} is not a valid user name", self.user)));
        };
        let (mut asked, mut not_signed, mut other_algorithm) = (false, None, false);
        loop {
            match offer.step() {
                Ok(Step::Accepted) => {
                    self.trace.say(|| format!("key {}: accepted", candidate.describe()));
                    return Ok(self.session.raw().authenticated());
                }
                Ok(Step::Wait) => self.session.wait(Some(self.deadline)).map_err(LoginError::WaitError)?,
                Ok(Step::Sign(data)) => {
                    asked = true;
                    match self.sign(candidate, &data) {
                        Ok(signature) => offer.answer(signature),
                        Err(AgentError::Stopped) => return Err(LoginError::WaitError(WaitError::Stopped)),
                        Err(AgentError::Late) => return Err(self.agent_late()),
                        Err(AgentError::OtherAlgorithm) if !other_algorithm => {
                            other_algorithm = true;
                            offer.answer_other_algorithm();
                        }
                        Err(AgentError::OtherAlgorithm) => {
                            not_signed = Some("the agent makes no RSA signature with SHA-2".to_string());
                            offer.refuse();
                        }
                        Err(AgentError::Gone(why) | AgentError::Refused(why)) => {
                            not_signed = Some(why);
                            offer.refuse();
                        }
                    }
                }
                Err(error) => return self.add_refused_key(&error, candidate, asked, not_signed).map(|()| false),
            }
        }
    }

    fn sign(&self, candidate: &Candidate<'_>, data: &[u8]) -> Result<Vec<u8>, AgentError> {
        let algorithm = signature_algorithm(data, candidate.public.algorithm());
        match &candidate.signer {
            Signer::Key(key) => key.sign(&algorithm, data).map_err(AgentError::Refused),
            Signer::Agent(agent, blob) => agent.sign(blob, &algorithm, data, self.deadline, &self.session.stop()),
        }
    }

    /// Whether the key's agent has gone since the keys were chosen.
    fn is_agent_gone(&mut self, candidate: &Candidate<'_>) -> bool {
        let Signer::Agent(agent, _) = &candidate.signer else { return false };
        let Some(why) = agent.gone() else { return false };
        let note = format!("the agent not ({why})");
        if !self.not_tried.contains(&note) {
            self.trace.say(|| format!("key of {note}"));
            self.not_tried.push(note);
        }
        true
    }

    /// Adds a key to those that were tried, or to those that could not be. Fails if the login is over.
    fn add_refused_key(
        &mut self,
        error: &ssh2::Error,
        candidate: &Candidate<'_>,
        asked: bool,
        not_signed: Option<String>,
    ) -> Result<(), LoginError> {
        // libssh2 also reports a lost connection as a refused key.
        let ended = self.session.disconnect().is_some() || is_disconnect(error) || self.session.is_closed();
        let refused = matches!(
            error.code(),
            ErrorCode::Session(raw::LIBSSH2_ERROR_AUTHENTICATION_FAILED | raw::LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED)
        );
        let (tried, why) = match not_signed {
            Some(why) => (false, why),
            // The server checked this key too before it ended the login.
            None if self.session.disconnect().is_some() => (true, String::new()),
            None if ended => (false, "the server hung up".to_string()),
            None if refused && asked => (true, "the server knows it, and wants more than its signature".to_string()),
            None if refused => (true, String::new()),
            None => (true, phrase(error)),
        };
        let shown = candidate.shown.as_str();
        let result = if why.is_empty() { "refused" } else { &why };
        self.trace.say(|| format!("key {}: {result}", candidate.describe()));
        match (tried, why.is_empty()) {
            (true, true) => self.tried.push(shown.to_string()),
            (true, false) => self.tried.push(format!("{shown} ({why})")),
            (false, _) => self.not_tried.push(format!("{shown} not ({why})")),
        }
        if ended {
            return Err(self.connection_ended());
        }
        self.refused |= tried && refused;
        Ok(())
    }

    /// Returns the error for a login whose connection the server has ended, or which was lost.
    fn connection_ended(&self) -> LoginError {
        match self.session.disconnect() {
            Some(why) => self.refusal(Some(&why)),
            // A server may hang up after too many keys without a message.
            None if self.refused => self.refusal(None),
            None => LoginError::WaitError(WaitError::Io(io::Error::other(LOST))),
        }
    }

    /// Returns the error for a refused login. `ended` are the server's words, if it has ended the attempts.
    fn refusal(&self, ended: Option<&str>) -> LoginError {
        let left = (self.left > 0).then(|| format!("{} more not", self.left));
        let keys: Vec<&str> = self.tried.iter().chain(&self.not_tried).chain(&left).map(String::as_str).collect();
        let keys = keys.join(", ");
        let user = self.user;
        LoginError::Refused(match ended {
            Some(why) => attempts_ended(user, why, &keys, self.tried.len() + self.left > 1),
            None if self.refused => format!("the server refused user {user:?}: tried {keys}"),
            None if keys.is_empty() => format!("there is no key to offer for user {user:?}"),
            None => format!("no key could be offered for user {user:?}: {keys}"),
        })
    }

    fn agent_late(&self) -> LoginError {
        let tried = match self.tried.join(", ") {
            tried if tried.is_empty() => tried,
            tried => format!("; before that: tried {tried}"),
        };
        LoginError::Late(format!(
            "while logging in: the agent did not sign in time: it was busy with other hosts{tried}"
        ))
    }
}

/// Returns the message for a login that the server ended (sshd's MaxAuthTries). `why` are its own words, and `tried` the
/// keys.
pub fn attempts_ended(user: &str, why: &str, tried: &str, several: bool) -> String {
    let tried = if tried.is_empty() { String::new() } else { format!(": tried {tried}") };
    let remedy = if several {
        "; name the right key with -i KEY, and add --ssh-option IdentitiesOnly=yes to offer no other"
    } else {
        ""
    };
    format!("the server refused user {user:?} and ended the attempts ({why:?}){tried}{remedy}")
}

/// Returns the algorithm to sign with. Of RSA's, it is the one that libssh2 agreed on with the server, which `data`
/// contains (RFC 4252 section 7). Of a certificate, it is the algorithm of its key.
fn signature_algorithm(mut data: &[u8], key_type: &str) -> String {
    let reader = &mut data;
    let mut read = || -> Result<String, Error> {
        let (_session_id, _message) = (Vec::<u8>::decode(reader)?, u8::decode(reader)?);
        let (_user, _service, _method) =
            (Vec::<u8>::decode(reader)?, Vec::<u8>::decode(reader)?, String::decode(reader)?);
        let _true = u8::decode(reader)?;
        String::decode(reader)
    };
    match read().unwrap_or_default().trim_end_matches("-cert-v01@openssh.com") {
        name @ ("rsa-sha2-512" | "rsa-sha2-256") => name.to_string(),
        _ => key_type.to_string(),
    }
}
