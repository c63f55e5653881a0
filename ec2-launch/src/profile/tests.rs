//! Reading profiles from their text, and what is refused.

use super::*;
use crate::document::schema::schema;
use crate::document::{Document, failure, problems};
use crate::library::Library;
use crate::library::set_option::Override;
use cerveza_manners::Failure;
use std::fs;
use tempfile::TempDir;

/// The form of the report's profile: a tagged document, keys with blanks, an AMI a region.
const REPORT: &str = include_str!("../../tests/MySQL.yaml");
const CRAWLER: &str = include_str!("../../tests/Crawler.yaml");

fn read(text: &str) -> Result<(Document, Profile), Failure> {
    let document = Library::new(Vec::new()).read_text("F", true, text)?;
    let profile = Profile::from_values(&document.values).map_err(|wrong| failure(problems(&document, wrong)))?;
    Ok((document, profile))
}

fn parse(text: &str) -> Profile {
    read(text).unwrap().1
}

fn why(text: &str) -> String {
    read(text).unwrap_err().message
}

fn id(image: &str) -> ImageChoice {
    ImageChoice::Id(image.to_string())
}

/// Returns a folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Reads a profile of a folder; the folder's name is left out of errors.
fn resolve(folder: &TempDir, name: &str, set: &[&str]) -> Result<Document, String> {
    let overrides: Vec<Override> = set.iter().map(|set| Override::parse(set).unwrap()).collect();
    let mut library = Library::new(vec![folder.path().to_path_buf()]);
    let resolved = library.read(name, &overrides).map_err(|failure| {
        let hint = failure.hint.map(|hint| format!(" | {hint}")).unwrap_or_default();
        format!("{}{hint}", failure.message).replace(&format!("{}/", folder.path().display()), "")
    });
    resolved.map(|resolved| resolved.document)
}

fn shown(folder: &TempDir, name: &str, set: &[&str]) -> String {
    resolve(folder, name, set).unwrap().to_yaml()
}

#[test]
fn a_profile_in_the_reports_form_is_read() {
    let profile = parse(REPORT);
    assert_eq!(profile.name.as_deref(), Some("MySQL"));
    let images = profile.image.as_ref().unwrap();
    assert_eq!(images.value_in("us-east-1", None), Some(&id("ami-1aad5273")));
    assert_eq!(images.value_in("us-west-1", Some("us-west-1b")), Some(&id("ami-3d491d78")));
    assert_eq!(images.value_in("eu-west-1", None), None);
    assert_eq!(profile.instance_types, ["m2.4xlarge"]);
    assert_eq!(profile.security_groups, ["default", "mysql"]);
    assert_eq!(profile.key_name.as_deref(), Some("prod"));
    assert_eq!(profile.elastic_ip, None);
    assert_eq!(
        profile.user_data,
        ["cloud-config-base.txt", "setup-hostname.sh", "root-login.sh", "cloud-config-puppet.txt"]
    );
    assert_eq!(profile.startup_scripts, ["mount-ebs.sh", "register-dns.sh"]);
    assert_eq!(profile.shutdown_scripts, ["unregister-dns.sh"]);
    assert_eq!(profile.kernel.as_deref(), Some("3.2.0-24-virtual"));
    assert_eq!(profile.volume_sets.len(), 2);
    assert_eq!(profile.volume_sets[0].volumes[0].device, "/dev/sdf");
    assert_eq!(profile.volume_sets[0].volumes[0].size, Some(500));
    assert_eq!(profile.volume_sets[0].volumes[0].delete_on_termination, None);
}

#[test]
fn every_key_that_the_report_prints_is_read() {
    let images = [("us-east-1", "ami-03cf127a"), ("eu-west-1", "ami-1e749f67"), ("ap-southeast-1", "ami-12c6146b")];
    let images = images.map(|(region, image)| (region.to_string(), id(image)));
    let expected = Profile {
        name: Some("Crawler".into()),
        image: Some(PerPlace::Each(images.into())),
        instance_types: vec!["m5.large".into()],
        security_groups: vec!["crawlers".into()],
        key_name: Some("crawler-ops".into()),
        user_data: ["base.txt", "hostname.sh.j2", "login.sh", "agent.txt"].map(String::from).into(),
        shutdown_scripts: vec!["hand-over".into()],
        kernel: Some("6.1.0-13-cloud-amd64".into()),
        ..Profile::default()
    };
    assert_eq!(parse(CRAWLER), expected);
}

