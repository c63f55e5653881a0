//! Requests that are made with and without what the profile names in the catalog.

use super::*;
use crate::profile::file::ProfileFile;
use cerveza_ec2::{RootDevice, Subnet, Volume};
use cerveza_record::Record;

fn recipe(yaml: &str) -> Recipe {
    let file = ProfileFile::from_text("Web", "text", "/".as_ref(), yaml).unwrap();
    Recipe { file, parts: None, startup_scripts: vec![], shutdown_scripts: vec![], zone: None, tags: vec![] }
}

fn image(id: &str, architecture: &str, created: &str) -> Image {
    let root = RootDevice::Volume(Volume { device: "/dev/sda1".into(), size: Some(8), ..Volume::default() });
    let [architecture, virtualization, state] = [architecture, "hvm", "available"].map(str::to_string);
    let (id, name, created) = (id.to_string(), format!("image-{id}"), created.to_string());
    Image { id, name, architecture, virtualization, created, state, deprecated: None, root }
}

fn newest() -> ImageChoice {
    ImageChoice::Newest { name: "image-*".into(), owner: "self".into(), architecture: None }
}

fn catalog() -> Catalog {
    let facts = |architecture: &str| TypeFacts {
        architectures: vec![architecture.to_string()],
        virtualizations: vec!["hvm".to_string()],
        encrypts: true,
    };
    let subnet = |vpc: &str, zone: &str, is_default| Subnet { vpc: vpc.into(), zone: zone.into(), is_default };
    let group = |id: &str, name: &str, vpc: &str| SecurityGroup { id: id.into(), name: name.into(), vpc: vpc.into() };
    let (arm, x86) = (image("ami-arm", "arm64", "2026-02-01T"), image("ami-x86", "x86_64", "2026-01-01T"));
    Catalog {
        images: [
            (ImageChoice::Id("ami-x86".into()), Ok(vec![x86.clone()])),
            (ImageChoice::Id("ami-gone".into()), Err("there is no image ami-gone in us-east-1".to_string())),
            (ImageChoice::Parameter("/latest".into()), Ok(vec![x86.clone()])),
            (newest(), Ok(vec![arm, x86])),
        ]
        .into(),
        instance_types: Some([("m5.large".into(), facts("x86_64")), ("m7g.large".into(), facts("arm64"))].into()),
        subnets: Some(
            [
                ("subnet-1".to_string(), subnet("vpc-a", "us-east-1a", false)),
                ("subnet-2".to_string(), subnet("vpc-a", "us-east-1b", false)),
                ("subnet-9".to_string(), subnet("vpc-d", "us-east-1a", true)),
            ]
            .into(),
        ),
        security_groups: Some(vec![
            group("sg-1", "web", "vpc-a"),
            group("sg-2", "web", "vpc-d"),
            group("sg-3", "db", "vpc-a"),
        ]),
        key_pairs: Some(["prod".to_string()].into()),
        placement_groups: Some(["near".to_string()].into()),
        ..Catalog::default()
    }
}

type Resolved = Result<(Vec<LaunchRequest>, Vec<String>)>;

fn resolved_by(yaml: &str, tags: &[&str], catalog: &Catalog) -> Resolved {
    let recipe = recipe(yaml);
    let choices = recipe.choices(&Record::named("web1"), "us-east-1", &[])?;
    let tags = tags.iter().map(|key| (key.to_string(), String::new())).collect();
    resolve(&recipe, "us-east-1", &choices, &tags, catalog)
}

fn resolved(yaml: &str) -> Resolved {
    resolved_by(yaml, &["Name"], &catalog())
}

fn request(yaml: &str) -> LaunchRequest {
    resolved(yaml).unwrap().0.remove(0)
}

/// Returns what is wrong, without the places.
fn why(yaml: &str) -> String {
    let message = resolved(yaml).unwrap_err().message;
    let problems = message.split("; ").map(|problem| problem.split_once(": ").expect("a place").1);
    problems.collect::<Vec<_>>().join("; ")
}

const BASE: &str = "ami: ami-x86\ninstance type: m5.large\n";

