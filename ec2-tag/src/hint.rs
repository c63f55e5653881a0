//! Hints for options that `ec2-tag` does not have.

/// Returns what to write instead of an unknown option.
pub fn hint(word: &str) -> Option<String> {
    let hint = match word {
        "-d" | "--delete" | "--remove" | "--unset" => "KEY- removes a tag, as in `ec2-tag team- web1`",
        "-t" | "--tag" | "--tags" => "tags are words, as in `ec2-tag team=dba web1`",
        "--resources" => "hosts are words, as in `ec2-tag team=dba web1`",
        _ => return cerveza_ec2::awscli_hint(word),
    };
    Some(hint.to_string())
}