#[test]
fn keys_in_snake_case_and_in_the_apis_spelling_say_the_same() {
    let spelled = |spell: fn(&str) -> String| {
        let mut text = String::new();
        for line in REPORT.lines() {
            match line.split_once(':') {
                Some((key, value)) if !key.trim_start().starts_with(['-', '#']) => {
                    let indent = key.len() - key.trim_start().len();
                    // The name of a region is not a key.
                    let key = key.trim_start();
                    let key = if key.contains('-') { key.to_string() } else { spell(key) };
                    text.push_str(&format!("{}{key}:{value}\n", " ".repeat(indent)));
                }
                _ => text.push_str(&format!("{line}\n")),
            }
        }
        text
    };
    let snake = spelled(|key| key.replace(' ', "_"));
    assert!(snake.contains("security_group:"), "{snake}");
    let camel = spelled(|key| key.split(' ').map(|word| word[..1].to_uppercase() + &word[1..]).collect());
    assert!(camel.contains("SecurityGroup:"), "{camel}");
    assert_eq!((parse(&snake), parse(&camel)), (parse(REPORT), parse(REPORT)));
}

#[test]
fn errors_name_the_line_the_column_and_the_nearest_key() {
    for (text, expected) in [
        (
            "--- !InstanceProfile\naws: !InstanceAws\n  ami: ami-1\n  securty group: web\n",
            "F:4:3: unknown key \"securty group\": did you mean \"security group\"?",
        ),
        ("colour: red\n", "F:1:1: unknown key \"colour\""),
        ("", "F: it is empty"),
        ("- a\n", "F:1:1: expected keys with values"),
        ("ami: ami-1\ntags: [1]\n", "F:2:7: tags: expected keys with texts, not a list"),
        ("volumes:\n  - {device: /dev/sdf, sise: 5}\n", "F:2:24: unknown key \"sise\": did you mean \"size\"?"),
        (
            "volumes:\n- {device: /dev/sdf, size: 5}\n- {device: /dev/sdg, size: x}\n",
            "F:3:28: size: expected a size from 1 to 65536 GiB, not \"x\"",
        ),
        ("key pair: a\nkey_pair: b\n", "F:2:1: key_pair: key pair is given twice, first in line 1"),
        ("elastic ip: maybe\n", "F:1:13: elastic ip: expected yes, no or an address, not \"maybe\""),
        ("ami: {us-east-1: ami-1, us-eats: ami-2}\n", "F:1:25: ami: \"us-eats\" is neither a region nor a zone"),
        ("ami: 5\n", "F:1:6: ami: expected an ami- id, resolve:ssm:PARAMETER, or name and owner, not \"5\""),
        (
            "root volume: {type: gb3}\n",
            "F:1:21: type: expected one of gp3, gp2, io2, io1, st1, sc1, standard, not \"gb3\": did you mean \"gp3\"?",
        ),
        ("root volume: {iops: 5}\n", "F:1:21: iops: expected a number from 100 to 256000, not \"5\""),
        ("aws:\n  aws: {}\n", "F:2:3: unknown key \"aws\": did you mean \"ami\"?"),
        ("? [a]\n: b\n", "F:1:3: a key that is not text"),
        (
            "ami: {name: debian-*}\n",
            "F:1:6: ami: name needs an owner too, because anyone can publish an image with any name",
        ),
        ("user data: [a, ~]\n", "F:1:16: user data: an empty item"),
        ("user data: '#!/bin/sh'\n", "F:1:12: user data: expected the name of a file, not its content"),
        ("ami: ami-1\nami: ami-2\n", "F:2:1: ami: it is given twice, first in line 1"),
        ("tags: {Name: x}\n", "F:1:14: tags: Name is set from the host and the profile"),
        ("tags: {a: x, aws:b: y}\n", "F:1:21: tags: tag aws:b: keys that begin with aws: are reserved"),
        (
            "zone: [us-east-1a, us-east-1]\n",
            "F:1:20: zone: \"us-east-1\" is not the name of a zone: a zone ends with a letter, as in us-east-1a",
        ),
        (
            "check ec2 kernel: yes\n",
            "F:1:19: check ec2 kernel: expected the kernel release that `uname -r` prints on the host, not \"yes\"",
        ),
        (
            "root volume: {keep: yes, delete on termination: yes}\n",
            "F:1:15: keep: it contradicts delete on termination; use one of them",
        ),
    ] {
        assert_eq!(why(text), expected.replace(": did you mean \"ami\"?", ""), "{text}");
    }
    for (text, place) in [("ami: ami-1\n\tx: y\n", "F:2:1: "), ("ami:\n\tus-east-1: ami-1\n", "F:2:1: ")] {
        assert!(why(text).starts_with(place), "{}", why(text));
    }
    assert!(why("ami: {us-east-1: ami-1\n").contains("not valid YAML"));
}

