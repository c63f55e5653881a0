//! The tables of keys within a launch key: `cpu options: {cores: 4}` has the key `core count` of `CPU`.

use crate::launch::keys::{Kind, Parameter, key};
use crate::launch::value::{choice, flag, ipv6_addresses, list, number, text};
use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use aws_sdk_ec2::types::builders::*;
use aws_sdk_ec2::types::*;
use serde_json::Value;

const SWITCH: Kind = Kind::Choice(&["enabled", "disabled"]);

pub(crate) const METADATA: [Parameter<InstanceMetadataOptionsRequestBuilder>; 5] = [
    key(
        "http tokens",
        &[],
        Kind::Choice(&["required", "optional"]),
        "Whether requests need a session token (IMDSv2); `required` unless this says otherwise.",
    )
    .sets(|options, value| options.http_tokens(choice(value))),
    key(
        "hop limit",
        &["http put response hop limit"],
        Kind::Number { least: 1, most: 64 },
        "How many network hops a session token may travel; 2 by default, so containers can use IMDS.",
    )
    .sets(|options, value| options.http_put_response_hop_limit(number(value))),
    key("http endpoint", &[], SWITCH, "Whether the instance has IMDS at all.")
        .sets(|options, value| options.http_endpoint(choice(value))),
    key("http protocol ipv6", &["ipv6"], SWITCH, "Whether IMDS has an IPv6 address too.")
        .sets(|options, value| options.http_protocol_ipv6(choice(value))),
    key(
        "instance metadata tags",
        &["instance tags"],
        SWITCH,
        "Whether IMDS has the instance's tags; by default if every tag key may be a path in it.",
    )
    .sets(|options, value| options.instance_metadata_tags(choice(value))),
];

pub(crate) const SPOT: [Parameter<SpotMarketOptionsBuilder>; 4] = [
    key("max price", &[], Kind::Text, "The most to pay, in USD an hour; the default is the on-demand price.")
        .sets(|options, value| options.max_price(text(value))),
    key(
        "request type",
        &["spot instance type"],
        Kind::Choice(&["one-time", "persistent"]),
        "Whether an interrupted instance comes back (`persistent`); its behaviour must be `stop` or `hibernate` then.",
    )
    .sets(|options, value| options.spot_instance_type(choice(value))),
    key(
        "interruption behaviour",
        &["interruption behavior", "instance interruption behavior", "instance interruption behaviour"],
        Kind::Choice(&["terminate", "stop", "hibernate"]),
        "What becomes of the instance when EC2 needs its capacity.",
    )
    .sets(|options, value| options.instance_interruption_behavior(choice(value))),
    key("valid until", &[], Kind::Text, "When a persistent request ends, such as 2030-01-31T12:00:00Z.").sets(
        |options, value| options.set_valid_until(DateTime::from_str(&text(value), DateTimeFormat::DateTime).ok()),
    ),
];

/// The preference stands beside the target in the API.
#[derive(Default)]
pub(crate) struct CapacityDraft {
    pub preference: Option<CapacityReservationPreference>,
    pub target: CapacityReservationTargetBuilder,
}

pub(crate) const CAPACITY_RESERVATION: [Parameter<CapacityDraft>; 3] = [
    key(
        "preference",
        &["capacity reservation preference"],
        Kind::Choice(&["open", "none", "capacity-reservations-only"]),
        "Whether the instance may run in any matching reservation, in none, or only in one.",
    )
    .sets(|draft, value| CapacityDraft { preference: Some(choice(value)), ..draft }),
    key("id", &["target id", "capacity reservation id"], Kind::Text, "The `cr-` id of the reservation.")
        .sets(|draft, value| CapacityDraft { target: draft.target.capacity_reservation_id(text(value)), ..draft }),
    key(
        "resource group arn",
        &["capacity reservation resource group arn"],
        Kind::Text,
        "The ARN of a resource group of reservations.",
    )
    .sets(|draft, value| CapacityDraft {
        target: draft.target.capacity_reservation_resource_group_arn(text(value)),
        ..draft
    }),
];

pub(crate) const PRIVATE_DNS: [Parameter<PrivateDnsNameOptionsRequestBuilder>; 3] = [
    key(
        "hostname type",
        &[],
        Kind::Choice(&["ip-name", "resource-name"]),
        "Whether the name is made of the address or of the instance's id.",
    )
    .sets(|options, value| options.hostname_type(choice(value))),
    key("enable resource name dns a record", &["a record"], Kind::Flag, "Whether DNS answers with the IPv4 address.")
        .sets(|options, value| options.enable_resource_name_dns_a_record(flag(value))),
    key(
        "enable resource name dns aaaa record",
        &["aaaa record"],
        Kind::Flag,
        "Whether DNS answers with the IPv6 address.",
    )
    .sets(|options, value| options.enable_resource_name_dns_aaaa_record(flag(value))),
];

pub(crate) const CPU: [Parameter<CpuOptionsRequestBuilder>; 4] = [
    key("core count", &["cores"], Kind::Number { least: 1, most: 1024 }, "The number of CPU cores.")
        .sets(|options, value| options.core_count(number(value))),
    key("threads per core", &[], Kind::Number { least: 1, most: 2 }, "Threads of a core; 1 turns multithreading off.")
        .sets(|options, value| options.threads_per_core(number(value))),
    key("amd sev snp", &[], SWITCH, "Whether memory is encrypted by AMD SEV-SNP.")
        .sets(|options, value| options.amd_sev_snp(choice(value))),
    key("nested virtualization", &["nested virtualisation"], SWITCH, "Whether the instance can run virtual machines.")
        .sets(|options, value| options.nested_virtualization(choice(value))),
];

