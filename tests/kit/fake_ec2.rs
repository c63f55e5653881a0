//! An EC2 endpoint whose answers a test writes itself, for what moto cannot do: pages within a reservation, answers that
//! never come.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The reply to a request.
pub enum Reply {
    Xml(String),
    /// An EC2 error: its code and message.
    Error(&'static str, String),
    /// The connection is closed without an answer.
    HangUp,
    /// There is no answer, and the connection stays open.
    Silence,
    /// These bytes are sent, including the head. Then the connection is closed.
    Raw(String),
    /// Plain text, like an answer of the instance metadata service.
    Text(String),
}

/// A running endpoint. Its thread ends with the test process.
pub struct FakeEc2 {
    pub endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl FakeEc2 {
    /// Serves on a free loopback port. `reply` gets the body of each request, `Action=...&...`, or the first line of a
    /// request without a body, `GET /...`. Every image, instance type, subnet, security group and key pair that is looked
    /// up exists.
    pub fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> FakeEc2 {
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", server.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, reply) = (requests.clone(), Arc::new(reply));
        std::thread::spawn(move || {
            for client in server.incoming().flatten() {
                let (seen, reply) = (seen.clone(), reply.clone());
                std::thread::spawn(move || serve(client, &seen, &*reply));
            }
        });
        FakeEc2 { endpoint, requests }
    }

    /// Returns the bodies of the requests so far, or the first line of requests without a body.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic while it was held").clone()
    }
}

fn serve(client: TcpStream, seen: &Mutex<Vec<String>>, reply: &dyn Fn(&str) -> Reply) {
    let mut client = BufReader::new(client);
    let Some(body) = body(&mut client) else { return };
    seen.lock().expect("no panic while it was held").push(body.clone());
    match catalog(&body).unwrap_or_else(|| reply(&body)) {
        Reply::HangUp => {}
        Reply::Silence => std::thread::sleep(Duration::from_secs(600)),
        Reply::Xml(text) | Reply::Text(text) => answer(client.get_mut(), "200 OK", &text),
        Reply::Raw(answer) => _ = client.get_mut().write_all(answer.as_bytes()),
        Reply::Error(code, message) => {
            let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
            let xml = format!("<Response><Errors>{error}</Errors><RequestID>r</RequestID></Response>");
            answer(client.get_mut(), "400 Bad Request", &xml);
        }
    }
}

/// Answers the look-ups before a launch.
fn catalog(body: &str) -> Option<Reply> {
    let action = body.split('&').next()?.strip_prefix("Action=")?;
    let pairs: Vec<(&str, &str)> = body.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let is_name = |key: &str| key.starts_with("ImageId.") || key.starts_with("Filter.1.Value.");
    let names = pairs.iter().filter(|(key, _)| is_name(key)).map(|(_, name)| *name);
    let element = |name: &str, text: &str| format!("<{name}>{text}</{name}>");
    let (set, items): (&str, Vec<String>) = match action {
        "DescribeImages" => {
            let facts = "<imageState>available</imageState><rootDeviceType>ebs</rootDeviceType>\
                         <rootDeviceName>/dev/sda1</rootDeviceName>";
            ("imagesSet", names.map(|name| element("imageId", name) + facts).collect())
        }
        "DescribeInstanceTypes" => ("instanceTypeSet", names.map(|name| element("instanceType", name)).collect()),
        "DescribeKeyPairs" => ("keySet", names.map(|name| element("keyName", name)).collect()),
        "DescribeSecurityGroups" => {
            let group = |name| element("groupId", "sg-1") + &element("groupName", name) + &element("vpcId", "vpc-1");
            ("securityGroupInfo", names.map(group).collect())
        }
        "DescribeSubnets" => {
            let subnet = |zone| {
                let facts = "<vpcId>vpc-1</vpcId><defaultForAz>true</defaultForAz>";
                element("subnetId", &format!("subnet-{zone}")) + &element("availabilityZone", zone) + facts
            };
            ("subnetSet", ["us-east-1a", "us-east-1b", "us-east-1c"].map(subnet).into())
        }
        _ => return None,
    };
    let items: String = items.iter().map(|item| element("item", item)).collect();
    Some(Reply::Xml(element(&format!("{action}Response"), &element(set, &items))))
}

fn answer(client: &mut impl Write, status: &str, xml: &str) {
    // The metadata service sends the lifetime of a token in a header; EC2 sends no such header, and nobody reads it.
    let head = format!("HTTP/1.1 {status}\r\nx-aws-ec2-metadata-token-ttl-seconds: 600\r\nConnection: close");
    let _ = write!(client, "{head}\r\nContent-Length: {}\r\n\r\n{xml}", xml.len());
}

/// Reads the body of one request, or its first line if it has no body. Returns `None` if the client has gone.
fn body(client: &mut impl BufRead) -> Option<String> {
    let mut first = String::new();
    client.read_line(&mut first).ok()?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        client.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(("content-length", value)) = header.to_ascii_lowercase().split_once(": ") {
            length = value.trim().parse().ok()?;
        }
    }
    if length == 0 {
        return Some(first.trim_end().to_string());
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

/// Starts a server with the credentials of a role: the metadata service of an instance, and under `/container` that of a
/// container.
pub fn role() -> FakeEc2 {
    FakeEc2::start(|request| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let credentials = r#"{"Code":"Success","Type":"AWS-HMAC","LastUpdated":"2026-01-01T00:00:00Z","AccessKeyId":"role",
            "SecretAccessKey":"role","Token":"role","Expiration":"2099-01-01T00:00:00Z"}"#;
        Reply::Text(match path {
            "/latest/api/token" => "token".to_string(),
            "/latest/meta-data/iam/security-credentials/" => "role".to_string(),
            _ => credentials.to_string(),
        })
    })
}

/// Makes the first part of an answer, as from an HTTP/1.0 proxy whose connection ends early: no length shows that
/// something is missing.
pub fn cut_off(status: &str, xml: &str) -> Reply {
    Reply::Raw(format!("HTTP/1.0 {status}\r\nContent-Type: text/xml\r\n\r\n{}", &xml[..xml.len() * 2 / 3]))
}

/// Makes an answer to DescribeInstances with these instances (id, Name, state) in one reservation.
pub fn instances(instances: &[(&str, &str, &str)], next_token: Option<&str>) -> Reply {
    let item = |(id, host, state): &(&str, &str, &str)| {
        format!(
            "<item><instanceId>{id}</instanceId><instanceState><name>{state}</name></instanceState><tagSet><item>\
             <key>Name</key><value>{host}</value></item></tagSet></item>"
        )
    };
    let items: String = instances.iter().map(item).collect();
    let token = next_token.map(|token| format!("<nextToken>{token}</nextToken>")).unwrap_or_default();
    Reply::Xml(format!(
        "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><reservationSet><item>\
         <reservationId>r-1</reservationId><ownerId>123456789012</ownerId><instancesSet>{items}</instancesSet></item>\
         </reservationSet>{token}</DescribeInstancesResponse>"
    ))
}

/// Makes an answer to DescribeInstanceAttribute with this user-data, as base64.
pub fn user_data(base64: Option<&str>) -> Reply {
    let value = base64.map(|base64| format!("<value>{base64}</value>")).unwrap_or_default();
    Reply::Xml(format!(
        "<DescribeInstanceAttributeResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><userData>{value}\
         </userData></DescribeInstanceAttributeResponse>"
    ))
}
