//! Reads which algorithms a server offers (its KEXINIT, RFC 4253 section 7.1) from its first bytes, and says which kind
//! has no match. libssh2 says only that the key exchange failed.

use ssh_encoding::{Decode, Reader};

/// The kinds of algorithms that both sides must agree on, in the order of KEXINIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    KeyExchange,
    HostKey,
    Cipher,
    Mac,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::KeyExchange => "key exchange algorithm",
            Kind::HostKey => "host key algorithm",
            Kind::Cipher => "cipher",
            Kind::Mac => "MAC",
        }
    }

    /// Its keyword in ssh_config.
    pub fn keyword(self) -> &'static str {
        match self {
            Kind::KeyExchange => "KexAlgorithms",
            Kind::HostKey => "HostKeyAlgorithms",
            Kind::Cipher => "Ciphers",
            Kind::Mac => "MACs",
        }
    }
}

/// The algorithms of one kind that this side accepts.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    /// Best first.
    pub names: Vec<String>,
    /// The list of ssh_config, if it has one.
    pub asked: Option<String>,
}

impl Allowed {
    /// Returns those of `supported` that ssh_config names, in its order. Fails if there are none.
    pub fn new(kind: Kind, supported: &[&str], asked: Option<&str>) -> Result<Allowed, String> {
        let Some(asked) = asked else {
            return Ok(Allowed { names: supported.iter().map(|name| name.to_string()).collect(), asked: None });
        };
        let names: Vec<String> = asked.split(',').filter(|name| supported.contains(name)).map(str::to_string).collect();
        if names.is_empty() {
            return Err(format!(
                "ssh_config's {} asks for {}, which this engine lacks: use --engine openssh",
                kind.keyword(),
                shortened(&asked.split(',').collect::<Vec<_>>())
            ));
        }
        Ok(Allowed { names, asked: Some(asked.to_string()) })
    }
}

/// What this side accepts, by kind.
#[derive(Clone, Debug, Default)]
pub struct Ours {
    pub key_exchange: Allowed,
    pub host_key: Allowed,
    pub cipher: Allowed,
    pub mac: Allowed,
}

/// What a server sent before anything was encrypted.
#[derive(Debug, Default, PartialEq)]
struct Opening {
    /// `SSH-2.0-...`
    banner: String,
    /// The name-lists of its KEXINIT, if it arrived completely.
    lists: Option<Vec<Vec<String>>>,
}

/// Returns why a handshake failed, from the server's first bytes. Returns `None` if they do not show it.
pub fn why_failed(opening: &[u8], ours: &Ours) -> Option<String> {
    let opening = Opening::parse(opening)?;
    if let Some(version) = opening.banner.strip_prefix("SSH-1.").filter(|rest| !rest.starts_with("99-")) {
        let version = version.split('-').next().unwrap_or_default();
        return Some(format!("the server speaks only SSH 1.{version}, which is too old for both engines"));
    }
    mismatch(&opening.lists?, ours)
}

impl Opening {
    fn parse(bytes: &[u8]) -> Option<Opening> {
        let mut rest = bytes;
        // A server may send other lines first (RFC 4253 section 4.2).
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            if line.starts_with(b"SSH-") {
                let banner = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
                return Some(Opening { banner, lists: name_lists(rest) });
            }
        }
    }
}

/// Returns the name-lists of the first KEXINIT among these packets, which are not encrypted.
fn name_lists(bytes: &[u8]) -> Option<Vec<Vec<String>>> {
    const KEXINIT: u8 = 20;
    const LISTS: usize = 8;
    let mut packets = bytes;
    loop {
        let packet = Vec::<u8>::decode(&mut packets).ok()?;
        let (padding, payload) = packet.split_first()?;
        let payload = payload.get(..payload.len().checked_sub(usize::from(*padding))?)?;
        let Some((&KEXINIT, message)) = payload.split_first() else { continue };
        let mut reader = message;
        let _cookie = reader.read(&mut [0; 16]).ok()?;
        let list = |_| {
            let list = String::from_utf8_lossy(&Vec::<u8>::decode(&mut reader).ok()?).into_owned();
            Some(list.split(',').filter(|name| !name.is_empty()).map(str::to_string).collect())
        };
        return (0..LISTS).map(list).collect();
    }
}

