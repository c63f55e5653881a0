//! The schedule: which host begins when. A state machine without I/O, which gets events and the time.
//!
//! A host holds a slot from beginning to end, with one exception: if a connection takes long, its slot goes to another
//! host, so dead hosts delay no other host. A host that answers later waits for a slot again.

use crate::run::answer_time::AnswerTime;
use cerveza_results::{Mark, Retry, Rollout};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// The most attempts for a host whose command was not started.
const MOST_ATTEMPTS: u32 = 2;
/// The most attempts if the server closed the connection at once, perhaps because of load.
const MOST_CLOSED: u32 = 3;
/// The most attempts if the server said that it is overloaded.
const MOST_SHED: u32 = 6;
/// The number of logins at a time is not reduced below this.
const FEWEST_LOGINS: usize = 4;
/// Connections that are shed within this time count as one reason to slow down.
const ONE_BURST: Duration = Duration::from_millis(250);

/// How many hosts may be under way at a time.
#[derive(Clone, Copy, Debug)]
pub struct Width {
    /// The most hosts that answer.
    pub fanout: usize,
    /// The most hosts in all, including those that do not answer.
    pub open: usize,
}

/// How an attempt ended, as far as another one depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttemptEnd {
    pub retry: Retry,
    /// The host may only be booting. Within the time of `--wait` it is tried again any number of times.
    pub may_boot: bool,
}

/// A host's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The host, by its place in the input.
    pub index: usize,
    /// How often it was tried before.
    pub attempts: u32,
    /// When it was tried first.
    first_begun: Option<Instant>,
    /// When the pause before another attempt ends.
    not_before: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum HostState {
    /// It is being connected to, and holds a slot.
    Fresh(Instant),
    /// It has not answered for long. It counts as dead until it answers, and holds none.
    Slow(Instant),
    /// It answers, and waits for a slot.
    Waiting,
    /// It answers, and holds a slot. Whether it is logged in.
    Alive(bool),
}

#[derive(Debug)]
pub struct Schedule {
    width: Width,
    rollout: Rollout,
    queue: VecDeque<Turn>,
    states: HashMap<usize, HostState>,
    answer_time: AnswerTime,
    /// Hosts that wait for a slot, in the order they answered.
    waiting: VecDeque<usize>,
    /// Outcomes that are not written yet. Each holds a slot, which limits memory.
    unwritten: usize,
    /// How many connections may be between connecting and login. Reduced when a server sheds load.
    logins: usize,
    logged_in: usize,
    last_shed: Option<Instant>,
    /// How long a host that may be booting is tried again, from its first attempt.
    wait: Option<Duration>,
    /// No more hosts are started.
    closed: bool,
}

impl Schedule {
    pub fn new(rollout: Rollout, width: Width) -> Schedule {
        let mut schedule = Schedule {
            width,
            rollout,
            queue: VecDeque::new(),
            states: HashMap::new(),
            answer_time: AnswerTime::default(),
            waiting: VecDeque::new(),
            unwritten: 0,
            logins: width.open,
            logged_in: 0,
            last_shed: None,
            wait: None,
            closed: false,
        };
        schedule.queue_batch();
        schedule
    }

    /// Tries hosts that may be booting again, each for this long.
    pub fn wait_for_boot(mut self, wait: Option<Duration>) -> Schedule {
        self.wait = wait;
        self
    }

    pub fn waits_for_boot(&self) -> bool {
        self.wait.is_some()
    }

    fn queue_batch(&mut self) {
        self.queue.extend(self.rollout.batch().map(|index| Turn {
            index,
            attempts: 0,
            first_begun: None,
            not_before: None,
        }));
    }

    /// Returns the next host to begin with.
    pub fn begin(&mut self, now: Instant) -> Option<Turn> {
        self.free_slots_of_slow_hosts(now);
        if self.refuses()
            || !self.has_slot()
            // Hosts that answer are waiting for slots. Another host would only wait with them.
            || !self.waiting.is_empty()
            || self.states.len() >= self.width.open
            || self.on_the_way() >= self.logins
        {
            return None;
        }
        let due = |turn: &Turn| turn.not_before.is_none_or(|at| at <= now);
        let most = if self.is_serial() { 1 } else { self.queue.len() };
        let turn = self.queue.iter().take(most).position(due).and_then(|at| self.queue.remove(at))?;
        let turn = Turn { first_begun: turn.first_begun.or(Some(now)), ..turn };
        self.states.insert(turn.index, HostState::Fresh(now));
        Some(turn)
    }

