//! The run over all hosts: worker threads take turns from one queue, and one collector hears of everything, so that
//! every host comes out exactly once, also when Ctrl-C comes or a thread is stuck.

use crate::attempt::{Job, Leash, attempt};
use crate::interrupt::on_interrupt;
use crate::outcome::{HostStatus, Outcome, Phase};
use crate::plan::Target;
use crate::queue::{Queue, Turn};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// An attempt that its own deadlines did not end is given up this long after them.
const OVERRUN: Duration = Duration::from_secs(3);
/// After Ctrl-C attempts end within moments; those that do not are left behind.
const AFTER_CTRL_C: Duration = Duration::from_secs(2);
/// Idle workers end at once when all is done. One that is stuck is not waited for longer than this.
const FAREWELL: Duration = Duration::from_millis(500);
/// One retry.
const MOST_ATTEMPTS: u32 = 2;
const STACK: usize = 512 * 1024;

struct Shared {
    job: Job,
    targets: Vec<Target>,
    queue: Queue,
}

enum Event {
    Started {
        index: usize,
        begun: Begun,
    },
    Phase {
        index: usize,
        phase: Phase,
        deadline: Option<Instant>,
    },
    Done {
        turn: Turn,
        outcome: Outcome,
    },
    /// A worker came upon it after Ctrl-C.
    Untried {
        turn: Turn,
    },
    Interrupted,
}

/// What the collector knows of an attempt.
struct Begun {
    leash: Arc<Leash>,
    attempts: u32,
    phase: Option<Phase>,
    at: Instant,
    started_at: SystemTime,
    give_up_at: Option<Instant>,
}

/// Runs the job on all targets, at most `fanout` at a time, and calls `done` for each once, as soon as it is done.
/// Whether it was interrupted.
pub fn run(job: Job, targets: Vec<Target>, fanout: usize, done: impl FnMut(&Target, Outcome)) -> io::Result<bool> {
    let total = targets.len();
    let queue = Queue::default();
    for index in 0..total {
        queue.push(Turn { index, attempts: 0, not_before: None });
    }
    let shared = Arc::new(Shared { job, targets, queue });
    let (events, received) = sync_channel(64);
    let (stop, interrupts) = (Arc::clone(&shared.job.stop), events.clone());
    on_interrupt(move || {
        stop.set();
        let _ = interrupts.send(Event::Interrupted);
    })?;
    let mut workers = vec![spawn(&shared, &events)?];
    while workers.len() < fanout.min(total) {
        match spawn(&shared, &events) {
            Ok(worker) => workers.push(worker),
            // With fewer threads it takes longer; that is all.
            Err(_) => break,
        }
    }
    let mut collector = Collector {
        shared: Arc::clone(&shared),
        events,
        workers,
        running: HashMap::new(),
        left: total,
        interrupts: 0,
        done,
    };
    collector.collect(&received);
    shared.queue.close();
    drop(received);
    say_farewell(collector.workers);
    Ok(collector.interrupts > 0)
}

fn spawn(shared: &Arc<Shared>, events: &SyncSender<Event>) -> io::Result<JoinHandle<()>> {
    let (shared, events) = (Arc::clone(shared), events.clone());
    let worker = std::thread::Builder::new().name("host".to_string()).stack_size(STACK);
    worker.spawn(move || work(&shared, &events))
}

/// Lets the workers end before the program does: at its exit OpenSSL takes itself apart, also under a thread that is
/// still using it.
fn say_farewell(workers: Vec<JoinHandle<()>>) {
    let until = Instant::now() + FAREWELL;
    for worker in workers {
        while !worker.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        if worker.is_finished() {
            let _ = worker.join();
        }
    }
}

/// A worker's life: one host after the other. It ends when the queue is closed, when nobody listens any more, or when
/// it was given up and another took its place.
fn work(shared: &Shared, events: &SyncSender<Event>) {
    while let Some(turn) = shared.queue.take() {
        if shared.job.stop.is_set() {
            let _ = events.send(Event::Untried { turn });
            continue;
        }
        let (at, started_at, leash) = (Instant::now(), SystemTime::now(), Arc::new(Leash::default()));
        let begun = Begun {
            leash: Arc::clone(&leash),
            attempts: turn.attempts + 1,
            phase: None,
            at,
            started_at,
            give_up_at: None,
        };
        let index = turn.index;
        if events.send(Event::Started { index, begun }).is_err() {
            return;
        }
        let mut watch = |phase, deadline| {
            let _ = events.send(Event::Phase { index, phase, deadline });
        };
        let target = &shared.targets[index];
        // A bug that one host brings to light must not cost the others their records.
        let outcome = catch_unwind(AssertUnwindSafe(|| attempt(&shared.job, target, &leash, &mut watch)))
            .unwrap_or_else(|_| Outcome {
                error: Some("a bug in pssh-rs ended this attempt".to_string()),
                ..Outcome::new(HostStatus::Lost, None)
            });
        let outcome =
            Outcome { attempts: turn.attempts + 1, started_at: Some(started_at), duration: at.elapsed(), ..outcome };
        if events.send(Event::Done { turn, outcome }).is_err() || leash.is_given_up() {
            return;
        }
    }
}

