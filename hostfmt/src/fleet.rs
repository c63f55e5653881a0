//! The hosts of a run: those that a format takes, sorted, and their groups.

use crate::names::identifier;
use crate::policy::{GroupNames, HostFilter};
use cerveza_record::{Record, Value as Json, natural_cmp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The hosts that a format takes, and those that it leaves out by their state.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// In natural order of their names, then by instance id.
    pub hosts: Vec<Arc<Record>>,
    /// Names.
    pub left_out: Vec<String>,
}

impl Fleet {
    pub fn new(records: Vec<Record>, filter: HostFilter) -> Fleet {
        let mut hosts: Vec<_> = records.into_iter().map(|record| (record.str("instance_id"), record)).collect();
        hosts.sort_by(|(a_id, a), (b_id, b)| natural_cmp(a.host(), b.host()).then_with(|| a_id.cmp(b_id)));
        // Of an instance that is given twice the last record counts, and dedup_by keeps the first.
        hosts.reverse();
        hosts.dedup_by(|(a_id, a), (b_id, b)| a_id.is_some() && a_id == b_id && a.host() == b.host());
        let hosts = hosts.into_iter().rev().map(|(_, record)| record);
        let (taken, left_out): (Vec<Record>, Vec<Record>) =
            hosts.partition(|record| filter.takes(record.str("state").as_deref()));
        Fleet {
            hosts: taken.into_iter().map(Arc::new).collect(),
            left_out: left_out.iter().map(|record| record.host().to_string()).collect(),
        }
    }
}

/// Hosts by the value of one field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Groups {
    /// In natural order of the names, each with the places of its hosts.
    pub groups: Vec<(String, Vec<usize>)>,
    /// The places of the hosts that have no value.
    pub ungrouped: Vec<usize>,
}

impl Groups {
    /// Groups `hosts`, each with its place in the fleet, by the value at the path `key`. A list puts a host into
    /// several.
    pub fn new<'a>(hosts: impl Iterator<Item = (usize, &'a Record)>, key: &str, names: GroupNames) -> Groups {
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut ungrouped = Vec::new();
        for (place, record) in hosts {
            let values = texts(record, key);
            if values.is_empty() {
                ungrouped.push(place);
            }
            for value in values {
                let name = match names {
                    GroupNames::Verbatim => value,
                    GroupNames::Identifiers => identifier(&value).unwrap_or(value),
                };
                let places = groups.entry(name).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by(|(a, _), (b, _)| natural_cmp(a, b));
        Groups { groups, ungrouped }
    }
}

/// Returns the texts of a record at the path `key`, such as `tags.role`: several of a list, none of what is empty.
pub(crate) fn texts(record: &Record, key: &str) -> Vec<String> {
    let text = |value| match value {
        Json::String(text) => text,
        value => value.to_string(),
    };
    record.values_at(key).into_iter().map(text).filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(lines: &[&str]) -> Vec<Record> {
        lines.iter().map(|line| Record::parse(line).unwrap()).collect()
    }

    #[test]
    fn hosts_are_sorted_and_chosen_by_state() {
        let lines = [
            r#"{"host":"web10"}"#,
            r#"{"host":"web2","instance_id":"i-2"}"#,
            r#"{"host":"db1","state":"stopped"}"#,
            r#"{"host":"web2","instance_id":"i-1","state":"running"}"#,
        ];
        let fleet = Fleet::new(records(&lines), HostFilter::Running);
        let places = [3, 1, 0];
        let sorted: Vec<String> = fleet.hosts.iter().map(|record| record.to_string()).collect();
        assert_eq!(sorted, places.map(|place| lines[place]));
        assert_eq!(fleet.left_out, ["db1"]);
    }

    #[test]
    fn an_instance_that_is_given_twice_is_one_host() {
        let lines = [
            r#"{"host":"web1","instance_id":"i-1","state":"running"}"#,
            r#"{"host":"web1"}"#,
            r#"{"host":"web1","instance_id":"i-1","state":"stopped"}"#,
            r#"{"host":"web1"}"#,
        ];
        let hosts = |filter| {
            let fleet = Fleet::new(records(&lines), filter);
            fleet.hosts.iter().map(|record| record.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(hosts(HostFilter::All), [lines[1], lines[3], lines[2]]);
        assert_eq!(hosts(HostFilter::Running), [lines[1], lines[3]]);
    }

    #[test]
    fn a_list_puts_a_host_into_several_groups() {
        let lines = [
            r#"{"host":"a","security_groups":["web-1","db"]}"#,
            r#"{"host":"b","security_groups":[],"n":7}"#,
            r#"{"host":"c","security_groups":["web_1","web-1"],"n":""}"#,
        ];
        let records = records(&lines);
        let groups = |key, names| Groups::new(records.iter().enumerate(), key, names);
        let by_group = groups("security_groups", GroupNames::Verbatim);
        let expected = [("db", vec![0]), ("web-1", vec![0, 2]), ("web_1", vec![2])];
        assert_eq!(by_group.groups, expected.map(|(name, places)| (name.to_string(), places)));
        assert_eq!(by_group.ungrouped, [1]);
        let by_identifier = groups("security_groups", GroupNames::Identifiers).groups;
        assert_eq!(
            by_identifier,
            [("db", vec![0]), ("web_1", vec![0, 2])].map(|(name, places)| (name.to_string(), places))
        );
        assert_eq!(groups("n", GroupNames::Verbatim).groups, [("7".to_string(), vec![1])]);
        assert_eq!(groups("n", GroupNames::Verbatim).ungrouped, [0, 2]);
    }
}
