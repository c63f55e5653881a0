//! Calls on instances: description, states, attributes, console output.

use super::filters::{Fields, filtered, page};
use super::params::{Answer, ApiError, Params};
use super::region::{ACCOUNT, Instance, Options, Region};
use super::volumes::mapped;
use super::xml::{element, optional, set, tag_set, text, time};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::{Duration, Instant};

const FILTERS: Fields<Instance> = &[
    ("instance-id", |one| vec![one.id.clone()]),
    ("instance-state-name", |one| vec![one.state.to_string()]),
    ("instance-state-code", |one| vec![code(one.state).to_string()]),
    ("instance-type", |one| vec![one.instance_type.clone()]),
    ("image-id", |one| vec![one.image_id.clone()]),
    ("availability-zone", |one| vec![one.place.zone.clone()]),
    ("launch-time", |one| vec![time(one.launched)]),
    ("subnet-id", |one| vec![one.place.subnet.clone()]),
    ("vpc-id", |one| vec![one.place.vpc.clone()]),
    ("private-ip-address", |one| vec![one.private_ip.clone()]),
    ("network-interface.addresses.private-ip-address", |one| vec![one.private_ip.clone()]),
    ("ipv6-address", |one| one.ipv6.iter().cloned().collect()),
    ("network-interface.ipv6-addresses.ipv6-address", |one| one.ipv6.iter().cloned().collect()),
    ("ip-address", |one| one.public_ip.iter().cloned().collect()),
    ("key-name", |one| one.request.get("KeyName").map(str::to_string).into_iter().collect()),
    ("client-token", |one| one.request.get("ClientToken").map(str::to_string).into_iter().collect()),
    ("reservation-id", |one| vec![one.reservation.clone()]),
    ("owner-id", |_| vec![ACCOUNT.to_string()]),
    ("instance.group-id", |one| one.groups.iter().map(|(id, _)| id.clone()).collect()),
    ("instance.group-name", |one| one.groups.iter().map(|(_, name)| name.clone()).collect()),
    ("group-name", |one| one.groups.iter().map(|(_, name)| name.clone()).collect()),
    ("root-device-name", |one| one.root_device.iter().cloned().collect()),
];

fn code(state: &str) -> u8 {
    let codes =
        [("pending", 0), ("running", 16), ("shutting-down", 32), ("terminated", 48), ("stopping", 64), ("stopped", 80)];
    codes.iter().find(|(name, _)| *name == state).map(|(_, code)| *code).unwrap_or_default()
}

fn state(name: &str, state: &str) -> String {
    element(name, &(text("code", code(state)) + &text("name", state)))
}

/// "It's possible for the total number of reservations ... MaxResults" counts instances, so a reservation may go on in the
/// next page.
pub fn describe_instances(region: &mut Region, params: &Params, _: &Options) -> Answer {
    let ids = params.list("InstanceId");
    let places = region.instances_of(&ids)?;
    // "If you describe instances in the rare case where an Availability Zone is experiencing a service disruption and you
    // specify instance IDs that are in the affected zone, or do not specify any instance IDs at all, the call fails. If you
    // describe instances and specify only instance IDs that are in an unaffected zone, the call works normally."
    let is_down = |at: &usize| region.down.contains(&region.instances[*at].place.zone);
    if !region.down.is_empty() && (ids.is_empty() || places.iter().any(is_down)) {
        return Err(ApiError::server(500, "InternalError", "An internal error has occurred"));
    }
    let now = Instant::now();
    let visible = region.instances.iter().filter(|one| one.visible <= now);
    let named = visible.filter(|one| ids.is_empty() || ids.contains(&one.id));
    let found: Vec<String> =
        filtered(params, named, FILTERS, |one| &one.tags)?.into_iter().map(|one| one.id.clone()).collect();
    // This call does not see an instance that so many calls must not see.
    let mut shown = Vec::new();
    for one in region.instances.iter_mut().filter(|one| found.contains(&one.id)) {
        match one.invisible_describes {
            0 => shown.push(one.id.clone()),
            _ => one.invisible_describes -= 1,
        }
    }
    let shown: Vec<&Instance> = region.instances.iter().filter(|one| shown.contains(&one.id)).collect();
    let (shown, next) = page(params, shown, "InstanceId", 5)?;
    let item = |one: &Instance| {
        let volumes = region.volumes_of(&one.id).map(|(volume, attachment)| mapped(volume, attachment)).collect();
        let elastic = region.address_of(&one.id).map(|address| address.ip.clone());
        let own = one.public_ip.clone().filter(|_| one.state == "running");
        let reason = one.tags.get("Name").and_then(|name| region.state_reasons.get(name));
        let reason = reason.or(region.state_reasons.get(&one.id));
        let reason =
            reason.map(|(code, message)| element("stateReason", &(text("code", code) + &text("message", message))));
        facts(one, elastic.or(own), volumes) + &reason.unwrap_or_default()
    };
    let reservations = shown.chunk_by(|a, b| a.reservation == b.reservation).map(|members| {
        let head = text("reservationId", &members[0].reservation) + &text("ownerId", ACCOUNT);
        head + &set("instancesSet", members.iter().map(|one| item(one)))
    });
    Ok(set("reservationSet", reservations) + &optional("nextToken", next))
}

