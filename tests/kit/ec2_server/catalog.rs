//! Images, subnets, security groups, key pairs and instance types of a region.

use super::filters::{Fields, filtered, page};
use super::params::{Answer, ApiError, Params};
use super::region::{ACCOUNT, Options, Region, Tags};
use super::xml::{element, optional, set, text};

/// Where an instance is placed.
#[derive(Clone, Debug)]
pub struct Placement {
    pub subnet: String,
    pub vpc: String,
    pub zone: String,
    /// The second number of its addresses, 127.N.0.0/16.
    pub network: u8,
    /// Whether instances get a public address.
    pub is_public: bool,
    pub is_default: bool,
}

#[derive(Clone, Debug)]
pub struct Image {
    pub id: String,
    pub name: &'static str,
    pub owner: &'static str,
    /// Its owner's alias, such as `amazon`.
    pub alias: Option<&'static str>,
    pub created: &'static str,
    pub architecture: &'static str,
    /// `None` for an instance-store image.
    pub root_device: Option<String>,
    pub snapshot: String,
}

pub struct Group {
    pub id: String,
    pub name: &'static str,
    pub vpc: &'static str,
}

pub struct Type {
    pub name: &'static str,
    pub architectures: &'static [&'static str],
}

pub struct Catalog {
    pub zones: Vec<String>,
    pub subnets: Vec<Placement>,
    pub images: Vec<Image>,
    pub groups: Vec<Group>,
    pub keys: Vec<&'static str>,
    pub types: Vec<Type>,
    /// Ids and names.
    pub templates: Vec<(&'static str, &'static str)>,
    pub placement_groups: Vec<&'static str>,
    has_default_vpc: bool,
}

const CANONICAL: &str = "099720109477";
const AMAZON: &str = "137112412989";
const X86: &str = "x86_64";
const ARM: &str = "arm64";

