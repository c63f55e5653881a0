//! Logins at a real sshd on loopback, with keys, certificates and agents made by the tests.

use super::public_key::PublicKey;
use super::*;
use crate::base::shutdown::{Shutdown, Stop};
use crate::connect::tcp::{connect, resolve};
use crate::known_hosts::verifier::HostKeyQuery;
use crate::ssh_config::AddressFamily;
use openssl::pkey::{Id, PKey, Private};
use openssl::sha::sha256;
use openssl::sign::Signer as OpensslSigner;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(60);

/// An sshd that accepts the keys in `authorized_keys` and certificates signed by `ca`.
struct Lab {
    folder: TempDir,
    children: Vec<Child>,
    port: u16,
    user: String,
}

impl Lab {
    fn new() -> Lab {
        let _ = fs::create_dir_all("/run/sshd");
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap().trim().to_string();
        let mut lab = Lab { folder: tempfile::tempdir().unwrap(), children: Vec::new(), port: 0, user };
        lab.keygen("host", &["-t", "ed25519"]);
        lab.keygen("ca", &["-t", "ed25519"]);
        fs::write(lab.path("authorized_keys"), "").unwrap();
        // Another program may take the free port before sshd does: try again.
        for _ in 0..5 {
            lab.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let shown = lab.folder.path().display();
            let config = format!(
                "Port {}\nListenAddress 127.0.0.1\nHostKey {shown}/host\nAuthorizedKeysFile {shown}/authorized_keys\n\
                 TrustedUserCAKeys {shown}/ca.pub\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n\
                 KbdInteractiveAuthentication no\nUsePAM no\nUseDNS no\nStrictModes no\nPidFile none\n",
                lab.port
            );
            fs::write(lab.path("config"), config).unwrap();
            let mut sshd = Command::new("/usr/sbin/sshd");
            sshd.args(["-D", "-f"]).arg(lab.path("config")).stderr(Stdio::null());
            let mut sshd = sshd.spawn().unwrap();
            while sshd.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", lab.port)).is_ok() {
                    lab.children.push(sshd);
                    return lab;
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
        panic!("sshd did not start");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn keygen(&self, name: &str, args: &[&str]) -> PathBuf {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-N", "", "-f"]).arg(self.path(name)).args(args);
        assert!(keygen.stdin(Stdio::null()).status().unwrap().success());
        self.path(name)
    }

    /// Makes a certificate of a key, signed by `ca`.
    fn certify(&self, name: &str, args: &[&str]) {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-s"]).arg(self.path("ca")).args(["-I", "id", "-n", &self.user]).args(args);
        assert!(keygen.arg(self.path(&format!("{name}.pub"))).stderr(Stdio::null()).status().unwrap().success());
    }

    fn authorize(&self, line: &str) {
        let mut file = fs::OpenOptions::new().append(true).open(self.path("authorized_keys")).unwrap();
        writeln!(file, "{line}").unwrap();
    }

    fn public(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap()
    }

    /// A real agent.
    fn agent(&mut self) -> PathBuf {
        let socket = self.path("agent");
        let agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        self.children.push(agent);
        while !socket.exists() {
            thread::sleep(Duration::from_millis(10));
        }
        socket
    }

    fn add(&self, socket: &Path, name: &str) {
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(self.path(name)).env("SSH_AUTH_SOCK", socket).stderr(Stdio::null());
        assert!(add.status().unwrap().success());
    }

    fn offer_of(&self, names: &[&str]) -> Offer {
        Offer {
            files: names.iter().map(|name| self.path(name)).collect(),
            source: KeySource::Config,
            ..Offer::default()
        }
    }

    /// Logs in. Returns the error's text without the folder.
    fn log_in(&self, offer: &Offer) -> Result<(), String> {
        let shutdown = Shutdown::new().unwrap();
        let mut store = KeyStore::new(LONG);
        store.prepare(std::slice::from_ref(offer), &shutdown.stop).unwrap();
        let deadline = Instant::now() + LONG;
        let addresses = resolve("127.0.0.1", self.port, AddressFamily::Any, deadline, &shutdown.stop).unwrap();
        let socket = Arc::new(connect(&addresses, None, deadline, &shutdown.stop, Trace::OFF).unwrap());
        let mut session = SshSession::new(socket, shutdown).unwrap();
        session.handshake(&HostKeyQuery::default(), deadline).unwrap();
        let result = log_in(&session, &self.user, &store, offer, deadline, Trace::OFF);
        assert_eq!(result.is_ok(), session.raw().authenticated());
        let folder = format!("{}/", self.folder.path().display());
        result.map_err(|refusal| match refusal {
            LoginError::Refused(error) | LoginError::Late(error) => error.replace(&folder, ""),
            LoginError::WaitError(wait_error) => format!("{wait_error:?}"),
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

const KINDS: [(&str, &[&str]); 9] = [
    ("ed25519", &["-t", "ed25519"]),
    ("rsa", &["-t", "rsa", "-b", "2048"]),
    ("rsa-pem", &["-t", "rsa", "-b", "2048", "-m", "PEM"]),
    ("rsa-pkcs8", &["-t", "rsa", "-b", "2048", "-m", "PKCS8"]),
    ("p256", &["-t", "ecdsa", "-b", "256"]),
    ("p384", &["-t", "ecdsa", "-b", "384"]),
    ("p256-pem", &["-t", "ecdsa", "-m", "PEM"]),
    // Every second P-521 secret is one byte shorter.
    ("p521", &["-t", "ecdsa", "-b", "521"]),
    ("p521-too", &["-t", "ecdsa", "-b", "521"]),
];

#[test]
fn every_kind_of_key_logs_in_from_its_file_and_through_an_agent() {
    let mut lab = Lab::new();
    let socket = lab.agent();
    for (name, args) in KINDS {
        lab.keygen(name, args);
        lab.authorize(&lab.public(name));
        assert_eq!(lab.log_in(&lab.offer_of(&[name])), Ok(()), "{name}");
        lab.add(&socket, name);
        // The public half alone: only the agent can sign.
        let public = format!("{name}.pub");
        let offer = Offer { agent: Some(socket.clone()), identities_only: true, ..lab.offer_of(&[&public]) };
        assert_eq!(lab.log_in(&offer), Ok(()), "{name} of the agent");
    }
}

#[test]
fn certificates_log_in_from_files_and_through_an_agent() {
    let mut lab = Lab::new();
    let socket = lab.agent();
    for kind in ["ed25519", "rsa", "ecdsa"] {
        lab.keygen(kind, &["-t", kind]);
        lab.certify(kind, &[]);
        assert_eq!(lab.log_in(&lab.offer_of(&[kind])), Ok(()), "{kind}");
    }
    lab.add(&socket, "rsa");
    assert_eq!(lab.log_in(&Offer { agent: Some(socket.clone()), ..Offer::default() }), Ok(()));
    // CertificateFile with a key that only the agent holds.
    fs::rename(lab.path("rsa-cert.pub"), lab.path("elsewhere")).unwrap();
    let certificates = vec![lab.path("elsewhere")];
    assert_eq!(lab.log_in(&Offer { agent: Some(socket), certificates, ..Offer::default() }), Ok(()));
    lab.keygen("old", &["-t", "ed25519"]);
    lab.certify("old", &["-V", "20200101:20200102"]);
    lab.keygen("odd", &["-t", "ed25519"]);
    lab.certify("odd", &["-h"]);
    assert_eq!(
        lab.log_in(&lab.offer_of(&["old", "odd"])).unwrap_err(),
        format!(
            "the server refused user {:?}: tried old-cert.pub (it has expired), old, odd, odd-cert.pub not (it is a \
             host's certificate)",
            lab.user
        )
    );
}

#[test]
fn an_agent_signs_with_a_key_of_a_fido_authenticator() {
    let lab = Lab::new();
    let secret = PKey::generate_ed25519().unwrap();
    let public = [&string(b"sk-ssh-ed25519@openssh.com"), &string(&secret.raw_public_key().unwrap()), &string(b"ssh:")];
    let public = public.map(Vec::as_slice).concat();
    let line = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &public);
    lab.authorize(&format!("sk-ssh-ed25519@openssh.com {line}"));
    let socket = lab.path("fido");
    let listener = UnixListener::bind(&socket).unwrap();
    assert_eq!(secret.id(), Id::ED25519);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut len = [0; 4];
            while stream.read_exact(&mut len).is_ok() {
                let mut request = vec![0; u32::from_be_bytes(len) as usize];
                stream.read_exact(&mut request).unwrap();
                stream.write_all(&string(&fido_answer(&secret, &public, &request))).unwrap();
            }
        }
    });
    assert_eq!(lab.log_in(&Offer { agent: Some(socket), ..Offer::default() }), Ok(()));
}

/// A string with its length before it.
fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// The answer to a request, as OpenSSH's PROTOCOL.u2f defines signatures.
fn fido_answer(secret: &PKey<Private>, public: &[u8], request: &[u8]) -> Vec<u8> {
    if request[0] == 11 {
        return [&[12, 0, 0, 0, 1], &string(public)[..], &string(b"")].concat();
    }
    let reader = &mut &request[1..];
    let (_key, data) = (Vec::<u8>::decode(reader).unwrap(), Vec::<u8>::decode(reader).unwrap());
    let touched_once = [1, 0, 0, 0, 1];
    let signed = [&sha256(b"ssh:")[..], &touched_once, &sha256(&data)].concat();
    let raw = OpensslSigner::new_without_digest(secret).unwrap().sign_oneshot_to_vec(&signed).unwrap();
    let signature = [&string(b"sk-ssh-ed25519@openssh.com")[..], &string(&raw), &touched_once].concat();
    [&[14], &string(&signature)[..]].concat()
}

#[test]
fn keys_are_offered_until_the_server_ends_the_login_and_the_rest_is_counted() {
    let mut lab = Lab::new();
    let socket = lab.agent();
    for number in 0..8 {
        let name = format!("k{number}");
        lab.keygen(&name, &["-t", "ed25519"]);
        lab.add(&socket, &name);
    }
    lab.authorize(&lab.public("k7"));
    let offer = Offer { agent: Some(socket), ..Offer::default() };
    let error = lab.log_in(&offer).unwrap_err();
    assert_eq!(error.matches("of the agent").count(), 6, "{error}");
    assert!(error.contains(", 2 more not; name the right key with -i KEY"), "{error}");
    let named = Offer { files: vec![lab.path("k7.pub")], source: KeySource::Config, ..offer.clone() };
    assert_eq!(lab.log_in(&named), Ok(()));
    // With IdentitiesOnly the agent's other keys stay unused.
    let only = Offer { files: vec![lab.path("k0"), lab.path("none")], identities_only: true, ..named };
    assert_eq!(
        lab.log_in(&only).unwrap_err(),
        format!("the server refused user {:?}: tried k0, none not (No such file or directory (os error 2))", lab.user)
    );
}

#[test]
fn the_next_key_is_offered_if_the_agent_refuses_to_sign() {
    let mut lab = Lab::new();
    let socket = lab.agent();
    lab.keygen("first", &["-t", "ed25519"]);
    lab.keygen("second", &["-t", "ed25519"]);
    lab.authorize(&lab.public("first"));
    // The agent asks for confirmation, and nothing answers.
    let mut add = Command::new("ssh-add");
    add.args(["-q", "-c"]).arg(lab.path("first")).env("SSH_AUTH_SOCK", &socket).stderr(Stdio::null());
    assert!(add.status().unwrap().success());
    let offer = Offer { agent: Some(socket), files: vec![lab.path("second")], ..Offer::default() };
    let fingerprint = PublicKey::parse_file(lab.public("first").as_bytes()).unwrap().fingerprint();
    assert_eq!(
        lab.log_in(&offer).unwrap_err(),
        format!(
            "the server refused user {:?}: tried second, {fingerprint} of the agent not (the agent refused to sign)",
            lab.user
        )
    );
    lab.authorize(&lab.public("second"));
    assert_eq!(lab.log_in(&offer), Ok(()));
}

#[test]
fn a_locked_file_is_reported_and_a_file_without_a_key_is_an_error() {
    let lab = Lab::new();
    lab.keygen("open", &["-t", "ed25519"]);
    let locked = lab.path("locked");
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ecdsa", "-N", "secret", "-a", "1", "-f"]).arg(&locked);
    assert!(keygen.status().unwrap().success());
    let usual = Offer { source: KeySource::Usual, ..lab.offer_of(&["locked", "open", "none"]) };
    assert_eq!(
        lab.log_in(&usual).unwrap_err(),
        format!(
            "the server refused user {:?}: tried open, locked not (it is encrypted: load it with ssh-add, or name it \
             with -i to be asked for its passphrase)",
            lab.user
        )
    );
    let error = |name: &str| {
        let offer = Offer { source: KeySource::Option, ..lab.offer_of(&[name]) };
        let failure = KeyStore::new(LONG).prepare(&[offer], &Stop::new().unwrap()).unwrap_err();
        failure.message.replace(&format!("{}/", lab.folder.path().display()), "")
    };
    assert_eq!(error("none"), "cannot use the key file none: No such file or directory");
    assert_eq!(error("config"), "cannot use the key file config: it holds no private key");
    let cut = fs::read_to_string(lab.path("open")).unwrap();
    fs::write(lab.path("cut"), &cut[..cut.len() / 2]).unwrap();
    assert_eq!(error("cut"), "cannot use the key file cut: it is malformed");
    let none = lab.offer_of(&["none"]);
    let mut store = KeyStore::new(LONG);
    store.prepare(std::slice::from_ref(&none), &Stop::new().unwrap()).unwrap();
    assert!(store.require_any(&[none]).unwrap_err().message.starts_with("there is no key to log in with: "));
}