#[test]
fn all_errors_of_a_text_come_at_once_and_in_order() {
    let text = "volumes: 5\nx1: &a {y: 1}\nelastic ip: maybe\nzone: *a\n";
    let expected = "F:2:1: unknown key \"x1\"\nF:2:5: zone: expected a text or a list of texts, not keys with values\n\
                    F:3:13: elastic ip: expected yes, no or an address, not \"maybe\"";
    assert_eq!(why(&text.replace("volumes: 5\n", "\n")), expected);
    let many: String = (0..30).map(|number| format!("colour{number}: 1\n")).collect();
    assert!(why(&many).ends_with("F:20:1: unknown key \"colour19\"\nand 10 more"), "{}", why(&many));
}

#[test]
fn where_text_is_expected_a_plain_scalar_is_the_text_as_written() {
    let text = "name: 1.10\ntags: {a: 1.10, b: 1e3, c: 0x1F, d: 010, e: yes, f: 2024-01-01, g: no, h: 1:30, i: , j: 'null'}\n\
                check ec2 kernel: 6.10\nkey pair: 0123\n";
    let profile = parse(text);
    let tags: Vec<String> = profile.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["a=1.10", "b=1e3", "c=0x1F", "d=010", "e=yes", "f=2024-01-01", "g=no", "h=1:30", "i=", "j=null"]);
    assert_eq!(profile.name.as_deref(), Some("1.10"));
    assert_eq!(profile.kernel.as_deref(), Some("6.10"));
    assert_eq!(profile.key_name.as_deref(), Some("0123"));
    assert_eq!(parse("name: no\n").name.as_deref(), Some("no"));
}

#[test]
fn what_people_write_is_understood() {
    assert_eq!(parse("\u{feff}--- !P\nAMI: ami-1\n").image, Some(PerPlace::Everywhere(id("ami-1"))));
    let tagged = "volumes: !Volumes\n  - !Volume {device: /dev/sdf, size: 500GB}\n";
    assert_eq!(parse(tagged).volume_sets[0].volumes[0].size, Some(500));
    for nothing in ["volumes: ~", "volumes: None", "volumes: no", "volumes: []", "volumes:", "elastic ip: None"] {
        assert_eq!(parse(nothing), Profile::default(), "{nothing}");
    }
    assert_eq!(parse("check ec2 kernel: no").kernel, None);
    assert_eq!(parse("aws: &base {ami: ami-1, key pair: a}\n").key_name.as_deref(), Some("a"));
    assert_eq!(parse("aws:\n  <<: {key pair: a, type: t}\n  key_pair: b\n").key_name.as_deref(), Some("b"));
    let subnets = parse("subnet: {us-east-1a: [subnet-1, subnet-2], us-east-1b: subnet-3}\n").subnets.unwrap();
    assert_eq!(subnets.value_in("us-east-1", Some("us-east-1b")), Some(&vec!["subnet-3".to_string()]));
    assert_eq!(subnets.value_in("us-east-1", Some("us-east-1a")).map(Vec::len), Some(2));
}