/// Id, name, owner, alias, creation date, architecture, root device.
type ImageRow =
    (&'static str, &'static str, &'static str, Option<&'static str>, &'static str, &'static str, Option<&'static str>);

const IMAGES: &[ImageRow] = &[
    (
        "ami-0000000000000000a",
        "ubuntu-noble-24.04-amd64-server-20260101",
        CANONICAL,
        None,
        "2026-01-01T00:00:00.000Z",
        X86,
        Some("/dev/sda1"),
    ),
    (
        "ami-0000000000000000b",
        "ubuntu-noble-24.04-amd64-server-20260301",
        CANONICAL,
        None,
        "2026-03-01T00:00:00.000Z",
        X86,
        Some("/dev/sda1"),
    ),
    (
        "ami-0000000000000000c",
        "ubuntu-noble-24.04-arm64-server-20260401",
        CANONICAL,
        None,
        "2026-04-01T00:00:00.000Z",
        ARM,
        Some("/dev/sda1"),
    ),
    (
        "ami-0000000000000000d",
        "al2023-ami-2023.6-kernel-6.1-x86_64",
        AMAZON,
        Some("amazon"),
        "2026-02-01T00:00:00.000Z",
        X86,
        Some("/dev/xvda"),
    ),
    ("ami-0000000000000000e", "our-base-1", ACCOUNT, None, "2025-05-01T00:00:00.000Z", X86, Some("/dev/sda1")),
    ("ami-0000000000000000f", "old-instance-store", ACCOUNT, None, "2012-01-01T00:00:00.000Z", X86, None),
];

const TYPES: &[(&str, &[&str])] = &[
    ("c1.medium", &["i386", X86]),
    ("m1.small", &["i386", X86]),
    ("t2.micro", &["i386", X86]),
    ("t3.micro", &[X86]),
    ("t4g.micro", &[ARM]),
    ("m5.large", &[X86]),
    ("m5.xlarge", &[X86]),
    ("m5a.large", &[X86]),
    ("m6i.large", &[X86]),
    ("m7g.large", &[ARM]),
    ("c5.large", &[X86]),
    ("r5.large", &[X86]),
];

/// A VPC besides the default one.
const VPC: &str = "vpc-0000000000000000a";
const DEFAULT_VPC: &str = "vpc-0000000000000000d";

impl Catalog {
    pub fn new(region: &str, has_default_vpc: bool) -> Catalog {
        let zones: Vec<String> = ["a", "b", "c"].map(|letter| format!("{region}{letter}")).into();
        let subnet = |(at, zone): (usize, &String), vpc: &str, is_default: bool| {
            let letter = if is_default { "d" } else { "a" };
            let (network, at) = (at as u8 + if is_default { 20 } else { 10 }, at + 1);
            let subnet = format!("subnet-{at:016x}{letter}");
            Placement { subnet, vpc: vpc.into(), zone: zone.clone(), network, is_public: is_default, is_default }
        };
        let own = zones.iter().enumerate().map(|zone| subnet(zone, VPC, false));
        let default = zones.iter().enumerate().map(|zone| subnet(zone, DEFAULT_VPC, true));
        let subnets = own.chain(default.filter(|_| has_default_vpc)).collect();
        let image = |&(id, name, owner, alias, created, architecture, root): &ImageRow| Image {
            id: id.to_string(),
            name,
            owner,
            alias,
            created,
            architecture,
            root_device: root.map(str::to_string),
            snapshot: id.replace("ami-", "snap-"),
        };
        let names = [("1", "default"), ("2", "mysql"), ("3", "web"), ("4", "devzone"), ("5", "vpn")];
        let vpcs = if has_default_vpc { vec![(VPC, "a"), (DEFAULT_VPC, "d")] } else { vec![(VPC, "a")] };
        let group = |(vpc, letter): (&'static str, &str)| {
            names.map(|(number, name)| Group { id: format!("sg-000000000000000{number}{letter}"), name, vpc })
        };
        Catalog {
            zones,
            subnets,
            images: IMAGES.iter().map(image).collect(),
            groups: vpcs.into_iter().flat_map(group).collect(),
            keys: vec!["prod", "tm-devzone"],
            types: TYPES.iter().map(|(name, architectures)| Type { name, architectures }).collect(),
            templates: vec![("lt-0000000000000000a", "base")],
            placement_groups: vec!["cluster1"],
            has_default_vpc,
        }
    }

    pub fn image(&self, id: &str) -> Result<&Image, ApiError> {
        if !id.starts_with("ami-") || id.len() < 12 {
            return Err(ApiError::new("InvalidAMIID.Malformed", format!("Invalid id: \"{id}\"")));
        }
        let message = || format!("The image id '[{id}]' does not exist");
        self.images.iter().find(|image| image.id == id).ok_or_else(|| ApiError::new("InvalidAMIID.NotFound", message()))
    }

    pub fn check_zone(&self, zone: &str) -> Result<(), ApiError> {
        match self.zones.iter().any(|known| known == zone) {
            true => Ok(()),
            false => Err(ApiError::value(format!("Invalid availability zone: [{zone}]"))),
        }
    }

    pub fn check_key(&self, key: &str) -> Result<(), ApiError> {
        match self.keys.contains(&key) {
            true => Ok(()),
            false => Err(ApiError::new("InvalidKeyPair.NotFound", format!("The key pair '{key}' does not exist"))),
        }
    }

    pub fn check_type(&self, name: &str, image: &Image) -> Result<(), ApiError> {
        let message = || format!("Invalid value '{name}' for InstanceType.");
        let known = self.types.iter().find(|known| known.name == name).ok_or_else(|| ApiError::value(message()))?;
        match known.architectures.contains(&image.architecture) {
            true => Ok(()),
            false => Err(ApiError::value(format!(
                "The architecture '{}' of the specified instance type does not match the architecture '{}' of the specified AMI.",
                known.architectures.join(","),
                image.architecture
            ))),
        }
    }

    pub fn check_template(&self, template: &Params) -> Result<(), ApiError> {
        let (id, name) = (template.get("LaunchTemplateId"), template.get("LaunchTemplateName"));
        let is_known = |known: &&(&str, &str)| id == Some(known.0) || name == Some(known.1);
        match id.is_none() && name.is_none() || self.templates.iter().any(|known| is_known(&known)) {
            true => Ok(()),
            false => {
                Err(ApiError::new("InvalidLaunchTemplateId.NotFound", "The specified launch template does not exist."))
            }
        }
    }

    pub fn subnet(&self, id: &str) -> Result<Placement, ApiError> {
        let message = || format!("The subnet ID '{id}' does not exist");
        let found = self.subnets.iter().find(|subnet| subnet.subnet == id).cloned();
        found.ok_or_else(|| ApiError::new("InvalidSubnetID.NotFound", message()))
    }

    pub fn default_subnets(&self) -> Vec<Placement> {
        self.subnets.iter().filter(|subnet| subnet.is_default).cloned().collect()
    }

    /// Returns the id and name of a group in a VPC. The group is given by either.
    pub fn group(&self, group: &str, vpc: &str) -> Result<(String, String), ApiError> {
        let is_group = |known: &&Group| (known.id == group || known.name == group) && known.vpc == vpc;
        let found = self.groups.iter().find(is_group).map(|known| (known.id.clone(), known.name.to_string()));
        let message = || format!("The security group '{group}' does not exist in VPC '{vpc}'");
        found.ok_or_else(|| ApiError::new("InvalidGroup.NotFound", message()))
    }
}

/// Returns the size of a snapshot in GiB. All snapshots have 8 GiB.
pub fn snapshot_size(id: &str) -> Result<i64, ApiError> {
    match IMAGES.iter().any(|image| image.0.replace("ami-", "snap-") == id) {
        true => Ok(8),
        false => Err(ApiError::new("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist."))),
    }
}

