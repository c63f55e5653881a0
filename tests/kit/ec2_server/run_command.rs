//! SSM Run Command: commands for up to 50 instances, with statuses, limits and delays as AWS documents them (Systems
//! Manager API reference; user guide, "Understanding command statuses").

use super::agent::{Action, Agent, Execution, Ping, Report, listed, prefix};
use super::parameters::JsonAnswer;
use super::params::ApiError;
use super::region::{Options, Region};
use super::s3::S3;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant, SystemTime};

/// The calls that are answered here, with the keys of their inputs.
const CALLS: [(&str, &[&str]); 6] = [
    ("CancelCommand", &["CommandId", "InstanceIds"]),
    ("DescribeInstanceInformation", &["Filters", "MaxResults", "NextToken"]),
    ("GetCommandInvocation", &["CommandId", "InstanceId", "PluginName"]),
    ("ListCommandInvocations", &["CommandId", "InstanceId", "MaxResults", "NextToken", "Filters", "Details"]),
    ("ListCommands", &["CommandId", "InstanceId", "MaxResults", "NextToken", "Filters"]),
    (
        "SendCommand",
        &[
            "InstanceIds",
            "DocumentName",
            "TimeoutSeconds",
            "Comment",
            "Parameters",
            "MaxConcurrency",
            "MaxErrors",
            "OutputS3BucketName",
            "OutputS3KeyPrefix",
        ],
    ),
];

/// A document with its parameters has at most this many bytes.
const DOCUMENT_LIMIT: usize = 64 * 1024;

#[derive(Debug, Default)]
pub struct RunCommand {
    /// By the Name or id of the instance; all others have the default agent.
    pub agents: HashMap<String, Agent>,
    pub commands: Vec<SentCommand>,
}

#[derive(Debug)]
pub struct SentCommand {
    pub id: String,
    pub comment: String,
    pub document: String,
    pub script: String,
    pub invocations: Vec<Invocation>,
    pub max_concurrency: usize,
    pub max_errors: usize,
    pub timeout_seconds: u64,
    /// The bucket for the outputs, and the beginning of their keys.
    output: Option<(S3, String, String)>,
    execution_timeout: Duration,
    sent: Instant,
    requested: SystemTime,
    visible: Instant,
}

#[derive(Debug)]
pub struct Invocation {
    pub instance: String,
    agent: Agent,
    /// As StatusDetails.
    pub status: &'static str,
    execution: Option<Execution>,
    report: Report,
}

impl Invocation {
    fn is_open(&self) -> bool {
        matches!(self.status, "Pending" | "InProgress")
    }

    pub fn was_started(&self) -> bool {
        self.execution.is_some()
    }

    /// Whether this counts against MaxErrors.
    fn is_error(&self) -> bool {
        matches!(self.status, "Failed" | "ExecutionTimedOut")
    }
}

impl RunCommand {
    /// Lets happen what is due by now.
    pub(super) fn settle(&mut self) {
        self.commands.iter_mut().for_each(SentCommand::settle);
    }

    fn command(&mut self, id: &str) -> Result<&mut SentCommand, ApiError> {
        let known = |command: &&mut SentCommand| command.id == id && command.visible <= Instant::now();
        self.commands.iter_mut().find(known).ok_or_else(|| ApiError::new("InvalidCommandId", ""))
    }
}

