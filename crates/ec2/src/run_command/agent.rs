//! SSM Agent on instances: whether it is registered, and when it was last heard.

use crate::client::failure::failure;
use crate::client::{CONCURRENCY, Ec2};
use crate::config::region_name::check_region;
use crate::describe::find::next_page;
use aws_sdk_ssm::types::{InstanceInformationStringFilter, PingStatus};
use cerveza_manners::{Failure, Result};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::collections::HashMap;
use std::time::SystemTime;

/// The agent of an instance. An instance that has none, or whose role does not allow it to register, is not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent {
    pub is_online: bool,
    pub last_ping: Option<SystemTime>,
}

/// How many instances are asked about in a request: as many as a page has at most.
const INSTANCES: usize = 50;

impl Ec2 {
    /// Returns the agents of those instances that have one.
    pub async fn ssm_agents(&self, region: &str, ids: &[String]) -> Result<HashMap<String, Agent>> {
        check_region(region)?;
        let pages = stream::iter(ids.chunks(INSTANCES)).map(|ids| self.agents_page(region, ids));
        let pages: Vec<Vec<(String, Agent)>> = pages.buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(pages.into_iter().flatten().collect())
    }

    async fn agents_page(&self, region: &str, ids: &[String]) -> Result<Vec<(String, Agent)>> {
        const CALL: &str = "DescribeInstanceInformation";
        let filter =
            InstanceInformationStringFilter::builder().key("InstanceIds").set_values(Some(ids.to_vec())).build();
        let filter = filter.map_err(|error| Failure::usage(format!("{CALL} in {region}: {error}")))?;
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let call = self
                .ssm(region)
                .describe_instance_information()
                .filters(filter.clone())
                .max_results(50)
                .set_next_token(token.clone());
            let answer = self.call(CALL, region, 1, || call.clone().send()).await;
            let answer = answer.map_err(|error| failure(CALL, region, &error))?;
            found.extend(answer.instance_information_list().iter().filter_map(|information| {
                let last_ping = information.last_ping_date_time().and_then(|time| SystemTime::try_from(*time).ok());
                let agent = Agent { is_online: information.ping_status() == Some(&PingStatus::Online), last_ping };
                Some((information.instance_id()?.to_string(), agent))
            }));
            token = next_page(token, answer.next_token)?;
            if token.is_none() {
                return Ok(found);
            }
        }
    }
}