/// None of these resources has tags.
fn no_tags<T>(_: &T) -> &Tags {
    const NONE: &Tags = &Tags::new();
    NONE
}

/// Answers a Describe call: returns the `items` that the call names and its filters match. `not_found` is the error for
/// an unknown name.
fn describe<T>(
    params: &Params,
    items: &[T],
    (list, not_found, name): (&str, &str, fn(&T) -> String),
    fields: Fields<T>,
    (set_name, item): (&str, fn(&T) -> String),
) -> Answer {
    let wanted = params.list(list);
    if let Some(unknown) = wanted.iter().find(|wanted| !items.iter().any(|item| name(item) == **wanted)) {
        return Err(ApiError::new(not_found, format!("The {list} '{unknown}' does not exist")));
    }
    let named = items.iter().filter(|item| wanted.is_empty() || wanted.contains(&name(item)));
    let (found, next) = page(params, filtered(params, named, fields, no_tags)?, list, 5)?;
    Ok(set(set_name, found.into_iter().map(item)) + &optional("nextToken", next))
}

/// `Owner` is an account, `self`, or an alias such as `amazon`.
pub fn describe_images(region: &mut Region, params: &Params, _: &Options) -> Answer {
    const FIELDS: Fields<Image> = &[
        ("image-id", |image| vec![image.id.clone()]),
        ("name", |image| vec![image.name.to_string()]),
        ("owner-id", |image| vec![image.owner.to_string()]),
        ("owner-alias", |image| image.alias.map(str::to_string).into_iter().collect()),
        ("architecture", |image| vec![image.architecture.to_string()]),
        ("state", |_| vec!["available".to_string()]),
        ("image-type", |_| vec!["machine".to_string()]),
        ("virtualization-type", |_| vec!["hvm".to_string()]),
        ("root-device-type", |image| vec![root_type(image).to_string()]),
        ("root-device-name", |image| image.root_device.iter().cloned().collect()),
        ("creation-date", |image| vec![image.created.to_string()]),
        ("is-public", |image| vec![(image.owner != ACCOUNT).to_string()]),
    ];
    let owners = params.list("Owner");
    let is_owned = |image: &&Image| {
        let is_owner = |owner: &String| match owner.as_str() {
            "self" => image.owner == ACCOUNT,
            owner => owner == image.owner || Some(owner) == image.alias,
        };
        owners.is_empty() || owners.iter().any(is_owner)
    };
    let images: Vec<Image> = region.catalog.images.iter().filter(is_owned).cloned().collect();
    let item = |image: &Image| {
        let snapshot = [text("snapshotId", &image.snapshot), text("volumeSize", 8), text("volumeType", "gp2")].concat();
        let ebs = element("ebs", &(snapshot + &text("deleteOnTermination", true) + &text("encrypted", false)));
        let mapping = image.root_device.iter().map(|device| text("deviceName", device) + &ebs);
        [
            text("imageId", &image.id),
            text("name", image.name),
            text("imageOwnerId", image.owner),
            optional("imageOwnerAlias", image.alias),
            text("creationDate", image.created),
            text("architecture", image.architecture),
            text("imageState", "available"),
            text("imageType", "machine"),
            text("virtualizationType", "hvm"),
            text("rootDeviceType", root_type(image)),
            optional("rootDeviceName", image.root_device.as_ref()),
            set("blockDeviceMapping", mapping),
        ]
        .concat()
    };
    describe(
        params,
        &images,
        ("ImageId", "InvalidAMIID.NotFound", |image| image.id.clone()),
        FIELDS,
        ("imagesSet", item),
    )
}

