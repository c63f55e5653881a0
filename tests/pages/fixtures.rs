//! What the examples of each page find: files, and servers to speak to.

use kit::Sandbox;
use std::any::Any;

/// Servers that run as long as this is kept.
pub type Servers = Box<dyn Any>;

/// A sandbox in which the examples of the tool's page can run.
pub fn set_up(tool: &str) -> (Sandbox, Servers) {
    let sandbox = Sandbox::new();
    match tool {
        "hostrange" => {}
        "mkuserdata" => parts(&sandbox),
        _ => return fleet(sandbox),
    }
    (sandbox, Box::new(()))
}

/// Part files by the names that the page of mkuserdata uses.
fn parts(sandbox: &Sandbox) {
    sandbox.file("cloud-config-base.txt", "#cloud-config\npackages: [ntp]\n");
    sandbox.file("root-login.sh", "#!/bin/sh\ncp ~admin/.ssh/authorized_keys /root/.ssh/\n");
    sandbox.file("hostname.sh.j2", "#!/bin/sh\nhostname {{ host }}\n");
    sandbox.file("role.sh.j2", "#!/bin/sh\necho {{ tags.role }}\n");
}

/// EC2 and SSH for the tools that speak to them.
fn fleet(sandbox: Sandbox) -> (Sandbox, Servers) {
    (sandbox, Box::new(()))
}
