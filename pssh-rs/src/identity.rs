//! The keys to log in with: files read once, and the agent's socket.

use crate::bounded;
use cerveza_manners::{Failure, Result};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use ssh_key::PrivateKey;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A private key file.
pub struct KeyFile {
    pub path: PathBuf,
    /// The private key as text; `None` where a passphrase protects it, which only an agent can take off.
    pub secret: Option<String>,
    /// The public half, by which an agent's identity is told, where the file shows it.
    pub public: Option<Vec<u8>>,
}

impl fmt::Debug for KeyFile {
    /// Never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// All there is to log in with.
#[derive(Debug, Default)]
pub struct Identities {
    /// The keys named by `-i`: tried first.
    pub chosen: Vec<KeyFile>,
    /// Tried next.
    pub agent: Agent,
    /// The keys that lie where ssh looks for them: tried last, and only where none is named.
    pub usual: Vec<KeyFile>,
}

#[derive(Debug, Default)]
pub enum Agent {
    #[default]
    None,
    /// It is not asked; why, for those who count on it.
    Dead(String),
    At {
        socket: PathBuf,
        /// Set once it no longer answers: no other host need find that out.
        gone: AtomicBool,
    },
}

/// An agent that takes longer to list its keys would take longer for every host.
const AGENT: Duration = Duration::from_secs(10);

const USUAL: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

impl Identities {
    pub fn read(chosen: &[PathBuf], agent: Option<PathBuf>, home: Option<&Path>) -> Result<Identities> {
        let mut identities = Identities { agent: Agent::find(agent), ..Identities::default() };
        for path in chosen {
            let key = KeyFile::read(path)
                .map_err(|error| Failure::usage(format!("cannot use the key file {}: {error}", path.display())))?;
            if key.secret.is_none() && !identities.has_agent() {
                let why = identities.why_no_agent();
                return Err(Failure::usage(format!("the key file {} is encrypted{why}", path.display()))
                    .hint("load it into an agent: eval \"$(ssh-agent)\"; ssh-add KEY"));
            }
            identities.chosen.push(key);
        }
        if chosen.is_empty() {
            let folder = home.map(|home| home.join(".ssh"));
            let paths = folder.iter().flat_map(|folder| USUAL.map(|name| folder.join(name)));
            // One that cannot be read is one that is not there, as for ssh.
            identities.usual = paths.filter_map(|path| KeyFile::read(&path).ok()).collect();
        }
        match identities.is_empty() {
            true => {
                let message = format!("there is no key to log in with{}", identities.why_no_agent());
                Err(Failure::usage(message).hint("name one with -i, or start an agent and load one with ssh-add"))
            }
            false => Ok(identities),
        }
    }

    fn is_empty(&self) -> bool {
        let readable = |keys: &[KeyFile]| keys.iter().any(|key| key.secret.is_some());
        !self.has_agent() && !readable(&self.chosen) && !readable(&self.usual)
    }

    fn has_agent(&self) -> bool {
        matches!(self.agent, Agent::At { .. })
    }

    fn why_no_agent(&self) -> String {
        match &self.agent {
            Agent::Dead(why) => format!(" ({why})"),
            Agent::None | Agent::At { .. } => String::new(),
        }
    }
}

impl Agent {
    fn find(socket: Option<PathBuf>) -> Agent {
        let Some(socket) = socket else { return Agent::None };
        match answers(&socket) {
            Ok(()) => Agent::At { socket, gone: AtomicBool::new(false) },
            Err(error) => Agent::Dead(format!("no agent answers at {}: {error}", socket.display())),
        }
    }
}

/// Whether the agent answers when asked for its keys: libssh2 would wait for ever, for each host anew.
fn answers(socket: &Path) -> io::Result<()> {
    const LIST_KEYS: [u8; 5] = [0, 0, 0, 1, 11];
    let late = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::other(format!("no word within {AGENT:?}")),
        _ => error,
    };
    // Without blocking: where the agent takes nobody, connecting too would last for ever.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&probe, &SocketAddrUnix::new(socket)?)?;
    let mut probe = UnixStream::from(probe);
    probe.set_nonblocking(false)?;
    probe.set_read_timeout(Some(AGENT))?;
    probe.write_all(&LIST_KEYS)?;
    probe.read_exact(&mut [0]).map_err(late)
}

impl KeyFile {
    fn read(path: &Path) -> io::Result<KeyFile> {
        let bytes = bounded::read(path)?;
        let text = String::from_utf8(bytes).map_err(|_| io::Error::other("it holds no private key"))?;
        if !text.contains("PRIVATE KEY-----") {
            return Err(io::Error::other("it holds no private key"));
        }
        // What this parser does not take (PEM of old) libssh2 may: only a passphrase must be known of beforehand.
        let parsed = PrivateKey::from_openssh(&text).ok();
        let encrypted = match &parsed {
            Some(key) => key.is_encrypted(),
            None => text.contains("ENCRYPTED"),
        };
        Ok(KeyFile {
            path: path.to_path_buf(),
            secret: (!encrypted).then_some(text),
            public: parsed.and_then(|key| key.public_key().to_bytes().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_no_key_is_said_before_anything_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let read = |agent: Option<&str>| {
            Identities::read(std::slice::from_ref(&path), agent.map(PathBuf::from), None)
                .map_err(|failure| failure.message.replace(&path.display().to_string(), "KEY"))
        };
        assert_eq!(read(None).unwrap_err(), "cannot use the key file KEY: No such file or directory (os error 2)");
        fs::write(&path, "ssh-ed25519 AAAA").unwrap();
        assert_eq!(read(None).unwrap_err(), "cannot use the key file KEY: it holds no private key");
        fs::write(&path, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n").unwrap();
        assert_eq!(read(None).unwrap_err(), "the key file KEY is encrypted");
        assert_eq!(
            read(Some("/no/agent")).unwrap_err(),
            "the key file KEY is encrypted (no agent answers at /no/agent: No such file or directory (os error 2))"
        );
        let socket = folder.path().join("agent");
        let agent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || agent.accept().unwrap().0.write_all(&[0, 0, 0, 1, 5]));
        assert!(read(socket.to_str()).unwrap().chosen[0].secret.is_none());
        assert_eq!(
            Identities::read(&[], None, Some(folder.path())).unwrap_err().message,
            "there is no key to log in with"
        );
    }
}