/// Returns the first kind of algorithm on which libssh2 and the server do not agree, as a phrase.
fn mismatch(lists: &[Vec<String>], ours: &Ours) -> Option<String> {
    let [key_exchange, host_key, cipher_out, cipher_in, mac_out, mac_in, ..] = lists else { return None };
    let agreed = |ours: &Allowed, theirs: &[String]| ours.names.iter().find(|name| theirs.contains(name)).cloned();
    // libssh2 also requires a MAC for chacha20-poly1305, which does not use it.
    let needs_mac = |theirs: &[String]| agreed(&ours.cipher, theirs).is_some_and(|cipher| !cipher.contains("-gcm@"));
    let pairs = [
        (Kind::KeyExchange, &ours.key_exchange, key_exchange, true),
        (Kind::HostKey, &ours.host_key, host_key, true),
        (Kind::Cipher, &ours.cipher, cipher_out, true),
        (Kind::Cipher, &ours.cipher, cipher_in, true),
        (Kind::Mac, &ours.mac, mac_out, needs_mac(cipher_out)),
        (Kind::Mac, &ours.mac, mac_in, needs_mac(cipher_in)),
    ];
    let (kind, ours, theirs, _) =
        pairs.into_iter().find(|(_, ours, theirs, needed)| *needed && agreed(ours, theirs).is_none())?;
    let asked: Vec<&str> = ours.asked.as_deref().map(|asked| asked.split(',').collect()).unwrap_or_default();
    let lacking: Vec<&str> = asked.iter().copied().filter(|name| theirs.iter().any(|other| other == name)).collect();
    let remedy = match (asked.is_empty(), lacking.is_empty()) {
        (true, _) => "--engine openssh may work".to_string(),
        (false, false) => format!("this engine lacks {}: use --engine openssh", shortened(&lacking)),
        (false, true) => format!("ssh_config's {} asks for {}", kind.keyword(), shortened(&asked)),
    };
    // These names are extensions, not algorithms (OpenSSH's PROTOCOL 1.10, RFC 8308).
    let is_marker = |name: &&str| name.starts_with("kex-strict-") || name.starts_with("ext-info-");
    let theirs: Vec<&str> = theirs.iter().map(String::as_str).filter(|name| !is_marker(name)).collect();
    Some(format!("no {} in common: the server offers {}; {remedy}", kind.name(), shortened(&theirs)))
}

