//! Public keys and certificates as the protocol has them (RFC 4253 section 6.6, OpenSSH's PROTOCOL.certkeys).

use crate::base::ssh_wire::{Reader, fingerprint, put_string};
use base64::prelude::{BASE64_STANDARD, Engine};

/// What a server is offered must fit one packet, with its signature: libssh2 takes 35,000 bytes.
const LARGEST: usize = 30 * 1024;

const CERTIFICATE: &str = "-cert-v01@openssh.com";

/// A public key or a user's certificate, well-formed as far as we look into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    /// What the server is offered.
    pub blob: Vec<u8>,
    /// The key alone: the same as `blob` but for a certificate.
    pub key: Vec<u8>,
    /// Of the key alone, such as `ssh-rsa`.
    pub algorithm: String,
    /// Until when a certificate is valid, in seconds since 1970.
    pub valid_before: Option<u64>,
}

impl Public {
    pub fn parse(blob: &[u8]) -> Result<Public, &'static str> {
        if blob.len() > LARGEST {
            return Err("it is too large");
        }
        let mut reader = Reader(blob);
        let name = reader.string().ok().and_then(|name| std::str::from_utf8(name).ok()).ok_or("it is malformed")?;
        let of_certificate = name.strip_suffix(CERTIFICATE);
        let plain = match of_certificate {
            Some(plain @ ("sk-ssh-ed25519" | "sk-ecdsa-sha2-nistp256")) => format!("{plain}@openssh.com"),
            Some(plain) => plain.to_string(),
            None => name.to_string(),
        };
        let fields = fields(&plain).ok_or("its type is not supported")?;
        if of_certificate.is_some() {
            reader.string().or(Err("it is malformed"))?;
        }
        let mut key = Vec::new();
        put_string(&mut key, plain.as_bytes());
        for _ in 0..fields {
            put_string(&mut key, reader.string().or(Err("it is malformed"))?);
        }
        let valid_before = match of_certificate {
            None if !reader.0.is_empty() => return Err("it is malformed"),
            None => None,
            Some(_) => Some(user_certificate(&mut reader)?),
        };
        Ok(Public { blob: blob.to_vec(), key, algorithm: plain, valid_before })
    }

    /// The first line of a `.pub` file: `TYPE BASE64 [COMMENT]`.
    pub fn parse_file(bytes: &[u8]) -> Result<Public, &'static str> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it holds no public key")?;
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let words = lines.next().and_then(|line| line.split_whitespace().nth(1));
        let blob = words.and_then(|word| BASE64_STANDARD.decode(word).ok()).ok_or("it holds no public key")?;
        Public::parse(&blob)
    }

    pub fn is_certificate(&self) -> bool {
        self.valid_before.is_some()
    }

    /// Whether a FIDO authenticator holds the private half.
    pub fn is_hardware(&self) -> bool {
        self.algorithm.starts_with("sk-")
    }

    /// Of the key, also for a certificate.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.key)
    }
}

/// How many fields of a key of this type follow its name.
fn fields(algorithm: &str) -> Option<usize> {
    match algorithm {
        "ssh-ed25519" => Some(1),
        "ssh-rsa" | "sk-ssh-ed25519@openssh.com" => Some(2),
        "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521" => Some(2),
        "sk-ecdsa-sha2-nistp256@openssh.com" => Some(3),
        _ => None,
    }
}

/// What follows the key in a certificate; until when it is valid.
fn user_certificate(reader: &mut Reader<'_>) -> Result<u64, &'static str> {
    const USER: u32 = 1;
    let mut read = || {
        let (_serial, kind) = (reader.u64()?, reader.u32()?);
        let (_key_id, _principals, _valid_after) = (reader.string()?, reader.string()?, reader.u64()?);
        Ok::<_, &str>((kind, reader.u64()?))
    };
    match read() {
        Err(_) => Err("it is malformed"),
        Ok((USER, valid_before)) => Ok(valid_before),
        Ok(_) => Err("it is a host's certificate"),
    }
}
