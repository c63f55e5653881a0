//! What cloud-init does with a part, told by its type, its name and how it begins.

pub(crate) mod content_type;
pub(crate) mod file_name;
pub(crate) mod foreign;
pub(crate) mod run_order;
pub(crate) mod wrapping;