impl SentCommand {
    fn settle(&mut self) {
        let expires = Duration::from_secs(self.timeout_seconds) + self.execution_timeout;
        let is_expired = self.sent.elapsed() > expires;
        if !self.invocations.iter().any(Invocation::is_open) {
            return;
        }
        let since = self.sent.elapsed();
        let mut running = self.invocations.iter().filter(|one| one.status == "InProgress").count();
        let mut errors = self.invocations.iter().filter(|one| one.is_error()).count();
        for one in &mut self.invocations {
            let before = one.status;
            match one.status {
                "Pending" if errors > self.max_errors => one.status = "Terminated",
                "Pending" if is_expired => one.status = "DeliveryTimedOut",
                "Pending" if since >= one.agent.delivery && running < self.max_concurrency => match one.agent.action {
                    Action::Ignore => {}
                    Action::End(status) => one.status = status,
                    // The hosts of this server are Linux without PowerShell.
                    Action::Run if self.document == "AWS-RunPowerShellScript" => one.status = "InvalidPlatform",
                    _ => {
                        let environment = [
                            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
                            ("AWS_SSM_INSTANCE_ID", one.instance.as_str()),
                            ("SSM_COMMAND_ID", self.id.as_str()),
                        ];
                        let limit = self.execution_timeout;
                        one.execution = Some(Execution::start(&one.agent, &self.script, limit, &environment));
                        one.status = "InProgress";
                    }
                },
                "InProgress" => {
                    if let Some(report) = one.execution.as_ref().and_then(Execution::report) {
                        one.status = if report.status == "TimedOut" { "ExecutionTimedOut" } else { report.status };
                        if let Some((s3, bucket, prefix)) = &self.output {
                            let plugin = if self.document == "AWS-RunShellScript" { "Shell" } else { "PowerShell" };
                            let folder = format!(
                                "{prefix}{}/{}/awsrun{plugin}Script/0.awsrun{plugin}Script",
                                self.id, one.instance
                            );
                            for (name, content) in ["stdout", "stderr"].into_iter().zip(&report.raw) {
                                s3.put_by_agent(bucket, &format!("{folder}/{name}"), content);
                            }
                        }
                        one.report = report;
                    } else if is_expired {
                        one.status = "DeliveryTimedOut";
                    }
                }
                _ => {}
            }
            if one.status != before {
                running = running + usize::from(one.status == "InProgress") - usize::from(before == "InProgress");
                errors += usize::from(one.is_error());
            }
        }
    }

    /// SSM's status of the whole command, which has no exact rule for a mixture.
    fn status(&self) -> &'static str {
        match self.invocations.iter().any(Invocation::is_open) {
            true => "InProgress",
            false if self.invocations.iter().all(|one| one.status == "Success") => "Success",
            false => "Failed",
        }
    }
}

/// Answers the call, if it is one of Run Command.
pub fn answer(region: &mut Region, action: &str, body: &str, options: &Options) -> Option<JsonAnswer> {
    let (_, known) = CALLS.iter().find(|(name, _)| *name == action)?;
    Some(checked_answer(region, action, known, body, options))
}

fn checked_answer(region: &mut Region, action: &str, known: &[&str], body: &str, options: &Options) -> JsonAnswer {
    let input: Map<String, Value> =
        serde_json::from_str(body).map_err(|error| ApiError::new("SerializationException", error))?;
    if let Some(key) = input.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(ApiError::new("UnknownParameter", format!("{action} has no parameter {key}")));
    }
    region.run_command.settle();
    match action {
        "CancelCommand" => cancel(region, &input),
        "DescribeInstanceInformation" => describe(region, &input),
        "GetCommandInvocation" => get_invocation(region, &input),
        "ListCommandInvocations" => list_invocations(region, &input),
        "ListCommands" => list_commands(region, &input),
        _ => send(region, &input, options),
    }
}

fn text<'a>(input: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    input.get(key).and_then(Value::as_str)
}

fn required<'a>(input: &'a Map<String, Value>, key: &str) -> Result<&'a str, ApiError> {
    text(input, key).ok_or_else(|| invalid(format!("{key} must not be null")))
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let values = value.and_then(Value::as_array).into_iter().flatten();
    values.filter_map(Value::as_str).map(str::to_string).collect()
}

