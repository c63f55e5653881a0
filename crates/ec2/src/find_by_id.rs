//! DescribeInstances by ids. While a zone is down it works for instances of the others; with filters it fails.

use crate::batch::is_named;
use crate::client::{Ec2, check_region};
use crate::failure::{code, failure};
use cerveza_manners::Result;
use cerveza_record::Record;

impl Ec2 {
    /// The instances of one region with these ids. One that EC2 does not know is left out.
    pub async fn find_by_id(&self, region: &str, ids: &[String]) -> Result<Vec<Record>> {
        check_region(region)?;
        let (mut ids, instances) = (ids.to_vec(), self.instance_page(region));
        while !ids.is_empty() {
            let request = self.client(region).describe_instances().set_instance_ids(Some(ids.clone()));
            let send = || request.clone().customize().interceptor(instances.clone()).send();
            let Err(error) = self.call("DescribeInstances", region, 1, send).await else { return Ok(instances.take()) };
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
