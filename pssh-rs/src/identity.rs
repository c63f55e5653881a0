//! The keys to log in with: files read once, and the agent's socket.

use cerveza_manners::{Failure, Result};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use ssh_key::PrivateKey;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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
    /// The agent's socket, if somebody listens there: tried next.
    pub agent: Option<PathBuf>,
    /// Why the agent is not asked, for those who count on it.
    pub no_agent: Option<String>,
    /// The keys that lie where ssh looks for them: tried last, and only where none is named.
    pub usual: Vec<KeyFile>,
}

const USUAL: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

impl Identities {
    pub fn read(chosen: &[PathBuf], agent: Option<PathBuf>, home: Option<&Path>) -> Result<Identities> {
        let (agent, no_agent) = match agent.map(|socket| (listens(&socket), socket)) {
            Some((Ok(()), socket)) => (Some(socket), None),
            Some((Err(error), socket)) => (None, Some(format!("no agent answers at {}: {error}", socket.display()))),
            None => (None, None),
        };
        let mut identities = Identities { agent, no_agent, ..Identities::default() };
        for path in chosen {
            let key = KeyFile::read(path)
                .map_err(|error| Failure::usage(format!("cannot use the key file {}: {error}", path.display())))?;
            if key.secret.is_none() && identities.agent.is_none() {
                return Err(Failure::usage(format!("the key file {} is encrypted", path.display()))
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
                let why = identities.no_agent.iter().map(|why| format!(" ({why})"));
                let message = format!("there is no key to log in with{}", why.collect::<String>());
                Err(Failure::usage(message).hint("name one with -i, or start an agent and load one with ssh-add"))
            }
            false => Ok(identities),
        }
    }

    fn is_empty(&self) -> bool {
        let readable = |keys: &[KeyFile]| keys.iter().any(|key| key.secret.is_some());
        self.agent.is_none() && !readable(&self.chosen) && !readable(&self.usual)
    }
}

/// Whether somebody listens on the agent's socket. An agent that is busy does; nothing here waits for it.
fn listens(socket: &Path) -> rustix::io::Result<()> {
    let address = SocketAddrUnix::new(socket)?;
    let probe =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    match connect(&probe, &address) {
        Err(Errno::AGAIN) => Ok(()),
        result => result,
    }
}

impl KeyFile {
    fn read(path: &Path) -> io::Result<KeyFile> {
        let text = fs::read_to_string(path)?;
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
        assert_eq!(read(Some("/no/agent")).unwrap_err(), "the key file KEY is encrypted");
        let socket = folder.path().join("agent");
        let _agent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(read(socket.to_str()).unwrap().chosen[0].secret.is_none());
        assert_eq!(
            Identities::read(&[], None, Some(folder.path())).unwrap_err().message,
            "there is no key to log in with"
        );
    }
}
