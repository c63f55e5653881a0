//! What ssh_config(5) says about each host, by `ssh -G`. Only ssh reads its configuration, so nothing is read
//! differently from `ssh` itself.
//!
//! Data flows one way: `query` checks what ssh may be asked, `run` asks, `scan` finds in the files what can tell hosts
//! apart, `classes` groups the hosts, `answers` asks about two hosts of each class, and `options` makes the configuration
//! of each host, with tokens expanded by `expand`.

mod answers;
mod classes;
mod expand;
mod local_user;
mod options;
mod query;
mod run;
mod scan;
#[cfg(test)]
mod tests;

use crate::base::policy::{Engine, HostKeyPolicy};
use cerveza_manners::{Failure, Result};
use cerveza_results::Phase;
use query::Query;
use run::{Ssh, SshError};
use std::env;
use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::result::Result as StdResult;
use std::sync::Arc;
use std::time::Duration;

/// A host as the command line and its record name it.
#[derive(Clone, Copy, Debug)]
pub struct HostSpec<'a> {
    /// What Host patterns are matched against.
    pub name: &'a str,
    /// The address of the record, which decides. Without it, it is HostName of the configuration, else the name.
    pub address: Option<&'a str>,
    /// Chosen by user@host or -l.
    pub user: Option<&'a str>,
    /// Chosen by -p.
    pub port: Option<u16>,
}

/// Where the configuration comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConfigSource<'a> {
    /// As `ssh -F`.
    pub file: Option<&'a Path>,
    /// As `ssh -o`, each `KEY=VALUE` or `KEY VALUE`.
    pub options: &'a [String],
    /// As `ssh -J`.
    pub jump: Option<&'a str>,
    pub engine: Engine,
}

/// The configuration of one host: its own part, and the options that it shares with others.
#[derive(Clone, Debug, PartialEq)]
pub struct HostConfig {
    pub hostname: String,
    pub user: String,
    pub port: u16,
    pub proxy_jump: Option<String>,
    /// For a shell of this machine, with its tokens expanded.
    pub proxy_command: Option<String>,
    pub options: Arc<HostOptions>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AddressFamily {
    #[default]
    Any,
    Inet,
    Inet6,
}

/// When a host that sends nothing counts as gone: ServerAliveInterval and ServerAliveCountMax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerAlive {
    /// 0: never.
    pub interval: Duration,
    /// How many keepalives may stay unanswered.
    pub count_max: u32,
}

impl Default for ServerAlive {
    /// The default of ssh has no limit. With this one a frozen host is found within a minute.
    fn default() -> ServerAlive {
        ServerAlive { interval: Duration::from_secs(10), count_max: 3 }
    }
}

/// The options of one host or of several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HostOptions {
    pub identity_files: Vec<PathBuf>,
    /// Whether a file or an option named them, rather than ssh's defaults.
    pub identity_files_set: bool,
    pub certificate_files: Vec<PathBuf>,
    pub identities_only: bool,
    /// A path, `none`, `SSH_AUTH_SOCK` or `$VARIABLE`.
    pub identity_agent: Option<String>,
    pub user_known_hosts: Vec<PathBuf>,
    pub global_known_hosts: Vec<PathBuf>,
    pub host_key_policy: HostKeyPolicy,
    pub host_key_alias: Option<String>,
    /// These four only where they are set.
    pub host_key_algorithms: Option<String>,
    pub ciphers: Option<String>,
    pub macs: Option<String>,
    pub kex_algorithms: Option<String>,
    /// The names in these lists that the user has written, rather than ssh's defaults.
    pub named_algorithms: Vec<String>,
    pub compression: bool,
    pub connect_timeout: Option<Duration>,
    pub server_alive: ServerAlive,
    pub bind_address: Option<IpAddr>,
    pub address_family: AddressFamily,
    /// Variables that the server is asked to set for the command.
    pub environment: Vec<(String, String)>,
    pub hash_known_hosts: bool,
    pub revoked_host_keys: Option<PathBuf>,
    /// The ProxyCommand passes its connection on instead of carrying it.
    pub proxy_use_fdpass: bool,
    /// What this host needs that libssh2 lacks, in ssh_config's words, each with the phase that needs it.
    pub needs_openssh: Vec<(Phase, String)>,
}

