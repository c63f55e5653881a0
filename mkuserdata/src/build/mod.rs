//! Builds user-data: reads parts, checks them, renders templates, and puts all into a compressed MIME message.

pub(crate) mod encoding;
pub(crate) mod extra_part;
pub(crate) mod gzip;
pub(crate) mod layout;
pub(crate) mod mime;
pub(crate) mod operand;
pub(crate) mod options;
pub(crate) mod part;
pub(crate) mod parts;
pub(crate) mod template;
pub(crate) mod user_data_size;
