//! Runs the recipes of docs/cookbook.md as they are printed, each against a fleet of its own.

use crate::examples::{commands, differences};
use kit::{Ec2Server, REGION, Sandbox, Sshd};
use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime};

/// A host on which the service of the recipes does not start.
const BROKEN: &str = "mysql7";
const OTHER_REGION: &str = "eu-west-1";

#[test]
fn recipes_do_what_the_cookbook_says() {
    let text = fs::read_to_string(kit::root().join("docs/cookbook.md")).expect("the cookbook");
    let recipes: Vec<(&str, &str)> =
        text.split("\n### ").skip(1).map(|recipe| recipe.split_once('\n').expect("a heading")).collect();
    assert!(recipes.len() > 10, "{recipes:?}");
    let (_, web) = text.split_once("`Web.yaml`:\n").expect("the profile of the web hosts");
    let web: String =
        web.lines().skip(1).map_while(|line| line.strip_prefix("    ")).map(|l| format!("{l}\n")).collect();
    let sshd = Sshd::everywhere();
    add_programs(&sshd);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let run = |(title, recipe)| {
            let (sshd, web) = (&sshd, web.as_str());
            scope.spawn(move || wrong(title, recipe, web, sshd))
        };
        let runs: Vec<_> = recipes.iter().copied().map(run).collect();
        runs.into_iter().flat_map(|run| run.join().expect("a recipe that can run")).collect()
    });
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Returns the commands of a recipe that do something else than it says.
fn wrong(title: &str, recipe: &str, web: &str, sshd: &Sshd) -> Vec<String> {
    let commands = commands(recipe.lines());
    if commands.is_empty() {
        return vec![format!("{title}: no commands")];
    }
    let ec2 = fleet();
    let key = |kind| format!("{} root@host\r\n", sshd.host_key(kind));
    let console = format!(
        "-----BEGIN SSH HOST KEY KEYS-----\r\n{}{}-----END SSH HOST KEY KEYS-----\r\n",
        key("ed25519"),
        key("ecdsa")
    );
    let later = SystemTime::now() + Duration::from_secs(3600);
    ec2.region(|region| {
        region.consoles = ["web11", "web12"].map(|host| (host.to_string(), (console.clone(), later))).into();
    });
    let mut sandbox: Sandbox = ec2.sandbox();
    sshd.open_to(&mut sandbox);
    sandbox.file("Web.yaml", web);
    differences(title, &sandbox, commands)
}

/// An account with hosts in two regions.
fn fleet() -> Ec2Server {
    let ec2 = Ec2Server::start(Default::default());
    let launch = |region: &str, names: Vec<String>, role: &str, owner: &str| {
        let tags = [
            ("SecurityGroup.1", role),
            ("TagSpecification.1.Tag.2.Key", "role"),
            ("TagSpecification.1.Tag.2.Value", role),
            ("TagSpecification.1.Tag.3.Key", "owner"),
            ("TagSpecification.1.Tag.3.Value", owner),
        ];
        ec2.launch_in(region, names, &tags);
    };
    let named = |name: &str, numbers: std::ops::RangeInclusive<u8>| numbers.map(|n| format!("{name}{n}")).collect();
    launch(REGION, named("mysql", 1..=40), "mysql", "dba");
    launch(REGION, named("vpn", 1..=2), "vpn", "ops");
    launch(REGION, named("web", 1..=3), "web", "www");
    launch(OTHER_REGION, named("web", 4..=4), "web", "www");
    // A host without a public address.
    ec2.launch_in(OTHER_REGION, ["test7"], &[("SubnetId", "subnet-0000000000000001a")]);
    ec2
}

/// Adds what the hosts of the recipes have and this machine does not: a service, a bucket, and an /etc that can be
/// changed.
fn add_programs(sshd: &Sshd) {
    let broken = fleet().region(|region| region.live(BROKEN)[0].private_ip.clone());
    let service = format!(
        "#!/bin/sh\ncase \"$SSH_CONNECTION\" in\n*' {broken} '*)\n    \
         echo \"$1 is stopped: no space left on /var/lib/$1\"\n    exit 3 ;;\nesac\n"
    );
    sshd.add_program("service", &service);
    // sudo -- sh -c LINE
    sshd.add_program(
        "sudo",
        "#!/bin/sh\nwhile [ \"$1\" != -c ]; do shift; done\n\
         exec sh -c \"$(printf '%s\\n' \"$2\" | sed \"s|/etc/|$HOME/etc/|g\")\"\n",
    );
    fs::create_dir(sshd.home().join("etc")).expect("a folder of ours");
    // aws s3 cp s3://BUCKET/KEY -
    sshd.add_program("aws", "#!/bin/sh\nexec cat \"$HOME/s3/${3#s3://}\"\n");
    for region in [REGION, OTHER_REGION] {
        let bucket = sshd.home().join(format!("s3/example-code-{region}"));
        fs::create_dir_all(bucket.join("app-1.4")).expect("a folder of ours");
        fs::write(bucket.join("app-1.4/VERSION"), "1.4").expect("a file of ours");
        let tar = Command::new("tar").current_dir(&bucket).args(["czf", "app-1.4.tar.gz", "app-1.4"]).status();
        assert!(tar.expect("tar runs").success());
    }
}