/// A terminated instance no longer has addresses or a network.
pub(super) fn facts(one: &Instance, public_ip: Option<String>, volumes: Vec<String>) -> String {
    let ended = one.state == "terminated";
    let group = |(id, name): &(String, String)| text("groupId", id) + &text("groupName", name);
    let dns = |ip: &str| format!("ip-{}.ec2.internal", ip.replace('.', "-"));
    let network = [
        text("privateIpAddress", &one.private_ip),
        optional("ipAddress", public_ip),
        optional("ipv6Address", one.ipv6.as_ref()),
        text("subnetId", &one.place.subnet),
        text("vpcId", &one.place.vpc),
    ];
    let profile = one.request.under("IamInstanceProfile");
    let arn = profile
        .get("Arn")
        .map(str::to_string)
        .or(profile.get("Name").map(|name| format!("arn:aws:iam::{ACCOUNT}:instance-profile/{name}")));
    [
        text("instanceId", &one.id),
        text("imageId", &one.image_id),
        state("instanceState", one.state),
        text("privateDnsName", if ended { String::new() } else { dns(&one.private_ip) }),
        optional("keyName", one.request.get("KeyName")),
        text("instanceType", &one.instance_type),
        text("launchTime", time(one.launched)),
        element("placement", &(text("availabilityZone", &one.place.zone) + &text("tenancy", "default"))),
        if ended { String::new() } else { network.concat() },
        set("groupSet", one.groups.iter().map(group)),
        text("architecture", one.architecture),
        text("rootDeviceType", if one.root_device.is_some() { "ebs" } else { "instance-store" }),
        text("rootDeviceName", one.root_device.as_deref().unwrap_or("/dev/sda1")),
        set("blockDeviceMapping", volumes),
        optional("clientToken", one.request.get("ClientToken")),
        metadata_options(one),
        arn.map(|arn| element("iamInstanceProfile", &text("arn", arn))).unwrap_or_default(),
        tag_set(&one.tags),
    ]
    .concat()
}

fn metadata_options(one: &Instance) -> String {
    let options = one.request.under("MetadataOptions");
    let option = |name: &str, default: &str| options.get(name).unwrap_or(default).to_string();
    let options = [
        text("state", "applied"),
        text("httpTokens", option("HttpTokens", "optional")),
        text("httpPutResponseHopLimit", option("HttpPutResponseHopLimit", "1")),
        text("httpEndpoint", option("HttpEndpoint", "enabled")),
        text("httpProtocolIpv6", option("HttpProtocolIpv6", "disabled")),
        text("instanceMetadataTags", option("InstanceMetadataTags", "disabled")),
    ];
    element("metadataOptions", &options.concat())
}

