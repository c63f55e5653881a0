//! What a profile names is looked up before any change, and what it does not say is safe: against the strict EC2 server.

use kit::Sandbox;
use kit::ec2_server::{Ec2Server, Fault, Options, Params, Rule};
use serde_json::{Value, json};

const PROFILE: &str = "ami: ami-0000000000000000b\ninstance type: t3.micro\n";
const SUBNET: &str = "subnet-0000000000000001a";

fn sandbox(ec2: &Ec2Server, profile: &str) -> Sandbox {
    let sandbox = ec2.sandbox();
    sandbox.file("Web.yaml", profile);
    sandbox
}

/// Launches `web1`, and returns stderr and the parameters of its RunInstances.
fn launched(ec2: &Ec2Server, profile: &str) -> (String, Params) {
    let run = sandbox(ec2, profile).run("ec2-launch", &["-p", "Web", "web1"], "").exits(0);
    (run.stderr, ec2.region(|region| region.live("web1")[0].request.clone()))
}

fn strict() -> Ec2Server {
    Ec2Server::start(Options::default())
}

fn device(params: &Params) -> Vec<(String, String)> {
    params.under("BlockDeviceMapping.1").0.into_iter().collect()
}

#[test]
fn imdsv2_is_required_and_the_root_is_encrypted_gp3() {
    let (stderr, params) = launched(&strict(), PROFILE);
    assert_eq!(stderr, "ec2-launch: 1 host: 1 launched\n");
    let options = [("HttpPutResponseHopLimit", "2"), ("HttpTokens", "required"), ("InstanceMetadataTags", "enabled")];
    let expected = options.map(|(name, value)| (name.to_string(), value.to_string())).into();
    assert_eq!(params.under("MetadataOptions"), Params(expected));
    let root = [
        ("DeviceName", "/dev/sda1"),
        ("Ebs.DeleteOnTermination", "true"),
        ("Ebs.Encrypted", "true"),
        ("Ebs.VolumeSize", "8"),
        ("Ebs.VolumeType", "gp3"),
    ];
    assert_eq!(device(&params), root.map(|(name, value)| (name.to_string(), value.to_string())));
    let kinds: Vec<_> = params.items("TagSpecification").iter().map(|it| it.0["ResourceType"].clone()).collect();
    assert_eq!(kinds, ["instance", "volume", "network-interface"]);
}

#[test]
fn the_root_volume_is_found_by_its_role_and_safe_defaults_can_be_overridden() {
    let own = "root volume: {size: 20, type: gp2, encrypted: no}\nmetadata options: {http tokens: optional, instance tags: \
               disabled}\n";
    let (_, params) = launched(&strict(), &format!("{}{own}", PROFILE.replace("00b", "00d")));
    assert_eq!(params.get("BlockDeviceMapping.1.DeviceName"), Some("/dev/xvda"));
    let get = |name: &str| params.get(&format!("BlockDeviceMapping.1.Ebs.{name}")).map(str::to_string);
    let expected = [Some("20"), Some("gp2"), Some("false")].map(|text| text.map(str::to_string));
    assert_eq!([get("VolumeSize"), get("VolumeType"), get("Encrypted")], expected);
    assert_eq!(params.get("MetadataOptions.HttpTokens"), Some("optional"));
    assert_eq!(params.get("MetadataOptions.InstanceMetadataTags"), Some("disabled"));
}

#[test]
fn volume_that_looks_like_the_root_gives_a_warning_and_a_second_root_is_refused() {
    let ec2 = strict();
    let (stderr, params) = launched(&ec2, &format!("{PROFILE}volumes: {{/dev/xvda: 30}}\n"));
    let warning = "ec2-launch: profile Web: /dev/xvda is not the root volume: the image ami-0000000000000000b has it on \
                   /dev/sda1\n";
    assert!(stderr.starts_with(warning), "{stderr}");
    assert_eq!(params.items("BlockDeviceMapping").len(), 2);
    let twice = format!("{PROFILE}root volume: {{size: 20}}\nvolumes: {{/dev/sda1: 30}}\n");
    let run = sandbox(&ec2, &twice).run("ec2-launch", &["-p", "Web", "web2"], "").exits(2);
    let why = "./Web.yaml:4:11: /dev/sda1 is the root of the image ami-0000000000000000b, which `root volume` describes already";
    assert_eq!(run.records()[0]["error"], why);
}

