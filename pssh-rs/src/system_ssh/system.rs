//! The system's `ssh`, and which of our options it is given.

use crate::base::policy::HostKeyPolicy;
use crate::ssh_config::ServerAlive;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

#[derive(Clone, Debug)]
pub struct SystemSsh {
    pub program: PathBuf,
    /// `-F`
    pub config: Option<PathBuf>,
    /// `KEY=VALUE`, of `--ssh-option`
    pub options: Vec<String>,
    pub identities: Vec<PathBuf>,
    /// They replace ssh's own files, if there are any.
    pub known_hosts: Vec<PathBuf>,
    /// `None`: ssh's own configuration decides.
    pub host_key: Option<HostKeyPolicy>,
}

impl SystemSsh {
    /// Returns the arguments of every call. The options of `first` override all others, because ssh uses the first value that
    /// it reads, and reads the command line before its files.
    pub fn args(&self, first: &[&str]) -> Vec<OsString> {
        let mut args: Vec<OsString> = Vec::new();
        let mut option = |value: OsString| args.extend([OsString::from("-o"), value]);
        for value in first.iter().copied().chain(self.options.iter().map(String::as_str)) {
            option(value.into());
        }
        if let Some(policy) = self.host_key {
            let checking = match policy {
                HostKeyPolicy::Strict => "StrictHostKeyChecking=yes",
                HostKeyPolicy::AcceptNew => "StrictHostKeyChecking=accept-new",
                HostKeyPolicy::Off => "StrictHostKeyChecking=no",
            };
            option(checking.into());
        }
        // Even with `no`, ssh would stop at a key that changed. And no key is to be kept.
        if self.host_key == Some(HostKeyPolicy::Off) {
            option("UserKnownHostsFile=/dev/null".into());
            option("GlobalKnownHostsFile=/dev/null".into());
        } else if !self.known_hosts.is_empty() {
            let mut value = OsString::from("UserKnownHostsFile=");
            for (index, file) in self.known_hosts.iter().enumerate() {
                value.push(if index == 0 { "\"" } else { " \"" });
                value.push(escape_percent(file.as_os_str()));
                value.push("\"");
            }
            option(value);
            option("GlobalKnownHostsFile=/dev/null".into());
        }
        if let Some(config) = &self.config {
            args.extend([OsString::from("-F"), config.into()]);
        }
        for identity in &self.identities {
            args.extend([OsString::from("-i"), escape_percent(identity.as_os_str())]);
        }
        args
    }
}

/// Returns the options that say when a silent host counts as gone. ssh's own default is never.
pub fn alive_args(alive: ServerAlive) -> [String; 4] {
    let interval = format!("ServerAliveInterval={}", alive.interval.as_secs());
    ["-o".to_string(), interval, "-o".to_string(), format!("ServerAliveCountMax={}", alive.count_max)]
}

/// Doubles each `%`, which ssh expands in file names.
fn escape_percent(text: &OsStr) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    for &byte in text.as_bytes() {
        bytes.push(byte);
        if byte == b'%' {
            bytes.push(byte);
        }
    }
    OsString::from_vec(bytes)
}

/// A jump host: `[user@]host[:port]` or `ssh://[user@]host[:port]`, as ssh reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JumpSpec {
    pub user: Option<String>,
    pub host: String,
    pub port: Option<u16>,
}

