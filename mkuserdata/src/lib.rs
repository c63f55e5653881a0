//! `mkuserdata`: cloud-init user-data out of parts.
//!
//! The library is also how ec2-launch makes user-data: [`Parts::read`] once, then [`Parts::build`] for each host.

mod build;
mod check;
mod cli;
mod cloud_config;
mod cloud_init;
mod read;

pub use build::extra_part::ExtraPart;
pub use build::gzip::Effort;
pub use build::options::Options;
pub use build::parts::{Parts, UserData};
pub use build::user_data_size::{Cost, LIMIT};
pub use cerveza_template::Setting;
pub use cli::args::{Args, command, hint};
pub use cli::run;
