//! Signatures of certificate authorities, checked by the OpenSSL that libssh2 is linked with.

use crate::base::ssh_wire::Reader;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey};
use openssl::rsa::Rsa;
use openssl::sha::sha256;
use openssl::sign::Verifier;

type Verified = Result<(), &'static str>;

/// OpenSSH takes no smaller RSA keys.
const SMALLEST_RSA: i32 = 1024;
const FORGED: &str = "it does not fit";
const MALFORMED: &str = "it is malformed";
const MISFIT: &str = "the authority's key is not of the signature's type";

/// Checks the signature of `message` by `key`, both as they go over the wire (RFC 4253, 6.6). The algorithms are those of
/// ssh's CASignatureAlgorithms: RSA with SHA-1 is not among them.
pub fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> Verified {
    let (mut key, mut signature) = (Reader(key), Reader(signature));
    let key_type = key.string()?;
    let algorithm = signature.string()?;
    let signed = signature.string()?;
    let nid = |curve: &[u8]| match curve {
        b"nistp256" => Ok((Nid::X9_62_PRIME256V1, MessageDigest::sha256())),
        b"nistp384" => Ok((Nid::SECP384R1, MessageDigest::sha384())),
        b"nistp521" => Ok((Nid::SECP521R1, MessageDigest::sha512())),
        _ => Err(MISFIT),
    };
    let verified = match (key_type, algorithm) {
        (b"ssh-rsa", b"rsa-sha2-256") => rsa(&mut key, MessageDigest::sha256(), message, signed)?,
        (b"ssh-rsa", b"rsa-sha2-512") => rsa(&mut key, MessageDigest::sha512(), message, signed)?,
        (b"ssh-rsa", b"ssh-rsa") => return Err("it is made with SHA-1: sign anew with ssh-keygen -t rsa-sha2-512"),
        (b"ssh-ed25519", b"ssh-ed25519") => ed25519(key.string()?, message, signed),
        (b"ecdsa-sha2-nistp256" | b"ecdsa-sha2-nistp384" | b"ecdsa-sha2-nistp521", same) if same == key_type => {
            let curve = key.string()?;
            if !key_type.ends_with(curve) {
                return Err(MISFIT);
            }
            let (curve, digest) = nid(curve)?;
            ecdsa(curve, digest, key.string()?, message, signed)?
        }
        (b"sk-ssh-ed25519@openssh.com", same) if same == key_type => {
            let point = key.string()?;
            let message = by_token(key.string()?, &mut signature, message)?;
            ed25519(point, &message, signed)
        }
        (b"sk-ecdsa-sha2-nistp256@openssh.com", same) if same == key_type => {
            let (curve, digest) = nid(key.string()?)?;
            let point = key.string()?;
            let message = by_token(key.string()?, &mut signature, message)?;
            ecdsa(curve, digest, point, &message, signed)?
        }
        _ => return Err(MISFIT),
    };
    match verified {
        _ if !key.0.is_empty() || !signature.0.is_empty() => Err(MALFORMED),
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(FORGED),
    }
}

/// What a FIDO token signs in place of the message (PROTOCOL.u2f).
fn by_token(application: &[u8], signature: &mut Reader<'_>, message: &[u8]) -> Result<Vec<u8>, &'static str> {
    let flags_and_counter = signature.0;
    if flags_and_counter.len() != 5 {
        return Err(MALFORMED);
    }
    signature.0 = &[];
    Ok([&sha256(application)[..], flags_and_counter, &sha256(message)].concat())
}

type Answer = Result<bool, ErrorStack>;

fn ed25519(point: &[u8], message: &[u8], signature: &[u8]) -> Answer {
    let key = PKey::public_key_from_raw_bytes(point, Id::ED25519)?;
    Verifier::new_without_digest(&key)?.verify_oneshot(signature, message)
}

fn rsa(key: &mut Reader<'_>, digest: MessageDigest, message: &[u8], signature: &[u8]) -> Result<Answer, &'static str> {
    let (exponent, modulus) = (key.string()?, key.string()?);
    let verified = || {
        let modulus = BigNum::from_slice(modulus)?;
        if modulus.num_bits() < SMALLEST_RSA {
            return Ok(false);
        }
        let key = PKey::from_rsa(Rsa::from_public_components(modulus, BigNum::from_slice(exponent)?)?)?;
        // Some signers leave out leading zeros.
        let mut padded = vec![0; key.size().saturating_sub(signature.len())];
        padded.extend(signature);
        Verifier::new(digest, &key)?.verify_oneshot(&padded, message)
    };
    Ok(verified())
}

fn ecdsa(
    curve: Nid,
    digest: MessageDigest,
    point: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<Answer, &'static str> {
    let mut numbers = Reader(signature);
    let (r, s) = (numbers.string()?, numbers.string()?);
    if !numbers.0.is_empty() {
        return Err(MALFORMED);
    }
    let verified = || {
        let group = EcGroup::from_curve_name(curve)?;
        let point = EcPoint::from_bytes(&group, point, &mut *BigNumContext::new()?)?;
        let key = EcKey::from_public_key(&group, &point)?;
        key.check_key()?;
        let signature = EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
        signature.verify(&hash(digest, message)?, &key)
    };
    Ok(verified())
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::sign::Signer;

    fn string(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
    }

    /// No token is at hand: it signs as PROTOCOL.u2f says.
    #[test]
    fn a_token_signs_more_than_the_message() {
        let token = PKey::generate_ed25519().unwrap();
        let of_type = string(b"sk-ssh-ed25519@openssh.com");
        let key = [of_type.clone(), string(&token.raw_public_key().unwrap()), string(b"ssh:")].concat();
        let flags_and_counter = [1, 0, 0, 0, 7];
        let signed = [&sha256(b"ssh:")[..], &flags_and_counter, &sha256(b"message")].concat();
        let mut signer = Signer::new_without_digest(&token).unwrap();
        let bytes = string(&signer.sign_oneshot_to_vec(&signed).unwrap());
        let signature = [&of_type[..], &bytes, &flags_and_counter].concat();
        assert_eq!(verify(&key, b"message", &signature), Ok(()));
        assert_eq!(verify(&key, b"massage", &signature), Err(FORGED));
        assert_eq!(verify(&key, b"message", &[&of_type[..], &bytes, &[1, 0, 0, 0, 8]].concat()), Err(FORGED));
        assert_eq!(verify(&key, b"message", &[&signature[..], &[0]].concat()), Err(MALFORMED));
    }
}
