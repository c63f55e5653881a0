//! EBS volumes and elastic IP addresses as records, for a listing.

use crate::client::Ec2;
use crate::client::failure::failure;
use crate::config::region_name::check_region;
use crate::describe::find::{Filter, gather};
use aws_sdk_ec2::primitives::DateTimeFormat;
use aws_sdk_ec2::types::{Address, Tag, Volume, VolumeAttachment};
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value, json};
use std::collections::BTreeMap;

/// Most volumes in one page of DescribeVolumes (Amazon EC2 API Reference).
const PAGE: i32 = 500;

impl Ec2 {
    /// Returns the volumes of a region, by id: one record for each instance that uses one, and one for a volume that is
    /// not in use. With `instances` only the volumes that they use. `host` is the volume's id.
    pub async fn volume_records(&self, region: &str, instances: Option<&[String]>) -> Result<Vec<Record>> {
        check_region(region)?;
        let client = &self.client(region);
        let page = |values: Vec<String>, token| async move {
            let filter = instances.map(|_| Filter::exact("attachment.instance-id", &values).api());
            let request = client.describe_volumes().set_filters(filter.map(|filter| vec![filter]));
            let request = request.max_results(PAGE).set_next_token(token);
            let page = self.call("DescribeVolumes", region, 1, || request.clone().send()).await;
            let page = page.map_err(|error| failure("DescribeVolumes", region, &error))?;
            Ok::<_, Failure>((page.volumes.unwrap_or_default(), page.next_token))
        };
        let mut volumes: Vec<Volume> = gather(instances.unwrap_or(&[String::new()]), page).await?;
        volumes.sort_by(|a, b| a.volume_id.cmp(&b.volume_id));
        volumes.dedup_by(|a, b| a.volume_id == b.volume_id);
        let wanted = |attachment: &&VolumeAttachment| {
            instances.is_none_or(|ids| ids.iter().any(|id| attachment.instance_id() == Some(id)))
        };
        let records = volumes.iter().flat_map(|volume| {
            let uses: Vec<Record> = volume
                .attachments()
                .iter()
                .filter(wanted)
                .map(|attachment| volume_record(volume, Some(attachment), region))
                .collect();
            if uses.is_empty() && instances.is_none() { vec![volume_record(volume, None, region)] } else { uses }
        });
        Ok(records.collect())
    }

    /// Returns the elastic IP addresses of a region, by allocation id; with `instances` only those that they have.
    /// `host` is the address itself.
    pub async fn address_records(&self, region: &str, instances: Option<&[String]>) -> Result<Vec<Record>> {
        check_region(region)?;
        let client = &self.client(region);
        let page = |values: Vec<String>, _| async move {
            let filter = instances.map(|_| Filter::exact("instance-id", &values).api());
            // DescribeAddresses has no pages.
            let request = client.describe_addresses().set_filters(filter.map(|filter| vec![filter]));
            let answer = self.call("DescribeAddresses", region, 1, || request.clone().send()).await;
            let answer = answer.map_err(|error| failure("DescribeAddresses", region, &error))?;
            Ok((answer.addresses.unwrap_or_default(), None))
        };
        let mut addresses: Vec<Address> = gather(instances.unwrap_or(&[String::new()]), page).await?;
        addresses.sort_by(|a, b| a.allocation_id.cmp(&b.allocation_id));
        Ok(addresses.iter().map(|address| address_record(address, region)).collect())
    }
}

fn volume_record(volume: &Volume, attachment: Option<&VolumeAttachment>, region: &str) -> Record {
    let mut record = Record::named(volume.volume_id().unwrap_or("?"));
    let time = volume.create_time().and_then(|time| time.fmt(DateTimeFormat::DateTime).ok());
    record.set("volume_id", text(volume.volume_id()));
    record.set("instance_id", text(attachment.and_then(|attachment| attachment.instance_id())));
    record.set("device", text(attachment.and_then(|attachment| attachment.device())));
    record.set("region", region);
    record.set("zone", text(volume.availability_zone()));
    record.set("state", text(volume.state().map(|state| state.as_str())));
    record.set("size_gib", volume.size());
    record.set("volume_type", text(volume.volume_type().map(|kind| kind.as_str())));
    record.set("iops", volume.iops());
    record.set("throughput", volume.throughput());
    record.set("encrypted", volume.encrypted());
    record.set("kms_key_id", text(volume.kms_key_id()));
    record.set("snapshot_id", text(volume.snapshot_id()));
    let state = attachment.and_then(|attachment| attachment.state()).map(|state| state.as_str());
    record.set("attachment", text(state));
    record.set("delete_on_termination", attachment.and_then(|attachment| attachment.delete_on_termination()));
    record.set("create_time", text(time.as_deref()));
    record.set("tags", tags_object(volume.tags()));
    record
}

fn address_record(address: &Address, region: &str) -> Record {
    let mut record = Record::named(address.public_ip().filter(|ip| !ip.is_empty()).unwrap_or("?"));
    record.set("public_ip", text(address.public_ip()));
    record.set("allocation_id", text(address.allocation_id()));
    record.set("association_id", text(address.association_id()));
    record.set("instance_id", text(address.instance_id()));
    record.set("network_interface_id", text(address.network_interface_id()));
    record.set("private_ip", text(address.private_ip_address()));
    record.set("region", region);
    record.set("tags", tags_object(address.tags()));
    record
}

/// Returns the tags sorted by name, so the same resource always gives the same record.
fn tags_object(tags: &[Tag]) -> Value {
    let pairs = tags.iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default()));
    json!(pairs.collect::<BTreeMap<_, _>>())
}

fn text(text: Option<&str>) -> Value {
    text.filter(|text| !text.is_empty()).map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::VolumeType;

    #[test]
    fn volume_has_its_use_and_null_where_it_has_none() {
        let attachment = VolumeAttachment::builder().instance_id("i-1").device("/dev/xvda").delete_on_termination(true);
        let volume = Volume::builder().volume_id("vol-1").size(8).volume_type(VolumeType::Gp3).iops(3000);
        let volume = volume.tags(Tag::builder().key("Name").value("web1").build()).build();
        let record = volume_record(&volume, Some(&attachment.build()), "us-east-1");
        assert_eq!(
            record.to_string(),
            concat!(
                r#"{"host":"vol-1","volume_id":"vol-1","instance_id":"i-1","device":"/dev/xvda","region":"us-east-1","#,
                r#""zone":null,"state":null,"size_gib":8,"volume_type":"gp3","iops":3000,"throughput":null,"#,
                r#""encrypted":null,"kms_key_id":null,"snapshot_id":null,"attachment":null,"#,
                r#""delete_on_termination":true,"create_time":null,"tags":{"Name":"web1"}}"#
            )
        );
        assert_eq!(volume_record(&volume, None, "r").get("instance_id"), Some(Value::Null));
    }
}
