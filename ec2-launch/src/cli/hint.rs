//! Hints for options that `ec2-launch` does not have.

/// Returns what to write instead of an unknown option.
pub fn hint(word: &str) -> Option<String> {
    let hint = match word {
        "--account" => "the profile of the AWS configuration is in AWS_PROFILE",
        "--count" | "--min-count" | "--max-count" => "each host has a name: ec2-launch 'web[1-6]'",
        "--image" | "--image-id" | "--ami" => "the image is a key of the profile: --set ami=IMAGE",
        "--instance-type" | "--type" => "the type is a key of the profile: --set 'instance type=TYPE'",
        "--key-name" => "the key pair is a key of the profile: --set 'key pair=NAME'",
        "--security-group-ids" | "--security-groups" => {
            "security groups are a key of the profile: --set 'security group=NAME'"
        }
        "--subnet-id" => "the subnet is a key of the profile: --set subnet=SUBNET",
        "--iam-instance-profile" => "it is a key of the profile: --set 'iam instance profile=NAME'",
        "--tags" | "--tag-specifications" => "give each tag with --tag KEY=VALUE",
        "--user-data" => "user-data comes with the records of `mkuserdata --per-host`, or from the profile",
        _ => return cerveza_ec2::awscli_hint(word),
    };
    Some(hint.to_string())
}
