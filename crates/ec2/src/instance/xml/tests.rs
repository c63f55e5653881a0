//! The reader against a table, against every way that an answer can arrive, and against the SDK's own parser.

use super::*;
use crate::config::http::http_client;
use crate::instance::page::InstancePage;
use aws_credential_types::Credentials;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_sdk_ec2::primitives::DateTimeFormat;
use aws_sdk_ec2::types::Instance;
use cerveza_record::{Record, Value, json};
use proptest::prelude::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

const ANSWER: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
    <requestId>8f7724cf-496f-496e-8fe3-example</requestId>
    <reservationSet>
        <item>
            <reservationId>r-1</reservationId>
            <ownerId>123456789012</ownerId>
            <groupSet><item><groupId>sg-classic</groupId></item></groupSet>
            <instancesSet>
                <item>
                    <instanceId>i-0123456789abcdef0</instanceId>
                    <imageId>ami-1</imageId>
                    <instanceState><code>80</code><name>stopped</name></instanceState>
                    <privateDnsName>ip-10-0-0-1.ec2.internal</privateDnsName>
                    <dnsName/>
                    <reason>User initiated (2026-01-31 12:00:00 GMT)</reason>
                    <launchTime>2026-01-01T02:03:04.000Z</launchTime>
                    <placement><availabilityZone>us-east-1a</availabilityZone><tenancy>default</tenancy></placement>
                    <monitoring><state>disabled</state></monitoring>
                    <groupSet>
                        <item><groupId>sg-1</groupId><groupName>web</groupName></item>
                        <item><groupName>ssh</groupName><groupId>sg-2</groupId></item>
                    </groupSet>
                    <stateReason><code>Client.X</code><message>Client.X: User &lt;initiated&gt;</message></stateReason>
                    <blockDeviceMapping>
                        <item>
                            <deviceName>/dev/xvda</deviceName>
                            <ebs><volumeId>vol-1</volumeId><deleteOnTermination>true</deleteOnTermination></ebs>
                        </item>
                    </blockDeviceMapping>
                    <tagSet>
                        <item><key>Name</key><value>a &amp; b &#233;&#x1F600;</value></item>
                        <item><key>note</key><value><![CDATA[<x>]]></value></item>
                    </tagSet>
                    <networkInterfaceSet>
                        <item>
                            <networkInterfaceId>eni-1</networkInterfaceId>
                            <groupSet><item><groupId>sg-9</groupId></item></groupSet>
                            <tagSet><item><key>Name</key><value>eni</value></item></tagSet>
                            <ipv6AddressesSet><item><ipv6Address>2001:db8::1</ipv6Address></item></ipv6AddressesSet>
                        </item>
                    </networkInterfaceSet>
                    <metadataOptions><httpTokens>required</httpTokens></metadataOptions>
                </item>
            </instancesSet>
        </item>
        <!-- The account comes last. -->
        <item>
            <instancesSet><item><instanceId>i-2</instanceId></item></instancesSet>
            <ownerId>210987654321</ownerId>
        </item>
    </reservationSet>
    <nextToken>more</nextToken>
</DescribeInstancesResponse>
"#;

/// Returns what the SDK gets, and the records, of an answer that arrives in these parts.
fn read<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<(String, Vec<Record>), BadXml> {
    let mut xml = InstanceXml::new();
    let mut kept = Vec::new();
    for part in parts {
        kept.extend(xml.read(part)?);
    }
    kept.extend(xml.finish()?);
    Ok((String::from_utf8(kept).unwrap(), records(xml.take_instances())))
}

fn records(instances: Vec<InstanceFacts>) -> Vec<Record> {
    instances.iter().map(|instance| instance.record("us-east-1", None)).collect()
}

fn read_text(text: &str) -> Result<(String, Vec<Record>), BadXml> {
    read([text.as_bytes()])
}

