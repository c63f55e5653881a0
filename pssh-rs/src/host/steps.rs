//! The work on a host after the login: push files, run commands, pull files, in this order, until a step fails.

use crate::base::wait::WaitError;
use crate::copy::{self, Cause, CopyError};
use crate::ffi::LONGEST_COMMAND;
use crate::host::failure::{exited, failed_before_command, wait_failed};
use crate::host::job::{Job, Run};
use crate::host::target::Target;
use crate::session::exec::{CommandEnd, CommandExit, CommandRequest, START, Stdin, exec};
use crate::session::phase_timer::PhaseTimer;
use crate::session::script::{self, NotStarted, Script};
use crate::session::ssh_session::SshSession;
use crate::session::sudo::SudoGate;
use cerveza_results::{Copied, HostStatus, Outcome, Phase, Sink};

/// Does a host's work. The outcome is that of the first step that did not go well, else of the last.
pub fn work(
    job: &Job,
    target: &Target,
    session: &SshSession,
    timer: &PhaseTimer<'_>,
    sink: &mut dyn Sink<WaitError>,
) -> Outcome {
    let host = Host { job, target, session, timer };
    let mut copied = Copied::default();
    let mut outcome = host.steps(&mut copied, sink);
    outcome.copied = job.copies().then_some(copied);
    outcome
}

struct Host<'a, 'c> {
    job: &'a Job,
    target: &'a Target,
    session: &'a SshSession,
    timer: &'a PhaseTimer<'c>,
}

impl Host<'_, '_> {
    fn steps(&self, copied: &mut Copied, sink: &mut dyn Sink<WaitError>) -> Outcome {
        let mut outcome = Outcome::new(HostStatus::Ok, Some(Phase::Exec));
        if let Some(plan) = &self.job.push {
            match copy::push(self.session, plan, &self.target.place(), self.timer.deadline()) {
                Ok(pushed) => copied.add(pushed),
                Err(error) => return self.copy_failed(*error, copied),
            }
        }
        match &self.job.run {
            Run::Nothing => {}
            Run::Command(command) => outcome = self.command(command, sink),
            Run::Script(script, args) => outcome = self.script(script, args, sink),
            Run::Named => {
                for script in &self.target.scripts {
                    outcome = self.script(script, &[], sink);
                    if outcome.status != HostStatus::Ok {
                        let what = outcome.error.take().unwrap_or_default();
                        outcome.error = Some(format!("{}: {what}", script.path.display()));
                        break;
                    }
                }
            }
        }
        if outcome.status == HostStatus::Ok
            && let Some(plan) = &self.job.pull
        {
            match copy::pull(self.session, plan, self.target.record.host(), self.timer.deadline()) {
                Ok(pulled) => copied.add(pulled),
                Err(error) => return Outcome { exit_code: outcome.exit_code, ..self.copy_failed(*error, copied) },
            }
        }
        outcome
    }

    fn command(&self, command: &str, sink: &mut dyn Sink<WaitError>) -> Outcome {
        let line = self.job.wrapper.wrap(command);
        // `setup` has refused it, but for the path of a script, which is known only now.
        if line.len() > LONGEST_COMMAND {
            let error = format!(
                "the command was not started: it has {} bytes, and at most {LONGEST_COMMAND} can be sent",
                line.len()
            );
            return Outcome::error(HostStatus::Failed, Phase::Exec, error);
        }
        let stdin = self.job.stdin.as_ref().map_or(Stdin::Nothing, Stdin::File);
        let gate = self.job.wrapper.sudo.as_ref().map(|sudo| {
            let whose = format!("{} on {}", self.target.user, self.target.name);
            SudoGate::new(sudo, &self.job.password, whose)
        });
        let env = &self.target.options.environment;
        let request = CommandRequest { line: &line, env, stdin, tty: self.job.tty, gate };
        let (exit, end) = exec(self.session, request, self.timer, sink);
        self.outcome(exit, end)
    }

    fn script(&self, script: &Script, args: &[String], sink: &mut dyn Sink<WaitError>) -> Outcome {
        let readable = self.job.wrapper.sudo.as_ref().is_some_and(|sudo| sudo.user.is_some());
        let path = match script::upload(self.session, script, readable, self.timer) {
            Ok(path) => path,
            Err(NotStarted::CommandEnd(_, CommandEnd::Closed)) => {
                return Outcome::error(
                    HostStatus::Lost,
                    Phase::Exec,
                    "the connection was lost while the script was uploaded: it was not started",
                );
            }
            Err(NotStarted::CommandEnd(exit, end)) => {
                let outcome = self.outcome(CommandExit { exit_code: None, ..exit }, end);
                let what = outcome.error.as_deref().unwrap_or_default();
                let error = format!("the script was not started: {what}");
                return Outcome { error: Some(error), ..outcome };
            }
            Err(NotStarted::Upload(why)) => {
                let error = format!("the script could not be uploaded: {why}");
                return Outcome::error(HostStatus::Failed, Phase::Exec, error);
            }
        };
        let mut outcome = self.command(&script::line(&path, args), sink);
        let lost = outcome.status == HostStatus::Lost;
        if lost || !script::remove(self.session, &path, self.timer) {
            let left = format!("the script was left at {path}");
            outcome.error = Some(match outcome.error.take() {
                Some(error) => format!("{error}; {left}"),
                None => left,
            });
        }
        outcome
    }