/// Changes the state of an instance.
fn change(
    region: &mut Region,
    params: &Params,
    mut change: impl FnMut(&mut Instance) -> Result<(), ApiError>,
) -> Answer {
    let ids = params.list("InstanceId");
    if ids.is_empty() {
        return Err(ApiError::missing("InstanceId"));
    }
    let places = region.instances_of(&ids)?;
    // All or nothing.
    let mut changed = Vec::new();
    for at in &places {
        let mut one = region.instances[*at].clone();
        change(&mut one)?;
        changed.push(one);
    }
    let items: Vec<_> = places
        .iter()
        .zip(changed)
        .map(|(at, one)| {
            let before = std::mem::replace(&mut region.instances[*at], one);
            let now = region.instances[*at].state;
            [text("instanceId", &before.id), state("currentState", now), state("previousState", before.state)].concat()
        })
        .collect();
    Ok(set("instancesSet", items))
}

fn incorrect(one: &Instance, wanted: &str) -> ApiError {
    let message = format!("The instance '{}' is not in a state from which it can be {wanted}.", one.id);
    ApiError::new("IncorrectInstanceState", message)
}

pub fn start_instances(region: &mut Region, params: &Params, options: &Options) -> Answer {
    let exhausted = region.exhausted.clone();
    change(region, params, |one| match one.state {
        "pending" | "running" => Ok(()),
        "stopped" => {
            let lacks = |(zone, kind): &(Option<String>, Option<String>)| {
                zone.as_ref().is_none_or(|zone| *zone == one.place.zone)
                    && kind.as_ref().is_none_or(|kind| *kind == one.instance_type)
            };
            if exhausted.iter().any(lacks) {
                return Err(ApiError::server(500, "InsufficientInstanceCapacity", "Insufficient capacity."));
            }
            (one.state, one.changes) = ("pending", Instant::now() + options.pending);
            Ok(())
        }
        _ => Err(incorrect(one, "started")),
    })
}

/// "You can't stop or hibernate instance store-backed instances." With Force also an instance that is stuck in `stopping` is
/// stopped ("Troubleshoot Amazon EC2 instance stop issues").
pub fn stop_instances(region: &mut Region, params: &Params, options: &Options) -> Answer {
    let (forces, hibernates) = (params.flag("Force")? == Some(true), params.flag("Hibernate")? == Some(true));
    change(region, params, |one| match one.state {
        _ if one.root_device.is_none() => Err(ApiError::new(
            "UnsupportedOperation",
            format!("The instance '{}' does not have an 'ebs' root device type and cannot be stopped.", one.id),
        )),
        _ if one.stop_protection => Err(ApiError::new(
            "OperationNotPermitted",
            format!(
                "The instance '{}' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.",
                one.id
            ),
        )),
        _ if hibernates && one.request.get("HibernationOptions.Configured") != Some("true") => Err(ApiError::new(
            "UnsupportedHibernationConfiguration",
            format!(
                "The instance can't be hibernated because it was not configured at launch for hibernation: {}",
                one.id
            ),
        )),
        "stopping" if forces => {
            one.changes = Instant::now();
            Ok(())
        }
        "stopping" | "stopped" => Ok(()),
        "running" => {
            let stopping = if forces { Duration::ZERO } else { options.stopping };
            (one.state, one.changes) = ("stopping", Instant::now() + stopping);
            Ok(())
        }
        _ => Err(incorrect(one, "stopped")),
    })
}

/// A protected instance fails the request. "The specified instances that are in different Availability Zones, where no other
/// specified instances are protected, are successfully terminated" (TerminateInstances).
pub fn terminate_instances(region: &mut Region, params: &Params, options: &Options) -> Answer {
    let places = region.instances_of(&params.list("InstanceId"))?;
    let has_ended = |one: &Instance| matches!(one.state, "shutting-down" | "terminated");
    let is_protected = |one: &&Instance| one.termination_protection && !has_ended(one);
    let protected: Vec<Instance> =
        places.iter().map(|at| &region.instances[*at]).filter(is_protected).cloned().collect();
    if let Some(one) = protected.first() {
        for at in places {
            let other = &mut region.instances[at];
            if !has_ended(other) && protected.iter().all(|one| one.place.zone != other.place.zone) {
                (other.state, other.changes) = ("shutting-down", Instant::now() + options.shutting_down);
            }
        }
        let message = format!(
            "The instance '{}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.",
            one.id
        );
        return Err(ApiError::new("OperationNotPermitted", message));
    }
    change(region, params, |one| {
        if !has_ended(one) {
            (one.state, one.changes) = ("shutting-down", Instant::now() + options.shutting_down);
        }
        Ok(())
    })
}

