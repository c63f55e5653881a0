//! `ec2-run` from its options to its exit status: reads options and hosts, then runs the command or writes the plan.

pub mod args;
mod dry_run;
pub mod hint;
mod job;
mod resume;
mod targets;

use crate::cli::args::Args;
use crate::cli::targets::GivenHosts;
use crate::run::agents::check_agents;
use crate::run::outcome::Stop;
use crate::run::runner::{Runner, Settings};
use crate::run::target::Target;
use cerveza_ec2::{Ec2, block_on};
use cerveza_manners::{Failure, Result, Status, Tool, was_interrupted};
use cerveza_results::{
    HostSinks, HostStatus, Outdir, OutputQueue, QUEUE_LIMIT, Renderer, Rollout, RolloutRules, Summary, finish_results,
    write_cancelled, write_results,
};
use clap::CommandFactory;
use hostrange::fold;
use indicatif::ProgressBar;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub fn command() -> clap::Command {
    Args::command()
}

pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    let begun = Instant::now();
    let settings = job::settings(args, tool)?;
    let rules = args.rollout.rules();
    if args.dry_run && args.resume {
        return Err(Failure::usage("--dry-run goes with no --resume: nothing would be sent"));
    }
    // Before AWS is asked for anything: a bad line ends the run at once.
    let given = if args.resume { None } else { Some(targets::read_hosts(args, tool)?) };
    block_on(execute(args, settings, &rules, given, begun, tool))?
}

async fn execute(
    args: &Args,
    settings: Settings,
    rules: &RolloutRules,
    given: Option<GivenHosts>,
    begun: Instant,
    tool: &Tool,
) -> Result<Status> {
    let given = match given {
        Some(given) => given,
        None => GivenHosts { records: resume::records(args, tool).await?, excluded: Vec::new() },
    };
    let (accounts, mut targets, why_none) = targets::find_instances(args, given, tool).await?;
    let cancelled = |targets: &[Target]| {
        write_cancelled(targets.iter().map(|target| &target.record), &args.display, &args.output, tool)
    };
    let connected: Vec<&Ec2> = accounts.connected().collect();
    if !args.resume {
        let checked = tokio::select! {
            () = check_agents(&connected, &mut targets, args.wait) => true,
            _ = accounts.interrupted() => false,
        };
        if !checked {
            return cancelled(&targets);
        }
    }
    if args.dry_run {
        return dry_run::write_plan(args, &settings, rules, &targets, tool);
    }
    if why_none.as_ref().is_some_and(|failure| failure.status == Status::Interrupted) {
        return cancelled(&targets);
    }
    connected.iter().for_each(|ec2| ec2.go_on_after_interrupt());
    let deadline = args.deadline.map(|deadline| tokio::time::Instant::from_std(begun + deadline));
    let targets = Arc::new(targets);
    let output = OutputThread::start(args, Arc::clone(&targets), tool)?;
    let hosts = || targets.iter().map(|target| target.record.host());
    let mut sinks = HostSinks {
        limits: args.display.limits(tool),
        queue: None,
        outdir: args.display.outdir.as_deref().map(|folder| Outdir::new(folder, hosts())).transpose()?,
    };
    if !output.needs_kept {
        sinks.limits.stream = 0;
    }
    let rollout = Rollout::new(targets.len(), rules);
    let runner = Runner::new(connected, settings, &targets, rollout, sinks, Arc::clone(&output.queue));
    let stop = runner.run(async { drop(accounts.interrupted().await) }, deadline).await;
    let cut = runner.hosts_with_cut_output();
    let status = output.finish(stop == Some(Stop::Interrupted) || was_interrupted(), begun, tool)?;
    if !cut.is_empty() {
        let all = if args.output_bucket.is_some() { "" } else { " (--output-bucket gets all of it)" };
        tool.warn(format!("the output is too long for SSM and was cut: {}{all}", fold(cut)));
    }
    // What kept every host from being looked up is said once more, and is graver than one host's.
    if let Some(failure) = why_none {
        tool.failure(&failure);
        return Ok(status.max(failure.status));
    }
    Ok(status)
}

/// The thread that writes results, so a slow reader of them delays no poll.
struct OutputThread {
    queue: Arc<OutputQueue>,
    /// Whether outputs are shown.
    needs_kept: bool,
    thread: JoinHandle<(Renderer, Summary)>,
}

impl OutputThread {
    fn start(args: &Args, targets: Arc<Vec<Target>>, tool: &Tool) -> Result<OutputThread> {
        let hosts = targets.iter().map(|target| target.record.host());
        let mut out = Renderer::new(&args.display, &args.output, hosts, tool)?.without_live();
        let bar = if io::stdout().is_terminal() || io::stderr().is_terminal() && !args.verbose {
            args.progress.bar(targets.len() as u64, "running")
        } else {
            ProgressBar::hidden()
        };
        let queue = Arc::new(OutputQueue::new(QUEUE_LIMIT));
        let (needs_kept, shared) = (out.needs_kept(), Arc::clone(&queue));
        let write = move || {
            let mut summary = Summary::default();
            let done = |index: usize, status: HostStatus, unwritten: bool| {
                let host = targets[index].record.host();
                summary.add(status, host);
                if unwritten {
                    summary.add_unwritten(host);
                }
                bar.inc(1);
            };
            write_results(&shared, &mut out, |index| &targets[index].record, |out| bar.suspend(|| out.flush()), done);
            bar.finish_and_clear();
            (out, summary)
        };
        let thread = thread::Builder::new().name("output".to_string()).spawn(write);
        let thread = thread.map_err(|error| Failure::usage(format!("cannot start a thread: {error}")))?;
        Ok(OutputThread { queue, needs_kept, thread })
    }

    /// Writes what is left, and the closing line.
    fn finish(self, interrupted: bool, begun: Instant, tool: &Tool) -> Result<Status> {
        self.queue.close();
        let joined = self.thread.join();
        let (out, summary) = joined.map_err(|_| Failure::usage("a bug ended the thread that writes results"))?;
        let took: Option<Duration> = io::stderr().is_terminal().then(|| begun.elapsed());
        finish_results(out, &summary, took, interrupted, tool)
    }
}
