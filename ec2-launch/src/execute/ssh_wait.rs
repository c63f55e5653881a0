//! Waits until sshd answers on the hosts.

use cerveza_ec2::{Acted, Limit};
use cerveza_manners::{Failure, ProgressArgs, visible};
use cerveza_record::{Record, Value};
use futures_util::future::join_all;
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Where sshd is looked for.
#[derive(Clone, Debug)]
pub struct SshTarget {
    /// The only field of the record to take the address from.
    pub address: Option<String>,
    /// For a record without a `port`.
    pub port: u16,
}

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// For the connection, and again for the banner.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Open connections. The open-file limit is often 1,024.
const AT_ONCE: usize = 200;
/// RFC 4253, section 4.2: a server may send other lines before its version.
const MOST_BYTES: u64 = 16 * 1024;

/// Waits until sshd sends its banner, for all hosts that have not failed. A host whose sshd does not do so before the
/// time limit, counted from the last host that did, has failed. `interrupted` returns once Ctrl-C was pressed.
pub async fn wait_for_ssh<F: Future<Output = Failure>>(
    hosts: &mut [Acted],
    wanted: &SshTarget,
    limit: Duration,
    progress: &ProgressArgs,
    interrupted: impl Fn() -> F,
) {
    let hosts: Vec<_> = hosts.iter_mut().filter(|host| host.result.is_ok()).collect();
    if hosts.is_empty() {
        return;
    }
    let (bar, limit) = (&progress.bar(hosts.len() as u64, "waiting for ssh"), &Limit::new(limit));
    let (slots, interrupted) = (&Semaphore::new(AT_ONCE), &interrupted);
    join_all(hosts.into_iter().map(|host| async move {
        host.result = match target(&host.record, wanted) {
            Ok((address, port)) => {
                tokio::select! {
                    biased;
                    answered = wait_for_one(&address, port, slots, limit) => answered,
                    failure = interrupted() => Err(failure.within("still waiting for sshd")),
                }
            }
            Err(failure) => Err(failure),
        };
        bar.inc(1);
    }))
    .await;
    bar.finish_and_clear();
}

