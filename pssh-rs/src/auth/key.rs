//! Private keys: OpenSSH's own format (its PROTOCOL.key) and the PEM of old, opened once a run and signed with by OpenSSL.

use super::blob::Public;
use crate::base::ssh_wire::{Reader, put_mpint, put_string};
use base64::prelude::{BASE64_STANDARD, Engine};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private};
use openssl::rsa::RsaPrivateKeyBuilder;
use openssl::sign::Signer;
use openssl::symm::{Cipher, Crypter, Mode};
use std::fmt;
use zeroize::Zeroizing;

/// A private key ready to sign with. OpenSSL wipes it when it is freed.
pub struct Key {
    secret: PKey<Private>,
    pub public: Public,
}

impl fmt::Debug for Key {
    /// Never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.public.fingerprint())
    }
}

/// What a private key file holds.
#[derive(Debug)]
pub enum Held {
    Open(Key),
    /// It takes a passphrase. The public half, where the file shows it.
    Locked(Option<Public>),
    /// A handle to a key that a FIDO authenticator holds.
    Hardware(Public),
}

#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The passphrase is not the right one.
    Passphrase,
    Because(String),
}

impl From<&str> for Unreadable {
    fn from(why: &str) -> Unreadable {
        Unreadable::Because(why.to_string())
    }
}

impl From<ErrorStack> for Unreadable {
    fn from(error: ErrorStack) -> Unreadable {
        Unreadable::Because(format!("OpenSSL cannot use it: {}", reason(&error)))
    }
}

fn reason(error: &ErrorStack) -> String {
    error.errors().first().and_then(|error| error.reason()).unwrap_or("no reason given").to_string()
}

const MALFORMED: &str = "it is malformed";
const NO_KEY: &str = "it holds no private key";

impl Key {
    /// Reads a private key file, with its passphrase where that is known.
    pub fn parse(text: &[u8], passphrase: Option<&[u8]>) -> Result<Held, Unreadable> {
        let shown = std::str::from_utf8(text).map_err(|_| NO_KEY)?;
        if shown.contains("-----BEGIN OPENSSH PRIVATE KEY-----") {
            return openssh(shown, passphrase);
        }
        if !shown.contains("PRIVATE KEY-----") {
            return Err(NO_KEY.into());
        }
        if shown.contains("ENCRYPTED") && passphrase.is_none() {
            return Ok(Held::Locked(None));
        }
        // The callback is asked only where the key is encrypted. Without it OpenSSL would ask the terminal itself.
        let secret = PKey::private_key_from_pem_callback(text, |buffer| {
            let passphrase = passphrase.unwrap_or_default();
            let Some(room) = buffer.get_mut(..passphrase.len()) else { return Ok(0) };
            room.copy_from_slice(passphrase);
            Ok(passphrase.len())
        });
        match (secret, passphrase) {
            (Ok(secret), _) => Ok(Held::Open(Key::new(secret)?)),
            (Err(_), Some(_)) => Err(Unreadable::Passphrase),
            (Err(error), None) => Err(error.into()),
        }
    }

    fn new(secret: PKey<Private>) -> Result<Key, Unreadable> {
        let blob = public_blob(&secret)?.ok_or("its type is not supported")?;
        let public = Public::parse(&blob)?;
        Ok(Key { secret, public })
    }

    /// Signs as `algorithm` says (RFC 8332 for RSA): what follows the algorithm's name in a signature.
    pub fn sign(&self, algorithm: &str, data: &[u8]) -> Result<Vec<u8>, String> {
        let why = |error: ErrorStack| format!("OpenSSL cannot sign with it: {}", reason(&error));
        let digest = match algorithm {
            "ssh-ed25519" => None,
            "rsa-sha2-512" | "ecdsa-sha2-nistp521" => Some(MessageDigest::sha512()),
            "ecdsa-sha2-nistp384" => Some(MessageDigest::sha384()),
            "rsa-sha2-256" | "ecdsa-sha2-nistp256" => Some(MessageDigest::sha256()),
            "ssh-rsa" => Some(MessageDigest::sha1()),
            other => return Err(format!("{other} is not supported")),
        };
        let mut signer = match digest {
            Some(digest) => Signer::new(digest, &self.secret).map_err(why)?,
            None => Signer::new_without_digest(&self.secret).map_err(why)?,
        };
        let signature = signer.sign_oneshot_to_vec(data).map_err(why)?;
        if self.secret.id() != Id::EC {
            return Ok(signature);
        }
        let pair = EcdsaSig::from_der(&signature).map_err(why)?;
        let mut out = Vec::new();
        put_mpint(&mut out, &pair.r().to_vec());
        put_mpint(&mut out, &pair.s().to_vec());
        Ok(out)
    }
}

