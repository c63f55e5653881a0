//! The keys, certificates and agents that any host of the run names, each read once.

use super::agent::Agent;
use super::choice::choose;
use super::passphrase::{PassphraseError, ask_passphrase};
use super::private_key::{self, KeyError, ParsedKey, PrivateKey};
use super::public_key::PublicKey;
use crate::base::shutdown::Stop;
use crate::base::user_file;
use cerveza_manners::{Failure, Result, visible};
use rustix::process::getuid;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// The keys that a host is offered. Many hosts have the same offer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Offer {
    /// Private key files, or public halves of keys that the agent holds. `~` and the like are resolved.
    pub files: Vec<PathBuf>,
    pub source: KeySource,
    /// CertificateFile. If there is none, `KEY-cert.pub` beside each file is used.
    pub certificates: Vec<PathBuf>,
    /// IdentitiesOnly: of the agent's keys, only those of `files`.
    pub identities_only: bool,
    /// The agent's socket.
    pub agent: Option<PathBuf>,
}

/// Where the names of an offer's key files come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// They are ssh's default names. These keys come after the agent's.
    #[default]
    Usual,
    /// ssh_config's IdentityFile. A missing file is skipped.
    Config,
    /// `-i`. A missing file is an error.
    Option,
}

/// A key file, as far as it could be read.
pub struct KeyFile {
    pub private: PrivateHalf,
    /// The public half, if the file or `KEY.pub` shows it. It says which key of the agent is meant.
    pub public: Option<PublicKey>,
    /// The certificate beside it, if there is one, or why it cannot be used.
    pub certificate: Option<std::result::Result<PublicKey, String>>,
}

/// The private half of a key file.
pub enum PrivateHalf {
    Open(PrivateKey),
    /// A passphrase protects it. The file's text.
    Locked(Zeroizing<Vec<u8>>),
    /// A FIDO authenticator holds it.
    Hardware,
    /// Other users may read the file, which has this mode.
    Exposed(u32),
    /// Why there is none.
    Absent(String),
}

/// The keys of a run. It is filled before the run, and only read during it.
pub struct KeyStore {
    /// How long an agent may take.
    patience: Duration,
    files: HashMap<PathBuf, KeyFile>,
    certificates: HashMap<PathBuf, std::result::Result<PublicKey, String>>,
    agents: HashMap<PathBuf, Agent>,
}

/// How long an agent may take to list its keys, for which it does not ask its user.
const LISTING: Duration = Duration::from_secs(10);
/// How often a passphrase is asked for.
const TRIES: u32 = 3;

impl KeyStore {
    /// `auth` is the time limit of a login. The agent gets less, so the key files still have their turn.
    pub fn new(auth: Duration) -> KeyStore {
        KeyStore { patience: auth * 3 / 4, files: HashMap::new(), certificates: HashMap::new(), agents: HashMap::new() }
    }

    /// Reads all keys that the hosts of a run are offered, and asks for passphrases.
    pub fn prepare(&mut self, offers: &[Offer], stop: &Stop) -> Result<()> {
        let mut seen = HashSet::new();
        let offers: Vec<&Offer> = offers.iter().filter(|offer| seen.insert(*offer)).collect();
        for offer in &offers {
            self.read_keys(offer, stop)?;
        }
        for offer in offers {
            for path in self.files_to_unlock(offer) {
                self.unlock(&path, offer, stop)?;
            }
        }
        Ok(())
    }

    /// Fails if there is no key for any host. If only some hosts have no key, their logins fail.
    pub fn require_any(&self, offers: &[Offer]) -> Result<()> {
        let mut seen = HashSet::new();
        let mut offers = offers.iter().filter(|offer| seen.insert(*offer)).peekable();
        let Some(first) = offers.peek().copied() else { return Ok(()) };
        if offers.any(|offer| !choose(self, offer).candidates.is_empty()) {
            return Ok(());
        }
        let notes = choose(self, first).notes;
        // If the agent is gone and there is nothing else, that is the only reason to report.
        let why = match (self.gone(first), notes.len()) {
            (Some(why), 1) => format!(" ({why})"),
            (_, 0) => String::new(),
            _ => format!(": {}", notes.join(", ")),
        };
        Err(Failure::usage(format!("there is no key to log in with{why}"))
            .hint("name one with -i, or start an agent and load one with ssh-add"))
    }

    pub fn file(&self, path: &Path) -> Option<(&Path, &KeyFile)> {
        self.files.get_key_value(path).map(|(path, file)| (path.as_path(), file))
    }

    pub fn certificate(&self, path: &Path) -> Option<&std::result::Result<PublicKey, String>> {
        self.certificates.get(path)
    }

    pub fn agent(&self, offer: &Offer) -> Option<&Agent> {
        self.agents.get(offer.agent.as_ref()?)
    }

    fn gone(&self, offer: &Offer) -> Option<String> {
        self.agent(offer).and_then(Agent::gone)
    }

    fn read_keys(&mut self, offer: &Offer, stop: &Stop) -> Result<()> {
        for path in &offer.files {
            let file = self.files.entry(path.clone()).or_insert_with(|| read_file(path));
            if let (KeySource::Option, PrivateHalf::Absent(why), None) = (offer.source, &file.private, &file.public) {
                return Err(Failure::usage(format!("cannot use the key file {}: {why}", path.display())));
            }
        }
        for path in &offer.certificates {
            let read = || read_certificate(path).unwrap_or_else(|error| Err(error.to_string()));
            self.certificates.entry(path.clone()).or_insert_with(read);
        }
        if let Some(socket) = &offer.agent {
            let find = || Agent::find(socket, LISTING, self.patience, stop);
            self.agents.entry(socket.clone()).or_insert_with(find);
        }
        Ok(())
    }

