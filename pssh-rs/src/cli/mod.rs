//! `pssh-rs` from its options to its exit status: reads options and hosts, then runs the job or writes the plan.

pub mod args;
mod completion;
mod fd_limit;
pub mod hint;
mod make_target;
mod named_host;
mod setup;
mod stdin_file;
mod targets;

use crate::auth::{PassphraseError, ask_passphrase};
use crate::base::policy::Engine;
use crate::base::shutdown::Shutdown;
use crate::base::wait::WaitError;
use crate::cli::args::Args;
use crate::cli::fd_limit::raise_fd_limit;
use crate::cli::make_target::planned;
use crate::host::job::{Job, Work};
use crate::host::target::Target;
use crate::run::schedule::{Schedule, Width};
use crate::run::{self, RunCounts, RunPlan};
use crate::session::sudo::{NoPassword, Password};
use cerveza_manners::{Column, Failure, OutputMode, Result, Status, Tool, was_interrupted};
use cerveza_record::{Value, json};
use cerveza_results::{
    HostSinks, HostStatus, Outdir, OutputQueue, QUEUE_LIMIT, Renderer, Rollout, RolloutRules, Summary, batches,
    finish_results, write_cancelled,
};
use clap::CommandFactory;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use rustix::fs::{FileType, fstat};
use signal_hook::consts::SIGINT;
use signal_hook::low_level::raise;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How many hosts that do not answer are waited for, beside those that do.
const MOST_UNANSWERED: usize = 256;

const PLAN_COLUMNS: [Column; 3] = [
    Column { header: "HOST", key: "host" },
    Column { header: "PLAN", key: "plan" },
    Column { header: "ERROR", key: "error" },
];

pub fn command() -> clap::Command {
    Args::command()
}

pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    let begun = Instant::now();
    // Before stdin is read, because a mistyped file should be an error before a pipe ends.
    let local = setup::read_local(args)?;
    let records = targets::read_records(args, tool)?;
    let rollout = args.rollout.rules();
    if args.dry_run {
        return write_plan(args, &local, &rollout, &targets::read_targets(args, records, tool)?, tool);
    }
    // From here on every host gets a record, also after a signal.
    let shutdown = setup::shutdown(args.deadline.map(|deadline| begun + deadline))?;
    let prepared = targets::read_targets(args, records.clone(), tool).and_then(|targets| {
        let job = setup::prepare_job(args, local, &targets, shutdown.clone(), tool)?;
        Ok((job, targets))
    });
    match prepared {
        Ok((job, targets)) => {
            drop(records);
            execute(args, job, targets, &rollout, begun, tool)
        }
        Err(failure) if failure.status == Status::Interrupted || was_interrupted() => {
            write_cancelled(records.iter(), &args.display, &args.output, tool)
        }
        Err(failure) => Err(failure),
    }
}

fn execute(
    args: &Args,
    mut job: Job,
    targets: Vec<Target>,
    rollout: &RolloutRules,
    begun: Instant,
    tool: &Tool,
) -> Result<Status> {
    let hosts = || targets.iter().map(|target| target.record.host());
    let mut out = Renderer::new(&args.display, &args.output, hosts(), tool)?;
    let queue = Arc::new(OutputQueue::new(QUEUE_LIMIT));
    let mut sinks = HostSinks {
        limits: args.display.limits(tool),
        queue: out.is_live().then(|| Arc::clone(&queue)),
        outdir: args.display.outdir.as_deref().map(|folder| Outdir::new(folder, hosts())).transpose()?,
    };
    if !out.needs_kept() {
        sinks.limits.stream = 0;
    }
    let (width, warning) = raise_fd_limit(width(args));
    if let Some(warning) = warning {
        tool.warn(warning);
    }
    let schedule = Schedule::new(Rollout::new(targets.len(), rollout), width).wait_for_boot(args.wait);
    for what in job.push.iter().flat_map(|plan| &plan.skipped) {
        tool.warn(format!("not pushed: {what}"));
    }
    let counts = Arc::new(RunCounts::default());
    let bar = match is_pipe(io::stdout().as_fd()) {
        // The reader of the pipe may write to the same terminal.
        true => ProgressBar::hidden(),
        // The lines of -v would mix with the bar.
        false if args.verbose => ProgressBar::hidden(),
        false => args.progress.bar(targets.len() as u64, "hosts").with_style(progress_style(&counts)),
    };
    job.password = password(&job.shutdown, bar.clone());
    let copied_to: Vec<String> = job.pull.iter().flat_map(|plan| plan.folders()).collect();
    let mut summary = Summary::default();
    let done = |target: &Target, status, unwritten| {
        summary.add(status, target.record.host());
        if unwritten {
            summary.add_unwritten(target.record.host());
        }
        counts.failed.fetch_add(u64::from(status != HostStatus::Ok), Ordering::Relaxed);
        bar.inc(1);
    };
    let write = |out: &mut Renderer| bar.suspend(|| out.flush());
    let plan = RunPlan { job, targets, sinks, schedule, counts: Arc::clone(&counts) };
    let interrupted = run::run(plan, &queue, &mut out, write, done);
    bar.finish_and_clear();
    let interrupted = interrupted.map_err(|error| Failure::usage(format!("cannot start a thread: {error}")))?;
    let took = io::stderr().is_terminal().then(|| begun.elapsed());
    summary.copied_to = copied_to;
    summary.waited_for = counts.waited_for.load(Ordering::Relaxed);
    summary.partly_copied = counts.partly_copied.load(Ordering::Relaxed);
    let status = finish_results(out, &summary, took, interrupted, tool);
    // A name that is also a file has been warned of.
    if let Some(host) = counts.unresolved.get().filter(|host| !Path::new(host).exists()) {
        tool.warn(format!("if {host} is an EC2 instance, ec2-ls has its address: ec2-ls {host} | pssh-rs -- COMMAND"));
    }
    status
}

