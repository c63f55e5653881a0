//! A strict EC2 and Systems Manager of the tests' own: it behaves as AWS documents where moto does not.
//!
//! Client tokens, limits, delayed visibility, states that take time, token buckets, and faults that a test schedules. What
//! it does not know (a call, a parameter, a filter) is an error, so a typo in a request is found.
//!
//! ```no_run
//! use kit::ec2_server::{Ec2Server, Fault, Options, Rule};
//! use std::time::Duration;
//!
//! let ec2 = Ec2Server::start(Options { invisible: Duration::from_secs(2), ..Options::default() });
//! // The second RunInstances takes effect, but its answer is lost.
//! ec2.fault(Rule::on("RunInstances", Fault::CutAfter).after(1));
//! let sandbox = ec2.sandbox();
//! sandbox.file("Web.yaml", "ami: ami-0000000000000000b\ninstance type: t3.micro\n");
//! sandbox.run("ec2-launch", &["-p", "Web", "web[1-2]"], "").exits(0);
//! assert_eq!(ec2.region(|region| region.live("web2").len()), 1);
//! assert_eq!(ec2.count("AllocateAddress"), 0);
//! ```
//!
//! The images, subnets, groups, key pairs and instance types of a region are in `catalog.rs`. Instances get addresses in
//! 127.0.0.0/8, so a real sshd can answer on them.

mod actions;
mod addresses;
mod agent;
mod buckets;
mod catalog;
mod faults;
mod filters;
mod http;
mod instances;
mod launch;
mod parameters;
mod params;
mod region;
mod run_command;
mod s3;
mod status;
mod tags;
mod volumes;
mod xml;

pub use agent::{Action, Agent, Ping};
pub use faults::{Fault, Rule};
pub use params::{ApiError, Params};
pub use region::{Address, Instance, Options, Region, Volume};
pub use run_command::{Invocation, RunCommand, SentCommand};
pub use s3::{Bucket, S3};
pub use status::{Event, Health};

use crate::{REGION, Sandbox};
use buckets::{Buckets, throttled};
use http::{Connection, Request, Response};
use s3::ObjectRequest;
use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A running server; its threads end with the process.
pub struct Ec2Server {
    pub endpoint: String,
    account: Arc<Mutex<Account>>,
}

/// A call that the server got.
#[derive(Clone, Debug)]
pub struct Call {
    pub action: String,
    pub region: String,
    /// Those of Systems Manager are the keys of its JSON.
    pub params: Params,
    pub at: Instant,
    /// `ok`, the code of an error, or `lost` for an answer that never reached the client whole.
    pub outcome: String,
}

struct Account {
    options: Options,
    regions: BTreeMap<String, Region>,
    buckets: Buckets,
    rules: Vec<Rule>,
    calls: Vec<Call>,
}