fn invalid(message: impl std::fmt::Display) -> ApiError {
    ApiError::new("ValidationException", message)
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// One page of `all`, and the token of the next one.
fn page(input: &Map<String, Value>, all: Vec<Value>, default: usize) -> Result<(Vec<Value>, Option<Value>), ApiError> {
    let most = input.get("MaxResults").and_then(Value::as_u64).unwrap_or(default as u64) as usize;
    if !(1..=50).contains(&most) {
        return Err(invalid("MaxResults must be at least 1 and at most 50"));
    }
    let from: usize = text(input, "NextToken").map_or(Ok(0), |token| {
        token.parse().map_err(|_| ApiError::new("InvalidNextToken", "The specified token isn't valid."))
    })?;
    let next = (from + most < all.len()).then(|| json!((from + most).to_string()));
    Ok((all.into_iter().skip(from).take(most).collect(), next))
}

fn agent_of(region: &Region, id: &str) -> Option<Agent> {
    let instance = region.instances.iter().find(|one| one.id == id)?;
    let name = instance.tags.get("Name").map_or("", String::as_str);
    let mut agent =
        region.run_command.agents.get(id).or(region.run_command.agents.get(name)).cloned().unwrap_or_default();
    match instance.state {
        "terminated" | "shutting-down" => return None,
        "running" => {}
        _ if agent.ping == Ping::Online => agent.ping = Ping::ConnectionLost,
        _ => {}
    }
    let has_vanished = |one: &Invocation| {
        one.instance == id && one.status == "InProgress" && matches!(one.agent.action, Action::Vanish)
    };
    if matches!(agent.action, Action::Vanish)
        && region.run_command.commands.iter().any(|command| command.invocations.iter().any(has_vanished))
    {
        agent.ping = Ping::ConnectionLost;
    }
    if agent.ping == Ping::ConnectionLost {
        agent.action = Action::Ignore;
    }
    (agent.ping != Ping::Unregistered).then_some(agent)
}

fn describe(region: &mut Region, input: &Map<String, Value>) -> JsonAnswer {
    let mut wanted: Option<HashSet<String>> = None;
    for filter in input.get("Filters").and_then(Value::as_array).into_iter().flatten() {
        let values = texts(filter.get("Values"));
        match filter.get("Key").and_then(Value::as_str) {
            Some("InstanceIds") if (1..=100).contains(&values.len()) => wanted = Some(values.into_iter().collect()),
            _ => return Err(ApiError::new("InvalidFilterKey", "The specified key isn't valid.")),
        }
    }
    let ids = region.instances.iter().map(|one| one.id.clone());
    let ids: Vec<String> = ids.filter(|id| wanted.as_ref().is_none_or(|wanted| wanted.contains(id))).collect();
    let found = ids.iter().filter_map(|id| {
        let agent = agent_of(region, id)?;
        let (status, age) = match agent.ping {
            Ping::Online => ("Online", 30),
            _ => ("ConnectionLost", 3600),
        };
        let last = SystemTime::now() - Duration::from_secs(age);
        Some(json!({"InstanceId": id, "PingStatus": status, "LastPingDateTime": seconds(last), "PlatformType": "Linux",
            "AgentVersion": "3.3.987.0", "ResourceType": "EC2Instance"}))
    });
    let (found, next) = page(input, found.collect(), 10)?;
    Ok(json!({"InstanceInformationList": found, "NextToken": next}))
}

fn send(region: &mut Region, input: &Map<String, Value>, options: &Options) -> JsonAnswer {
    let ids = texts(input.get("InstanceIds"));
    if !(1..=50).contains(&ids.len()) {
        return Err(invalid("InstanceIds must have at least 1 and at most 50 members"));
    }
    if ids.iter().collect::<HashSet<_>>().len() < ids.len() {
        return Err(ApiError::new("DuplicateInstanceId", ""));
    }
    let bad: Vec<String> = ids.iter().filter(|id| agent_of(region, id).is_none()).cloned().collect();
    if !bad.is_empty() {
        let message = format!("Instances [[{}]] not in a valid state for account 123456789012", bad.join(", "));
        return Err(ApiError::new("InvalidInstanceId", message));
    }
    let document = required(input, "DocumentName")?;
    if !["AWS-RunShellScript", "AWS-RunPowerShellScript"].contains(&document) {
        return Err(ApiError::new("InvalidDocument", "The specified document does not exist."));
    }
    let parameters = input.get("Parameters").cloned().unwrap_or_default();
    if parameters.to_string().len() > DOCUMENT_LIMIT {
        return Err(ApiError::new("MaxDocumentSizeExceeded", "The size limit of a document is 64 KB."));
    }
    let parameters: BTreeMap<String, Vec<String>> =
        serde_json::from_value(parameters).map_err(|error| ApiError::new("InvalidParameters", error))?;
    if let Some(key) =
        parameters.keys().find(|key| !["commands", "workingDirectory", "executionTimeout"].contains(&key.as_str()))
    {
        return Err(ApiError::new("InvalidParameters", format!("{key} is not a parameter of {document}")));
    }
    let script = parameters.get("commands").map(|lines| lines.join("\n")).unwrap_or_default();
    if script.is_empty() || script.contains("{{") {
        return Err(ApiError::new("InvalidParameters", "commands is empty, or has a {{ that would be replaced"));
    }
    let execution_timeout = parameters.get("executionTimeout").and_then(|values| values.first()?.parse().ok());
    let execution_timeout: u64 = execution_timeout.unwrap_or(3600);
    let timeout_seconds = input.get("TimeoutSeconds").and_then(Value::as_u64).unwrap_or(3600);
    let comment = text(input, "Comment").unwrap_or_default().to_string();
    if !(1..=172_800).contains(&execution_timeout)
        || !(30..=2_592_000).contains(&timeout_seconds)
        || comment.len() > 100
    {
        return Err(invalid("executionTimeout, TimeoutSeconds or Comment is out of its range"));
    }
    let number = |key: &str, default: usize| match text(input, key) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| invalid(format!("{key} is not a number"))),
    };
    let (max_concurrency, max_errors) = (number("MaxConcurrency", 50)?, number("MaxErrors", 0)?);
    if max_concurrency == 0 {
        return Err(invalid("MaxConcurrency must be at least 1"));
    }
    let bucket = text(input, "OutputS3BucketName");
    if bucket.is_some_and(|bucket| !options.s3.has_bucket(bucket)) {
        return Err(ApiError::new("InvalidOutputFolder", "The S3 bucket doesn't exist."));
    }
    let output = bucket.map(|bucket| {
        let prefix = text(input, "OutputS3KeyPrefix").map_or(String::new(), |prefix| format!("{prefix}/"));
        (options.s3.clone(), bucket.to_string(), prefix)
    });
    let invocation = |id: &String| Invocation {
        instance: id.clone(),
        agent: agent_of(region, id).unwrap_or_default(),
        status: "Pending",
        execution: None,
        report: Report::default(),
    };
    let invocations = ids.iter().map(invocation).collect();
    let id = format!("00000000-0000-4000-8000-{:012x}", region.number());
    let command = SentCommand {
        id,
        comment,
        document: document.to_string(),
        script,
        invocations,
        max_concurrency,
        max_errors,
        timeout_seconds,
        output,
        execution_timeout: Duration::from_secs(execution_timeout),
        sent: Instant::now(),
        requested: SystemTime::now(),
        visible: Instant::now() + options.command_invisible,
    };
    let answer = json!({"Command": describe_command(&command)});
    region.run_command.commands.push(command);
    Ok(answer)
}

