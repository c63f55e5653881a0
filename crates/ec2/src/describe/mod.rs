//! Reads the facts of instances from EC2.

pub(crate) mod console;
pub(crate) mod each_instance;
pub(crate) mod find;
pub(crate) mod find_by_id;
pub(crate) mod host_keys;
pub(crate) mod status;
pub(crate) mod user_data;
