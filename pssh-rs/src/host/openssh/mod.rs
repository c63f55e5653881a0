//! `--engine openssh`: runs the command of one host by the system's `ssh`. ssh's exit status is ambiguous (255 may be
//! its own or the command's), so its log is read too.

mod connection_log;
mod host_key;
mod mux_command;
mod ssh_process;

use crate::base::wait::WaitError;
use crate::host::attempt::Attempt;
use crate::host::job::Work;
use crate::host::outcome::command_outcome;
use crate::session::exec::{CommandEnd, CommandExit, START};
use crate::session::terminate::{LONGEST, terminate};
use crate::system_ssh::SshRunner;
use cerveza_manners::last_line;
use cerveza_results::{HostStatus, Outcome, Phase, Retry, Sink};
use connection_log::ConnectionLog;
use mux_command::MuxCommand;
use ssh_process::SshProcess;

/// Runs the job's command on one host. If something goes wrong before ssh runs, the host is unreachable.
pub fn run_attempt(runner: &SshRunner, attempt: &Attempt<'_>, sink: &mut dyn Sink<WaitError>) -> Outcome {
    let (job, target) = (attempt.job, attempt.target);
    // `cli/setup.rs` refuses all else.
    let Work::Command(command) = &job.work else {
        return Outcome::error(HostStatus::Failed, Phase::Exec, "--engine openssh runs commands only");
    };
    attempt.start_phase(Phase::Resolve);
    let unreachable = |error: String| Outcome::error(HostStatus::Unreachable, Phase::Resolve, error);
    if target.name.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return unreachable(format!("{:?} is not a host name", target.name));
    }
    // Once ssh runs, it logs in and runs the command. It cannot wait for a slot in between, so a dead host keeps its slot.
    if let Err(outcome) = attempt.wait_for_slot() {
        return *outcome;
    }
    match SshProcess::start(runner, job, target, &job.wrapper.wrap_without_prompt(command)) {
        Ok(ssh) => follow_to_end(ssh, attempt, sink),
        Err(error) => unreachable(format!("cannot run {}: {error}", runner.ssh.program.display())),
    }
}

/// Follows ssh to its end, or terminates the command. Returns the outcome.
fn follow_to_end(mut ssh: SshProcess, attempt: &Attempt<'_>, sink: &mut dyn Sink<WaitError>) -> Outcome {
    let followed = follow(&mut ssh, attempt, sink);
    // Read before we terminate the command: whether an exit status still arrives after that is chance.
    let (log, exit) = (&ssh.connection_log, ssh.connection_log.exit());
    let end = match followed {
        Ok(()) => {
            ssh.finish(sink);
            return outcome_of_ended(&mut ssh, attempt);
        }
        Err(wait_error) if log.command_sent => {
            let termination = attempt.timer.with_limit(LONGEST, |_| {
                let age = ssh.started.elapsed();
                terminate(&mut MuxCommand::new(&mut ssh, &attempt.job.shutdown.abort, sink), age)
            });
            CommandEnd::Terminated(wait_error, termination)
        }
        Err(wait_error) if log.phase == Phase::Exec => CommandEnd::NotSent(wait_error),
        Err(wait_error) => {
            let what = match log.phase {
                Phase::Lookup | Phase::Resolve => "the address was not found",
                Phase::Deliver | Phase::Connect => "no connection",
                Phase::Handshake | Phase::HostKey => "no SSH handshake",
                Phase::Auth | Phase::Exec => "while logging in",
            };
            return attempt.wait_failed(wait_error, what);
        }
    };
    ssh.finish(sink);
    command_outcome(exit, end, attempt.timer.limit(), attempt.job.shutdown.is_late())
}

