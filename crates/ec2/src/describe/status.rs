//! DescribeInstanceStatus: status checks and scheduled events of instances.

use crate::client::Ec2;
use crate::client::failure::failure;
use crate::client::verdict::{CallError, code};
use crate::config::region_name::check_region;
use crate::describe::find::{Filter, next_page};
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::SdkError;
use aws_sdk_ec2::operation::describe_instance_status::builders::DescribeInstanceStatusFluentBuilder;
use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use aws_sdk_ec2::types::{InstanceStatus, InstanceStatusEvent};
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value, json};
use futures_util::future::try_join_all;
use std::collections::HashMap;

/// Most ids in one call, and most instances in one page (DescribeInstanceStatus, Amazon EC2 API Reference).
const IDS: usize = 100;
const PAGE: i32 = 1000;

/// For more instances than this, pages of the whole region take fewer calls.
const MOST_BY_ID: usize = 5 * IDS;

/// The codes of scheduled events (EventCode).
const EVENTS: [&str; 5] =
    ["instance-reboot", "system-reboot", "system-maintenance", "instance-retirement", "instance-stop"];

/// The results of status checks, the gravest first.
const GRAVEST: [&str; 5] = ["impaired", "insufficient-data", "initializing", "ok", "not-applicable"];

/// What EC2 says of an instance's health.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// The gravest of the checks of the system, the instance and its volumes.
    pub status_checks: Option<String>,
    /// Events that are to come. Those that are over are left out.
    pub scheduled_events: Vec<Value>,
}

impl Health {
    /// Sets the health in the instance's record.
    pub fn set_in(&self, record: &mut Record) {
        record.set("status_checks", self.status_checks.clone());
        record.set("scheduled_events", self.scheduled_events.clone());
    }
}

impl Ec2 {
    /// Returns the health of these instances of one region, by id.
    pub async fn health(&self, region: &str, ids: &[String]) -> Result<HashMap<String, Health>> {
        check_region(region)?;
        if ids.len() > MOST_BY_ID {
            return self.health_of_region(region).await;
        }
        let request = || self.client(region).describe_instance_status().include_all_instances(true);
        let calls = ids.chunks(IDS).map(|ids| self.health_page(region, request().set_instance_ids(Some(ids.to_vec()))));
        match try_join_all(calls).await {
            Ok(pages) => Ok(pages.into_iter().flat_map(|(page, _)| page).collect()),
            // One that is gone fails its whole call.
            Err(error) if code(&error) == Some("InvalidInstanceID.NotFound") => self.health_of_region(region).await,
            Err(error) => Err(status_failure(region, &error)),
        }
    }

    async fn health_of_region(&self, region: &str) -> Result<HashMap<String, Health>> {
        let request = self.client(region).describe_instance_status().include_all_instances(true).max_results(PAGE);
        self.all_pages(region, request).await
    }

    /// Returns the health of the instances of one region that have failed a status check or have a scheduled event, by
    /// id.
    pub async fn unhealthy(&self, region: &str) -> Result<HashMap<String, Health>> {
        check_region(region)?;
        let filters = [
            Filter::new("instance-status.status", ["impaired"]),
            Filter::new("system-status.status", ["impaired"]),
            Filter::new("attached-ebs-status.status", ["impaired"]),
            Filter::new("event.code", EVENTS),
        ];
        // An instance must match all filters of a call.
        let calls = filters.iter().map(|filter| {
            let request = self.client(region).describe_instance_status().filters(filter.api()).max_results(PAGE);
            self.all_pages(region, request)
        });
        let found = try_join_all(calls).await?.into_iter().flatten();
        let is_unhealthy = |health: &Health| {
            health.status_checks.as_deref() == Some("impaired") || !health.scheduled_events.is_empty()
        };
        Ok(found.filter(|(_, health)| is_unhealthy(health)).collect())
    }

    async fn all_pages(
        &self,
        region: &str,
        request: DescribeInstanceStatusFluentBuilder,
    ) -> Result<HashMap<String, Health>> {
        let (mut found, mut token) = (HashMap::new(), None);
        loop {
            let page = self.health_page(region, request.clone().set_next_token(token.clone())).await;
            let (page, next) = page.map_err(|error| status_failure(region, &error))?;
            found.extend(page);
            token = next_page(token, next)?;
            if token.is_none() {
                return Ok(found);
            }
        }
    }

