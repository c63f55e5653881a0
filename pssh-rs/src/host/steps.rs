//! What is done on a host once it is logged in: files sent, commands run, files fetched, in this order, until one fails.

use crate::base::wait::Halt;
use crate::copied::Copied;
use crate::copy::{self, Cause, CopyError};
use crate::ffi::LONGEST_COMMAND;
use crate::host::failure::{halted, unasked};
use crate::host::job::{Job, Run};
use crate::host::target::Target;
use crate::outcome::{HostStatus, Outcome, Phase};
use crate::session::exec::{Ask, End, Ran, START, Stdin, exec};
use crate::session::phase_timer::Clock;
use crate::session::script::{self, Script, Unstarted};
use crate::session::ssh_session::Link;
use crate::session::sudo::Gate;
use crate::sink::Sink;

/// Does a host's work. The outcome is that of the first step that did not go well, else of the last.
pub fn work(job: &Job, target: &Target, link: &Link, clock: &Clock<'_>, sink: &mut dyn Sink) -> Outcome {
    let host = Host { job, target, link, clock };
    let mut copied = Copied::default();
    let mut outcome = host.steps(&mut copied, sink);
    outcome.copied = job.copies().then_some(copied);
    outcome
}

struct Host<'a, 'c> {
    job: &'a Job,
    target: &'a Target,
    link: &'a Link,
    clock: &'a Clock<'c>,
}