#[test]
fn keys_at_the_top_count_where_aws_has_none() {
    let profile = parse("aws:\n  key pair: b\nami: ami-1\nkey pair: a\n");
    assert_eq!(profile.image, Some(PerPlace::Everywhere(id("ami-1"))));
    assert_eq!(profile.key_name.as_deref(), Some("b"));
}

#[test]
fn an_image_is_an_id_a_parameter_or_the_newest_of_a_name() {
    let newest = ImageChoice::Newest {
        name: "debian-12-*".into(),
        owner: "099720109477".into(),
        architecture: Some("arm64".into()),
    };
    let text = "ami: {name: debian-12-*, owner: 099720109477, architecture: arm64}\n";
    assert_eq!(parse(text).image, Some(PerPlace::Everywhere(newest.clone())));
    let text = "ami: {us-east-1: {name: debian-12-*, owner: 099720109477, arch: arm64}, us-west-1: 'resolve:ssm:/a'}\n";
    let images = parse(text).image.unwrap();
    assert_eq!(images.value_in("us-east-1", None), Some(&newest));
    assert_eq!(images.value_in("us-west-1", None), Some(&ImageChoice::Parameter("/a".into())));
}

#[test]
fn volumes_by_device_or_as_a_list_and_yes_in_the_words_of_yaml_1_1() {
    let by_device = parse("volumes:\n  /dev/sdf: 100\n  /dev/sdg: {size: 5, type: gp3}\n");
    assert_eq!(by_device, parse("volumes:\n- /dev/sdf: 100\n- /dev/sdg: {size: 5, type: gp3}\n"));
    let list = parse("volumes:\n- {device: /dev/sdf, size: 100}\n- {device: /dev/sdg, size: 5, type: gp3}\n");
    assert_eq!(by_device, list);
    assert_eq!(parse("elastic ip: yes\n").elastic_ip, Some(ElasticIp::Own));
    assert_eq!(parse("elastic ip: off\n").elastic_ip, None);
    assert_eq!(parse("elastic ip: 192.0.2.1\n").elastic_ip, Some(ElasticIp::Address("192.0.2.1".into())));
}

#[test]
fn a_set_of_volumes_has_all_that_its_array_needs() {
    let text = "volumes:\n- {name: data, device: /dev/sdf, count: 4, size: 1TB, type: io2, iops: 4000, raid: 10, \
                file system: xfs, mount point: /data, mount options: 'noatime,nodiratime', owner: 'mysql:mysql'}\n";
    let set = parse(text).volume_sets.remove(0);
    let devices: Vec<&str> = set.volumes.iter().map(|volume| volume.device.as_str()).collect();
    assert_eq!(devices, ["/dev/sdf", "/dev/sdg", "/dev/sdh", "/dev/sdi"]);
    assert_eq!((set.volumes[3].size, set.volumes[3].iops, set.raid), (Some(1024), Some(4000), Some(Raid::Raid10)));
    // A set with a mount point is kept.
    assert_eq!(set.volumes[0].delete_on_termination, Some(false));
    assert_eq!((set.name.as_str(), set.owner.as_deref()), ("data", Some("mysql:mysql")));
    let text = "root volume: {size: 20, encrypted: no, keep: yes}\nvolumes: {device: /dev/sdf, snapshot: snap-1}\n";
    let profile = parse(text);
    let root =
        Volume { size: Some(20), encrypted: Some(false), delete_on_termination: Some(false), ..Volume::default() };
    assert_eq!(profile.root_volume, Some(root));
    assert_eq!(profile.volume_sets[0].volumes[0].delete_on_termination, None);
}

