//! Settings of the AWS configuration, and the messages about wrong ones.

use kit::ec2_server::{Ec2Server, Fault, Options, Rule};
use kit::{FakeEc2, Outcome, Reply, Sandbox, fake_ec2};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

/// A sandbox with static keys, whose tools use `endpoint`.
fn with_keys(endpoint: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "AKID")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    sandbox
}

fn one_host() -> FakeEc2 {
    FakeEc2::start(|_| fake_ec2::instances(&[("i-1", "web1", "running")], None))
}

/// The lines of stderr of a run that must fail.
#[track_caller]
fn refused(run: Outcome) -> Vec<String> {
    let run = run.exits(2);
    assert_eq!(run.stdout, "");
    run.stderr.lines().map(|line| line.strip_prefix("ec2-ls: ").unwrap_or(line).to_string()).collect()
}

#[test]
fn an_empty_region_option_is_refused_by_every_tool() {
    let ec2 = one_host();
    let sandbox = with_keys(&ec2.endpoint);
    sandbox.file("Web.yaml", "ami: ami-0000000000000000b\ninstance type: t3.micro\n");
    for command in [
        "ec2-ls -r ''",
        "ec2-ls -r us-east-1,",
        "ec2-power stop -r '' web1",
        "ec2-tag -r '' team=x web1",
        "ec2-launch -p Web -r '' web1",
        "ec2-run -r '' -w web1 -- true",
    ] {
        let run = sandbox.sh(command).exits(2);
        let tool = command.split(' ').next().unwrap_or_default();
        let why = format!("--region: a name is empty\n{tool}: is it a variable that is not set?\n");
        assert!(run.stderr.contains(&why), "{command}\n{}", run.stderr);
    }
    assert_eq!(ec2.requests().len(), 0);
}

#[test]
fn empty_region_is_refused() {
    let ec2 = one_host();
    let mut sandbox = with_keys(&ec2.endpoint);
    sandbox.file(".aws/config", "[default]\nregion = eu-west-3\n");
    let region = |sandbox: &Sandbox| sandbox.run("ec2-ls", &[], "").exits(0).records()[0]["region"].clone();
    sandbox.env("AWS_REGION", "");
    assert_eq!(region(&sandbox), "eu-west-3");
    sandbox.env("AWS_DEFAULT_REGION", "eu-west-2");
    assert_eq!(region(&sandbox), "eu-west-2");
    sandbox.env("CERVEZA_REGIONS", "");
    assert_eq!(region(&sandbox), "eu-west-2");
    sandbox.env("CERVEZA_REGIONS", "eu-west-1");
    assert_eq!(region(&sandbox), "eu-west-1");
    let run = sandbox.run("ec2-ls", &["-r", "us-west-2"], "").exits(0);
    assert_eq!(run.records()[0]["region"], "us-west-2");
}

#[test]
fn zone_or_misspelt_region_is_refused_before_a_call() {
    let ec2 = one_host();
    let sandbox = with_keys(&ec2.endpoint);
    for (region, why, hint) in [
        ("us-east-1a", "\"us-east-1a\" is an availability zone in us-east-1, not a region", "--region us-east-1"),
        ("use1-az1", "\"use1-az1\" is the id of an availability zone in us-east-1, not a region", "--region us-east-1"),
        ("us-esat-1", "\"us-esat-1\" is not the name of a region", "us-east-1"),
    ] {
        let lines = refused(sandbox.run("ec2-ls", &["-r", region], ""));
        assert_eq!(lines[0], why);
        assert!(lines[1].ends_with(hint), "{lines:?}");
        let run = sandbox.run("ec2-power", &["stop", "-r", region, "web1"], "").exits(2);
        assert!(run.stderr.starts_with(&format!("ec2-power: web1: {why}\n")), "{}", run.stderr);
    }
    assert_eq!(ec2.requests(), Vec::<String>::new());
    // A region that AWS opened after this release.
    sandbox.run("ec2-ls", &["-r", "nz-south-1"], "").exits(0);
}