#[test]
fn instances_become_records_and_the_sdk_gets_the_rest() {
    let (kept, records) = read_text(ANSWER).unwrap();
    let squeezed: String = kept.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        squeezed,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?> <DescribeInstancesResponse \
         xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"> <requestId>8f7724cf-496f-496e-8fe3-example</requestId> \
         <reservationSet> <!-- The account comes last. --> </reservationSet> <nextToken>more</nextToken> </DescribeInstancesResponse>"
    );
    let [first, second] = records.as_slice() else { panic!("{records:?}") };
    for (key, value) in [
        ("host", json!("a & b é😀")),
        ("instance_id", json!("i-0123456789abcdef0")),
        ("zone", json!("us-east-1a")),
        ("account", json!("123456789012")),
        ("state", json!("stopped")),
        ("public_dns", Value::Null),
        ("ipv6", json!("2001:db8::1")),
        ("security_groups", json!(["web", "ssh"])),
        ("security_group_ids", json!(["sg-1", "sg-2"])),
        ("launch_time", json!("2026-01-01T02:03:04Z")),
        ("state_reason", json!("Client.X: User <initiated>")),
        ("state_time", json!("2026-01-31T12:00:00Z")),
        ("monitoring", json!("disabled")),
        ("metadata_options", json!({"http_tokens": "required"})),
        ("tags", json!({"Name": "a & b é😀", "note": "<x>"})),
        ("volumes", json!([{"device": "/dev/xvda", "volume_id": "vol-1", "delete_on_termination": true}])),
    ] {
        assert_eq!(first.get(key), Some(value), "{key}");
    }
    assert_eq!((second.host(), second.str("account").as_deref()), ("i-2", Some("210987654321")));
}

#[test]
fn a_launch_is_read_like_a_description() {
    let answer = "<RunInstancesResponse><ownerId>1</ownerId><groupSet/><instancesSet><item><instanceId>i-1</instanceId>\
                  </item></instancesSet></RunInstancesResponse>";
    let (kept, records) = read_text(answer).unwrap();
    assert_eq!((records[0].host(), records[0].str("account").as_deref()), ("i-1", Some("1")));
    assert_eq!(
        kept,
        "<RunInstancesResponse><ownerId>1</ownerId><groupSet/><instancesSet></instancesSet></RunInstancesResponse>"
    );
}

#[test]
fn it_does_not_matter_how_an_answer_arrives() {
    let whole = read_text(ANSWER).unwrap();
    let bytes = ANSWER.as_bytes();
    for at in (0..bytes.len()).step_by(7) {
        assert_eq!(read([&bytes[..at], &bytes[at..]]).unwrap(), whole, "in two parts at {at}");
    }
    for size in [1, 2, 3, 7, 100] {
        assert_eq!(read(bytes.chunks(size)).unwrap(), whole, "in parts of {size}");
    }
}

#[test]
fn an_answer_that_was_cut_off_is_an_error() {
    let root = ANSWER.find("<DescribeInstancesResponse").unwrap();
    for length in (0..ANSWER.trim_end().len()).step_by(3) {
        let Some(text) = ANSWER.get(..length) else { continue };
        match read_text(text) {
            // The root has not come: what there is goes to the SDK, and `CompleteAnswer` refuses it.
            Ok((kept, records)) => {
                assert_eq!((kept.as_str(), records.len()), (text, 0));
                assert!(
                    length
                        < root + "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">".len()
                );
            }
            Err(error) => {
                let is_said = error.0 == "it was cut off" || error.0.ends_with("before end of input");
                assert!(is_said, "{}: {text}", error.0);
            }
        }
    }
}

#[test]
fn broken_xml_is_an_error() {
    let of = |inner: &str| read_text(&format!("<AResponse>{inner}</AResponse>")).unwrap_err().0;
    assert_eq!(of("<a><b></a></b>"), "it is not well-formed XML: unexpected </a>");
    assert_eq!(of("<a>&nbsp;</a>"), "it has the unknown reference &nbsp;");
    assert_eq!(of("<a>&#xD800;</a>"), "it has the unknown reference &#xD800;");
    assert!(of("<a>a & b</a>").starts_with("it is not well-formed XML: "), "{}", of("<a>a & b</a>"));
    assert!(read([&b"<AResponse>\xff</AResponse>"[..]]).is_err());
}

