//! Status checks and scheduled events of instances.

use super::filters::{Fields, filtered, page};
use super::params::{Answer, ApiError, Params};
use super::region::{Instance, Options, Region, Tags};
use super::xml::{element, optional, set, text};
use std::time::Instant;

/// The health of an instance, as a test sets it. The default is `ok`.
#[derive(Clone, Debug)]
pub struct Health {
    /// Each is `ok`, `impaired`, `initializing`, `insufficient-data` or `not-applicable`.
    pub system: &'static str,
    pub instance: &'static str,
    pub events: Vec<Event>,
}

#[derive(Clone, Debug)]
pub struct Event {
    pub code: &'static str,
    pub description: &'static str,
    /// RFC 3339.
    pub not_before: &'static str,
}

impl Default for Health {
    fn default() -> Health {
        Health { system: "ok", instance: "ok", events: Vec::new() }
    }
}

struct Checked {
    instance: Instance,
    health: Health,
}

impl Checked {
    fn attached_ebs(&self) -> &'static str {
        if self.instance.state == "running" { "ok" } else { "not-applicable" }
    }
}

const FILTERS: Fields<Checked> = &[
    ("availability-zone", |one| vec![one.instance.place.zone.clone()]),
    ("instance-state-name", |one| vec![one.instance.state.to_string()]),
    ("instance-status.status", |one| vec![one.health.instance.to_string()]),
    ("system-status.status", |one| vec![one.health.system.to_string()]),
    ("attached-ebs-status.status", |one| vec![one.attached_ebs().to_string()]),
    ("event.code", |one| one.health.events.iter().map(|event| event.code.to_string()).collect()),
];

/// "Constraints: Maximum 100 explicitly specified instance IDs"; "IncludeAllInstances: When false, includes the health status
/// for running instances only".
pub fn describe_instance_status(region: &mut Region, params: &Params, _: &Options) -> Answer {
    let (ids, now) = (params.list("InstanceId"), Instant::now());
    if ids.len() > 100 {
        return Err(ApiError::value("The maximum number of instance IDs in one request is 100"));
    }
    region.instances_of(&ids)?;
    let all = params.flag("IncludeAllInstances")? == Some(true);
    let named = region.instances.iter().filter(|one| {
        one.visible <= now && (all || one.state == "running") && (ids.is_empty() || ids.contains(&one.id))
    });
    let checked: Vec<Checked> =
        named.map(|one| Checked { instance: one.clone(), health: region.health_of(one) }).collect();
    static NO_TAGS: Tags = Tags::new();
    let found = filtered(params, &checked, FILTERS, |_| &NO_TAGS)?;
    let (found, next) = page(params, found, "InstanceId", 5)?;
    Ok(set("instanceStatusSet", found.into_iter().map(item)) + &optional("nextToken", next))
}

impl Region {
    fn health_of(&self, one: &Instance) -> Health {
        let known = one.tags.get("Name").and_then(|name| self.health.get(name)).or(self.health.get(&one.id));
        let same = |status| Health { system: status, instance: status, ..known.cloned().unwrap_or_default() };
        match one.state {
            "running" => known.cloned().unwrap_or_default(),
            "pending" => same("initializing"),
            _ => same("not-applicable"),
        }
    }
}

fn item(one: &Checked) -> String {
    let summary = |name: &str, status: &str| element(name, &text("status", status));
    let event = |event: &Event| {
        [
            text("instanceEventId", "instance-event-0d59937288b749b32"),
            text("code", event.code),
            text("description", event.description),
            text("notBefore", event.not_before),
        ]
        .concat()
    };
    [
        text("instanceId", &one.instance.id),
        text("availabilityZone", &one.instance.place.zone),
        set("eventsSet", one.health.events.iter().map(event)),
        element("instanceState", &text("name", one.instance.state)),
        summary("systemStatus", one.health.system),
        summary("instanceStatus", one.health.instance),
        summary("attachedEbsStatus", one.attached_ebs()),
    ]
    .concat()
}
