//! One attempt at one host: its phases in order, each with its own deadline, and what became of it.

use crate::auth::{Refusal, log_in};
use crate::cli::HostKeyPolicy;
use crate::connect::{connect, resolve};
use crate::exec::{End, Ran, START, exec};
use crate::identity::Identities;
use crate::interrupt::Stop;
use crate::known_hosts::{Found, KnownHosts, Verdict, key_type};
use crate::leash::Leash;
use crate::link::{Halt, Link, is_disconnect, phrase};
use crate::outcome::{HostStatus, Outcome, Phase};
use crate::plan::Target;
use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine};
use ssh2::HashType;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest that each phase may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Looking up the address, connecting, the handshake: each.
    pub connect: Duration,
    pub auth: Duration,
    /// `None`: as long as the command takes.
    pub command: Option<Duration>,
}

/// What all attempts of a run share.
pub struct Job {
    pub command: String,
    pub bounds: Bounds,
    pub identities: Identities,
    pub known_hosts: KnownHosts,
    pub host_key: HostKeyPolicy,
    pub stop: Arc<Stop>,
}

/// Is told of each phase as it begins, with its deadline.
pub type Watch<'a> = dyn FnMut(Phase, Option<Instant>) + 'a;

/// Runs the job on one host.
pub fn attempt(job: &Job, target: &Target, leash: &Leash, watch: &mut Watch<'_>) -> Outcome {
    match reach(job, target, leash, watch) {
        Ok(link) => run(job, &link, watch),
        Err(outcome) => *outcome,
    }
}

/// Everything before the command: an authenticated session with the right host.
fn reach(job: &Job, target: &Target, leash: &Leash, watch: &mut Watch<'_>) -> Result<Link, Box<Outcome>> {
    let stop = &job.stop;
    let mut begin = |phase, bound| {
        let deadline = Instant::now() + bound;
        watch(phase, Some(deadline));
        deadline
    };
    let address = target.address.as_ref();
    let address = address.map_err(|error| Outcome::error(HostStatus::Unreachable, Phase::Resolve, error.as_str()))?;
    let names = [target.name.as_str(), address.as_str()];
    // Before any deadline: thousands of hashed names take their time.
    let known = job.known_hosts.find(&names, target.port);

    let deadline = begin(Phase::Resolve, job.bounds.connect);
    let addresses = resolve(address, target.port, deadline, stop)
        .map_err(|halt| unreached(Phase::Resolve, halt, job.bounds.connect, &format!("cannot resolve {address:?}")))?;

    let deadline = begin(Phase::Connect, job.bounds.connect);
    let place = format!("{address} port {}", target.port);
    let socket = connect(&addresses, deadline, stop)
        .map_err(|halt| unreached(Phase::Connect, halt, job.bounds.connect, &format!("cannot connect to {place}")))?;
    let socket = Arc::new(socket);
    leash.hold(&socket);

    let deadline = begin(Phase::Handshake, job.bounds.connect);
    let handshake = |halt| {
        let what = format!("no SSH handshake with {place}");
        unreached(Phase::Handshake, halt, job.bounds.connect, &what)
    };
    let mut link = Link::new(socket, Arc::clone(stop)).map_err(|error| handshake(error.into()))?;
    link.handshake(&known.key_types(), deadline).map_err(handshake)?;

    let deadline = begin(Phase::HostKey, job.bounds.connect);
    check_host_key(job, &names, target.port, &known, &link, deadline)?;

    let deadline = begin(Phase::Auth, job.bounds.auth);
    log_in(&link, &target.user, &job.identities, deadline).map_err(|refusal| match refusal {
        Refusal::Refused(error) => Outcome::error(HostStatus::Auth, Phase::Auth, error),
        Refusal::Halt(halt) => unasked(Phase::Auth, halt, job.bounds.auth, "while logging in"),
    })?;
    Ok(link)
}

/// The outcome of an attempt that found no SSH server. One that said no in a moment may say yes in the next (it sheds
/// load, it restarts); one that used up its time gets no second helping.
fn unreached(phase: Phase, halt: Halt, bound: Duration, what: &str) -> Outcome {
    let retry = match &halt {
        Halt::Deadline | Halt::Stopped => false,
        Halt::Ssh(error) => is_disconnect(error),
        Halt::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
        ),
    };
    match halt {
        Halt::Stopped => halted(phase, halt, bound, what),
        halt => Outcome {
            retry,
            ..Outcome::error(HostStatus::Unreachable, phase, format!("{what}: {}", why(&halt, bound)))
        },
    }
}

/// The outcome of an attempt that ended after the server had answered and before it was asked to run anything.
fn unasked(phase: Phase, halt: Halt, bound: Duration, what: &str) -> Outcome {
    let outcome = halted(phase, halt, bound, what);
    match outcome.status {
        HostStatus::Lost => Outcome { status: HostStatus::Unreachable, ..outcome },
        _ => outcome,
    }
}