#[test]
fn what_is_not_of_ec2_reaches_the_sdk_whole() {
    for text in
        ["", "Bad Gateway", "{\"a\":1}", "<html><body><p>x</body></html>", "<!doctype html>\n<p>x", "<a/>", "<Error>&x"]
    {
        assert_eq!(read_text(text), Ok((text.to_string(), Vec::new())), "{text}");
        let parts: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(read(parts), Ok((text.to_string(), Vec::new())), "{text}");
    }
}

/// The instances of an answer, and the token of the next page.
type Listing = (Vec<Record>, Option<String>);

/// An answer's server on loopback, and a client that asks it.
struct Loopback {
    answer: Arc<Mutex<String>>,
    client: Client,
    runtime: tokio::runtime::Runtime,
}

impl Loopback {
    fn start() -> Loopback {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = aws_sdk_ec2::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .endpoint_url(format!("http://{}", listener.local_addr().unwrap()))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .http_client(http_client(None))
            .retry_config(RetryConfig::disabled());
        let answer = Arc::new(Mutex::new(String::new()));
        let shared = answer.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                serve(BufReader::new(client.unwrap()), &shared);
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Loopback { answer, client: Client::from_conf(config.build()), runtime }
    }

    /// Returns an answer as the SDK reads it, and as this reader does.
    fn read_by_both(&self, answer: &str) -> (Listing, Listing) {
        *self.answer.lock().unwrap() = answer.to_string();
        let request = self.client.describe_instances();
        let by_sdk = self.runtime.block_on(request.clone().send()).unwrap();
        let expected = by_sdk.reservations().iter().flat_map(|reservation| {
            reservation.instances().iter().map(|instance| expected(instance, reservation.owner_id()))
        });
        let page = InstancePage::new("us-east-1", None, Default::default());
        let by_us = self.runtime.block_on(request.customize().interceptor(page.clone()).send()).unwrap();
        assert_eq!(by_us.reservations(), []);
        ((expected.collect(), by_sdk.next_token.clone()), (page.take_records(), by_us.next_token))
    }
}

/// Answers every request of a connection.
fn serve(mut stream: BufReader<std::net::TcpStream>, answer: &Mutex<String>) -> Option<()> {
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        stream.read_exact(&mut vec![0; length]).ok()?;
        let body = answer.lock().unwrap().clone();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.get_mut().write_all((head + &body).as_bytes()).ok()?;
    }
}

