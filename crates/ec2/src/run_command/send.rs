//! Sends a command, finds one whose answer got lost, and cancels one.

use crate::client::Ec2;
use crate::client::call::SEND_COMMAND;
use crate::client::failure::{failure, is_denied};
use crate::client::verdict::{code, is_ambiguous};
use crate::config::region_name::check_region;
use crate::describe::find::next_page;
use crate::s3::bucket_prefix::BucketPrefix;
use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use aws_sdk_ssm::types::{CommandFilter, CommandFilterKey};
use cerveza_manners::{Failure, Result};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// What SendCommand takes in one request.
pub const COMMAND_INSTANCES: usize = 50;

/// The shortest time that SSM takes for the delivery of a command, and the longest for its execution.
pub const SHORTEST_DELIVERY: Duration = Duration::from_secs(30);
pub const LONGEST_EXECUTION: Duration = Duration::from_secs(172_800);

/// A command for at most [`COMMAND_INSTANCES`] instances of one region.
#[derive(Clone, Debug)]
pub struct CommandRequest {
    /// The SSM document, such as `AWS-RunShellScript`.
    pub document: &'static str,
    pub script: String,
    pub instance_ids: Vec<String>,
    /// Tells this command from all others: [`Ec2::find_command`] looks for it.
    pub comment: String,
    pub delivery_timeout: Duration,
    pub execution_timeout: Duration,
    pub max_concurrency: usize,
    pub max_errors: usize,
    /// Where SSM Agent puts the complete output.
    pub output: Option<BucketPrefix>,
}

/// Why a command was not sent.
#[derive(Clone, Debug)]
pub struct SendFailure {
    pub failure: Failure,
    /// It may have been sent: only the answer got lost.
    pub is_ambiguous: bool,
    /// AWS does not allow it.
    pub is_denied: bool,
    /// An instance is not managed by SSM. The message of SSM does not always name it.
    pub is_of_instance: bool,
}

/// The clocks of this machine and of AWS may differ by this.
const SKEW: Duration = Duration::from_secs(300);

impl Ec2 {
    /// Sends a command once, and returns its id.
    pub async fn send_command(
        &self,
        region: &str,
        request: &CommandRequest,
    ) -> std::result::Result<String, SendFailure> {
        const CALL: &str = SEND_COMMAND;
        let refused = |failure| SendFailure { failure, is_ambiguous: false, is_denied: false, is_of_instance: false };
        check_region(region).map_err(refused)?;
        let seconds = |time: Duration| time.as_secs_f64().ceil() as u64;
        let parameters = [
            ("commands", request.script.clone()),
            ("executionTimeout", seconds(request.execution_timeout.min(LONGEST_EXECUTION)).max(1).to_string()),
        ];
        let parameters = parameters.map(|(name, value)| (name.to_string(), vec![value]));
        let delivery = seconds(request.delivery_timeout.max(SHORTEST_DELIVERY));
        let call = self
            .ssm(region)
            .send_command()
            .document_name(request.document)
            .set_instance_ids(Some(request.instance_ids.clone()))
            .comment(&request.comment)
            .timeout_seconds(i32::try_from(delivery).unwrap_or(i32::MAX))
            .set_parameters(Some(HashMap::from(parameters)))
            .max_concurrency(request.max_concurrency.max(1).to_string())
            .max_errors(request.max_errors.to_string())
            .set_output_s3_bucket_name(request.output.as_ref().map(|output| output.bucket.clone()))
            .set_output_s3_key_prefix(
                request
                    .output
                    .as_ref()
                    .and_then(|output| Some(output.prefix.clone()).filter(|prefix| !prefix.is_empty())),
            );
        let answer = self.call(CALL, region, request.instance_ids.len(), || call.clone().send()).await;
        match answer {
            Ok(answer) => {
                let id = answer.command().and_then(|command| command.command_id());
                let missing = || SendFailure {
                    is_ambiguous: true,
                    ..refused(Failure::unreached(format!("{CALL} in {region}: the answer has no command id")))
                };
                id.map(str::to_string).ok_or_else(missing)
            }
            Err(error) => {
                let failure = failure(CALL, region, &error);
                Err(SendFailure {
                    is_ambiguous: is_ambiguous(&error),
                    is_denied: is_denied(&failure),
                    is_of_instance: code(&error) == Some("InvalidInstanceId"),
                    failure,
                })
            }
        }
    }

    /// Returns the id of the command with this comment that was sent after `since`, if there is one.
    pub async fn find_command(&self, region: &str, comment: &str, since: SystemTime) -> Result<Option<String>> {
        const CALL: &str = "ListCommands";
        let since = DateTime::from(since.checked_sub(SKEW).unwrap_or(since)).secs();
        let since = DateTime::from_secs(since).fmt(DateTimeFormat::DateTime);
        let since = since.map_err(|error| Failure::usage(format!("the clock of this machine is wrong: {error}")))?;
        let filter = CommandFilter::builder().key(CommandFilterKey::InvokedAfter).value(since).build();
        let filter = filter.map_err(|error| Failure::usage(format!("{CALL} in {region}: {error}")))?;
        let mut token = None;
        loop {
            let call =
                self.ssm(region).list_commands().filters(filter.clone()).max_results(50).set_next_token(token.clone());
            let answer = self.call(CALL, region, 1, || call.clone().send()).await;
            let answer = answer.map_err(|error| failure(CALL, region, &error))?;
            if let Some(command) = answer.commands().iter().find(|command| command.comment() == Some(comment)) {
                return Ok(command.command_id().map(str::to_string));
            }
            token = next_page(token, answer.next_token)?;
            if token.is_none() {
                return Ok(None);
            }
        }
    }

    /// Asks SSM to cancel a command on these instances, or on all if there are none. SSM confirms nothing: the
    /// invocations say what became of it.
    pub async fn cancel_command(&self, region: &str, id: &str, instance_ids: &[String]) -> Result<()> {
        const CALL: &str = "CancelCommand";
        let ids = (!instance_ids.is_empty()).then(|| instance_ids.to_vec());
        let call = self.ssm(region).cancel_command().command_id(id).set_instance_ids(ids);
        let answer = self.call(CALL, region, 1, || call.clone().send()).await;
        answer.map(drop).map_err(|error| failure(CALL, region, &error))
    }
}
