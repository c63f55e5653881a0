//! CreateTags and DeleteTags, and what EC2 takes as a tag.

use crate::batch::in_batches;
use crate::change::refused;
use crate::client::Ec2;
use aws_sdk_ec2::types::Tag;
use cerveza_manners::Result;

/// Tags to set and keys to remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    pub set: Vec<(String, String)>,
    pub remove: Vec<String>,
}

/// Hosts in one request. CreateTags takes 1,000 resources, but is documented to want fewer.
const BATCH: usize = 25;

/// Checks a tag by EC2's rules (EC2 user guide, "Tag restrictions"), and refuses control characters, which EC2 may
/// take and no line of a tool would hold.
pub fn check_tag(key: &str, value: &str) -> std::result::Result<(), String> {
    let shown: String = key.chars().take(40).collect();
    if key.is_empty() {
        return Err("a tag without a key".to_string());
    }
    if key.chars().count() > 128 {
        return Err(format!("tag {shown}...: the key is longer than 128 characters"));
    }
    if value.chars().count() > 256 {
        return Err(format!("tag {shown}: the value is longer than 256 characters"));
    }
    if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
        return Err(format!("tag {shown}: keys that begin with aws: are reserved"));
    }
    if key.chars().chain(value.chars()).any(char::is_control) {
        return Err(format!("tag {shown:?}: a control character in it"));
    }
    Ok(())
}

impl Ec2 {
    /// Sets and removes tags in one region. `hosts` has the ids of each host's resources; one result a host, in order.
    pub async fn tag(&self, region: &str, hosts: &[Vec<String>], tags: &Tags) -> Vec<Result<()>> {
        let client = &self.client(region);
        let set: &Vec<Tag> = &tags.set.iter().map(|(key, value)| tag(key, Some(value))).collect();
        let remove: &Vec<Tag> = &tags.remove.iter().map(|key| tag(key, None)).collect();
        let call = |ids: Vec<String>| async move {
            if !set.is_empty() {
                let request = client.create_tags().set_resources(Some(ids.clone())).set_tags(Some(set.clone()));
                let answer = self.call_batch("CreateTags", region, ids.len(), || request.clone().send()).await;
                answer.map_err(|error| refused("CreateTags", region, &error))?;
            }
            if !remove.is_empty() {
                let count = ids.len();
                let request = client.delete_tags().set_resources(Some(ids)).set_tags(Some(remove.clone()));
                let answer = self.call_batch("DeleteTags", region, count, || request.clone().send()).await;
                answer.map_err(|error| refused("DeleteTags", region, &error))?;
            }
            Ok(())
        };
        in_batches(hosts, |_| BATCH, || self.is_interrupted(), call).await
    }
}

/// DeleteTags removes a key whatever its value only when no value is sent.
pub(crate) fn tag(key: &str, value: Option<&str>) -> Tag {
    Tag::builder().key(key).set_value(value.map(str::to_string)).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_checked_by_ec2s_rules() {
        assert_eq!(check_tag("team", ""), Ok(()));
        assert_eq!(check_tag("é".repeat(128).as_str(), "x"), Ok(()));
        assert!(check_tag("", "x").is_err());
        assert!(check_tag(&"k".repeat(129), "x").is_err());
        assert!(check_tag("k", &"v".repeat(257)).is_err());
        assert!(check_tag("AWS:x", "x").is_err());
        assert!(check_tag("k", "a\nb").is_err());
    }
}
