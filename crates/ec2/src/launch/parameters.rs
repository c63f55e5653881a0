//! The table of launch keys: each with its meaning and its effect on the request.
//!
//! Names, ranges and sentences follow RunInstances in the Amazon EC2 API Reference. An API object with a single member is
//! one key here (`hibernation` for `HibernationOptions.Configured`).

use crate::launch::interfaces::INTERFACE;
use crate::launch::keys::{Key, Kind, Parameter, keys, set_all};
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesInputBuilder;
use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use aws_sdk_ec2::types::builders::*;
use aws_sdk_ec2::types::*;
use serde_json::{Map, Value};

/// A RunInstances request under construction. A field other than `input` is a part of the request that several keys set.
#[derive(Default)]
pub(crate) struct Draft {
    pub input: RunInstancesInputBuilder,
    pub placement: PlacementBuilder,
    pub template: LaunchTemplateSpecificationBuilder,
    pub market: Option<MarketType>,
    pub spot: Option<SpotMarketOptions>,
    /// What the keys of one address (`private ip`) say of the first network interface.
    pub first_interface: InstanceNetworkInterfaceSpecificationBuilder,
    pub interfaces: Vec<InstanceNetworkInterfaceSpecification>,
    /// Values of the right type that still cannot be sent.
    pub problems: Vec<String>,
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

pub(crate) fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or_default()
}

pub(crate) fn number(value: &Value) -> i32 {
    value.as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or_default()
}

pub(crate) fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

pub(crate) fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

pub(crate) fn ipv6_addresses(value: &Value) -> Option<Vec<InstanceIpv6Address>> {
    let address = |value: &Value| InstanceIpv6Address::builder().ipv6_address(text(value)).build();
    Some(list(value).iter().map(address).collect())
}

pub(crate) const SWITCH: Kind = Kind::Choice(&["enabled", "disabled"]);

