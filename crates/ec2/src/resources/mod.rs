//! Elastic IP addresses and EBS volumes, which outlive the instances that use them.

pub(crate) mod address;
pub(crate) mod attach;
pub(crate) mod elastic_ip;
pub(crate) mod elastic_ip_choice;
pub(crate) mod listing;
pub(crate) mod release;
pub(crate) mod volumes;
