//! The files and servers that the examples of each page need.

use kit::ec2_server::Options;
use kit::{Ec2Server, Moto, REGION, Sandbox, Sshd};
use std::any::Any;

/// Servers that run until this is dropped.
pub type Servers = Box<dyn Any>;

/// A sandbox in which the examples of a page can run.
pub fn set_up(page: &str) -> (Sandbox, Servers) {
    let sandbox = Sandbox::new();
    match page {
        "hostrange.1" | "hostrange.7" | "host-record.5" => {}
        "hostfmt.1" => saved_fleet(&sandbox),
        "mkuserdata.1" => parts(&sandbox),
        "cerveza-profile.5" => profiles(&sandbox),
        "ec2-run.1" => return managed_fleet(),
        _ => return fleet(),
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

/// Saved records, as the page of hostfmt uses them.
fn saved_fleet(sandbox: &Sandbox) {
    let record = |host: &str, number: u8, state: &str, public: &str, role: &str| {
        format!(
            r#"{{"host":"{host}","state":"{state}","private_ip":"10.0.0.{number}","public_ip":{public},"tags":{{"role":"{role}"}}}}"#
        ) + "\n"
    };
    let records = [
        record("web1", 1, "running", "\"192.0.2.1\"", "web"),
        record("web2", 2, "stopped", "null", "web"),
        record("db1", 3, "running", "null", "db"),
    ];
    sandbox.file("fleet.jsonl", records.concat());
}

/// The profiles that cerveza-profile(5) prints.
fn profiles(sandbox: &Sandbox) {
    std::fs::create_dir(sandbox.dir().join("profiles")).expect("a folder");
    for file in std::fs::read_dir(kit::root().join("tests/pages/profiles")).expect("the profiles").flatten() {
        std::fs::copy(file.path(), sandbox.dir().join("profiles").join(file.file_name())).expect("a copy");
    }
}

/// EC2 and SSH for the tools that speak to them: mysql1 to mysql3, of which mysql3 is stopped, web1 and web2; and the
/// profiles MySQL and Web.
fn fleet() -> (Sandbox, Servers) {
    let moto = Moto::shared();
    let mut sandbox = moto.sandbox();
    parts(&sandbox);
    let web = moto.profile().replace("name: MySQL", "name: Web");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("the kernel of this machine");
    sandbox.file("Web.yaml", format!("{web}startup scripts: [hello.sh]\ncheck ec2 kernel: {kernel}"));
    sandbox.file("hello.sh", "#!/bin/sh\necho hello\n");
    // Remove the hosts of the previous page.
    sandbox.sh("ec2-ls | ec2-power terminate --yes --wait --max 1000");
    for (hosts, role) in [("mysql[1-3]", "mysql"), ("web[1-2]", "web")] {
        let tag = format!("role={role}");
        let profile = if role == "web" { "Web" } else { "MySQL" };
        sandbox.run("ec2-launch", &["--profile", profile, "--tag", &tag, hosts], "").exits(0);
    }
    sandbox.run("ec2-power", &["stop", "--wait", "mysql3"], "").exits(0);
    let sshd = Sshd::everywhere();
    sshd.open_to(&mut sandbox);
    (sandbox, Box::new(sshd))
}

/// Hosts with SSM Agent: mysql1 to mysql3, web1 and web2; a script; and the results of pssh-rs on a host that it did
/// not reach.
fn managed_fleet() -> (Sandbox, Servers) {
    let ec2 = Ec2Server::start(Options::default());
    for (hosts, role) in [(&["mysql1", "mysql2", "mysql3"][..], "mysql"), (&["web1", "web2"], "web")] {
        let tag = [("TagSpecification.1.Tag.2.Key", "role"), ("TagSpecification.1.Tag.2.Value", role)];
        ec2.launch(hosts.iter().copied(), &tag);
    }
    ec2.s3().add_bucket("logs", REGION);
    let sandbox = ec2.sandbox();
    sandbox.file("hello.sh", "#!/bin/sh\necho \"hello $1\"\n");
    let unreachable = r#"{"host":"web1","status":"unreachable","phase":"connect","error":"no connection"}"#;
    sandbox.file("results.jsonl", format!("{unreachable}\n"));
    (sandbox, Box::new(ec2))
}
