//! Shows changes: in the record, in a table, and in a warning.

use crate::plan::{TagChange, tags_in};
use cerveza_ec2::host_name;
use cerveza_record::{Record, Value, json, quote};
use hostrange::fold;
use std::collections::BTreeMap;

/// Puts the changes into the record, and its tags as they are once these are made: EC2 may list the old ones for a
/// moment.
pub fn show(record: &mut Record, changes: &[TagChange]) {
    let id = record.str("instance_id").unwrap_or_default();
    let own: Vec<&TagChange> = changes.iter().filter(|change| change.resource == id).collect();
    if !own.is_empty() {
        let mut tags = tags_in(record);
        for change in own {
            match &change.after {
                Some(value) => _ = tags.insert(change.key.clone(), value.clone()),
                None => _ = tags.remove(&change.key),
            }
        }
        record.set("host", host_name(tags.get("Name").map(String::as_str), &id));
        record.set("profile", tags.get("profile").cloned());
        record.set("tags", tags.into_iter().map(|(key, value)| (key, value.into())).collect::<serde_json::Map<_, _>>());
    }
    let shown = |change: &TagChange| {
        let TagChange { resource, key, before, after } = change;
        json!({"resource": resource, "key": key, "before": before, "after": after})
    };
    record.set("changes", changes.iter().map(shown).collect::<Vec<_>>());
}

/// Returns the changes for a table: `role: web -> db`. What a volume has in common with its host is said once.
pub fn changes_cell(record: &Record) -> Value {
    let id = record.str("instance_id").unwrap_or_default();
    let mut resources: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for change in record.get("changes").iter().filter_map(Value::as_array).flatten() {
        let text = |key: &str| change[key].as_str().unwrap_or_default().to_string();
        let (key, resource) = (text("key"), text("resource"));
        let shown = format!("{key}: {} -> {}", value(&change["before"]), value(&change["after"]));
        resources.entry((key, shown)).or_default().push(resource);
    }
    let cells = resources.into_iter().map(|((_, shown), resources)| {
        if resources.contains(&id) { shown } else { format!("{} {shown}", resources.join(" ")) }
    });
    cells.collect::<Vec<_>>().join(", ").into()
}

/// Stands for the value of a tag that is not there.
const NO_TAG: &str = "(none)";

/// Returns a value as it is if it cannot be misread.
fn value(value: &Value) -> String {
    match value.as_str() {
        None => NO_TAG.to_string(),
        Some(text) if text.is_empty() || text == NO_TAG || text.contains([',', '"']) || text.trim() != text => {
            quote(text)
        }
        Some(text) => text.to_string(),
    }
}

/// Returns a warning of hosts that get another name.
pub fn renamed<'c>(changes: impl Iterator<Item = &'c TagChange>) -> Option<String> {
    let renames = changes.filter(|change| change.key == "Name" && change.resource.starts_with("i-"));
    let renames = renames.filter_map(|change| {
        let name = |tag: &'c Option<String>| host_name(tag.as_deref(), &change.resource);
        Some((change.before.as_deref().map(|_| name(&change.before))?, name(&change.after)))
    });
    let (before, after): (Vec<&str>, Vec<&str>) = renames.unzip();
    let becomes = if before.len() == 1 { "becomes" } else { "become" };
    (!before.is_empty()).then(|| {
        format!(
            "{} {becomes} {}: all tools find a host by its Name; saved listings, addresses and what ec2-launch remembers keep \
             the old one",
            fold(before),
            fold(after)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record::parse(concat!(
            r#"{"host":"web1","instance_id":"i-1","profile":null,"tags":{"Name":"web1","old":"x"},"#,
            r#""volumes":[{"device":"/dev/sda1","volume_id":"vol-1"}]}"#
        ))
        .unwrap()
    }

    fn change(resource: &str, key: &str, before: Option<&str>, after: Option<&str>) -> TagChange {
        let text = |text: Option<&str>| text.map(str::to_string);
        TagChange { resource: resource.into(), key: key.into(), before: text(before), after: text(after) }
    }

    #[test]
    fn the_record_shows_the_tags_as_they_are_then() {
        let mut shown = record();
        let changes = [
            change("i-1", "Name", Some("web1"), Some("web2")),
            change("i-1", "profile", None, Some("Web")),
            change("i-1", "old", Some("x"), None),
            change("vol-1", "old", Some("y"), None),
        ];
        show(&mut shown, &changes);
        assert_eq!(
            shown.to_string(),
            concat!(
                r#"{"host":"web2","instance_id":"i-1","profile":"Web","tags":{"Name":"web2","profile":"Web"},"#,
                r#""volumes":[{"device":"/dev/sda1","volume_id":"vol-1"}],"changes":["#,
                r#"{"resource":"i-1","key":"Name","before":"web1","after":"web2"},"#,
                r#"{"resource":"i-1","key":"profile","before":null,"after":"Web"},"#,
                r#"{"resource":"i-1","key":"old","before":"x","after":null},"#,
                r#"{"resource":"vol-1","key":"old","before":"y","after":null}]}"#
            )
        );
        assert_eq!(
            changes_cell(&shown),
            "Name: web1 -> web2, old: x -> (none), vol-1 old: y -> (none), profile: (none) -> Web"
        );
    }

    #[test]
    fn without_its_name_a_host_is_its_id() {
        let mut shown = record();
        show(&mut shown, &[change("i-1", "Name", Some("web1"), None)]);
        assert_eq!(shown.host(), "i-1");
    }

    #[test]
    fn a_change_that_volumes_share_is_said_once() {
        let mut shown = record();
        let both = ["i-1", "vol-1"].map(|id| change(id, "role", Some("web"), Some("db")));
        show(&mut shown, &both);
        assert_eq!(changes_cell(&shown), "role: web -> db");
        show(&mut shown, &[change("vol-1", "role", None, Some(""))]);
        assert_eq!(changes_cell(&shown), "vol-1 role: (none) -> \"\"");
    }

    #[test]
    fn a_new_name_is_a_warning() {
        let renames = [
            change("i-1", "Name", Some("web1"), Some("db1")),
            change("i-2", "Name", Some("web2"), Some("db2")),
            change("vol-1", "Name", Some("x"), Some("y")),
            change("i-3", "Name", None, Some("new")),
        ];
        assert!(renamed(renames.iter()).unwrap().starts_with("web[1-2] become db[1-2]: "));
        assert!(renamed(renames[..1].iter()).unwrap().starts_with("web1 becomes db1: "));
        assert_eq!(renamed(renames[2..].iter()), None);
    }
}
