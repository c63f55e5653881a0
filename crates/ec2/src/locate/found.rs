//! What a host that was looked up is in EC2 now.

use crate::instance::id::instance_id;
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;

/// What a host is in EC2 now.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    One(Record),
    /// In none of these regions.
    Absent(Vec<String>),
    /// No live instance has the host's name. This is the newest of those that are shutting down or terminated and still
    /// listed. [`By::Instance`](crate::By::Instance) never gives it.
    Ended(Record),
    /// Several live instances have the host's name: their ids, with what their places differ in.
    Several(Vec<String>),
    /// EC2 could not be asked.
    Unknown(Failure),
}

/// So many regions are named.
const MOST_REGIONS: usize = 3;

/// Returns the regions for a message, or how many they are if they are many.
pub fn region_list(regions: &[String]) -> String {
    if regions.len() > MOST_REGIONS { format!("{} regions", regions.len()) } else { regions.join(", ") }
}

impl Found {
    /// Returns the one instance of the host, or why there is none to work on.
    pub fn instance(self, host: &Record) -> Result<Record> {
        match self {
            Found::One(record) => Ok(record),
            Found::Absent(regions) => {
                let what = match instance_id(host) {
                    Some(id) => format!("there is no instance {id}"),
                    None => "no live instance has this name".to_string(),
                };
                Err(Failure::unreached(format!("{what} in {}", region_list(&regions))))
            }
            Found::Ended(last) => {
                let text = |key| last.str(key).unwrap_or_default();
                let (id, state, region) = (text("instance_id"), text("state"), text("region"));
                Err(Failure::unreached(format!("no live instance has this name in {region}: {id} is {state}")))
            }
            Found::Several(ids) => {
                Err(Failure::unreached(format!("several live instances have this name: {}", ids.join(", ")))
                    .hint("give the id of the one that is meant: ec2-ls lists them"))
            }
            Found::Unknown(failure) => Err(failure),
        }
    }
}
