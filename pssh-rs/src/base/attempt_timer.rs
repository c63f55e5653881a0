//! The timer of an attempt: its phase and deadline. The attempt sets them. The runner reads them, gives up an attempt that
//! overruns, and cuts its connection.

use crate::base::socket::Socket;
use cerveza_results::{Phase, lock};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// An attempt that overruns its deadline by this much is given up.
const OVERRUN: Duration = Duration::from_secs(3);

/// Its waits end at [`AttemptTimer::deadline`]. If a call hangs anyway, the runner calls [`AttemptTimer::give_up_overdue`].
#[derive(Default)]
pub struct AttemptTimer(Mutex<TimerState>);

#[derive(Default)]
struct TimerState {
    phase: Option<Phase>,
    /// The time limit of the phase, if it has one.
    limit: Option<Duration>,
    deadline: Option<Instant>,
    /// The deadline that the runner reads instead during [`AttemptTimer::with_limit`].
    other_deadline: Option<Instant>,
    /// When any of these was last changed.
    changed_at: Option<Instant>,
    socket: Option<Arc<Socket>>,
    /// The attempt has its outcome, or was given up.
    is_over: bool,
}

impl AttemptTimer {
    /// Returns a timer that is already started, for waits that no runner watches.
    pub fn started(limit: Duration) -> AttemptTimer {
        let timer = AttemptTimer::default();
        timer.start(Phase::Exec, Some(limit));
        timer
    }

    /// Starts a phase. Without a `limit` it has no deadline.
    pub fn start(&self, phase: Phase, limit: Option<Duration>) {
        self.change(|state, now| {
            (state.phase, state.limit) = (Some(phase), limit);
            state.deadline = limit.map(|limit| now + limit);
        });
    }

    /// Starts the phase again with its whole time limit.
    pub fn restart(&self) {
        self.change(|state, now| state.deadline = state.limit.map(|limit| now + limit));
    }

    /// Stops the timer until [`AttemptTimer::restart`], while the host waits for a person or for its slot.
    pub fn pause(&self) {
        self.change(|state, _| state.deadline = None);
    }

    /// Adds time that the host did not use, such as the time of a slow reader of our output.
    pub fn postpone(&self, by: Duration) {
        self.change(|state, _| state.deadline = state.deadline.map(|deadline| deadline + by));
    }

    pub fn deadline(&self) -> Option<Instant> {
        lock(&self.0).deadline
    }

    pub fn phase(&self) -> Option<Phase> {
        lock(&self.0).phase
    }

    /// Returns the time limit of the phase, for messages.
    pub fn limit(&self) -> Duration {
        lock(&self.0).limit.unwrap_or_default()
    }

    /// Runs `work`, which has a time limit of its own. The deadline of the phase stays what it is.
    pub fn with_limit<T>(&self, limit: Duration, work: impl FnOnce(Instant) -> T) -> T {
        let deadline = Instant::now() + limit;
        self.change(|state, _| state.other_deadline = Some(deadline));
        let result = work(deadline);
        self.change(|state, _| state.other_deadline = None);
        result
    }

    /// Shows the runner that the attempt is not stuck, although its deadline may have passed: a slow reader of our output
    /// keeps it waiting.
    pub fn touch(&self) {
        self.change(|_, _| ());
    }

    fn change(&self, change: impl FnOnce(&mut TimerState, Instant)) {
        let (mut state, now) = (lock(&self.0), Instant::now());
        change(&mut state, now);
        state.changed_at = Some(now);
    }

    /// Stores the connection of the attempt. If the attempt was given up, the connection is cut at once.
    pub fn set_socket(&self, socket: &Arc<Socket>) {
        let mut state = lock(&self.0);
        if state.is_over {
            socket.cut();
        } else {
            state.socket = Some(Arc::clone(socket));
        }
    }

    /// The attempt has its outcome. Returns whether the runner still waits for it.
    pub fn finish(&self) -> bool {
        !std::mem::replace(&mut lock(&self.0).is_over, true)
    }

    /// Returns when the attempt is to be given up. `stop` is when the run was stopped, and how long attempts may take then.
    pub fn give_up_at(&self, stop: Option<(Instant, Duration)>) -> Option<Instant> {
        lock(&self.0).give_up_at(stop)
    }

    /// Gives the attempt up if it is overdue and has not ended. Returns whether it did. Its connection is cut, which ends any
    /// call that libssh2 is stuck in.
    pub fn give_up_overdue(&self, now: Instant, stop: Option<(Instant, Duration)>) -> bool {
        let mut state = lock(&self.0);
        if state.is_over || state.give_up_at(stop).is_none_or(|at| at > now) {
            return false;
        }
        state.is_over = true;
        if let Some(socket) = state.socket.take() {
            socket.cut();
        }
        true
    }
}