fn root_type(image: &Image) -> &'static str {
    if image.root_device.is_some() { "ebs" } else { "instance-store" }
}

pub fn describe_subnets(region: &mut Region, params: &Params, _: &Options) -> Answer {
    const FIELDS: Fields<Placement> = &[
        ("subnet-id", |subnet| vec![subnet.subnet.clone()]),
        ("vpc-id", |subnet| vec![subnet.vpc.clone()]),
        ("availability-zone", |subnet| vec![subnet.zone.clone()]),
        ("default-for-az", |subnet| vec![subnet.is_default.to_string()]),
        ("state", |_| vec!["available".to_string()]),
    ];
    let item = |subnet: &Placement| {
        [
            text("subnetId", &subnet.subnet),
            text("vpcId", &subnet.vpc),
            text("availabilityZone", &subnet.zone),
            text("cidrBlock", format!("127.{}.0.0/16", subnet.network)),
            text("availableIpAddressCount", 60_000),
            text("mapPublicIpOnLaunch", subnet.is_public),
            text("defaultForAz", subnet.is_default),
            text("state", "available"),
        ]
        .concat()
    };
    let by = (
        "SubnetId",
        "InvalidSubnetID.NotFound",
        (|subnet: &Placement| subnet.subnet.clone()) as fn(&Placement) -> String,
    );
    describe(params, &region.catalog.subnets, by, FIELDS, ("subnetSet", item))
}

pub fn describe_vpcs(region: &mut Region, params: &Params, _: &Options) -> Answer {
    const FIELDS: Fields<(&str, bool)> = &[
        ("vpc-id", |vpc| vec![vpc.0.to_string()]),
        ("is-default", |vpc| vec![vpc.1.to_string()]),
        ("isDefault", |vpc| vec![vpc.1.to_string()]),
        ("state", |_| vec!["available".to_string()]),
    ];
    let vpcs = [(VPC, false), (DEFAULT_VPC, true)];
    let vpcs = if region.catalog.has_default_vpc { &vpcs[..] } else { &vpcs[..1] };
    let item = |vpc: &(&str, bool)| text("vpcId", vpc.0) + &text("isDefault", vpc.1) + &text("state", "available");
    describe(params, vpcs, ("VpcId", "InvalidVpcID.NotFound", |vpc| vpc.0.to_string()), FIELDS, ("vpcSet", item))
}

/// `GroupName` finds only groups of the default VPC.
pub fn describe_security_groups(region: &mut Region, params: &Params, _: &Options) -> Answer {
    const FIELDS: Fields<Group> = &[
        ("group-id", |group| vec![group.id.clone()]),
        ("group-name", |group| vec![group.name.to_string()]),
        ("vpc-id", |group| vec![group.vpc.to_string()]),
    ];
    let names = params.list("GroupName");
    let is_default = |group: &&Group| group.vpc == DEFAULT_VPC;
    let known: Vec<_> = region.catalog.groups.iter().filter(is_default).map(|group| group.name).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let message = format!("The security group '{name}' does not exist in default VPC '{DEFAULT_VPC}'");
        return Err(ApiError::new("InvalidGroup.NotFound", message));
    }
    let named = |group: &&Group| names.is_empty() || is_default(group) && names.iter().any(|name| name == group.name);
    let groups: Vec<Group> =
        region.catalog.groups.iter().filter(named).map(|group| Group { id: group.id.clone(), ..*group }).collect();
    let item = |group: &Group| {
        [
            text("groupId", &group.id),
            text("groupName", group.name),
            text("groupDescription", group.name),
            text("vpcId", group.vpc),
        ]
        .concat()
    };
    let by = ("GroupId", "InvalidGroup.NotFound", (|group: &Group| group.id.clone()) as fn(&Group) -> String);
    describe(params, &groups, by, FIELDS, ("securityGroupInfo", item))
}

