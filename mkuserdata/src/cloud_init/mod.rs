//! How cloud-init recognizes a part: by its type, its beginning, its file name, and what is around it.

pub(crate) mod content_type;
pub(crate) mod file_name;
pub(crate) mod foreign;
pub(crate) mod run_order;
pub(crate) mod wrapping;
