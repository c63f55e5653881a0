//! Chooses which keys a host is offered, and in which order: keys that were named (CertificateFile, `-i`, IdentityFile),
//! then the agent's keys, then the usual files. Certificates come first in each group. A key's file signs if it could be
//! opened, otherwise the agent.

use super::agent::Agent;
use super::private_key::PrivateKey;
use super::public_key::PublicKey;
use super::store::{KeyFile, KeySource, KeyStore, Offer, PrivateHalf};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

pub enum Signer<'a> {
    Key(&'a PrivateKey),
    /// The agent, and the key as it lists it.
    Agent(&'a Agent, &'a [u8]),
}

/// A key to offer.
pub struct Candidate<'a> {
    pub public: &'a PublicKey,
    pub signer: Signer<'a>,
    /// Its name in messages.
    pub shown: String,
}

impl Candidate<'_> {
    /// Returns its type, its fingerprint and where it comes from.
    pub fn describe(&self) -> String {
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
    /// Which keys cannot be offered, and why.
    pub notes: Vec<String>,
}

pub fn choose<'a>(store: &'a KeyStore, offer: &Offer) -> KeyChoice<'a> {
    let agent = store.agent(offer);
    let gone = agent.and_then(Agent::gone);
    let files: Vec<(&Path, &KeyFile)> = offer.files.iter().filter_map(|path| store.file(path)).collect();
    let mut chooser = Chooser { offer, files, agent: agent.filter(|_| gone.is_none()), choice: KeyChoice::default() };
    chooser.add_certificate_files(store);
    match offer.source {
        KeySource::Usual => {
            chooser.add_agent_keys();
            chooser.add_files();
        }
        KeySource::Config | KeySource::Option => {
            chooser.add_files();
            chooser.add_agent_keys();
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
    fn add_certificate_files(&mut self, store: &'a KeyStore) {
        for path in &self.offer.certificates {
            match store.certificate(path) {
                Some(Ok(public)) => self.add_candidate(public, shown(path)),
                Some(Err(why)) => self.add_note(path, why),
                None => {}
            }
        }
    }

    fn add_files(&mut self) {
        let files = self.files.clone();
        for (path, file) in &files {
            // Like ssh: if certificates are named, no others are used.
            match &file.certificate {
                Some(Ok(public)) if self.offer.certificates.is_empty() => {
                    self.add_candidate(public, format!("{}-cert.pub", shown(path)));
                }
                Some(Err(why)) => self.add_note(&super::store::beside(path, "-cert.pub"), why),
                _ => {}
            }
            let key = file.public.as_ref().map(|public| &public.key);
            let held = self.agent.map(Agent::keys).unwrap_or_default();
            for public in held.iter().filter(|public| public.is_certificate() && Some(&public.key) == key) {
                self.add_candidate(public, shown_of_agent(public));
            }
        }
        for (path, file) in &files {
            match &file.public {
                Some(public) if self.signer(public).is_some() => self.add_candidate(public, shown(path)),
                _ => {
                    if let Some(why) = self.why_not_offered(file) {
                        self.add_note(path, &why);
                    }
                }
            }
        }
    }

    fn add_agent_keys(&mut self) {
        let Some(agent) = self.agent.filter(|_| !self.offer.identities_only) else { return };
        if agent.keys().is_empty() {
            self.choice.notes.push("the agent not (it holds no key, or it is locked)".to_string());
        }
        let (certificates, keys): (Vec<_>, Vec<_>) = agent.keys().iter().partition(|public| public.is_certificate());
        for public in certificates.into_iter().chain(keys) {
            self.add_candidate(public, shown_of_agent(public));
        }
    }

    /// Adds a key, unless it is there already or nothing can sign with it.
    fn add_candidate(&mut self, public: &'a PublicKey, mut shown: String) {
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
            let find = |blob: &[u8]| agent.keys().iter().find(|held| held.blob == blob);
            let held = find(&public.blob).or_else(|| find(&public.key))?;
            Some(Signer::Agent(agent, &held.blob))
        };
        open.map(Signer::Key).or_else(agent)
    }

    /// Returns why a file's key cannot be offered, or `None` if that needs no message.
    fn why_not_offered(&self, file: &KeyFile) -> Option<String> {
        let usual = self.offer.source == KeySource::Usual;
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

    fn add_note(&mut self, path: &Path, why: &str) {
        self.choice.notes.push(format!("{} not ({why})", shown(path)));
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn shown_of_agent(public: &PublicKey) -> String {
    let kind = if public.is_certificate() { "the certificate of " } else { "" };
    format!("{kind}{} of the agent", public.fingerprint())
}

fn has_passed(time: u64) -> bool {
    SystemTime::now().duration_since(UNIX_EPOCH).is_ok_and(|now| now.as_secs() >= time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::agent::tests::agent_with_keys;
    use crate::base::shutdown::Stop;
    use std::fs;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};
    use std::time::Duration;
    use tempfile::TempDir;

    /// A folder where ssh-keygen makes keys.
    struct Keys(TempDir);

    impl Keys {
        fn new(names: &[&str]) -> Keys {
            let keys = Keys(tempfile::tempdir().unwrap());
            names.iter().for_each(|name| keys.keygen(&["-t", "ed25519", "-N", "", "-C", "", "-f", name]));
            keys
        }

        fn keygen(&self, args: &[&str]) {
            let mut keygen = Command::new("ssh-keygen");
            let output = keygen.arg("-q").args(args).current_dir(&self.0).stdin(Stdio::null()).output().unwrap();
            assert!(output.status.success(), "{args:?}: {output:?}");
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn public(&self, name: &str) -> PublicKey {
            PublicKey::parse_file(&fs::read(self.path(&format!("{name}.pub"))).unwrap()).unwrap()
        }

        fn offer(&self, source: KeySource, files: &[&str]) -> Offer {
            Offer { source, files: files.iter().map(|name| self.path(name)).collect(), ..Offer::default() }
        }

        /// Returns the offered keys and the notes, each by the names of its files.
        fn choose(&self, offer: &Offer) -> String {
            let mut store = KeyStore::new(Duration::from_secs(10));
            store.prepare(std::slice::from_ref(offer), &Stop::new().unwrap()).unwrap();
            let choice = choose(&store, offer);
            let by = |signer: &Signer<'_>| if matches!(signer, Signer::Agent(..)) { " by the agent" } else { "" };
            let candidates = choice.candidates.iter().map(|key| format!("{}{}", key.shown, by(&key.signer)));
            let mut text = candidates.chain(choice.notes).collect::<Vec<_>>().join(", ");
            text = text.replace(&format!("{}/", self.0.path().display()), "");
            for name in ["a", "b", "c"].iter().filter(|name| self.path(name).exists()) {
                text = text.replace(&self.public(name).fingerprint(), name);
            }
            text
        }
    }

    #[test]
    fn named_keys_come_before_those_of_the_agent_and_usual_files_after() {
        let keys = Keys::new(&["a", "b", "c"]);
        let (_folder, socket) = agent_with_keys(&[keys.public("b").blob, keys.public("c").blob]);
        let choose = |source| keys.choose(&Offer { agent: Some(socket.clone()), ..keys.offer(source, &["a", "b"]) });
        assert_eq!(choose(KeySource::Config), "a, b, c of the agent by the agent");
        assert_eq!(choose(KeySource::Usual), "b of the agent, c of the agent by the agent, a");
    }

    #[test]
    fn with_identities_only_the_agent_signs_for_named_files_alone() {
        let keys = Keys::new(&["a", "b", "c"]);
        let (_folder, socket) = agent_with_keys(&[keys.public("a").blob, keys.public("b").blob]);
        let offer = Offer { identities_only: true, ..keys.offer(KeySource::Config, &["b.pub", "c.pub"]) };
        let note = "c.pub not (only its public half is there, and no agent holds it)";
        assert_eq!(keys.choose(&Offer { agent: Some(socket), ..offer.clone() }), format!("b.pub by the agent, {note}"));
        let gone = keys.choose(&Offer { agent: Some(keys.path("none")), ..offer });
        assert!(gone.contains(note) && gone.contains("the agent not (no agent answers at none"), "{gone}");
    }

    #[test]
    fn certificates_come_first_and_unusable_ones_are_reported() {
        let keys = Keys::new(&["a", "b", "c"]);
        keys.keygen(&["-s", "c", "-I", "id", "-n", "user", "b.pub"]);
        keys.keygen(&["-s", "c", "-I", "id", "-h", "a.pub"]);
        let offer = keys.offer(KeySource::Config, &["a", "b"]);
        assert_eq!(keys.choose(&offer), "b-cert.pub, a, b, a-cert.pub not (it is a host's certificate)");
        keys.keygen(&["-s", "c", "-I", "id", "-n", "user", "-V", "20200101:20200102", "b.pub"]);
        let offer = Offer { certificates: vec![keys.path("b-cert.pub"), keys.path("c.pub")], ..offer };
        let notes = "c.pub not (it holds no certificate), a-cert.pub not (it is a host's certificate)";
        assert_eq!(keys.choose(&offer), format!("b-cert.pub (it has expired), a, b, {notes}"));
        let without_key = Offer { files: Vec::new(), ..offer };
        assert!(keys.choose(&without_key).contains("b-cert.pub not (its private key is not at hand)"));
    }

    #[test]
    fn files_that_ssh_would_not_use_are_reported() {
        use std::os::unix::fs::PermissionsExt;
        let keys = Keys::new(&["a", "b"]);
        fs::set_permissions(keys.path("a"), fs::Permissions::from_mode(0o644)).unwrap();
        keys.keygen(&["-p", "-N", "pass word", "-f", "b"]);
        fs::write(keys.path("text"), "no key").unwrap();
        let notes = keys.choose(&keys.offer(KeySource::Usual, &["a", "b", "text", "none"]));
        let exposed = "a not (its permissions 0644 are too open: take away the access of others with chmod 600)";
        let locked = "b not (it is encrypted: load it with ssh-add, or name it with -i to be asked for its passphrase)";
        assert_eq!(notes, format!("{exposed}, {locked}"));
        let notes = keys.choose(&keys.offer(KeySource::Config, &["text"]));
        assert_eq!(notes, "text not (it holds no private key)");
    }
}
