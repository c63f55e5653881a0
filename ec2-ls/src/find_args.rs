//! The options that say what to look for.

use cerveza_ec2::RegionArgs;

#[derive(clap::Args, Clone, Debug)]
pub struct FindArgs {
    /// What to look for. KEY=GLOB: a tag, of which all must hold (the same key twice: either value). A pattern as in
    /// 'web*', an expression as in 'mysql[1-40]', or an instance id: any of these hosts. `-`: names and records on
    /// stdin. Nothing: every instance
    #[arg(value_name = "KEY=GLOB|HOST")]
    pub words: Vec<String>,

    /// Instances in these states, separated by commas: pending, running, stopping, stopped, shutting-down,
    /// terminated, or all. Without it all but shutting-down and terminated
    #[arg(short, long, value_name = "STATE", value_delimiter = ',', value_parser = STATES, hide_possible_values = true)]
    pub state: Vec<String>,

    /// Exit with 1 when nothing is found
    #[arg(long)]
    pub fail_empty: bool,

    #[command(flatten)]
    pub region: RegionArgs,
}

const STATES: [&str; 7] = ["pending", "running", "stopping", "stopped", "shutting-down", "terminated", "all"];

impl FindArgs {
    /// The states to look for: none for the default, `all` alone for every one.
    pub fn states(&self) -> &[String] {
        match self.state.iter().position(|state| state == "all") {
            Some(at) => &self.state[at..=at],
            None => &self.state,
        }
    }
}