#[test]
fn missing_resources_are_reported_with_their_place_before_any_change() {
    let ec2 = strict();
    for (profile, why) in [
        ("ami: ami-00000000000000fff\ntype: t3.micro\n", "1:6: there is no image ami-00000000000000fff in us-east-1"),
        ("ami: ami-1\ntype: t3.micro\n", "1:6: there is no image ami-1 in us-east-1"),
        ("ami: 'resolve:ssm:/gone'\ntype: t3.micro\n", "1:6: there is no SSM parameter /gone in us-east-1"),
        (
            "ami: {name: debian-*, owner: self}\ntype: t3.micro\n",
            "1:6: there is no available image in us-east-1 with the name \"debian-*\" of the owner self",
        ),
        (
            "ami: ami-0000000000000000b\ntype: t3.mirco\n",
            "2:7: there is no instance type t3.mirco in us-east-1: did you mean \"t3.micro\"?",
        ),
        (
            "ami: ami-0000000000000000b\ntype: [t3.micro, m7g.large]\n",
            "2:18: m7g.large runs arm64 (hvm), but the image ami-0000000000000000b is for x86_64 (hvm)",
        ),
        (
            "ami: ami-0000000000000000b\ntype: t3.micro\nkey pair: prd\n",
            "3:11: there is no key pair \"prd\" in us-east-1: did you mean \"prod\"?",
        ),
        (
            "ami: ami-0000000000000000b\ntype: t3.micro\nsecurity groups: [web, mysqll]\n",
            "3:24: there is no security group \"mysqll\" in vpc-0000000000000000d (us-east-1): did you mean \"mysql\"?",
        ),
        (
            "ami: ami-0000000000000000b\ntype: t3.micro\nsubnet: subnet-00000000000000fff\n",
            "3:9: there is no subnet subnet-00000000000000fff in us-east-1",
        ),
        (
            "ami: ami-0000000000000000b\ntype: t3.micro\nzone: us-east-1q\n",
            "3:7: there is no default subnet in us-east-1q: give the profile a subnet",
        ),
        (
            "ami: ami-0000000000000000b\ntype: t3.micro\nplacement group: clutser1\n",
            "3:18: there is no placement group \"clutser1\" in us-east-1: did you mean \"cluster1\"?",
        ),
        (
            "ami: ami-0000000000000000b\ntype: t3.micro\nlaunch template: basis\n",
            "3:18: there is no launch template \"basis\" in us-east-1",
        ),
        (
            "ami: ami-0000000000000000b\ntype: t3.micro\nlaunch template: base\nlaunch template version: 7\n",
            "3:18: the launch template \"base\" has no version \"7\" in us-east-1",
        ),
    ] {
        let run = sandbox(&ec2, profile).run("ec2-launch", &["-p", "Web", "web[1-2]"], "").exits(2);
        let expected = format!("ec2-launch: web[1-2]: ./Web.yaml:{why}\nec2-launch: 2 hosts: 2 failed\n");
        assert_eq!(run.stderr, expected, "{profile}");
        assert_eq!((run.records().len(), &run.records()[1]["action"]), (2, &json!("failed")));
    }
    assert_eq!((ec2.count("RunInstances"), ec2.region(|region| region.instances.len())), (0, 0));
}

#[test]
fn newest_image_of_a_name_and_owner_is_used_and_reported() {
    let profile = "ami: {name: ubuntu-noble-*, owner: 099720109477}\ninstance type: t3.micro\n";
    let (stderr, params) = launched(&strict(), profile);
    // The newest of all is for arm64.
    assert_eq!(params.get("ImageId"), Some("ami-0000000000000000b"));
    let told = "ec2-launch: the newest ubuntu-noble-* of 099720109477 in us-east-1 is ami-0000000000000000b: \
                ubuntu-noble-24.04-amd64-server-20260301 of 2026-03-01\n";
    assert!(stderr.starts_with(told), "{stderr}");
}

#[test]
fn image_is_found_by_a_parameter() {
    let ec2 = strict();
    let sandbox = sandbox(&ec2, "ami: 'resolve:ssm:/our/base'\ninstance type: t3.micro\n");
    ec2.region(|region| region.put_parameter("/our/base", "ami-0000000000000000e"));
    let run = sandbox.run("ec2-launch", &["-p", "Web", "--dry-run", "-o", "json", "web1"], "").exits(0);
    let attempt = run.records()[0]["plan"]["attempts"][0].clone();
    assert_eq!(
        (&run.records()[0]["image_id"], &attempt["image_id"]),
        (&attempt["image_id"], &json!("ami-0000000000000000e"))
    );
    let told = "ec2-launch: resolve:ssm:/our/base in us-east-1 is ami-0000000000000000e: our-base-1 of 2025-05-01\n";
    assert!(run.stderr.starts_with(told), "{}", run.stderr);
}

