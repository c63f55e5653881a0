//! The work on a host after the login: push files, run commands, pull files, in this order, until a step fails.

use crate::base::wait::WaitError;
use crate::copy::{self, Cause, CopyError};
use crate::ffi::LONGEST_COMMAND;
use crate::host::attempt::Attempt;
use crate::host::job::Work;
use crate::host::outcome::command_outcome;
use crate::session::exec::{CommandEnd, CommandExit, CommandRequest, Stdin, exec};
use crate::session::script::{self, NotStarted, Script};
use crate::session::ssh_session::SshSession;
use crate::session::sudo::SudoGate;
use cerveza_results::{Copied, HostStatus, Outcome, Phase, Sink};

/// Does a host's work. Returns the outcome of the first step that failed, or of the last step.
pub fn run_steps(attempt: &Attempt<'_>, session: &SshSession, sink: &mut dyn Sink<WaitError>) -> Outcome {
    let mut copied = Copied::default();
    let outcome = Steps { attempt, session }.run(&mut copied, sink);
    Outcome { copied: attempt.job.copies().then_some(copied), ..outcome }
}

struct Steps<'a> {
    attempt: &'a Attempt<'a>,
    session: &'a SshSession,
}

impl Steps<'_> {
    fn run(&self, copied: &mut Copied, sink: &mut dyn Sink<WaitError>) -> Outcome {
        let Attempt { job, target, timer, .. } = self.attempt;
        if let Some(plan) = &job.push {
            match copy::push(self.session, plan, &target.place(), timer.deadline()) {
                Ok(pushed) => copied.add(pushed),
                Err(error) => return self.copy_failed(*error, copied),
            }
        }
        let outcome = match &job.work {
            Work::Nothing => Outcome::new(HostStatus::Ok, Some(Phase::Exec)),
            Work::Command(command) => self.run_command(command, sink),
            Work::Script(script, args) => self.run_script(script, args, sink),
            Work::ScriptsOfRecord => self.run_scripts_of_record(sink),
        };
        if outcome.status == HostStatus::Ok
            && let Some(plan) = &job.pull
        {
            match copy::pull(self.session, plan, target.record.host(), timer.deadline()) {
                Ok(pulled) => copied.add(pulled),
                Err(error) => return Outcome { exit_code: outcome.exit_code, ..self.copy_failed(*error, copied) },
            }
        }
        outcome
    }

    fn run_command(&self, command: &str, sink: &mut dyn Sink<WaitError>) -> Outcome {
        let Attempt { job, target, timer, .. } = self.attempt;
        let line = job.wrapper.wrap(command);
        let len = line.len();
        // `cli/setup.rs` has checked this, except for the path of a script, which is known only now.
        if len > LONGEST_COMMAND {
            let error =
                format!("the command was not started: it has {len} bytes, and at most {LONGEST_COMMAND} can be sent");
            return Outcome::error(HostStatus::Failed, Phase::Exec, error);
        }
        let stdin = job.stdin.as_ref().map_or(Stdin::Nothing, Stdin::File);
        let gate = job.wrapper.sudo.as_ref().map(|sudo| {
            let account = format!("{} on {}", target.user, target.name);
            SudoGate::new(sudo, &job.password, account)
        });
        let env = &target.options.environment;
        let request = CommandRequest { line: &line, env, stdin, tty: job.tty, gate };
        let (exit, end) = exec(self.session, request, timer, sink);
        self.command_outcome(exit, end)
    }

    /// Runs the scripts that the host's record names, until one fails.
    fn run_scripts_of_record(&self, sink: &mut dyn Sink<WaitError>) -> Outcome {
        let mut outcome = Outcome::new(HostStatus::Ok, Some(Phase::Exec));
        for (earlier, script) in self.attempt.target.scripts.iter().enumerate() {
            outcome = self.run_script(script, &[], sink);
            outcome.not_started &= earlier == 0;
            if outcome.status != HostStatus::Ok {
                let error = outcome.error.take().unwrap_or_default();
                outcome.error = Some(format!("{}: {error}", script.path.display()));
                break;
            }
        }
        outcome
    }

    fn run_script(&self, script: &Script, args: &[String], sink: &mut dyn Sink<WaitError>) -> Outcome {
        let Attempt { job, timer, .. } = self.attempt;
        let failed = |status, error| Outcome::error(status, Phase::Exec, error);
        let is_readable = job.wrapper.sudo.as_ref().is_some_and(|sudo| sudo.user.is_some());
        let path = match script::upload(self.session, script, is_readable, timer) {
            Ok(path) => path,
            Err(NotStarted::CommandEnd(_, CommandEnd::Closed)) => {
                let error = "the connection was lost while the script was uploaded: it was not started";
                return Outcome { not_started: true, ..failed(HostStatus::Lost, error.to_string()) };
            }
            Err(NotStarted::CommandEnd(exit, end)) => {
                let outcome = self.command_outcome(CommandExit { exit_code: None, ..exit }, end);
                let error = format!("the script was not started: {}", outcome.error.unwrap_or_default());
                return Outcome { error: Some(error), not_started: true, ..outcome };
            }
            Err(NotStarted::Upload(why)) => {
                return failed(HostStatus::Failed, format!("the script could not be uploaded: {why}"));
            }
        };
        let outcome = self.run_command(&script::line(&path, args), sink);
        if outcome.status == HostStatus::Lost || !script::remove(self.session, &path, timer) {
            return outcome.add_error(&format!("the script was left at {path}"));
        }
        outcome
    }

    fn command_outcome(&self, exit: CommandExit, end: CommandEnd) -> Outcome {
        command_outcome(exit, end, self.attempt.timer.limit(), self.attempt.job.shutdown.is_late())
    }

    fn copy_failed(&self, error: CopyError, copied: &mut Copied) -> Outcome {
        copied.add(error.copied);
        let failed = |status, cause: Cause| Outcome::error(status, Phase::Exec, cause.to_string());
        let outcome = match error.cause {
            Cause::WaitError(wait_error @ (WaitError::Deadline | WaitError::Stopped)) => {
                self.attempt.wait_failed(wait_error, "the copy")
            }
            Cause::WaitError(wait_error) => self.attempt.wait_failed(wait_error, "in the middle of the copy"),
            cause @ Cause::Silent(_) => failed(HostStatus::Timeout, cause),
            cause => failed(HostStatus::Failed, cause),
        };
        let Some(path) = error.partial else { return outcome };
        let error = outcome.error.unwrap_or_default();
        let left = format!("{error} (what there is of it is in {path}: the same run again continues it)");
        Outcome { error: Some(left), ..outcome }
    }
}
