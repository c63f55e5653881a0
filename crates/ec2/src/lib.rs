//! EC2 as the tools see it: records in and out, failures as sentences. The only crate that names the AWS SDK.
//!
//! Requests follow the documentation of the EC2 API (Amazon EC2 API Reference), not what a stand-in accepts.

mod awscli_hint;
mod catalog;
mod change;
mod client;
mod config;
mod describe;
mod filter_words;
mod instance;
mod launch;
mod locate;
mod memory;
mod resources;

pub use awscli_hint::awscli_hint;
pub use catalog::image_choice::ImageChoice;
pub use catalog::images::{Image, RootDevice};
pub use catalog::launch_template::{LaunchTemplate, TemplateName};
pub use catalog::network::{SecurityGroup, Subnet};
pub use catalog::{Catalog, Names, TypeFacts, known_instance_types};
pub use change::acted::{Acted, FAILED, NO_ACTION, PROTECTED, SKIPPED};
pub use change::limit::Limit;
pub use change::report::{report, report_with};
pub use change::resize::TypeOffer;
pub use change::tags::{DEVICE_TAG, MOST_TAGS, TagCall, Tags, check_tag, fits_metadata, time_for_tags};
pub use change::wait::WaitArgs;
pub use change::{Change, StopMode};
pub use client::accounts::{Account, Accounts};
pub use client::attempts::VISIBLE_AFTER;
pub use client::buckets::{time_for, time_notice};
pub use client::failure::{grouped, is_server_fault};
pub use client::{Ec2, RegionArgs, block_on};
pub use config::zone::{region_of, region_of_zone_option};
pub use describe::find::Filter;
pub use describe::host_keys::HostKeySearch;
pub use describe::status::Health;
pub use filter_words::refuse_filters;
pub use instance::id::{instance_id, is_instance_id};
pub use instance::identity::check_identity;
pub use instance::{LIVE_STATES, has_ended, host_name};
pub use launch::keys::{Key, Kind};
pub use launch::launch_once::{LaunchAttempt, NotLaunched};
pub use launch::parameters::LAUNCH_KEYS;
pub use launch::run_instances::is_group_id;
pub use launch::{LaunchRequest, Volume};
pub use locate::new_instances::is_new;
pub use locate::{By, Found, check_records, locate, refuse_ambiguous};
pub use memory::{ByHost, MEMORY_LIMIT, MemoryFailure};
pub use resources::address::Address;
pub use resources::attach::AttachNeed;
pub use resources::elastic_ip_choice::{AddressNeed, HostAddress};
pub use resources::release::Addresses;
pub use resources::volumes::{Attachment, EbsVolume};
