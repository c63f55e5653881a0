//! Raises the limit on open files, and limits the number of hosts at a time to it.

use crate::run::schedule::Width;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The files that a host may have open at a time: its connection, one to the agent, and those of the resolver.
const PER_HOST: u64 = 4;
/// The files that the program itself has open.
const OWN: u64 = 32;

/// Raises the limit on open files. Returns how many hosts it allows at a time, and a warning if that is fewer than
/// requested.
pub fn raise_fd_limit(width: Width) -> (Width, Option<String>) {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let files = match raised {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    limit_width(width, files)
}

fn limit_width(width: Width, files: Option<u64>) -> (Width, Option<String>) {
    let room = files.map_or(u64::MAX, |files| (files.saturating_sub(OWN) / PER_HOST).max(1));
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    let fits = Width { fanout: width.fanout.min(room), open: width.open.min(room) };
    let warning = (fits.fanout < width.fanout).then(|| {
        let files = files.unwrap_or_default();
        format!("only {room} hosts at a time: no more than {files} files may be open (ulimit -Hn)")
    });
    (fits, warning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_files_mean_fewer_hosts_but_at_least_one() {
        let of = |files| limit_width(Width { fanout: 64, open: 320 }, files);
        let is = |width: Width| (width.fanout, width.open);
        assert_eq!(is(of(None).0), (64, 320));
        assert_eq!(is(of(Some(1024)).0), (64, 248));
        let (width, warning) = of(Some(64));
        assert_eq!(is(width), (8, 8));
        assert_eq!(warning.unwrap(), "only 8 hosts at a time: no more than 64 files may be open (ulimit -Hn)");
        assert_eq!(is(of(Some(10)).0), (1, 1));
    }
}
