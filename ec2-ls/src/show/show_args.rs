//! The options that say what to show of the instances, and how.

use cerveza_manners::{OutputArgs, OutputMode, parse_duration};
use std::time::Duration;

#[derive(clap::Args, Clone, Debug)]
pub struct ShowArgs {
    /// Add status checks and scheduled events
    ///
    /// Adds `status_checks` and `scheduled_events` to each record. Without this option, a table on a terminal still
    /// shows failed checks and events in the column NOTE.
    #[arg(long, help_heading = "More facts")]
    pub status: bool,

    /// Add the sizes of volumes
    ///
    /// Adds `size_gib` to each item of `volumes`.
    #[arg(long, help_heading = "More facts", hide_short_help = true)]
    pub volume_sizes: bool,

    /// Add the user-data, in base64
    ///
    /// Adds `user_data` to each record. It may contain secrets; a table shows only its size.
    #[arg(long, help_heading = "More facts", hide_short_help = true)]
    pub user_data: bool,

    /// Add the latest console output, or print it as text
    ///
    /// Adds `console` to each record. In place of a table, the text is written below a line with the name of the host.
    #[arg(long, help_heading = "More facts", hide_short_help = true)]
    pub console: bool,

    /// Add the SSH host keys that the console shows
    ///
    /// Adds `host_keys` to each record; pssh-rs then accepts no other keys for the host.
    #[arg(long, help_heading = "More facts", hide_short_help = true)]
    pub host_keys: bool,

    /// List the volumes of the instances
    ///
    /// One record for each volume. Without words and filters, volumes that no instance uses are listed too.
    #[arg(long, group = "instead", conflicts_with_all = ADDED, help_heading = "Instead of instances")]
    pub volumes: bool,

    /// List the elastic IP addresses of the instances
    ///
    /// One record for each address. Without words and filters, addresses that no instance has are listed too.
    #[arg(long, group = "instead", conflicts_with_all = ADDED, help_heading = "Instead of instances")]
    pub addresses: bool,

    /// Repeat the table at this interval, and mark changes
    #[arg(long, value_name = "SECONDS", value_parser = parse_interval, conflicts_with_all = ["instead", "user_data", "console", "host_keys"], help_heading = "Output")]
    pub watch: Option<Duration>,

    #[command(flatten, next_help_heading = "Output")]
    pub output: OutputArgs,
}

const ADDED: [&str; 5] = ["status", "volume_sizes", "user_data", "console", "host_keys"];

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text).map_err(|error| error.to_string())?;
    if interval < Duration::from_secs(1) { Err("must be at least 1 second".to_string()) } else { Ok(interval) }
}

impl ShowArgs {
    pub fn mode(&self) -> OutputMode {
        self.output.mode(OutputMode::Table)
    }

    /// Returns whether a record can be written before the others are known.
    pub fn is_streamed(&self) -> bool {
        self.mode() != OutputMode::Table && !self.needs_details() && self.output.sort.sort.is_empty()
    }

    /// Returns whether further calls are needed for what is shown of the instances.
    pub fn needs_details(&self) -> bool {
        self.status || self.volume_sizes || self.has_own_calls()
    }

    /// Returns the options that would add more to each record, each with the key that it adds.
    pub fn options_not_given(&self) -> Vec<(&'static str, &'static str)> {
        let options = [
            ("status_checks", "--status", self.status),
            ("scheduled_events", "--status", self.status),
            ("volumes.size_gib", "--volume-sizes", self.volume_sizes),
            ("user_data", "--user-data", self.user_data),
            ("console", "--console", self.console),
            ("host_keys", "--host-keys", self.host_keys),
        ];
        options.into_iter().filter(|(_, _, is_given)| !is_given).map(|(key, option, _)| (key, option)).collect()
    }

    /// Returns whether a call for each instance is needed.
    pub fn has_own_calls(&self) -> bool {
        self.user_data || self.console || self.host_keys
    }

    /// Returns the output options with the columns of CERVEZA_COLUMNS, if the user names no others.
    pub fn output_with_env(&self) -> OutputArgs {
        let mut output = self.output.clone();
        if self.mode().has_columns() && output.format.columns.is_empty() {
            let columns = std::env::var("CERVEZA_COLUMNS").unwrap_or_default();
            let columns = columns.split(',').map(str::trim).filter(|column| !column.is_empty());
            output.format.columns = columns.map(str::to_string).collect();
        }
        output
    }
}