#[test]
fn number_of_attempts_comes_from_the_configuration() {
    let attempts = |variable: Option<(&str, &str)>, config: &str| {
        let ec2 = FakeEc2::start(|_| Reply::HangUp);
        let mut sandbox = with_keys(&ec2.endpoint);
        sandbox.file(".aws/config", format!("[default]\n{config}\n"));
        if let Some((name, value)) = variable {
            sandbox.env(name, value);
        }
        sandbox.run("ec2-ls", &[], "").exits(2);
        ec2.requests().len()
    };
    assert_eq!(attempts(Some(("AWS_MAX_ATTEMPTS", "1")), "max_attempts = 2"), 1);
    assert_eq!(attempts(None, "max_attempts = 2\nretry_mode = standard"), 2);
    let sandbox = |name: &str, value: &str| {
        let mut sandbox = with_keys("http://127.0.0.1:1");
        sandbox.env(name, value);
        refused(sandbox.run("ec2-ls", &[], ""))[0].clone()
    };
    assert_eq!(sandbox("AWS_MAX_ATTEMPTS", "0"), "AWS_MAX_ATTEMPTS: \"0\" is not a number of 1 or more");
    assert_eq!(
        sandbox("AWS_RETRY_MODE", "never"),
        "AWS_RETRY_MODE: \"never\" is not one of legacy, standard, adaptive"
    );
}

#[test]
fn credentials_that_only_the_aws_cli_can_get_are_refused_with_a_hint() {
    let sandbox = |profile: &str| {
        let mut sandbox = Sandbox::new();
        let role = "role_arn = arn:aws:iam::123456789012:role/ops\n";
        sandbox.file(
            ".aws/config",
            format!(
                "[profile keys]\naws_access_key_id = AKID\naws_secret_access_key = secret\n\
                 [profile mfa]\n{role}source_profile = keys\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n\
                 [profile console]\nlogin_session = arn:aws:iam::123456789012:user/me\n\
                 [profile over]\n{role}source_profile = console\n"
            ),
        );
        sandbox.env("AWS_REGION", "us-east-1").env("AWS_PROFILE", profile);
        sandbox
    };
    for (profile, why) in [
        ("mfa", "the AWS profile \"mfa\" needs an MFA code (mfa_serial), which only the AWS CLI asks for"),
        ("console", "the AWS profile \"console\" has a session of `aws login`, which only the AWS CLI can use"),
        ("over", "the AWS profile \"console\" has a session of `aws login`, which only the AWS CLI can use"),
    ] {
        let lines = refused(sandbox(profile).run("ec2-ls", &[], ""));
        assert_eq!(lines[0], why);
        assert!(lines[1].contains(&format!("export-credentials --profile {profile} --format env")), "{lines:?}");
    }
    // Keys in the environment are used instead.
    let ec2 = one_host();
    let mut sandbox = sandbox("mfa");
    sandbox
        .env("AWS_ENDPOINT_URL", &ec2.endpoint)
        .env("AWS_ACCESS_KEY_ID", "AKID")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    sandbox.run("ec2-ls", &[], "").exits(0);
    // But not if --account names the profile, as with `aws --profile`.
    assert!(refused(sandbox.run("ec2-ls", &["--account", "mfa"], ""))[0].contains("needs an MFA code"));
}

