//! The table of launch keys: each with its meaning and its effect on the request.
//!
//! Names, ranges and sentences follow RunInstances in the Amazon EC2 API Reference. An API object with a single member
//! is one key here (`hibernation` for `HibernationOptions.Configured`).

use crate::launch::keys::{Key, Kind, Parameter, key, keys, set_all};
use crate::launch::nested_parameters::{
    CAPACITY_RESERVATION, CPU, CapacityDraft, INTERFACE, METADATA, PRIVATE_DNS, SPOT,
};
use crate::launch::value::{choice, flag, ipv6_addresses, list, number, object, text};
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesInputBuilder;
use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use aws_sdk_ec2::types::builders::*;
use aws_sdk_ec2::types::*;
use serde_json::Value;

/// A RunInstances request under construction. A field other than `input` is a part of the request that several keys
/// set.
#[derive(Default)]
pub(crate) struct Draft {
    pub input: RunInstancesInputBuilder,
    pub placement: PlacementBuilder,
    pub template: LaunchTemplateSpecificationBuilder,
    pub market: Option<MarketType>,
    pub spot: Option<SpotMarketOptions>,
    /// What keys such as `private ip` set of the first network interface.
    pub first_interface: InstanceNetworkInterfaceSpecificationBuilder,
    pub interfaces: Vec<InstanceNetworkInterfaceSpecification>,
    /// Why values of the right type still cannot be sent.
    pub problems: Vec<String>,
}

/// Parameters of RunInstances without a field of their own in `LaunchRequest`.
pub const LAUNCH_KEYS: &[Key] = &keys(&PARAMETERS);

