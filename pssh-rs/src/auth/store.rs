//! The keys, certificates and agents that any host of the run names, each read once.

use super::agent::Agent;
use super::choice::choose;
use super::passphrase::{Unasked, ask};
use super::private_key::{self, KeyError, ParsedKey, PrivateKey};
use super::public_key::PublicKey;
use crate::base::read_capped;
use crate::base::shutdown::Stop;
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

/// What one host may be offered; many have the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Offer {
    /// Private key files, or public halves of what the agent holds; `~` and the like are resolved.
    pub files: Vec<PathBuf>,
    pub named: Named,
    /// CertificateFile. Where there is none, `KEY-cert.pub` beside each file counts.
    pub certificates: Vec<PathBuf>,
    /// IdentitiesOnly: no key of the agent that is not one of `files`.
    pub identities_only: bool,
    /// The agent's socket.
    pub agent: Option<PathBuf>,
}

/// Who named the key files of an offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Named {
    /// Nobody: they lie where ssh looks for them. They come after the agent's keys.
    #[default]
    Usual,
    /// ssh_config's IdentityFile: one that is missing is passed over.
    Config,
    /// `-i`: one that is missing is a slip.
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

/// Filled before the run, and only read during it.
pub struct KeyStore {
    patience: Duration,
    files: HashMap<PathBuf, KeyFile>,
    certificates: HashMap<PathBuf, std::result::Result<PublicKey, String>>,
    agents: HashMap<PathBuf, Agent>,
}

/// An agent asks nobody before it lists its keys.
const LISTING: Duration = Duration::from_secs(10);
/// Wrong passphrases that one may type.
const TRIES: u32 = 3;

impl KeyStore {
    /// `auth`: what a login may take. An agent is waited for a bit less, so that the files still have their turn.
    pub fn new(auth: Duration) -> KeyStore {
        KeyStore { patience: auth * 3 / 4, files: HashMap::new(), certificates: HashMap::new(), agents: HashMap::new() }
    }

    /// Reads all that the hosts of a run are offered, and asks for passphrases, before any clock runs.
    pub fn prepare(&mut self, offers: &[Offer], stop: &Stop) -> Result<()> {
        let mut seen = HashSet::new();
        let offers: Vec<&Offer> = offers.iter().filter(|offer| seen.insert(*offer)).collect();
        for offer in &offers {
            self.read(offer, stop)?;
        }
        for offer in offers {
            for path in self.to_open(offer) {
                self.open(&path, offer, stop)?;
            }
        }
        Ok(())
    }

    /// An error where there is nothing to log in with anywhere. Hosts that lack a key while others have one learn so at
    /// their login.
    pub fn require_any(&self, offers: &[Offer]) -> Result<()> {
        let mut seen = HashSet::new();
        let mut offers = offers.iter().filter(|offer| seen.insert(*offer)).peekable();
        let Some(first) = offers.peek().copied() else { return Ok(()) };
        if offers.any(|offer| !choose(self, offer).candidates.is_empty()) {
            return Ok(());
        }
        let notes = choose(self, first).notes;
        // One agent that is gone and nothing else: that alone is the reason.
        let why = match (self.gone(first), notes.is_empty()) {
            (Some(why), _) if notes.len() == 1 => format!(" ({why})"),
            (_, true) => String::new(),
            (_, false) => format!(": {}", notes.join(", ")),
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

    fn read(&mut self, offer: &Offer, stop: &Stop) -> Result<()> {
        for path in &offer.files {
            let file = self.files.entry(path.clone()).or_insert_with(|| read_file(path));
            if let (Named::Option, PrivateHalf::Absent(why), None) = (offer.named, &file.private, &file.public) {
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

    /// The files to ask a passphrase for. A file that was named is meant, unless the agent holds its key; a usual one is
    /// where there is nothing else.
    fn to_open(&self, offer: &Offer) -> Vec<PathBuf> {
        let held = self.agent(offer).map(Agent::keys).unwrap_or_default();
        let is_held = |public: &PublicKey| held.iter().any(|held| held.key == public.key);
        if offer.named == Named::Usual && !choose(self, offer).candidates.is_empty() {
            return Vec::new();
        }
        let locked = offer.files.iter().filter(|path| {
            self.files.get(*path).is_some_and(|file| {
                matches!(file.private, PrivateHalf::Locked(_)) && !file.public.as_ref().is_some_and(is_held)
            })
        });
        locked.cloned().collect()
    }

    fn open(&mut self, path: &Path, offer: &Offer, stop: &Stop) -> Result<()> {
        let gone = self.gone(offer);
        let Some(file) = self.files.get_mut(path) else { return Ok(()) };
        let PrivateHalf::Locked(text) = &file.private else { return Ok(()) };
        let shown = path.display().to_string();
        let mut prompt = format!("Enter passphrase for key '{}': ", visible(&shown));
        for _ in 0..TRIES {
            let passphrase = match ask(&prompt, stop) {
                Ok(passphrase) => passphrase,
                Err(Unasked::Interrupted) => return Err(Failure::interrupted()),
                // What nobody typed this time may not be needed.
                Err(Unasked::Nobody) if offer.named != Named::Option => return Ok(()),
                Err(unasked) => {
                    let why = match unasked {
                        Unasked::Failed(why) => format!(": {why}"),
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

/// `KEY.pub` and the like.
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
    let public_file =
        || read_capped::read(&beside(path, ".pub")).ok().and_then(|text| PublicKey::parse_file(&text).ok());
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
    let text = read_capped::read(path)?;
    Ok(match PublicKey::parse_file(&text) {
        Ok(public) if public.is_certificate() => Ok(public),
        Ok(_) => Err("it holds no certificate".to_string()),
        Err(why) => Err(why.to_string()),
    })
}

/// Reads a file into one piece of memory, which is wiped when it is freed: growing would leave copies behind. With it comes
/// the file's mode if it is ours and others may use it: ssh takes no private key from such a file.
fn read_secret(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, Option<u32>)> {
    const LARGEST: usize = 64 << 10;
    const OTHERS: u32 = 0o077;
    let mut text = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
    let file = File::open(path)?;
    let about = file.metadata()?;
    file.take(LARGEST as u64 + 1).read_to_end(&mut text)?;
    let mode = about.mode() & 0o777;
    let too_open = about.is_file() && about.uid() == getuid().as_raw() && mode & OTHERS != 0;
    match text.len() > LARGEST {
        true => Err(io::Error::other(format!("larger than {} KiB", LARGEST >> 10))),
        false => Ok((text, too_open.then_some(mode))),
    }
}
