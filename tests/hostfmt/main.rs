//! hostfmt, end to end. The programs that its formats are for read its output.

mod choice;
mod formats;
mod hostile;
mod readers;
mod templates;

use kit::{Outcome, Sandbox};

/// web1 with all addresses, web2 stopped, web10 with a user and port, db1 in two groups, and old1 terminated.
const FLEET: &str = concat!(
    r#"{"host":"web10","instance_id":"i-010","state":"running","private_ip":"10.0.0.10","public_ip":null,"user":"admin","#,
    r#""port":2222,"security_groups":["web-sg"],"tags":{"Name":"web10","role":"web"}}"#,
    "\n",
    r#"{"host":"web2","instance_id":"i-002","state":"stopped","private_ip":"10.0.0.2","public_ip":null,"#,
    r#""security_groups":["web-sg"],"tags":{"Name":"web2","role":"web"}}"#,
    "\n",
    r#"{"host":"web1","instance_id":"i-001","state":"running","region":"us-east-1","zone":"us-east-1a","#,
    r#""instance_type":"t3.micro","private_ip":"10.0.0.1","public_ip":"192.0.2.1","ipv6":"2001:db8::1","#,
    r#""security_groups":["web-sg"],"tags":{"Name":"web1","role":"web","note":"it's \"new\", ok"}}"#,
    "\n",
    r#"{"host":"db1","instance_id":"i-003","state":"running","private_ip":"10.0.0.3","public_ip":null,"#,
    r#""security_groups":["db","web-sg"],"tags":{"Name":"db1","role":"db"}}"#,
    "\n",
    r#"{"host":"old1","instance_id":"i-000","state":"terminated","private_ip":null,"public_ip":null,"#,
    r#""security_groups":[],"tags":{"Name":"old1"}}"#,
    "\n",
);

/// Runs hostfmt with records on stdin.
fn hostfmt(args: &[&str], records: &str) -> Outcome {
    let mut sandbox = Sandbox::new();
    sandbox.env("SOURCE_DATE_EPOCH", "1700000000");
    sandbox.run("hostfmt", args, records)
}

/// The output of hostfmt for these records.
#[track_caller]
fn written(args: &[&str], records: &str) -> String {
    hostfmt(args, records).exits(0).stdout
}