pub fn describe_key_pairs(region: &mut Region, params: &Params, _: &Options) -> Answer {
    const FIELDS: Fields<&str> = &[("key-name", |key| vec![key.to_string()])];
    let item = |key: &&str| text("keyName", key) + &text("keyPairId", format!("key-{key}"));
    let by = ("KeyName", "InvalidKeyPair.NotFound", (|key: &&str| key.to_string()) as fn(&&str) -> String);
    describe(params, &region.catalog.keys, by, FIELDS, ("keySet", item))
}

pub fn describe_placement_groups(region: &mut Region, params: &Params, _: &Options) -> Answer {
    const FIELDS: Fields<&str> =
        &[("group-name", |name| vec![name.to_string()]), ("state", |_| vec!["available".into()])];
    let item = |name: &&str| text("groupName", name) + &text("strategy", "cluster") + &text("state", "available");
    let by = ("GroupName", "InvalidPlacementGroup.Unknown", (|name: &&str| name.to_string()) as fn(&&str) -> String);
    describe(params, &region.catalog.placement_groups, by, FIELDS, ("placementGroupSet", item))
}

pub fn describe_launch_templates(region: &mut Region, params: &Params, _: &Options) -> Answer {
    const FIELDS: Fields<(&str, &str)> = &[("launch-template-name", |template| vec![template.1.to_string()])];
    let names = params.list("LaunchTemplateName");
    if let Some(name) = names.iter().find(|name| !region.catalog.templates.iter().any(|known| known.1 == **name)) {
        let message = format!("At least one of the launch templates specified in the request does not exist: {name}");
        return Err(ApiError::new("InvalidLaunchTemplateName.NotFoundException", message));
    }
    let named: Vec<_> = region
        .catalog
        .templates
        .iter()
        .filter(|known| names.is_empty() || names.iter().any(|name| name == known.1))
        .copied()
        .collect();
    let item = |template: &(&str, &str)| {
        let versions = text("defaultVersionNumber", 1) + &text("latestVersionNumber", 1);
        text("launchTemplateId", template.0) + &text("launchTemplateName", template.1) + &versions
    };
    let by = (
        "LaunchTemplateId",
        "InvalidLaunchTemplateId.NotFound",
        (|template: &(&str, &str)| template.0.to_string()) as fn(&(&str, &str)) -> String,
    );
    describe(params, &named, by, FIELDS, ("launchTemplates", item))
}

/// Each template has only version 1, which has only an image.
pub fn describe_launch_template_versions(region: &mut Region, params: &Params, _: &Options) -> Answer {
    let wanted = (params.get("LaunchTemplateId"), params.get("LaunchTemplateName"));
    let is_wanted = |known: &&(&str, &str)| wanted == (Some(known.0), None) || wanted == (None, Some(known.1));
    let Some((id, name)) = region.catalog.templates.iter().find(is_wanted) else {
        let code = if wanted.0.is_some() {
            "InvalidLaunchTemplateId.NotFound"
        } else {
            "InvalidLaunchTemplateName.NotFoundException"
        };
        return Err(ApiError::new(code, "The specified launch template does not exist."));
    };
    let versions = params.list("LaunchTemplateVersion");
    if let Some(version) = versions.iter().find(|version| !["1", "$Default", "$Latest"].contains(&version.as_str())) {
        let message = format!("Could not find the specified version {version} for the launch template with ID {id}.");
        return Err(ApiError::new("InvalidLaunchTemplateId.VersionNotFound", message));
    }
    let image = element("launchTemplateData", &text("imageId", &region.catalog.images[0].id));
    let item = text("launchTemplateId", id) + &text("launchTemplateName", name) + &text("versionNumber", 1) + &image;
    Ok(set("launchTemplateVersionSet", [item]))
}