fn describe_command(command: &SentCommand) -> Value {
    let count = |is: fn(&Invocation) -> bool| command.invocations.iter().filter(|one| is(one)).count();
    json!({"CommandId": command.id, "Comment": command.comment, "DocumentName": command.document,
        "InstanceIds": command.invocations.iter().map(|one| one.instance.clone()).collect::<Vec<_>>(),
        "RequestedDateTime": seconds(command.requested), "Status": command.status(),
        "StatusDetails": command.status(), "TargetCount": command.invocations.len(),
        "CompletedCount": count(|one| !one.is_open()), "ErrorCount": count(Invocation::is_error)})
}

fn list_commands(region: &mut Region, input: &Map<String, Value>) -> JsonAnswer {
    let commands = region.run_command.commands.iter().filter(|command| command.visible <= Instant::now());
    let id = text(input, "CommandId");
    let mut after = SystemTime::UNIX_EPOCH;
    for filter in input.get("Filters").and_then(Value::as_array).into_iter().flatten() {
        match (filter["key"].as_str(), filter["value"].as_str()) {
            (Some("InvokedAfter"), Some(time)) => {
                after += Duration::from_secs(since_1970(time).ok_or_else(|| invalid("InvokedAfter is not a time"))?);
            }
            _ => return Err(ApiError::new("InvalidFilterKey", "The specified key isn't valid.")),
        }
    }
    let commands = commands.filter(|command| id.is_none_or(|id| command.id == id) && command.requested >= after);
    let mut all: Vec<Value> = commands.map(describe_command).collect();
    all.reverse();
    let (commands, next) = page(input, all, 50)?;
    Ok(json!({"Commands": commands, "NextToken": next}))
}

