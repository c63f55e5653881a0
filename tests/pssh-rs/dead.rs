//! Dead hosts of every kind: each is reported as what it is within its deadline, and delays no other host.

use crate::started::Started;
use crate::{error, fleet, host, hosts, of};
use kit::hostile::wait_until;
use kit::{Hostile, Relay, Sandbox, SshServer, Sshd};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// `count` records `webN` over the twelve addresses of the tests' sshd.
fn many(count: usize) -> String {
    (0..count).map(|number| host(&format!("web{number}"), (number % 12 + 1) as u8)).collect()
}

#[track_caller]
fn is_unreachable(record: &Value, phase: &str, attempts: u32) {
    let found = (&record["status"], &record["phase"], &record["attempts"], &record["exit_code"]);
    assert_eq!(found, (&json!("unreachable"), &json!(phase), &json!(attempts), &Value::Null), "{record}");
    assert_ne!(error(record), "");
}

#[test]
fn each_kind_of_dead_host_is_distinguished_within_its_deadline() {
    let (sandbox, sshd) = fleet();
    let lines = b"no banner, but lines and lines\r\n";
    let _servers = [
        Hostile::black_hole(sshd.at(80)),
        Hostile::silent(sshd.at(82)),
        Hostile::banner_only(sshd.at(83)),
        Hostile::repeats(sshd.at(84), "x", Duration::from_secs(1)),
        Hostile::repeats(sshd.at(85), lines.repeat(1000), Duration::ZERO),
        Hostile::repeats(sshd.at(86), "SSH-2.0-x\r\n", Duration::from_millis(100)),
        Hostile::repeats(sshd.at(87), vec![0xff; 64 * 1024], Duration::ZERO),
        Relay::to(sshd.at(1)).stall_after(200).at(sshd.at(88)),
        Relay::to(sshd.at(1)).throttle(40).at(sshd.at(89)),
    ];
    let dead: String = (80..=89).map(|last| host(&format!("dead{last}"), last)).collect();
    let started = Instant::now();
    let run = sandbox.run("pssh-rs", &["--connect-timeout", "10", "true"], dead + &hosts(2)).exits(3);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let records = run.records();
    assert_eq!(records.len(), 12);
    is_unreachable(of(&records, "dead80"), "connect", 1);
    is_unreachable(of(&records, "dead81"), "connect", 2);
    for last in [82, 83, 84, 88, 89] {
        is_unreachable(of(&records, &format!("dead{last}")), "handshake", 1);
    }
    // A server that is not SSH can be recognized before any deadline, with one attempt or two.
    for last in [85, 86, 87] {
        let record = of(&records, &format!("dead{last}"));
        assert_eq!((&record["status"], &record["phase"]), (&json!("unreachable"), &json!("handshake")), "{record}");
    }
    for name in ["web1", "web2"] {
        assert_eq!(of(&records, name)["status"], "ok");
    }
}

#[test]
fn connection_that_breaks_in_the_handshake_is_retried() {
    let (sandbox, sshd) = fleet();
    // In the banner, in the first packet, in the key exchange.
    for (last, bytes) in [(80, 10), (81, 300), (82, 1500)] {
        for (last, relay) in
            [(last, Relay::to(sshd.at(1)).reset_after(bytes)), (last + 10, Relay::to(sshd.at(1)).close_after(bytes))]
        {
            let relay = relay.at(sshd.at(last));
            let run = sandbox.run("pssh-rs", &["true"], host("broken", last)).exits(3);
            is_unreachable(&run.records()[0], "handshake", 2);
            assert_eq!(relay.accepted(), 2, "after {bytes} bytes");
        }
    }
}

