//! Runs the job on all hosts: which host begins when, and a thread for each attempt. A separate thread writes results, so a
//! slow reader never delays a deadline.

mod answer_time;
mod retry;
mod runner;
pub mod schedule;

use crate::host::attempt::Event;
use crate::host::job::Job;
use crate::host::target::Target;
use crate::run::runner::{Runner, Shared};
use crate::run::schedule::Schedule;
use cerveza_results::{HostSinks, HostStatus, OutputQueue, Renderer, write_results};
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The longest wait at the end for threads of abandoned attempts.
const JOIN_TIME: Duration = Duration::from_millis(500);

/// What to run, and on which hosts.
pub struct RunPlan {
    pub job: Job,
    pub targets: Vec<Target>,
    pub sinks: HostSinks,
    pub schedule: Schedule,
    pub counts: Arc<RunCounts>,
}

/// What the progress bar shows, besides the hosts that are done.
#[derive(Debug, Default)]
pub struct RunCounts {
    /// Hosts with an attempt under way.
    pub running: AtomicU64,
    /// Hosts that are done and not ok.
    pub failed: AtomicU64,
    /// Hosts that were tried again because of `--wait`.
    pub waited_for: AtomicU64,
    /// Hosts on which not everything was copied.
    pub partly_copied: AtomicU64,
    /// The first host whose address was not found, if only its name is known.
    pub unresolved: OnceLock<String>,
}

/// Runs the job on all targets as the schedule says. Each outcome is passed on once, as soon as it is final: through `queue`
/// to `out`, which `write` flushes, and to `done`. Returns whether the run was interrupted.
pub fn run(
    plan: RunPlan,
    queue: &OutputQueue,
    out: &mut Renderer,
    write: impl FnMut(&mut Renderer) + Send,
    mut done: impl FnMut(&Target, HostStatus, bool) + Send,
) -> io::Result<bool> {
    let RunPlan { job, targets, sinks, schedule, counts } = plan;
    let shared = Arc::new(Shared { job, targets, sinks });
    let (events, received) = channel();
    let stop_events = events.clone();
    shared.job.shutdown.listen(move |reason| drop(stop_events.send(Event::Stopped(reason))));
    let (targets, written) = (&shared.targets, events.clone());
    thread::scope(|scope| {
        let writer = thread::Builder::new().name("writer".to_string()).spawn_scoped(scope, move || {
            let record = |index: usize| &targets[index].record;
            write_results(queue, out, record, write, |index, status, unwritten| {
                done(&targets[index], status, unwritten);
                let _ = written.send(Event::Written);
            });
        })?;
        let mut runner = Runner::new(Arc::clone(&shared), schedule, events, queue, &counts);
        runner.handle_events(&received, || !writer.is_finished());
        queue.close();
        join_abandoned(&runner.abandoned);
        // An attempt may end because of Ctrl-C before the runner gets the event.
        Ok(runner.interrupts > 0 || shared.job.shutdown.stop.is_set() && !shared.job.shutdown.is_late())
    })
}

/// Waits for the threads of abandoned attempts, because OpenSSL cleans up at exit, even if a thread is still using it.
fn join_abandoned(threads: &[JoinHandle<()>]) {
    let until = Instant::now() + JOIN_TIME;
    for thread in threads {
        while !thread.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
}
