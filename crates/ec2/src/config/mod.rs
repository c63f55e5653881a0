//! The AWS configuration: profile, credentials, HTTP client, and names of regions and zones.

pub(crate) mod aws_profile;
pub(crate) mod credentials;
pub(crate) mod error_chain;
pub(crate) mod http;
pub(crate) mod region_name;
pub(crate) mod settings;
pub(crate) mod zone;