#[test]
fn volumes_that_cannot_be_are_refused_where_they_are() {
    let refused = |volumes: &str| why(&format!("volumes:\n{volumes}"));
    for (volumes, expected) in [
        ("- {size: 5}\n", "F:2:3: device: each volume needs one, as /dev/sdf"),
        ("- {device: /dev/sdf}\n", "F:2:3: size: a volume without a snapshot needs one"),
        ("- {device: /dev/sdf, size: 5}\n- {size: 5, device: /dev/xvdf}\n", "F:3:21: device: /dev/xvdf is given twice"),
        (
            "- {device: /dev/sdf, size: 5, count: 2}\n- {size: 5, device: /dev/sdg}\n",
            "F:3:21: device: /dev/sdg is given twice",
        ),
        (
            "- {device: /dev/disk1, size: 5}\n",
            "F:2:12: device: \"/dev/disk1\" is not a device name of EC2: use /dev/sdf to /dev/sdp",
        ),
        ("- {device: /dev/sdf, size: 5, raid: 1}\n", "F:2:37: raid: it needs a count of 2 volumes or more"),
        (
            "- {device: /dev/sdf, size: 5, raid: 10, count: 5}\n",
            "F:2:48: count: raid 10 needs an even number of volumes, not 5",
        ),
        (
            "- {device: /dev/sdf, size: 5, mount point: /a}\n",
            "F:2:44: mount point: it needs a file system, as ext4 or xfs",
        ),
        (
            "- {device: /dev/sdf, size: 5, file system: xfs, mount point: a}\n",
            "F:2:62: mount point: expected an absolute path of letters, digits, `.`, `_`, `-`, `+` and `@`, not \"a\"",
        ),
        (
            "- {device: /dev/sdf, size: 5, file system: 'x;y'}\n",
            "F:2:44: file system: \"x;y\" has characters that are not allowed",
        ),
        (
            "- {device: /dev/sdf, size: 5, count: 2, file system: xfs}\n",
            "F:2:38: count: several volumes need raid or lvm to have one file system",
        ),
        (
            "- {device: /dev/sdf, volume id: vol-1, count: 2}\n",
            "F:2:47: count: not possible with volume id, which attaches an existing volume",
        ),
        (
            "- {name: a, device: /dev/sdf, size: 5}\n- {name: a, device: /dev/sdg, size: 5}\n",
            "F:3:10: name: a is given twice",
        ),
        (
            "- {device: /dev/sdf, size: 5, kms key: a, encrypted: no}\n",
            "F:2:40: kms key: not possible for a volume that is not encrypted",
        ),
        ("- data\n", "F:2:3: volumes: no volume profile \"data\": looked for it and for data.yaml in "),
        (
            "- [1]\n",
            "F:2:3: volumes: expected a volume, as {device: /dev/sdf, size: 100}, or a volume profile's name, not a list",
        ),
    ] {
        assert!(refused(volumes).starts_with(expected), "{volumes}{}\n{expected}", refused(volumes));
    }
}

#[test]
fn a_profile_is_found_by_its_name_in_any_file_or_by_its_files_name() {
    let folder = folder(&[
        ("fleet.yaml", "--- !InstanceProfile\nname: Web\nami: ami-1\n--- !InstanceProfile\nname: DB\nami: ami-2\n"),
        ("Crawler.yml", "ami: ami-3\n"),
        ("compose.yaml", "name: shop\nservices: {}\n"),
        ("broken.yaml", "name: Web: {\n"),
        ("nameless.yaml", "ami: ami-1\n---\nname: B\nami: ami-2\n"),
        ("one.yaml", "name: Twin\nami: ami-4\n"),
        ("two.yaml", "---\n---\nname: Twin\nami: ami-5\n"),
    ]);
    let ami = |name: &str| resolve(&folder, name, &[]).map(|document| document.values["ami"].clone());
    assert_eq!(ami("Web"), Ok("ami-1".into()));
    assert_eq!(ami("DB"), Ok("ami-2".into()));
    assert_eq!(ami("Crawler"), Ok("ami-3".into()));
    assert_eq!(resolve(&folder, "Crawler", &[]).unwrap().values["name"], "Crawler");
    assert_eq!(ami("Twin"), Err("several profiles have the name \"Twin\": one.yaml:1:1, two.yaml:3:1".into()));
    assert_eq!(
        ami("fleet"),
        Err("fleet.yaml: it has several profiles: Web, DB | name one, as in fleet.yaml:Web".into())
    );
    let several =
        "nameless.yaml: it has several profiles: one without a name in line 1, B | name one, as in nameless.yaml:B";
    assert_eq!(ami("nameless"), Err(several.into()));
    let not_found = |name: &str| ami(name).unwrap_err().replace(&folder.path().display().to_string(), "FOLDER");
    assert_eq!(not_found("Wec"), "no profile \"Wec\": looked for it and for Wec.yaml in FOLDER | did you mean Web?");
    assert_eq!(not_found("shop"), "no profile \"shop\": looked for it and for shop.yaml in FOLDER");
    assert!(not_found("broken").starts_with("broken.yaml:1:10: not valid YAML: "), "{}", not_found("broken"));
    let path = |rest: &str| format!("{}/fleet.yaml{rest}", folder.path().display());
    assert_eq!(ami(&path(":DB")), Ok("ami-2".into()));
    assert_eq!(ami(&path(":DC")), Err("fleet.yaml: it has no profile \"DC\" | it has Web, DB".into()));
    assert!(ami(&path("")).unwrap_err().starts_with("fleet.yaml: it has several profiles"));
    assert!(ami("./no/such.yaml").unwrap_err().contains("cannot read: No such file"));
}

