//! Existing user-data, taken apart as cloud-init takes it apart.

pub(crate) mod decoded_part;
pub(crate) mod decoding;
pub(crate) mod message;
pub(crate) mod parameter;
pub(crate) mod parsed_message;
