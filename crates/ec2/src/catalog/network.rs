//! Looks up subnets and security groups.

use crate::catalog::looked_up::{LookedUp, NotLookedUp};
use crate::client::Ec2;
use crate::describe::find::{Filter, gather};
use crate::launch::run_instances::is_group_id;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subnet {
    pub vpc: String,
    pub zone: String,
    /// Whether EC2 takes it for a launch in its zone that names no subnet.
    pub is_default: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityGroup {
    pub id: String,
    pub name: String,
    pub vpc: String,
}

impl Ec2 {
    /// Returns the subnets of these ids, and the default ones.
    pub(crate) async fn subnets(
        &self,
        region: &str,
        ids: &BTreeSet<String>,
        with_default: bool,
    ) -> LookedUp<BTreeMap<String, Subnet>> {
        let mut subnets = self.find_subnets(region, "subnet-id", ids).await?;
        if with_default {
            subnets.extend(self.find_subnets(region, "default-for-az", [&"true".to_string()]).await?);
        }
        Ok(subnets)
    }

    async fn find_subnets<'a>(
        &self,
        region: &str,
        filter: &str,
        values: impl IntoIterator<Item = &'a String>,
    ) -> LookedUp<BTreeMap<String, Subnet>> {
        let client = &self.client(region);
        let found = gather(values, |values, token| async move {
            let request = client.describe_subnets().filters(Filter::exact(filter, &values).api());
            let request = request.max_results(1000).set_next_token(token);
            let page = self.call("DescribeSubnets", region, 1, || request.clone().send()).await;
            let page = page.map_err(|error| NotLookedUp::new("DescribeSubnets", region, &error))?;
            Ok::<_, NotLookedUp>((page.subnets.unwrap_or_default(), page.next_token))
        });
        let subnet = |subnet: aws_sdk_ec2::types::Subnet| {
            let facts = Subnet {
                vpc: subnet.vpc_id.unwrap_or_default(),
                zone: subnet.availability_zone.unwrap_or_default(),
                is_default: subnet.default_for_az.unwrap_or_default(),
            };
            Some((subnet.subnet_id?, facts))
        };
        Ok(found.await?.into_iter().filter_map(subnet).collect())
    }

    /// Returns the security groups that have one of these names, in any VPC, or one of these ids.
    pub(crate) async fn security_groups(
        &self,
        region: &str,
        groups: &BTreeSet<String>,
    ) -> LookedUp<Vec<SecurityGroup>> {
        let (ids, names): (Vec<_>, Vec<_>) = groups.iter().partition(|group| is_group_id(group));
        let mut found = self.find_groups(region, "group-id", ids).await?;
        found.extend(self.find_groups(region, "group-name", names).await?);
        Ok(found)
    }

    /// Adds all groups of the subnets' VPCs if a name is missing in one of them, to suggest the nearest name.
    pub(crate) async fn with_missing_groups(
        &self,
        region: &str,
        names: &BTreeSet<String>,
        subnets: &BTreeMap<String, Subnet>,
        mut found: Vec<SecurityGroup>,
    ) -> LookedUp<Vec<SecurityGroup>> {
        let vpcs: BTreeSet<String> = subnets.values().map(|subnet| subnet.vpc.clone()).collect();
        let is_there = |name: &String, vpc: &String| found.iter().any(|it| it.name == *name && it.vpc == *vpc);
        let mut names = names.iter().filter(|name| !is_group_id(name));
        if names.any(|name| vpcs.iter().any(|vpc| !is_there(name, vpc))) {
            let all = self.find_groups(region, "vpc-id", &vpcs).await?;
            found.retain(|group| !vpcs.contains(&group.vpc));
            found.extend(all);
        }
        Ok(found)
    }

    async fn find_groups<'a>(
        &self,
        region: &str,
        filter: &str,
        values: impl IntoIterator<Item = &'a String>,
    ) -> LookedUp<Vec<SecurityGroup>> {
        let client = &self.client(region);
        let found = gather(values, |values, token| async move {
            let filter = Filter::exact(filter, &values).api();
            let request = client.describe_security_groups().filters(filter).max_results(1000).set_next_token(token);
            let page = self.call("DescribeSecurityGroups", region, 1, || request.clone().send()).await;
            let page = page.map_err(|error| NotLookedUp::new("DescribeSecurityGroups", region, &error))?;
            Ok::<_, NotLookedUp>((page.security_groups.unwrap_or_default(), page.next_token))
        });
        let group = |group: aws_sdk_ec2::types::SecurityGroup| SecurityGroup {
            id: group.group_id.unwrap_or_default(),
            name: group.group_name.unwrap_or_default(),
            vpc: group.vpc_id.unwrap_or_default(),
        };
        Ok(found.await?.into_iter().map(group).collect())
    }
}
