//! EC2 as the tools see it: records in and out, failures as sentences. The only crate that names the AWS SDK.
//!
//! Requests follow the documentation of the EC2 API (Amazon EC2 API Reference), not what a stand-in accepts.

mod accounts;
mod acted;
mod address;
mod attach;
mod aws_profile;
mod awscli_hint;
mod batch;
mod buckets;
mod call;
mod catalog;
mod change;
mod client;
mod complete_answer;
mod console;
mod credentials;
mod each_instance;
mod elastic_ip;
mod elastic_ip_choice;
mod failure;
mod filter_words;
mod find;
mod find_by_id;
mod host_keys;
mod http;
mod identity;
mod image_choice;
mod images;
mod instance;
mod instance_page;
mod instance_xml;
mod interrupt;
mod launch;
mod launch_interfaces;
mod launch_keys;
mod launch_once;
mod launch_parameters;
mod launch_template;
mod limit;
mod locate;
mod memory;
mod network;
mod new_instances;
mod protection;
mod region_name;
mod release;
mod report;
mod resize;
mod resource_records;
mod run_instances;
mod settings;
mod status;
mod tags;
mod user_data;
mod volumes;
mod wait;
mod wait_checks;
mod zone;

pub use accounts::{Account, Accounts};
pub use acted::{Acted, FAILED, NO_ACTION, PROTECTED, SKIPPED};
pub use address::Address;
pub use attach::AttachNeed;
pub use awscli_hint::awscli_hint;
pub use buckets::{time_for, time_notice};
pub use call::VISIBLE_AFTER;
pub use catalog::{Catalog, Names, TypeFacts, known_instance_types};
pub use change::{Change, StopMode};
pub use client::{Ec2, RegionArgs, block_on};
pub use elastic_ip_choice::{AddressNeed, HostAddress};
pub use failure::{grouped, is_server_fault};
pub use filter_words::refuse_filters;
pub use find::Filter;
pub use host_keys::HostKeySearch;
pub use identity::check_identity;
pub use image_choice::ImageChoice;
pub use images::{Image, RootDevice};
pub use instance::host_name;
pub use launch::{LaunchRequest, Volume};
pub use launch_keys::{Key, Kind, LAUNCH_KEYS};
pub use launch_once::{LaunchAttempt, NotLaunched};
pub use launch_template::{LaunchTemplate, TemplateName};
pub use limit::Limit;
pub use locate::{By, Found, check_records, has_ended, instance_id, is_instance_id, locate, refuse_ambiguous};
pub use memory::{ByHost, MEMORY_LIMIT, MemoryFailure};
pub use network::{SecurityGroup, Subnet};
pub use new_instances::is_new;
pub use release::Addresses;
pub use report::{report, report_with};
pub use resize::TypeOffer;
pub use run_instances::is_group_id;
pub use status::Health;
pub use tags::{DEVICE_TAG, MOST_TAGS, TagCall, Tags, check_tag, fits_metadata, time_for_tags};
pub use volumes::{Attachment, EbsVolume};
pub use wait::WaitArgs;
pub use zone::{region_of, region_of_zone_option};

/// How many requests of one kind are under way at once. The buckets limit how many begin.
pub(crate) const CONCURRENCY: usize = 8;

/// How many values EC2 takes in one request, those of all filters together.
pub(crate) const FILTER_VALUES: usize = 200;

/// States of an instance that exists and can be used again.
pub const LIVE_STATES: [&str; 4] = ["pending", "running", "stopping", "stopped"];
