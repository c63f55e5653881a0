//! User-data made from the parts of a profile.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kit::{Moto, Sandbox, element};

/// A sandbox with a profile `Parts` that has these parts.
fn sandbox(moto: &Moto, parts: &str) -> Sandbox {
    let sandbox = moto.sandbox();
    sandbox.file("Parts.yaml", format!("{}  user data: [{parts}]\n", moto.profile()));
    sandbox
}

#[test]
fn cloud_configs_that_lose_a_list_are_refused_before_the_launch() {
    let moto = Moto::shared();
    let sandbox = sandbox(moto, "base.cfg, web.cfg.j2");
    sandbox.file("base.cfg", "#cloud-config\nruncmd: [a]\n");
    sandbox.file("web.cfg.j2", "#cloud-config\nruncmd: [echo {{ host }}]\n");
    let lost = "both have the list runcmd: cloud-init would keep only that of";
    let run = sandbox.run("ec2-launch", &["--profile", "Parts", "lossy1"], "").exits(2);
    assert!(run.stderr.contains("base.cfg (line 2) and ") && run.stderr.contains(lost), "{}", run.stderr);
    // Only mkuserdata has this option.
    assert!(!run.stderr.contains("--force"), "{}", run.stderr);
    sandbox.file("web.cfg.j2", "#cloud-config\npackages: [a]\n");
    sandbox.file("Parts.yaml", format!("{}  user data: [base.cfg, web.cfg]\n", moto.profile()));
    sandbox.file("web.cfg", "#cloud-config\nruncmd: [b]\n");
    let run = sandbox.run("ec2-launch", &["--profile", "Parts", "lossy1"], "").exits(2);
    assert!(run.stderr.starts_with("ec2-launch: profile MySQL: ") && run.stderr.contains(lost), "{}", run.stderr);
    assert_eq!(sandbox.run("ec2-ls", &["-1", "lossy*"], "").exits(0).stdout, "");
}

#[test]
fn raw_user_data_of_a_profile_reaches_ec2_unchanged() {
    let moto = Moto::shared();
    let sandbox = sandbox(moto, "\"windows.ps1:raw\"");
    let script = "<powershell>\r\nRename-Computer web1\r\n</powershell>\r\n".repeat(40);
    sandbox.file("windows.ps1", &script);
    let run = sandbox.run("ec2-launch", &["--profile", "Parts", "raw1"], "").exits(0);
    let id = run.records()[0]["instance_id"].as_str().unwrap().to_string();
    let attribute = [("Action", "DescribeInstanceAttribute"), ("InstanceId", &id), ("Attribute", "userData")];
    assert_eq!(element(&moto.call(&attribute), "value"), STANDARD.encode(&script));
    sandbox.file("Parts.yaml", format!("{}  user data: [\"windows.ps1:raw\", a.sh]\n", moto.profile()));
    sandbox.file("a.sh", "#!/bin/sh\n");
    let run = sandbox.run("ec2-launch", &["--profile", "Parts", "raw2"], "").exits(2);
    assert!(run.stderr.contains(":raw is passed through unchanged, so it has to be the only part"), "{}", run.stderr);
}
