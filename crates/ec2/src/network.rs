//! What a launch needs of the VPC: ids of security groups, elastic IP addresses.

use crate::client::Ec2;
use crate::failure::failure;
use crate::tags::tag;
use aws_sdk_ec2::types::{Address, DomainType, Filter, ResourceType, TagSpecification};
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

    /// Gives an instance an elastic IP address that the account has, an IPv4 address or an `eipalloc-` id, and returns
    /// the address. One that is in use elsewhere is not taken away.
    pub async fn associate_address(&self, region: &str, instance_id: &str, address: &str) -> Result<String> {
        let field = if address.starts_with("eipalloc-") { "allocation-id" } else { "public-ip" };
        let known = self.addresses(region, field, address).await?;
        let Some(known) = known.first() else {
            return Err(Failure::unreached(format!("the account has no elastic IP {address} in {region}")));
        };
        match known.instance_id().filter(|id| !id.is_empty()) {
            Some(id) if id == instance_id => Ok(known.public_ip().unwrap_or(address).to_string()),
            Some(id) => Err(Failure::unreached(format!("elastic IP {address} is in use by {id}"))),
            None => {
                self.associate(region, instance_id, known.allocation_id().unwrap_or_default()).await?;
                Ok(known.public_ip().unwrap_or(address).to_string())
            }
        }
    }

    /// Gives an instance the address kept for its host, which is one with that Name tag and in nobody's use, or a new
    /// one, and returns it.
    pub async fn associate_own_address(&self, region: &str, instance_id: &str, host: &str) -> Result<String> {
        let kept = self.addresses(region, "tag:Name", &crate::find::escape(host)).await?;
        if let Some(has) = kept.iter().find(|address| address.instance_id() == Some(instance_id)) {
            return Ok(has.public_ip().unwrap_or_default().to_string());
        }
        // An address may be in use by what is no instance: a NAT gateway, a network interface.
        let is_free = |address: &&Address| address.association_id().is_none_or(str::is_empty);
        if let Some(free) = kept.iter().find(is_free) {
            self.associate(region, instance_id, free.allocation_id().unwrap_or_default()).await?;
            return Ok(free.public_ip().unwrap_or_default().to_string());
        }
        let name = TagSpecification::builder().resource_type(ResourceType::ElasticIp).tags(tag("Name", Some(host)));
        let call = self.client(region).allocate_address().domain(DomainType::Vpc).tag_specifications(name.build());
        let new = self.call("AllocateAddress", region, 1, || call.clone().send()).await;
        let new = new.map_err(|error| failure("AllocateAddress", region, &error))?;
        self.associate(region, instance_id, new.allocation_id().unwrap_or_default()).await?;
        Ok(new.public_ip().unwrap_or_default().to_string())
    }

    async fn addresses(&self, region: &str, field: &str, value: &str) -> Result<Vec<Address>> {
        let call = self.client(region).describe_addresses().filters(filter(field, vec![value.to_string()]));
        let answer = self.call("DescribeAddresses", region, 1, || call.clone().send()).await;
        let answer = answer.map_err(|error| failure("DescribeAddresses", region, &error))?;
        Ok(answer.addresses().to_vec())
    }

    async fn associate(&self, region: &str, instance_id: &str, allocation: &str) -> Result<()> {
        let call = self.client(region).associate_address().instance_id(instance_id).allocation_id(allocation);
        let call = call.allow_reassociation(false);
        let answer = self.call("AssociateAddress", region, 1, || call.clone().send()).await;
        answer.map(drop).map_err(|error| failure("AssociateAddress", region, &error))
    }
}
