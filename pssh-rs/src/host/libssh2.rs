//! One attempt at one host: its phases in order, each with its own deadline, and what became of it.

use crate::auth::{Refusal, log_in};
use crate::base::socket::Wire;
use crate::base::trace::Trace;
use crate::base::wait::Halt;
use crate::connect::banner::{Greeting, greeting};
use crate::connect::host_key::{self, Trust, Wanted};
use crate::connect::jump_host::{Channel, Unreached};
use crate::connect::proxy_command::{self, ProxyChild};
use crate::connect::tcp::{connect, resolve};
use crate::host::failure::{halted, unasked, unreached};
use crate::host::job::{Job, Run};
use crate::host::openssh;
use crate::host::progress::{Watched, seat};
use crate::host::steps::work;
use crate::host::target::{Target, Way};
use crate::known_hosts::HostId;
use crate::outcome::{HostStatus, Outcome, Phase, Retry};
use crate::session::phase_timer::Clock;
use crate::session::ssh_session::{LOST, Link};
use crate::sink::Sink;
use std::io;
use std::sync::Arc;

/// Does the job on one host.
pub fn attempt(job: &Job, target: &Target, watched: &mut Watched<'_>, sink: &mut dyn Sink) -> Outcome {
    if let Some(problem) = &target.problem {
        return Outcome::error(problem.status, problem.phase, problem.error.as_str());
    }
    if let Some(engine) = &job.openssh {
        let Run::Command(command) = &job.run else {
            let error = "--engine openssh runs commands only";
            return Outcome::error(HostStatus::Failed, Phase::Exec, error);
        };
        return openssh::attempt(engine, job, target, watched, sink, &job.around.unasked_line(command));
    }
    let reached = match reach(job, target, watched) {
        Ok(reached) => reached,
        Err(outcome) => return *outcome,
    };
    watched.logged_in();
    let mut tell = |phase, deadline| watched.tell(phase, deadline);
    let clock = Clock::start(job.timeout, &mut tell);
    work(job, target, &reached.link, &clock, sink)
}

/// What a connection needs to be kept for, besides its socket.
enum Carrier {
    Tcp,
    Jump(#[expect(dead_code)] Channel),
    Proxy(ProxyChild),
}

impl Carrier {
    fn last_words(&mut self) -> Option<String> {
        match self {
            Carrier::Proxy(child) => child.last_words(),
            Carrier::Tcp | Carrier::Jump(_) => None,
        }
    }
}

/// All that decides about a host's key. A record's address is another name of the host.
fn trust(target: &Target) -> Trust<'_> {
    let host = match &target.options.host_key_alias {
        Some(alias) => HostId::alias(alias),
        None => HostId::new(&target.name, &target.address, target.port),
    };
    Trust::new(host, &target.known_hosts, target.host_keys.as_ref(), target.host_key)
        .hash_names(target.options.hash_known_hosts)
}

/// An authenticated session with the right host. The link ends before what carries it.
struct Reached {
    link: Link,
    _carrier: Carrier,
}