#[test]
fn expired_sso_session_names_the_login_command() {
    let mut sandbox = Sandbox::new();
    let profile = "sso_account_id = 123456789012\nsso_role_name = ops\n";
    let start = "sso_region = us-east-1\nsso_start_url = https://corp.awsapps.com/start\n";
    sandbox.file(
        ".aws/config",
        format!(
            "[profile prod]\nsso_session = corp\n{profile}[sso-session corp]\n{start}[profile old]\n{start}{profile}\
             [profile role]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = prod\n"
        ),
    );
    sandbox.env("AWS_REGION", "us-east-1");
    // The SSO service answers Unauthorized for a session that was ended elsewhere.
    let ended = r#"{"message":"Session token not found or invalid"}"#;
    let head = format!(
        "HTTP/1.1 401 Unauthorized\r\nx-amzn-ErrorType: UnauthorizedException\r\nContent-Length: {}",
        ended.len()
    );
    let answer = format!("{head}\r\nConnection: close\r\n\r\n{ended}");
    let sso = FakeEc2::start(move |_| Reply::Raw(answer.clone()));
    sandbox.env("AWS_ENDPOINT_URL_SSO", &sso.endpoint);
    let token = |expires: &str| {
        format!("{{\"accessToken\":\"t\",\"expiresAt\":\"{expires}\",\"region\":\"us-east-1\",\"startUrl\":\"u\"}}")
    };
    let mut check = |file: Option<String>| {
        for (profile, of) in [("prod", "prod"), ("old", "old"), ("role", "prod")] {
            for (name, key) in [("corp", "prod"), ("https://corp.awsapps.com/start", "old")] {
                let sum = sandbox.sh(&format!("printf %s '{name}' | sha1sum")).stdout;
                let path = format!(".aws/sso/cache/{}.json", sum.split(' ').next().unwrap());
                if let Some(file) = file.as_ref().filter(|_| key == of) {
                    sandbox.file(&path, file);
                }
            }
            sandbox.env("AWS_PROFILE", profile);
            let lines = refused(sandbox.run("ec2-ls", &[], ""));
            assert!(
                lines[0].starts_with(&format!("the SSO session of the AWS profile \"{of}\" has expired")),
                "{lines:?}"
            );
            assert!(lines[1].contains(&format!("`aws sso login --profile {of}`")), "{lines:?}");
        }
    };
    check(None);
    check(Some(token("2020-01-01T00:00:00Z")));
    check(Some(token("2099-01-01T00:00:00Z")));
}

#[test]
fn error_of_the_token_service_is_readable() {
    let error = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: me is not authorized to \
                 assume ops</Message></Error><RequestId>r</RequestId></ErrorResponse>";
    let answer =
        format!("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{error}", error.len());
    let sts = FakeEc2::start(move |_| Reply::Raw(answer.clone()));
    let mut sandbox = Sandbox::new();
    let keys = "aws_access_key_id = AKID\naws_secret_access_key = secret\n";
    let role = "role_arn = arn:aws:iam::123456789012:role/ops\nsource_profile = keys\n";
    sandbox.file(".aws/config", format!("[profile keys]\n{keys}[profile ops]\n{role}"));
    sandbox.env("AWS_REGION", "us-east-1").env("AWS_PROFILE", "ops").env("AWS_ENDPOINT_URL", &sts.endpoint);
    let lines = refused(sandbox.run("ec2-ls", &[], ""));
    let why = "AccessDenied: User: me is not authorized to assume ops";
    assert_eq!(lines[0], format!("the AWS credentials in the profile ops cannot be used: {why}"));
    assert_eq!(lines[1], "`aws sts get-caller-identity --profile ops` uses the same credentials");
}

/// The time in the format of HTTP.
fn http_date(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970").as_secs();
    let run = Sandbox::new().sh(&format!("date -u -d @{seconds} '+%a, %d %b %Y %H:%M:%S GMT'"));
    run.stdout.trim().to_string()
}

#[test]
fn wrong_clock_is_reported() {
    let hour = Duration::from_secs(3600);
    let now = SystemTime::now();
    for (code, theirs, how) in [("RequestExpired", now + 2 * hour, "behind"), ("AuthFailure", now - hour, "ahead of")] {
        let error =
            format!("<Response><Errors><Error><Code>{code}</Code><Message>No.</Message></Error></Errors></Response>");
        let head = format!("HTTP/1.1 400 Bad Request\r\nDate: {}\r\nConnection: close", http_date(theirs));
        let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{error}", error.len());
        let ec2 = FakeEc2::start(move |_| Reply::Raw(answer.clone()));
        let lines = refused(with_keys(&ec2.endpoint).run("ec2-ls", &[], ""));
        assert_eq!(lines[0], format!("DescribeInstances in us-east-1: {code}: No."));
        assert!(lines[1].starts_with("the clock of this machine is ") && lines[1].contains(how), "{lines:?}");
    }
}

