//! CreateTags, DeleteTags, and the rules for tags.

use super::params::{Answer, ApiError, Params, tags};
use super::region::{Options, Region, Tags};
use super::xml::text;

/// Fails if tags break EC2's rules ("Tag your Amazon EC2 resources" in the user guide: 50 tags for each resource, keys
/// of 1 to 128 characters, values of up to 256, `aws:` is reserved).
pub fn check_tags(tags: &Tags) -> Result<(), ApiError> {
    check_number(tags)?;
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 {
            return Err(ApiError::value("Tag key must be 1 to 128 characters long"));
        }
        if value.chars().count() > 256 {
            return Err(ApiError::value("Tag value exceeds the maximum length of 256 characters"));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(ApiError::value("Tag keys starting with 'aws:' are reserved for internal use"));
        }
    }
    Ok(())
}

/// Tags of AWS itself do not count.
fn check_number(tags: &Tags) -> Result<(), ApiError> {
    match tags.keys().filter(|key| !key.starts_with("aws:")).count() {
        0..=50 => Ok(()),
        _ => Err(ApiError::new("TagLimitExceeded", "Tag limit exceeded: a resource can have 50 tags")),
    }
}

/// Fails if a tag cannot be read from the metadata of an instance that has its tags there. Then keys consist of letters,
/// digits and `+ - = . , _ : @`, and are not `.`, `..` or `_index` ("Work with instance tags in instance metadata").
pub fn check_metadata_keys(tags: &Tags) -> Result<(), ApiError> {
    let fits = |key: &&String| {
        let is_reserved = [".", "..", "_index"].contains(&key.as_str());
        !is_reserved && key.chars().all(|c| c.is_ascii_alphanumeric() || "+-=.,_:@".contains(c))
    };
    match tags.keys().find(|key| !fits(key)) {
        None => Ok(()),
        Some(key) => Err(ApiError::value(format!(
            "'{key}' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\-_+=,.@:]{{1,255}}), and must not be \
             a reserved name ('.', '..', '_index')"
        ))),
    }
}

/// Returns whether an instance that was launched with these parameters has its tags in its metadata.
pub fn offers_tags(request: &Params) -> bool {
    request.get("MetadataOptions.InstanceMetadataTags") == Some("enabled")
}

/// All or nothing: one resource that does not exist fails the call.
pub fn create_tags(region: &mut Region, params: &Params, _: &Options) -> Answer {
    let given = tags(&params.items("Tag"));
    if given.is_empty() {
        return Err(ApiError::missing("Tag"));
    }
    check_tags(&given)?;
    change(region, params, |tags| tags.extend(given.clone()))
}

/// If the call gives a value, the tag is removed only if it has that value.
pub fn delete_tags(region: &mut Region, params: &Params, _: &Options) -> Answer {
    let given = params.items("Tag");
    if given.iter().any(|tag| tag.get("Key").is_some_and(|key| key.starts_with("aws:"))) {
        return Err(ApiError::value("Tag keys starting with 'aws:' are reserved for internal use"));
    }
    change(region, params, |tags| {
        for tag in &given {
            let key = tag.get("Key").unwrap_or_default();
            if tag.get("Value").is_none_or(|value| tags.get(key).is_some_and(|has| has == value)) {
                tags.remove(key);
            }
        }
        if given.is_empty() {
            tags.clear();
        }
    })
}

fn change(region: &mut Region, params: &Params, change: impl Fn(&mut Tags)) -> Answer {
    let ids = params.list("ResourceId");
    if ids.is_empty() {
        return Err(ApiError::missing("ResourceId"));
    }
    if ids.len() > 1000 {
        return Err(ApiError::value("The maximum number of resources in one request is 1000"));
    }
    let mut changed = Vec::new();
    for id in &ids {
        let mut tags = tags_of(region, id)?.clone();
        change(&mut tags);
        check_number(&tags)?;
        if id.starts_with("i-") && offers_tags(&region.instances[region.instance(id)?].request) {
            check_metadata_keys(&tags)?;
        }
        changed.push(tags);
    }
    for (id, tags) in ids.iter().zip(changed) {
        *tags_of(region, id)? = tags;
    }
    Ok(text("return", true))
}

fn tags_of<'a>(region: &'a mut Region, id: &str) -> Result<&'a mut Tags, ApiError> {
    match id.split('-').next() {
        Some("i") => region.instance(id).map(|at| &mut region.instances[at].tags),
        Some("vol") => region.volume(id).map(|at| &mut region.volumes[at].tags),
        Some("eipalloc") => region.address(id).map(|at| &mut region.addresses[at].tags),
        _ => Err(ApiError::new("InvalidID", format!("The ID '{id}' is not valid"))),
    }
}
