//! Which keys a host is offered, and in which order. A pure function of the key store and the host's `Offer`.
//!
//! The order is: keys that were chosen (CertificateFile, `-i`, IdentityFile), the agent's keys, the usual files.
//! Certificates come first in each group. A key's file signs if it could be opened, else the agent.

use super::agent::Agent;
use super::private_key::PrivateKey;
use super::public_key::PublicKey;
use super::store::{KeyFile, KeyStore, Named, Offer, PrivateHalf};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

pub enum Signer<'a> {
    Key(&'a PrivateKey),
    /// The agent, and what it holds the key as.
    Agent(&'a Agent, &'a [u8]),
}

/// A key to offer.
pub struct Candidate<'a> {
    pub public: &'a PublicKey,
    pub signer: Signer<'a>,
    /// As errors name it.
    pub shown: String,
}

impl Candidate<'_> {
    /// Its type, its fingerprint and where it comes from.
    pub fn described(&self) -> String {
        let (algorithm, fingerprint) = (self.public.algorithm(), self.public.fingerprint());
        if self.shown.contains(&fingerprint) {
            format!("{algorithm} {}", self.shown)
        } else {
            format!("{algorithm} {fingerprint} of {}", self.shown)
        }
    }
}

#[derive(Default)]
pub struct KeyChoice<'a> {
    pub candidates: Vec<Candidate<'a>>,
    /// What cannot be offered, and why.
    pub notes: Vec<String>,
}

pub fn choose<'a>(store: &'a KeyStore, offer: &Offer) -> KeyChoice<'a> {
    let agent = store.agent(offer);
    let gone = agent.and_then(Agent::gone);
    let files: Vec<(&Path, &KeyFile)> = offer.files.iter().filter_map(|path| store.file(path)).collect();
    let mut chooser = Chooser { offer, files, agent: agent.filter(|_| gone.is_none()), choice: KeyChoice::default() };
    chooser.certificate_files(store);
    match offer.named {
        Named::Usual => {
            chooser.agent();
            chooser.files();
        }
        Named::Config | Named::Option => {
            chooser.files();
            chooser.agent();
        }
    }
    if let Some(why) = gone {
        chooser.choice.notes.push(format!("the agent not ({why})"));
    }
    chooser.choice
}

struct Chooser<'a, 'o> {
    offer: &'o Offer,
    files: Vec<(&'a Path, &'a KeyFile)>,
    agent: Option<&'a Agent>,
    choice: KeyChoice<'a>,
}

impl<'a> Chooser<'a, '_> {
    fn certificate_files(&mut self, store: &'a KeyStore) {
        for path in &self.offer.certificates {
            match store.certificate(path) {
                Some(Ok(public)) => self.push(public, shown(path)),
                Some(Err(why)) => self.note(path, why),
                None => {}
            }
        }
    }

    fn files(&mut self) {
        let files = self.files.clone();
        for (path, file) in &files {
            // As for ssh: who names certificates gets no others.
            match &file.certificate {
                Some(Ok(public)) if self.offer.certificates.is_empty() => {
                    self.push(public, format!("{}-cert.pub", shown(path)));
                }
                Some(Err(why)) => self.note(&super::store::beside(path, "-cert.pub"), why),
                _ => {}
            }
            let key = file.public.as_ref().map(|public| &public.key);
            let held = self.agent.map(Agent::keys).unwrap_or_default();
            for public in held.iter().filter(|public| public.is_certificate() && Some(&public.key) == key) {
                self.push(public, of_agent(public));
            }
        }
        for (path, file) in &files {
            match &file.public {
                Some(public) if self.signer(public).is_some() => self.push(public, shown(path)),
                _ => {
                    if let Some(why) = self.why_not(file) {
                        self.note(path, &why);
                    }
                }
            }
        }
    }

    fn agent(&mut self) {
        let Some(agent) = self.agent.filter(|_| !self.offer.identities_only) else { return };
        if agent.keys().is_empty() {
            self.choice.notes.push("the agent not (it holds no key, or it is locked)".to_string());
        }
        let (certificates, keys): (Vec<_>, Vec<_>) = agent.keys().iter().partition(|public| public.is_certificate());
        for public in certificates.into_iter().chain(keys) {
            self.push(public, of_agent(public));
        }
    }

    /// Adds a key that can be signed with, unless it is there.
    fn push(&mut self, public: &'a PublicKey, mut shown: String) {
        if self.choice.candidates.iter().any(|other| other.public.blob == public.blob) {
            return;
        }
        let Some(signer) = self.signer(public) else {
            return self.choice.notes.push(format!("{shown} not (its private key is not at hand)"));
        };
        if public.valid_before.is_some_and(has_passed) {
            shown.push_str(" (it has expired)");
        }
        self.choice.candidates.push(Candidate { public, signer, shown });
    }

    fn signer(&self, public: &'a PublicKey) -> Option<Signer<'a>> {
        let open = self.files.iter().find_map(|(_, file)| match &file.private {
            PrivateHalf::Open(key) if key.public.key == public.key => Some(key),
            _ => None,
        });
        let agent = || {
            let agent = self.agent?;
            let held = |blob: &[u8]| agent.keys().iter().find(|held| held.blob == blob);
            let held = held(&public.blob).or_else(|| held(&public.key))?;
            Some(Signer::Agent(agent, &held.blob))
        };
        open.map(Signer::Key).or_else(agent)
    }

    /// Why a file's key cannot be offered; nothing where nobody expects it to be.
    fn why_not(&self, file: &KeyFile) -> Option<String> {
        let usual = self.offer.named == Named::Usual;
        Some(match (&file.private, &file.public) {
            (PrivateHalf::Open(_), _) => return None,
            (PrivateHalf::Locked(_), _) if usual => {
                "it is encrypted: load it with ssh-add, or name it with -i to be asked for its passphrase".into()
            }
            (PrivateHalf::Locked(_), _) => "it is encrypted, and no passphrase was given: load it with ssh-add".into(),
            (PrivateHalf::Hardware, _) => {
                "a FIDO authenticator holds it: load it with ssh-add, or use --engine openssh".into()
            }
            (PrivateHalf::Exposed(mode), _) => {
                format!("its permissions {mode:04o} are too open: take away the access of others with chmod 600")
            }
            (PrivateHalf::Absent(_), _) if usual => return None,
            (PrivateHalf::Absent(why), None) => why.clone(),
            (PrivateHalf::Absent(_), Some(_)) => "only its public half is there, and no agent holds it".into(),
        })
    }

    fn note(&mut self, path: &Path, why: &str) {
        self.choice.notes.push(format!("{} not ({why})", shown(path)));
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn of_agent(public: &PublicKey) -> String {
    let kind = if public.is_certificate() { "the certificate of " } else { "" };
    format!("{kind}{} of the agent", public.fingerprint())
}

fn has_passed(time: u64) -> bool {
    SystemTime::now().duration_since(UNIX_EPOCH).is_ok_and(|now| now.as_secs() >= time)
}
