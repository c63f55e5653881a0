//! Private keys in OpenSSH's own format (PROTOCOL.key) and in PEM, opened once a run.

use super::public_key::PublicKey;
use crate::base::signature::{nid, sign};
use base64::prelude::{BASE64_STANDARD, Engine};
use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::RsaPrivateKeyBuilder;
use openssl::symm::{Cipher, Crypter, Mode};
use ssh_encoding::{Decode, Encode};
use ssh_key::private::{Ed25519Keypair, RsaKeypair};
use ssh_key::public::{EcdsaPublicKey, Ed25519PublicKey, KeyData, RsaPublicKey};
use ssh_key::{Algorithm, Kdf, Mpint};
use std::fmt;
use zeroize::Zeroizing;

/// A private key ready to sign with. OpenSSL wipes it when it is freed.
pub struct PrivateKey {
    secret: PKey<Private>,
    pub public: PublicKey,
}

/// What a private key file has.
pub enum ParsedKey {
    Open(PrivateKey),
    /// A passphrase protects it. The public half, if the file shows it.
    Locked(Option<PublicKey>),
    /// It refers to a key that a FIDO authenticator holds.
    Hardware(PublicKey),
}

#[derive(Debug, PartialEq, Eq)]
pub enum KeyError {
    WrongPassphrase,
    Unusable(String),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::WrongPassphrase => f.write_str("the passphrase is wrong"),
            KeyError::Unusable(why) => f.write_str(why),
        }
    }
}

impl From<&str> for KeyError {
    fn from(why: &str) -> KeyError {
        KeyError::Unusable(why.to_string())
    }
}

impl From<ErrorStack> for KeyError {
    fn from(error: ErrorStack) -> KeyError {
        KeyError::Unusable(format!("OpenSSL cannot use it: {}", reason(&error)))
    }
}

impl From<ssh_key::Error> for KeyError {
    fn from(_: ssh_key::Error) -> KeyError {
        MALFORMED.into()
    }
}

impl From<ssh_encoding::Error> for KeyError {
    fn from(_: ssh_encoding::Error) -> KeyError {
        MALFORMED.into()
    }
}

fn reason(error: &ErrorStack) -> &'static str {
    error.errors().first().and_then(|error| error.reason()).unwrap_or("no reason given")
}

const MALFORMED: &str = "it is malformed";
const NO_KEY: &str = "it holds no private key";
const UNSUPPORTED: &str = "its type is not supported";

/// Reads a private key file, with its passphrase if that is known.
pub fn parse(text: &[u8], passphrase: Option<&[u8]>) -> Result<ParsedKey, KeyError> {
    let shown = std::str::from_utf8(text).or(Err(NO_KEY))?;
    if shown.contains("-----BEGIN OPENSSH PRIVATE KEY-----") {
        return parse_openssh(shown, passphrase);
    }
    if !shown.contains("PRIVATE KEY-----") {
        return Err(NO_KEY.into());
    }
    if shown.contains("ENCRYPTED") && passphrase.is_none() {
        return Ok(ParsedKey::Locked(None));
    }
    // OpenSSL calls this only if the key is encrypted. Without it OpenSSL would ask the terminal itself.
    let secret = PKey::private_key_from_pem_callback(text, |buffer| {
        let passphrase = passphrase.unwrap_or_default();
        let Some(room) = buffer.get_mut(..passphrase.len()) else { return Ok(0) };
        room.copy_from_slice(passphrase);
        Ok(passphrase.len())
    });
    match (secret, passphrase) {
        (Ok(secret), _) => Ok(ParsedKey::Open(PrivateKey::new(secret)?)),
        (Err(_), Some(_)) => Err(KeyError::WrongPassphrase),
        (Err(error), None) => Err(error.into()),
    }
}

impl PrivateKey {
    fn new(secret: PKey<Private>) -> Result<PrivateKey, KeyError> {
        let mut blob = Vec::new();
        public_half(&secret)?.encode(&mut blob)?;
        Ok(PrivateKey { secret, public: PublicKey::parse(&blob)? })
    }

    /// Signs as `algorithm` says (RFC 8332 for RSA). Returns what follows the algorithm's name in a signature.
    pub fn sign(&self, algorithm: &str, data: &[u8]) -> Result<Vec<u8>, String> {
        let algorithm = Algorithm::new(algorithm).map_err(|_| format!("{algorithm} is not supported"))?;
        sign(&self.secret, &algorithm, data).map_err(|error| format!("OpenSSL cannot sign with it: {}", reason(&error)))
    }
}

