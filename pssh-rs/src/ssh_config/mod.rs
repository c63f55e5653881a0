//! What ssh_config(5) says about each host, by `ssh -G`. Only ssh reads its configuration, so nothing is read
//! differently from `ssh` itself.
//!
//! Data flows one way: `query` says what ssh may be asked about a host, `run` asks, `scan` finds in the files what can
//! tell hosts apart, `words` tells them apart, `classes` asks about two hosts of each class, and `options` makes
//! answers, with tokens expanded by `expand`.

mod classes;
mod expand;
mod options;
mod query;
mod run;
mod scan;
#[cfg(test)]
mod tests;
mod unused;
mod words;

use crate::base::policy::Engine;
use cerveza_manners::{Failure, Result};
use cerveza_results::Phase;
use expand::Local;
use run::{Ssh, Trouble};
use std::env;
use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A host as the command line and its record name it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What Host patterns are matched against.
    pub name: &'a str,
    /// Where the record says it is: this decides. Without it, it is HostName of the configuration, else the name.
    pub address: Option<&'a str>,
    /// Chosen by user@host or -l.
    pub user: Option<&'a str>,
    /// Chosen by -p.
    pub port: Option<u16>,
}

/// Where the configuration comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Source<'a> {
    /// As `ssh -F`.
    pub file: Option<&'a Path>,
    /// As `ssh -o`, each `KEY=VALUE` or `KEY VALUE`.
    pub options: &'a [String],
    /// As `ssh -J`.
    pub jump: Option<&'a str>,
    pub engine: Engine,
}

/// One host: its own part, and the options it shares with others.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub hostname: String,
    pub user: String,
    pub port: u16,
    pub proxy_jump: Option<String>,
    /// For a shell of this machine, with its tokens filled in.
    pub proxy_command: Option<String>,
    pub options: Arc<HostOptions>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HostKeyCheck {
    /// yes and ask: there is nobody to ask.
    #[default]
    Strict,
    AcceptNew,
    Off,
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
    /// ssh's own default is to wait for ever. With this a frozen host is found within a minute.
    fn default() -> ServerAlive {
        ServerAlive { interval: Duration::from_secs(10), count_max: 3 }
    }
}

/// What `_set` says is whether a file or an option named it, rather than ssh's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HostOptions {
    pub identity_files: Vec<PathBuf>,
    pub identity_files_set: bool,
    pub certificate_files: Vec<PathBuf>,
    pub identities_only: bool,
    /// A path, `none`, `SSH_AUTH_SOCK` or `$VARIABLE`.
    pub identity_agent: Option<String>,
    pub user_known_hosts: Vec<PathBuf>,
    pub global_known_hosts: Vec<PathBuf>,
    pub host_key_check: HostKeyCheck,
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

/// The answers, one an asked host, in order; options that are equal share an `Arc`.
///
/// A configuration that ssh does not take is a failure; a host that ssh does not take is an error of its own.
pub fn look_up(
    asked: &[Asked<'_>],
    source: &Source<'_>,
    warn: &mut dyn FnMut(String),
) -> Result<Vec<std::result::Result<Answer, String>>> {
    look_up_by(&Ssh::new(OsStr::new("ssh"), source), asked, warn)
}

fn look_up_by(
    ssh: &Ssh<'_>,
    asked: &[Asked<'_>],
    warn: &mut dyn FnMut(String),
) -> Result<Vec<std::result::Result<Answer, String>>> {
    if let Some(option) = ssh.source.options.iter().find(|option| option.contains(char::is_control)) {
        return Err(Failure::usage(format!("an ssh option cannot hold control characters: {option:?}")));
    }
    let queries: Vec<_> = asked.iter().map(query::Query::new).collect();
    match classes::answers(ssh, &queries, warn) {
        Err(Trouble::Missing) => {
            let remedy = "install OpenSSH's client (openssh-client, openssh-clients)";
            without_ssh(ssh.source, &queries, "it is not installed", remedy, warn)
        }
        Err(Trouble::NoAccount(why)) => {
            let remedy = "add it to the user database, or do without with -F none -l USER";
            without_ssh(ssh.source, &queries, &format!("it does not run for an unknown user ({why})"), remedy, warn)
        }
        Err(Trouble::Failed(why)) => Err(Failure::usage(why)),
        Ok(answers) => Ok(answers),
    }
}

/// ssh's defaults, where ssh cannot be asked. That a file was not read is said; that an option was not is a failure.
fn without_ssh(
    source: &Source<'_>,
    queries: &[std::result::Result<query::Query, String>],
    why: &str,
    remedy: &str,
    warn: &mut dyn FnMut(String),
) -> Result<Vec<std::result::Result<Answer, String>>> {
    // As for ssh, `none` is no file at all.
    let none = |file: &Path| file.as_os_str().eq_ignore_ascii_case("none");
    let given = [
        ("-F", source.file.is_some_and(|file| !none(file))),
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
    let mut own = None;
    let mut answer = |query: &query::Query| {
        let user = match (&query.user, &own) {
            (Some(user), _) | (None, Some(user)) => user.clone(),
            (None, None) => own.insert(crate::base::env::local_user()?).clone(),
        };
        Ok(Answer {
            hostname: query.address.clone().unwrap_or_else(|| query.name.clone()),
            user,
            port: query.port.unwrap_or(22),
            proxy_jump: None,
            proxy_command: None,
            options: Arc::clone(&options),
        })
    };
    queries
        .iter()
        .map(|query| match query {
            Ok(query) => answer(query).map(Ok),
            Err(error) => Ok(Err(error.clone())),
        })
        .collect()
}
