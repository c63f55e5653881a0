//! The options that say what to show of the instances, and how.

use cerveza_manners::{OutputArgs, OutputMode};

#[derive(clap::Args, Clone, Debug)]
pub struct ShowArgs {
    /// Ask also for the user-data of each instance, and write it, in base64, under `user_data`. It may hold secrets; a
    /// table shows its size alone
    #[arg(long)]
    pub user_data: bool,

    #[command(flatten)]
    pub output: OutputArgs,
}

impl ShowArgs {
    /// Whether a record can be written before the others are known.
    pub fn is_streamed(&self) -> bool {
        self.output.mode(OutputMode::Table) != OutputMode::Table && !self.user_data
    }
}
