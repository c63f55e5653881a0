//! One attempt at one host by libssh2: its phases in order, each with its own deadline.

use crate::auth::log_in;
use crate::base::socket::Socket;
use crate::base::trace::Trace;
use crate::base::wait::WaitError;
use crate::connect::banner::{Banner, read_banner};
use crate::connect::jump_host::JumpError;
use crate::connect::jump_master::Channel;
use crate::connect::proxy_command::{self, ProxyChild};
use crate::connect::tcp::{connect, resolve};
use crate::host::attempt::Attempt;
use crate::host::steps::run_steps;
use crate::host::target::Route;
use crate::known_hosts::verifier::{HostKeyQuery, HostKeyVerifier};
use crate::session::ssh_session::{LOST, SshSession};
use cerveza_results::{HostStatus, Outcome, Phase, Retry, Sink};
use std::sync::Arc;

/// Does the job on one host.
pub fn run_attempt(attempt: &Attempt<'_>, sink: &mut dyn Sink<WaitError>) -> Outcome {
    let trace = Trace::new(attempt.job.verbose, attempt.target.record.host());
    match log_in_to_host(attempt, trace) {
        Ok(login) => {
            attempt.report_login();
            attempt.timer.start(Phase::Exec, attempt.job.timeout);
            run_steps(attempt, &login.session, sink)
        }
        Err(outcome) => *outcome,
    }
}