    /// The host could not be started. It gets the next turn.
    pub fn give_back(&mut self, turn: Turn) {
        self.states.remove(&turn.index);
        self.queue.push_front(turn);
    }

    /// Returns whether no more hosts are started, and hosts that wait for a slot get none.
    pub fn refuses(&self) -> bool {
        self.closed || self.rollout.why_over().is_some()
    }

    /// Returns the hosts that wait for a slot, once none is given.
    pub fn take_refused(&mut self) -> Vec<usize> {
        if self.refuses() { self.waiting.drain(..).collect() } else { Vec::new() }
    }

    /// A host answers. Returns whether it has its slot. If not it waits, and [`Schedule::grant`] returns it later.
    pub fn answers(&mut self, index: usize, now: Instant) -> bool {
        let slot = self.has_slot() && self.waiting.is_empty();
        if let Some(HostState::Fresh(since) | HostState::Slow(since)) = self.states.get(&index) {
            self.answer_time.add_answer(now.duration_since(*since));
        }
        match self.states.get_mut(&index) {
            Some(state @ HostState::Fresh(_)) => *state = HostState::Alive(false),
            Some(state @ HostState::Slow(_)) if slot => *state = HostState::Alive(false),
            Some(state @ HostState::Slow(_)) => {
                *state = HostState::Waiting;
                self.waiting.push_back(index);
                return false;
            }
            Some(HostState::Waiting) => return false,
            Some(HostState::Alive(_)) | None => {}
        }
        true
    }

    /// Returns a waiting host that gets a slot now.
    pub fn grant(&mut self, now: Instant) -> Option<usize> {
        self.free_slots_of_slow_hosts(now);
        if !self.has_slot() || self.refuses() {
            return None;
        }
        let index = self.waiting.pop_front()?;
        self.states.insert(index, HostState::Alive(false));
        Some(index)
    }

    pub fn logged_in(&mut self, index: usize) {
        if let Some(HostState::Alive(logged_in)) = self.states.get_mut(&index) {
            *logged_in = true;
            self.logged_in += 1;
            // Slowly back up, while no server sheds load.
            if self.logged_in.is_multiple_of(4) && self.logins < self.width.open {
                self.logins += 1;
            }
        }
    }

    /// An attempt has ended. Returns whether the host is tried again, after the `pause`. If not, its outcome is final: call
    /// [`Schedule::add_mark`].
    pub fn ended(
        &mut self,
        turn: Turn,
        AttemptEnd { retry, may_boot }: AttemptEnd,
        now: Instant,
        pause: impl FnOnce(u32) -> Duration,
    ) -> bool {
        self.give_up(turn);
        if matches!(retry, Retry::Closed | Retry::Shed) {
            self.slow_down(now);
        }
        let attempts = turn.attempts + u32::from(retry != Retry::Again);
        let most = match retry {
            Retry::Never => 0,
            Retry::Once => MOST_ATTEMPTS,
            Retry::Closed => MOST_CLOSED,
            Retry::Shed => MOST_SHED,
            Retry::Again => u32::MAX,
        };
        let wait_until = self.wait.filter(|_| may_boot).and_then(|wait| Some(turn.first_begun? + wait));
        let waits = wait_until.is_some_and(|until| now < until);
        let again = (attempts < most || waits) && !self.refuses();
        if again && retry == Retry::Again {
            self.queue.push_front(Turn { attempts, ..turn });
        } else if again {
            let at = now + pause(attempts);
            // The last attempt of a wait begins when its time is over.
            let at = wait_until.filter(|_| waits).map_or(at, |until| at.min(until));
            let turn = Turn { attempts, not_before: Some(at), ..turn };
            // With --serial, the order is kept.
            if self.is_serial() {
                self.queue.push_front(turn);
            } else {
                self.queue.push_back(turn);
            }
        }
        again
    }