#[test]
fn stalled_login_ends_at_its_own_deadline() {
    let (sandbox, sshd) = fleet();
    let server = SshServer::start(&sshd, sshd.at(80));
    let users = ["stall-auth", "stall-key"];
    let fleet: String = users.iter().map(|user| host(&format!("{user}@x"), 80)).collect();
    let started = Instant::now();
    let run = sandbox.run("pssh-rs", &["--auth-timeout", "10", "true"], fleet + &hosts(2)).exits(3);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let records = run.records();
    for user in users {
        let record = of(&records, &format!("{user}@x"));
        let found = (&record["status"], &record["phase"], &record["attempts"], &record["exit_code"]);
        assert_eq!(found, (&json!("timeout"), &json!("auth"), &json!(1), &Value::Null), "{record}");
        assert!(server.events().contains(&format!("login {user}")), "{:?}", server.events());
    }
    assert_eq!(of(&records, "web1")["status"], "ok");
}

#[test]
fn connection_closed_during_login_is_not_a_refusal() {
    let (sandbox, sshd) = fleet();
    let _server = SshServer::start(&sshd, sshd.at(80));
    let run = sandbox.run("pssh-rs", &["true"], host("drop-auth@x", 80)).exits(3);
    let record = &run.records()[0];
    assert_eq!((&record["status"], &record["phase"]), (&json!("unreachable"), &json!("auth")), "{record}");
}

#[test]
fn dead_hosts_of_each_kind_do_not_delay_sixty_others() {
    let (sandbox, sshd) = fleet();
    let _hole = Hostile::black_hole(sshd.at(80));
    let _silent = Hostile::silent(sshd.at(81));
    let dead = host("hole", 80) + &host("silent", 81) + &host("refused", 82);
    let run = sandbox.run("pssh-rs", &["-f", "8", "--connect-timeout", "30", "true"], dead + &many(57)).exits(3);
    let records = run.records();
    assert_eq!(records.len(), 60);
    // Dead hosts come first in the queue. All live hosts are done before the two slow ones.
    let dead: Vec<&Value> = records[58..].iter().map(|record| &record["host"]).collect();
    assert!(dead.contains(&&json!("hole")) && dead.contains(&&json!("silent")), "{dead:?}");
    assert_eq!(records.iter().filter(|record| record["status"] == "ok").count(), 57);
    is_unreachable(of(&records, "refused"), "connect", 2);
}

#[test]
fn more_dead_hosts_than_slots_do_not_block_live_hosts() {
    let (sandbox, sshd) = fleet();
    let _hole = Hostile::black_hole(sshd.at(80));
    let _silent = Hostile::silent(sshd.at(81));
    let dead: String = (0..16).map(|number| host(&format!("dead{number}"), 80 + number % 2)).collect();
    let args = ["-f", "2", "--connect-timeout", "30", "true"];
    let started = Started::new(&sandbox, &args, dead + &many(12));
    wait_until("the live hosts", || started.records().len() >= 12);
    let first = started.records();
    assert!(first[..12].iter().all(|record| record["status"] == "ok"), "{first:?}");
    let ended = started.end();
    assert_eq!((ended.code, ended.records.len()), (3, 28));
}

#[test]
fn server_that_sheds_its_first_connections_is_reached() {
    let (sandbox, sshd) = fleet();
    let relay = Relay::to(sshd.at(1)).shed_first(1).at(sshd.at(80));
    let run = sandbox.run("pssh-rs", &["true"], host("busy", 80)).exits(0);
    assert_eq!(run.records()[0]["attempts"], 2);
    assert_eq!(relay.accepted(), 2);
}

#[test]
fn sshd_that_sheds_load_serves_a_hundred_hosts() {
    let (mut sandbox, sshd) = (Sandbox::new(), Sshd::with(&["127.0.0.1".to_string()], "MaxStartups 10:30:100"));
    sshd.open_to(&mut sandbox);
    let fleet: String = (0..100).map(|number| host(&format!("web{number}"), 1)).collect();
    let run = sandbox.run("pssh-rs", &["-f", "100", "true"], fleet).exits(0);
    assert_eq!(run.stderr, "pssh-rs: 100 ok\n");
}