/// The keys of one network interface.
pub(crate) const INTERFACE: [Parameter<InstanceNetworkInterfaceSpecificationBuilder>; 20] = [
    key(
        "device index",
        &[],
        Kind::Number { least: 0, most: 63 },
        "The interface's place in the attachment order; by default its position in the list, from 0.",
    )
    .sets(|interface, value| interface.device_index(number(value))),
    key(
        "network card index",
        &[],
        Kind::Number { least: 0, most: 31 },
        "The network card, on instance types that have several.",
    )
    .sets(|interface, value| interface.network_card_index(number(value))),
    key("network interface id", &["id"], Kind::Text, "An existing interface to attach: an `eni-` id.")
        .sets(|interface, value| interface.network_interface_id(text(value))),
    key("subnet", &["subnet id"], Kind::Text, "The subnet of a new interface; by default the profile's.")
        .sets(|interface, value| interface.subnet_id(text(value))),
    key(
        "security groups",
        &["security group", "groups", "group"],
        Kind::List(&Kind::Text),
        "Names or ids of security groups; by default the profile's.",
    )
    .sets(|interface, value| interface.set_groups(Some(list(value).iter().map(text).collect()))),
    key("description", &[], Kind::Text, "For people.").sets(|interface, value| interface.description(text(value))),
    key(
        "interface type",
        &[],
        Kind::Choice(&["interface", "efa", "efa-only"]),
        "The type; `efa` is an Elastic Fabric Adapter.",
    )
    .sets(|interface, value| interface.interface_type(text(value))),
    key(
        "delete on termination",
        &[],
        Kind::Flag,
        "Whether the interface is deleted with the instance; yes by default for a new one.",
    )
    .sets(|interface, value| interface.delete_on_termination(flag(value))),
    key(
        "associate public ip",
        &["associate public ip address", "public ip"],
        Kind::Flag,
        "Whether the interface gets a public IPv4 address; only if it is the single one.",
    )
    .sets(|interface, value| interface.associate_public_ip_address(flag(value))),
    key(
        "associate carrier ip",
        &["associate carrier ip address"],
        Kind::Flag,
        "Whether the interface gets a carrier address, in a Wavelength zone.",
    )
    .sets(|interface, value| interface.associate_carrier_ip_address(flag(value))),
    key(
        "private ip",
        &["private ip address"],
        Kind::Text,
        "The primary private IPv4 address, from the range of the subnet.",
    )
    .sets(|interface, value| interface.private_ip_address(text(value))),
    key(
        "secondary private ips",
        &["private ip addresses", "secondary private ip addresses"],
        Kind::List(&Kind::Text),
        "More private IPv4 addresses, from the range of the subnet.",
    )
    .sets(|interface, value| {
        let address = |value: &Value| {
            PrivateIpAddressSpecification::builder().private_ip_address(text(value)).primary(false).build()
        };
        interface.set_private_ip_addresses(Some(list(value).iter().map(address).collect()))
    }),
    key(
        "secondary private ip address count",
        &["secondary private ip count"],
        Kind::Number { least: 0, most: 50 },
        "How many more private IPv4 addresses EC2 chooses.",
    )
    .sets(|interface, value| interface.secondary_private_ip_address_count(number(value))),
    key("ipv6 address count", &[], Kind::Number { least: 0, most: 50 }, "How many IPv6 addresses EC2 chooses.")
        .sets(|interface, value| interface.ipv6_address_count(number(value))),
    key(
        "ipv6 addresses",
        &["ipv6 address"],
        Kind::List(&Kind::Text),
        "IPv6 addresses of the subnet, instead of a count.",
    )
    .sets(|interface, value| interface.set_ipv6_addresses(ipv6_addresses(value))),
    key("primary ipv6", &[], Kind::Flag, "Whether the first IPv6 address is the primary one, which never changes.")
        .sets(|interface, value| interface.primary_ipv6(flag(value))),
    key("ipv4 prefix count", &[], Kind::Number { least: 0, most: 50 }, "How many IPv4 prefixes EC2 assigns.")
        .sets(|interface, value| interface.ipv4_prefix_count(number(value))),
    key("ipv4 prefixes", &[], Kind::List(&Kind::Text), "IPv4 prefixes to assign, such as 10.0.0.16/28.").sets(
        |interface, value| {
            let prefix = |value: &Value| Ipv4PrefixSpecificationRequest::builder().ipv4_prefix(text(value)).build();
            interface.set_ipv4_prefixes(Some(list(value).iter().map(prefix).collect()))
        },
    ),
    key("ipv6 prefix count", &[], Kind::Number { least: 0, most: 50 }, "How many IPv6 prefixes EC2 assigns.")
        .sets(|interface, value| interface.ipv6_prefix_count(number(value))),
    key("ipv6 prefixes", &[], Kind::List(&Kind::Text), "IPv6 prefixes to assign, such as 2001:db8::/80.").sets(
        |interface, value| {
            let prefix = |value: &Value| Ipv6PrefixSpecificationRequest::builder().ipv6_prefix(text(value)).build();
            interface.set_ipv6_prefixes(Some(list(value).iter().map(prefix).collect()))
        },
    ),
];
