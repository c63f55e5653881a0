//! RunInstances: client tokens, limits, and checks of everything that a launch names.

use super::catalog::Placement;
use super::instances::facts;
use super::params::{Answer, ApiError, Params};
use super::region::{ACCOUNT, Attachment, Instance, Options, Region};
use super::tags::{check_metadata_keys, check_tags, offers_tags};
use super::volumes::devices;
use super::xml::{optional, set, text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::{Instant, SystemTime};

/// The error for a repeated client token with other parameters.
pub fn mismatch() -> ApiError {
    ApiError::new(
        "IdempotentParameterMismatch",
        "The request uses the same client token as a previous, but non-identical request.",
    )
}

/// Launches instances. The answer shows no volumes and no public address, as in the example of the API reference.
///
/// A client token is bound to the parameters of the launch that succeeded ("Ensuring idempotency in Amazon EC2 API
/// requests"): the same parameters give the same instances, others are IdempotentParameterMismatch. It counts in the zone
/// that the request names itself or by a subnet, else in the region ("RunInstances idempotency", in the same place). Once
/// the instances are terminated it is IdempotentInstanceTerminated (error codes of the API reference).
pub fn run_instances(region: &mut Region, params: &Params, options: &Options) -> Answer {
    let token = params.get("ClientToken").map(str::to_string);
    if token.as_ref().is_some_and(|token| token.len() > 64) {
        return Err(ApiError::new("InvalidClientToken", "A client token has up to 64 ASCII characters"));
    }
    let token = token.map(|token| format!("{} {token}", scope(region, params)));
    if let Some((before, ids)) = token.as_ref().and_then(|token| region.launches.get(token)) {
        if before != params {
            return Err(mismatch());
        }
        let is_live = |one: &&Instance| ids.contains(&one.id) && one.state != "terminated";
        let live: Vec<_> = region.instances.iter().filter(is_live).collect();
        return match live.is_empty() {
            true => Err(ApiError::new(
                "IdempotentInstanceTerminated",
                "The request to launch an instance uses the same client token as a previous request for which the instance \
                 has been terminated.",
            )),
            false => Ok(answer(&live)),
        };
    }
    let ids = launch(region, params, options)?;
    if let Some(token) = token {
        region.launches.insert(token, (params.clone(), ids.clone()));
    }
    let launched: Vec<_> = region.instances.iter().filter(|one| ids.contains(&one.id)).collect();
    Ok(answer(&launched))
}

/// Returns the zone of the request, or of its subnet.
fn scope(region: &Region, params: &Params) -> String {
    let subnet = interface(params).get("SubnetId").or(params.get("SubnetId")).map(str::to_string);
    let zone = params.get("Placement.AvailabilityZone").map(str::to_string);
    zone.or_else(|| Some(region.catalog.subnet(&subnet?).ok()?.zone)).unwrap_or_default()
}

fn answer(instances: &[&Instance]) -> String {
    let reservation = instances.first().map(|one| one.reservation.clone());
    let items = set("instancesSet", instances.iter().map(|one| facts(one, None, Vec::new())));
    [optional("reservationId", reservation), text("ownerId", ACCOUNT), items].concat()
}

fn launch(region: &mut Region, params: &Params, options: &Options) -> Result<Vec<String>, ApiError> {
    let (least, most) = (params.required("MinCount")?.parse::<usize>(), params.required("MaxCount")?.parse::<usize>());
    let count = match (least, most) {
        (Ok(least), Ok(most)) if 1 <= least && least <= most => most,
        _ => return Err(ApiError::value("MinCount must be at least 1, and MaxCount at least MinCount")),
    };
    let user_data = params.get("UserData").map(check_user_data).transpose()?;
    let (tags, volume_tags) = (params.tags_for("instance"), params.tags_for("volume"));
    check_tag_specifications(params)?;
    check_tags(&tags)?;
    if offers_tags(params) {
        check_metadata_keys(&tags)?;
    }
    let template = params.under("LaunchTemplate");
    region.catalog.check_template(&template)?;
    let image = match (params.get("ImageId"), template.0.is_empty()) {
        // That of the launch template.
        (None, false) => region.catalog.images[0].clone(),
        _ => region.catalog.image(params.required("ImageId")?)?.clone(),
    };
    let instance_type = params.get("InstanceType").unwrap_or("m1.small").to_string();
    region.catalog.check_type(&instance_type, &image)?;
    if let Some(key) = params.get("KeyName") {
        region.catalog.check_key(key)?;
    }
    check_network(params)?;
    let place = place(region, params, &instance_type)?;
    let groups = groups(region, params, &place)?;
    let devices = devices(params, &image, &volume_tags)?;

    let now = Instant::now();
    let reservation = region.id("r");
    let mut ids = Vec::new();
    for _ in 0..count {
        let number = region.number();
        let id = region.id("i");
        let low = (number / 250 % 250, number % 250 + 1);
        let is_public = interface(params).flag("AssociatePublicIpAddress")?.unwrap_or(place.is_public);
        let flag = |name| params.flag(name).map(|flag| flag == Some(true));
        for device in &devices {
            let attachment = Attachment {
                instance: id.clone(),
                device: device.device.clone(),
                delete_on_termination: device.delete_on_termination,
                state: "attaching",
                changes: now + options.attaching,
            };
            let mut volume = device.volume.clone();
            (volume.id, volume.zone, volume.attachment) = (region.id("vol"), place.zone.clone(), Some(attachment));
            volume.visible = now + options.invisible;
            region.volumes.push(volume);
        }
        region.instances.push(Instance {
            id: id.clone(),
            reservation: reservation.clone(),
            state: "pending",
            changes: now + options.pending,
            visible: now + options.invisible,
            invisible_describes: options.invisible_describes,
            launched: SystemTime::now(),
            request: params.clone(),
            tags: tags.clone(),
            image_id: image.id.clone(),
            instance_type: instance_type.clone(),
            architecture: image.architecture,
            groups: groups.clone(),
            private_ip: format!("127.{}.{}.{}", place.network, low.0, low.1),
            public_ip: is_public.then(|| format!("127.100.{}.{}", low.0, low.1)),
            ipv6: None,
            user_data: user_data.clone(),
            termination_protection: flag("DisableApiTermination")?,
            stop_protection: flag("DisableApiStop")?,
            root_device: image.root_device.clone(),
            place: place.clone(),
        });
        ids.push(id);
    }
    Ok(ids)
}

/// "User data is limited to 16 KB, in raw form, before it is base64-encoded" (EC2 user guide).
fn check_user_data(base64: &str) -> Result<String, ApiError> {
    let bytes = STANDARD.decode(base64).map_err(|_| ApiError::value("Invalid BASE64 encoding of user data."))?;
    match bytes.len() > 16_384 {
        true => Err(ApiError::value("User data is limited to 16384 bytes")),
        false => Ok(base64.to_string()),
    }
}

/// "The valid resource types" of RunInstances' TagSpecification.N, each with its own tags.
fn check_tag_specifications(params: &Params) -> Result<(), ApiError> {
    for specification in params.items("TagSpecification") {
        let kind = specification.get("ResourceType").unwrap_or_default();
        let kinds = ["instance", "volume", "network-interface", "spot-instances-request", "elastic-gpu"];
        if !kinds.contains(&kind) {
            return Err(ApiError::value(format!("'{kind}' is not a valid taggable resource type for this operation.")));
        }
        if kind == "spot-instances-request" && params.get("InstanceMarketOptions.MarketType") != Some("spot") {
            let message = "Tag specification resource type 'spot-instances-request' needs a spot request";
            return Err(ApiError::combination(message));
        }
        let tags = specification.items("Tag");
        let mut keys: Vec<_> = tags.iter().filter_map(|tag| tag.get("Key")).collect();
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ApiError::value(format!("Duplicate tag key '{}' specified.", pair[0])));
        }
        check_tags(&params.tags_for(kind))?;
    }
    Ok(())
}

