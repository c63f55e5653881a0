//! `mkuserdata`: cloud-init user-data out of parts.
//!
//! The library is also how ec2-launch makes user-data: [`Parts::read`] once, then [`Parts::build`] for each host.

mod archive;
mod args;
mod arrange;
mod check;
mod cli;
mod configs;
mod console;
mod cost;
mod decoding;
mod encoding;
mod extra;
mod foreign;
mod gzip;
mod kind;
mod listing;
mod merge;
mod message;
mod mime;
mod name;
mod node;
mod operand;
mod order;
mod outline;
mod parameter;
mod part;
mod parts;
mod python;
mod received;
mod schema;
mod secret;
mod seen;
mod template;
mod wrapping;
mod yaml;

pub use args::{Args, command};
pub use cerveza_template::Setting;
pub use cli::run;
pub use cost::{Cost, LIMIT};
pub use extra::ExtraPart;
pub use gzip::Effort;
pub use kind::Kind;
pub use parts::{Options, Parts, UserData};
