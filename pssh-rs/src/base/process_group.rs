//! Ends a child process together with its process group.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

/// How long a child has to end after TERM, and the longest wait after KILL.
const GRACE: Duration = Duration::from_millis(200);

/// Ends a child that leads its own process group, and the group, with TERM and then KILL. Takes twice `GRACE` at most.
pub fn end_group(child: &mut Child) {
    // If it is reaped, its number may be that of another process.
    if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
        return;
    }
    let group = Pid::from_child(child);
    let _ = kill_process_group(group, Signal::TERM);
    await_end(group);
    // It is not reaped, so the number is still its own. The rest of its group must end too.
    let _ = kill_process_group(group, Signal::KILL);
    await_end(group);
    let _ = child.try_wait();
}

/// Waits a moment for a child to end, and leaves it to be reaped.
fn await_end(pid: Pid) {
    let until = Instant::now() + GRACE;
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), options), Ok(None)) && Instant::now() < until {
        thread::sleep(Duration::from_millis(2));
    }
}