/// Everything before the command.
fn reach(job: &Job, target: &Target, watched: &mut Watched<'_>) -> Result<Reached, Box<Outcome>> {
    let stop = &job.ending.end;
    let bound = target.connect_timeout;
    // Before any deadline: thousands of hashed names take their time.
    let trust = trust(target);
    let trace = Trace::new(job.verbose, target.record.host());

    let (wire, mut carrier) = connected(job, target, watched, trace)?;
    let wire = Arc::new(wire);
    watched.connected(&wire);

    let place = target.place();
    let deadline = watched.begin(Phase::Handshake, bound);
    let mut no_handshake = |halt: Halt| {
        let what = match carrier.last_words() {
            Some(said) => format!("no SSH handshake with {place} (its ProxyCommand said: {said})"),
            None => format!("no SSH handshake with {place}"),
        };
        unreached(job, Phase::Handshake, halt, bound, &what)
    };
    let first = greeting(&wire, deadline, stop).map_err(&mut no_handshake)?;
    let deadline = match first {
        Greeting::Some(ref line) => {
            trace.say(|| format!("the server says {line:?}"));
            seat(job, watched, Phase::Handshake, bound)?;
            watched.begin(Phase::Handshake, bound)
        }
        Greeting::None => deadline,
        Greeting::Closed => {
            let outcome = no_handshake(Halt::Io(io::Error::other(LOST)));
            return Err(Outcome { retry: Retry::Closed, ..outcome }.into());
        }
        Greeting::Shed(ref words) => {
            let outcome = no_handshake(Halt::Io(io::Error::other(format!("the server said {words:?}"))));
            return Err(Outcome { retry: Retry::Shed, ..outcome }.into());
        }
    };
    let mut link = Link::new(wire, job.ending.clone()).map_err(|error| no_handshake(error.into()))?;
    link.prefer(&target.options).map_err(&mut no_handshake)?;
    let wanted = Wanted { allowed: target.options.host_key_algorithms.as_deref(), ..trust.wanted() };
    link.handshake(&wanted, deadline).map_err(&mut no_handshake)?;
    trace.say(|| format!("algorithms: {}", link.algorithms()));
    if first == Greeting::None {
        trace.say(|| format!("the server says {:?}", link.session().banner().unwrap_or_default()));
        seat(job, watched, Phase::Handshake, bound)?;
    }

    let deadline = watched.begin(Phase::HostKey, bound);
    let shown = link.session().host_key().map(|(key, _)| key);
    let trusted = trust.check(shown, deadline, stop);
    trace.say(|| {
        format!("host key {}: {}", trust.described(shown), if trusted.is_ok() { "accepted" } else { "refused" })
    });
    trusted.map_err(|refusal| match refusal {
        host_key::Refusal::Refused(why) => Outcome::error(HostStatus::HostKey, Phase::HostKey, why),
        host_key::Refusal::Stopped => halted(job, Phase::HostKey, Halt::Stopped, bound, "keeping the host key"),
    })?;

    let deadline = watched.begin(Phase::Auth, job.auth);
    log_in(&link, &target.user, &job.keys, &target.offer, deadline, trace).map_err(|refusal| match refusal {
        Refusal::Refused(error) => Outcome::error(HostStatus::Auth, Phase::Auth, error),
        Refusal::Late(error) => Outcome::error(HostStatus::Timeout, Phase::Auth, error),
        Refusal::Halt(halt) => unasked(job, Phase::Auth, halt, job.auth, "while logging in"),
    })?;
    link.keep_alive(target.options.server_alive);
    Ok(Reached { link, _carrier: carrier })
}

/// What carries the connection: a TCP connection, or one that somebody else makes.
fn connected(
    job: &Job,
    target: &Target,
    watched: &mut Watched<'_>,
    trace: Trace<'_>,
) -> Result<(Wire, Carrier), Box<Outcome>> {
    let stop = &job.ending.end;
    let bound = target.connect_timeout;
    match &target.way {
        Way::Direct => {
            let deadline = watched.begin(Phase::Resolve, bound);
            let addresses = resolve(&target.address, target.port, target.family, deadline, stop).map_err(|halt| {
                unreached(job, Phase::Resolve, halt, bound, &format!("cannot resolve {:?}", target.address))
            })?;
            let deadline = watched.begin(Phase::Connect, bound);
            let wire = connect(&addresses, target.options.bind_address, deadline, stop, trace).map_err(|halt| {
                unreached(job, Phase::Connect, halt, bound, &format!("cannot connect to {}", target.place()))
            })?;
            Ok((wire, Carrier::Tcp))
        }
        Way::Jump(spec) => {
            let deadline = watched.begin(Phase::Connect, bound);
            let Some(jumps) = &job.jumps else {
                let error = "a bug in pssh-rs: no jump host was made ready";
                return Err(Outcome::error(HostStatus::Unreachable, Phase::Connect, error).into());
            };
            match jumps.open(spec, &target.address, target.port, deadline, stop) {
                Ok((wire, channel)) => {
                    trace.say(|| format!("connected to {}", target.place()));
                    Ok((wire, Carrier::Jump(channel)))
                }
                Err(Unreached::Jump(why) | Unreached::Target(why)) => {
                    Err(Outcome::error(HostStatus::Unreachable, Phase::Connect, why).into())
                }
                Err(Unreached::Halt(halt)) => {
                    Err(unreached(job, Phase::Connect, halt, bound, &format!("cannot connect to {}", target.place()))
                        .into())
                }
            }
        }
        Way::Proxy(command) => {
            let deadline = watched.begin(Phase::Connect, bound);
            trace.say(|| format!("connecting to {}", target.place()));
            let (wire, mut child) = proxy_command::spawn(command).map_err(|error| {
                unreached(job, Phase::Connect, Halt::Io(error), bound, "cannot start the ProxyCommand")
            })?;
            let wire = match target.options.proxy_use_fdpass {
                false => wire,
                true => proxy_command::receive_passed(&wire, deadline, stop).map_err(|halt| {
                    let said = child.last_words().map(|said| format!(" (it said: {said})")).unwrap_or_default();
                    unreached(job, Phase::Connect, halt, bound, &format!("no connection by the ProxyCommand{said}"))
                })?,
            };
            Ok((wire, Carrier::Proxy(child)))
        }
    }
}