    async fn health_page(
        &self,
        region: &str,
        request: DescribeInstanceStatusFluentBuilder,
    ) -> std::result::Result<(Vec<(String, Health)>, Option<String>), StatusError> {
        let page = self.call("DescribeInstanceStatus", region, 1, || request.clone().send()).await?;
        let of = |status: &InstanceStatus| Some((status.instance_id()?.to_string(), health(status)));
        Ok((page.instance_statuses().iter().filter_map(of).collect(), page.next_token))
    }
}

type StatusError =
    SdkError<aws_sdk_ec2::operation::describe_instance_status::DescribeInstanceStatusError, HttpResponse>;

fn status_failure<E: CallError>(region: &str, error: &SdkError<E, HttpResponse>) -> Failure {
    let failure = failure("DescribeInstanceStatus", region, error);
    match code(error) {
        Some("UnauthorizedOperation") => failure.hint("this needs the permission ec2:DescribeInstanceStatus"),
        _ => failure,
    }
}

fn health(status: &InstanceStatus) -> Health {
    let checks = [
        status.system_status().and_then(|summary| summary.status()),
        status.instance_status().and_then(|summary| summary.status()),
        status.attached_ebs_status().and_then(|summary| summary.status()),
    ];
    let checks = checks.into_iter().flatten().map(|status| status.as_str());
    // One that is not known here is graver than any.
    let gravity = |check: &&str| GRAVEST.iter().position(|known| known == check);
    Health {
        status_checks: checks.min_by_key(gravity).map(str::to_string),
        scheduled_events: status.events().iter().filter(|event| !is_over(event)).map(event).collect(),
    }
}

/// "If the event has been completed, this value starts with the following text: [Completed]" (InstanceStatusEvent).
fn is_over(event: &InstanceStatusEvent) -> bool {
    let description = event.description().unwrap_or_default();
    description.starts_with("[Completed]") || description.starts_with("[Canceled]")
}

fn event(event: &InstanceStatusEvent) -> Value {
    let time = |time: Option<&DateTime>| time.and_then(|time| time.fmt(DateTimeFormat::DateTime).ok());
    json!({
        "code": event.code().map(|code| code.as_str()),
        "description": event.description(),
        "not_before": time(event.not_before()),
        "not_after": time(event.not_after()),
        "not_before_deadline": time(event.not_before_deadline()),
        "event_id": event.instance_event_id(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::{EventCode, InstanceStatusSummary, SummaryStatus};

    fn summary(status: SummaryStatus) -> InstanceStatusSummary {
        InstanceStatusSummary::builder().status(status).build()
    }

    #[test]
    fn gravest_check_counts() {
        let checks = |system: SummaryStatus, instance: SummaryStatus| {
            let status = InstanceStatus::builder().system_status(summary(system)).instance_status(summary(instance));
            health(&status.build()).status_checks.unwrap()
        };
        assert_eq!(checks(SummaryStatus::Ok, SummaryStatus::Impaired), "impaired");
        assert_eq!(checks(SummaryStatus::Initializing, SummaryStatus::Ok), "initializing");
        assert_eq!(checks(SummaryStatus::InsufficientData, SummaryStatus::Initializing), "insufficient-data");
        assert_eq!(checks(SummaryStatus::NotApplicable, SummaryStatus::NotApplicable), "not-applicable");
        assert_eq!(checks(SummaryStatus::Ok, SummaryStatus::from("on-fire")), "on-fire");
        assert_eq!(health(&InstanceStatus::builder().build()).status_checks, None);
    }

    #[test]
    fn event_that_is_over_is_left_out() {
        let event = |description: &str| {
            let event = InstanceStatusEvent::builder().code(EventCode::InstanceRetirement).description(description);
            event.not_before(DateTime::from_secs(1_321_000_000)).build()
        };
        let status = InstanceStatus::builder().events(event("[Completed] gone")).events(event("degraded hardware"));
        assert_eq!(
            health(&status.build()).scheduled_events,
            [json!({
                "code": "instance-retirement",
                "description": "degraded hardware",
                "not_before": "2011-11-11T08:26:40Z",
                "not_after": null,
                "not_before_deadline": null,
                "event_id": null,
            })]
        );
    }
}