    /// An attempt has ended, and the host is not tried again. Call [`Schedule::add_mark`] for its outcome.
    pub fn give_up(&mut self, turn: Turn) {
        self.states.remove(&turn.index);
        self.waiting.retain(|waiting| *waiting != turn.index);
    }

    /// A server shed load: halves the number of logins at a time, once for a burst.
    fn slow_down(&mut self, now: Instant) {
        if self.last_shed.is_none_or(|at| now.duration_since(at) > ONE_BURST) {
            self.last_shed = Some(now);
            self.logins = ((self.on_the_way() + 1).min(self.logins) / 2).max(FEWEST_LOGINS);
        }
    }

    /// A host's outcome is final, and on its way to be written.
    pub fn add_mark(&mut self, mark: Mark) {
        self.unwritten += 1;
        if self.rollout.add_mark(mark) && !self.closed {
            self.queue_batch();
        }
    }

    pub fn written(&mut self) {
        self.unwritten -= 1;
    }

    /// Returns why no more hosts are started, if too many failed.
    pub fn why_over(&self) -> Option<String> {
        self.rollout.why_over()
    }

    /// Starts no more hosts. Returns the hosts that were not started, or are between two attempts, in order, with the number
    /// of attempts.
    pub fn close(&mut self) -> Vec<(usize, u32)> {
        let rest = if self.closed { 0..0 } else { self.rollout.rest() };
        self.closed = true;
        let mut left: Vec<(usize, u32)> = self.queue.drain(..).map(|turn| (turn.index, turn.attempts)).collect();
        left.extend(rest.map(|index| (index, 0)));
        left.sort_unstable();
        left
    }

    /// Returns when a host may begin if no event comes before.
    pub fn wakes_at(&self, now: Instant) -> Option<Instant> {
        let slow = self.states.values().filter_map(|state| match state {
            HostState::Fresh(since) => Some(*since + self.answer_time.limit()),
            _ => None,
        });
        let due = self.queue.iter().filter_map(|turn| turn.not_before).filter(|at| *at > now);
        let (has_turn, has_slot) = (!self.queue.is_empty() || !self.waiting.is_empty(), self.has_slot());
        // Slow hosts matter only if another host can use their slot.
        slow.filter(|_| has_turn).chain(due.filter(|_| has_slot)).min()
    }

    /// Returns whether all outcomes are final and written.
    pub fn is_over(&self) -> bool {
        self.queue.is_empty() && self.states.is_empty() && self.unwritten == 0
    }

    fn is_serial(&self) -> bool {
        self.width.open == 1
    }

    fn has_slot(&self) -> bool {
        let held =
            self.states.values().filter(|state| matches!(state, HostState::Fresh(_) | HostState::Alive(_))).count();
        held + self.unwritten < self.width.fanout
    }

    /// Returns how many hosts are between connecting and login, as a server counts them.
    fn on_the_way(&self) -> usize {
        let on_the_way = |state: &&HostState| !matches!(state, HostState::Slow(_) | HostState::Alive(true));
        self.states.values().filter(on_the_way).count()
    }