/// The outcome of an attempt that ended on the way: what the command did, if it ran, is not known.
fn halted(phase: Phase, halt: Halt, bound: Duration, what: &str) -> Outcome {
    let status = match &halt {
        Halt::Deadline => HostStatus::Timeout,
        Halt::Stopped => HostStatus::Cancelled,
        Halt::Ssh(_) | Halt::Io(_) => HostStatus::Lost,
    };
    let error = match status {
        HostStatus::Cancelled => "interrupted".to_string(),
        HostStatus::Lost => format!("{} {what}", why(&halt, bound)),
        _ => format!("{what}: {}", why(&halt, bound)),
    };
    Outcome::error(status, phase, error)
}

fn why(halt: &Halt, bound: Duration) -> String {
    match halt {
        Halt::Deadline => format!("not done within {}", humantime::format_duration(bound)),
        Halt::Stopped => "interrupted".to_string(),
        Halt::Ssh(error) => phrase(error),
        Halt::Io(error) => error.to_string(),
    }
}

fn check_host_key(
    job: &Job,
    names: &[&str],
    port: u16,
    known: &Found<'_>,
    link: &Link,
    deadline: Instant,
) -> Result<(), Box<Outcome>> {
    let refused = |error: String| Err(Box::new(Outcome::error(HostStatus::HostKey, Phase::HostKey, error)));
    if job.host_key == HostKeyPolicy::Off {
        return Ok(());
    }
    let Some((key, _)) = link.session().host_key() else {
        return refused("the server showed no host key".to_string());
    };
    let mut verdict = known.judge(key);
    if verdict == Verdict::Unknown && job.host_key == HostKeyPolicy::AcceptNew {
        verdict = match job.known_hosts.accept(names, port, key, deadline, &job.stop) {
            Ok(verdict) => verdict,
            Err(halt @ Halt::Stopped) => return Err(halted(Phase::HostKey, halt, job.bounds.connect, "").into()),
            Err(halt) => {
                let why = match halt {
                    Halt::Deadline => "another program holds its lock".to_string(),
                    halt => why(&halt, job.bounds.connect),
                };
                let file = job.known_hosts.accept_file();
                return refused(format!("cannot keep the host key of {:?} in {file}: {why}", names[0]));
            }
        };
    }
    let hash = link.session().host_key_hash(HashType::Sha256).unwrap_or_default();
    let shown = format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(hash));
    match verdict {
        Verdict::Known => Ok(()),
        Verdict::Unknown => {
            refused(format!("the host key {shown} is not known: check it, then add it with --host-key accept-new"))
        }
        Verdict::Changed { place, known_type } => {
            let of_type = key_type(key);
            let types = match known_type == of_type {
                true => String::new(),
                false => format!(" (it is of type {of_type}, the known one of type {known_type})"),
            };
            refused(format!(
                "the host key {shown} is not the one of {place}{types}: this may be another machine; if it was set up \
                 anew, remove that line"
            ))
        }
        Verdict::Revoked { place } => refused(format!("the host key {shown} is revoked by {place}")),
    }
}

fn run(job: &Job, link: &Link, watch: &mut Watch<'_>) -> Outcome {
    let (ran, end) = exec(link, &job.command, job.bounds.command, &mut |deadline| watch(Phase::Exec, deadline));
    let bound = job.bounds.command.unwrap_or_default();
    let outcome = match (end, &ran) {
        (End::Denied, _) => Outcome::error(HostStatus::Failed, Phase::Exec, "the server refused to run the command"),
        (End::Unasked(halt), _) => unasked(Phase::Exec, halt, START, "before the command was sent: it was not started"),
        (End::Unconfirmed(halt), _) => {
            let what = "before the server confirmed that it had started the command (it may be running)";
            halted(Phase::Exec, halt, START, what)
        }
        (End::Halt(halt @ Halt::Deadline), _) => halted(Phase::Exec, halt, bound, "the command"),
        (End::Halt(halt), _) => halted(Phase::Exec, halt, bound, "before the command's exit status arrived"),
        (End::Closed, Ran { signal: Some(signal), .. }) => {
            Outcome::error(HostStatus::Signaled, Phase::Exec, format!("signal {signal} ended the command"))
        }
        (End::Closed, Ran { exit_code: Some(0), .. }) => Outcome::new(HostStatus::Ok, Some(Phase::Exec)),
        (End::Closed, Ran { exit_code: Some(code), .. }) => {
            Outcome::error(HostStatus::Failed, Phase::Exec, format!("the command's exit status is {code}"))
        }
        (End::Closed, _) => Outcome::error(
            HostStatus::Lost,
            Phase::Exec,
            "the server closed the channel without the command's exit status",
        ),
    };
    Outcome { stdout: ran.stdout, stderr: ran.stderr, exit_code: ran.exit_code, signal: ran.signal, ..outcome }
}
