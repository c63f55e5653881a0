//! Hints for options of the AWS CLI.

/// Returns what stands for an option of the AWS CLI that the EC2 tools do not have.
pub fn awscli_hint(option: &str) -> Option<String> {
    let hint = match option {
        "--profile" => "--account names a profile of the AWS configuration, as AWS_PROFILE does for every tool",
        "--ca-bundle" | "--no-verify-ssl" => "set AWS_CA_BUNDLE to trust other certificates than those of the system",
        "--endpoint-url" => "set AWS_ENDPOINT_URL to use another endpoint",
        "--filters" | "--filter" => "ec2-ls takes filters as words, as in `ec2-ls role=web`",
        "--instance-ids" => "give the instance ids as words",
        "--query" => "records are JSON: jq(1) selects their fields",
        _ => return None,
    };
    Some(hint.to_string())
}
