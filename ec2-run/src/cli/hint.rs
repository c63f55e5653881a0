//! Hints for options of other tools: pssh-rs and aws ssm send-command.

/// Returns what `ec2-run` has for an option of another tool.
pub fn hint(word: &str) -> Option<String> {
    let hint = match word {
        "--instance-ids" | "--targets" => {
            "hosts are -w 'HOST,HOST', or records on stdin: ec2-ls role=web | ec2-run -- COMMAND"
        }
        "--parameters" | "--document-name" => "the command is written last, after --",
        "--comment" => "ec2-run sets the comment of its commands itself",
        "--max-concurrency" => "to work on so many hosts at a time: -f NUMBER",
        "--max-errors" => "to begin no more hosts after so many failures: --max-fail NUMBER",
        "--timeout-seconds" => "the time for the agent to fetch the command is --delivery-timeout TIME",
        "--sudo" | "--become" => "the command runs as root; as another user: --user USER",
        "--push" | "--pull" | "--stdin" | "--tty" => "ec2-run runs commands and scripts only; pssh-rs copies files",
        "-l" => "the user is --user USER",
        _ => return cerveza_ec2::awscli_hint(word),
    };
    Some(hint.to_string())
}