pub(crate) const PARAMETERS: [Parameter<Draft>; 36] = [
    Parameter {
        key: Key {
            name: "iam instance profile",
            aliases: &["instance profile"],
            kind: Kind::Text,
            about: "The IAM instance profile: a name or an ARN.",
        },
        set: |draft, value| {
            let (profile, builder) = (text(value), IamInstanceProfileSpecification::builder());
            let builder = if profile.starts_with("arn:") { builder.arn(profile) } else { builder.name(profile) };
            Draft { input: draft.input.iam_instance_profile(builder.build()), ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "metadata options",
            aliases: &["metadata"],
            kind: Kind::Object(&keys(&METADATA)),
            about: "The instance metadata service (IMDS).",
        },
        set: |draft, value| {
            let options = set_all(&METADATA, InstanceMetadataOptionsRequest::builder(), &object(value)).build();
            Draft { input: draft.input.metadata_options(options), ..draft }
        },
    },
    Parameter {
        key: Key { name: "spot", aliases: &[], kind: Kind::Flag, about: "Whether the host is a Spot Instance." },
        set: |draft, value| Draft {
            market: Some(if flag(value) { MarketType::Spot } else { MarketType::OnDemand }),
            ..draft
        },
    },
    Parameter {
        key: Key {
            name: "spot options",
            aliases: &[],
            kind: Kind::Object(&keys(&SPOT)),
            about: "Options of a Spot Instance; they make the host one.",
        },
        set: |mut draft, value| {
            let options = object(value);
            let until = options.get("valid until").and_then(Value::as_str);
            if let Some(until) = until.filter(|until| DateTime::from_str(until, DateTimeFormat::DateTime).is_err()) {
                let why = "expected a time such as 2030-01-31T12:00:00Z";
                draft.problems.push(format!("spot options: valid until: {why}, not {until:?}"));
            }
            let spot = set_all(&SPOT, SpotMarketOptions::builder(), &options).build();
            Draft { market: draft.market.or(Some(MarketType::Spot)), spot: Some(spot), ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "market type",
            aliases: &["instance market type"],
            kind: Kind::Choice(&["spot", "capacity-block", "on-demand"]),
            about: "How the instance is paid for, if not on demand.",
        },
        set: |mut draft, value| {
            let market = MarketType::from(text(value).as_str());
            if draft.market.as_ref().is_some_and(|other| *other != market) {
                draft.problems.push("market type: `spot` and `spot options` say something else".to_string());
            }
            Draft { market: Some(market), ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "launch template",
            aliases: &["launch template name", "launch template id"],
            kind: Kind::Text,
            about: "A launch template, by name or `lt-` id, for everything that the profile does not say.",
        },
        set: |draft, value| {
            let name = text(value);
            let template = match name.starts_with("lt-") {
                true => draft.template.launch_template_id(name),
                false => draft.template.launch_template_name(name),
            };
            Draft { template, ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "launch template version",
            aliases: &["template version"],
            kind: Kind::Text,
            about: "The version of the launch template: a number, `$Latest` or `$Default`.",
        },
        set: |draft, value| Draft { template: draft.template.version(text(value)), ..draft },
    },
    Parameter {
        key: Key {
            name: "placement group",
            aliases: &["placement group name", "placement group id", "group name"],
            kind: Kind::Text,
            about: "The placement group: a name or a `pg-` id.",
        },
        set: |draft, value| {
            let group = text(value);
            let placement = match group.starts_with("pg-") {
                true => draft.placement.group_id(group),
                false => draft.placement.group_name(group),
            };
            Draft { placement, ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "partition number",
            aliases: &["placement partition", "partition"],
            kind: Kind::Number { least: 1, most: 7 },
            about: "The partition of a placement group whose strategy is `partition`.",
        },
        set: |draft, value| Draft { placement: draft.placement.partition_number(number(value)), ..draft },
    },
    Parameter {
        key: Key {
            name: "tenancy",
            aliases: &[],
            kind: Kind::Choice(&["default", "dedicated", "host"]),
            about: "Whether the hardware is shared, dedicated to the account, or a Dedicated Host.",
        },
        set: |draft, value| Draft { placement: draft.placement.tenancy(Tenancy::from(text(value).as_str())), ..draft },
    },
    Parameter {
        key: Key {
            name: "host id",
            aliases: &["dedicated host"],
            kind: Kind::Text,
            about: "The Dedicated Host to run on: an `h-` id.",
        },
        set: |draft, value| Draft { placement: draft.placement.host_id(text(value)), ..draft },
    },
    Parameter {
        key: Key {
            name: "host resource group arn",
            aliases: &["host resource group"],
            kind: Kind::Text,
            about: "The ARN of the host resource group to launch in.",
        },
        set: |draft, value| Draft { placement: draft.placement.host_resource_group_arn(text(value)), ..draft },
    },
    Parameter {
        key: Key {
            name: "affinity",
            aliases: &["host affinity"],
            kind: Kind::Choice(&["default", "host"]),
            about: "Whether a stopped instance starts again on its own Dedicated Host (`host`) or on any.",
        },
        set: |draft, value| Draft { placement: draft.placement.affinity(text(value)), ..draft },
    },
    Parameter {
        key: Key {
            name: "capacity reservation",
            aliases: &["capacity reservation specification"],
            kind: Kind::Object(&keys(&CAPACITY_RESERVATION)),
            about: "The capacity reservation to run in.",
        },
        set: |draft, value| {
            let values = object(value);
            let target = set_all(&CAPACITY_RESERVATION, CapacityDraft::default(), &values);
            let has_target = values.keys().any(|name| name != "preference");
            let specification = CapacityReservationSpecification::builder()
                .set_capacity_reservation_preference(target.preference)
                .set_capacity_reservation_target(has_target.then(|| target.target.build()));
            Draft { input: draft.input.capacity_reservation_specification(specification.build()), ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "termination protection",
            aliases: &["disable api termination"],
            kind: Kind::Flag,
            about: "Whether TerminateInstances is refused until the protection is removed.",
        },
        set: |draft, value| Draft { input: draft.input.disable_api_termination(flag(value)), ..draft },
    },
    Parameter {
        key: Key {
            name: "stop protection",
            aliases: &["disable api stop"],
            kind: Kind::Flag,
            about: "Whether StopInstances is refused until the protection is removed.",
        },
        set: |draft, value| Draft { input: draft.input.disable_api_stop(flag(value)), ..draft },
    },
    Parameter {
        key: Key {
            name: "shutdown behaviour",
            aliases: &[
                "shutdown behavior",
                "instance initiated shutdown behavior",
                "instance initiated shutdown behaviour",
            ],
            kind: Kind::Choice(&["stop", "terminate"]),
            about: "What a shutdown from within the instance does; `terminate` suits workers that end themselves.",
        },
        set: |draft, value| {
            let behaviour = ShutdownBehavior::from(text(value).as_str());
            Draft { input: draft.input.instance_initiated_shutdown_behavior(behaviour), ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "private ip",
            aliases: &["private ip address"],
            kind: Kind::Text,
            about: "The primary private IPv4 address, from the range of the subnet.",
        },
        set: |draft, value| Draft { first_interface: draft.first_interface.private_ip_address(text(value)), ..draft },
    },
    Parameter {
        key: Key {
            name: "associate public ip",
            aliases: &["associate public ip address", "public ip"],
            kind: Kind::Flag,
            about: "Whether the instance gets a public IPv4 address, whatever the default of its subnet.",
        },
        set: |draft, value| Draft {
            first_interface: draft.first_interface.associate_public_ip_address(flag(value)),
            ..draft
        },
    },
    Parameter {
        key: Key {
            name: "ipv6 address count",
            aliases: &[],
            kind: Kind::Number { least: 0, most: 50 },
            about: "How many IPv6 addresses of the subnet the instance gets.",
        },
        set: |draft, value| Draft { first_interface: draft.first_interface.ipv6_address_count(number(value)), ..draft },
    },
    Parameter {
        key: Key {
            name: "ipv6 addresses",
            aliases: &["ipv6 address"],
            kind: Kind::List(&Kind::Text),
            about: "IPv6 addresses of the subnet for the instance, instead of a count.",
        },
        set: |draft, value| Draft {
            first_interface: draft.first_interface.set_ipv6_addresses(ipv6_addresses(value)),
            ..draft
        },
    },
    Parameter {
        key: Key {
            name: "primary ipv6",
            aliases: &["enable primary ipv6"],
            kind: Kind::Flag,
            about: "Whether the first IPv6 address is the primary one, which never changes.",
        },
        set: |draft, value| Draft { first_interface: draft.first_interface.primary_ipv6(flag(value)), ..draft },
    },
    Parameter {
        key: Key {
            name: "network interfaces",
            aliases: &["network interface"],
            kind: Kind::List(&Kind::Object(&keys(&INTERFACE))),
            about: "The network interfaces, if the instance has more than an ordinary one.",
        },
        set: |draft, value| {
            let interface =
                |value: &Value| set_all(&INTERFACE, InstanceNetworkInterfaceSpecification::builder(), &object(value));
            let interfaces = list(value).iter().map(|value| interface(value).build()).collect();
            Draft { interfaces, ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "private dns name options",
            aliases: &["private dns"],
            kind: Kind::Object(&keys(&PRIVATE_DNS)),
            about: "The private DNS name of the instance; the default is that of the subnet.",
        },
        set: |draft, value| {
            let options = set_all(&PRIVATE_DNS, PrivateDnsNameOptionsRequest::builder(), &object(value)).build();
            Draft { input: draft.input.private_dns_name_options(options), ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "monitoring",
            aliases: &["detailed monitoring"],
            kind: Kind::Flag,
            about: "Whether CloudWatch gets metrics each minute, at extra cost.",
        },
        set: |draft, value| {
            let monitoring = RunInstancesMonitoringEnabled::builder().enabled(flag(value)).build();
            Draft { input: draft.input.monitoring(monitoring), ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "ebs optimized",
            aliases: &["ebs optimised", "ebs optimization"],
            kind: Kind::Flag,
            about: "Whether EBS has bandwidth of its own, on older instance types that do not have it anyway.",
        },
        set: |draft, value| Draft { input: draft.input.ebs_optimized(flag(value)), ..draft },
    },
    Parameter {
        key: Key {
            name: "cpu credits",
            aliases: &["credit specification"],
            kind: Kind::Choice(&["standard", "unlimited"]),
            about: "Whether a burstable instance type may use more CPU than its credits, at extra cost (`unlimited`).",
        },
        set: |draft, value| {
            let credits = CreditSpecificationRequest::builder().cpu_credits(text(value)).build();
            Draft { input: draft.input.credit_specification(credits), ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "cpu options",
            aliases: &[],
            kind: Kind::Object(&keys(&CPU)),
            about: "Cores, threads and virtualization of the CPU.",
        },
        set: |draft, value| {
            let options = set_all(&CPU, CpuOptionsRequest::builder(), &object(value)).build();
            Draft { input: draft.input.cpu_options(options), ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "hibernation",
            aliases: &["hibernation options"],
            kind: Kind::Flag,
            about: "Whether the instance can hibernate; this needs an encrypted root volume.",
        },
        set: |draft, value| {
            let options = HibernationOptionsRequest::builder().configured(flag(value)).build();
            Draft { input: draft.input.hibernation_options(options), ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "enclave",
            aliases: &["enclave options", "nitro enclaves"],
            kind: Kind::Flag,
            about: "Whether the instance can run AWS Nitro Enclaves.",
        },
        set: |draft, value| {
            let options = EnclaveOptionsRequest::builder().enabled(flag(value)).build();
            Draft { input: draft.input.enclave_options(options), ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "auto recovery",
            aliases: &["maintenance options"],
            kind: Kind::Choice(&["default", "disabled"]),
            about: "Whether EC2 moves the instance when its hardware fails.",
        },
        set: |draft, value| {
            let recovery = InstanceAutoRecoveryState::from(text(value).as_str());
            let options = InstanceMaintenanceOptionsRequest::builder().auto_recovery(recovery).build();
            Draft { input: draft.input.maintenance_options(options), ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "bandwidth weighting",
            aliases: &["network performance options"],
            kind: Kind::Choice(&["default", "vpc-1", "ebs-1"]),
            about: "Whether the network (`vpc-1`) or EBS (`ebs-1`) gets more of the bandwidth.",
        },
        set: |draft, value| {
            let weighting = InstanceBandwidthWeighting::from(text(value).as_str());
            let options = InstanceNetworkPerformanceOptionsRequest::builder().bandwidth_weighting(weighting).build();
            Draft { input: draft.input.network_performance_options(options), ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "license specifications",
            aliases: &["licenses", "license configuration arn"],
            kind: Kind::List(&Kind::Text),
            about: "ARNs of license configurations.",
        },
        set: |draft, value| {
            let license =
                |arn: &Value| LicenseConfigurationRequest::builder().license_configuration_arn(text(arn)).build();
            let licenses = list(value).iter().map(license).collect();
            Draft { input: draft.input.set_license_specifications(Some(licenses)), ..draft }
        },
    },
    Parameter {
        key: Key {
            name: "kernel id",
            aliases: &[],
            kind: Kind::Text,
            about: "The `aki-` id of a kernel for a paravirtual image.",
        },
        set: |draft, value| Draft { input: draft.input.kernel_id(text(value)), ..draft },
    },
    Parameter {
        key: Key {
            name: "ramdisk id",
            aliases: &[],
            kind: Kind::Text,
            about: "The `ari-` id of a RAM disk for a paravirtual image.",
        },
        set: |draft, value| Draft { input: draft.input.ramdisk_id(text(value)), ..draft },
    },
    Parameter {
        key: Key {
            name: "availability zone id",
            aliases: &["zone id"],
            kind: Kind::Text,
            about: "The zone by its id, as `use1-az1`, which means the same zone in every account.",
        },
        set: |draft, value| Draft { placement: draft.placement.availability_zone_id(text(value)), ..draft },
    },
];

const METADATA: [Parameter<InstanceMetadataOptionsRequestBuilder>; 5] = [
    Parameter {
        key: Key {
            name: "http tokens",
            aliases: &[],
            kind: Kind::Choice(&["required", "optional"]),
            about: "Whether requests need a session token (IMDSv2); `required` unless this says otherwise.",
        },
        set: |options, value| options.http_tokens(HttpTokensState::from(text(value).as_str())),
    },
    Parameter {
        key: Key {
            name: "hop limit",
            aliases: &["http put response hop limit"],
            kind: Kind::Number { least: 1, most: 64 },
            about: "How many network hops a session token may travel; 2 by default, so containers can use IMDS.",
        },
        set: |options, value| options.http_put_response_hop_limit(number(value)),
    },
    Parameter {
        key: Key { name: "http endpoint", aliases: &[], kind: SWITCH, about: "Whether the instance has IMDS at all." },
        set: |options, value| options.http_endpoint(InstanceMetadataEndpointState::from(text(value).as_str())),
    },
    Parameter {
        key: Key {
            name: "http protocol ipv6",
            aliases: &["ipv6"],
            kind: SWITCH,
            about: "Whether IMDS has an IPv6 address too.",
        },
        set: |options, value| options.http_protocol_ipv6(InstanceMetadataProtocolState::from(text(value).as_str())),
    },
    Parameter {
        key: Key {
            name: "instance metadata tags",
            aliases: &["instance tags"],
            kind: SWITCH,
            about: "Whether IMDS has the instance's tags; by default if every tag key may be a path in it.",
        },
        set: |options, value| options.instance_metadata_tags(InstanceMetadataTagsState::from(text(value).as_str())),
    },
];

const SPOT: [Parameter<SpotMarketOptionsBuilder>; 4] = [
    Parameter {
        key: Key {
            name: "max price",
            aliases: &[],
            kind: Kind::Text,
            about: "The most to pay, in USD an hour; the default is the on-demand price.",
        },
        set: |options, value| options.max_price(text(value)),
    },
    Parameter {
        key: Key {
            name: "request type",
            aliases: &["spot instance type", "instance type"],
            kind: Kind::Choice(&["one-time", "persistent"]),
            about: "Whether an interrupted instance comes back (`persistent`); its behaviour must be `stop` or `hibernate` then.",
        },
        set: |options, value| options.spot_instance_type(SpotInstanceType::from(text(value).as_str())),
    },
    Parameter {
        key: Key {
            name: "interruption behaviour",
            aliases: &["interruption behavior", "instance interruption behavior", "instance interruption behaviour"],
            kind: Kind::Choice(&["terminate", "stop", "hibernate"]),
            about: "What becomes of the instance when EC2 needs its capacity.",
        },
        set: |options, value| {
            options.instance_interruption_behavior(InstanceInterruptionBehavior::from(text(value).as_str()))
        },
    },
    Parameter {
        key: Key {
            name: "valid until",
            aliases: &[],
            kind: Kind::Text,
            about: "When a persistent request ends, as 2030-01-31T12:00:00Z.",
        },
        set: |options, value| options.set_valid_until(DateTime::from_str(&text(value), DateTimeFormat::DateTime).ok()),
    },
];

/// The preference stands beside the target in the API.
#[derive(Default)]
struct CapacityDraft {
    preference: Option<CapacityReservationPreference>,
    target: CapacityReservationTargetBuilder,
}

const CAPACITY_RESERVATION: [Parameter<CapacityDraft>; 3] = [
    Parameter {
        key: Key {
            name: "preference",
            aliases: &["capacity reservation preference"],
            kind: Kind::Choice(&["open", "none", "capacity-reservations-only"]),
            about: "Whether the instance may run in any matching reservation, in none, or in nothing else.",
        },
        set: |draft, value| CapacityDraft {
            preference: Some(CapacityReservationPreference::from(text(value).as_str())),
            ..draft
        },
    },
    Parameter {
        key: Key {
            name: "id",
            aliases: &["target id", "capacity reservation id"],
            kind: Kind::Text,
            about: "The `cr-` id of the reservation.",
        },
        set: |draft, value| CapacityDraft { target: draft.target.capacity_reservation_id(text(value)), ..draft },
    },
    Parameter {
        key: Key {
            name: "resource group arn",
            aliases: &["capacity reservation resource group arn"],
            kind: Kind::Text,
            about: "The ARN of a resource group of reservations.",
        },
        set: |draft, value| CapacityDraft {
            target: draft.target.capacity_reservation_resource_group_arn(text(value)),
            ..draft
        },
    },
];

const PRIVATE_DNS: [Parameter<PrivateDnsNameOptionsRequestBuilder>; 3] = [
    Parameter {
        key: Key {
            name: "hostname type",
            aliases: &[],
            kind: Kind::Choice(&["ip-name", "resource-name"]),
            about: "Whether the name is made of the address or of the instance's id.",
        },
        set: |options, value| options.hostname_type(HostnameType::from(text(value).as_str())),
    },
    Parameter {
        key: Key {
            name: "enable resource name dns a record",
            aliases: &["a record"],
            kind: Kind::Flag,
            about: "Whether DNS answers with the IPv4 address.",
        },
        set: |options, value| options.enable_resource_name_dns_a_record(flag(value)),
    },
    Parameter {
        key: Key {
            name: "enable resource name dns aaaa record",
            aliases: &["aaaa record"],
            kind: Kind::Flag,
            about: "Whether DNS answers with the IPv6 address.",
        },
        set: |options, value| options.enable_resource_name_dns_aaaa_record(flag(value)),
    },
];

const CPU: [Parameter<CpuOptionsRequestBuilder>; 4] = [
    Parameter {
        key: Key {
            name: "core count",
            aliases: &["cores"],
            kind: Kind::Number { least: 1, most: 1024 },
            about: "The number of CPU cores.",
        },
        set: |options, value| options.core_count(number(value)),
    },
    Parameter {
        key: Key {
            name: "threads per core",
            aliases: &[],
            kind: Kind::Number { least: 1, most: 2 },
            about: "Threads of a core; 1 turns multithreading off.",
        },
        set: |options, value| options.threads_per_core(number(value)),
    },
    Parameter {
        key: Key {
            name: "amd sev snp",
            aliases: &[],
            kind: SWITCH,
            about: "Whether memory is encrypted by AMD SEV-SNP.",
        },
        set: |options, value| options.amd_sev_snp(AmdSevSnpSpecification::from(text(value).as_str())),
    },
    Parameter {
        key: Key {
            name: "nested virtualization",
            aliases: &["nested virtualisation"],
            kind: SWITCH,
            about: "Whether the instance can run virtual machines.",
        },
        set: |options, value| {
            options.nested_virtualization(NestedVirtualizationSpecification::from(text(value).as_str()))
        },
    },
];
