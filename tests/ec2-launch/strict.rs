//! What the tests against the strict EC2 server share.

use kit::Sandbox;
use kit::ec2_server::Ec2Server;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub const PROFILE: &str = "ami: ami-0000000000000000b\ninstance type: t3.micro\n";
/// The same with a kept volume and an address for each host.
pub const RICH: &str = "ami: ami-0000000000000000b\ninstance type: t3.micro\nelastic ip: yes\nvolumes:\n- device: \
                        /dev/sdf\n  size: 10\n  delete on termination: no\n";

/// A sandbox whose tools speak to the server, with the profile `Web` in it.
pub fn sandbox(ec2: &Ec2Server, profile: &str) -> Sandbox {
    let sandbox = ec2.sandbox();
    sandbox.file("Web.yaml", profile);
    sandbox
}

/// `r1`, `r2` and so on.
pub fn hosts(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("r{number}")).collect()
}

/// Fails the test unless the account has exactly what the profile asks for, for these hosts. Returns what it has.
pub fn assert_exact(ec2: &Ec2Server, hosts: &[String], profile: &str, context: &str) {
    let (volumes, addresses) = if profile == RICH { (2, 1) } else { (1, 0) };
    ec2.region(|region| {
        let instances: Vec<_> = region.instances.iter().map(|one| (&one.id, one.state, one.tags.get("Name"))).collect();
        let all = format!("{context}: {instances:?}\n{:?}\n{:?}", region.volumes, region.addresses);
        for host in hosts {
            let live = region.live(host);
            assert_eq!(live.len(), 1, "{host}: {all}");
            assert_eq!(region.volumes_of(&live[0].id).count(), volumes, "{host}: {all}");
            assert_eq!(region.address_of(&live[0].id).is_some(), addresses == 1, "{host}: {all}");
        }
        let ended = ["shutting-down", "terminated"];
        let live = region.instances.iter().filter(|one| !ended.contains(&one.state)).count();
        assert_eq!(live, hosts.len(), "{all}");
        assert_eq!(region.volumes.len(), hosts.len() * volumes, "{all}");
        assert_eq!(region.addresses.len(), hosts.len() * addresses, "{all}");
    });
}

/// Calls `test` with 0, 1, 2 and so on, several at once, until it returns false. Returns how often it returned true.
pub fn for_each_number(test: impl Fn(usize) -> bool + Sync) -> usize {
    const AT_ONCE: usize = 8;
    let (next, count, is_over) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    match test(next.fetch_add(1, Ordering::SeqCst)) {
                        true => _ = count.fetch_add(1, Ordering::SeqCst),
                        false => is_over.store(true, Ordering::SeqCst),
                    }
                }
            });
        }
    });
    count.into_inner()
}
