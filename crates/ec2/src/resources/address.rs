//! Elastic IP addresses: listing, allocating, associating and releasing them. A host's own address carries the host's
//! name as its tag `Name`.

use crate::change::tags::tag;
use crate::client::failure::failure;
use crate::client::verdict::{CallError, code, is_ambiguous};
use crate::client::{Ec2, FILTER_VALUES};
use crate::describe::find::Filter;
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::SdkError;
use aws_sdk_ec2::types::{self, DomainType, ResourceType, TagSpecification};
use cerveza_manners::{Failure, Result};

/// An elastic IP address of the account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    pub allocation_id: String,
    pub public_ip: String,
    /// Its tag `Name`.
    pub name: String,
    /// Its tag [`RUN_TAG`].
    pub run: Option<String>,
    /// Set while an instance or another network interface, such as that of a NAT gateway, uses it.
    pub association_id: Option<String>,
    pub instance_id: Option<String>,
    pub network_interface_id: Option<String>,
}

/// The tag of an address that names the run of ec2-launch that has allocated it.
const RUN_TAG: &str = "launch-run";

impl Address {
    /// Returns what uses the address, for messages.
    pub(crate) fn holder(&self) -> &str {
        let holder = self.instance_id.as_deref().or(self.network_interface_id.as_deref());
        holder.or(self.association_id.as_deref()).unwrap_or("nothing")
    }

    pub(crate) fn is_free(&self) -> bool {
        self.association_id.is_none()
    }

    /// Returns whether nothing has it but this instance.
    pub fn is_free_but_for(&self, instance_id: &str) -> bool {
        self.is_free() || self.instance_id.as_deref() == Some(instance_id)
    }
}

/// How a call that changes an address failed.
pub(crate) struct AddressError {
    pub failure: Failure,
    /// EC2's code, empty if EC2 gave none.
    pub code: String,
    /// EC2 may have made the change.
    pub is_ambiguous: bool,
}

impl Ec2 {
    /// Returns the addresses of one region whose `field`, a filter of DescribeAddresses, has one of the `values`, by
    /// allocation id.
    pub(crate) async fn addresses(&self, region: &str, field: &str, values: &[String]) -> Result<Vec<Address>> {
        let mut found = Vec::new();
        for values in values.chunks(FILTER_VALUES) {
            let filter = Filter::exact(field, values).api();
            // DescribeAddresses has no pages.
            let request = self.client(region).describe_addresses().filters(filter);
            let answer = self.call("DescribeAddresses", region, 1, || request.clone().send()).await;
            let answer = answer.map_err(|error| failure("DescribeAddresses", region, &error))?;
            found.extend(answer.addresses().iter().map(address));
        }
        found.sort_by(|a, b| a.allocation_id.cmp(&b.allocation_id));
        Ok(found)
    }

    /// Returns the addresses that are kept for these hosts, by their tag `Name`.
    pub async fn addresses_of(&self, region: &str, hosts: &[String]) -> Result<Vec<Address>> {
        self.addresses(region, "tag:Name", hosts).await
    }

    /// Allocates an address for a host. The tags are part of the request, so the run finds its address by them even if
    /// the answer gets lost.
    pub(crate) async fn allocate(
        &self,
        region: &str,
        host: &str,
        run: &str,
    ) -> std::result::Result<Address, AddressError> {
        let tags = TagSpecification::builder().resource_type(ResourceType::ElasticIp);
        let tags = tags.tags(tag("Name", Some(host))).tags(tag(RUN_TAG, Some(run)));
        let request = self.client(region).allocate_address().domain(DomainType::Vpc).tag_specifications(tags.build());
        let answer = self.call("AllocateAddress", region, 1, || request.clone().send()).await;
        let answer = answer.map_err(|error| address_error(error, "AllocateAddress", region))?;
        Ok(Address {
            allocation_id: answer.allocation_id.unwrap_or_default(),
            public_ip: answer.public_ip.unwrap_or_default(),
            name: host.to_string(),
            run: Some(run.to_string()),
            ..Address::default()
        })
    }

    /// Associates a free address with an instance.
    pub(crate) async fn associate(
        &self,
        region: &str,
        instance_id: &str,
        allocation_id: &str,
    ) -> std::result::Result<(), AddressError> {
        let request = self.client(region).associate_address().instance_id(instance_id).allocation_id(allocation_id);
        // Never taken from another instance.
        let request = request.allow_reassociation(false);
        let answer = self.call("AssociateAddress", region, 1, || request.clone().send()).await;
        answer.map(drop).map_err(|error| address_error(error, "AssociateAddress", region))
    }

    pub(crate) async fn disassociate(&self, region: &str, id: &str) -> std::result::Result<(), AddressError> {
        let request = self.client(region).disassociate_address().association_id(id);
        let answer = self.call("DisassociateAddress", region, 1, || request.clone().send()).await;
        answer.map(drop).map_err(|error| address_error(error, "DisassociateAddress", region))
    }

    /// Releases an address. One that is not there any more is released.
    pub(crate) async fn release(&self, region: &str, id: &str) -> std::result::Result<(), AddressError> {
        let request = self.client(region).release_address().allocation_id(id);
        let answer = self.call("ReleaseAddress", region, 1, || request.clone().send()).await;
        match answer.map_err(|error| address_error(error, "ReleaseAddress", region)) {
            Err(error) if error.code == "InvalidAllocationID.NotFound" => Ok(()),
            answer => answer.map(drop),
        }
    }
}

fn address_error<E: CallError>(error: SdkError<E, HttpResponse>, call: &str, region: &str) -> AddressError {
    let code = code(&error).unwrap_or_default().to_string();
    let failure = match code.as_str() {
        "AddressLimitExceeded" => failure(call, region, &error).hint(
            "release addresses that nothing uses, or ask for a higher quota (Service Quotas, EC2-VPC Elastic IPs)",
        ),
        _ => failure(call, region, &error),
    };
    AddressError { failure, is_ambiguous: is_ambiguous(&error), code }
}

fn address(address: &types::Address) -> Address {
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_string);
    let value = |key| text(address.tags().iter().find(|tag| tag.key() == Some(key))?.value());
    Address {
        allocation_id: text(address.allocation_id()).unwrap_or_default(),
        public_ip: text(address.public_ip()).unwrap_or_default(),
        name: value("Name").unwrap_or_default(),
        run: value(RUN_TAG),
        association_id: text(address.association_id()),
        instance_id: text(address.instance_id()),
        network_interface_id: text(address.network_interface_id()),
    }
}
