//! Elastic IP addresses.

use super::filters::{Fields, filtered};
use super::params::{Answer, ApiError, Params};
use super::region::{Address, Options, Region};
use super::tags::check_tags;
use super::xml::{set, tag_set, text};

const FILTERS: Fields<Address> = &[
    ("allocation-id", |address| vec![address.id.clone()]),
    ("public-ip", |address| vec![address.ip.clone()]),
    ("domain", |_| vec!["vpc".to_string()]),
    ("association-id", |address| address.association.iter().map(|(id, _)| id.clone()).collect()),
    ("instance-id", |address| address.association.iter().map(|(_, instance)| instance.clone()).collect()),
];

/// Not idempotent: each call allocates an address.
pub fn allocate_address(region: &mut Region, params: &Params, options: &Options) -> Answer {
    let tags = params.tags_for("elastic-ip");
    check_tags(&tags)?;
    if region.addresses.len() >= options.addresses {
        let message = "The maximum number of addresses has been reached.";
        return Err(ApiError::new("AddressLimitExceeded", message));
    }
    let number = region.number();
    let (id, ip) = (region.id("eipalloc"), format!("127.200.{}.{}", number / 250 % 250, number % 250 + 1));
    region.addresses.push(Address { id: id.clone(), ip: ip.clone(), tags, association: None });
    Ok([text("publicIp", ip), text("domain", "vpc"), text("allocationId", id)].concat())
}

/// "This is an idempotent operation. If you perform the operation more than once, Amazon EC2 doesn't return an error"; an
/// address that another instance has is moved only with AllowReassociation. The instance must not be pending (error code
/// IncorrectInstanceState).
pub fn associate_address(region: &mut Region, params: &Params, _: &Options) -> Answer {
    let at = region.address(params.required("AllocationId")?)?;
    let id = params.required("InstanceId")?.to_string();
    let state = region.instances[region.instance(&id)?].state;
    if !["running", "stopping", "stopped"].contains(&state) {
        let message = format!("The {state} instance '{id}' is not in a valid state for this operation.");
        return Err(ApiError::new("IncorrectInstanceState", message));
    }
    if let Some((association, other)) = &region.addresses[at].association {
        if *other == id {
            return Ok(text("return", true) + &text("associationId", association));
        }
        if params.flag("AllowReassociation")? != Some(true) {
            let address = &region.addresses[at].id;
            let message = format!("resource {address} is already associated with associate-id {association}");
            return Err(ApiError::new("Resource.AlreadyAssociated", message));
        }
    }
    let association = region.id("eipassoc");
    // The address that the instance had before goes back to the account.
    for address in &mut region.addresses {
        address.association.take_if(|(_, instance)| *instance == id);
    }
    region.addresses[at].association = Some((association.clone(), id));
    Ok(text("return", true) + &text("associationId", association))
}

pub fn disassociate_address(region: &mut Region, params: &Params, _: &Options) -> Answer {
    let id = params.required("AssociationId")?;
    let has = |address: &&mut Address| address.association.as_ref().is_some_and(|(association, _)| association == id);
    match region.addresses.iter_mut().find(has) {
        Some(address) => address.association = None,
        None => {
            let message = format!("The association ID '{id}' does not exist");
            return Err(ApiError::new("InvalidAssociationID.NotFound", message));
        }
    }
    Ok(text("return", true))
}

pub fn release_address(region: &mut Region, params: &Params, _: &Options) -> Answer {
    let at = region.address(params.required("AllocationId")?)?;
    if region.addresses[at].association.is_some() {
        let message = format!("Address {} is in use.", region.addresses[at].ip);
        return Err(ApiError::new("InvalidIPAddress.InUse", message));
    }
    region.addresses.remove(at);
    Ok(text("return", true))
}

pub fn describe_addresses(region: &mut Region, params: &Params, _: &Options) -> Answer {
    let (ids, ips) = (params.list("AllocationId"), params.list("PublicIp"));
    for id in &ids {
        region.address(id)?;
    }
    if let Some(ip) = ips.iter().find(|ip| !region.addresses.iter().any(|address| address.ip == **ip)) {
        return Err(ApiError::new("InvalidAddress.NotFound", format!("Address '{ip}' not found.")));
    }
    let named = region.addresses.iter().filter(|address| {
        (ids.is_empty() || ids.contains(&address.id)) && (ips.is_empty() || ips.contains(&address.ip))
    });
    let found = filtered(params, named, FILTERS, |address| &address.tags)?;
    let item = |address: &&Address| {
        let association = address.association.as_ref().map(|(id, instance)| {
            text("associationId", id)
                + &text("instanceId", instance)
                + &text("networkInterfaceId", format!("eni-{instance}"))
        });
        let facts = [text("publicIp", &address.ip), text("allocationId", &address.id), text("domain", "vpc")];
        [facts.concat(), association.unwrap_or_default(), tag_set(&address.tags)].concat()
    };
    Ok(set("addressesSet", found.iter().map(item)))
}
