//! The keys of one network interface of a new instance.

use crate::launch::keys::{Key, Kind, Parameter};
use crate::launch::parameters::{flag, ipv6_addresses, list, number, text};
use aws_sdk_ec2::types::builders::InstanceNetworkInterfaceSpecificationBuilder;
use aws_sdk_ec2::types::{
    Ipv4PrefixSpecificationRequest, Ipv6PrefixSpecificationRequest, PrivateIpAddressSpecification,
};
use serde_json::Value;

pub(crate) const INTERFACE: [Parameter<InstanceNetworkInterfaceSpecificationBuilder>; 20] = [
    Parameter {
        key: Key {
            name: "device index",
            aliases: &[],
            kind: Kind::Number { least: 0, most: 63 },
            about: "The interface's place in the attachment order; by default its position in the list, from 0.",
        },
        set: |interface, value| interface.device_index(number(value)),
    },
    Parameter {
        key: Key {
            name: "network card index",
            aliases: &[],
            kind: Kind::Number { least: 0, most: 31 },
            about: "The network card, on instance types that have several.",
        },
        set: |interface, value| interface.network_card_index(number(value)),
    },
    Parameter {
        key: Key {
            name: "network interface id",
            aliases: &["id"],
            kind: Kind::Text,
            about: "An existing interface to attach: an `eni-` id.",
        },
        set: |interface, value| interface.network_interface_id(text(value)),
    },
    Parameter {
        key: Key {
            name: "subnet",
            aliases: &["subnet id"],
            kind: Kind::Text,
            about: "The subnet of a new interface; by default the profile's.",
        },
        set: |interface, value| interface.subnet_id(text(value)),
    },
    Parameter {
        key: Key {
            name: "security groups",
            aliases: &["security group", "groups", "group"],
            kind: Kind::List(&Kind::Text),
            about: "Names or ids of security groups; by default the profile's.",
        },
        set: |interface, value| interface.set_groups(Some(list(value).iter().map(text).collect())),
    },
    Parameter {
        key: Key { name: "description", aliases: &[], kind: Kind::Text, about: "For people." },
        set: |interface, value| interface.description(text(value)),
    },
    Parameter {
        key: Key {
            name: "interface type",
            aliases: &[],
            kind: Kind::Choice(&["interface", "efa", "efa-only"]),
            about: "The type; `efa` is an Elastic Fabric Adapter.",
        },
        set: |interface, value| interface.interface_type(text(value)),
    },
    Parameter {
        key: Key {
            name: "delete on termination",
            aliases: &[],
            kind: Kind::Flag,
            about: "Whether the interface is deleted with the instance; yes by default for a new one.",
        },
        set: |interface, value| interface.delete_on_termination(flag(value)),
    },
    Parameter {
        key: Key {
            name: "associate public ip",
            aliases: &["associate public ip address", "public ip"],
            kind: Kind::Flag,
            about: "Whether the interface gets a public IPv4 address; only if it is the single one.",
        },
        set: |interface, value| interface.associate_public_ip_address(flag(value)),
    },
    Parameter {
        key: Key {
            name: "associate carrier ip",
            aliases: &["associate carrier ip address"],
            kind: Kind::Flag,
            about: "Whether the interface gets a carrier address, in a Wavelength zone.",
        },
        set: |interface, value| interface.associate_carrier_ip_address(flag(value)),
    },
    Parameter {
        key: Key {
            name: "private ip",
            aliases: &["private ip address"],
            kind: Kind::Text,
            about: "The primary private IPv4 address, from the range of the subnet.",
        },
        set: |interface, value| interface.private_ip_address(text(value)),
    },
    Parameter {
        key: Key {
            name: "secondary private ips",
            aliases: &["private ip addresses", "secondary private ip addresses"],
            kind: Kind::List(&Kind::Text),
            about: "More private IPv4 addresses, from the range of the subnet.",
        },
        set: |interface, value| {
            let address = |value: &Value| {
                PrivateIpAddressSpecification::builder().private_ip_address(text(value)).primary(false).build()
            };
            interface.set_private_ip_addresses(Some(list(value).iter().map(address).collect()))
        },
    },
    Parameter {
        key: Key {
            name: "secondary private ip address count",
            aliases: &["secondary private ip count"],
            kind: Kind::Number { least: 0, most: 50 },
            about: "How many more private IPv4 addresses EC2 chooses.",
        },
        set: |interface, value| interface.secondary_private_ip_address_count(number(value)),
    },
    Parameter {
        key: Key {
            name: "ipv6 address count",
            aliases: &[],
            kind: Kind::Number { least: 0, most: 50 },
            about: "How many IPv6 addresses EC2 chooses.",
        },
        set: |interface, value| interface.ipv6_address_count(number(value)),
    },
    Parameter {
        key: Key {
            name: "ipv6 addresses",
            aliases: &["ipv6 address"],
            kind: Kind::List(&Kind::Text),
            about: "IPv6 addresses of the subnet, instead of a count.",
        },
        set: |interface, value| interface.set_ipv6_addresses(ipv6_addresses(value)),
    },
    Parameter {
        key: Key {
            name: "primary ipv6",
            aliases: &[],
            kind: Kind::Flag,
            about: "Whether the first IPv6 address is the primary one, which never changes.",
        },
        set: |interface, value| interface.primary_ipv6(flag(value)),
    },
    Parameter {
        key: Key {
            name: "ipv4 prefix count",
            aliases: &[],
            kind: Kind::Number { least: 0, most: 50 },
            about: "How many IPv4 prefixes EC2 assigns.",
        },
        set: |interface, value| interface.ipv4_prefix_count(number(value)),
    },
    Parameter {
        key: Key {
            name: "ipv4 prefixes",
            aliases: &[],
            kind: Kind::List(&Kind::Text),
            about: "IPv4 prefixes to assign, as 10.0.0.16/28.",
        },
        set: |interface, value| {
            let prefix = |value: &Value| Ipv4PrefixSpecificationRequest::builder().ipv4_prefix(text(value)).build();
            interface.set_ipv4_prefixes(Some(list(value).iter().map(prefix).collect()))
        },
    },
    Parameter {
        key: Key {
            name: "ipv6 prefix count",
            aliases: &[],
            kind: Kind::Number { least: 0, most: 50 },
            about: "How many IPv6 prefixes EC2 assigns.",
        },
        set: |interface, value| interface.ipv6_prefix_count(number(value)),
    },
    Parameter {
        key: Key {
            name: "ipv6 prefixes",
            aliases: &[],
            kind: Kind::List(&Kind::Text),
            about: "IPv6 prefixes to assign, as 2001:db8::/80.",
        },
        set: |interface, value| {
            let prefix = |value: &Value| Ipv6PrefixSpecificationRequest::builder().ipv6_prefix(text(value)).build();
            interface.set_ipv6_prefixes(Some(list(value).iter().map(prefix).collect()))
        },
    },
];
