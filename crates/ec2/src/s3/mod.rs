//! Objects of S3: reads and removes them. The requests are signed here, because the SDK for S3 would take longer to build
//! than all other code.

pub(crate) mod bucket_prefix;
pub(crate) mod error;
pub(crate) mod object;
pub(crate) mod request;