#[test]
fn host_is_relaunched_from_its_previous_image() {
    let ec2 = strict();
    let sandbox = sandbox(&ec2, "ami: 'resolve:ssm:/our/base'\ninstance type: t3.micro\n");
    ec2.region(|region| region.put_parameter("/our/base", "ami-0000000000000000e"));
    sandbox.run("ec2-launch", &["-p", "Web", "web[1-2]"], "").exits(0);
    ec2.region(|region| region.put_parameter("/our/base", "ami-0000000000000000b"));
    sandbox.run("ec2-power", &["terminate", "--yes", "--wait", "web[1-2]"], "").exits(0);
    let run = sandbox.run("ec2-launch", &["web1"], "").exits(0);
    assert_eq!(run.records()[0]["image_id"], "ami-0000000000000000e");
    assert!(!run.stderr.contains("resolve:ssm"), "{}", run.stderr);
    // With --profile, the image is chosen again.
    let run = sandbox.run("ec2-launch", &["-p", "Web", "web2"], "").exits(0);
    assert_eq!(run.records()[0]["image_id"], "ami-0000000000000000b");
    // The next launch uses the image of the last instance, although the parameter has changed.
    sandbox.run("ec2-power", &["terminate", "--yes", "--wait", "web2"], "").exits(0);
    ec2.region(|region| region.put_parameter("/our/base", "ami-0000000000000000e"));
    let run = sandbox.run("ec2-launch", &["web2"], "").exits(0);
    assert_eq!(run.records()[0]["image_id"], "ami-0000000000000000b");
}

#[test]
fn groups_are_looked_up_in_the_vpc_of_the_subnet() {
    let network = format!("security groups: [web, default]\nsubnet: {SUBNET}\nassociate public ip: yes\n");
    let (_, params) = launched(&strict(), &format!("{PROFILE}{network}"));
    let groups = params.items("NetworkInterface")[0].list("SecurityGroupId");
    assert_eq!(groups, ["sg-0000000000000003a", "sg-0000000000000001a"]);
    let (_, params) = launched(&strict(), &format!("{PROFILE}security group: web\n"));
    assert_eq!(params.list("SecurityGroupId"), ["sg-0000000000000003d"]);
}

#[test]
fn region_without_a_default_vpc_needs_a_subnet() {
    let ec2 = Ec2Server::start(Options { default_vpc: false, ..Options::default() });
    let run = sandbox(&ec2, PROFILE).run("ec2-launch", &["-p", "Web", "web1"], "").exits(2);
    let why = "there is no default subnet in us-east-1: give the profile a subnet";
    assert!(run.stderr.contains(why), "{}", run.stderr);
    launched(&ec2, &format!("{PROFILE}subnet: {SUBNET}\n"));
}

#[test]
fn missing_read_permission_gives_one_warning_and_the_launch_continues() {
    let ec2 = strict();
    for call in
        ["DescribeImages", "DescribeInstanceTypes", "DescribeKeyPairs", "DescribeSecurityGroups", "DescribeSubnets"]
    {
        ec2.fault(Rule::on(call, Fault::unauthorized()).always());
    }
    let (stderr, params) = launched(&ec2, &format!("{PROFILE}security group: web\nkey pair: prod\n"));
    assert_eq!((params.get("KeyName"), params.list("SecurityGroup")), (Some("prod"), vec!["web".to_string()]));
    let warning = "ec2-launch: not checked before the launch: DescribeKeyPairs in us-east-1: UnauthorizedOperation: You are \
                   not authorized to perform this operation.\n";
    assert_eq!(stderr.matches(warning).count(), 1, "{stderr}");
    let root = "the root volume stays as the image ami-0000000000000000b has it, perhaps without encryption: its root device \
                is not known\n";
    assert!(stderr.contains(root), "{stderr}");
    assert_eq!(stderr.lines().count(), 7, "{stderr}");
}