#[test]
fn a_profile_extends_another_key_by_key() {
    let folder = folder(&[
        (
            "base.yaml",
            "name: base\ndescription: The base\nami: {us-east-1: ami-1, eu-west-1: ami-2}\nzone: [us-east-1a, us-east-1b]\n\
             key pair: prod\ntags: {team: ops, old: x}\nvolumes:\n- {device: /dev/sdf, size: 5}\n",
        ),
        ("middle.yaml", "extends: base\naws:\n  ami: {eu-west-1: ami-3}\n  tags: {role: web, old: ~}\n"),
        ("Web.yaml", "extends: middle\nzone: us-east-1c\nkey pair: ~\nvolumes: []\n"),
        ("Image.yaml", "extends: base\nami: {name: a, owner: self}\nvolumes: {device: /dev/sdg, size: 6}\n"),
        ("sub/Path.yaml", "extends: ../Web.yaml\n"),
        ("Loop.yaml", "extends: Loop2\n"),
        ("Loop2.yaml", "extends: Loop\n"),
        ("Gone.yaml", "extends: bas\n"),
    ]);
    let expected = "name: Web\nami:\n  eu-west-1: ami-3\n  us-east-1: ami-1\nzone: [us-east-1c]\ntags:\n  role: web\n  team: ops\n";
    assert_eq!(shown(&folder, "Web", &[]), expected);
    let document = resolve(&folder, "Web", &[]).unwrap();
    let place = |path: &str| document.place(path).to_string().rsplit('/').next().unwrap().to_string();
    assert_eq!(place("ami/us-east-1"), "base.yaml:3:18");
    assert_eq!(place("ami/eu-west-1"), "middle.yaml:3:20");
    assert_eq!(place("zone"), "Web.yaml:2:7");
    assert_eq!(place("subnet"), "Web.yaml:1:1");
    let path = format!("{}/sub/Path.yaml", folder.path().display());
    assert_eq!(shown(&folder, &path, &[]), expected.replace("Web", "Path"));
    let image = shown(&folder, "Image", &[]);
    assert!(image.contains("ami:\n  name: a\n  owner: self\n"), "{image}");
    assert!(image.contains("volumes:\n  - device: /dev/sdg\n    size: 6\n"), "{image}");
    let refused = |name: &str| resolve(&folder, name, &[]).unwrap_err();
    assert_eq!(refused("Loop"), "Loop2.yaml:1:10: extends: Loop extends this profile itself");
    assert!(refused("Gone").starts_with("Gone.yaml:1:10: extends: no profile \"bas\": "), "{}", refused("Gone"));
    assert!(refused("Gone").ends_with("| did you mean base?"), "{}", refused("Gone"));
}