async fn wait_for_one(address: &str, port: u16, slots: &Semaphore, limit: &Limit) -> Result<(), Failure> {
    let mut pause = FIRST_PAUSE;
    loop {
        let why = {
            let _slot = slots.acquire().await;
            match banner(address, port).await {
                Ok(()) => {
                    limit.progressed();
                    return Ok(());
                }
                Err(why) => why,
            }
        };
        if limit.is_over() {
            let place = format!("{}:{port}", visible(address));
            let within = limit.timeout_text();
            // A security group drops packets, and does not refuse them.
            let hint = if why == REFUSED {
                "no program listens on this port: choose another with --ssh-port, or see `ec2-ls --console` of the host"
            } else {
                "check that the security group allows this machine, and select the address with --address; or wait \
                 longer with --timeout"
            };
            let failure = Failure::unreached(format!("sshd on {place} did not answer within {within}: {why}"));
            return Err(failure.hint(hint));
        }
        sleep(limit.at_most(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Connects once. Returns why that is not an SSH server that answers.
async fn banner(address: &str, port: u16) -> Result<(), String> {
    let connected = timeout(ATTEMPT, TcpStream::connect((address, port))).await;
    let stream = connected.map_err(|_| "no connection in time".to_string())?.map_err(|error| words(&error))?;
    let read = timeout(ATTEMPT, read_banner(stream)).await;
    read.map_err(|_| "it accepts the connection but sends nothing".to_string())?
}

async fn read_banner(stream: TcpStream) -> Result<(), String> {
    let mut lines = BufReader::new(stream.take(MOST_BYTES));
    let (mut line, mut first) = (Vec::new(), None);
    loop {
        line.clear();
        match lines.read_until(b'\n', &mut line).await {
            Err(error) => return Err(words(&error)),
            Ok(0) => {
                return Err(match first {
                    None => "it closed the connection".to_string(),
                    Some(first) => format!("it is not an SSH server: it sends {first:?}"),
                });
            }
            // 1.99 is a server that speaks version 1 too (RFC 4253, section 5.1).
            Ok(_) if line.starts_with(b"SSH-2.0-") || line.starts_with(b"SSH-1.99-") => return Ok(()),
            Ok(_) => {
                let text: String = String::from_utf8_lossy(&line).trim_end().chars().take(60).collect();
                first.get_or_insert(text);
            }
        }
    }
}

const REFUSED: &str = "connection refused";

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => REFUSED.to_string(),
        io::ErrorKind::ConnectionReset => "it closed the connection".to_string(),
        _ => error.to_string(),
    }
}

/// Returns the address and port of a host, as pssh-rs chooses them: `private_ip`, else `public_ip`, else the host's
/// name; the record's `port` counts before any option.
fn target(record: &Record, wanted: &SshTarget) -> Result<(String, u16), Failure> {
    let field = |key: &str| record.str(key).filter(|value| !value.is_empty());
    let address = match wanted.address.as_deref() {
        None => ["private_ip", "public_ip"].into_iter().find_map(field).or_else(|| field("host")),
        Some(path) => record.text_at(path),
    };
    let address = address.ok_or_else(|| {
        let key = wanted.address.as_deref().unwrap_or("private_ip");
        Failure::unreached(format!("the record has no address in {key:?}"))
            .hint("choose another field with --address, such as private_ip or public_ip")
    })?;
    let port = match record.get("port") {
        None | Some(Value::Null) => Some(wanted.port),
        Some(Value::String(text)) => text.parse().ok(),
        Some(other) => other.as_u64().and_then(|port| u16::try_from(port).ok()),
    };
    let port = port.filter(|port| *port > 0);
    Ok((address, port.ok_or_else(|| Failure::unreached("the record's \"port\" is not a port"))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    fn host(line: &str) -> Record {
        Record::parse(line).unwrap()
    }

    fn default_target() -> SshTarget {
        SshTarget { address: None, port: 22 }
    }

    #[test]
    fn address_and_port_are_those_of_pssh_rs() {
        let both = host(r#"{"host":"a","public_ip":"5.6.7.8","private_ip":"10.0.0.1","port":"2222"}"#);
        assert_eq!(target(&both, &default_target()), Ok(("10.0.0.1".into(), 2222)));
        let public = SshTarget { address: Some("public_ip".into()), ..default_target() };
        assert_eq!(target(&both, &public), Ok(("5.6.7.8".into(), 2222)));
        assert_eq!(target(&host(r#"{"host":"a","private_ip":null}"#), &default_target()), Ok(("a".into(), 22)));
        assert!(target(&host(r#"{"host":"a","public_ip":null}"#), &public).is_err());
        assert!(target(&host(r#"{"host":"a","port":70000}"#), &default_target()).is_err());
    }

    /// Returns what is said of a server that writes this and closes the connection.
    async fn said(words: &'static [u8]) -> Result<(), String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = async {
            let (mut client, _) = listener.accept().await.unwrap();
            client.write_all(words).await.unwrap();
        };
        tokio::join!(banner("127.0.0.1", port), server).0
    }

    #[tokio::test]
    async fn only_a_banner_of_ssh_counts() {
        assert_eq!(said(b"SSH-2.0-OpenSSH_9.6\r\n").await, Ok(()));
        assert_eq!(said(b"welcome\r\nto us\r\nSSH-1.99-x\r\n").await, Ok(()));
        assert_eq!(said(b"").await, Err("it closed the connection".into()));
        let http = said(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        assert_eq!(http, Err("it is not an SSH server: it sends \"HTTP/1.1 400 Bad Request\"".into()));
        assert!(said(b"SSH-1.5-old\r\n").await.is_err());
    }

    #[tokio::test]
    async fn a_port_that_opens_late_is_waited_for_and_one_that_stays_closed_is_not() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let slots = Semaphore::new(1);
        let closed = wait_for_one("127.0.0.1", port, &slots, &Limit::new(Duration::from_millis(10))).await.unwrap_err();
        let why = format!("sshd on 127.0.0.1:{port} did not answer within 0.01 s: connection refused");
        assert_eq!(closed.message, why);
        let opens = async {
            sleep(Duration::from_millis(300)).await;
            let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
            let (mut client, _) = listener.accept().await.unwrap();
            client.write_all(b"SSH-2.0-x\r\n").await.unwrap();
        };
        let limit = Limit::new(Duration::from_secs(60));
        let (waited, ()) = tokio::join!(wait_for_one("127.0.0.1", port, &slots, &limit), opens);
        assert_eq!(waited, Ok(()));
    }
}
