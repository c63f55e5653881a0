//! The options that say in which regions and accounts a tool works.

use crate::config::completion::{aws_profiles, regions};
use cerveza_manners::parse_duration;
use std::env;
use std::time::Duration;

#[derive(clap::Args, Clone, Debug)]
pub struct RegionArgs {
    /// Regions, separated by commas, or `all`
    ///
    /// `all` is every region that is enabled for the account [default: CERVEZA_REGIONS, else the region of the AWS
    /// configuration].
    #[arg(short, long, value_name = "REGION", add = regions(), value_delimiter = ',', help_heading = "Regions and accounts")]
    pub region: Vec<String>,

    /// AWS profiles of the accounts to work in
    ///
    /// Profiles of the AWS configuration, separated by commas [default: the account of the environment]. A record with
    /// `aws_profile` is looked up only in that account.
    #[arg(long, value_name = "PROFILE", add = aws_profiles(), value_delimiter = ',', help_heading = "Regions and accounts")]
    pub account: Vec<String>,

    /// Time limit for each connection to AWS
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5s", help_heading = "Regions and accounts", hide_short_help = true)]
    pub connect_timeout: Duration,

    /// For a tool that works in one region: CERVEZA_REGIONS does not count.
    #[arg(skip)]
    pub has_one_region: bool,

    /// How long a call that only reads may take, with its repeats, if the tool has a limit of its own.
    #[arg(skip)]
    pub read_limit: Option<Duration>,

    /// How long a throttled call is made again, while nothing makes progress.
    #[arg(skip)]
    pub timeout: Option<Duration>,
}

impl Default for RegionArgs {
    fn default() -> RegionArgs {
        let connect_timeout = Duration::from_secs(5);
        RegionArgs {
            region: Vec::new(),
            account: Vec::new(),
            connect_timeout,
            has_one_region: false,
            read_limit: None,
            timeout: None,
        }
    }
}

impl RegionArgs {
    /// Returns the regions of the command line, else those of CERVEZA_REGIONS.
    pub fn regions(&self) -> Vec<String> {
        let names = |text: String| text.split(',').map(|name| name.trim().to_string()).collect();
        let regions = if self.region.is_empty() && !self.has_one_region {
            env::var("CERVEZA_REGIONS").map(names).unwrap_or_default()
        } else {
            self.region.clone()
        };
        regions.into_iter().filter(|region| !region.is_empty()).collect()
    }
}
