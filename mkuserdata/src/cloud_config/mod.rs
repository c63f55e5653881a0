//! cloud-configs: YAML as PyYAML reads it, how they are merged, and their JSON schema.

pub(crate) mod archive;
pub(crate) mod check;
pub(crate) mod merge;
pub(crate) mod merge_how;
pub(crate) mod schema;
pub(crate) mod yaml_node;
pub(crate) mod yaml_outline;