#[test]
fn volume_profiles_are_named_in_volumes() {
    let folder = folder(&[
        (
            "fleet.yaml",
            "--- !VolumeProfile\nname: disk\ntype: gp3\nsize: 100\n--- !VolumeProfile\nname: data\nextends: disk\n\
             device: /dev/sdf\nfile system: xfs\nmount point: /data\n--- !InstanceProfile\nname: DB\nvolumes:\n- data\n\
             - {extends: disk, device: /dev/sdh, size: 7, name: log, keep: no}\n",
        ),
        ("logs.yaml", "--- !VolumeProfile\nsize: 9\n"),
        ("Web.yaml", "volumes: {/dev/sdf: logs, /dev/sdg: 5}\n"),
        ("Bad.yaml", "volumes: {/dev/sdf: logs, /dev/xvdf: 5}\n"),
        ("Typo.yaml", "volumes: [logz]\n"),
    ]);
    assert_eq!(
        shown(&folder, "DB", &[]),
        "name: DB\nvolumes:\n  - name: data\n    device: /dev/sdf\n    size: 100\n    type: gp3\n    file system: xfs\n    \
         mount point: /data\n    delete on termination: false\n  - name: log\n    device: /dev/sdh\n    size: 7\n    \
         type: gp3\n    delete on termination: true\n"
    );
    let document = resolve(&folder, "DB", &[]).unwrap();
    assert!(document.place("volumes/0/size").to_string().ends_with("/fleet.yaml:4:7"));
    assert!(document.place("volumes/1/size").to_string().ends_with("/fleet.yaml:15:43"));
    let web = resolve(&folder, "Web", &[]).unwrap();
    let sets = Profile::from_values(&web.values).unwrap().volume_sets;
    let facts: Vec<_> = sets.iter().map(|set| (set.name.as_str(), set.volumes[0].delete_on_termination)).collect();
    assert_eq!(facts, [("logs", Some(false)), ("sdg", None)]);
    assert!(resolve(&folder, "Typo", &[]).unwrap_err().ends_with("| did you mean logs?"));
    let bad = resolve(&folder, "Bad", &[]).unwrap();
    let wrong = problems(&bad, Profile::from_values(&bad.values).unwrap_err());
    assert!(wrong[0].to_string().ends_with("/Bad.yaml:1:27: device: /dev/xvdf is given twice"), "{}", wrong[0]);
}

#[test]
fn set_overrides_the_profile() {
    let folder = folder(&[("Web.yaml", "ami: ami-1\ntags: {a.b: x, team: ops}\nkey pair: a\nzone: [us-east-1a]\n")]);
    let set =
        ["key_pair=", "zone=[us-east-1b, us-east-1c]", "tags.a.b=1.10", "root volume.size=8", "ami.us-east-1=ami-2"];
    assert_eq!(
        shown(&folder, "Web", &set),
        "name: Web\nami:\n  us-east-1: ami-2\nzone: [us-east-1b, us-east-1c]\nroot volume:\n  size: 8\ntags:\n  a.b: \"1.10\"\n  \
         team: ops\n"
    );
    let refused = |set: &str| resolve(&folder, "Web", &[set]).unwrap_err();
    assert_eq!(
        refused("root volume.sise=8"),
        "--set \"root volume.sise=8\": unknown key \"sise\": did you mean \"size\"?"
    );
    assert_eq!(refused("extends=a"), "--set \"extends=a\": extends: it cannot be set here");
    assert_eq!(Override::parse("a"), Err("expected KEY=VALUE".to_string()));
    let why = "volumes: a list is set as a whole, as in --set 'volumes=[...]'";
    assert_eq!(Override::parse("volumes.0.size=3"), Err(why.to_string()));
    assert!(Override::parse("tags.0=3").is_ok());
    assert!(Override::parse(".=1").is_err() && Override::parse("a={").is_err());
}

/// Texts that together have every form of value.
const EXAMPLES: [&str; 8] = [
    REPORT,
    CRAWLER,
    "name: 'no'\ndescription: |\n  two\n  lines: \"é\" 𝄞\ntags: {a: '', 'b: c': ' x ', none: none, '~': '~', 1: 2}\ncheck ec2 kernel: \"\\u0007\\t\"\n",
    "ami: {name: 'x-*', owner: self}\nsubnet: [subnet-1, subnet-2]\nelastic ip: yes\n",
    "ami: {us-east-1: {name: x, owner: 099720109477, architecture: arm64}, us-east-1a: 'resolve:ssm:/a/b'}\nelastic ip: eipalloc-1\n",
    "subnet: {us-east-1a: subnet-1, us-east-1b: [subnet-2, subnet-3]}\nsecurity group: ['no', '1.10', 'a, b', '#c']\n",
    "root volume: {size: 8, type: gp3, iops: 3000, throughput: 125, kms key: alias/a, keep: no}\niam instance profile: web\n",
    "volumes:\n- {name: data, device: /dev/sdf, count: 4, size: 10, raid: 10, file system: xfs, mount point: /d, lvm: yes}\n\
     - {device: /dev/sdk, snapshot: snap-1, keep: yes}\n- {device: /dev/sdl, volume id: vol-1}\n",
];