#[test]
fn refusing_proxy_is_named() {
    let refuses = || Reply::Raw("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n".to_string());
    let proxy = FakeEc2::start(move |_| refuses());
    let host = proxy.endpoint.trim_start_matches("http://").to_string();
    let address = format!("http://me:secret-word@{host}");
    for (endpoint, variable) in [("https://ec2.invalid", "HTTPS_PROXY"), ("http://ec2.invalid", "HTTP_PROXY")] {
        let mut sandbox = with_keys(endpoint);
        sandbox.env(variable, &address);
        let lines = refused(sandbox.run("ec2-ls", &[], ""));
        assert_eq!(lines[0], "DescribeInstances in us-east-1: the proxy asks for a user and password (HTTP 407)");
        let hint = format!("{variable} names the proxy: write it as http://USER:PASSWORD@{host}");
        assert_eq!(lines[1..], [hint]);
        let mut sandbox = with_keys(endpoint);
        sandbox.env(variable, "http://me:secret-word@127.0.0.1:1");
        let lines = refused(sandbox.run("ec2-ls", &[], ""));
        assert!(lines[0].ends_with("the endpoint cannot be reached: Connection refused"), "{lines:?}");
        assert!(lines[1].starts_with("requests go through the proxy 127.0.0.1:1 ("), "{lines:?}");
        assert!(!lines.concat().contains("secret-word"));
    }
}

/// A server of HTTPS whose certificate is signed by `ca.pem`, which lists the host web1. It ends when it is dropped.
struct HttpsServer(Child, u16);

impl Drop for HttpsServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const SERVER: &str = r#"
import http.server, ssl, sys
ANSWER = b"<DescribeInstancesResponse><reservationSet><item><ownerId>1</ownerId><instancesSet><item><instanceId>i-1</instanceId><instanceState><name>running</name></instanceState><tagSet><item><key>Name</key><value>web1</value></item></tagSet></item></instancesSet></item></reservationSet></DescribeInstancesResponse>"
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("leaf.pem", "leaf.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

const CERTIFICATES: &str = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem \
    -days 3 -subj '/CN=Test CA' 2>/dev/null && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout \
    leaf.key -out leaf.csr -subj /CN=localhost 2>/dev/null && printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > ext && \
    openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3 -extfile ext -out leaf.pem 2>/dev/null";

fn https_server(sandbox: &Sandbox) -> HttpsServer {
    use std::io::{BufRead, BufReader};
    sandbox.sh(CERTIFICATES).exits(0);
    let mut python = Command::new("python3");
    python.args(["-c", SERVER]).current_dir(sandbox.dir()).stdout(Stdio::piped());
    let mut child = python.spawn().expect("python3 runs");
    let mut port = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut port).expect("a port");
    HttpsServer(child, port.trim().parse().expect("a number"))
}

#[test]
fn ca_bundle_replaces_the_certificates_of_the_system() {
    let mut sandbox = with_keys("");
    let server = https_server(&sandbox);
    sandbox.env("AWS_ENDPOINT_URL", format!("https://localhost:{}", server.1)).env("AWS_MAX_ATTEMPTS", "1");
    let lines = refused(sandbox.run("ec2-ls", &[], ""));
    assert!(lines[0].contains("certificate"), "{lines:?}");
    sandbox.env("AWS_CA_BUNDLE", "ca.pem");
    assert_eq!(sandbox.run("ec2-ls", &["-1"], "").exits(0).stdout, "web1\n");
    // A certificate that cannot be read is skipped.
    let broken = "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n";
    sandbox.sh(&format!("printf -- '{}' | cat - ca.pem > two.pem", broken.replace('\n', "\\n"))).exits(0);
    sandbox.env("AWS_CA_BUNDLE", "").file(".aws/config", "[default]\nca_bundle = two.pem\n");
    assert_eq!(sandbox.run("ec2-ls", &["-1"], "").exits(0).stdout, "web1\n");
    for (bundle, why) in [
        ("nosuch.pem", "cannot read nosuch.pem (AWS_CA_BUNDLE): No such file or directory"),
        ("ext", "ext (AWS_CA_BUNDLE): there is no certificate in it"),
    ] {
        sandbox.env("AWS_CA_BUNDLE", bundle);
        assert_eq!(refused(sandbox.run("ec2-ls", &[], ""))[0], why);
    }
}