/// The curves of RFC 5656.
const CURVES: [(&str, Nid); 3] =
    [("nistp256", Nid::X9_62_PRIME256V1), ("nistp384", Nid::SECP384R1), ("nistp521", Nid::SECP521R1)];

fn public_blob<T: HasPublic>(key: &PKeyRef<T>) -> Result<Option<Vec<u8>>, ErrorStack> {
    let mut blob = Vec::new();
    match key.id() {
        Id::ED25519 => {
            put_string(&mut blob, b"ssh-ed25519");
            put_string(&mut blob, &key.raw_public_key()?);
        }
        Id::RSA => {
            let rsa = key.rsa()?;
            put_string(&mut blob, b"ssh-rsa");
            put_mpint(&mut blob, &rsa.e().to_vec());
            put_mpint(&mut blob, &rsa.n().to_vec());
        }
        Id::EC => {
            let key = key.ec_key()?;
            let of_key = key.group().curve_name();
            let Some((curve, _)) = CURVES.iter().find(|(_, nid)| Some(*nid) == of_key) else { return Ok(None) };
            let mut context = BigNumContext::new()?;
            let point = key.public_key().to_bytes(key.group(), PointConversionForm::UNCOMPRESSED, &mut context)?;
            put_string(&mut blob, format!("ecdsa-sha2-{curve}").as_bytes());
            put_string(&mut blob, curve.as_bytes());
            put_string(&mut blob, &point);
        }
        _ => return Ok(None),
    }
    Ok(Some(blob))
}

/// OpenSSH's format.
fn openssh(text: &str, passphrase: Option<&[u8]>) -> Result<Held, Unreadable> {
    let lines = text.lines().map(str::trim).skip_while(|line| !line.starts_with("-----BEGIN OPENSSH")).skip(1);
    let body = Zeroizing::new(lines.take_while(|line| !line.starts_with("-----")).collect::<String>());
    let bytes = Zeroizing::new(BASE64_STANDARD.decode(body.as_bytes()).map_err(|_| MALFORMED)?);
    let mut reader = Reader(&bytes);
    if reader.bytes(15) != Ok(b"openssh-key-v1\0") {
        return Err(MALFORMED.into());
    }
    let mut fields =
        || Ok::<_, &str>((reader.string()?, reader.string()?, reader.string()?, reader.u32()?, reader.string()?));
    let (cipher, kdf, kdf_options, keys, public) = fields().or(Err(MALFORMED))?;
    if keys != 1 {
        return Err("it holds more than one key".into());
    }
    let public = Public::parse(public)?;
    if public.is_hardware() {
        return Ok(Held::Hardware(public));
    }
    let private = reader.string().or(Err(MALFORMED))?;
    let key = match (cipher, passphrase) {
        (b"none", _) => private_part(private, Unreadable::from(MALFORMED))?,
        (_, None) => return Ok(Held::Locked(Some(public))),
        (cipher, Some(passphrase)) => {
            let opened = decrypt(cipher, kdf, kdf_options, passphrase, private)?;
            private_part(&opened, Unreadable::Passphrase)?
        }
    };
    match key.public == public {
        true => Ok(Held::Open(key)),
        false => Err("its halves do not belong together".into()),
    }
}

fn decrypt(
    cipher: &[u8],
    kdf: &[u8],
    options: &[u8],
    passphrase: &[u8],
    data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    let cipher = match cipher {
        b"aes256-ctr" => Cipher::aes_256_ctr(),
        b"aes192-ctr" => Cipher::aes_192_ctr(),
        b"aes128-ctr" => Cipher::aes_128_ctr(),
        b"aes256-cbc" => Cipher::aes_256_cbc(),
        b"aes192-cbc" => Cipher::aes_192_cbc(),
        b"aes128-cbc" => Cipher::aes_128_cbc(),
        _ => return Err("its cipher is not supported: load it with ssh-add".into()),
    };
    if kdf != b"bcrypt" {
        return Err(MALFORMED.into());
    }
    let mut reader = Reader(options);
    let (salt, rounds) = (reader.string().or(Err(MALFORMED))?, reader.u32().or(Err(MALFORMED))?);
    let iv_len = cipher.iv_len().unwrap_or_default();
    let mut derived = Zeroizing::new(vec![0; cipher.key_len() + iv_len]);
    // An empty passphrase is refused here too.
    bcrypt_pbkdf::bcrypt_pbkdf(passphrase, salt, rounds, &mut derived).map_err(|_| Unreadable::Passphrase)?;
    let (key, iv) = derived.split_at(cipher.key_len());
    if data.is_empty() || !data.len().is_multiple_of(cipher.block_size()) {
        return Err(MALFORMED.into());
    }
    let mut crypter = Crypter::new(cipher, Mode::Decrypt, key, Some(iv))?;
    crypter.pad(false);
    let mut out = Zeroizing::new(vec![0; data.len() + cipher.block_size()]);
    let written = crypter.update(data, &mut out)?;
    let written = written + crypter.finalize(&mut out[written..])?;
    out.truncate(written);
    Ok(out)
}

