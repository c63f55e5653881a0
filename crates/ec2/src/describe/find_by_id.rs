//! Finds instances by their ids, also while a zone is down: DescribeInstances with filters then fails for the whole
//! region, but with only ids of other zones it works (DescribeInstances, Amazon EC2 API Reference).

use crate::client::Ec2;
use crate::client::failure::{failure, is_named, is_server_fault};
use crate::client::verdict::code;
use crate::config::region_name::check_region;
use crate::describe::find::Filter;
use cerveza_manners::Result;
use cerveza_record::Record;

/// How many ids one call has.
const IDS: usize = 100;

impl Ec2 {
    /// Returns the instances of one region with these ids. One that is not listed is left out. While a zone is down,
    /// all must be of other zones.
    pub async fn find_ids(&self, region: &str, ids: &[String]) -> Result<Vec<Record>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // A filter, not InstanceIds: one id that is gone would fail the whole call.
        match self.find(region, &[Filter::exact("instance-id", ids)]).await {
            Err(failure) if is_server_fault(&failure) => self.find_by_id(region, ids).await,
            found => found,
        }
    }

    /// Returns the instances of one region with these ids, without filters. One that EC2 does not know is left out.
    pub async fn find_by_id(&self, region: &str, ids: &[String]) -> Result<Vec<Record>> {
        check_region(region)?;
        let mut found = Vec::new();
        for ids in ids.chunks(IDS) {
            found.extend(self.find_some_by_id(region, ids.to_vec()).await?);
        }
        Ok(found)
    }

    async fn find_some_by_id(&self, region: &str, mut ids: Vec<String>) -> Result<Vec<Record>> {
        let instances = self.instance_page(region);
        while !ids.is_empty() {
            let request = self.client(region).describe_instances().set_instance_ids(Some(ids.clone()));
            let send = || request.clone().customize().interceptor(instances.clone()).send();
            let Err(error) = self.call("DescribeInstances", region, 1, send).await else {
                return Ok(instances.take_records());
            };
            let failure = failure("DescribeInstances", region, &error);
            let count = ids.len();
            if code(&error) == Some("InvalidInstanceID.NotFound") {
                ids.retain(|id| !is_named(&failure.message, id));
            }
            if ids.len() == count {
                return Err(failure);
            }
        }
        Ok(Vec::new())
    }
}