#[test]
fn denied_region_does_not_hide_hosts_of_other_regions() {
    let ec2 = Ec2Server::start(Options::default());
    let sandbox = ec2.sandbox();
    sandbox.file("Web.yaml", "ami: ami-0000000000000000b\ninstance type: t3.micro\nelastic ip: no\n");
    sandbox.run("ec2-launch", &["-p", "Web", "web1"], "").exits(0);
    let denied = "You are not authorized: with an explicit deny in a service control policy";
    ec2.fault(Rule::any(Fault::refuse(403, "UnauthorizedOperation", denied)).in_region("eu-west-1").always());
    let regions = ["-r", "eu-west-1,us-east-1"];
    for args in [vec!["ec2-power", "stop", "--wait", "web1"], vec!["ec2-tag", "a=b", "web1"]] {
        let run = sandbox.run(args[0], &[&args[1..], &regions].concat(), "").exits(0);
        assert_eq!(run.records()[0]["region"], "us-east-1");
        assert!(
            run.stderr.contains("hosts in this region were not looked up: DescribeInstances in eu-west-1: "),
            "{}",
            run.stderr
        );
    }
    let run = sandbox.run("ec2-power", &[&["stop", "web[1-2]"], regions.as_slice()].concat(), "").exits(3);
    let error = run.records()[1]["error"].as_str().unwrap().to_string();
    assert!(error.starts_with("DescribeInstances in eu-west-1: UnauthorizedOperation: "), "{error}");
    let run = sandbox.run("ec2-ls", &[&["-1"], regions.as_slice()].concat(), "").exits(3);
    assert_eq!(run.stdout, "web1\n");
}

#[test]
fn hanging_region_is_given_up_and_the_others_are_listed() {
    let ec2 = Ec2Server::start(Options::default());
    let sandbox = ec2.sandbox();
    sandbox.file("Web.yaml", "ami: ami-0000000000000000b\ninstance type: t3.micro\nelastic ip: no\n");
    sandbox.run("ec2-launch", &["-p", "Web", "web1"], "").exits(0);
    ec2.fault(Rule::any(Fault::SilenceBefore).in_region("eu-west-1").always());
    let run = sandbox.run("ec2-ls", &["-1", "-r", "eu-west-1,us-east-1", "--timeout", "2"], "").exits(3);
    assert_eq!(run.stdout, "web1\n");
    assert!(run.stderr.starts_with("ec2-ls: DescribeInstances in eu-west-1: no answer in "), "{}", run.stderr);
    let asked = ec2.calls().iter().filter(|call| call.region == "eu-west-1").count();
    assert!((1..=2).contains(&asked), "{asked}");
}

#[test]
fn denial_for_many_hosts_is_reported_once_and_briefly() {
    let ec2 = Ec2Server::start(Options::default());
    let sandbox = ec2.sandbox();
    sandbox.file("Web.yaml", "ami: ami-0000000000000000b\ninstance type: t3.micro\nelastic ip: no\n");
    sandbox.run("ec2-launch", &["-p", "Web", "web[1-3]"], "").exits(0);
    let token = "Ab9-_".repeat(500);
    let denied = format!("You are not authorized. Encoded authorization failure message: {token}");
    ec2.fault(Rule::on("StopInstances", Fault::refuse(403, "UnauthorizedOperation", &denied)).always());
    let run = sandbox.run("ec2-power", &["stop", "web[1-3]"], "").exits(3);
    let lines: Vec<&str> = run.stderr.lines().collect();
    let why = "StopInstances in us-east-1: UnauthorizedOperation: You are not authorized. Encoded authorization failure message: ";
    assert_eq!(lines[0], format!("ec2-power: web[1-3]: {why}{}...", &token[..20]));
    assert!(
        lines[1].starts_with("ec2-power: `aws sts decode-authorization-message --encoded-message ...` "),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(run.records()[0]["error"], format!("{why}{token}"));
    let run = sandbox.run("ec2-power", &["stop", "-o", "table", "web[1-3]"], "").exits(3);
    assert!(!run.stdout.contains(&token) && run.stdout.contains("ERROR"), "{}", run.stdout);
}
