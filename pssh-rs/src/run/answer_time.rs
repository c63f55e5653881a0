//! Estimates how long hosts take to answer, as TCP estimates its retransmission timeout (RFC 6298).

use std::time::Duration;

/// The least time that a host has to answer.
const SHORTEST: Duration = Duration::from_millis(250);
/// The most time. A dead host keeps its slot for it.
const LONGEST: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub struct AnswerTime(Option<Estimate>);

#[derive(Debug)]
struct Estimate {
    mean: Duration,
    deviation: Duration,
}

impl AnswerTime {
    /// A host has answered after this time.
    pub fn add_answer(&mut self, time: Duration) {
        self.0 = Some(match &self.0 {
            None => Estimate { mean: time, deviation: time / 2 },
            Some(old) => Estimate {
                mean: (old.mean * 7 + time) / 8,
                deviation: (old.deviation * 3 + old.mean.abs_diff(time)) / 4,
            },
        });
    }

    /// Returns the time after which a host that has not answered counts as dead. It is longer if this machine, the network
    /// or the hosts are slow: otherwise more and more connections would be opened, and slow them down further.
    pub fn limit(&self) -> Duration {
        let limit = self.0.as_ref().map_or(SHORTEST, |estimate| estimate.mean + estimate.deviation * 4);
        limit.clamp(SHORTEST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit_after(answers: impl IntoIterator<Item = u64>) -> Duration {
        let mut time = AnswerTime::default();
        answers.into_iter().for_each(|millis| time.add_answer(Duration::from_millis(millis)));
        time.limit()
    }

    #[test]
    fn the_limit_follows_the_answers_between_its_bounds() {
        assert_eq!(limit_after([]), SHORTEST);
        assert_eq!(limit_after([20; 50]), SHORTEST);
        assert!(limit_after([600; 50]) >= Duration::from_millis(600));
        assert_eq!(limit_after([9_000; 5]), LONGEST);
        assert_eq!(limit_after([600; 50].into_iter().chain([20; 50])), SHORTEST);
    }
}