/// Returns the record of what the SDK has read.
fn expected(instance: &Instance, account: Option<&str>) -> Record {
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map_or(Value::Null, Value::from);
    let tag = |key: &str| instance.tags().iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value());
    let groups = instance.security_groups();
    let reason = instance.state_reason();
    let message = reason.and_then(|reason| reason.message()).filter(|message| !message.is_empty());
    let interfaces = instance.network_interfaces().iter();
    let mut addresses = interfaces.flat_map(|it| it.ipv6_addresses()).filter_map(|address| address.ipv6_address());
    let ipv6 = instance.ipv6_address().filter(|address| !address.is_empty()).or(addresses.next());
    let launched = instance.launch_time().map(|time| time.fmt(DateTimeFormat::DateTime).unwrap());
    let options = instance.metadata_options().map(|options| {
        let mut known = serde_json::Map::new();
        let mut put = |key: &str, value: Option<Value>| _ = value.map(|value| known.insert(key.to_string(), value));
        put("http_tokens", options.http_tokens().map(|it| text(Some(it.as_str()))));
        put("http_put_response_hop_limit", options.http_put_response_hop_limit().map(Value::from));
        put("http_endpoint", options.http_endpoint().map(|it| text(Some(it.as_str()))));
        known
    });
    let volume = |mapping: &aws_sdk_ec2::types::InstanceBlockDeviceMapping| {
        let ebs = mapping.ebs();
        json!({
            "device": text(mapping.device_name()),
            "volume_id": text(ebs.and_then(|ebs| ebs.volume_id())),
            "delete_on_termination": ebs.and_then(|ebs| ebs.delete_on_termination()),
        })
    };
    let mut tags: Vec<(&str, &str)> =
        instance.tags().iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default())).collect();
    tags.sort_unstable();
    let id = instance.instance_id().unwrap_or_default();
    let mut record = Record::named(crate::instance::host_name(tag("Name"), id));
    for (key, value) in [
        ("instance_id", json!(id)),
        ("region", json!("us-east-1")),
        ("zone", text(instance.placement().and_then(|placement| placement.availability_zone()))),
        ("account", text(account)),
        ("state", text(instance.state().and_then(|state| state.name()).map(|name| name.as_str()))),
        ("instance_type", text(instance.instance_type().map(|kind| kind.as_str()))),
        ("image_id", text(instance.image_id())),
        ("private_ip", text(instance.private_ip_address())),
        ("public_ip", text(instance.public_ip_address())),
        ("ipv6", text(ipv6)),
        ("private_dns", text(instance.private_dns_name())),
        ("public_dns", text(instance.public_dns_name())),
        ("key_name", text(instance.key_name())),
        ("security_groups", groups.iter().map(|group| text(group.group_name())).collect()),
        ("security_group_ids", groups.iter().map(|group| text(group.group_id())).collect()),
        ("subnet_id", text(instance.subnet_id())),
        ("vpc_id", text(instance.vpc_id())),
        ("launch_time", text(launched.as_deref())),
        ("state_reason", text(message.or(reason.and_then(|reason| reason.code())))),
        ("state_time", Value::Null),
        ("lifecycle", text(instance.instance_lifecycle().map(|it| it.as_str()))),
        ("architecture", text(instance.architecture().map(|it| it.as_str()))),
        ("platform", text(instance.platform_details())),
        ("iam_profile", text(instance.iam_instance_profile().and_then(|profile| profile.arn()))),
        ("root_device", text(instance.root_device_name())),
        ("monitoring", text(instance.monitoring().and_then(|it| it.state()).map(|state| state.as_str()))),
        ("metadata_options", options.filter(|options| !options.is_empty()).map_or(Value::Null, Value::Object)),
        ("profile", text(tag("profile"))),
        ("tags", tags.into_iter().map(|(key, value)| (key.to_string(), json!(value))).collect()),
        ("volumes", instance.block_device_mappings().iter().map(volume).collect()),
    ] {
        record.set(key, value);
    }
    record
}

fn element(name: &str, content: &str) -> String {
    if content.is_empty() { format!("<{name}/>") } else { format!("<{name}>{content}</{name}>") }
}

/// Returns a text as XML; its markup is escaped in different ways.
fn any_text() -> BoxedStrategy<String> {
    let escaped = |text: String| {
        let escape = |c: char| match c {
            '<' => "&lt;".to_string(),
            '>' => "&gt;".to_string(),
            '&' => "&amp;".to_string(),
            '"' => "&quot;".to_string(),
            '\'' => "&apos;".to_string(),
            '#' => "&#35;".to_string(),
            'é' => "&#xe9;".to_string(),
            c => c.to_string(),
        };
        text.chars().map(escape).collect::<String>()
    };
    "[a-z<>&\"'#é字😀\\n\\t -]{0,6}".prop_map(escaped).boxed()
}

fn named(name: &'static str, content: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    content.prop_map(move |content| element(name, &content)).boxed()
}

/// Some of `parts`, in any order.
fn some_of(parts: Vec<BoxedStrategy<String>>) -> BoxedStrategy<String> {
    let parts = parts.into_iter().map(proptest::option::of).collect::<Vec<_>>();
    let join = |parts: Vec<Option<String>>| parts.into_iter().flatten().collect::<Vec<_>>().join("\n ");
    parts.prop_map(|parts| parts).prop_shuffle().prop_map(join).boxed()
}

/// Returns a list of items that each have some of `parts`.
fn list(name: &'static str, parts: Vec<BoxedStrategy<String>>) -> BoxedStrategy<String> {
    let items = proptest::collection::vec(named("item", some_of(parts)), 0..3);
    named(name, items.prop_map(|items| items.concat()))
}