/// The part that a passphrase protects. `mismatch`: what it means when the two check numbers differ.
fn private_part(bytes: &[u8], mismatch: Unreadable) -> Result<Key, Unreadable> {
    let mut reader = Reader(bytes);
    match (reader.u32(), reader.u32()) {
        (Ok(a), Ok(b)) if a == b => {}
        _ => return Err(mismatch),
    }
    let secret = match reader.string().or(Err(MALFORMED))? {
        b"ssh-ed25519" => {
            let (_public, pair) = (reader.string().or(Err(MALFORMED))?, reader.string().or(Err(MALFORMED))?);
            let seed = pair.get(..32).ok_or(MALFORMED)?;
            PKey::private_key_from_raw_bytes(seed, Id::ED25519)?
        }
        b"ssh-rsa" => rsa(&mut reader)?,
        name => {
            let curve = name.strip_prefix(b"ecdsa-sha2-").unwrap_or_default();
            let curve = CURVES.iter().find(|(known, _)| known.as_bytes() == curve);
            let (_, nid) = curve.ok_or("its type is not supported")?;
            ecdsa(&mut reader, *nid)?
        }
    };
    Key::new(secret)
}

fn rsa(reader: &mut Reader<'_>) -> Result<PKey<Private>, Unreadable> {
    let mut numbers = Vec::with_capacity(6);
    for _ in 0..6 {
        numbers.push(BigNum::from_slice(reader.string().or(Err(MALFORMED))?)?);
    }
    let [n, e, d, iqmp, p, q] = <[BigNum; 6]>::try_from(numbers).map_err(|_| MALFORMED)?;
    // The exponents for the two primes, which the format leaves out; without them signing takes four times as long.
    let mut context = BigNumContext::new()?;
    let mut exponent = |prime: &BigNum| -> Result<BigNum, ErrorStack> {
        let mut less = BigNum::new_secure()?;
        less.checked_sub(prime, &*BigNum::from_u32(1)?)?;
        let mut rest = BigNum::new_secure()?;
        rest.nnmod(&d, &less, &mut context)?;
        less.clear();
        Ok(rest)
    };
    let (dp, dq) = (exponent(&p)?, exponent(&q)?);
    let rsa = RsaPrivateKeyBuilder::new(n, e, d)?.set_factors(p, q)?.set_crt_params(dp, dq, iqmp)?.build();
    // Broken parts would sign wrongly, and a wrong signature may give the key away.
    match rsa.check_key() {
        Ok(true) => Ok(PKey::from_rsa(rsa)?),
        _ => Err(MALFORMED.into()),
    }
}

fn ecdsa(reader: &mut Reader<'_>, curve: Nid) -> Result<PKey<Private>, Unreadable> {
    let mut fields = || Ok::<_, &str>((reader.string()?, reader.string()?, reader.string()?));
    let (_, point, scalar) = fields().or(Err(MALFORMED))?;
    let group = EcGroup::from_curve_name(curve)?;
    let mut context = BigNumContext::new()?;
    let point = EcPoint::from_bytes(&group, point, &mut context)?;
    let mut scalar = BigNum::from_slice(scalar)?;
    let key = EcKey::from_private_components(&group, &scalar, &point);
    scalar.clear();
    let key = key?;
    key.check_key()?;
    Ok(PKey::from_ec_key(key)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_passphrase_opens_every_format_and_a_wrong_one_none() {
        let folder = tempfile::tempdir().unwrap();
        let formats: [&[&str]; 6] = [
            &["-t", "ed25519"],
            &["-t", "ecdsa", "-b", "521"],
            &["-t", "rsa", "-b", "2048", "-Z", "aes256-cbc"],
            &["-t", "rsa", "-b", "2048", "-Z", "aes128-ctr"],
            &["-t", "rsa", "-b", "2048", "-m", "PEM"],
            &["-t", "ecdsa", "-m", "PKCS8"],
        ];
        for (number, format) in formats.iter().enumerate() {
            let path = folder.path().join(number.to_string());
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-a", "1", "-N", "pass word", "-f"]).arg(&path).args(*format);
            assert!(keygen.stdin(Stdio::null()).status().unwrap().success());
            let text = std::fs::read(&path).unwrap();
            assert!(matches!(Key::parse(&text, None), Ok(Held::Locked(_))), "{format:?}");
            assert_eq!(Key::parse(&text, Some(b"wrong")).unwrap_err(), Unreadable::Passphrase, "{format:?}");
            let Ok(Held::Open(key)) = Key::parse(&text, Some(b"pass word")) else { panic!("{format:?}") };
            let public = std::fs::read(path.with_extension("pub")).unwrap();
            assert_eq!(key.public, Public::parse_file(&public).unwrap(), "{format:?}");
        }
    }
}