fn public_half(secret: &PKey<Private>) -> Result<KeyData, KeyError> {
    match secret.id() {
        Id::ED25519 => Ok(Ed25519PublicKey::try_from(secret.raw_public_key()?.as_slice())?.into()),
        Id::RSA => {
            let rsa = secret.rsa()?;
            let mpint = |number: &BigNumRef| Mpint::from_positive_bytes(&number.to_vec());
            Ok(RsaPublicKey { e: mpint(rsa.e())?, n: mpint(rsa.n())? }.into())
        }
        Id::EC => {
            let key = secret.ec_key()?;
            let (group, mut context) = (key.group(), BigNumContext::new()?);
            let point = key.public_key().to_bytes(group, PointConversionForm::UNCOMPRESSED, &mut context)?;
            let public = EcdsaPublicKey::from_sec1_bytes(&point).or(Err(UNSUPPORTED))?;
            // Other curves have points of the same length.
            if group.curve_name() != Some(nid(public.curve())) {
                return Err(UNSUPPORTED.into());
            }
            Ok(public.into())
        }
        _ => Err(UNSUPPORTED.into()),
    }
}

/// Not ssh-key's parser: it requires lines of 70 columns, and refuses ECDSA secrets that begin with a zero byte.
fn parse_openssh(text: &str, passphrase: Option<&[u8]>) -> Result<ParsedKey, KeyError> {
    let lines = text.lines().map(str::trim).skip_while(|line| !line.starts_with("-----BEGIN OPENSSH")).skip(1);
    let body = Zeroizing::new(lines.take_while(|line| !line.starts_with("-----")).collect::<String>());
    let bytes = Zeroizing::new(BASE64_STANDARD.decode(body.as_bytes()).or(Err(MALFORMED))?);
    let reader = &mut bytes.strip_prefix(b"openssh-key-v1\0").ok_or(MALFORMED)?;
    let (cipher, kdf) = (String::decode(reader)?, Kdf::decode(reader)?);
    if u32::decode(reader)? != 1 {
        return Err("it holds more than one key".into());
    }
    let public = PublicKey::parse(&Vec::decode(reader)?)?;
    if public.is_hardware() {
        return Ok(ParsedKey::Hardware(public));
    }
    let private = Zeroizing::new(Vec::decode(reader)?);
    let key = match (kdf, passphrase) {
        (Kdf::None, _) => parse_private_half(&private).or(Err(MALFORMED))?,
        (_, None) => return Ok(ParsedKey::Locked(Some(public))),
        (kdf, Some(passphrase)) => parse_private_half(&decrypt(&cipher, &kdf, passphrase, &private)?)?,
    };
    if key.public != public {
        return Err("its halves do not belong together".into());
    }
    Ok(ParsedKey::Open(key))
}

/// By OpenSSL, because ssh-key's decryption would add a dozen crates.
fn decrypt(cipher: &str, kdf: &Kdf, passphrase: &[u8], data: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let cipher = match cipher {
        "aes256-ctr" => Cipher::aes_256_ctr(),
        "aes192-ctr" => Cipher::aes_192_ctr(),
        "aes128-ctr" => Cipher::aes_128_ctr(),
        "aes256-cbc" => Cipher::aes_256_cbc(),
        "aes192-cbc" => Cipher::aes_192_cbc(),
        "aes128-cbc" => Cipher::aes_128_cbc(),
        _ => return Err("its cipher is not supported: load it with ssh-add".into()),
    };
    let Kdf::Bcrypt { salt, rounds } = kdf else { return Err(MALFORMED.into()) };
    let mut derived = Zeroizing::new(vec![0; cipher.key_len() + cipher.iv_len().unwrap_or_default()]);
    // It refuses an empty passphrase too.
    bcrypt_pbkdf::bcrypt_pbkdf(passphrase, salt, *rounds, &mut derived).or(Err(KeyError::WrongPassphrase))?;
    let (key, iv) = derived.split_at(cipher.key_len());
    let mut crypter = Crypter::new(cipher, Mode::Decrypt, key, Some(iv))?;
    crypter.pad(false);
    let mut opened = Zeroizing::new(vec![0; data.len() + cipher.block_size()]);
    let written = crypter.update(data, &mut opened)?;
    crypter.finalize(&mut opened[written..])?;
    Ok(opened)
}

