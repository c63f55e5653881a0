//! The AWS configuration: profile, credentials, HTTP client, names of regions and zones, and their completion.

pub(crate) mod aws_profile;
pub(crate) mod completion;
pub(crate) mod credentials;
pub(crate) mod error_chain;
pub(crate) mod http;
pub(crate) mod region_name;
pub(crate) mod settings;
pub(crate) mod zone;