    /// Returns the files to ask a passphrase for: those that were named, unless the agent holds the key. The usual files
    /// only if there is nothing else.
    fn files_to_unlock(&self, offer: &Offer) -> Vec<PathBuf> {
        let held = self.agent(offer).map(Agent::keys).unwrap_or_default();
        let is_held = |public: &PublicKey| held.iter().any(|held| held.key == public.key);
        if offer.source == KeySource::Usual && !choose(self, offer).candidates.is_empty() {
            return Vec::new();
        }
        let locked = offer.files.iter().filter(|path| {
            self.files.get(*path).is_some_and(|file| {
                matches!(file.private, PrivateHalf::Locked(_)) && !file.public.as_ref().is_some_and(is_held)
            })
        });
        locked.cloned().collect()
    }

    fn unlock(&mut self, path: &Path, offer: &Offer, stop: &Stop) -> Result<()> {
        let gone = self.gone(offer);
        let Some(file) = self.files.get_mut(path) else { return Ok(()) };
        let PrivateHalf::Locked(text) = &file.private else { return Ok(()) };
        let shown = path.display().to_string();
        let mut prompt = format!("Enter passphrase for key '{}': ", visible(&shown));
        for _ in 0..TRIES {
            let passphrase = match ask_passphrase(&prompt, stop) {
                Ok(passphrase) => passphrase,
                Err(PassphraseError::Interrupted) => return Err(Failure::interrupted()),
                // The key may not be needed.
                Err(PassphraseError::CannotAsk) if offer.source != KeySource::Option => return Ok(()),
                Err(error) => {
                    let why = match error {
                        PassphraseError::Failed(why) => format!(": {why}"),
                        _ => gone.map(|why| format!(" ({why})")).unwrap_or_default(),
                    };
                    return Err(Failure::usage(format!("the key file {shown} is encrypted{why}"))
                        .hint("load it into an agent: eval \"$(ssh-agent)\"; ssh-add KEY"));
                }
            };
            if passphrase.is_empty() {
                return Ok(());
            }
            match private_key::parse(text, Some(&passphrase)) {
                Ok(ParsedKey::Open(key)) => {
                    file.public = Some(key.public.clone());
                    file.private = PrivateHalf::Open(key);
                    return Ok(());
                }
                Ok(_) | Err(KeyError::WrongPassphrase) => {}
                Err(KeyError::Unusable(why)) => {
                    return Err(Failure::usage(format!("cannot use the key file {shown}: {why}")));
                }
            }
            prompt = format!("Bad passphrase, try again for {}: ", visible(&shown));
        }
        Err(Failure::usage(format!("{TRIES} passphrases for the key file {shown} were wrong")))
    }
}

/// Returns the path of `KEY.pub` and the like.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn read_file(path: &Path) -> KeyFile {
    let certificate = match read_certificate(&beside(path, "-cert.pub")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(error.to_string())),
        Ok(certificate) => Some(certificate),
    };
    let (private, public) = read_halves(path);
    KeyFile { private, public, certificate }
}

fn read_halves(path: &Path) -> (PrivateHalf, Option<PublicKey>) {
    let public_file = || user_file::read(&beside(path, ".pub")).ok().and_then(|text| PublicKey::parse_file(&text).ok());
    let (text, too_open) = match read_secret(path) {
        Ok(read) => read,
        Err(error) => return (PrivateHalf::Absent(error.to_string()), public_file()),
    };
    let (private, public) = match private_key::parse(&text, None) {
        Ok(ParsedKey::Open(key)) => {
            let public = key.public.clone();
            (PrivateHalf::Open(key), Some(public))
        }
        Ok(ParsedKey::Hardware(public)) => (PrivateHalf::Hardware, Some(public)),
        Ok(ParsedKey::Locked(public)) => (PrivateHalf::Locked(text), public.or_else(public_file)),
        // Like ssh, accept a public key as the name of a key that the agent holds.
        Err(error) => return (PrivateHalf::Absent(error.to_string()), PublicKey::parse_file(&text).ok()),
    };
    (too_open.map_or(private, PrivateHalf::Exposed), public)
}

fn read_certificate(path: &Path) -> io::Result<std::result::Result<PublicKey, String>> {
    let text = user_file::read(path)?;
    Ok(match PublicKey::parse_file(&text) {
        Ok(public) if public.is_certificate() => Ok(public),
        Ok(_) => Err("it holds no certificate".to_string()),
        Err(why) => Err(why.to_string()),
    })
}

/// Reads a file into one piece of memory, which is wiped when it is freed. Growing memory would leave copies behind. Also
/// returns the file's mode if it is ours and other users may read it, because ssh uses no private key from such a file.
fn read_secret(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, Option<u32>)> {
    const LARGEST: usize = 64 << 10;
    const OTHERS: u32 = 0o077;
    let mut text = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    file.take(LARGEST as u64 + 1).read_to_end(&mut text)?;
    let mode = metadata.mode() & 0o777;
    let too_open = metadata.is_file() && metadata.uid() == getuid().as_raw() && mode & OTHERS != 0;
    if text.len() > LARGEST {
        return Err(io::Error::other(format!("larger than {} KiB", LARGEST >> 10)));
    }
    Ok((text, too_open.then_some(mode)))
}