struct Collector<F> {
    shared: Arc<Shared>,
    events: SyncSender<Event>,
    workers: Vec<JoinHandle<()>>,
    running: HashMap<usize, Begun>,
    /// How many hosts have not come out yet.
    left: usize,
    interrupts: u32,
    done: F,
}

impl<F: FnMut(&Target, Outcome)> Collector<F> {
    fn collect(&mut self, events: &Receiver<Event>) {
        while self.left > 0 {
            let next = self.running.values().filter_map(|begun| begun.give_up_at).min();
            // With nothing to watch the wait is bounded all the same: it costs nothing to look again.
            let wait = next.map_or(Duration::from_secs(60), |at| at.saturating_duration_since(Instant::now()));
            match events.recv_timeout(wait) {
                Ok(event) => self.hear(event),
                Err(RecvTimeoutError::Timeout) => {}
                // Not while this holds a sender itself.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.give_up_overdue();
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Started { index, mut begun } => {
                begun.give_up_at = self.sooner_if_interrupted(begun.give_up_at);
                self.running.insert(index, begun);
            }
            Event::Phase { index, phase, deadline } => {
                let give_up_at = self.sooner_if_interrupted(deadline.map(|deadline| deadline + OVERRUN));
                if let Some(begun) = self.running.get_mut(&index) {
                    begun.give_up_at = give_up_at;
                    begun.phase = Some(phase);
                }
            }
            // Of an attempt that was given up the host has come out already.
            Event::Done { turn, outcome } => {
                if self.running.remove(&turn.index).is_some() {
                    self.finish(turn, outcome);
                }
            }
            Event::Untried { turn } => self.cancel(turn),
            Event::Interrupted => self.interrupt(),
        }
    }

    /// Sends the host to the end of the queue for another try, or out.
    fn finish(&mut self, turn: Turn, outcome: Outcome) {
        if outcome.retry && outcome.attempts < MOST_ATTEMPTS && self.interrupts == 0 {
            self.shared.queue.push(Turn {
                index: turn.index,
                attempts: outcome.attempts,
                not_before: Some(Instant::now() + pause()),
            });
        } else {
            self.emit(turn.index, outcome);
        }
    }

    fn emit(&mut self, index: usize, outcome: Outcome) {
        self.left -= 1;
        (self.done)(&self.shared.targets[index], outcome);
    }

    fn cancel(&mut self, turn: Turn) {
        self.emit(turn.index, Outcome { attempts: turn.attempts, ..Outcome::cancelled() });
    }

    fn interrupt(&mut self) {
        self.interrupts += 1;
        for turn in self.shared.queue.clear() {
            self.cancel(turn);
        }
        let give_up_at = self.sooner_if_interrupted(None);
        for begun in self.running.values_mut() {
            begun.give_up_at = give_up_at;
        }
    }

    fn sooner_if_interrupted(&self, give_up_at: Option<Instant>) -> Option<Instant> {
        match self.interrupts {
            0 => give_up_at,
            1 => Some(Instant::now() + AFTER_CTRL_C),
            _ => Some(Instant::now()),
        }
    }

    /// Lets the hosts out whose attempt overran, cuts their connection, and puts another worker in place of theirs.
    fn give_up_overdue(&mut self) {
        let now = Instant::now();
        let overdue = |begun: &Begun| begun.give_up_at.is_some_and(|at| at <= now);
        let overdue: Vec<usize> =
            self.running.iter().filter(|(_, begun)| overdue(begun)).map(|(index, _)| *index).collect();
        for index in overdue {
            let Some(begun) = self.running.remove(&index) else { continue };
            begun.leash.give_up();
            let outcome = match self.interrupts {
                0 => stuck(begun.phase),
                _ => Outcome { phase: begun.phase, ..Outcome::cancelled() },
            };
            let outcome = Outcome {
                attempts: begun.attempts,
                started_at: Some(begun.started_at),
                duration: begun.at.elapsed(),
                ..outcome
            };
            self.emit(index, outcome);
            // Should that fail, the workers there are go on.
            self.workers.extend(spawn(&self.shared, &self.events));
        }
    }
}

/// The outcome of an attempt that its own deadlines did not end.
fn stuck(phase: Option<Phase>) -> Outcome {
    let (status, error) = match phase {
        Some(Phase::Auth) => (HostStatus::Timeout, "stuck while logging in (does the agent answer?)"),
        Some(Phase::Exec) => (HostStatus::Timeout, "stuck while the command ran"),
        _ => (HostStatus::Unreachable, "stuck: the server sent much and said nothing"),
    };
    Outcome { error: Some(error.to_string()), ..Outcome::new(status, phase) }
}

/// A pause before the second try, of a random length: hosts that were refused together must not come back together.
fn pause() -> Duration {
    let random = RandomState::new().build_hasher().finish();
    Duration::from_millis(300 + random % 700)
}