pub fn describe_instance_types(region: &mut Region, params: &Params, _: &Options) -> Answer {
    const FIELDS: Fields<Type> = &[
        ("instance-type", |kind| vec![kind.name.to_string()]),
        ("processor-info.supported-architecture", |kind| {
            kind.architectures.iter().map(|name| name.to_string()).collect()
        }),
    ];
    let item = |kind: &Type| {
        let architectures = set("supportedArchitectures", kind.architectures.iter().map(|name| name.to_string()));
        let is_burstable = kind.name.starts_with('t');
        [
            text("instanceType", kind.name),
            text("currentGeneration", !kind.name.contains("1.")),
            text("burstablePerformanceSupported", is_burstable),
            text("instanceStorageSupported", kind.name.contains("1.")),
            text("hypervisor", if kind.name.contains("1.") || kind.name.starts_with("t2") { "xen" } else { "nitro" }),
            element("processorInfo", &architectures),
            set("supportedVirtualizationTypes", ["hvm".to_string()]),
            set("supportedRootDeviceTypes", ["ebs".to_string()]),
            set("supportedUsageClasses", ["on-demand".to_string(), "spot".to_string()]),
        ]
        .concat()
    };
    let by = ("InstanceType", "InvalidInstanceType", (|kind: &Type| kind.name.to_string()) as fn(&Type) -> String);
    describe(params, &region.catalog.types, by, FIELDS, ("instanceTypeSet", item))
}

/// Each type is offered in each zone.
pub fn describe_instance_type_offerings(region: &mut Region, params: &Params, _: &Options) -> Answer {
    const FIELDS: Fields<(String, String)> =
        &[("instance-type", |offer| vec![offer.0.clone()]), ("location", |offer| vec![offer.1.clone()])];
    let locations = match params.get("LocationType").unwrap_or("region") {
        "region" => vec![region.name.clone()],
        "availability-zone" => region.catalog.zones.clone(),
        other => return Err(ApiError::value(format!("Value ({other}) for parameter locationType is invalid."))),
    };
    let offers = |kind: &Type| locations.iter().map(|place| (kind.name.to_string(), place.clone())).collect::<Vec<_>>();
    let offers: Vec<_> = region.catalog.types.iter().flat_map(offers).collect();
    let item = |offer: &(String, String)| text("instanceType", &offer.0) + &text("location", &offer.1);
    describe(params, &offers, ("", "", |offer| offer.0.clone()), FIELDS, ("instanceTypeOfferingSet", item))
}

pub fn describe_availability_zones(region: &mut Region, params: &Params, _: &Options) -> Answer {
    const FIELDS: Fields<String> = &[
        ("zone-name", |zone| vec![zone.clone()]),
        ("region-name", |zone| vec![zone[..zone.len() - 1].to_string()]),
        ("state", |_| vec!["available".to_string()]),
        ("zone-type", |_| vec!["availability-zone".to_string()]),
    ];
    let item = |zone: &String| {
        text("zoneName", zone) + &text("regionName", &zone[..zone.len() - 1]) + &text("zoneState", "available")
    };
    describe(
        params,
        &region.catalog.zones,
        ("ZoneName", "InvalidParameterValue", String::clone),
        FIELDS,
        ("availabilityZoneInfo", item),
    )
}

pub fn describe_regions(_: &mut Region, params: &Params, _: &Options) -> Answer {
    const FIELDS: Fields<&str> = &[
        ("region-name", |name| vec![name.to_string()]),
        ("opt-in-status", |_| vec!["opt-in-not-required".to_string()]),
    ];
    let item = |name: &&str| text("regionName", name) + &text("regionEndpoint", format!("ec2.{name}.amazonaws.com"));
    let by = ("RegionName", "InvalidParameterValue", (|name: &&str| name.to_string()) as fn(&&str) -> String);
    describe(params, &["us-east-1", "eu-west-1"], by, FIELDS, ("regionInfo", item))
}
