//! EBS volumes of the account, found by their tags or ids, with the instances that use them.

use crate::client::Ec2;
use crate::client::failure::failure;
use crate::describe::find::{Filter, gather};
use aws_sdk_ec2::types;
use cerveza_manners::{Failure, Result};
use std::collections::BTreeMap;

/// An EBS volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EbsVolume {
    pub id: String,
    pub zone: String,
    /// As `available` or `in-use`.
    pub state: String,
    pub tags: BTreeMap<String, String>,
    /// More than one only with Multi-Attach.
    pub attachments: Vec<Attachment>,
}

/// The use of a volume by an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    pub instance_id: String,
    pub device: String,
    /// As `attaching`, `attached` or `detaching`.
    pub state: String,
    pub delete_on_termination: bool,
}

impl EbsVolume {
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.get(key).map(String::as_str)
    }

    pub fn attachment_to(&self, instance_id: &str) -> Option<&Attachment> {
        self.attachments.iter().find(|attachment| attachment.instance_id == instance_id)
    }
}

/// Most volumes in one page of DescribeVolumes (Amazon EC2 API Reference).
const PAGE: i32 = 500;

impl Ec2 {
    /// Returns the volumes of one region whose `field`, a filter of DescribeVolumes, has one of the `values`, by id.
    pub async fn volumes(&self, region: &str, field: &str, values: &[String]) -> Result<Vec<EbsVolume>> {
        let client = &self.client(region);
        let found = gather(values, |values, token| async move {
            let request = client.describe_volumes().filters(Filter::exact(field, &values).api());
            let request = request.max_results(PAGE).set_next_token(token);
            let page = self.call("DescribeVolumes", region, 1, || request.clone().send()).await;
            let page = page.map_err(|error| failure("DescribeVolumes", region, &error))?;
            Ok::<_, Failure>((page.volumes().iter().map(volume).collect(), page.next_token))
        });
        let mut found: Vec<EbsVolume> = found.await?;
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }
}

fn volume(volume: &types::Volume) -> EbsVolume {
    let text = |text: Option<&str>| text.unwrap_or_default().to_string();
    let tag = |tag: &types::Tag| (text(tag.key()), text(tag.value()));
    let attachment = |attachment: &types::VolumeAttachment| Attachment {
        instance_id: text(attachment.instance_id()),
        device: text(attachment.device()),
        state: text(attachment.state().map(|state| state.as_str())),
        delete_on_termination: attachment.delete_on_termination() == Some(true),
    };
    EbsVolume {
        id: text(volume.volume_id()),
        zone: text(volume.availability_zone()),
        state: text(volume.state().map(|state| state.as_str())),
        tags: volume.tags().iter().map(tag).collect(),
        attachments: volume.attachments().iter().map(attachment).collect(),
    }
}