pub fn reboot_instances(region: &mut Region, params: &Params, _: &Options) -> Answer {
    change(region, params, |one| match one.state {
        "running" => Ok(()),
        _ => Err(incorrect(one, "rebooted")),
    })?;
    Ok(text("return", true))
}

pub fn describe_instance_attribute(region: &mut Region, params: &Params, _: &Options) -> Answer {
    let one = &region.instances[region.instance(params.required("InstanceId")?)?];
    let value = |name: &str, value: Option<String>| element(name, &optional("value", value));
    let attribute = match params.required("Attribute")? {
        "userData" => value("userData", one.user_data.clone()),
        "instanceType" => value("instanceType", Some(one.instance_type.clone())),
        "disableApiTermination" => value("disableApiTermination", Some(one.termination_protection.to_string())),
        "disableApiStop" => value("disableApiStop", Some(one.stop_protection.to_string())),
        other => return Err(ApiError::value(format!("Value ({other}) for parameter attribute is invalid."))),
    };
    Ok(text("instanceId", &one.id) + &attribute)
}

pub fn modify_instance_attribute(region: &mut Region, params: &Params, _: &Options) -> Answer {
    let at = region.instance(params.required("InstanceId")?)?;
    if let Some(kind) = params.get("InstanceType.Value") {
        let image = region.catalog.image(&region.instances[at].image_id)?.clone();
        region.catalog.check_type(kind, &image)?;
        if region.instances[at].state != "stopped" {
            let message = format!("The instance '{}' is not in the 'stopped' state.", region.instances[at].id);
            return Err(ApiError::new("IncorrectInstanceState", message));
        }
        region.instances[at].instance_type = kind.to_string();
    }
    if let Some(protected) = params.flag("DisableApiTermination.Value")? {
        region.instances[at].termination_protection = protected;
    }
    if let Some(protected) = params.flag("DisableApiStop.Value")? {
        region.instances[at].stop_protection = protected;
    }
    let id = region.instances[at].id.clone();
    for mapping in params.items("BlockDeviceMapping") {
        let (device, deletes) = (mapping.required("DeviceName")?, mapping.flag("Ebs.DeleteOnTermination")?);
        let attachments = region.volumes.iter_mut().filter_map(|volume| volume.attachment.as_mut());
        let mut of_device = attachments.filter(|attachment| attachment.instance == id && attachment.device == device);
        let attachment = of_device.next().ok_or_else(|| {
            ApiError::new("InvalidInstanceAttributeValue", format!("No device is currently mapped at {device}"))
        })?;
        attachment.delete_on_termination = deletes.unwrap_or(attachment.delete_on_termination);
    }
    Ok(text("return", true))
}

/// Returns the console output as base64, if there is any. `Latest` works only for Nitro instances (GetConsoleOutput).
pub fn get_console_output(region: &mut Region, params: &Params, _: &Options) -> Answer {
    let one = &region.instances[region.instance(params.required("InstanceId")?)?];
    let is_old = ["t1.", "t2.", "m1.", "m3.", "m4.", "c1.", "c3.", "c4."]
        .iter()
        .any(|family| one.instance_type.starts_with(family));
    if params.flag("Latest")? == Some(true) && is_old {
        let message = "This instance type does not support retrieving the latest console logs.";
        return Err(ApiError::new("UnsupportedOperation", message));
    }
    let console = one.tags.get("Name").and_then(|name| region.consoles.get(name)).or(region.consoles.get(&one.id));
    let output = console.map(|(output, at)| text("timestamp", time(*at)) + &text("output", STANDARD.encode(output)));
    Ok(text("instanceId", &one.id) + &output.unwrap_or_default())
}
