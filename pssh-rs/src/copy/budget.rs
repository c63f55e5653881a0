//! Limits the memory that the file names of servers may take.

use super::cause::Cause;
use super::names::shown;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most names that are read from one host.
const MOST_NAMES: usize = 1_000_000;
/// The most memory that the names of one host take at a time.
const MOST_OF_HOST: usize = 64 << 20;
/// The most that the names of all hosts take at a time.
const MOST_OF_ALL: usize = 512 << 20;
/// The memory for a name besides its bytes.
pub const BESIDES: usize = 128;

/// The memory that the names of all hosts take now.
#[derive(Debug, Default)]
pub struct Budget(AtomicUsize);

impl Budget {
    pub fn for_host(&self) -> HostBudget<'_> {
        HostBudget { all: self, held: Cell::new(0), names: Cell::new(0) }
    }
}

/// The part of one host. Dropping it gives back what it holds.
pub struct HostBudget<'a> {
    all: &'a Budget,
    held: Cell<usize>,
    names: Cell<usize>,
}

impl HostBudget<'_> {
    /// Counts a name that the server lists in `folder`.
    pub fn count(&self, folder: &[u8]) -> Result<(), Cause> {
        self.names.set(self.names.get() + 1);
        if self.names.get() <= MOST_NAMES {
            return Ok(());
        }
        Err(refused(folder, &format!("the host has listed more than {MOST_NAMES} names"), WAY_OUT))
    }

    /// Takes memory for names of `folder`.
    pub fn hold(&self, bytes: usize, folder: &[u8]) -> Result<(), Cause> {
        self.held.set(self.held.get() + bytes);
        let all = self.all.0.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.held.get() > MOST_OF_HOST {
            let what = format!("the names that the host lists take more than {} MiB", MOST_OF_HOST >> 20);
            return Err(refused(folder, &what, WAY_OUT));
        }
        if all > MOST_OF_ALL {
            let what = format!("the names that all hosts list take more than {} MiB", MOST_OF_ALL >> 20);
            return Err(refused(folder, &what, "lower --fanout"));
        }
        Ok(())
    }

    pub fn release(&self, bytes: usize) {
        self.held.set(self.held.get() - bytes);
        self.all.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for HostBudget<'_> {
    fn drop(&mut self) {
        self.release(self.held.get());
    }
}

/// A hint for a host that has reached its limit.
pub const WAY_OUT: &str = "pull less at a time, or an archive made on the host";

fn refused(folder: &[u8], what: &str, way_out: &str) -> Cause {
    Cause::Refused(format!("{}: {what}: {way_out}", shown(folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(result: Result<(), Cause>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn each_limit_has_its_message_and_memory_is_given_back() {
        let budget = Budget::default();
        let host = budget.for_host();
        host.hold(MOST_OF_HOST, b"d").unwrap();
        assert_eq!(
            why(host.hold(1, b"d")),
            "d: the names that the host lists take more than 64 MiB: pull less at a time, or an archive made on the host"
        );
        drop(host);
        let hosts: Vec<HostBudget<'_>> = (0..MOST_OF_ALL / MOST_OF_HOST).map(|_| budget.for_host()).collect();
        hosts.iter().for_each(|host| host.hold(MOST_OF_HOST, b"d").unwrap());
        let one_more = budget.for_host();
        assert_eq!(
            why(one_more.hold(1, b"d")),
            "d: the names that all hosts list take more than 512 MiB: lower --fanout"
        );
        one_more.release(1);
        hosts[0].release(1);
        one_more.hold(1, b"d").unwrap();
        (0..MOST_NAMES).for_each(|_| one_more.count(b"d").unwrap());
        assert_eq!(
            why(one_more.count(b"d")),
            "d: the host has listed more than 1000000 names: pull less at a time, or an archive made on the host"
        );
    }
}
