//! What a launch needs of the VPC: ids of security groups.

use crate::client::Ec2;
use crate::failure::failure;
use aws_sdk_ec2::types::Filter;
use cerveza_manners::{Failure, Result};

fn filter(name: &str, values: Vec<String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values)).build()
}

impl Ec2 {
    /// The ids of `groups` in the VPC of `subnet`, where RunInstances takes no names. Ids stay as they are.
    pub async fn security_group_ids(&self, region: &str, subnet: &str, groups: &[String]) -> Result<Vec<String>> {
        let names: Vec<String> = groups.iter().filter(|group| !group.starts_with("sg-")).cloned().collect();
        if names.is_empty() {
            return Ok(groups.to_vec());
        }
        let client = self.client(region);
        let request = client.describe_subnets().filters(filter("subnet-id", vec![subnet.to_string()]));
        let answer = self.call("DescribeSubnets", region, 1, || request.clone().send()).await;
        let answer = answer.map_err(|error| failure("DescribeSubnets", region, &error))?;
        let vpc = answer.subnets().first().and_then(|subnet| subnet.vpc_id());
        let vpc = vpc.ok_or_else(|| Failure::unreached(format!("no subnet {subnet} in {region}")))?;
        let filters = vec![filter("vpc-id", vec![vpc.to_string()]), filter("group-name", names)];
        let request = client.describe_security_groups().set_filters(Some(filters)).max_results(1000);
        let (mut known, mut next) = (Vec::new(), None);
        loop {
            let page = request.clone().set_next_token(next);
            let page = self.call("DescribeSecurityGroups", region, 1, || page.clone().send()).await;
            let page = page.map_err(|error| failure("DescribeSecurityGroups", region, &error))?;
            known.extend(page.security_groups().iter().cloned());
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
        let id = |group: &String| {
            if group.starts_with("sg-") {
                return Ok(group.clone());
            }
            let found = known.iter().find(|known| known.group_name() == Some(group));
            let found = found.and_then(|known| known.group_id()).map(str::to_string);
            found.ok_or_else(|| Failure::unreached(format!("no security group {group} in {vpc} ({region})")))
        };
        groups.iter().map(id).collect()
    }
}