impl Ec2Server {
    /// Serves on a free loopback port.
    pub fn start(options: Options) -> Ec2Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let account = Account {
            options,
            regions: BTreeMap::new(),
            buckets: Buckets::default(),
            rules: Vec::new(),
            calls: Vec::new(),
        };
        let account = Arc::new(Mutex::new(account));
        let shared = account.clone();
        std::thread::spawn(move || run_commands(&shared));
        let shared = account.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let account = shared.clone();
                std::thread::spawn(move || serve(client, &account));
            }
        });
        Ec2Server { endpoint, account }
    }

    /// A sandbox whose tools speak to this server.
    pub fn sandbox(&self) -> Sandbox {
        let mut sandbox = Sandbox::new();
        sandbox
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "testing")
            .env("AWS_SECRET_ACCESS_KEY", "testing");
        sandbox
    }

    /// Launches an instance for each name, beside the tools and without a limit. `params` are added to those of RunInstances,
    /// or replace them. Returns the ids.
    pub fn launch(&self, names: impl IntoIterator<Item = impl Into<String>>, params: &[(&str, &str)]) -> Vec<String> {
        self.launch_in(REGION, names, params)
    }

    /// Like [`Ec2Server::launch`], in another region.
    pub fn launch_in(
        &self,
        region: &str,
        names: impl IntoIterator<Item = impl Into<String>>,
        params: &[(&str, &str)],
    ) -> Vec<String> {
        let account = &mut *self.account();
        let options = account.options.clone();
        let region = account.region(region);
        let mut ids = Vec::new();
        for name in names {
            let image = region.catalog.images[1].id.clone();
            let own = [
                ("ImageId", image),
                ("InstanceType", "m5.large".to_string()),
                ("MinCount", "1".to_string()),
                ("MaxCount", "1".to_string()),
                ("TagSpecification.1.ResourceType", "instance".to_string()),
                ("TagSpecification.1.Tag.1.Key", "Name".to_string()),
                ("TagSpecification.1.Tag.1.Value", name.into()),
            ];
            let mut all = Params(own.map(|(key, value)| (key.to_string(), value)).into());
            all.0.extend(params.iter().map(|(key, value)| (key.to_string(), value.to_string())));
            launch::run_instances(region, &all, &options).expect("a launch that EC2 would take");
            ids.extend(region.instances.last().map(|one| one.id.clone()));
        }
        region.settle(&options);
        ids
    }

    /// Schedules a fault. Of the rules for a call, the first one that was given and is not used up counts.
    pub fn fault(&self, rule: Rule) {
        self.account().rules.push(rule);
    }

    /// Drops all faults that are still to come, and returns whether there were any.
    pub fn drop_faults(&self) -> bool {
        let rules = std::mem::take(&mut self.account().rules);
        rules.iter().any(Rule::is_left)
    }

    /// Changes how the server behaves from now on.
    pub fn set(&self, change: impl FnOnce(&mut Options)) {
        change(&mut self.account().options);
    }

    /// Reads or changes what is in the region [`REGION`].
    pub fn region<T>(&self, visit: impl FnOnce(&mut Region) -> T) -> T {
        let account = &mut *self.account();
        visit(account.region(REGION))
    }

    /// The buckets of the account.
    pub fn s3(&self) -> S3 {
        self.account().options.s3.clone()
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.account().calls.clone()
    }

    /// How many calls of this action came in.
    pub fn count(&self, action: &str) -> usize {
        self.account().calls.iter().filter(|call| call.action == action).count()
    }

    /// How many calls were refused because there were too many.
    pub fn throttled(&self) -> usize {
        let codes = ["RequestLimitExceeded", "ThrottlingException"];
        self.account().calls.iter().filter(|call| codes.contains(&call.outcome.as_str())).count()
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        lock(&self.account)
    }
}

/// A test that fails while it visits the region must not hide why.
fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Account {
    /// The region as it is by now.
    fn region(&mut self, name: &str) -> &mut Region {
        let options = &self.options;
        let region = self.regions.entry(name.to_string()).or_insert_with(|| Region::new(name, options));
        region.settle(options);
        region
    }

    /// Writes the call down. Returns its number in the log and its fault.
    fn note(&mut self, action: &str, region: &str, params: &Params) -> (usize, Option<Fault>) {
        let call = Call {
            action: action.to_string(),
            region: region.to_string(),
            params: params.clone(),
            at: Instant::now(),
            outcome: "lost".to_string(),
        };
        self.calls.push(call);
        (self.calls.len() - 1, self.rules.iter_mut().find_map(|rule| rule.apply(action, region, params)))
    }

    /// What the call gives: the body of a good answer.
    fn execute(
        &mut self,
        protocol: &Protocol,
        region: &str,
        action: &str,
        params: &Params,
    ) -> Result<Vec<u8>, ApiError> {
        if let Protocol::S3 { request, is_signed } = protocol {
            let denied = || ApiError::server(403, "AccessDenied", "Access Denied");
            return if *is_signed { self.options.s3.answer(request, region) } else { Err(denied()) };
        }
        if let Some(speed) = self.options.buckets {
            self.buckets.take(region, action, params, speed)?;
        }
        let options = self.options.clone();
        let region = self.region(region);
        let body = match protocol {
            Protocol::Query => {
                let unknown = || ApiError::new("InvalidAction", format!("The action {action} is not valid"));
                let found = actions::find(action).ok_or_else(unknown)?;
                params.check(found.params)?;
                (found.answer)(region, params, &options)?
            }
            Protocol::Json(input) => match run_command::answer(region, action, input, &options) {
                Some(answer) => answer?.to_string(),
                None => parameters::answer(region, action, input)?.to_string(),
            },
            Protocol::S3 { .. } => String::new(),
        };
        region.settle(&options);
        Ok(body.into_bytes())
    }
}

/// How a service is spoken to.
enum Protocol {
    /// EC2: forms in, XML out.
    Query,
    /// Systems Manager: JSON in and out.
    Json(String),
    /// S3: the path in, bytes out.
    S3 { request: ObjectRequest, is_signed: bool },
}

