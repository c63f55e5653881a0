//! Changes the instance type (ModifyInstanceAttribute), and looks up where a type is offered.

use crate::change::acted::{Acted, chosen};
use crate::client::failure::failure;
use crate::client::{CONCURRENCY, Ec2};
use crate::config::region_name::check_region;
use crate::describe::find::{Filter, gather};
use aws_sdk_ec2::types::{AttributeValue, LocationType};
use cerveza_manners::{Failure, Result};
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeSet, HashMap};

/// An instance type as one region offers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeOffer {
    pub architectures: Vec<String>,
    pub zones: BTreeSet<String>,
}

impl Ec2 {
    /// Returns the instance type as the region offers it, or `None` if the region has no such type.
    pub async fn type_offer(&self, region: &str, name: &str) -> Result<Option<TypeOffer>> {
        check_region(region)?;
        let name = name.to_string();
        let types = self.instance_types(region, &[name.clone()].into()).await.map_err(|error| error.failure)?;
        let Some(facts) = types.get(&name) else { return Ok(None) };
        let client = &self.client(region);
        let zones = gather([&name], |names, token| async move {
            let request = client.describe_instance_type_offerings().location_type(LocationType::AvailabilityZone);
            let request = request.filters(Filter::exact("instance-type", &names).api()).set_next_token(token);
            let page = self.call("DescribeInstanceTypeOfferings", region, 1, || request.clone().send()).await;
            let page = page.map_err(|error| failure("DescribeInstanceTypeOfferings", region, &error))?;
            let offers = page.instance_type_offerings.unwrap_or_default();
            Ok::<_, Failure>((offers.into_iter().filter_map(|offer| offer.location).collect(), page.next_token))
        });
        let zones: Vec<String> = zones.await?;
        Ok(Some(TypeOffer { architectures: facts.architectures.clone(), zones: zones.into_iter().collect() }))
    }

    /// Gives each stopped host that `wanted` holds of the type that `type_of` returns for it. A host that has the type
    /// after a failed call has not failed: only the answer got lost. After Ctrl-C nothing more is changed, unless
    /// `finish` is set.
    pub async fn set_types(
        &self,
        hosts: &mut [Acted],
        wanted: impl Fn(&Acted) -> bool,
        type_of: impl Fn(&Acted) -> String,
        finish: bool,
    ) {
        let mut hosts = chosen(hosts, wanted);
        let types: HashMap<(String, String), String> =
            hosts.iter().map(|host| (host.instance_key(), type_of(host))).collect();
        let changes = stream::iter(types).map(|(place, name)| async move {
            let result = if self.is_interrupted() && !finish {
                Err(Failure::interrupted())
            } else {
                self.set_type(&place.0, &place.1, &name).await
            };
            (place, result)
        });
        let results: HashMap<_, _> = changes.buffer_unordered(CONCURRENCY).collect().await;
        for host in &mut hosts {
            if let Some(result) = results.get(&host.instance_key()) {
                host.result = result.clone();
                if result.is_ok() {
                    host.record.set("instance_type", type_of(host));
                }
            }
        }
        self.look_at_failed(hosts, |host| host.record.str("instance_type") == Some(type_of(host))).await;
    }

    async fn set_type(&self, region: &str, id: &str, name: &str) -> Result<()> {
        let name = AttributeValue::builder().value(name).build();
        let request = self.client(region).modify_instance_attribute().instance_id(id).instance_type(name);
        let answer = self.call("ModifyInstanceAttribute", region, 1, || request.clone().send()).await;
        answer.map(drop).map_err(|error| failure("ModifyInstanceAttribute", region, &error))
    }
}
