//! moto, a stand-in for EC2: a server on a free loopback port, with a VPC of 127.0.0.0/16.

use crate::Sandbox;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A running server. It ends with the test process, even if that is killed.
pub struct Moto {
    _child: Child,
    pub port: u16,
    /// A subnet whose instances get loopback addresses.
    pub subnet: String,
    /// An AMI that exists.
    pub image: String,
}

pub const REGION: &str = "us-east-1";
const START: Duration = Duration::from_secs(60);

impl Moto {
    /// Returns the server that all tests of one program share. Each test uses its own host names.
    pub fn shared() -> &'static Moto {
        static SHARED: OnceLock<Moto> = OnceLock::new();
        SHARED.get_or_init(Moto::start)
    }

    /// Starts a server that checks AMIs, instance types and key pairs as EC2 does, and makes the VPC, the key pair
    /// `prod` and the security group `mysql`.
    fn start() -> Moto {
        let venv = crate::target_dir().join("venv/bin");
        let moto = venv.join("moto_server");
        assert!(moto.is_file(), "the EC2 stand-in is not installed ({}): run `make setup`", moto.display());
        // The shell ends the server when stdin ends, which is when this process has ended, and on Ctrl-C. The shell
        // closes stderr, so we see the end of a server that fails to start.
        let keeper = r#""$@" & server=$!; trap 'kill "$server"' EXIT; exec 2>/dev/null; read -r _"#;
        let mut child = Command::new("bash")
            .args(["-c", keeper, "moto"])
            .arg(venv.join("python"))
            .arg(crate::root().join("tests/kit/moto_server.py"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("PYTHONUNBUFFERED", "1")
            .env("MOTO_ENABLE_AMI_VALIDATION", "true")
            .env("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "true")
            .env("MOTO_ENABLE_KEYPAIR_VALIDATION", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto_server starts");
        let port = port(&mut child);
        let mut moto = Moto { _child: child, port, subnet: String::new(), image: String::new() };
        moto.set_up();
        moto
    }

    /// Makes a sandbox with the profile `MySQL`, whose tools use this server.
    pub fn sandbox(&self) -> Sandbox {
        let mut sandbox = Sandbox::new();
        self.env(&mut sandbox);
        sandbox.file("MySQL.yaml", self.profile());
        sandbox
    }

    /// Returns a profile in the form of the LISA report.
    pub fn profile(&self) -> String {
        format!(
            "--- !InstanceProfile\nname: MySQL\naws: !InstanceAws\n  ami:\n    {REGION}: {}\n  instance type: m5.large\n  \
             security group: mysql\n  key pair: prod\n  subnet: {}\n  elastic ip: no\n",
            self.image, self.subnet
        )
    }

    /// Makes the tools of a sandbox use this server.
    pub fn env(&self, sandbox: &mut Sandbox) {
        sandbox
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port))
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "testing")
            .env("AWS_SECRET_ACCESS_KEY", "testing");
    }

    fn set_up(&mut self) {
        let vpc = self.call(&[("Action", "CreateVpc"), ("CidrBlock", "127.0.0.0/16")]);
        let vpc = element(&vpc, "vpcId");
        let subnet = [("Action", "CreateSubnet"), ("VpcId", &vpc), ("CidrBlock", "127.0.0.0/20")];
        let zone = ("AvailabilityZone", "us-east-1a");
        self.subnet = element(&self.call(&[subnet.as_slice(), &[zone]].concat()), "subnetId");
        let group =
            [("Action", "CreateSecurityGroup"), ("GroupName", "mysql"), ("GroupDescription", "MySQL"), ("VpcId", &vpc)];
        self.call(&group);
        self.call(&[("Action", "CreateKeyPair"), ("KeyName", "prod")]);
        self.image = element(&self.call(&[("Action", "DescribeImages")]), "imageId");
    }

    /// Sends one call of the EC2 query API, for what the tools have no command for. Returns the XML of the answer.
    pub fn call(&self, parameters: &[(&str, &str)]) -> String {
        self.call_in(REGION, parameters)
    }

    /// Like [`Moto::call`], in another region.
    pub fn call_in(&self, region: &str, parameters: &[(&str, &str)]) -> String {
        let encode = |text: &str| -> String {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            text.bytes()
                .map(|byte| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") })
                .collect()
        };
        let pairs: Vec<_> = parameters.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
        let body = format!("{}&Version=2016-11-15", pairs.join("&"));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=testing/20260101/{region}/ec2/aws4_request, SignedHeaders=host, Signature=0"
        );
        let answer = self.post(region, &authorization, &body);
        assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.0 200"), "{parameters:?}: {answer}");
        answer
    }

    /// Makes a bucket, as `/BUCKET`, or an object in it.
    pub fn put(&self, path: &str, content: &[u8]) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the stand-in listens");
        stream.set_read_timeout(Some(START)).expect("a timeout");
        let head = format!(
            "PUT {path} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=testing/20260101/{REGION}/s3/aws4_request, SignedHeaders=host, Signature=0\r\n\
             Content-Length: {}\r\n\r\n",
            self.port,
            content.len()
        );
        stream.write_all(&[head.as_bytes(), content].concat()).expect("a request sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.contains(" 200 "), "{path}: {answer}");
    }

    fn post(&self, region: &str, authorization: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the stand-in listens");
        stream.set_read_timeout(Some(START)).expect("a timeout");
        write!(
            stream,
            "POST / HTTP/1.0\r\nHost: ec2.{region}.amazonaws.com\r\nAuthorization: {authorization}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("a request sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }
}

/// Returns the text of the first element of that name.
pub fn element(xml: &str, name: &str) -> String {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no <{name}> in {xml}"));
    rest.split_once("</").expect("a closed element").0.to_string()
}

/// Returns the port that the server prints. Its later messages are read and dropped, so it never blocks on them.
fn port(child: &mut Child) -> u16 {
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let started = Instant::now();
    while let Some(Ok(line)) = lines.next() {
        if let Some((_, rest)) = line.split_once("Running on http://127.0.0.1:") {
            let digits = rest.chars().take_while(char::is_ascii_digit).collect::<String>();
            std::thread::spawn(move || lines.for_each(drop));
            return digits.parse().expect("a port");
        }
        assert!(started.elapsed() < START, "the EC2 stand-in does not start: {line}");
    }
    panic!("the EC2 stand-in ended at its start");
}
