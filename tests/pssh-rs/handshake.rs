//! Handshakes that fail because both sides know no common algorithm.

use crate::{error, host};
use kit::{Hostile, Sandbox, Sshd};
use serde_json::json;

fn sshd_with(config: &str) -> (Sandbox, Sshd) {
    let mut sandbox = Sandbox::new();
    let sshd = Sshd::with(&["127.0.0.1".to_string()], config);
    sshd.open_to(&mut sandbox);
    (sandbox, sshd)
}

/// The error of the handshake with these options of ssh_config.
fn refused(sandbox: &Sandbox, options: &[&str]) -> String {
    let mut args: Vec<&str> = options.iter().flat_map(|option| ["--ssh-option", option]).collect();
    args.push("true");
    let run = sandbox.run("pssh-rs", &args, host("one", 1)).exits(3);
    let record = &run.records()[0];
    let found = (&record["status"], &record["phase"], &record["attempts"]);
    assert_eq!(found, (&json!("unreachable"), &json!("handshake"), &json!(1)), "{record}");
    error(record).to_string()
}

#[test]
fn missing_algorithm_is_named_and_the_other_engine_works() {
    // Too new, too old, and a MAC that libssh2 lacks: what the server offers, and what ssh needs to connect.
    for (config, kind, offer, option) in [
        (
            "KexAlgorithms sntrup761x25519-sha512@openssh.com",
            "no key exchange algorithm in common",
            "the server offers sntrup761x25519-sha512@openssh.com",
            "KexAlgorithms=sntrup761x25519-sha512@openssh.com",
        ),
        (
            "KexAlgorithms diffie-hellman-group1-sha1",
            "no key exchange algorithm in common",
            "the server offers diffie-hellman-group1-sha1",
            "KexAlgorithms=+diffie-hellman-group1-sha1",
        ),
        (
            "MACs umac-128@openssh.com,umac-64@openssh.com",
            "no MAC in common",
            "the server offers umac-128@openssh.com, umac-64@openssh.com",
            "MACs=umac-128@openssh.com",
        ),
    ] {
        let (sandbox, _sshd) = sshd_with(config);
        let error = refused(&sandbox, &[]);
        assert!(error.contains(kind) && error.contains(offer), "{config}: {error}");
        assert!(error.ends_with("; --engine openssh may work"), "{config}: {error}");
        let args = ["--engine", "openssh", "--ssh-option", option, "true"];
        sandbox.run("pssh-rs", &args, host("one", 1)).exits(0);
    }
}

#[test]
fn algorithm_lists_without_a_match_are_named() {
    let (sandbox, _sshd) =
        sshd_with("Ciphers aes128-ctr\nKexAlgorithms curve25519-sha256,sntrup761x25519-sha512@openssh.com");
    let error = refused(&sandbox, &["Ciphers=aes256-ctr"]);
    let cipher = "no cipher in common: the server offers aes128-ctr; ssh_config's Ciphers asks for aes256-ctr";
    assert!(error.ends_with(cipher), "{error}");
    let error = refused(&sandbox, &["HostKeyAlgorithms=rsa-sha2-512"]);
    assert!(error.contains("no host key algorithm in common: the server offers ssh-ed25519"), "{error}");
    assert!(error.ends_with("ssh_config's HostKeyAlgorithms asks for rsa-sha2-512"), "{error}");
    // None of these algorithms is supported.
    let error = refused(&sandbox, &["KexAlgorithms=sntrup761x25519-sha512@openssh.com"]);
    assert!(error.contains("KexAlgorithms asks for sntrup761x25519-sha512@openssh.com, which this engine"), "{error}");
    // Only the algorithm that both sides have is missing here.
    let error = refused(&sandbox, &["KexAlgorithms=sntrup761x25519-sha512@openssh.com,ecdh-sha2-nistp256"]);
    assert!(error.ends_with("this engine lacks sntrup761x25519-sha512@openssh.com: use --engine openssh"), "{error}");
}

#[test]
fn ssh_1_server_is_reported_as_too_old() {
    let (sandbox, sshd) = sshd_with("");
    let _old = Hostile::says(sshd.at(80), "SSH-1.5-old\r\n");
    let run = sandbox.run("pssh-rs", &["true"], host("old", 80)).exits(3);
    let record = &run.records()[0];
    assert_eq!((&record["status"], &record["attempts"]), (&json!("unreachable"), &json!(1)), "{record}");
    assert!(error(record).contains("the server speaks only SSH 1.5"), "{record}");
}
