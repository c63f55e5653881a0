//! Completes hosts in a shell: those of ~/.ssh/config and ~/.ssh/known_hosts too.

use crate::known_hosts::entry;
use cerveza_manners::ArgValueCompleter;
use hostrange::completion::hosts_and;
use std::env;
use std::fs;

/// The keys of a record that list scripts.
pub const SCRIPT_KEYS: &[&str] = &["startup_scripts", "shutdown_scripts"];

/// Completes a host that ssh knows or the saved listing has.
pub fn ssh_hosts() -> ArgValueCompleter {
    hosts_and(|_| {
        let read = |name| fs::read_to_string(env::home_dir()?.join(".ssh").join(name)).ok();
        let (config, known) = (read("config").unwrap_or_default(), read("known_hosts").unwrap_or_default());
        [config_hosts(&config), known_hosts(&known)].concat()
    })
}

/// Returns the names after `Host` that are not patterns.
fn config_hosts(config: &str) -> Vec<String> {
    let words =
        config.lines().map(|line| line.split(|c: char| c.is_whitespace() || c == '=').filter(|word| !word.is_empty()));
    let hosts = words.filter_map(|mut words| words.next()?.eq_ignore_ascii_case("host").then_some(words)).flatten();
    hosts.filter(|host| !host.contains(['*', '?', '!', '"'])).map(str::to_string).collect()
}

/// Returns the names that are not hashed and need no other port.
fn known_hosts(text: &str) -> Vec<String> {
    let entries = text.lines().filter_map(|line| entry::parse(line, String::new).ok().flatten());
    entries.filter_map(|entry| entry.plain_names()).flatten().filter(|name| !name.starts_with('[')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hosts_are_found_and_patterns_are_not() {
        assert_eq!(config_hosts("Host web1 web2 *.example !x\n  HostName a\nhost=db1\n"), ["web1", "web2", "db1"]);
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
        assert_eq!(known_hosts(&format!("a,10.0.0.1 {key}\n[b]:2222 {key}\n# c\n*.d {key}\n")), ["a", "10.0.0.1"]);
    }
}
