//! Reads existing user-data and splits it into parts like cloud-init.

pub(crate) mod decoded_part;
pub(crate) mod decoding;
pub(crate) mod message;
pub(crate) mod parameter;
pub(crate) mod parsed_message;
