//! The options that say what `ec2-launch` waits for.

use crate::execute::Until;
use crate::execute::ssh_wait::SshTarget;
use cerveza_manners::{ADDRESS_KEYS, Failure, Result, fixed_words};

#[derive(clap::Args, Clone, Debug)]
pub struct UntilArgs {
    /// Wait until hosts are running, until their sshd answers, or not at all
    ///
    /// A word after --wait is read as UNTIL, so give UNTIL if a host follows: `--wait running web1`.
    #[arg(short, long, value_name = "UNTIL", num_args = 0..=1, default_value = "running", default_missing_value = "running",
        value_enum, overrides_with = "no_wait")]
    wait: Until,

    /// Do not wait, like --wait none
    #[arg(long, overrides_with = "wait", hide_short_help = true)]
    no_wait: bool,

    /// Add the SSH host keys that each console shows
    ///
    /// Adds `host_keys` to each record; pssh-rs then accepts no other keys for the host.
    #[arg(long)]
    pub host_keys: bool,

    /// Field with the address that --wait ssh connects to
    ///
    /// For example public_ip or host [default: private_ip, else public_ip, else host].
    #[arg(long, value_name = "FIELD", add = fixed_words(ADDRESS_KEYS), hide_short_help = true)]
    address: Option<String>,

    /// Port that --wait ssh connects to
    ///
    /// Used for hosts whose record has no `port` [default: 22].
    #[arg(long, value_name = "PORT", env = "PSSH_RS_PORT", hide_env_values = true,
        value_parser = clap::value_parser!(u16).range(1..), hide_short_help = true)]
    ssh_port: Option<u16>,
}

impl UntilArgs {
    pub fn until(&self) -> Until {
        if self.no_wait { Until::None } else { self.wait }
    }

    /// Returns where sshd is looked for.
    pub fn ssh_target(&self) -> SshTarget {
        SshTarget { address: self.address.clone().filter(|field| !field.is_empty()), port: self.ssh_port.unwrap_or(22) }
    }

    /// Refuses options that do not go together.
    pub fn check(&self) -> Result<()> {
        if self.host_keys && self.until() == Until::None {
            return Err(Failure::usage("--host-keys needs running instances: leave out --wait none"));
        }
        if self.until() != Until::Ssh && self.address.is_some() {
            return Err(Failure::usage("--address goes with --wait ssh"));
        }
        Ok(())
    }
}
