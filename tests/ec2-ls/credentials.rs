//! Which credentials the EC2 tools use, by awscli's rules: with the role of an instance and a container in reach, as on a
//! bastion.

use kit::{FakeEc2, Moto, Outcome, Sandbox, fake_ec2};

/// A sandbox on a machine whose metadata service hands out a role, with these files of the AWS configuration.
struct Bastion {
    sandbox: Sandbox,
    role: FakeEc2,
    ec2: FakeEc2,
}

impl Bastion {
    fn new(config: &str) -> Bastion {
        let (role, ec2) =
            (fake_ec2::role(), FakeEc2::start(|_| fake_ec2::instances(&[("i-1", "web1", "running")], None)));
        let mut sandbox = Sandbox::new();
        sandbox.file(".aws/config", config);
        sandbox.file(".aws/credentials", "[keys]\naws_access_key_id = AKIDKEYS\naws_secret_access_key = secret\n");
        sandbox
            .env("AWS_EC2_METADATA_DISABLED", "false")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &role.endpoint)
            .env("AWS_ENDPOINT_URL", &ec2.endpoint);
        Bastion { sandbox, role, ec2 }
    }

    fn ls(&self) -> Outcome {
        self.sandbox.run("ec2-ls", &[], "")
    }

    /// Runs ec2-ls, which must fail with this message before it sends any request.
    #[track_caller]
    fn refuses(&self, message: &str) {
        let run = self.ls().exits(2);
        assert!(run.stderr.starts_with(&format!("ec2-ls: {message}\n")), "{}", run.stderr);
        assert_eq!((run.stdout.as_str(), self.role.requests(), self.ec2.requests()), ("", vec![], vec![]));
    }
}

#[test]
fn without_a_profile_the_role_is_used() {
    // The role can be used, which the other tests rely on.
    let mut bastion = Bastion::new("[default]\nregion = us-east-1\n");
    bastion.ls().exits(0);
    assert!(
        bastion.role.requests().contains(&"PUT /latest/api/token HTTP/1.1".to_string()),
        "{:?}",
        bastion.role.requests()
    );
    // A profile without credentials uses the role, as in awscli.
    bastion.sandbox.env("AWS_PROFILE", "default");
    bastion.ls().exits(0);
    let container = format!("{}/container", bastion.role.endpoint);
    bastion.sandbox.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", container).env("AWS_EC2_METADATA_DISABLED", "true");
    bastion.ls().exits(0);
    assert!(bastion.role.requests().contains(&"GET /container HTTP/1.1".to_string()), "{:?}", bastion.role.requests());
}

#[test]
fn missing_profile_is_refused_by_every_tool() {
    let mut bastion = Bastion::new("[profile dev]\nregion = us-east-1\n[other]\nregion = us-east-1\n");
    let container = format!("{}/container", bastion.role.endpoint);
    bastion.sandbox.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", container);
    for (variable, name) in [("AWS_PROFILE", "nosuch"), ("AWS_PROFILE", "other"), ("AWS_DEFAULT_PROFILE", "default")] {
        bastion.sandbox.env(variable, name);
        bastion.refuses(&format!("the AWS profile \"{name}\" (from {variable}) does not exist"));
    }
    bastion.sandbox.env("AWS_DEFAULT_PROFILE", "");
    bastion.refuses("AWS_DEFAULT_PROFILE is set and empty");
    bastion.sandbox.env("AWS_DEFAULT_PROFILE", "nosuch");
    // Keys in the environment make no difference.
    bastion.sandbox.env("AWS_ACCESS_KEY_ID", "testing").env("AWS_SECRET_ACCESS_KEY", "testing");
    let why = "the AWS profile \"nosuch\" (from AWS_DEFAULT_PROFILE) does not exist";
    bastion.refuses(why);
    for (tool, words) in [
        ("ec2-launch", vec!["web1"]),
        ("ec2-power", vec!["terminate", "--yes", "web1"]),
        ("ec2-power", vec!["stop", "--dry-run", "web1"]),
        ("ec2-tag", vec!["a=b", "web1"]),
    ] {
        let run = bastion.sandbox.run(tool, &words, "").exits(2);
        assert_eq!(run.records()[0]["error"], why);
        assert!(run.stderr.starts_with(&format!("{tool}: web1: {why}\n")), "{}", run.stderr);
    }
    assert_eq!((bastion.role.requests(), bastion.ec2.requests()), (vec![], vec![]));
}