impl Protocol {
    fn response(&self, action: &str, answer: Result<Vec<u8>, ApiError>, s3: &S3) -> Response {
        let (content_type, status, body) = match (self, answer) {
            (Protocol::Query, Ok(body)) => {
                let head = "xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r</requestId>";
                let body = [format!("<{action}Response {head}").into_bytes(), body, b"</".into()].concat();
                ("text/xml", 200, [body, format!("{action}Response>").into_bytes()].concat())
            }
            (Protocol::Query, Err(error)) => {
                let error_xml = xml::text("Code", &error.code) + &xml::text("Message", &error.message);
                let errors = xml::element("Errors", &xml::element("Error", &error_xml));
                let xml = xml::element("Response", &(errors + "<RequestID>r</RequestID>"));
                ("text/xml", error.status, xml.into_bytes())
            }
            (Protocol::Json(_), Ok(body)) => ("application/x-amz-json-1.1", 200, body),
            (Protocol::Json(_), Err(error)) => {
                let body = serde_json::json!({"__type": error.code, "message": error.message});
                ("application/x-amz-json-1.1", error.status, body.to_string().into_bytes())
            }
            (Protocol::S3 { .. }, Ok(body)) => ("text/plain", if action == "DeleteObject" { 204 } else { 200 }, body),
            (Protocol::S3 { .. }, Err(error)) => {
                let text = xml::text("Code", &error.code) + &xml::text("Message", &error.message);
                ("application/xml", error.status, xml::element("Error", &text).into_bytes())
            }
        };
        let bucket_region = if let Protocol::S3 { request, .. } = self { s3.region(request) } else { None };
        Response { status, content_type, bucket_region, body }
    }
}

/// How often commands of Run Command are looked at, so they go on while nobody asks.
const TICK: Duration = Duration::from_millis(20);

fn run_commands(account: &Mutex<Account>) {
    loop {
        std::thread::sleep(TICK);
        lock(account).regions.values_mut().for_each(|region| region.run_command.settle());
    }
}

fn serve(client: TcpStream, account: &Mutex<Account>) {
    let mut connection = Connection::new(client);
    while let Some(request) = connection.read() {
        if answer(&mut connection, account, request).is_none() {
            return;
        }
    }
}

/// Answers one request. Returns `None` if the connection is to be closed.
fn answer(connection: &mut Connection, account: &Mutex<Account>, request: Request) -> Option<()> {
    let region = request.region.unwrap_or(REGION.to_string());
    let object = ObjectRequest::parse(&request.method, &request.path, request.range.as_deref());
    if object.is_none() && (request.method != "POST" || request.path != "/") {
        return None;
    }
    let is_signed = request.has_signed_headers && request.service.as_deref() == Some("s3");
    let (protocol, action, params) = match request.target {
        _ if object.is_some() => {
            let request = object?;
            let (action, params) = (request.action.to_string(), request.params());
            (Protocol::S3 { request, is_signed }, action, params)
        }
        Some(target) => {
            let action = target.rsplit('.').next().unwrap_or_default().to_string();
            let params = parameters::params(&request.body);
            (Protocol::Json(request.body), action, params)
        }
        None => {
            let params = Params::parse(&request.body);
            (Protocol::Query, params.get("Action").unwrap_or_default().to_string(), params)
        }
    };
    let (number, fault) = lock(account).note(&action, &region, &params);
    match &fault {
        Some(Fault::CutBefore) => return None,
        Some(Fault::SilenceBefore) => {
            connection.wait_for_end();
            return None;
        }
        Some(Fault::RunBefore(run)) => {
            run();
            return None;
        }
        _ => {}
    }
    let internal = || ApiError::server(500, "InternalError", "An internal error has occurred");
    let answer = match &fault {
        Some(Fault::Throttle) => Err(throttled(&action)),
        Some(Fault::Refuse(error)) => Err(error.clone()),
        Some(Fault::ErrorBefore) => Err(internal()),
        _ => lock(account).execute(&protocol, &region, &action, &params),
    };
    let mut delay = if action == "RunInstances" { lock(account).options.launch_delay } else { Duration::ZERO };
    let answer = match &fault {
        Some(Fault::CutAfter) => return None,
        Some(Fault::SilenceAfter) => {
            connection.wait_for_end();
            return None;
        }
        Some(Fault::RunAfter(run)) => {
            run();
            return None;
        }
        Some(Fault::ErrorAfter) => Err(internal()),
        Some(Fault::Delay(late)) => {
            delay = *late;
            answer
        }
        _ => answer,
    };
    std::thread::sleep(delay);
    let outcome = answer.as_ref().err().map_or("ok".to_string(), |error| error.code.clone());
    let s3 = lock(account).options.s3.clone();
    let response = protocol.response(&action, answer, &s3);
    if matches!(fault, Some(Fault::HalfAnswer)) {
        let _ = connection.write_half(&response);
        return None;
    }
    lock(account).calls[number].outcome = outcome;
    connection.write(&response).ok()
}