#[test]
fn the_canonical_document_reads_back_as_the_same_profile() {
    for text in EXAMPLES {
        let (document, profile) = read(text).unwrap();
        for again in [document.to_json().to_string(), document.to_yaml()] {
            let read_back = read(&again).unwrap_or_else(|failure| panic!("{failure}\n{again}"));
            assert_eq!(read_back.1, profile, "{again}");
            assert_eq!(read_back.0.to_json().to_string(), document.to_json().to_string(), "{again}");
        }
        // Other readers of YAML take the text for the same values.
        let other: Value = serde_yaml::from_str(&document.to_yaml()).unwrap();
        assert_eq!(other, document.to_json(), "{}", document.to_yaml());
    }
    // The order of keys is the table's, whatever the order in the file is.
    let json = |text: &str| read(text).unwrap().0.to_json().to_string();
    assert_eq!(json("tags: {b: 1, a: 2}\nami: ami-1\n"), json("ami: ami-1\ntags: {a: 2, b: 1}\n"));
}

#[test]
fn a_text_that_is_cut_off_anywhere_is_read_or_refused_with_its_place() {
    for text in EXAMPLES {
        for (end, _) in text.char_indices() {
            if let Err(failure) = read(&text[..end]) {
                assert!(failure.message.starts_with("F:"), "{failure}");
            }
        }
    }
}

#[test]
fn the_schema_takes_good_profiles_and_refuses_bad_ones() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    // An editor reads the values of a document, without its tags.
    let value = |text: &str| {
        let value: serde_yaml::Value = serde_yaml::from_str(&text.replace("!InstanceAws", "")).unwrap();
        let value = match value {
            serde_yaml::Value::Tagged(tagged) => tagged.value,
            value => value,
        };
        serde_json::to_value(value).unwrap()
    };
    for text in EXAMPLES {
        let errors: Vec<String> = validator.iter_errors(&value(text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{text}{errors:?}");
        let canonical = read(text).unwrap().0.to_json();
        assert!(validator.is_valid(&canonical), "{canonical}");
    }
    for good in [
        "InstanceType: [t3.micro, t3.small]\nSecurityGroupIds: [sg-1]\n",
        "volumes: {/dev/sdf: 100, /dev/sdg: {size: 5}, /dev/sdh: data}\n",
        "volumes: [data, {extends: data, device: /dev/sdg}]\n",
        "volumes: no\nelastic ip: no\ncheck ec2 kernel: no\n",
        "name: data\ndevice: /dev/sdf\nsize: 5\nraid: 10\n",
        "extends: base\naws:\n",
    ] {
        assert!(validator.is_valid(&value(good)), "{good}");
    }
    for bad in [
        "colour: red\n",
        "securty group: web\n",
        "tags: [1]\n",
        "volumes: [{device: /dev/sdf, sise: 5}]\n",
        "root volume: {type: gp33}\n",
        "root volume: {iops: 5}\n",
        "ami: {us-eats: ami-1}\n",
        "ami: {name: x}\n",
        "ami: debian\n",
        "elastic ip: maybe\n",
        "check ec2 kernel: yes\n",
        "size: 0\n",
        "aws: {aws: {}}\n",
        "- a\n",
    ] {
        assert!(!validator.is_valid(&value(bad)), "{bad}");
        assert!(bad == "size: 0\n" || read(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_checked_in_schema_is_that_of_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/profile.schema.json");
    let fresh = format!("{:#}\n", schema());
    let stale = fs::read_to_string(path).unwrap_or_default() != fresh;
    assert!(!stale, "{path} is stale: run ec2-launch --profile-schema > ec2-launch/profile.schema.json");
}