fn any_instance() -> BoxedStrategy<String> {
    let texts = [
        "imageId",
        "instanceType",
        "privateIpAddress",
        "ipAddress",
        "ipv6Address",
        "privateDnsName",
        "dnsName",
        "keyName",
        "subnetId",
        "vpcId",
        "instanceLifecycle",
        "architecture",
        "platformDetails",
        "rootDeviceName",
        "clientToken",
    ];
    let mut parts: Vec<_> = texts.into_iter().map(|name| named(name, any_text())).collect();
    let group = || list("groupSet", vec![named("groupId", any_text()), named("groupName", any_text())]);
    // A key twice would be one key of an object.
    let key = proptest::sample::select(vec!["Name", "profile", "role"]);
    let tags = proptest::collection::btree_map(key, any_text(), 0..3).prop_map(|tags| {
        let item = |(key, value): (&&str, &String)| element("item", &(element("key", key) + &element("value", value)));
        element("tagSet", &tags.iter().map(item).collect::<String>())
    });
    let flag = || prop_oneof![Just("true".to_string()), Just("false".to_string())];
    let ebs = some_of(vec![named("volumeId", any_text()), named("deleteOnTermination", flag())]);
    let address = list("ipv6AddressesSet", vec![named("ipv6Address", "[0-9a-f:]{1,4}")]);
    parts.extend([
        named("instanceState", some_of(vec![named("code", Just("16".into())), named("name", any_text())])),
        named("placement", some_of(vec![named("availabilityZone", any_text()), named("tenancy", any_text())])),
        named("stateReason", some_of(vec![named("code", any_text()), named("message", any_text())])),
        named("iamInstanceProfile", some_of(vec![named("arn", any_text()), named("id", any_text())])),
        named("monitoring", some_of(vec![named("state", any_text())])),
        named("launchTime", (0..60u32).prop_map(|second| format!("2026-01-02T03:04:{second:02}.000Z"))),
        named(
            "metadataOptions",
            some_of(vec![
                named("httpTokens", any_text()),
                named("httpEndpoint", any_text()),
                named("httpPutResponseHopLimit", (1..64u32).prop_map(|hops| hops.to_string())),
            ]),
        ),
        group(),
        tags.boxed(),
        list("blockDeviceMapping", vec![named("deviceName", any_text()), named("ebs", ebs)]),
        list("networkInterfaceSet", vec![group(), address, named("status", any_text())]),
        // What is not known yet may look like anything.
        named("newThing", some_of(vec![group(), named("instanceId", any_text())])),
        Just("<!-- <instanceId>no</instanceId> -->".to_string()).boxed(),
    ]);
    (0..1_000_000_u32, some_of(parts))
        .prop_map(|(id, parts)| element("instanceId", &format!("i-{id}")) + &parts)
        .boxed()
}

fn any_answer() -> BoxedStrategy<String> {
    let instances = proptest::collection::vec(named("item", any_instance()), 0..3);
    let reservation = some_of(vec![
        named("ownerId", "[0-9]{1,4}"),
        named("instancesSet", instances.prop_map(|instances| instances.concat())),
        list("groupSet", vec![named("groupId", any_text())]),
    ]);
    let reservations = proptest::collection::vec(named("item", reservation), 0..3);
    let parts = some_of(vec![
        named("requestId", any_text()),
        named("nextToken", any_text()),
        named("reservationSet", reservations.prop_map(|reservations| reservations.concat())),
    ]);
    parts
        .prop_map(|parts| {
            format!(
                "<?xml version=\"1.0\"?>\n<DescribeInstancesResponse xmlns=\"x\">{parts}</DescribeInstancesResponse>"
            )
        })
        .boxed()
}

fn fields(records: &[Record]) -> Vec<Vec<(String, Value)>> {
    let fields = |record: &Record| record.iter().map(|(key, value)| (key.to_string(), value)).collect();
    records.iter().map(fields).collect()
}

#[test]
fn an_answer_reads_as_the_sdk_reads_it() {
    let loopback = Loopback::start();
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(answer in any_answer())| {
        let ((expected, token), (read, our_token)) = loopback.read_by_both(&answer);
        prop_assert_eq!(fields(&read), fields(&expected));
        prop_assert_eq!(our_token, token);
    });
}