/// Reads the part that a passphrase protects. After a wrong passphrase its two check numbers differ.
fn parse_private_half(bytes: &[u8]) -> Result<PrivateKey, KeyError> {
    let mut rest = bytes;
    let reader = &mut rest;
    if u32::decode(reader)? != u32::decode(reader)? {
        return Err(KeyError::WrongPassphrase);
    }
    let secret = match Algorithm::decode(reader)? {
        Algorithm::Ed25519 => {
            let pair = Ed25519Keypair::decode(reader)?;
            PKey::private_key_from_raw_bytes(pair.private.as_ref(), Id::ED25519)?
        }
        Algorithm::Rsa { .. } => rsa(&RsaKeypair::decode(reader)?)?,
        Algorithm::Ecdsa { curve } => {
            let _curve = String::decode(reader)?;
            let (point, scalar) = (Vec::<u8>::decode(reader)?, Zeroizing::new(Vec::<u8>::decode(reader)?));
            ecdsa(nid(curve), &point, &scalar)?
        }
        _ => return Err(UNSUPPORTED.into()),
    };
    PrivateKey::new(secret)
}

fn rsa(pair: &RsaKeypair) -> Result<PKey<Private>, KeyError> {
    let number = |number: &Mpint| BigNum::from_slice(number.as_bytes());
    let (n, e, d) = (number(&pair.public.n)?, number(&pair.public.e)?, number(&pair.private.d)?);
    let (p, q, iqmp) = (number(&pair.private.p)?, number(&pair.private.q)?, number(&pair.private.iqmp)?);
    // The exponents for the two primes, which the format leaves out. Without them signing takes four times as long.
    let mut context = BigNumContext::new()?;
    let mut exponent = |prime: &BigNum| -> Result<BigNum, ErrorStack> {
        let (mut less, mut exponent) = (BigNum::new_secure()?, BigNum::new_secure()?);
        less.checked_sub(prime, &*BigNum::from_u32(1)?)?;
        exponent.nnmod(&d, &less, &mut context)?;
        less.clear();
        Ok(exponent)
    };
    let (dp, dq) = (exponent(&p)?, exponent(&q)?);
    let rsa = RsaPrivateKeyBuilder::new(n, e, d)?.set_factors(p, q)?.set_crt_params(dp, dq, iqmp)?.build();
    // Broken parts would sign wrongly, and a wrong signature may give the key away.
    match rsa.check_key() {
        Ok(true) => Ok(PKey::from_rsa(rsa)?),
        Ok(false) | Err(_) => Err(MALFORMED.into()),
    }
}

fn ecdsa(curve: Nid, point: &[u8], scalar: &[u8]) -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(curve)?;
    let point = EcPoint::from_bytes(&group, point, &mut *BigNumContext::new()?)?;
    let mut scalar = BigNum::from_slice(scalar)?;
    let key = EcKey::from_private_components(&group, &scalar, &point);
    scalar.clear();
    let key = key?;
    key.check_key()?;
    PKey::from_ec_key(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn the_right_passphrase_opens_every_format_and_a_wrong_one_none() {
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
            assert!(matches!(parse(&text, None), Ok(ParsedKey::Locked(_))), "{format:?}");
            assert_eq!(parse(&text, Some(b"wrong")).err(), Some(KeyError::WrongPassphrase), "{format:?}");
            let Ok(ParsedKey::Open(key)) = parse(&text, Some(b"pass word")) else { panic!("{format:?}") };
            let public = std::fs::read(path.with_extension("pub")).unwrap();
            assert_eq!(key.public, PublicKey::parse_file(&public).unwrap(), "{format:?}");
        }
    }
    /// As other programs write them, such as Go's.
    #[test]
    fn lines_may_have_any_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let mut keygen = Command::new("ssh-keygen");
        assert!(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path).status().unwrap().success());
        let text = std::fs::read_to_string(&path).unwrap();
        let (begin, rest) = text.split_once('\n').unwrap();
        let (body, end) = rest.trim_end().rsplit_once('\n').unwrap();
        for width in [64, 76, 1000] {
            let body = body.replace('\n', "");
            let lines: Vec<&str> =
                body.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
            let text = format!("{begin}\r\n{}\r\n{end}\r\n", lines.join("\r\n"));
            assert!(matches!(parse(text.as_bytes(), None), Ok(ParsedKey::Open(_))), "{width}");
        }
    }
}