impl TimerState {
    /// A change gives the attempt time, also if its deadline passed before (while a command was terminated, for example).
    fn give_up_at(&self, stop: Option<(Instant, Duration)>) -> Option<Instant> {
        let since_change = |at: Instant| self.changed_at.map_or(at, |changed_at| changed_at.max(at));
        let overrun = self.other_deadline.or(self.deadline).map(|deadline| since_change(deadline) + OVERRUN);
        let stopped = stop.map(|(stopped_at, limit)| since_change(stopped_at) + limit);
        overrun.into_iter().chain(stopped).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::socket::pair;
    use std::os::fd::OwnedFd;

    const LIMIT: Duration = Duration::from_secs(60);

    fn connection() -> (Arc<Socket>, OwnedFd) {
        let (ours, theirs) = pair().unwrap();
        (Arc::new(Socket::new(ours)), theirs)
    }

    fn is_cut(peer: &OwnedFd) -> bool {
        rustix::io::read(peer, &mut [0; 8]) == Ok(0)
    }

    #[test]
    fn an_attempt_ends_or_is_given_up_and_never_both() {
        let late = Instant::now() + 2 * LIMIT;
        let timer = AttemptTimer::started(LIMIT);
        assert!(timer.finish());
        assert!(!timer.give_up_overdue(late, None));
        let timer = AttemptTimer::started(LIMIT);
        assert!(timer.give_up_overdue(late, None));
        assert!(!timer.finish());
    }

    #[test]
    fn giving_up_cuts_the_connection_also_one_that_is_made_later() {
        let timer = AttemptTimer::started(LIMIT);
        let ((early, early_peer), (late, late_peer)) = (connection(), connection());
        timer.set_socket(&early);
        assert!(!is_cut(&early_peer));
        timer.give_up_overdue(Instant::now() + 2 * LIMIT, None);
        assert!(is_cut(&early_peer));
        timer.set_socket(&late);
        assert!(is_cut(&late_peer));
    }

    #[test]
    fn only_an_overdue_attempt_is_given_up() {
        let timer = AttemptTimer::started(LIMIT);
        let deadline = timer.deadline().unwrap();
        assert!(!timer.give_up_overdue(deadline, None));
        assert_eq!(timer.give_up_at(None), Some(deadline + OVERRUN));
        timer.postpone(LIMIT);
        assert_eq!(timer.give_up_at(None), Some(deadline + LIMIT + OVERRUN));
        timer.pause();
        assert_eq!(timer.give_up_at(None), None);
        timer.restart();
        assert!(timer.deadline() >= Some(deadline));
        assert!(timer.give_up_overdue(deadline + 2 * LIMIT, None));
    }

    #[test]
    fn another_limit_replaces_the_deadline_for_the_runner_only() {
        let timer = AttemptTimer::started(LIMIT);
        let deadline = timer.deadline();
        timer.with_limit(2 * LIMIT, |other| {
            assert_eq!((timer.deadline(), timer.give_up_at(None)), (deadline, Some(other + OVERRUN)));
        });
        assert_eq!(timer.give_up_at(None), deadline.map(|deadline| deadline + OVERRUN));
    }

    #[test]
    fn a_stop_limits_every_attempt_from_its_last_sign_of_progress() {
        let (stopped_at, limit) = (Instant::now(), Duration::from_secs(17));
        let timer = AttemptTimer::default();
        assert_eq!(timer.give_up_at(None), None);
        assert_eq!(timer.give_up_at(Some((stopped_at, limit))), Some(stopped_at + limit));
        timer.start(Phase::Exec, None);
        assert!(timer.give_up_at(Some((stopped_at, limit))) >= Some(stopped_at + limit));
        // A deadline that comes sooner still holds.
        timer.start(Phase::Exec, Some(Duration::from_secs(1)));
        assert_eq!(timer.give_up_at(Some((stopped_at, limit))), timer.give_up_at(None));
    }

    #[test]
    fn a_passed_deadline_leaves_time_after_each_change() {
        let timer = AttemptTimer::started(Duration::ZERO);
        let deadline = timer.deadline();
        let after = timer.with_limit(LIMIT, |_| Instant::now());
        assert!(timer.give_up_at(None) >= Some(after + OVERRUN));
        let later = Instant::now();
        timer.touch();
        assert!(timer.give_up_at(None) >= Some(later + OVERRUN));
        assert_eq!(timer.deadline(), deadline);
    }
}