/// Waits until ssh has ended, with a deadline for each phase that its log shows.
fn follow(ssh: &mut SshProcess, attempt: &Attempt<'_>, sink: &mut dyn Sink<WaitError>) -> Result<(), WaitError> {
    let stop = &attempt.job.shutdown.stop;
    let mut started = None;
    loop {
        let reached = (ssh.connection_log.phase, ssh.connection_log.command_sent);
        if started != Some(reached) {
            let limit = match reached {
                (Phase::Exec, true) => attempt.job.timeout,
                (Phase::Exec, false) => Some(START),
                (phase, _) => Some(attempt.limit(phase)),
            };
            attempt.timer.start(reached.0, limit);
            if reached.0 == Phase::Exec && started.is_none_or(|(phase, _)| phase != Phase::Exec) {
                attempt.report_login();
                sink.open();
            }
            started = Some(reached);
        }
        if ssh.is_over(stop, sink) {
            return Ok(());
        }
        ssh.transfer(attempt.timer, stop, None, sink)?;
    }
}

/// Returns the outcome after ssh has ended by itself.
fn outcome_of_ended(ssh: &mut SshProcess, attempt: &Attempt<'_>) -> Outcome {
    let own_code = ssh.exit_code();
    let log = &ssh.connection_log;
    let mut exit = log.exit();
    // The exit status is known only if its low 8 bits are ssh's own exit status.
    exit.exit_code = exit.exit_code.filter(|code| own_code == Some((code & 0xff) as i32));
    let failed = |status, phase| Outcome::error(status, phase, why_ended(ssh));
    let command_ended = |exit, end| command_outcome(exit, end, attempt.timer.limit(), false);
    match log {
        ConnectionLog { is_denied: true, .. } => command_ended(CommandExit::default(), CommandEnd::Denied),
        ConnectionLog { command_sent: true, .. } if log.has_signal || exit.exit_code.is_some() => {
            command_ended(exit, CommandEnd::Closed)
        }
        ConnectionLog { command_sent: true, .. } => {
            let error = format!("no exit status of the command arrived: {}", why_ended(ssh));
            Outcome::error(HostStatus::Lost, Phase::Exec, error)
        }
        ConnectionLog { host_key_failed: true, .. } => failed(HostStatus::HostKey, Phase::HostKey),
        ConnectionLog { auth_failed: true, .. } => match log.refusal(&attempt.target.user) {
            Some(refusal) => Outcome::error(HostStatus::Auth, Phase::Auth, refusal),
            None => failed(HostStatus::Auth, Phase::Auth),
        },
        _ => {
            let outcome = failed(HostStatus::Unreachable, log.phase);
            let may_pass = may_pass(log.phase, outcome.error.as_deref().unwrap_or_default());
            Outcome { retry: if may_pass { Retry::Once } else { Retry::Never }, ..outcome }
        }
    }
}

/// Returns why ssh ended, in its own words.
fn why_ended(ssh: &SshProcess) -> String {
    let (log, why) = (&ssh.connection_log, ssh.connection_log.why());
    // If a jump host fails, its ssh says why on stderr. ssh's log only says that the proxy ended.
    let is_proxy_end = why.as_deref() == Some("Connection closed by UNKNOWN port 65535") && !log.command_sent;
    let on_stderr = || {
        let line = last_line(&ssh.last_stderr)?;
        Some(match &ssh.jump {
            Some(jump) => format!("jump host {jump:?} did not let us through: {line}"),
            None => line,
        })
    };
    let reason = why.clone().filter(|_| !is_proxy_end).or_else(on_stderr).or(why);
    reason.unwrap_or_else(|| "ssh ended and did not say why".to_string())
}

/// Returns whether another try may help: the server refused at once, before it knew who we are.
fn may_pass(phase: Phase, why: &str) -> bool {
    matches!(phase, Phase::Connect | Phase::Handshake)
        && ["Connection refused", "Connection reset", "onnection closed"].iter().any(|sign| why.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refused_or_reset_connection_is_retried() {
        assert!(may_pass(Phase::Connect, "ssh: connect to host a port 22: Connection refused"));
        assert!(may_pass(Phase::Handshake, "kex_exchange_identification: Connection closed by remote host"));
        assert!(!may_pass(Phase::Connect, "ssh: connect to host a port 22: No route to host"));
        assert!(!may_pass(Phase::Auth, "Connection closed by 10.0.0.1 port 22"));
    }
}