/// Returns the configuration of each host, in order. Options that are equal share an `Arc`.
///
/// A configuration that ssh refuses is a failure. A host that ssh refuses is an error of that host.
pub fn look_up(
    hosts: &[HostSpec<'_>],
    source: &ConfigSource<'_>,
    warn: &mut dyn FnMut(String),
) -> Result<Vec<StdResult<HostConfig, String>>> {
    look_up_by(&Ssh::new(OsStr::new("ssh"), source), hosts, warn)
}

fn look_up_by(
    ssh: &Ssh<'_>,
    hosts: &[HostSpec<'_>],
    warn: &mut dyn FnMut(String),
) -> Result<Vec<StdResult<HostConfig, String>>> {
    if let Some(option) = ssh.source.options.iter().find(|option| option.contains(char::is_control)) {
        return Err(Failure::usage(format!("an ssh option cannot hold control characters: {option:?}")));
    }
    let checked: Vec<StdResult<Query, String>> = hosts.iter().map(Query::new).collect();
    let queries: Vec<Query> = checked.iter().flatten().cloned().collect();
    let mut answers = match answers::answers(ssh, &queries, warn) {
        Ok(answers) => answers,
        Err(SshError::Unusable { why, remedy }) => without_ssh(ssh.source, &queries, &why, remedy, warn)?,
        Err(SshError::Failed(why)) => return Err(Failure::usage(why)),
    }
    .into_iter();
    let answer = |query: StdResult<Query, String>| {
        query.and_then(|_| answers.next().unwrap_or_else(|| Err("`ssh -G` was not run".to_string())))
    };
    Ok(checked.into_iter().map(answer).collect())
}

/// Returns the defaults of ssh, for a machine on which it does not run. Warns of files that are not read; an option that
/// needs ssh is a failure.
fn without_ssh(
    source: &ConfigSource<'_>,
    queries: &[Query],
    why: &str,
    remedy: &str,
    warn: &mut dyn FnMut(String),
) -> Result<Vec<StdResult<HostConfig, String>>> {
    // As for ssh, `none` is no file at all.
    let is_none = |file: &Path| file.as_os_str().eq_ignore_ascii_case("none");
    let given = [
        ("-F", source.file.is_some_and(|file| !is_none(file))),
        ("-J", source.jump.is_some()),
        ("--ssh-option", !source.options.is_empty()),
        ("--engine openssh", source.engine == Engine::Openssh),
    ];
    if let Some((option, _)) = given.into_iter().find(|(_, given)| *given) {
        return Err(Failure::usage(format!("{option} needs the program ssh, and {why}")).hint(remedy));
    }
    let home = env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    if source.file.is_none() {
        let usual = home.iter().map(|home| home.join(".ssh/config")).chain([PathBuf::from("/etc/ssh/ssh_config")]);
        let unread: Vec<_> = usual.filter(|file| file.exists()).map(|file| file.display().to_string()).collect();
        if !unread.is_empty() {
            warn(format!("not read: {}: that needs the program ssh, and {why}; {remedy}", unread.join(", ")));
        }
    }
    let options = Arc::new(options::usual(home.as_deref()));
    let is_asked = queries.iter().any(|query| query.user.is_none());
    let own = if is_asked { local_user::local_user()? } else { String::new() };
    let config = |query: &Query| HostConfig {
        hostname: query.address.clone().unwrap_or_else(|| query.name.clone()),
        user: query.user.clone().unwrap_or_else(|| own.clone()),
        port: query.port.unwrap_or(22),
        proxy_jump: None,
        proxy_command: None,
        options: Arc::clone(&options),
    };
    Ok(queries.iter().map(|query| Ok(config(query))).collect())
}