/// Returns the network interface with device index 0.
fn interface(params: &Params) -> Params {
    let interfaces = params.items("NetworkInterface");
    interfaces.into_iter().find(|one| one.get("DeviceIndex") == Some("0")).unwrap_or_default()
}

/// "If you specify a network interface, you must specify any subnets [security groups] as part of the network
/// interface instead of using this parameter." Names of groups are for the default VPC alone.
fn check_network(params: &Params) -> Result<(), ApiError> {
    if !params.items("NetworkInterface").is_empty() {
        let own = ["SubnetId", "PrivateIpAddress", "Ipv6AddressCount", "SecurityGroupId.1", "SecurityGroup.1"];
        if let Some(name) = own.iter().find(|name| params.get(name).is_some()) {
            let message =
                format!("Network interfaces and an instance-level {name} may not be specified on the same request");
            return Err(ApiError::combination(message));
        }
    }
    let has_subnet = params.get("SubnetId").is_some() || interface(params).get("SubnetId").is_some();
    if has_subnet && !params.list("SecurityGroup").is_empty() {
        return Err(ApiError::combination("The parameter groupName cannot be used with the parameter subnet"));
    }
    Ok(())
}

/// Returns the subnet of the request, or the default subnet of the zone, or the first default subnet with capacity.
fn place(region: &Region, params: &Params, instance_type: &str) -> Result<Placement, ApiError> {
    let zone = params.get("Placement.AvailabilityZone");
    let subnet = interface(params).get("SubnetId").or(params.get("SubnetId")).map(str::to_string);
    let candidates = match (&subnet, zone) {
        (Some(subnet), zone) => {
            let place = region.catalog.subnet(subnet)?;
            if zone.is_some_and(|zone| zone != place.zone) {
                let message = "The availability zone of the subnet does not match the one of the instance";
                return Err(ApiError::value(message));
            }
            vec![place]
        }
        (None, zone) => {
            if let Some(zone) = zone {
                region.catalog.check_zone(zone)?;
            }
            let defaults = region.catalog.default_subnets();
            if defaults.is_empty() {
                let message =
                    "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.";
                return Err(ApiError::new("VPCIdNotSpecified", message));
            }
            defaults.into_iter().filter(|place| zone.is_none_or(|zone| zone == place.zone)).collect()
        }
    };
    let lacks = |place: &Placement| {
        region.exhausted.iter().any(|(zone, kind)| {
            zone.as_ref().is_none_or(|zone| *zone == place.zone)
                && kind.as_deref().is_none_or(|kind| kind == instance_type)
        })
    };
    let zone = candidates.first().map(|place| place.zone.clone()).unwrap_or_default();
    candidates.into_iter().find(|place| !lacks(place)).ok_or_else(|| {
        let message = format!(
            "We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested ({zone})."
        );
        ApiError::server(500, "InsufficientInstanceCapacity", message)
    })
}

/// Returns the ids and names of the groups, which must be in the instance's VPC. Without groups, it is the VPC's `default`.
fn groups(region: &Region, params: &Params, place: &Placement) -> Result<Vec<(String, String)>, ApiError> {
    let mut wanted = params.list("SecurityGroupId");
    wanted.extend(interface(params).list("SecurityGroupId"));
    let names = params.list("SecurityGroup");
    if wanted.is_empty() && names.is_empty() {
        return Ok(vec![region.catalog.group("default", &place.vpc)?]);
    }
    wanted.iter().chain(&names).map(|group| region.catalog.group(group, &place.vpc)).collect()
}