/// Returns a password that is asked for without the progress bar. Ctrl-C at the prompt interrupts the whole run.
fn password(shutdown: &Shutdown, bar: ProgressBar) -> Password {
    let stop = Arc::clone(&shutdown.stop);
    Password::new(Box::new(move |prompt| {
        let because = |why: String| NoPassword::Because(format!("sudo wants a password, and {why}"));
        bar.suspend(|| ask_passphrase(prompt, &stop)).map_err(|error| match error {
            PassphraseError::CannotAsk => {
                because("there is neither a terminal nor SSH_ASKPASS to ask for it".to_string())
            }
            PassphraseError::Failed(why) => because(format!("it could not be asked for: {why}")),
            PassphraseError::Interrupted => {
                let _ = raise(SIGINT);
                NoPassword::WaitError(WaitError::Stopped)
            }
        })
    }))
}

/// Returns the style of the bar: hosts that are done, running and failed. The counts are read when the bar is drawn, so a
/// blocked terminal does not delay the thread that counts.
fn progress_style(counts: &Arc<RunCounts>) -> ProgressStyle {
    let count = |counts: &Arc<RunCounts>, of: fn(&RunCounts) -> &AtomicU64| {
        let counts = Arc::clone(counts);
        move |_: &ProgressState, text: &mut dyn fmt::Write| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}", of(&counts).load(Ordering::Relaxed));
        }
    };
    ProgressStyle::with_template("{pos}/{len} done, {running} running, {failed} failed [{wide_bar}] {elapsed_precise}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("running", count(counts, |counts| &counts.running))
        .with_key("failed", count(counts, |counts| &counts.failed))
}

fn is_pipe(stdout: BorrowedFd<'_>) -> bool {
    fstat(stdout).is_ok_and(|about| FileType::from_raw_mode(about.st_mode) == FileType::Fifo)
}

fn width(args: &Args) -> Width {
    if args.rollout.serial {
        return Width { fanout: 1, open: 1 };
    }
    let fanout = usize::from(args.fanout);
    Width { fanout, open: fanout + MOST_UNANSWERED }
}

fn write_plan(
    args: &Args,
    local: &setup::LocalInputs,
    rollout: &RolloutRules,
    targets: &[Target],
    tool: &Tool,
) -> Result<Status> {
    let mut writer = args.output.writer(OutputMode::Table, &PLAN_COLUMNS, tool);
    let mut what: Vec<(&str, Value)> = Vec::new();
    if args.engine == Engine::Openssh {
        what.push(("engine", "openssh".into()));
    }
    match &local.work {
        Work::Nothing | Work::ScriptsOfRecord => {}
        Work::Command(command) => what.push(("command", local.wrapper.shown(command).into())),
        Work::Script(script, words) => {
            what.push(("script", script.path.display().to_string().into()));
            what.push(("arguments", json!(words)));
        }
    }
    let specs = |specs: &[OsString]| {
        let specs = specs.iter().map(|spec| Value::from(spec.to_string_lossy()));
        Value::from(specs.collect::<Vec<_>>())
    };
    for (key, given) in [("push", &args.push), ("pull", &args.pull)] {
        if !given.is_empty() {
            what.push((key, specs(given)));
        }
    }
    let batches = batches(targets.len(), &rollout.batches);
    for (batch, places) in batches.into_iter().enumerate() {
        let mut what = what.clone();
        if !rollout.batches.is_empty() {
            what.push(("batch", (batch + 1).into()));
        }
        for target in &targets[places] {
            writer.write(&planned(target, &what))?;
        }
    }
    writer.finish()?;
    let are_fine = targets.iter().all(|target| target.problem.is_none());
    Ok(if are_fine { Status::Done } else { Status::Unreached })
}
