//! The invocations of a command: status and output on each instance.

use crate::client::Ec2;
use crate::client::failure::failure;
use crate::client::verdict::code;
use crate::config::region_name::check_region;
use crate::describe::find::next_page;
use aws_sdk_ssm::types;
use cerveza_manners::Result;
use std::time::SystemTime;

/// A command on one instance, as a listing has it.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub instance_id: String,
    pub status: InvocationStatus,
    /// The first 2,500 bytes of stdout and stderr together.
    pub output: String,
    /// The exit status of the script. SSM gives -1 if there is none.
    pub code: i32,
    pub started_at: Option<SystemTime>,
    pub finished_at: Option<SystemTime>,
}

/// SSM's detailed status (user guide, "Understanding command statuses").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvocationStatus {
    Pending,
    InProgress,
    Cancelling,
    Success,
    Failed,
    DeliveryTimedOut,
    ExecutionTimedOut,
    Cancelled,
    Undeliverable,
    /// Not begun, because more instances than MaxErrors had failed.
    Terminated,
    AccessDenied,
    InvalidPlatform,
    /// One that is not documented.
    Other(String),
}

impl InvocationStatus {
    /// Reads a status, as `ExecutionTimedOut` or `Execution Timed Out`.
    fn parse(text: &str) -> InvocationStatus {
        use InvocationStatus::*;
        match text.replace(' ', "").as_str() {
            "Pending" | "Delayed" => Pending,
            "InProgress" => InProgress,
            "Cancelling" => Cancelling,
            "Success" => Success,
            "Failed" => Failed,
            "DeliveryTimedOut" => DeliveryTimedOut,
            "ExecutionTimedOut" | "TimedOut" => ExecutionTimedOut,
            "Cancelled" | "Canceled" => Cancelled,
            "Undeliverable" => Undeliverable,
            "Terminated" => Terminated,
            "AccessDenied" => AccessDenied,
            "InvalidPlatform" => InvalidPlatform,
            _ => Other(text.to_string()),
        }
    }

    /// Whether the status may still change.
    pub fn is_open(&self) -> bool {
        use InvocationStatus::*;
        matches!(self, Pending | InProgress | Cancelling)
    }
}

/// The output of a command on one instance: of each stream what SSM keeps, which is 24,000 bytes of stdout at most.
#[derive(Clone, Debug, Default)]
pub struct InvocationOutput {
    pub stdout: String,
    pub stderr: String,
}

impl Ec2 {
    /// Returns the invocations of a command. There are none for a moment after it was sent.
    pub async fn command_invocations(&self, region: &str, command: &str) -> Result<Vec<Invocation>> {
        const CALL: &str = "ListCommandInvocations";
        check_region(region)?;
        let (mut invocations, mut token) = (Vec::new(), None);
        loop {
            let call = self
                .ssm(region)
                .list_command_invocations()
                .command_id(command)
                .details(true)
                .max_results(50)
                .set_next_token(token.clone());
            let answer = match self.call(CALL, region, 1, || call.clone().send()).await {
                Ok(answer) => answer,
                // One that was just sent may be unknown.
                Err(error) if code(&error) == Some("InvalidCommandId") => return Ok(Vec::new()),
                Err(error) => return Err(failure(CALL, region, &error)),
            };
            invocations.extend(answer.command_invocations().iter().filter_map(invocation));
            token = next_page(token, answer.next_token)?;
            if token.is_none() {
                return Ok(invocations);
            }
        }
    }

    /// Returns the output of a command on one instance, at most 24,000 bytes.
    pub async fn command_output(&self, region: &str, command: &str, instance: &str) -> Result<InvocationOutput> {
        const CALL: &str = "GetCommandInvocation";
        let call = self.ssm(region).get_command_invocation().command_id(command).instance_id(instance);
        let answer = self.call(CALL, region, 1, || call.clone().send()).await;
        let answer = answer.map_err(|error| failure(CALL, region, &error))?;
        let text = |text: Option<&str>| text.unwrap_or_default().to_string();
        Ok(InvocationOutput {
            stdout: text(answer.standard_output_content()),
            stderr: text(answer.standard_error_content()),
        })
    }
}

fn invocation(of: &types::CommandInvocation) -> Option<Invocation> {
    let details = of.status_details().filter(|status| !status.is_empty());
    let status = details.or(of.status().map(|status| status.as_str())).unwrap_or_default();
    let plugin = of.command_plugins().first();
    let time = |time: Option<&aws_sdk_ssm::primitives::DateTime>| {
        time.filter(|time| time.secs() > 0).and_then(|time| SystemTime::try_from(*time).ok())
    };
    Some(Invocation {
        instance_id: of.instance_id()?.to_string(),
        status: InvocationStatus::parse(status),
        output: plugin.and_then(|plugin| plugin.output()).unwrap_or_default().to_string(),
        code: plugin.map_or(-1, |plugin| plugin.response_code()),
        started_at: time(plugin.and_then(|plugin| plugin.response_start_date_time())),
        finished_at: time(plugin.and_then(|plugin| plugin.response_finish_date_time())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_with_and_without_blanks() {
        use InvocationStatus::*;
        for (text, status, is_open) in [
            ("Pending", Pending, true),
            ("Delayed", Pending, true),
            ("In Progress", InProgress, true),
            ("InProgress", InProgress, true),
            ("Execution Timed Out", ExecutionTimedOut, false),
            ("DeliveryTimedOut", DeliveryTimedOut, false),
            ("New", Other("New".to_string()), false),
        ] {
            assert_eq!(InvocationStatus::parse(text), status, "{text}");
            assert_eq!(status.is_open(), is_open, "{text}");
        }
    }
}