/// Returns names as text, shortened for a message.
pub fn shortened(names: &[&str]) -> String {
    const MOST: usize = 12;
    const LONGEST: usize = 64;
    let shown: Vec<String> = names.iter().take(MOST).map(|name| name.chars().take(LONGEST).collect()).collect();
    match names.len() {
        0 => "none".to_string(),
        count if count > MOST => format!("{} and {} more", shown.join(", "), count - MOST),
        _ => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ssh_encoding::Encode;

    /// What a server sends that offers these: key exchanges, host keys, ciphers, MACs.
    fn opening(offers: [&str; 4]) -> Vec<u8> {
        let mut message = vec![20];
        message.extend([7; 16]);
        let [kex, host_key, cipher, mac] = offers;
        for list in [kex, host_key, cipher, cipher, mac, mac, "none", "none", "", ""] {
            list.encode(&mut message).unwrap();
        }
        message.extend([0; 5]);
        let packet = |message: &[u8]| {
            let mut packet = vec![4];
            packet.extend_from_slice(message);
            packet.extend([0; 4]);
            let mut framed = Vec::new();
            packet.encode(&mut framed).unwrap();
            framed
        };
        // Lines before the banner, and an IGNORE before KEXINIT.
        let mut bytes = b"hello\r\nSSH-2.0-x\r\n".to_vec();
        bytes.extend(packet(&[2, 0, 0, 0, 0]));
        bytes.extend(packet(&message));
        bytes
    }

    fn allowed(names: &str) -> Allowed {
        Allowed { names: names.split(',').map(str::to_string).collect(), asked: None }
    }

    fn ours() -> Ours {
        Ours {
            key_exchange: allowed("k1,k2"),
            host_key: allowed("h1"),
            cipher: allowed("aes256-gcm@openssh.com,c1"),
            mac: allowed("m1"),
        }
    }

    #[test]
    fn the_kind_without_a_match_is_named_with_what_the_server_offers() {
        let why = |offers| why_failed(&opening(offers), &ours());
        assert_eq!(why(["k3,k2", "h1", "c1", "m1"]), None);
        let end = "; --engine openssh may work";
        assert_eq!(
            why(["k3,k4", "h2", "c1", "m1"]).unwrap(),
            format!("no key exchange algorithm in common: the server offers k3, k4{end}")
        );
        assert_eq!(
            why(["k1", "h2", "c1", "m1"]).unwrap(),
            format!("no host key algorithm in common: the server offers h2{end}")
        );
        let marked = why(["k3,kex-strict-s-v00@openssh.com,ext-info-s", "h1", "c1", "m1"]).unwrap();
        assert_eq!(marked, format!("no key exchange algorithm in common: the server offers k3{end}"));
        assert_eq!(why(["k1", "h1", "", "m1"]).unwrap(), format!("no cipher in common: the server offers none{end}"));
        assert_eq!(why(["k1", "h1", "c1", "m2"]).unwrap(), format!("no MAC in common: the server offers m2{end}"));
        assert_eq!(why(["k1", "h1", "aes256-gcm@openssh.com", "m2"]), None);
    }

    #[test]
    fn a_list_of_ssh_config_is_named_as_the_reason() {
        let why = |asked: &str| {
            let cipher = Allowed { asked: Some(asked.to_string()), ..allowed("c1") };
            why_failed(&opening(["k1", "h1", "c2,c3", "m1"]), &Ours { cipher, ..ours() }).unwrap()
        };
        let start = "no cipher in common: the server offers c2, c3; ";
        assert_eq!(why("c1,c3"), format!("{start}this engine lacks c3: use --engine openssh"));
        assert_eq!(why("c1"), format!("{start}ssh_config's Ciphers asks for c1"));
        let none = Allowed::new(Kind::Mac, &["m1"], Some("m2,m3")).unwrap_err();
        assert_eq!(none, "ssh_config's MACs asks for m2, m3, which this engine lacks: use --engine openssh");
        assert_eq!(Allowed::new(Kind::Mac, &["m1", "m2"], Some("m2,m3")).unwrap().names, ["m2"]);
    }

    #[test]
    fn incomplete_or_invalid_bytes_explain_nothing() {
        let whole = opening(["k3", "h1", "c1", "m1"]);
        assert!(why_failed(&whole, &ours()).is_some());
        // Its last twelve bytes are no name-list.
        for end in 0..whole.len() - 40 {
            assert_eq!(why_failed(&whole[..end], &ours()), None, "{end}");
        }
        assert_eq!(why_failed(b"SSH-2.0-x\r\n\xff\xff\xff\xff\x14", &ours()), None);
        assert_eq!(why_failed(b"SSH-2.0-x\r\n\0\0\0\x02\xff\x14", &ours()), None);
        assert_eq!(why_failed(b"SSH-1.99-x\r\n", &ours()), None);
        let old = why_failed(b"SSH-1.5-x\n", &ours()).unwrap();
        assert_eq!(old, "the server speaks only SSH 1.5, which is too old for both engines");
        let many: Vec<String> = (0..400).map(|number| format!("k{number}x")).collect();
        let why = why_failed(&opening([&many.join(","), "h1", "c1", "m1"]), &ours()).unwrap();
        assert!(why.len() < 300 && why.contains("k11x and 388 more"), "{why}");
    }
}
