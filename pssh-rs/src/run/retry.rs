//! Whether a host may only be booting, and the pause before it is tried again.

use cerveza_results::{HostStatus, Outcome, Phase};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// With --wait, the pause after a host could not be reached: at first, and at most.
const FIRST_BOOT_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_BOOT_PAUSE: Duration = Duration::from_secs(8);
/// With --wait, the pause after a login was refused. sshd adds a penalty of 5 seconds for each refused login and, from 15
/// seconds on, refuses connections (sshd_config(5), PerSourcePenalties): slower than 5 seconds they never add up.
const REFUSED_LOGIN_PAUSE: Duration = Duration::from_secs(8);

/// Returns whether a host that is still booting ends an attempt like this: it cannot be reached, or has not installed the
/// login's keys. A host with a wrong host key is not booting, because sshd shows no key before the host has its final keys.
/// Nothing was run.
pub fn may_be_booting(outcome: &Outcome) -> bool {
    match (outcome.status, outcome.phase) {
        (_, None | Some(Phase::Exec)) => false,
        (HostStatus::Unreachable | HostStatus::Auth, _) => true,
        (status, phase) => (status, phase) == (HostStatus::Timeout, Some(Phase::Auth)),
    }
}

/// Returns the pause before another attempt. It grows with the number of attempts, and is random so that hosts that were
/// refused together do not come back together.
pub fn retry_pause(attempts: u32) -> Duration {
    Duration::from_millis(300 + random() % 700) * doublings(attempts)
}

/// Returns the pause before a host that may be booting is tried again. Up to a third of it is random.
pub fn boot_pause(status: HostStatus, attempts: u32) -> Duration {
    let pause = match status {
        HostStatus::Unreachable => (FIRST_BOOT_PAUSE * doublings(attempts)).min(LONGEST_BOOT_PAUSE),
        _ => REFUSED_LOGIN_PAUSE,
    };
    pause + pause * (random() % 500) as u32 / 1000
}

fn doublings(attempts: u32) -> u32 {
    2u32.pow(attempts.saturating_sub(1).min(4))
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_that_ran_nothing_may_be_booting() {
        let may_boot = |status, phase| may_be_booting(&Outcome::new(status, phase));
        for (status, phase) in [
            (HostStatus::Unreachable, Phase::Resolve),
            (HostStatus::Unreachable, Phase::Connect),
            (HostStatus::Unreachable, Phase::Handshake),
            (HostStatus::Unreachable, Phase::Auth),
            (HostStatus::Auth, Phase::Auth),
            (HostStatus::Timeout, Phase::Auth),
        ] {
            assert!(may_boot(status, Some(phase)), "{status:?}");
        }
        for (status, phase) in [
            (HostStatus::HostKey, Phase::HostKey),
            (HostStatus::Timeout, Phase::Exec),
            (HostStatus::Lost, Phase::Exec),
            (HostStatus::Failed, Phase::Exec),
            (HostStatus::Cancelled, Phase::Connect),
        ] {
            assert!(!may_boot(status, Some(phase)), "{status:?}");
        }
        assert!(!may_boot(HostStatus::Unreachable, None));
    }

    #[test]
    fn pauses_grow_up_to_a_limit() {
        for (attempts, least, most) in [(1, 300, 1000), (2, 600, 2000), (5, 4800, 16000), (50, 4800, 16000)] {
            let pause = retry_pause(attempts).as_millis();
            assert!((least..most).contains(&pause), "{attempts}: {pause}");
        }
        assert!(boot_pause(HostStatus::Unreachable, 1) < FIRST_BOOT_PAUSE * 2);
        assert!(boot_pause(HostStatus::Unreachable, 99) < LONGEST_BOOT_PAUSE * 3 / 2);
        assert!(boot_pause(HostStatus::Auth, 1) >= REFUSED_LOGIN_PAUSE);
    }
}