#[test]
fn imdsv2_is_required_and_tags_are_in_imds_unless_the_profile_says_otherwise() {
    let options = |yaml: &str, tags: &[&str]| {
        let (requests, _) = resolved_by(&format!("{BASE}{yaml}"), tags, &catalog()).unwrap();
        requests[0].settings.get("metadata options").cloned().unwrap_or_default()
    };
    let required = json!({"http tokens": "required", "hop limit": 2});
    let mut with_tags = required.clone();
    with_tags["instance metadata tags"] = json!("enabled");
    assert_eq!(options("", &["Name", "profile-digest"]), with_tags);
    for key in ["cost centre", "a/b", "_index", "é"] {
        assert_eq!(options("", &["Name", key]), required, "{key}");
    }
    let own = "metadata options: {http tokens: optional, hop limit: 1, instance metadata tags: disabled}\n";
    assert_eq!(
        options(own, &["Name"]),
        json!({"http tokens": "optional", "hop limit": 1, "instance metadata tags": "disabled"})
    );
    let off = "metadata options: {http endpoint: disabled}\n";
    assert_eq!(options(off, &["Name"]), json!({"http endpoint": "disabled"}));
    let yaml = format!("{BASE}metadata options: {{instance metadata tags: enabled}}\n");
    let failure = resolved_by(&yaml, &["a b"], &catalog()).unwrap_err();
    assert!(failure.message.contains("the tag \"a b\" cannot be in the instance's metadata"), "{}", failure.message);
}

#[test]
fn a_launch_template_decides_what_it_has_and_what_of_it_is_unknown() {
    let name: cerveza_ec2::TemplateName = ("base".to_string(), None);
    let template = LaunchTemplate {
        image: Some(ImageChoice::Id("ami-x86".into())),
        instance_type: Some("m5.large".into()),
        ..LaunchTemplate::default()
    };
    let with = |template: Option<std::result::Result<LaunchTemplate, String>>| {
        let launch_templates = template.map(|template| (name.clone(), template)).into_iter().collect();
        let catalog = Catalog { launch_templates, ..catalog() };
        resolved_by("launch template: base\n", &["Name"], &catalog).map(|(mut requests, _)| requests.remove(0))
    };
    let request = with(Some(Ok(template.clone()))).unwrap();
    assert_eq!((request.image_id.as_str(), request.instance_type.as_str()), ("", ""));
    assert_eq!(request.settings["metadata options"]["http tokens"], "required");
    assert_eq!(request.volumes[0].encrypted, Some(true));
    let full = LaunchTemplate { has_metadata_options: true, devices: vec!["/dev/sda1".into()], ..template };
    for template in [Some(Ok(full)), None] {
        let request = with(template).unwrap();
        assert_eq!((request.settings.get("metadata options"), request.volumes.len()), (None, 0));
    }
    let failure = with(Some(Err("there is no launch template \"base\" in us-east-1".to_string()))).unwrap_err();
    assert!(failure.message.ends_with("there is no launch template \"base\" in us-east-1"), "{}", failure.message);
}

#[test]
fn what_does_not_exist_is_refused_with_the_nearest_name() {
    let named = |yaml: &str| why(&format!("{BASE}{yaml}"));
    assert_eq!(named("key pair: prd"), "there is no key pair \"prd\" in us-east-1: did you mean \"prod\"?");
    assert_eq!(named("placement group: far"), "there is no placement group \"far\" in us-east-1");
    assert_eq!(named("subnet: subnet-7"), "there is no subnet subnet-7 in us-east-1");
    assert_eq!(
        named("subnet: subnet-1\nsecurity groups: [web, bd]"),
        "there is no security group \"bd\" in vpc-a (us-east-1)"
    );
    assert_eq!(
        named("security groups: [weeb]"),
        "there is no security group \"weeb\" in vpc-d (us-east-1): did you mean \"web\"?"
    );
    assert_eq!(named("security groups: [sg-7]"), "there is no security group sg-7 in us-east-1");
    assert_eq!(
        named("security groups: [sg-1]"),
        "the security group sg-1 is in vpc-a, but the host is launched in vpc-d (us-east-1)"
    );
    let typo = why("ami: ami-x86\ninstance type: m5.lagre\n");
    assert_eq!(typo, "there is no instance type m5.lagre in us-east-1: did you mean \"m5.large\"?");
    let all = why("ami: ami-gone\ninstance type: m5.large\nkey pair: x\n");
    assert_eq!(all, "there is no key pair \"x\" in us-east-1; there is no image ami-gone in us-east-1");
    assert_eq!(
        why("ami: ami-gone\ninstance type: m5.lagre\nsubnet: subnet-7\n"),
        "there is no subnet subnet-7 in us-east-1; there is no instance type m5.lagre in us-east-1: did you mean \"m5.large\"?; \
         there is no image ami-gone in us-east-1"
    );
    let interface = "network interfaces: [{subnet: subnet-1, security groups: [mail]}]";
    assert_eq!(named(interface), "there is no security group \"mail\" in vpc-a (us-east-1)");
    assert_eq!(named("zone: us-east-1c"), "there is no default subnet in us-east-1c: give the profile a subnet");
    assert!(named("spot options: {valid until: soon}").contains("valid until: expected a time"));
}

