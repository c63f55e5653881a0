//! Logging in with public keys: the files of `-i`, the agent's identities, the usual files, in this order.

use crate::identity::{Agent, Identities, KeyFile};
use crate::link::{Halt, LOST, Link, is_disconnect, phrase};
use libssh2_sys as raw;
use ssh_key::HashAlg;
use ssh2::{ErrorCode, PublicKey};
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// An agent may hold any number of keys, and servers end a connection after some 6 refused ones.
const MOST_AGENT_KEYS: usize = 6;

/// Why the login failed.
#[derive(Debug)]
pub enum Refusal {
    /// The server took none of the keys; the message tells which were tried.
    Refused(String),
    Halt(Halt),
}

/// One login: what was tried so far, in words.
struct Login<'a> {
    link: &'a Link,
    user: &'a str,
    deadline: Instant,
    tried: Vec<String>,
    refused: bool,
}

pub fn log_in(link: &Link, user: &str, identities: &Identities, deadline: Instant) -> Result<(), Refusal> {
    let mut login = Login { link, user, deadline, tried: Vec::new(), refused: false };
    if login.try_files(&identities.chosen)? {
        return Ok(());
    }
    if login.try_agent(&identities.agent, &identities.chosen)? {
        return Ok(());
    }
    if login.try_files(&identities.usual)? {
        return Ok(());
    }
    Err(login.refusal())
}

impl Login<'_> {
    fn refusal(&self) -> Refusal {
        let tried = self.tried.join(", ");
        Refusal::Refused(match self.refused {
            true => format!("the server refused user {:?}: tried {tried}", self.user),
            false => format!("no key could be offered for user {:?}: {tried}", self.user),
        })
    }

    fn try_files(&mut self, keys: &[KeyFile]) -> Result<bool, Refusal> {
        for key in keys {
            let shown = key.path.display().to_string();
            let Some(secret) = &key.secret else {
                self.tried.push(format!("{shown} not (it is encrypted: load it with ssh-add)"));
                continue;
            };
            let user = self.user;
            let result = self
                .link
                .drive(Some(self.deadline), |session| session.userauth_pubkey_memory(user, None, secret, None));
            if self.judge(result, shown)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The agent's identities, those first that belong to a key of `-i`.
    fn try_agent(&mut self, agent: &Agent, chosen: &[KeyFile]) -> Result<bool, Refusal> {
        let (socket, gone) = match agent {
            Agent::None => return Ok(false),
            Agent::Dead(why) => {
                self.tried.push(format!("the agent not ({why})"));
                return Ok(false);
            }
            Agent::At { socket, gone } => (socket, gone),
        };
        if gone.load(Ordering::Acquire) {
            self.tried.push("the agent not (it is gone)".to_string());
            return Ok(false);
        }
        let agent = match self.connect_agent(socket) {
            Ok(agent) => agent,
            Err(error) => {
                gone.store(true, Ordering::Release);
                self.tried.push(format!("the agent not ({})", error.message()));
                return Ok(false);
            }
        };
        let mut identities = agent.identities().map_err(|error| Refusal::Halt(Halt::Ssh(error)))?;
        let key_of = |identity: &PublicKey| chosen.iter().find(|key| key.public.as_deref() == Some(identity.blob()));
        // What was offered from its file need not be offered again.
        identities.retain(|identity| key_of(identity).is_none_or(|key| key.secret.is_none()));
        identities.sort_by_key(|identity| key_of(identity).is_none());
        if identities.is_empty() {
            self.tried.push("the agent not (it holds no other key)".to_string());
        }
        for identity in identities.iter().take(MOST_AGENT_KEYS) {
            let user = self.user;
            let result = self.link.drive(Some(self.deadline), |_| agent.userauth(user, identity));
            if self.judge(result, format!("{} of the agent", fingerprint(identity)))? {
                return Ok(true);
            }
        }
        if identities.len() > MOST_AGENT_KEYS {
            let more = identities.len() - MOST_AGENT_KEYS;
            self.tried.push(format!("{more} more of the agent not (name the right one with -i)"));
        }
        Ok(false)
    }

    fn connect_agent(&self, socket: &Path) -> Result<ssh2::Agent, ssh2::Error> {
        let mut agent = self.link.session().agent()?;
        agent.set_identity_path(socket)?;
        if let Err(error) = agent.connect() {
            // libssh2 has closed the socket then, and would close the same number again when freeing the agent: by now
            // it may be another host's connection. A leak is the lesser evil; the agent is not asked again.
            std::mem::forget(agent);
            return Err(error);
        }
        agent.list_identities()?;
        Ok(agent)
    }

    /// Tells a refusal, after which the next key has its turn, from the end of the login.
    fn judge(&mut self, result: Result<(), Halt>, key: String) -> Result<bool, Refusal> {
        match result {
            Ok(()) => Ok(self.link.session().authenticated()),
            Err(Halt::Ssh(error)) if is_disconnect(&error) || self.link.is_closed() => match self.refused {
                // A server hangs up on who tried too many keys.
                true => Err(self.refusal()),
                false => Err(Refusal::Halt(Halt::Io(io::Error::other(LOST)))),
            },
            Err(Halt::Ssh(error)) => {
                let refused = matches!(
                    error.code(),
                    ErrorCode::Session(
                        raw::LIBSSH2_ERROR_AUTHENTICATION_FAILED | raw::LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED
                    )
                );
                self.refused |= refused;
                self.tried.push(match refused {
                    true => key,
                    false => format!("{key} ({})", phrase(&error)),
                });
                Ok(false)
            }
            Err(halt) => Err(Refusal::Halt(halt)),
        }
    }
}

fn fingerprint(identity: &PublicKey) -> String {
    match ssh_key::PublicKey::from_bytes(identity.blob()) {
        Ok(key) => key.fingerprint(HashAlg::Sha256).to_string(),
        Err(_) => identity.comment().to_string(),
    }
}