impl Host<'_, '_> {
    fn steps(&self, copied: &mut Copied, sink: &mut dyn Sink) -> Outcome {
        let mut outcome = Outcome::new(HostStatus::Ok, Some(Phase::Exec));
        if let Some(plan) = &self.job.push {
            match copy::push(self.link, plan, &self.target.place(), self.clock.deadline(), &mut |_| ()) {
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
            match copy::pull(self.link, plan, self.target.record.host(), self.clock.deadline(), &mut |_| ()) {
                Ok(pulled) => copied.add(pulled),
                Err(error) => return Outcome { exit_code: outcome.exit_code, ..self.copy_failed(*error, copied) },
            }
        }
        outcome
    }

    fn command(&self, command: &str, sink: &mut dyn Sink) -> Outcome {
        let line = self.job.around.line(command);
        // `setup` has refused it, but for the path of a script, which is known only now.
        if line.len() > LONGEST_COMMAND {
            let error = format!(
                "the command was not started: it has {} bytes, and at most {LONGEST_COMMAND} can be sent",
                line.len()
            );
            return Outcome::error(HostStatus::Failed, Phase::Exec, error);
        }
        let stdin = self.job.stdin.as_ref().map_or(Stdin::Nothing, Stdin::File);
        let gate = self.job.around.sudo.as_ref().map(|sudo| {
            let whose = format!("{} on {}", self.target.user, self.target.name);
            Gate::new(sudo, &self.job.password, whose)
        });
        let env = &self.target.options.environment;
        let ask = Ask { line: &line, env, stdin, tty: self.job.tty, gate };
        let (ran, end) = exec(self.link, ask, self.clock, sink);
        self.outcome(ran, end)
    }

    fn script(&self, script: &Script, args: &[String], sink: &mut dyn Sink) -> Outcome {
        let readable = self.job.around.sudo.as_ref().is_some_and(|sudo| sudo.user.is_some());
        let path = match script::upload(self.link, script, readable, self.clock) {
            Ok(path) => path,
            Err(Unstarted::End(_, End::Closed)) => {
                return Outcome::error(
                    HostStatus::Lost,
                    Phase::Exec,
                    "the connection was lost while the script was uploaded: it was not started",
                );
            }
            Err(Unstarted::End(ran, end)) => {
                let outcome = self.outcome(Ran { exit_code: None, ..ran }, end);
                let what = outcome.error.as_deref().unwrap_or_default();
                let error = format!("the script was not started: {what}");
                return Outcome { error: Some(error), ..outcome };
            }
            Err(Unstarted::Upload(why)) => {
                let error = format!("the script could not be uploaded: {why}");
                return Outcome::error(HostStatus::Failed, Phase::Exec, error);
            }
        };
        let mut outcome = self.command(&script::line(&path, args), sink);
        let lost = outcome.status == HostStatus::Lost;
        if lost || !script::remove(self.link, &path, self.clock) {
            let left = format!("the script was left at {path}");
            outcome.error = Some(match outcome.error.take() {
                Some(error) => format!("{error}; {left}"),
                None => left,
            });
        }
        outcome
    }

    fn outcome(&self, ran: Ran, end: End) -> Outcome {
        let job = self.job;
        let outcome = match (end, &ran) {
            (End::Denied, _) => {
                Outcome::error(HostStatus::Failed, Phase::Exec, "the server refused to run the command")
            }
            (End::NoTerminal, _) => Outcome::error(
                HostStatus::Failed,
                Phase::Exec,
                "the server refused the terminal of --tty (sshd's PermitTTY): run the command without it",
            ),
            (End::Unasked(Halt::Deadline), _) => Outcome::error(
                HostStatus::Timeout,
                Phase::Exec,
                format!("the server opened no session within {}s: the command was not sent", START.as_secs()),
            ),
            (End::Unasked(halt), _) => {
                unasked(job, Phase::Exec, halt, START, "before the command was sent: it was not started")
            }
            (End::Unconfirmed(halt @ Halt::Stopped), _) => {
                let outcome = halted(job, Phase::Exec, halt, START, "");
                let what = outcome.error.as_deref().unwrap_or_default();
                Outcome { error: Some(format!("{what}; the command may be running")), ..outcome }
            }
            (End::Unconfirmed(Halt::Deadline), _) => Outcome::error(
                HostStatus::Timeout,
                Phase::Exec,
                format!(
                    "the server did not confirm within {}s that it started the command: it may be running",
                    START.as_secs()
                ),
            ),
            (End::Unconfirmed(halt), _) => {
                let what = "before the server confirmed that it had started the command (it may be running)";
                halted(job, Phase::Exec, halt, START, what)
            }
            (End::Ended(halt, ended), _) => {
                let outcome = halted(job, Phase::Exec, halt, self.clock.limit(), "the command");
                let what = outcome.error.as_deref().unwrap_or_default();
                let rest = ended.phrase_of_rest();
                let error = match &ran {
                    Ran { signal: Some(signal), .. } => {
                        format!("{what}; signal {signal} ended it, {rest}")
                    }
                    Ran { exit_code: Some(code), .. } => {
                        format!("{what}; it ended with status {code}, {rest}")
                    }
                    Ran { exit_code: None, signal: None } => format!("{what}; {}", ended.phrase()),
                };
                Outcome { error: Some(error), ..outcome }
            }
            (End::Unfinished(halt), _) => {
                let what = "before the end of its output, some of which may be missing";
                let lost = halted(job, Phase::Exec, halt, self.clock.limit(), what).error;
                let outcome = exited(&ran);
                let errors: Vec<String> = outcome.error.into_iter().chain(lost).collect();
                Outcome { error: Some(errors.join("; ")), ..outcome }
            }
            (End::Halt(halt), _) => {
                let what = "before the command's exit status arrived";
                halted(job, Phase::Exec, halt, self.clock.limit(), what)
            }
            (End::NoPassword(why), _) => Outcome::error(HostStatus::Failed, Phase::Exec, why),
            (End::Stdin(error), _) => {
                Outcome::error(HostStatus::Failed, Phase::Exec, format!("the file of --stdin cannot be read: {error}"))
            }
            (End::Closed, _) => exited(&ran),
        };
        Outcome { exit_code: ran.exit_code, signal: ran.signal, ..outcome }
    }

    fn copy_failed(&self, error: CopyError, copied: &mut Copied) -> Outcome {
        let left =
            error.partial.map(|path| format!(" (what there is of it is in {path}: the same run again continues it)"));
        copied.add(error.copied);
        let limit = self.clock.limit();
        let outcome = match error.cause {
            Cause::Halt(halt @ (Halt::Deadline | Halt::Stopped)) => {
                halted(self.job, Phase::Exec, halt, limit, "the copy")
            }
            Cause::Halt(halt) => halted(self.job, Phase::Exec, halt, limit, "in the middle of the copy"),
            cause @ Cause::Silent(_) => Outcome::error(HostStatus::Timeout, Phase::Exec, cause.to_string()),
            cause => Outcome::error(HostStatus::Failed, Phase::Exec, cause.to_string()),
        };
        let error = outcome.error.unwrap_or_default() + &left.unwrap_or_default();
        Outcome { error: Some(error), ..outcome }
    }
}

/// The outcome of a command that ended by itself.
fn exited(ran: &Ran) -> Outcome {
    match ran {
        Ran { signal: Some(signal), .. } => {
            Outcome::error(HostStatus::Signaled, Phase::Exec, format!("signal {signal} ended the command"))
        }
        Ran { exit_code: Some(0), .. } => Outcome::new(HostStatus::Ok, Some(Phase::Exec)),
        Ran { exit_code: Some(code), .. } => {
            Outcome::error(HostStatus::Failed, Phase::Exec, format!("the command's exit status is {code}"))
        }
        Ran { exit_code: None, signal: None } => Outcome::error(
            HostStatus::Lost,
            Phase::Exec,
            "the server closed the channel without the command's exit status",
        ),
    }
}