    fn free_slots_of_slow_hosts(&mut self, now: Instant) {
        let limit = self.answer_time.limit();
        for state in self.states.values_mut() {
            if let HostState::Fresh(since) = *state
                && now.duration_since(since) >= limit
            {
                *state = HostState::Slow(since);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cerveza_results::RolloutRules;

    fn schedule(hosts: usize, fanout: usize, open: usize) -> Schedule {
        Schedule::new(Rollout::new(hosts, &RolloutRules::default()), Width { fanout, open })
    }

    fn begun(schedule: &mut Schedule, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| schedule.begin(now)).map(|turn| turn.index).collect()
    }

    fn turn(index: usize, attempts: u32) -> Turn {
        Turn { index, attempts, first_begun: None, not_before: None }
    }

    fn end(retry: Retry) -> AttemptEnd {
        AttemptEnd { retry, may_boot: false }
    }

    /// The time after which a host counts as dead, as long as none has answered.
    const SLOW: Duration = Duration::from_millis(250);
    const NO_PAUSE: fn(u32) -> Duration = |_| Duration::ZERO;

    #[test]
    fn hosts_that_do_not_answer_give_their_slots_away() {
        let now = Instant::now();
        let mut schedule = schedule(10, 2, 5);
        assert_eq!(begun(&mut schedule, now), [0, 1]);
        assert!(schedule.answers(0, now));
        assert_eq!(schedule.wakes_at(now), Some(now + SLOW));
        let later = now + SLOW;
        // 1 is slow: 2 gets its slot, and 0 keeps its own.
        assert_eq!(begun(&mut schedule, later), [2]);
        assert!(schedule.answers(2, later));
        assert!(!schedule.answers(1, later));
        assert_eq!(schedule.grant(later), None);
        assert!(!schedule.ended(turn(0, 0), end(Retry::Never), later, NO_PAUSE));
        schedule.add_mark(Mark::Good);
        // What is not written holds its slot.
        assert_eq!(schedule.grant(later), None);
        schedule.written();
        assert_eq!(schedule.grant(later), Some(1));
        assert!(begun(&mut schedule, later).is_empty());
    }

    #[test]
    fn hosts_that_answer_late_do_not_pile_up() {
        let mut now = Instant::now();
        let mut schedule = schedule(100, 1, 50);
        for round in 0..20 {
            if let Some(turn) = schedule.begin(now) {
                assert!(turn.index < 3, "{round}");
            }
            now += SLOW;
            schedule.grant(now);
            for index in 0..3 {
                schedule.answers(index, now);
            }
        }
    }

    #[test]
    fn a_slow_machine_is_not_flooded_with_connections() {
        // One machine answers for all hosts, 40 of them a second, in the order in which they connected.
        let (step, longest) = (Duration::from_millis(25), Duration::from_secs(5));
        let mut now = Instant::now();
        let mut schedule = schedule(1000, 64, 320);
        let mut connected = VecDeque::new();
        for _ in 0..1000 {
            connected.extend(std::iter::from_fn(|| schedule.begin(now)).map(|turn| (turn, now)));
            now += step;
            let (turn, since) = connected.pop_front().unwrap();
            assert!(now - since < longest, "host {} waited {:?}", turn.index, now - since);
            if !schedule.answers(turn.index, now) {
                assert_eq!(schedule.grant(now), Some(turn.index));
            }
            schedule.logged_in(turn.index);
            assert!(!schedule.ended(turn, end(Retry::Never), now, NO_PAUSE));
            schedule.add_mark(Mark::Good);
            schedule.written();
        }
        assert!(schedule.is_over());
    }

    #[test]
    fn not_more_than_so_many_are_waited_for() {
        let mut now = Instant::now();
        let mut schedule = schedule(10, 2, 5);
        let mut all = Vec::new();
        for _ in 0..6 {
            all.extend(begun(&mut schedule, now));
            now += SLOW;
        }
        assert_eq!(all, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_retry_comes_last_and_once_and_after_a_pause() {
        let now = Instant::now();
        let mut schedule = schedule(2, 1, 2);
        let first = schedule.begin(now).unwrap();
        let pause = Duration::from_secs(1);
        assert!(schedule.ended(first, end(Retry::Once), now, |_| pause));
        assert_eq!(begun(&mut schedule, now), [1]);
        assert!(!schedule.ended(turn(1, 0), end(Retry::Never), now, NO_PAUSE));
        schedule.add_mark(Mark::Good);
        schedule.written();
        assert_eq!(schedule.begin(now), None);
        assert_eq!(schedule.wakes_at(now), Some(now + pause));
        let again = schedule.begin(now + pause).unwrap();
        assert_eq!((again.index, again.attempts), (0, 1));
        assert!(!schedule.ended(again, end(Retry::Once), now, NO_PAUSE));
        schedule.add_mark(Mark::Unreached);
        schedule.written();
        assert!(schedule.is_over());
    }

    #[test]
    fn one_after_the_other_means_that_a_retry_is_waited_for() {
        let now = Instant::now();
        let mut schedule = schedule(2, 1, 1);
        let first = schedule.begin(now).unwrap();
        let pause = Duration::from_secs(1);
        assert!(schedule.ended(first, end(Retry::Once), now, |_| pause));
        assert_eq!(schedule.begin(now), None);
        assert_eq!(schedule.begin(now + pause).unwrap().index, 0);
    }

    #[test]
    fn who_waited_too_long_for_a_slot_is_first_and_loses_no_attempt() {
        let now = Instant::now();
        let mut schedule = schedule(3, 1, 2);
        let first = schedule.begin(now).unwrap();
        assert!(schedule.ended(first, end(Retry::Again), now, NO_PAUSE));
        assert_eq!(schedule.begin(now).unwrap(), Turn { first_begun: Some(now), ..turn(0, 0) });
    }

    #[test]
    fn shed_load_means_fewer_logins_at_a_time() {
        let now = Instant::now();
        let mut schedule = schedule(200, 64, 256);
        assert_eq!(begun(&mut schedule, now).len(), 64);
        for index in 0..10 {
            assert!(schedule.ended(turn(index, 0), end(Retry::Shed), now, |_| Duration::from_secs(1)));
        }
        // Ten at once are one burst: half of the 64.
        assert!(begun(&mut schedule, now).is_empty());
        for index in 10..44 {
            assert!(schedule.answers(index, now));
            schedule.logged_in(index);
        }
        // 20 of 32 are still on their way; 34 logins make it some 8 more, and 10 slots are free.
        assert_eq!(begun(&mut schedule, now).len(), 10);
    }

    #[test]
    fn a_host_that_may_be_booting_is_tried_until_its_time_is_over_and_holds_no_slot() {
        let start = Instant::now();
        let (pause, second) = (|_| Duration::from_secs(4), Duration::from_secs(1));
        let mut schedule = schedule(2, 1, 1).wait_for_boot(Some(10 * second));
        schedule.width.open = 2;
        let boots = AttemptEnd { retry: Retry::Never, may_boot: true };
        let first = schedule.begin(start).unwrap();
        assert!(schedule.ended(first, boots, start + second, pause));
        // The other host has the slot, and its own time.
        let other = schedule.begin(start + second).unwrap();
        assert_eq!(other.index, 1);
        assert!(!schedule.ended(other, end(Retry::Never), start + 2 * second, pause));
        schedule.add_mark(Mark::Good);
        schedule.written();
        assert_eq!(schedule.wakes_at(start + 2 * second), Some(start + 5 * second));
        let again = schedule.begin(start + 5 * second).unwrap();
        assert!(schedule.ended(again, boots, start + 7 * second, pause));
        // The last attempt begins at the end of the time, not after the whole pause.
        assert_eq!(schedule.wakes_at(start + 7 * second), Some(start + 10 * second));
        let last = schedule.begin(start + 10 * second).unwrap();
        assert_eq!((last.index, last.attempts), (0, 2));
        assert!(!schedule.ended(last, boots, start + 11 * second, pause));
        schedule.add_mark(Mark::Unreached);
        schedule.written();
        assert!(schedule.is_over());
    }

    #[test]
    fn without_wait_a_host_that_may_be_booting_is_final() {
        let now = Instant::now();
        let mut schedule = schedule(1, 1, 1);
        let first = schedule.begin(now).unwrap();
        assert!(!schedule.ended(first, AttemptEnd { retry: Retry::Never, may_boot: true }, now, NO_PAUSE));
    }

    #[test]
    fn what_is_not_begun_when_it_closes_comes_out_once() {
        let now = Instant::now();
        let rules = RolloutRules { batches: vec![cerveza_results::Share::Hosts(3)], ..RolloutRules::default() };
        let mut schedule = Schedule::new(Rollout::new(8, &rules), Width { fanout: 2, open: 2 });
        let first = schedule.begin(now).unwrap();
        schedule.begin(now).unwrap();
        assert!(schedule.ended(first, end(Retry::Once), now, NO_PAUSE));
        assert_eq!(schedule.close(), [(0, 1), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0)]);
        assert_eq!(schedule.close(), []);
        assert_eq!(schedule.begin(now), None);
        assert!(!schedule.ended(turn(1, 0), end(Retry::Once), now, NO_PAUSE));
        schedule.add_mark(Mark::Good);
        assert!(!schedule.is_over());
        schedule.written();
        assert!(schedule.is_over());
    }
}