/// What a connection needs to be kept for, besides its socket.
enum Carrier {
    Tcp,
    Jump(#[expect(dead_code)] Channel),
    Proxy(ProxyChild),
}

/// An authenticated session with the right host. The session ends before what carries it.
struct Login {
    session: SshSession,
    _carrier: Carrier,
}

/// Does everything before the command.
fn log_in_to_host(attempt: &Attempt<'_>, trace: Trace<'_>) -> Result<Login, Box<Outcome>> {
    let (job, target) = (attempt.job, attempt.target);
    let stop = &job.shutdown.stop;
    // Before any deadline: thousands of hashed names take their time.
    let verifier = target.host_key_verifier();
    let (socket, mut carrier) = open_connection(attempt, trace)?;
    let socket = Arc::new(socket);
    attempt.timer.set_socket(&socket);

    let (session, has_slot) = exchange_keys(attempt, socket, &mut carrier, &verifier, trace)?;
    trace.say(|| format!("algorithms: {}", session.algorithms()));
    if !has_slot {
        trace.say(|| format!("the server says {:?}", session.raw().banner().unwrap_or_default()));
        attempt.wait_for_slot()?;
    }

    let shown = session.raw().host_key().map(|(key, _)| key);
    // No message needs a text: the verifier has its own, and a stop has none.
    attempt.run_phase(Phase::HostKey, String::new, |deadline| {
        let result = verifier.check(shown, deadline, stop);
        let verdict = if result.is_ok() { "accepted" } else { "refused" };
        trace.say(|| format!("host key {}: {verdict}", verifier.describe(shown)));
        result
    })?;
    let while_logging_in = || "while logging in".to_string();
    attempt.run_phase(Phase::Auth, while_logging_in, |deadline| {
        log_in(&session, &target.user, &job.keys, &target.offer, deadline, trace)
    })?;
    session.keep_alive(target.options.server_alive);
    Ok(Login { session, _carrier: carrier })
}

/// Reads the banner and exchanges keys. Also returns whether the host has its slot: it waits for one as soon as it answers.
fn exchange_keys(
    attempt: &Attempt<'_>,
    socket: Arc<Socket>,
    carrier: &mut Carrier,
    verifier: &HostKeyVerifier<'_>,
    trace: Trace<'_>,
) -> Result<(SshSession, bool), Box<Outcome>> {
    let (job, options) = (attempt.job, &attempt.target.options);
    let mut no_handshake = || match carrier.last_words() {
        Some(said) => format!("no SSH handshake with {} (its ProxyCommand said: {said})", attempt.target.place()),
        None => format!("no SSH handshake with {}", attempt.target.place()),
    };
    let mut deadline = attempt.start_phase(Phase::Handshake);
    let banner = read_banner(&socket, deadline, &job.shutdown.stop);
    let banner = attempt.or_outcome(banner, &mut no_handshake)?;
    let mut refused = |retry, why: String| {
        let error = format!("{}: {why}", no_handshake());
        Err(Outcome { retry, ..Outcome::error(HostStatus::Unreachable, Phase::Handshake, error) }.into())
    };
    match &banner {
        Banner::Some(line) => {
            trace.say(|| format!("the server says {line:?}"));
            attempt.wait_for_slot()?;
            deadline = attempt.start_phase(Phase::Handshake);
        }
        Banner::None => {}
        Banner::Closed => return refused(Retry::Closed, LOST.to_string()),
        Banner::Shed(words) => return refused(Retry::Shed, format!("the server said {words:?}")),
    }
    let query = HostKeyQuery { allowed: options.host_key_algorithms.as_deref(), ..verifier.query() };
    let session = SshSession::new(socket, job.shutdown.clone()).map_err(WaitError::from).and_then(|mut session| {
        session.set_algorithms(options)?;
        session.handshake(&query, deadline)?;
        Ok(session)
    });
    Ok((attempt.or_outcome(session, no_handshake)?, banner != Banner::None))
}

impl Carrier {
    fn last_words(&mut self) -> Option<String> {
        match self {
            Carrier::Proxy(child) => child.last_words(),
            Carrier::Tcp | Carrier::Jump(_) => None,
        }
    }
}

/// Makes a TCP connection, or has a jump host or a ProxyCommand make one.
fn open_connection(attempt: &Attempt<'_>, trace: Trace<'_>) -> Result<(Socket, Carrier), Box<Outcome>> {
    let (job, target) = (attempt.job, attempt.target);
    let stop = &job.shutdown.stop;
    let no_connection = || format!("cannot connect to {}", target.place());
    match &target.route {
        Route::Direct => {
            let no_address = || format!("cannot resolve {:?}", target.address);
            let addresses = attempt.run_phase(Phase::Resolve, no_address, |deadline| {
                resolve(&target.address, target.port, target.options.address_family, deadline, stop)
            })?;
            let socket = attempt.run_phase(Phase::Connect, no_connection, |deadline| {
                connect(&addresses, target.options.bind_address, deadline, stop, trace)
            })?;
            Ok((socket, Carrier::Tcp))
        }
        Route::Jump(spec) => {
            let (socket, channel) = attempt.run_phase(Phase::Connect, no_connection, |deadline| match &job.jumps {
                Some(jumps) => jumps.open(spec, &target.address, target.port, deadline, stop),
                None => Err(JumpError::Jump("a bug in pssh-rs: no jump host was prepared".to_string())),
            })?;
            trace.say(|| format!("connected to {}", target.place()));
            Ok((socket, Carrier::Jump(channel)))
        }
        Route::Proxy(command) => {
            let deadline = attempt.start_phase(Phase::Connect);
            trace.say(|| format!("connecting to {}", target.place()));
            let spawned = proxy_command::spawn(command).map_err(WaitError::Io);
            let (mut socket, mut child) =
                attempt.or_outcome(spawned, || "cannot start the ProxyCommand".to_string())?;
            if target.options.proxy_use_fdpass {
                let passed = proxy_command::receive_passed(&socket, deadline, stop);
                socket = attempt.or_outcome(passed, || {
                    let said = child.last_words().map(|said| format!(" (it said: {said})")).unwrap_or_default();
                    format!("no connection by the ProxyCommand{said}")
                })?;
            }
            Ok((socket, Carrier::Proxy(child)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::attempt_timer::AttemptTimer;
    use crate::host::attempt::Event;
    use crate::host::job::Job;
    use crate::host::slot::Slot;
    use crate::host::test_support::{job, target};
    use cerveza_results::Captured;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(60);

    /// Runs an attempt at a server that accepts a connection and calls `serve` with it. Returns the outcome, and whether the
    /// host reported that it answers.
    fn outcome(job: &Job, connect_timeout: Duration, serve: impl FnOnce(TcpStream) + Send) -> (Outcome, bool) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = target(listener.local_addr().unwrap().port(), connect_timeout);
        let (timer, slot, (events, received)) = (AttemptTimer::default(), Slot::default(), channel());
        slot.grant();
        let attempt = Attempt { job, target: &target, timer: &timer, slot: &slot, index: 0, events: &events };
        let outcome = thread::scope(|scope| {
            scope.spawn(|| serve(listener.accept().unwrap().0));
            run_attempt(&attempt, &mut Captured::default())
        });
        (outcome, received.try_iter().any(|event| matches!(event, Event::WantsSlot { .. })))
    }

    #[test]
    fn a_server_that_closes_at_once_is_retried() {
        let (outcome, answers) = outcome(&job(), LONG, drop);
        assert_eq!((outcome.status, outcome.phase), (HostStatus::Unreachable, Some(Phase::Handshake)));
        assert_eq!((outcome.retry, answers), (Retry::Closed, false));
    }

    #[test]
    fn a_server_that_sheds_load_is_retried_longer() {
        let (outcome, _) = outcome(&job(), LONG, |mut stream| stream.write_all(b"Exceeded MaxStartups\r\n").unwrap());
        assert_eq!((outcome.status, outcome.retry), (HostStatus::Unreachable, Retry::Shed));
        assert!(outcome.error.unwrap().ends_with(": the server said \"Exceeded MaxStartups\""));
    }

    #[test]
    fn a_silent_server_is_left_at_the_deadline() {
        let limit = Duration::from_millis(50);
        let (outcome, answers) = outcome(&job(), limit, |mut stream| drop(stream.read_to_end(&mut Vec::new())));
        assert_eq!((outcome.status, outcome.retry), (HostStatus::Unreachable, Retry::Never));
        assert!(outcome.error.unwrap().ends_with(": not done within 50ms") && !answers);
    }

    #[test]
    fn a_server_that_greets_and_closes_has_no_handshake() {
        let (outcome, answers) = outcome(&job(), LONG, |mut stream| stream.write_all(b"SSH-2.0-x\r\n").unwrap());
        assert_eq!((outcome.status, outcome.phase), (HostStatus::Unreachable, Some(Phase::Handshake)));
        assert!(answers && outcome.error.unwrap().contains("no SSH handshake with 127.0.0.1 port "));
    }

    #[test]
    fn a_stop_cancels_the_attempt() {
        let job = job();
        let (outcome, _) = outcome(&job, LONG, |_stream| job.shutdown.stop.set());
        assert_eq!(outcome.status, HostStatus::Cancelled);
    }
}