    fn outcome(&self, exit: CommandExit, end: CommandEnd) -> Outcome {
        let job = self.job;
        let outcome = match (end, &exit) {
            (CommandEnd::Denied, _) => {
                Outcome::error(HostStatus::Failed, Phase::Exec, "the server refused to run the command")
            }
            (CommandEnd::NoTerminal, _) => Outcome::error(
                HostStatus::Failed,
                Phase::Exec,
                "the server refused the terminal of --tty (sshd's PermitTTY): run the command without it",
            ),
            (CommandEnd::NotSent(WaitError::Deadline), _) => Outcome::error(
                HostStatus::Timeout,
                Phase::Exec,
                format!("the server opened no session within {}s: the command was not sent", START.as_secs()),
            ),
            (CommandEnd::NotSent(wait_error), _) => failed_before_command(
                job,
                Phase::Exec,
                wait_error,
                START,
                "before the command was sent: it was not started",
            ),
            (CommandEnd::Unconfirmed(wait_error @ WaitError::Stopped), _) => {
                let outcome = wait_failed(job, Phase::Exec, wait_error, START, "");
                let what = outcome.error.as_deref().unwrap_or_default();
                Outcome { error: Some(format!("{what}; the command may be running")), ..outcome }
            }
            (CommandEnd::Unconfirmed(WaitError::Deadline), _) => Outcome::error(
                HostStatus::Timeout,
                Phase::Exec,
                format!(
                    "the server did not confirm within {}s that it started the command: it may be running",
                    START.as_secs()
                ),
            ),
            (CommandEnd::Unconfirmed(wait_error), _) => {
                let what = "before the server confirmed that it had started the command (it may be running)";
                wait_failed(job, Phase::Exec, wait_error, START, what)
            }
            (CommandEnd::Terminated(wait_error, ended), _) => {
                let outcome = wait_failed(job, Phase::Exec, wait_error, self.timer.limit(), "the command");
                let what = outcome.error.as_deref().unwrap_or_default();
                let rest = ended.phrase_of_rest();
                let error = match &exit {
                    CommandExit { signal: Some(signal), .. } => {
                        format!("{what}; signal {signal} ended it, {rest}")
                    }
                    CommandExit { exit_code: Some(code), .. } => {
                        format!("{what}; it ended with status {code}, {rest}")
                    }
                    CommandExit { exit_code: None, signal: None } => format!("{what}; {}", ended.phrase()),
                };
                Outcome { error: Some(error), ..outcome }
            }
            (CommandEnd::Unfinished(wait_error), _) => {
                let what = "before the end of its output, some of which may be missing";
                let lost = wait_failed(job, Phase::Exec, wait_error, self.timer.limit(), what).error;
                let outcome = exited(&exit);
                let errors: Vec<String> = outcome.error.into_iter().chain(lost).collect();
                Outcome { error: Some(errors.join("; ")), ..outcome }
            }
            (CommandEnd::WaitError(wait_error), _) => {
                let what = "before the command's exit status arrived";
                wait_failed(job, Phase::Exec, wait_error, self.timer.limit(), what)
            }
            (CommandEnd::NoPassword(why), _) => Outcome::error(HostStatus::Failed, Phase::Exec, why),
            (CommandEnd::Stdin(error), _) => {
                Outcome::error(HostStatus::Failed, Phase::Exec, format!("the file of --stdin cannot be read: {error}"))
            }
            (CommandEnd::Closed, _) => exited(&exit),
        };
        Outcome { exit_code: exit.exit_code, signal: exit.signal, ..outcome }
    }

    fn copy_failed(&self, error: CopyError, copied: &mut Copied) -> Outcome {
        let left =
            error.partial.map(|path| format!(" (what there is of it is in {path}: the same run again continues it)"));
        copied.add(error.copied);
        let limit = self.timer.limit();
        let outcome = match error.cause {
            Cause::WaitError(wait_error @ (WaitError::Deadline | WaitError::Stopped)) => {
                wait_failed(self.job, Phase::Exec, wait_error, limit, "the copy")
            }
            Cause::WaitError(wait_error) => {
                wait_failed(self.job, Phase::Exec, wait_error, limit, "in the middle of the copy")
            }
            cause @ Cause::Silent(_) => Outcome::error(HostStatus::Timeout, Phase::Exec, cause.to_string()),
            cause => Outcome::error(HostStatus::Failed, Phase::Exec, cause.to_string()),
        };
        let error = outcome.error.unwrap_or_default() + &left.unwrap_or_default();
        Outcome { error: Some(error), ..outcome }
    }
}
