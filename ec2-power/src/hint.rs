//! Hints for actions that `ec2-power` does not have.

use crate::args::wait_hint;

/// Returns what to do instead of an unknown action or option. It never names an action that ends or stops a host: those
/// are in the list of actions, and the user has to choose one.
pub fn hint(word: &str) -> Option<String> {
    let hint = match word.to_lowercase().as_str() {
        "describe" | "list" | "ls" | "show" | "state" | "status" => "ec2-ls shows the state of hosts",
        "restart" => {
            "`reboot` restarts the operating system; to move a host to other hardware, `stop --wait` and then `start` it"
        }
        "hibernate" | "sleep" | "suspend" => "`stop --hibernate` keeps the memory of hosts that were launched for it",
        "create" | "launch" | "run" => "ec2-launch makes hosts",
        "tag" => "ec2-tag sets tags",
        "--instance-type" | "--type" => "the type is a word: ec2-power resize m7g.large web1",
        _ => return wait_hint(word).or_else(|| cerveza_ec2::awscli_hint(word)),
    };
    Some(hint.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hint_for_what_would_end_a_host() {
        for word in ["delete", "destroy", "kill", "halt", "poweroff", "shutdown", "off", "stopp", "terminat"] {
            assert_eq!(hint(word), None, "{word}");
        }
        assert_eq!(hint("Status").as_deref(), Some("ec2-ls shows the state of hosts"));
    }
}
