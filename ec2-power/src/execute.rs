//! Carries the plan out: starts, stops, reboots and terminates.

use crate::args::{Args, Until};
use crate::due::{is_due, is_in};
use crate::leftovers::note_released;
use cerveza_ec2::{Acted, Change, Ec2};
use cerveza_record::Value;

pub async fn execute(args: &Args, ec2: &Ec2, change: Change, acted: &mut [Acted]) {
    if matches!(change, Change::Stop(_) | Change::Reboot) {
        // EC2 refuses both for an instance that is still pending.
        let is_pending = |host: &Acted| is_due(host) && is_in(host, "pending");
        let settled = ["running", "stopping", "stopped"];
        ec2.wait_all(acted, is_pending, &settled, &args.wait_args, &args.progress).await;
    }
    ec2.change_all(acted, is_due, change).await;
    acted.iter_mut().for_each(Acted::note_not_done);
    match args.until() {
        None => ec2.refresh_all(acted).await,
        Some(_) => {
            let is_open = |host: &Acted| is_due(host) || !is_in(host, change.end_state());
            ec2.wait_all(acted, is_open, &[change.end_state()], &args.wait_args, &args.progress).await;
        }
    }
    if args.until() == Some(Until::Ok) {
        ec2.wait_for_checks(acted, |_| true, &args.wait_args, &args.progress).await;
    }
    if args.release_addresses {
        release(ec2, acted).await;
    }
}

/// Releases the addresses also of hosts that were terminated before: a run that was interrupted is completed.
async fn release(ec2: &Ec2, acted: &mut [Acted]) {
    let mut ended: Vec<&mut Acted> =
        acted.iter_mut().filter(|host| host.result.is_ok() && is_in(host, "terminated")).collect();
    ec2.release_addresses(&mut ended).await;
    for host in ended {
        if let Some(Value::Array(released)) = host.record.get("released_addresses") {
            note_released(host, released.iter().filter_map(|address| address.as_str().map(str::to_string)).collect());
        }
    }
}