impl JumpSpec {
    pub fn parse(text: &str) -> Result<JumpSpec, String> {
        let bad = || format!("{text:?} is not [user@]host[:port]");
        let rest = text.trim();
        let rest = rest.strip_prefix("ssh://").map_or(rest, |rest| rest.strip_suffix('/').unwrap_or(rest));
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_string()), place),
            None => (None, rest),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(bad)?)),
            // More than one colon is an IPv6 address without a port.
            None => match place.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (place, None),
            },
        };
        let port = port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(bad)).transpose()?;
        let odd = |text: &str| {
            text.is_empty() || text.starts_with('-') || text.contains(|c: char| c.is_control() || c.is_whitespace())
        };
        if odd(host) || user.as_deref().is_some_and(odd) {
            return Err(bad());
        }
        Ok(JumpSpec { user, host: host.to_string(), port })
    }

    /// Returns the jump hosts of a ProxyJump, nearest first.
    pub fn parse_list(spec: &str) -> Result<Vec<JumpSpec>, String> {
        spec.split(',').map(JumpSpec::parse).collect()
    }

    pub fn args(&self) -> Vec<OsString> {
        let mut args = Vec::new();
        if let Some(user) = &self.user {
            args.extend(["-l".into(), user.into()]);
        }
        if let Some(port) = self.port {
            args.extend(["-p".into(), port.to_string().into()]);
        }
        args.extend(["--".into(), OsString::from(&self.host)]);
        args
    }
}

/// Returns the arguments that make ssh go through these jump hosts. ssh's own `-J` would not pass our options on.
pub fn through(ssh: &SystemSsh, first: &[&str], jumps: &[JumpSpec]) -> Vec<OsString> {
    let Some(command) = proxy_command(ssh, first, jumps) else { return Vec::new() };
    let mut option = OsString::from("ProxyCommand=");
    option.push(command);
    vec!["-o".into(), option]
}

fn proxy_command(ssh: &SystemSsh, first: &[&str], jumps: &[JumpSpec]) -> Option<OsString> {
    let (last, earlier) = jumps.split_last()?;
    let mut command = escape_percent(&quoted(ssh.program.as_os_str()));
    let mut args = ssh.args(first);
    args.splice(0..0, through(ssh, first, earlier));
    args.extend(last.args());
    command.push(" -W ");
    // ssh expands only this part.
    command.push("'[%h]:%p'");
    for arg in args {
        command.push(" ");
        command.push(escape_percent(&quoted(&arg)));
    }
    Some(command)
}

/// Quotes a word for the user's shell.
fn quoted(word: &OsStr) -> OsString {
    let mut bytes = vec![b'\''];
    for &byte in word.as_bytes() {
        match byte {
            b'\'' => bytes.extend_from_slice(b"'\"'\"'"),
            byte => bytes.push(byte),
        }
    }
    bytes.push(b'\'');
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn ssh() -> SystemSsh {
        SystemSsh {
            program: "ssh".into(),
            config: Some("/c f".into()),
            options: vec!["Port=2".into()],
            identities: vec!["/i%d".into()],
            known_hosts: vec!["/k 1".into(), "/k2".into()],
            host_key: Some(HostKeyPolicy::Strict),
        }
    }

    #[test]
    fn options_that_override_come_first_and_percent_signs_are_escaped() {
        let args: Vec<String> =
            ssh().args(&["BatchMode=yes"]).into_iter().map(|arg| arg.into_string().unwrap()).collect();
        assert_eq!(
            args.join("|"),
            "-o|BatchMode=yes|-o|Port=2|-o|StrictHostKeyChecking=yes|-o|UserKnownHostsFile=\"/k 1\" \"/k2\"|-o|\
             GlobalKnownHostsFile=/dev/null|-F|/c f|-i|/i%%d"
        );
    }

    #[test]
    fn a_jump_host_is_read_as_ssh_reads_it_and_is_never_an_option() {
        let jump = |user: Option<&str>, host: &str, port| {
            Ok(JumpSpec { user: user.map(str::to_string), host: host.to_string(), port })
        };
        assert_eq!(JumpSpec::parse("a"), jump(None, "a", None));
        assert_eq!(JumpSpec::parse("u@d@a:22"), jump(Some("u@d"), "a", Some(22)));
        assert_eq!(JumpSpec::parse("ssh://u@[::1]:22/"), jump(Some("u"), "::1", Some(22)));
        assert_eq!(JumpSpec::parse("fe80::1"), jump(None, "fe80::1", None));
        for bad in ["", "@a", "-oProxyCommand=x", "u@", "a:0", "a:x", "[a]x", "a b", "-u@a"] {
            assert!(JumpSpec::parse(bad).is_err(), "{bad}");
        }
    }
}
