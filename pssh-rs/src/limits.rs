//! How many hosts at a time this process has room for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a host may have open at once: its connection, one to the agent, and the resolver's.
const PER_HOST: u64 = 4;
/// What the program itself has open.
const OWN: u64 = 32;

/// Raises the limit on open files as far as it goes. Gives the fanout there is room for, and what to say where that is
/// less than was asked for.
pub fn room_for(fanout: usize) -> (usize, Option<String>) {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let files = match raised {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    room(fanout, files)
}

fn room(fanout: usize, files: Option<u64>) -> (usize, Option<String>) {
    let room = files.map_or(u64::MAX, |files| (files.saturating_sub(OWN) / PER_HOST).max(1));
    match usize::try_from(room) {
        Ok(room) if room < fanout => {
            let files = files.unwrap_or_default();
            (room, Some(format!("only {room} hosts at a time: no more than {files} files may be open (ulimit -Hn)")))
        }
        _ => (fanout, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_files_mean_fewer_hosts_but_never_none() {
        assert_eq!(room(64, None), (64, None));
        assert_eq!(room(64, Some(1024)), (64, None));
        let (fanout, warning) = room(64, Some(64));
        assert_eq!(fanout, 8);
        assert_eq!(warning.unwrap(), "only 8 hosts at a time: no more than 64 files may be open (ulimit -Hn)");
        assert_eq!(room(64, Some(10)).0, 1);
    }
}
