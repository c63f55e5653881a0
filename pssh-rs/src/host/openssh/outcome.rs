//! The outcome of an attempt by ssh, from its log and its exit status.

use super::connection_log::ConnectionLog;
use super::{Bounds, Running};
use crate::base::wait::WaitError;
use crate::connect::proxy_command::end_group;
use crate::host::failure::{exited, not_reached, wait_failed};
use crate::host::job::Job;
use crate::session::exec::{CommandExit, START};
use cerveza_manners::last_line;
use cerveza_results::{HostStatus, Outcome, Phase, Retry, Sink};

impl Running {
    pub(super) fn outcome(
        mut self,
        job: &Job,
        wait_error: Option<WaitError>,
        arrived: Option<u32>,
        terminated: Option<String>,
        bounds: Bounds,
        sink: &mut dyn Sink<WaitError>,
    ) -> Outcome {
        end_group(&mut self.child);
        while matches!(self.read(None, sink), Ok(true)) {}
        let connection_log = &self.connection_log;
        // Both, or it is not known: the log's number, and ssh's own exit status, which are its low 8 bits.
        let own = self.child.try_wait().ok().flatten().and_then(|status| status.code());
        let code = match &wait_error {
            Some(_) => arrived,
            None => connection_log.exit_code().filter(|code| own == Some((code & 0xff) as i32)),
        };
        let phase = connection_log.phase;
        let said = || {
            // A jump host's trouble is on stderr: that the proxy ended is all that ssh itself knows.
            let why = connection_log
                .why()
                .filter(|why| why != "Connection closed by UNKNOWN port 65535" || connection_log.sent);
            let of_jump = |why| match &self.jump {
                Some(jump) => format!("jump host {jump:?} did not let us through: {why}"),
                None => why,
            };
            let why = why.or_else(|| last_line(&self.last_stderr).map(of_jump)).or_else(|| connection_log.why());
            why.unwrap_or_else(|| "ssh ended and did not say why".to_string())
        };
        let failed = |status, error: String| Outcome::error(status, phase, error);
        let outcome = match wait_error {
            Some(error) => cut_short(job, connection_log, error, bounds, terminated),
            None if connection_log.denied => {
                failed(HostStatus::Failed, "the server refused to run the command".to_string())
            }
            None if connection_log.signal => {
                failed(HostStatus::Signaled, "a signal ended the command (ssh does not tell which)".to_string())
            }
            None if connection_log.sent => match code {
                Some(code) => exited(&CommandExit { exit_code: Some(code), signal: None }),
                None => failed(HostStatus::Lost, format!("no exit status of the command arrived: {}", said())),
            },
            None if connection_log.host_key_failed => Outcome::error(HostStatus::HostKey, Phase::HostKey, said()),
            None if connection_log.auth_failed => {
                Outcome::error(HostStatus::Auth, Phase::Auth, connection_log.refusal(&self.user).unwrap_or_else(said))
            }
            None => Outcome { retry: may_pass(phase, &said()), ..failed(HostStatus::Unreachable, said()) },
        };
        let exit_code = code.filter(|_| !self.connection_log.signal);
        Outcome { exit_code, ..outcome }
    }
}

/// The outcome of an attempt whose time was up, or which a stop ended. `terminated`: what became of the command.
fn cut_short(job: &Job, log: &ConnectionLog, error: WaitError, bounds: Bounds, terminated: Option<String>) -> Outcome {
    let (phase, connect) = (log.phase, bounds.connect);
    let outcome = match phase {
        Phase::Exec if log.sent => wait_failed(job, phase, error, bounds.command.unwrap_or_default(), "the command"),
        Phase::Exec => wait_failed(job, phase, error, START, "starting the command"),
        Phase::Auth => wait_failed(job, phase, error, bounds.auth, "while logging in"),
        Phase::Lookup | Phase::Resolve => not_reached(job, phase, error, connect, "the address was not found"),
        Phase::Deliver | Phase::Connect => not_reached(job, phase, error, connect, "no connection"),
        Phase::Handshake | Phase::HostKey => not_reached(job, phase, error, connect, "no SSH handshake"),
    };
    let error = outcome.error.into_iter().chain(terminated).collect::<Vec<_>>().join("; ");
    Outcome { error: Some(error), ..outcome }
}

/// Whether another try may help: the server said no at once, and had not yet heard who we are.
fn may_pass(phase: Phase, why: &str) -> Retry {
    let may_pass = matches!(phase, Phase::Connect | Phase::Handshake)
        && ["Connection refused", "Connection reset", "onnection closed"].iter().any(|sign| why.contains(sign));
    if may_pass { Retry::Once } else { Retry::Never }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(Retry::Once == may_pass(Phase::Connect, "ssh: connect to host a port 22: Connection refused"));
        assert!(
            Retry::Once == may_pass(Phase::Handshake, "kex_exchange_identification: Connection closed by remote host")
        );
        assert!(Retry::Never == may_pass(Phase::Connect, "ssh: connect to host a port 22: No route to host"));
        assert!(Retry::Never == may_pass(Phase::Auth, "Connection closed by 10.0.0.1 port 22"));
    }
}
