//! Warns of a cloud-config that keeps the host keys off the console, where `ec2-launch --host-keys` reads them.

use crate::cloud_config::merge::CloudConfig;
use crate::cloud_config::yaml_node::{Content, Node};

/// The types of the keys that cloud-init makes, as /usr/lib/cloud-init/write-ssh-key-fingerprints names them.
const KEY_TYPES: [&str; 3] = ["ssh-rsa", "ecdsa-sha2-nistp256", "ssh-ed25519"];

/// Returns a warning for each cloud-config with which cloud-init prints no host key (cc_keys_to_console.py).
pub(crate) fn warnings(configs: &[CloudConfig]) -> Vec<String> {
    let of_entry = |config: &CloudConfig| {
        let warning = warning(&config.node)?;
        Some(config.entry.map_or(warning.clone(), |entry| format!("entry {entry}: {warning}")))
    };
    configs.iter().filter_map(of_entry).collect()
}

fn warning(config: &Node) -> Option<String> {
    let emit = config.get("ssh").and_then(|ssh| ssh.get("emit_keys_to_console")).filter(|emit| is_false(emit));
    let (setting, key) = match emit {
        Some(emit) => (emit, "emit_keys_to_console"),
        None => (config.get("ssh_key_console_blacklist").filter(|list| has_all(list))?, "ssh_key_console_blacklist"),
    };
    let line = setting.line.map(|line| format!("line {line}: ")).unwrap_or_default();
    Some(format!("{line}{key} keeps the host keys off the console: ec2-launch --host-keys would wait for them in vain"))
}

fn has_all(list: &Node) -> bool {
    KEY_TYPES.iter().all(|key_type| list.items().iter().any(|item| item.text() == Some(key_type)))
}

/// Returns whether cloud-init takes the value for false (`is_false` in util.py).
fn is_false(node: &Node) -> bool {
    let Content::Plain(value) = &node.content else { return false };
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
    ["off", "0", "no", "false"].contains(&text.to_lowercase().trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        warning(&Node::read(text).unwrap())
    }

    #[test]
    fn a_config_that_prints_no_host_key_gives_a_warning_with_its_line() {
        let warning = of("packages: [ntp]\nssh:\n  emit_keys_to_console: false\n").unwrap();
        assert!(warning.starts_with("line 3: emit_keys_to_console keeps the host keys off the console: "), "{warning}");
        for value in ["no", "off", "0", "\"False\""] {
            assert!(of(&format!("ssh: {{emit_keys_to_console: {value}}}")).is_some(), "{value}");
        }
        let types = "[ssh-rsa, ecdsa-sha2-nistp256, ssh-ed25519]";
        let warning = of(&format!("ssh_key_console_blacklist: {types}")).unwrap();
        assert!(warning.starts_with("line 1: ssh_key_console_blacklist keeps "), "{warning}");
    }

    #[test]
    fn a_config_that_prints_some_host_key_gives_no_warning() {
        for text in [
            "ssh: {emit_keys_to_console: true}",
            "ssh: {}",
            "ssh: [emit_keys_to_console]",
            "ssh_key_console_blacklist: [ssh-dss, ssh-rsa]",
            // Of the login keys.
            "no_ssh_fingerprints: true",
            // The fingerprints alone.
            "ssh_fp_console_blacklist: [ssh-rsa, ecdsa-sha2-nistp256, ssh-ed25519]",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
