//! Profiles as a user writes, finds and prints them.

use kit::{Moto, Sandbox};
use serde_json::{Value, json};

#[test]
fn show_profile_prints_a_resolved_profile_that_reads_back_the_same() {
    let sandbox = Sandbox::new();
    sandbox.file("profiles/base.yaml", "name: base\nami: ami-1\ntags: {team: ops}\nkey pair: prod\n");
    sandbox.file(
        "Web.yaml",
        "--- !InstanceProfile\nextends: base\naws:\n  InstanceType: m5.large\n  tags: {version: 1.10}\n",
    );
    let args = ["--show-profile", "Web", "--set", "key pair=mine", "--set", "tags.team=web"];
    let run = sandbox.run("ec2-launch", &args, "").exits(0);
    assert_eq!(
        run.stdout,
        "--- !InstanceProfile\n# ./Web.yaml:1:5\nname: Web\nami: ami-1\ninstance type: [m5.large]\nkey pair: mine\n\
         tags:\n  team: web\n  version: \"1.10\"\n"
    );
    sandbox.file("again.yaml", &run.stdout);
    let again = sandbox.run("ec2-launch", &["--show-profile", "again.yaml"], "").exits(0);
    assert_eq!(again.stdout.replace("again.yaml:", "./Web.yaml:"), run.stdout);
}

#[test]
fn all_mistakes_of_a_profile_are_reported_and_nothing_is_launched() {
    let moto = Moto::shared();
    let sandbox = moto.sandbox();
    let volumes = "volumes:\n- {device: /dev/sdf, size: 5}\n- {device: /dev/sdg, sise: 5}\n";
    sandbox.file("Bad.yaml", format!("{}  securty group: web\n{volumes}", moto.profile()));
    let run = sandbox.run("ec2-launch", &["-p", "Bad", "mistake1"], "").exits(2);
    assert_eq!(
        run.stderr,
        "ec2-launch: ./Bad.yaml:11:3: unknown key \"securty group\": did you mean \"security group\"?\n\
         ./Bad.yaml:14:22: unknown key \"sise\": did you mean \"size\"?\n"
    );
    assert_eq!(sandbox.run("ec2-ls", &["-1", "mistake1"], "").stdout, "");
}

#[test]
fn parts_of_an_extended_profile_are_found_next_to_it() {
    let moto = Moto::shared();
    let sandbox = moto.sandbox();
    sandbox.file("profiles/base.yaml", format!("{}  user data: [part.sh]\n", moto.profile().replace("MySQL", "base")));
    sandbox.file("profiles/scripts/part.sh", "#!/bin/sh\n");
    sandbox.file("Small.yaml", "extends: base\ntype: t3.micro\ntags: {version: 1.10}\n");
    let run = sandbox.run("ec2-launch", &["-p", "Small", "extended1"], "").exits(0);
    let record = &run.records()[0];
    assert_eq!((&record["instance_type"], &record["profile"]), (&json!("t3.micro"), &json!("Small")));
    assert_eq!(record["tags"]["version"], "1.10");
}

#[test]
fn set_overrides_a_profile_for_one_run() {
    let sandbox = Moto::shared().sandbox();
    let args = ["-p", "MySQL", "--set", "type=t3.micro", "--set", "tags.stage=test", "set1"];
    let record = &sandbox.run("ec2-launch", &args, "").exits(0).records()[0];
    assert_eq!((&record["instance_type"], &record["tags"]["stage"]), (&json!("t3.micro"), &json!("test")));
    let wrong = ["-p", "MySQL", "--set", "typ=t3.micro", "set2"];
    let run = sandbox.run("ec2-launch", &wrong, "").exits(2);
    assert_eq!(run.stderr, "ec2-launch: --set \"typ=t3.micro\": unknown key \"typ\": did you mean \"type\"?\n");
    let run = sandbox.run("ec2-launch", &["--set", "type=t3.micro", "set3"], "").exits(2);
    assert!(run.stderr.contains("--set sets keys of the profile"), "{}", run.stderr);
}

#[test]
fn profiles_are_listed_and_a_file_with_several_needs_a_name() {
    let mut sandbox = Sandbox::new();
    sandbox.env("XDG_CONFIG_HOME", sandbox.dir().join("none").display().to_string());
    sandbox.file(
        "profiles/fleet.yaml",
        "--- !InstanceProfile\nname: Web\ndesc: Web servers\n--- !InstanceProfile\nname: DB\n\
         ---\ntags: {team: ops}\n",
    );
    sandbox.file("compose.yaml", "name: shop\nservices: {}\n");
    sandbox.file("broken.yaml", "a: b: c");
    sandbox.file("profiles/broken.yaml", "name: Web: {\n");
    let run = sandbox.run("ec2-launch", &["--list-profiles", "-o", "table"], "").exits(0);
    assert!(run.stderr.starts_with("ec2-launch: profiles/broken.yaml:1:10: not valid YAML: "), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    let listed = "NAME  PLACE                    DESCRIPTION\n\
                  Web   profiles/fleet.yaml:1:5  Web servers\n\
                  DB    profiles/fleet.yaml:4:5  -\n\
                  -     profiles/fleet.yaml:7:1  -\n";
    assert_eq!(run.stdout, listed);
    let names = sandbox.run("ec2-launch", &["--list-profiles", "-1"], "").exits(0).stdout;
    assert_eq!(names, "Web\nDB\n");
    let records = sandbox.run("ec2-launch", &["--list-profiles"], "").exits(0).records();
    let web = json!({"name": "Web", "place": "profiles/fleet.yaml:1:5", "description": "Web servers"});
    assert_eq!((&records[0], &records[2]["name"]), (&web, &Value::Null));
    let run = sandbox.run("ec2-launch", &["--show-profile", "profiles/fleet.yaml"], "").exits(2);
    let why = "ec2-launch: profiles/fleet.yaml: it has several profiles: Web, DB, one without a name in line 7\n\
               ec2-launch: name one, as in profiles/fleet.yaml:Web\n";
    assert_eq!(run.stderr, why);
    sandbox.run("ec2-launch", &["--show-profile", "profiles/fleet.yaml:DB"], "").exits(0);
    sandbox.run("ec2-launch", &["--show-profile", "DB"], "").exits(0);
}

#[test]
fn the_schema_is_printed() {
    let run = Sandbox::new().run("ec2-launch", &["--profile-schema"], "").exits(0);
    let schema: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
}
