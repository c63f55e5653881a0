//! Hints for options of other tools: ssh, pssh, pdsh, clush and ansible.

/// Returns what `pssh-rs` has for an option of another tool, or for a value that another tool takes.
pub fn hint(word: &str) -> Option<String> {
    let hint = match word {
        "-a" => "-w '@*' is all hosts of the node groups; the command is written last, after --",
        "-A" | "--askpass" => {
            "log in with a key: -i FILE (to forward the agent: --engine openssh --ssh-option ForwardAgent=yes)"
        }
        "--become" | "--become-user" => "to run the command with sudo: --sudo or --sudo=USER",
        "-c" | "--copy" | "--dest" => "to copy to the hosts: --push FILE:PATH",
        "--rcopy" => "to copy from the hosts: --pull PATH:FOLDER",
        "-e" | "--errdir" => "to write output to files: --outdir DIR, for stdout and stderr",
        "--forks" | "--par" => "to work on so many hosts at a time: -f NUMBER",
        "-g" => "a node group is -w @GROUP",
        "-h" | "--hostfile" | "--hostlist" | "--inventory" => "to read hosts from a file: -w ^FILE",
        "-H" | "--host" => "hosts are -w 'HOST,HOST'",
        "-I" | "--send-input" => "to give the command a file as its standard input: --stdin FILE",
        "-B" => "to show equal output once: -b; stderr is shown too",
        "-L" => "to sort the output by host: --ordered --lines",
        "--exclude=" => "-x leaves out hosts; an option of ssh is --ssh-option KEY=VALUE",
        "--inline" | "--inline-stdout" => "output is shown without an option; -b shows equal output once",
        "--output=" => "-o is the format of the output; to write it to files: --outdir DIR",
        "-N" => "to write output without the names of hosts: -o json, and jq prints .stdout",
        "-O" | "--option" | "--options" | "-X" | "--extra-arg" | "--extra-args" => {
            "an option of ssh is --ssh-option KEY=VALUE"
        }
        "-P" | "--print" => "to write lines as they come, also to a pipe: --lines",
        "-R" | "--worker" => "connections are always SSH; --engine chooses libssh2 or the system's ssh",
        "-S" | "--maxrc" => "each record has the exit status of its command: -o tsv --columns host,exit_code",
        "-u" => "the user is -l USER; the time limit for each host is -t TIME",
        _ if is_ssh_option(word) => return Some(format!("an option of ssh is --ssh-option {word}")),
        _ => return None,
    };
    Some(hint.to_string())
}

/// Whether a word reads as `Key=value`, as ssh's own -o takes it: keys of ssh_config are letters alone.
fn is_ssh_option(word: &str) -> bool {
    let (key, value) = word.split_once('=').unwrap_or_default();
    !value.is_empty() && key.len() > 2 && key.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Args;
    use clap::CommandFactory;

    #[test]
    fn a_hint_for_an_unknown_option_names_known_ones() {
        let command = Args::command();
        let has = |option: &str| {
            let short = option.strip_prefix('-').and_then(|name| name.chars().next());
            command.get_arguments().any(|argument| match option.strip_prefix("--") {
                Some(long) => argument.get_long() == Some(long),
                None => argument.get_short() == short,
            })
        };
        let foreign = [
            "-a",
            "-A",
            "-B",
            "-c",
            "-e",
            "-g",
            "-H",
            "-I",
            "-L",
            "-N",
            "-O",
            "-P",
            "-R",
            "-S",
            "-u",
            "-X",
            "--copy",
            "--rcopy",
            "--hostfile",
            "--become",
            "--forks",
        ];
        for option in foreign {
            assert!(!has(option), "{option}");
            let hint = hint(option).unwrap_or_else(|| panic!("no hint for {option}"));
            let words = hint.split(|c: char| c.is_whitespace() || ",;=():".contains(c));
            let named: Vec<&str> =
                words.filter(|word| word.len() > 1 && word.starts_with('-') && *word != "--").collect();
            assert!(!named.is_empty() && named.iter().all(|option| has(option)), "{option}: {named:?}");
        }
    }

    #[test]
    fn an_option_of_ssh_is_known_by_its_form() {
        assert_eq!(hint("ConnectTimeout=5").unwrap(), "an option of ssh is --ssh-option ConnectTimeout=5");
        for other in ["jsonl", "a=b", "=x", "Key=", "--x=y", "1A=x"] {
            assert_eq!(hint(other), None, "{other}");
        }
    }
}