#[test]
fn groups_are_sent_as_ids_of_the_vpc_that_is_launched_in() {
    assert_eq!(request(&format!("{BASE}security group: web")).security_groups, ["sg-2"]);
    assert_eq!(
        request(&format!("{BASE}subnet: subnet-1\nsecurity groups: [web, db]")).security_groups,
        ["sg-1", "sg-3"]
    );
    let yaml = "network interfaces: [{subnet: subnet-1, security groups: [web]}]";
    let request = request(&format!("{BASE}{yaml}"));
    assert_eq!(request.settings["network interfaces"][0]["security groups"], json!(["sg-1"]));
}

#[test]
fn only_subnets_of_the_zone_are_tried() {
    let yaml = format!("{BASE}subnets: [subnet-1, subnet-2]\n");
    let tried = |zones: &str| {
        let (requests, _) = resolved(&format!("{yaml}{zones}")).unwrap();
        requests.into_iter().map(|request| request.subnet_id.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(tried(""), ["subnet-1", "subnet-2"]);
    assert_eq!(tried("zones: [us-east-1b, us-east-1a]"), ["subnet-2", "subnet-1"]);
    assert_eq!(tried("zones: [us-east-1c, us-east-1a]"), ["subnet-1"]);
    assert_eq!(why(&format!("{yaml}zone: us-east-1c")), "no subnet of the profile is in us-east-1c");
}

#[test]
fn the_newest_image_that_the_type_runs_is_taken_and_told() {
    let yaml = "ami: {name: image-*, owner: self}\ninstance type: [m5.large, m7g.large]\n";
    let (requests, notes) = resolved(yaml).unwrap();
    assert_eq!(requests.iter().map(|it| it.image_id.as_str()).collect::<Vec<_>>(), ["ami-x86", "ami-arm"]);
    let expected = [
        "the newest image-* of self in us-east-1 is ami-x86: image-ami-x86 of 2026-01-01",
        "the newest image-* of self in us-east-1 is ami-arm: image-ami-arm of 2026-02-01",
    ];
    assert_eq!(notes, expected);
    let (requests, notes) = resolved("ami: 'resolve:ssm:/latest'\ninstance type: m5.large\n").unwrap();
    assert_eq!(requests[0].image_id, "ami-x86");
    assert_eq!(notes, ["resolve:ssm:/latest in us-east-1 is ami-x86: image-ami-x86 of 2026-01-01"]);
    assert_eq!(
        why("ami: ami-x86\ninstance type: m7g.large\n"),
        "m7g.large runs arm64 (hvm), but the image ami-x86 is for x86_64 (hvm)"
    );
}

#[test]
fn without_permission_to_look_the_request_is_as_the_profile_names_it() {
    let (mut requests, _) =
        resolved_by(&format!("{BASE}security group: web\nkey pair: x\n"), &["Name"], &Catalog::default()).unwrap();
    let request = requests.remove(0);
    assert_eq!((request.image_id.as_str(), request.security_groups), ("ami-x86", vec!["web".to_string()]));
    assert_eq!(request.volumes, []);
    let failure = Some(Failure::unreached("no answer"));
    let catalog = Catalog { failure, ..Catalog::default() };
    assert_eq!(resolved_by(BASE, &[], &catalog).unwrap_err().message, "no answer");
}