#[test]
fn several_hosts_cannot_share_a_private_address() {
    let ec2 = strict();
    let sandbox = sandbox(&ec2, &format!("{PROFILE}subnet: {SUBNET}\nprivate ip: 127.10.0.77\n"));
    let run = sandbox.run("ec2-launch", &["-p", "Web", "web[1-2]"], "").exits(2);
    let why = "ec2-launch: ./Web.yaml:4:13: 2 hosts cannot have the one private ip of the profile\n";
    assert_eq!((run.stderr.as_str(), ec2.count("RunInstances")), (why, 0));
    sandbox.run("ec2-launch", &["-p", "Web", "web1"], "").exits(0);
}

#[test]
fn wrong_override_is_reported_as_it_was_given() {
    let args = ["-p", "Web", "--set", "type=t3.mirco", "web1"];
    let run = sandbox(&strict(), PROFILE).run("ec2-launch", &args, "").exits(2);
    let why = "--set \"type=t3.mirco\": there is no instance type t3.mirco in us-east-1: did you mean \"t3.micro\"?";
    assert_eq!(run.records()[0]["error"], why);
}

#[test]
fn refusals_by_ec2_have_hints() {
    let ec2 = Ec2Server::start(Options { default_vpc: false, ..Options::default() });
    ec2.fault(Rule::on("DescribeSubnets", Fault::unauthorized()).always());
    let run = sandbox(&ec2, PROFILE).run("ec2-launch", &["-p", "Web", "web1"], "").exits(3);
    assert!(run.stderr.contains("RunInstances in us-east-1: VPCIdNotSpecified: "), "{}", run.stderr);
    let hint = "ec2-launch: the region has no default VPC: give the profile a subnet\n";
    assert!(run.stderr.contains(hint), "{}", run.stderr);
}

#[test]
fn launch_works_in_an_account_that_requires_imdsv2() {
    let ec2 = strict();
    let is_open = |params: &Params| params.get("MetadataOptions.HttpTokens") != Some("required");
    ec2.fault(Rule::on("RunInstances", Fault::unauthorized()).only(is_open).always());
    launched(&ec2, PROFILE);
    let open = format!("{PROFILE}metadata options: {{http tokens: optional}}\n");
    let run = sandbox(&ec2, &open).run("ec2-launch", &["-p", "Web", "web2"], "").exits(3);
    assert!(run.stderr.contains("a policy of the account or of its organization denies"), "{}", run.stderr);
}

#[test]
fn hundred_hosts_take_as_many_lookups_as_one() {
    let profile = format!("{PROFILE}security group: web\nkey pair: prod\n");
    let calls = |hosts: &str| {
        let ec2 = strict();
        let args = ["-p", "Web", "--no-remember", "--dry-run", hosts];
        sandbox(&ec2, &profile).run("ec2-launch", &args, "").exits(0);
        let mut calls: Vec<String> = ec2.calls().into_iter().map(|call| call.action).collect();
        calls.sort();
        calls
    };
    let one = calls("web1");
    let expected = [
        "DescribeImages",
        "DescribeInstanceTypes",
        "DescribeInstances",
        "DescribeKeyPairs",
        "DescribeSecurityGroups",
        "DescribeSubnets",
    ];
    assert_eq!(one, expected);
    assert_eq!(calls("web[1-100]"), one);
}

#[test]
fn launch_template_provides_the_image() {
    let profile = "launch template: base\ninstance type: t3.micro\n";
    let (_, params) = launched(&strict(), profile);
    assert_eq!((params.get("ImageId"), params.get("LaunchTemplate.LaunchTemplateName")), (None, Some("base")));
    // This template has no metadata options and no volumes.
    assert_eq!(params.get("MetadataOptions.HttpTokens"), Some("required"));
    assert_eq!(params.get("BlockDeviceMapping.1.Ebs.Encrypted"), Some("true"));
}

#[test]
fn subnet_in_the_requested_zone_is_used() {
    let ec2 = strict();
    let subnets = "subnets: [subnet-0000000000000001a, subnet-0000000000000002a]\n";
    let sandbox = sandbox(&ec2, &format!("{PROFILE}{subnets}"));
    let run = sandbox.run("ec2-launch", &["-p", "Web", "-z", "us-east-1b", "web1"], "").exits(0);
    assert_eq!(run.records()[0]["subnet_id"], "subnet-0000000000000002a");
    let run = sandbox.run("ec2-launch", &["-p", "Web", "-z", "us-east-1c", "web2"], "").exits(2);
    let error: Value = run.records()[0]["error"].clone();
    assert_eq!(error, "./Web.yaml:3:10: no subnet of the profile is in us-east-1c");
}
