//! Makes and verifies the signatures of SSH keys, by OpenSSL.

use crate::base::key_blob::key_type;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private, Public};
use openssl::rsa::Rsa;
use openssl::sha::sha256;
use openssl::sign::{Signer, Verifier};
use ssh_encoding::{Decode, Encode, Reader};
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, Mpint, PublicKey, Signature};

/// OpenSSH accepts no smaller RSA keys.
const SMALLEST_RSA: i32 = 1024;
const FORGED: &str = "it does not fit";
const MALFORMED: &str = "it is malformed";

/// Signs `data`. Returns what follows the algorithm's name in a signature.
pub fn sign(secret: &PKey<Private>, algorithm: &Algorithm, data: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let mut signer = match digest(algorithm) {
        Some(digest) => Signer::new(digest, secret)?,
        None => Signer::new_without_digest(secret)?,
    };
    let signature = signer.sign_oneshot_to_vec(data)?;
    if secret.id() != Id::EC {
        return Ok(signature);
    }
    let pair = EcdsaSig::from_der(&signature)?;
    let mut numbers = Vec::new();
    for number in [pair.r(), pair.s()] {
        let number = Mpint::from_positive_bytes(&number.to_vec()).expect("a number in its shortest form");
        number.encode(&mut numbers).expect("a vector takes any length");
    }
    Ok(numbers)
}

/// Verifies the signature of `message` by `key`, both as they are sent. The algorithms are those of ssh's
/// CASignatureAlgorithms, which does not have RSA with SHA-1.
pub fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), &'static str> {
    if key_type(signature) == "ssh-rsa" {
        return Err("it is made with SHA-1: sign again with ssh-keygen -t rsa-sha2-512");
    }
    let key = PublicKey::from_bytes(key).or(Err("the authority's key is malformed"))?;
    let mut rest = signature;
    let signature =
        Signature::decode(&mut rest).and_then(|signature| Ok(rest.finish(signature)?)).or(Err(MALFORMED))?;
    let algorithm = signature.algorithm();
    if key.algorithm() != algorithm && !(key.key_data().is_rsa() && matches!(algorithm, Algorithm::Rsa { .. })) {
        return Err("the authority's key is not of the signature's type");
    }
    match is_valid(key.key_data(), message, &algorithm, signature.as_bytes()) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(FORGED),
    }
}

fn is_valid(key: &KeyData, message: &[u8], algorithm: &Algorithm, signature: &[u8]) -> Result<bool, ErrorStack> {
    let application = match key {
        KeyData::SkEd25519(key) => Some(key.application()),
        KeyData::SkEcdsaSha2NistP256(key) => Some(key.application()),
        _ => None,
    };
    // A FIDO token signs more than the message (PROTOCOL.u2f). Its flags and counter end the signature.
    let (signature, message) = match application.and_then(|name| Some((name, signature.split_last_chunk::<5>()?))) {
        Some((application, (signature, flags_and_counter))) => {
            (signature, [&sha256(application.as_bytes())[..], flags_and_counter, &sha256(message)].concat())
        }
        None => (signature, message.to_vec()),
    };
    let ed25519 = |point: &[u8]| PKey::public_key_from_raw_bytes(point, Id::ED25519);
    let (key, signature) = match key {
        KeyData::Ed25519(key) => (ed25519(key.as_ref())?, signature.to_vec()),
        KeyData::SkEd25519(key) => (ed25519(key.public_key().as_ref())?, signature.to_vec()),
        KeyData::Ecdsa(key) => (ecdsa(key.curve(), key.as_sec1_bytes())?, der(signature)?),
        KeyData::SkEcdsaSha2NistP256(key) => (ecdsa(EcdsaCurve::NistP256, key.ec_point().as_bytes())?, der(signature)?),
        KeyData::Rsa(key) => {
            let (n, e) = (BigNum::from_slice(key.n.as_bytes())?, BigNum::from_slice(key.e.as_bytes())?);
            if n.num_bits() < SMALLEST_RSA {
                return Ok(false);
            }
            let key = PKey::from_rsa(Rsa::from_public_components(n, e)?)?;
            // Some signers leave out leading zeros.
            let zeros = vec![0; key.size().saturating_sub(signature.len())];
            (key, [&zeros, signature].concat())
        }
        _ => return Ok(false),
    };
    match digest(algorithm) {
        Some(digest) => Verifier::new(digest, &key)?.verify_oneshot(&signature, &message),
        None => Verifier::new_without_digest(&key)?.verify_oneshot(&signature, &message),
    }
}

fn ecdsa(curve: EcdsaCurve, point: &[u8]) -> Result<PKey<Public>, ErrorStack> {
    let group = EcGroup::from_curve_name(nid(curve))?;
    let point = EcPoint::from_bytes(&group, point, &mut *BigNumContext::new()?)?;
    let key = EcKey::from_public_key(&group, &point)?;
    key.check_key()?;
    PKey::from_ec_key(key)
}

/// Converts an ECDSA signature from SSH's encoding to OpenSSL's.
fn der(mut signature: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let mut number = || BigNum::from_slice(&Vec::decode(&mut signature).unwrap_or_default());
    EcdsaSig::from_private_components(number()?, number()?)?.to_der()
}

pub fn nid(curve: EcdsaCurve) -> Nid {
    match curve {
        EcdsaCurve::NistP256 => Nid::X9_62_PRIME256V1,
        EcdsaCurve::NistP384 => Nid::SECP384R1,
        EcdsaCurve::NistP521 => Nid::SECP521R1,
    }
}

fn digest(algorithm: &Algorithm) -> Option<MessageDigest> {
    match algorithm {
        Algorithm::Rsa { hash: None } => Some(MessageDigest::sha1()),
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) } | Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 } => {
            Some(MessageDigest::sha512())
        }
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 } => Some(MessageDigest::sha384()),
        Algorithm::Rsa { .. } | Algorithm::Ecdsa { .. } | Algorithm::SkEcdsaSha2NistP256 => {
            Some(MessageDigest::sha256())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
    }

    /// Without a real token: signs as PROTOCOL.u2f says.
    #[test]
    fn a_token_signs_more_than_the_message() {
        let token = PKey::generate_ed25519().unwrap();
        let of_type = string(b"sk-ssh-ed25519@openssh.com");
        let key = [of_type.clone(), string(&token.raw_public_key().unwrap()), string(b"ssh:")].concat();
        let flags_and_counter = [1, 0, 0, 0, 7];
        let signed = [&sha256(b"ssh:")[..], &flags_and_counter, &sha256(b"message")].concat();
        let bytes = string(&sign(&token, &Algorithm::Ed25519, &signed).unwrap());
        let signature = [&of_type[..], &bytes, &flags_and_counter].concat();
        assert_eq!(verify(&key, b"message", &signature), Ok(()));
        assert_eq!(verify(&key, b"massage", &signature), Err(FORGED));
        assert_eq!(verify(&key, b"message", &[&of_type[..], &bytes, &[1, 0, 0, 0, 8]].concat()), Err(FORGED));
        assert_eq!(verify(&key, b"message", &[&signature[..], &[0]].concat()), Err(MALFORMED));
    }
}