/// The seconds of a time such as `2026-11-29T20:00:00Z`.
fn since_1970(time: &str) -> Option<u64> {
    let number = |from: usize, to: usize| time.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    // Days of the Gregorian calendar, whose year begins with March here.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    time.ends_with('Z').then_some(days * 86_400 + number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?)
}

#[test]
fn a_time_is_read() {
    assert_eq!(since_1970("1970-01-01T00:00:01Z"), Some(1));
    assert_eq!(since_1970("2026-11-29T20:00:00Z"), Some(1_795_982_400));
}

/// A command that is not visible has no invocations: this is not an error.
fn list_invocations(region: &mut Region, input: &Map<String, Value>) -> JsonAnswer {
    let details = input.get("Details").and_then(Value::as_bool).unwrap_or_default();
    let only = text(input, "InstanceId");
    let all = match region.run_command.command(required(input, "CommandId")?) {
        Ok(command) => {
            let wanted = command.invocations.iter().filter(|one| only.is_none_or(|id| one.instance == id));
            wanted.map(|one| describe_invocation(command, one, details)).collect()
        }
        Err(_) => Vec::new(),
    };
    let (invocations, next) = page(input, all, 50)?;
    Ok(json!({"CommandInvocations": invocations, "NextToken": next}))
}

fn describe_invocation(command: &SentCommand, one: &Invocation, details: bool) -> Value {
    let mut value = json!({"CommandId": command.id, "InstanceId": one.instance, "Comment": command.comment,
        "InstanceName": "ip-10-0-0-1.ec2.internal", "DocumentName": command.document,
        "RequestedDateTime": seconds(command.requested), "Status": short_status(one.status),
        "StatusDetails": one.status, "CommandPlugins": []});
    if let Some(execution) = one.execution.as_ref().filter(|_| details) {
        let mut plugin = json!({"Name": "aws:runShellScript", "Status": short_status(one.status),
            "StatusDetails": one.status, "ResponseCode": -1, "ResponseStartDateTime": seconds(execution.started),
            "Output": ""});
        if let Some(finished) = one.report.finished {
            plugin["ResponseCode"] = json!(one.report.code);
            plugin["ResponseFinishDateTime"] = json!(seconds(finished));
            plugin["Output"] = json!(listed(&one.report.stdout, &one.report.stderr));
        }
        value["CommandPlugins"] = json!([plugin]);
    }
    value
}

fn short_status(details: &'static str) -> &'static str {
    match details {
        "DeliveryTimedOut" | "ExecutionTimedOut" => "TimedOut",
        "Undeliverable" | "Terminated" | "AccessDenied" | "InvalidPlatform" => "Failed",
        other => other,
    }
}

fn get_invocation(region: &mut Region, input: &Map<String, Value>) -> JsonAnswer {
    let id = required(input, "InstanceId")?;
    let missing = || ApiError::new("InvocationDoesNotExist", "");
    let command = region.run_command.command(required(input, "CommandId")?).map_err(|_| missing())?;
    let one = command.invocations.iter().find(|one| one.instance == id).ok_or_else(missing)?;
    let code = if one.report.finished.is_some() { one.report.code } else { -1 };
    Ok(json!({"CommandId": command.id, "InstanceId": id, "Status": short_status(one.status),
        "StatusDetails": one.status, "ResponseCode": code,
        "StandardOutputContent": prefix(&one.report.stdout, 24_000),
        "StandardErrorContent": prefix(&one.report.stderr, 8_000)}))
}

/// "Attempts to cancel": what has ended stays as it is.
fn cancel(region: &mut Region, input: &Map<String, Value>) -> JsonAnswer {
    let ids = texts(input.get("InstanceIds"));
    let command = region.run_command.command(required(input, "CommandId")?)?;
    if ids.iter().any(|id| command.invocations.iter().all(|one| one.instance != *id)) {
        return Err(ApiError::new("InvalidInstanceId", ""));
    }
    for one in command.invocations.iter_mut().filter(|one| ids.is_empty() || ids.contains(&one.instance)) {
        match one.status {
            "Pending" => one.status = "Cancelled",
            "InProgress" => one.execution.iter().for_each(|execution| execution.kill("Cancelled")),
            _ => {}
        }
    }
    Ok(json!({}))
}