pub(crate) const PARAMETERS: [Parameter<Draft>; 36] = [
    key("iam instance profile", &["instance profile"], Kind::Text, "The IAM instance profile: a name or an ARN.").sets(
        |draft, value| {
            let (profile, builder) = (text(value), IamInstanceProfileSpecification::builder());
            let builder = if profile.starts_with("arn:") { builder.arn(profile) } else { builder.name(profile) };
            Draft { input: draft.input.iam_instance_profile(builder.build()), ..draft }
        },
    ),
    key("metadata options", &["metadata"], Kind::Object(&keys(&METADATA)), "The instance metadata service (IMDS).")
        .sets(|draft, value| {
            let options = set_all(&METADATA, InstanceMetadataOptionsRequest::builder(), &object(value)).build();
            Draft { input: draft.input.metadata_options(options), ..draft }
        }),
    key("spot", &[], Kind::Flag, "Whether the host is a Spot Instance.").sets(|draft, value| Draft {
        market: Some(if flag(value) { MarketType::Spot } else { MarketType::OnDemand }),
        ..draft
    }),
    key("spot options", &[], Kind::Object(&keys(&SPOT)), "Options of a Spot Instance; they make the host one.").sets(
        |mut draft, value| {
            let options = object(value);
            let until = options.get("valid until").and_then(Value::as_str);
            if let Some(until) = until.filter(|until| DateTime::from_str(until, DateTimeFormat::DateTime).is_err()) {
                let why = "expected a time such as 2030-01-31T12:00:00Z";
                draft.problems.push(format!("spot options: valid until: {why}, not {until:?}"));
            }
            let spot = set_all(&SPOT, SpotMarketOptions::builder(), &options).build();
            Draft { market: draft.market.or(Some(MarketType::Spot)), spot: Some(spot), ..draft }
        },
    ),
    key(
        "market type",
        &["instance market type"],
        Kind::Choice(&["spot", "capacity-block", "on-demand"]),
        "How the instance is paid for, if not on demand.",
    )
    .sets(|mut draft, value| {
        let market = choice(value);
        if draft.market.as_ref().is_some_and(|other| *other != market) {
            draft.problems.push("market type: `spot` and `spot options` say something else".to_string());
        }
        Draft { market: Some(market), ..draft }
    }),
    key(
        "launch template",
        &["launch template name", "launch template id"],
        Kind::Text,
        "A launch template, by name or `lt-` id, for everything that the profile does not say.",
    )
    .sets(|draft, value| {
        let name = text(value);
        let template = if name.starts_with("lt-") {
            draft.template.launch_template_id(name)
        } else {
            draft.template.launch_template_name(name)
        };
        Draft { template, ..draft }
    }),
    key(
        "launch template version",
        &["template version"],
        Kind::Text,
        "The version of the launch template: a number, `$Latest` or `$Default`.",
    )
    .sets(|draft, value| Draft { template: draft.template.version(text(value)), ..draft }),
    key(
        "placement group",
        &["placement group name", "placement group id", "group name"],
        Kind::Text,
        "The placement group: a name or a `pg-` id.",
    )
    .sets(|draft, value| {
        let group = text(value);
        let placement =
            if group.starts_with("pg-") { draft.placement.group_id(group) } else { draft.placement.group_name(group) };
        Draft { placement, ..draft }
    }),
    key(
        "partition number",
        &["placement partition", "partition"],
        Kind::Number { least: 1, most: 7 },
        "The partition of a placement group whose strategy is `partition`.",
    )
    .sets(|draft, value| Draft { placement: draft.placement.partition_number(number(value)), ..draft }),
    key(
        "tenancy",
        &[],
        Kind::Choice(&["default", "dedicated", "host"]),
        "Whether the hardware is shared, dedicated to the account, or a Dedicated Host.",
    )
    .sets(|draft, value| Draft { placement: draft.placement.tenancy(choice(value)), ..draft }),
    key("host id", &["dedicated host"], Kind::Text, "The Dedicated Host to run on: an `h-` id.")
        .sets(|draft, value| Draft { placement: draft.placement.host_id(text(value)), ..draft }),
    key(
        "host resource group arn",
        &["host resource group"],
        Kind::Text,
        "The ARN of the host resource group to launch in.",
    )
    .sets(|draft, value| Draft { placement: draft.placement.host_resource_group_arn(text(value)), ..draft }),
    key(
        "affinity",
        &["host affinity"],
        Kind::Choice(&["default", "host"]),
        "Whether a stopped instance starts again on its own Dedicated Host (`host`) or on any.",
    )
    .sets(|draft, value| Draft { placement: draft.placement.affinity(text(value)), ..draft }),
    key(
        "capacity reservation",
        &["capacity reservation specification"],
        Kind::Object(&keys(&CAPACITY_RESERVATION)),
        "The capacity reservation to run in.",
    )
    .sets(|draft, value| {
        let values = object(value);
        let target = set_all(&CAPACITY_RESERVATION, CapacityDraft::default(), &values);
        let has_target = values.keys().any(|name| name != "preference");
        let specification = CapacityReservationSpecification::builder()
            .set_capacity_reservation_preference(target.preference)
            .set_capacity_reservation_target(has_target.then(|| target.target.build()));
        Draft { input: draft.input.capacity_reservation_specification(specification.build()), ..draft }
    }),
    key(
        "termination protection",
        &["disable api termination"],
        Kind::Flag,
        "Whether TerminateInstances is refused until the protection is removed.",
    )
    .sets(|draft, value| Draft { input: draft.input.disable_api_termination(flag(value)), ..draft }),
    key(
        "stop protection",
        &["disable api stop"],
        Kind::Flag,
        "Whether StopInstances is refused until the protection is removed.",
    )
    .sets(|draft, value| Draft { input: draft.input.disable_api_stop(flag(value)), ..draft }),
    key(
        "shutdown behaviour",
        &["shutdown behavior", "instance initiated shutdown behavior", "instance initiated shutdown behaviour"],
        Kind::Choice(&["stop", "terminate"]),
        "What a shutdown from within the instance does; `terminate` suits workers that end themselves.",
    )
    .sets(|draft, value| Draft { input: draft.input.instance_initiated_shutdown_behavior(choice(value)), ..draft }),
    key(
        "private ip",
        &["private ip address"],
        Kind::Text,
        "The primary private IPv4 address, from the range of the subnet.",
    )
    .sets(|draft, value| Draft { first_interface: draft.first_interface.private_ip_address(text(value)), ..draft }),
    key(
        "associate public ip",
        &["associate public ip address", "public ip"],
        Kind::Flag,
        "Whether the instance gets a public IPv4 address, whatever the default of its subnet.",
    )
    .sets(|draft, value| Draft {
        first_interface: draft.first_interface.associate_public_ip_address(flag(value)),
        ..draft
    }),
    key(
        "ipv6 address count",
        &[],
        Kind::Number { least: 0, most: 50 },
        "How many IPv6 addresses of the subnet the instance gets.",
    )
    .sets(|draft, value| Draft { first_interface: draft.first_interface.ipv6_address_count(number(value)), ..draft }),
    key(
        "ipv6 addresses",
        &["ipv6 address"],
        Kind::List(&Kind::Text),
        "IPv6 addresses of the subnet for the instance, instead of a count.",
    )
    .sets(|draft, value| Draft {
        first_interface: draft.first_interface.set_ipv6_addresses(ipv6_addresses(value)),
        ..draft
    }),
    key(
        "primary ipv6",
        &["enable primary ipv6"],
        Kind::Flag,
        "Whether the first IPv6 address is the primary one, which never changes.",
    )
    .sets(|draft, value| Draft { first_interface: draft.first_interface.primary_ipv6(flag(value)), ..draft }),
    key(
        "network interfaces",
        &["network interface"],
        Kind::List(&Kind::Object(&keys(&INTERFACE))),
        "The network interfaces; needed only if one ordinary interface is not enough.",
    )
    .sets(|draft, value| {
        let interface =
            |value: &Value| set_all(&INTERFACE, InstanceNetworkInterfaceSpecification::builder(), &object(value));
        let interfaces = list(value).iter().map(|value| interface(value).build()).collect();
        Draft { interfaces, ..draft }
    }),
    key(
        "private dns name options",
        &["private dns"],
        Kind::Object(&keys(&PRIVATE_DNS)),
        "The private DNS name of the instance; the default is that of the subnet.",
    )
    .sets(|draft, value| {
        let options = set_all(&PRIVATE_DNS, PrivateDnsNameOptionsRequest::builder(), &object(value)).build();
        Draft { input: draft.input.private_dns_name_options(options), ..draft }
    }),
    key(
        "monitoring",
        &["detailed monitoring"],
        Kind::Flag,
        "Whether CloudWatch gets metrics each minute, at extra cost.",
    )
    .sets(|draft, value| {
        let monitoring = RunInstancesMonitoringEnabled::builder().enabled(flag(value)).build();
        Draft { input: draft.input.monitoring(monitoring), ..draft }
    }),
    key(
        "ebs optimized",
        &["ebs optimised", "ebs optimization"],
        Kind::Flag,
        "Whether EBS has bandwidth of its own; only older instance types need this key.",
    )
    .sets(|draft, value| Draft { input: draft.input.ebs_optimized(flag(value)), ..draft }),
    key(
        "cpu credits",
        &["credit specification"],
        Kind::Choice(&["standard", "unlimited"]),
        "Whether a burstable instance type may use more CPU than its credits, at extra cost (`unlimited`).",
    )
    .sets(|draft, value| {
        let credits = CreditSpecificationRequest::builder().cpu_credits(text(value)).build();
        Draft { input: draft.input.credit_specification(credits), ..draft }
    }),
    key("cpu options", &[], Kind::Object(&keys(&CPU)), "Cores, threads and virtualization of the CPU.").sets(
        |draft, value| {
            let options = set_all(&CPU, CpuOptionsRequest::builder(), &object(value)).build();
            Draft { input: draft.input.cpu_options(options), ..draft }
        },
    ),
    key(
        "hibernation",
        &["hibernation options"],
        Kind::Flag,
        "Whether the instance can hibernate; this needs an encrypted root volume.",
    )
    .sets(|draft, value| {
        let options = HibernationOptionsRequest::builder().configured(flag(value)).build();
        Draft { input: draft.input.hibernation_options(options), ..draft }
    }),
    key(
        "enclave",
        &["enclave options", "nitro enclaves"],
        Kind::Flag,
        "Whether the instance can run AWS Nitro Enclaves.",
    )
    .sets(|draft, value| {
        let options = EnclaveOptionsRequest::builder().enabled(flag(value)).build();
        Draft { input: draft.input.enclave_options(options), ..draft }
    }),
    key(
        "auto recovery",
        &["maintenance options"],
        Kind::Choice(&["default", "disabled"]),
        "Whether EC2 moves the instance when its hardware fails.",
    )
    .sets(|draft, value| {
        let options = InstanceMaintenanceOptionsRequest::builder().auto_recovery(choice(value)).build();
        Draft { input: draft.input.maintenance_options(options), ..draft }
    }),
    key(
        "bandwidth weighting",
        &["network performance options"],
        Kind::Choice(&["default", "vpc-1", "ebs-1"]),
        "Whether the network (`vpc-1`) or EBS (`ebs-1`) gets more of the bandwidth.",
    )
    .sets(|draft, value| {
        let options = InstanceNetworkPerformanceOptionsRequest::builder().bandwidth_weighting(choice(value)).build();
        Draft { input: draft.input.network_performance_options(options), ..draft }
    }),
    key(
        "license specifications",
        &["licenses", "license configuration arn"],
        Kind::List(&Kind::Text),
        "ARNs of license configurations.",
    )
    .sets(|draft, value| {
        let license = |arn: &Value| LicenseConfigurationRequest::builder().license_configuration_arn(text(arn)).build();
        let licenses = list(value).iter().map(license).collect();
        Draft { input: draft.input.set_license_specifications(Some(licenses)), ..draft }
    }),
    key("kernel id", &[], Kind::Text, "The `aki-` id of a kernel for a paravirtual image.")
        .sets(|draft, value| Draft { input: draft.input.kernel_id(text(value)), ..draft }),
    key("ramdisk id", &[], Kind::Text, "The `ari-` id of a RAM disk for a paravirtual image.")
        .sets(|draft, value| Draft { input: draft.input.ramdisk_id(text(value)), ..draft }),
    key(
        "availability zone id",
        &["zone id"],
        Kind::Text,
        "The zone by its id, such as `use1-az1`, which means the same zone in every account.",
    )
    .sets(|draft, value| Draft { placement: draft.placement.availability_zone_id(text(value)), ..draft }),
];