#[test]
fn missing_source_profile_is_refused() {
    let role = "role_arn = arn:aws:iam::123456789012:role/r\n";
    let config = format!(
        "[profile near]\n{role}source_profile = gone\n[profile far]\n{role}source_profile = near\n\
         [profile loop]\n{role}source_profile = loop2\n[profile loop2]\n{role}source_profile = loop\n\
         [profile no-role]\nsource_profile = keys\n[profile empty-source]\n{role}source_profile = empty\n[profile empty]\n\
         [profile unset]\n{role}credential_source = Environment\n[profile ecs]\n{role}credential_source = EcsContainer\n\
         [profile sso]\nsso_account_id = 1\nsso_role_name = r\nsso_start_url = https://x.awsapps.com/start\n"
    );
    let mut bastion = Bastion::new(&config);
    for name in ["near", "far"] {
        bastion.sandbox.env("AWS_PROFILE", name);
        bastion.refuses("source_profile \"gone\" of the AWS profile \"near\" does not exist");
    }
    // A profile whose credentials fail for another reason does not use the role either.
    bastion.sandbox.env("AWS_REGION", "us-east-1");
    for name in ["loop", "no-role", "empty-source", "unset", "ecs", "sso"] {
        bastion.sandbox.env("AWS_PROFILE", name);
        let run = bastion.ls().exits(2);
        assert!(run.stderr.contains(&format!(" in the profile {name}")), "{}", run.stderr);
        assert_eq!((bastion.role.requests(), bastion.ec2.requests()), (vec![], vec![]), "{name}");
    }
    // Keys in the environment do not hide it.
    bastion
        .sandbox
        .env("AWS_ACCESS_KEY_ID", "testing")
        .env("AWS_SECRET_ACCESS_KEY", "testing")
        .env("AWS_PROFILE", "near");
    bastion.refuses("source_profile \"gone\" of the AWS profile \"near\" does not exist");
    // The default profile is used without being named.
    let bastion = Bastion::new(&format!("[default]\n{role}source_profile = gone\n"));
    bastion.refuses("source_profile \"gone\" of the AWS profile \"default\" does not exist");
}

#[test]
fn unreadable_configuration_is_refused() {
    let bastion = Bastion::new("");
    let file = bastion.sandbox.file(".aws/config", b"# caf\xe9\n[default]\naws_access_key_id = AKID\n");
    bastion.refuses(&format!("{}: it is not UTF-8", file.display()));
    bastion.sandbox.file(".aws/config", "[default\n");
    bastion.refuses(&format!("the AWS configuration: error parsing {} on line 1:", file.display()));
}

#[test]
fn incomplete_credentials_in_the_environment_are_refused() {
    let mut bastion = Bastion::new("");
    bastion.sandbox.env("AWS_ACCESS_KEY_ID", "testing");
    bastion.refuses("AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not");
}

#[test]
fn incomplete_credentials_in_a_profile_are_refused() {
    let mut bastion =
        Bastion::new("[profile half]\naws_access_key_id = AKID\n[profile other]\naws_secret_access_key = secret\n");
    bastion.sandbox.env("AWS_PROFILE", "half");
    bastion.refuses("the AWS profile \"half\" has aws_access_key_id, but no aws_secret_access_key");
    bastion.sandbox.env("AWS_PROFILE", "other");
    bastion.refuses("the AWS profile \"other\" has aws_secret_access_key, but no aws_access_key_id");
}

#[test]
fn existing_profile_is_used() {
    let role = "role_arn = arn:aws:iam::123456789012:role/r\n";
    let config = &format!(
        "[profile base]\nregion = eu-west-1\n[profile assumed]\n{role}source_profile = keys\n\
         [profile self]\n{role}source_profile = self\naws_access_key_id = AKID\naws_secret_access_key = secret\n\
         [profile process]\ncredential_process = cat keys.json\n\
         [profile via-role]\n{role}credential_source = Ec2InstanceMetadata\n"
    );
    let mut bastion = Bastion::new(config);
    bastion.sandbox.env("AWS_ACCESS_KEY_ID", "testing").env("AWS_SECRET_ACCESS_KEY", "testing");
    // botocore reads AWS_DEFAULT_PROFILE before AWS_PROFILE.
    bastion.sandbox.env("AWS_DEFAULT_PROFILE", "base").env("AWS_PROFILE", "keys");
    assert_eq!(bastion.ls().exits(0).records()[0]["region"], "eu-west-1");

    let mut bastion = Bastion::new(config);
    bastion.sandbox.env("AWS_REGION", "us-east-1");
    // The stand-in answers AssumeRole too.
    bastion.sandbox.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", Moto::shared().port));
    let keys = r#"{"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "secret"}"#;
    bastion.sandbox.file("keys.json", keys);
    for name in ["keys", "assumed", "process", "self"] {
        bastion.sandbox.env("AWS_PROFILE", name);
        bastion.ls().exits(0);
        assert_eq!(bastion.role.requests(), Vec::<String>::new(), "{name}");
    }
    // A profile may name the role of the instance itself.
    bastion.sandbox.env("AWS_PROFILE", "via-role");
    bastion.ls().exits(0);
    assert!(!bastion.role.requests().is_empty());
}

#[test]
fn a_control_character_in_the_credentials_is_refused() {
    let mut bastion = Bastion::new("[default]\nregion = us-east-1\n");
    bastion.sandbox.env("AWS_ACCESS_KEY_ID", "AKIA\r").env("AWS_SECRET_ACCESS_KEY", "x");
    let why = "has a control character, such as the line end of a file from Windows";
    bastion.refuses(&format!("the AWS credentials cannot be used: the access key id {why}"));
    bastion.sandbox.env("AWS_ACCESS_KEY_ID", "AKIA").env("AWS_SESSION_TOKEN", "a\nb");
    bastion.refuses(&format!("the AWS credentials cannot be used: the session token {why}"));
}

/// It would be read several times, and the first one waits for a writer.
#[test]
fn a_pipe_is_no_configuration() {
    let sandbox = Sandbox::new();
    let run = sandbox.sh("mkdir .aws; mkfifo .aws/config; ec2-ls").exits(2);
    assert!(run.stderr.ends_with("/.aws/config: it is a pipe, not a file\n"), "{}", run.stderr);
}
