//! cloud-configs: reads YAML like PyYAML, finds what is lost when they are merged, and validates them.

pub(crate) mod archive;
pub(crate) mod check;
pub(crate) mod merge;
pub(crate) mod merge_how;
pub(crate) mod schema;
pub(crate) mod yaml_node;
pub(crate) mod yaml_outline;
