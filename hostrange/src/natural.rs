//! The order in which people expect names: web2 before web10.

pub use cerveza_record::natural_cmp;
