//! One attempt at one host: its phases in order, each with its own deadline, and the outcome.

use crate::auth::{LoginError, log_in};
use crate::base::socket::Socket;
use crate::base::trace::Trace;
use crate::base::wait::WaitError;
use crate::connect::banner::{Banner, read_banner};
use crate::connect::host_key::{HostKeyError, HostKeyQuery};
use crate::connect::jump_host::{Channel, JumpError};
use crate::connect::proxy_command::{self, ProxyChild};
use crate::connect::tcp::{connect, resolve};
use crate::host::failure::{failed_before_command, not_reached, wait_failed};
use crate::host::job::{Job, Run};
use crate::host::openssh;
use crate::host::progress::{AttemptProgress, wait_for_slot};
use crate::host::steps::work;
use crate::host::target::{Route, Target};
use crate::session::phase_timer::PhaseTimer;
use crate::session::ssh_session::{LOST, SshSession};
use cerveza_results::{HostStatus, Outcome, Phase, Retry, Sink};
use std::io;
use std::sync::Arc;

/// Does the job on one host.
pub fn attempt(
    job: &Job,
    target: &Target,
    progress: &mut AttemptProgress<'_>,
    sink: &mut dyn Sink<WaitError>,
) -> Outcome {
    if let Some(problem) = &target.problem {
        return Outcome::error(problem.status, problem.phase, problem.error.as_str());
    }
    if let Some(engine) = &job.openssh {
        let Run::Command(command) = &job.run else {
            let error = "--engine openssh runs commands only";
            return Outcome::error(HostStatus::Failed, Phase::Exec, error);
        };
        return openssh::attempt(engine, job, target, progress, sink, &job.wrapper.wrap_without_prompt(command));
    }
    let reached = match reach(job, target, progress) {
        Ok(reached) => reached,
        Err(outcome) => return *outcome,
    };
    progress.logged_in();
    let mut tell = |phase, deadline| progress.report_phase(phase, deadline);
    let timer = PhaseTimer::start(job.timeout, &mut tell);
    work(job, target, &reached.session, &timer, sink)
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

/// An authenticated session with the right host. The link ends before what carries it.
struct Reached {
    session: SshSession,
    _carrier: Carrier,
}

/// Everything before the command.
fn reach(job: &Job, target: &Target, progress: &mut AttemptProgress<'_>) -> Result<Reached, Box<Outcome>> {
    let stop = &job.shutdown.stop;
    let bound = target.connect_timeout;
    // Before any deadline: thousands of hashed names take their time.
    let verifier = target.host_key_verifier();
    let trace = Trace::new(job.verbose, target.record.host());

    let (socket, mut carrier) = connected(job, target, progress, trace)?;
    let socket = Arc::new(socket);
    progress.set_socket(&socket);

    let place = target.place();
    let deadline = progress.start_phase(Phase::Handshake, bound);
    let mut no_handshake = |wait_error: WaitError| {
        let what = match carrier.last_words() {
            Some(said) => format!("no SSH handshake with {place} (its ProxyCommand said: {said})"),
            None => format!("no SSH handshake with {place}"),
        };
        not_reached(job, Phase::Handshake, wait_error, bound, &what)
    };
    let first = read_banner(&socket, deadline, stop).map_err(&mut no_handshake)?;
    let deadline = match first {
        Banner::Some(ref line) => {
            trace.say(|| format!("the server says {line:?}"));
            wait_for_slot(job, progress, Phase::Handshake, bound)?;
            progress.start_phase(Phase::Handshake, bound)
        }
        Banner::None => deadline,
        Banner::Closed => {
            let outcome = no_handshake(WaitError::Io(io::Error::other(LOST)));
            return Err(Outcome { retry: Retry::Closed, ..outcome }.into());
        }
        Banner::Shed(ref words) => {
            let outcome = no_handshake(WaitError::Io(io::Error::other(format!("the server said {words:?}"))));
            return Err(Outcome { retry: Retry::Shed, ..outcome }.into());
        }
    };
    let mut session = SshSession::new(socket, job.shutdown.clone()).map_err(|error| no_handshake(error.into()))?;
    session.prefer(&target.options).map_err(&mut no_handshake)?;
    let query = HostKeyQuery { allowed: target.options.host_key_algorithms.as_deref(), ..verifier.query() };
    session.handshake(&query, deadline).map_err(&mut no_handshake)?;
    trace.say(|| format!("algorithms: {}", session.algorithms()));
    if first == Banner::None {
        trace.say(|| format!("the server says {:?}", session.raw().banner().unwrap_or_default()));
        wait_for_slot(job, progress, Phase::Handshake, bound)?;
    }

    let deadline = progress.start_phase(Phase::HostKey, bound);
    let shown = session.raw().host_key().map(|(key, _)| key);
    let trusted = verifier.check(shown, deadline, stop);
    trace.say(|| {
        format!("host key {}: {}", verifier.describe(shown), if trusted.is_ok() { "accepted" } else { "refused" })
    });
    trusted.map_err(|refusal| match refusal {
        HostKeyError::Refused(why) => Outcome::error(HostStatus::HostKey, Phase::HostKey, why),
        HostKeyError::Stopped => wait_failed(job, Phase::HostKey, WaitError::Stopped, bound, "keeping the host key"),
    })?;

    let deadline = progress.start_phase(Phase::Auth, job.auth);
    log_in(&session, &target.user, &job.keys, &target.offer, deadline, trace).map_err(|refusal| match refusal {
        LoginError::Refused(error) => Outcome::error(HostStatus::Auth, Phase::Auth, error),
        LoginError::Late(error) => Outcome::error(HostStatus::Timeout, Phase::Auth, error),
        LoginError::WaitError(wait_error) => {
            failed_before_command(job, Phase::Auth, wait_error, job.auth, "while logging in")
        }
    })?;
    session.keep_alive(target.options.server_alive);
    Ok(Reached { session, _carrier: carrier })
}

/// What carries the connection: a TCP connection, or one that somebody else makes.
fn connected(
    job: &Job,
    target: &Target,
    progress: &mut AttemptProgress<'_>,
    trace: Trace<'_>,
) -> Result<(Socket, Carrier), Box<Outcome>> {
    let stop = &job.shutdown.stop;
    let bound = target.connect_timeout;
    match &target.route {
        Route::Direct => {
            let deadline = progress.start_phase(Phase::Resolve, bound);
            let addresses =
                resolve(&target.address, target.port, target.family, deadline, stop).map_err(|wait_error| {
                    not_reached(job, Phase::Resolve, wait_error, bound, &format!("cannot resolve {:?}", target.address))
                })?;
            let deadline = progress.start_phase(Phase::Connect, bound);
            let socket =
                connect(&addresses, target.options.bind_address, deadline, stop, trace).map_err(|wait_error| {
                    not_reached(
                        job,
                        Phase::Connect,
                        wait_error,
                        bound,
                        &format!("cannot connect to {}", target.place()),
                    )
                })?;
            Ok((socket, Carrier::Tcp))
        }
        Route::Jump(spec) => {
            let deadline = progress.start_phase(Phase::Connect, bound);
            let Some(jumps) = &job.jumps else {
                let error = "a bug in pssh-rs: no jump host was made ready";
                return Err(Outcome::error(HostStatus::Unreachable, Phase::Connect, error).into());
            };
            match jumps.open(spec, &target.address, target.port, deadline, stop) {
                Ok((socket, channel)) => {
                    trace.say(|| format!("connected to {}", target.place()));
                    Ok((socket, Carrier::Jump(channel)))
                }
                Err(JumpError::Jump(why) | JumpError::Target(why)) => {
                    Err(Outcome::error(HostStatus::Unreachable, Phase::Connect, why).into())
                }
                Err(JumpError::WaitError(wait_error)) => Err(not_reached(
                    job,
                    Phase::Connect,
                    wait_error,
                    bound,
                    &format!("cannot connect to {}", target.place()),
                )
                .into()),
            }
        }
        Route::Proxy(command) => {
            let deadline = progress.start_phase(Phase::Connect, bound);
            trace.say(|| format!("connecting to {}", target.place()));
            let (socket, mut child) = proxy_command::spawn(command).map_err(|error| {
                not_reached(job, Phase::Connect, WaitError::Io(error), bound, "cannot start the ProxyCommand")
            })?;
            let socket = match target.options.proxy_use_fdpass {
                false => socket,
                true => proxy_command::receive_passed(&socket, deadline, stop).map_err(|wait_error| {
                    let said = child.last_words().map(|said| format!(" (it said: {said})")).unwrap_or_default();
                    not_reached(
                        job,
                        Phase::Connect,
                        wait_error,
                        bound,
                        &format!("no connection by the ProxyCommand{said}"),
                    )
                })?,
            };
            Ok((socket, Carrier::Proxy(child)))
        }
    }
}
