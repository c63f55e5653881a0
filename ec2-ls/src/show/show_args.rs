//! The options that say what to show of the instances, and how.

use cerveza_manners::{OutputArgs, OutputMode, parse_duration};
use std::time::Duration;

#[derive(clap::Args, Clone, Debug)]
pub struct ShowArgs {
    /// Add to each record the result of its status checks (`status_checks`) and its events that are to come
    /// (`scheduled_events`). Without this a table on a terminal shows failed checks and events in a column NOTE
    #[arg(long)]
    pub status: bool,

    /// Add to each record the sizes of its volumes: `size_gib` in `volumes`
    #[arg(long)]
    pub volume_sizes: bool,

    /// Add to each record the user-data of the instance, in base64, as `user_data`. It may hold secrets; a table shows its
    /// size alone
    #[arg(long)]
    pub user_data: bool,

    /// Add to each record what its console showed last, as `console`. Instead of a table write the text itself, under a
    /// line that names the host
    #[arg(long)]
    pub console: bool,

    /// Add to each record the public SSH host keys that its console shows, as `host_keys`, by which pssh-rs knows the host
    #[arg(long)]
    pub host_keys: bool,

    /// Write a record for each volume of the instances instead. Without words and filters, also those that no instance uses
    #[arg(long, group = "instead", conflicts_with_all = ADDED)]
    pub volumes: bool,

    /// Write a record for each elastic IP address of the instances instead. Without words and filters, also those that no
    /// instance has
    #[arg(long, group = "instead", conflicts_with_all = ADDED)]
    pub addresses: bool,

    /// Show the table again every so many seconds, with what has changed in bold
    #[arg(long, value_name = "SECONDS", value_parser = parse_interval, conflicts_with_all = ["instead", "user_data", "console", "host_keys"])]
    pub watch: Option<Duration>,

    #[command(flatten)]
    pub output: OutputArgs,
}

const ADDED: [&str; 5] = ["status", "volume_sizes", "user_data", "console", "host_keys"];

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text).map_err(|error| error.to_string())?;
    match interval < Duration::from_secs(1) {
        true => Err("must be at least 1 second".to_string()),
        false => Ok(interval),
    }
}

impl ShowArgs {
    pub fn mode(&self) -> OutputMode {
        self.output.mode(OutputMode::Table)
    }

    /// Whether a record can be written before the others are known.
    pub fn is_streamed(&self) -> bool {
        self.mode() != OutputMode::Table && !self.needs_details() && self.output.sort.sort.is_empty()
    }

    /// Whether further calls are needed for what is shown of the instances.
    pub fn needs_details(&self) -> bool {
        self.status || self.volume_sizes || self.has_own_calls()
    }

    /// The options that would add more to each record, each with the key that it adds.
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

    /// Whether a call for each instance is needed.
    pub fn has_own_calls(&self) -> bool {
        self.user_data || self.console || self.host_keys
    }

    /// The output options with the columns of CERVEZA_COLUMNS, if the user names no others.
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
