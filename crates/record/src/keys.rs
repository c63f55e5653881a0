//! The keys of the host record: one table for host-record(5), and for the names that a shell completes.

/// A key of the host record.
#[derive(Clone, Copy, Debug)]
pub struct RecordKey {
    pub name: &'static str,
    /// The type of its value, in the words of JSON.
    pub kind: &'static str,
    /// What the value is, in sentences.
    pub about: &'static str,
    /// The tools that write it. Empty if all keys of the group have the same writers.
    pub writers: &'static str,
    /// The tools that read it, besides templates. Empty if none does.
    pub readers: &'static str,
}

/// Returns a key whose writers are those of its group.
const fn fact(name: &'static str, kind: &'static str, about: &'static str, readers: &'static str) -> RecordKey {
    RecordKey { name, kind, about, writers: "", readers }
}

const fn key(
    name: &'static str,
    kind: &'static str,
    about: &'static str,
    writers: &'static str,
    readers: &'static str,
) -> RecordKey {
    RecordKey { name, kind, about, writers, readers }
}

/// The tools that look up instances.
const EC2: &str = "the EC2 tools";

/// All keys, by group. Those of a group are in the order in which tools write them.
pub const RECORD_KEYS: [(&str, &[RecordKey]); 6] = [
    ("facts", FACTS),
    ("more facts", MORE_FACTS),
    ("launch", LAUNCH),
    ("ssh", SSH),
    ("actions", ACTIONS),
    ("results", RESULTS),
];

/// What EC2 knows of an instance.
pub const FACTS: &[RecordKey] = &[
    fact("host", "string", "The name of the host; the id of an instance without a name.", "all tools"),
    fact(
        "instance_id",
        "string",
        "The id of the instance.",
        "the EC2 tools, to find the instance; hostrange and hostfmt",
    ),
    fact("region", "string", "The region.", EC2),
    fact("zone", "string", "The availability zone.", "ec2-launch, as the zone of a new instance"),
    fact("account", "string", "The account that owns the instance.", EC2),
    key(
        "aws_profile",
        "string",
        "The profile of the AWS configuration by which the account was reached.",
        "ec2-ls with `--account`",
        EC2,
    ),
    fact(
        "state",
        "string",
        "`pending`, `running`, `stopping`, `stopped`, `shutting-down` or `terminated`.",
        "hostfmt, to select hosts",
    ),
    fact("instance_type", "string", "The type of the instance, such as `m5.large`.", ""),
    fact("image_id", "string", "The image that the instance was launched from.", ""),
    fact("private_ip", "string", "The private IPv4 address.", "pssh-rs and ec2-launch, to connect; hostfmt"),
    fact("public_ip", "string", "The public IPv4 address.", "pssh-rs and ec2-launch, to connect; hostfmt"),
    fact("ipv6", "string", "The first IPv6 address.", "hostfmt"),
    fact("private_dns", "string", "The private name in the DNS of EC2.", ""),
    fact("public_dns", "string", "The public name in the DNS of EC2.", ""),
    fact("key_name", "string", "The key pair of the instance.", ""),
    fact("security_groups", "array of strings", "The names of the security groups.", "hostfmt, to group hosts"),
    fact("security_group_ids", "array of strings", "The ids of the security groups.", ""),
    fact("subnet_id", "string", "The subnet.", ""),
    fact("vpc_id", "string", "The VPC.", ""),
    fact("launch_time", "string", "When the instance was last started.", "ec2-launch, to find host keys"),
    fact(
        "state_reason",
        "string",
        "Why the instance is in its state, such as `Server.InsufficientInstanceCapacity: ...`.",
        "",
    ),
    fact("state_time", "string", "Since when the instance is in its state, if EC2 says so.", ""),
    fact("lifecycle", "string", "`spot`, or null for an ordinary instance.", ""),
    fact("architecture", "string", "The architecture, such as `x86_64` or `arm64`.", ""),
    fact("platform", "string", "The platform, such as `Linux/UNIX`.", ""),
    fact("iam_profile", "string", "The ARN of the IAM instance profile.", ""),
    fact("root_device", "string", "The root device, such as `/dev/xvda`.", ""),
    fact("monitoring", "string", "`enabled` with detailed monitoring, else `disabled`.", ""),
    fact(
        "metadata_options",
        "object",
        "The options of the instance metadata service, for example `http_tokens`: `required` or `optional`.",
        "",
    ),
    fact("profile", "string", "The tag `profile`, which ec2-launch sets: what the host was launched from.", ""),
    fact("tags", "object", "All tags. Keys and values are strings.", "ec2-launch, as tags of a new instance; hostfmt"),
    fact(
        "volumes",
        "array of objects",
        "The EBS volumes: `device`, `volume_id` and `delete_on_termination`. With `ec2-ls --volume-sizes` they also have \
         `size_gib`, and after ec2-launch `set` and `position`.",
        "",
    ),
];

/// What EC2 tells of an instance if it is asked for that too.
const MORE_FACTS: &[RecordKey] = &[
    key(
        "status_checks",
        "string",
        "The worst result of the system, instance and volume checks: `ok`, `impaired`, `initializing`, \
         `insufficient-data` or `not-applicable`.",
        "ec2-ls with `--status`",
        "",
    ),
    key(
        "scheduled_events",
        "array of objects",
        "What AWS will do to the instance: `code`, `description`, `not_before`, `not_after`, `not_before_deadline` and \
         `event_id`.",
        "ec2-ls with `--status`",
        "",
    ),
    key("console", "string", "The latest output of the console.", "ec2-ls with `--console`", ""),
    key("stale", "string", "When the record was saved, if EC2 did not answer for it now.", "ec2-ls with `--last`", ""),
];

/// What a new instance gets, and what its profile says for later.
const LAUNCH: &[RecordKey] = &[
    key(
        "user_data",
        "string",
        "The user-data, in base64. It can contain secrets.",
        "mkuserdata with `--per-host`, and ec2-ls with `--user-data`. Removed by ec2-launch from the record of a host \
         that runs",
        "ec2-launch; mkuserdata, to list, check and extract it",
    ),
    key(
        "startup_scripts",
        "array of strings",
        "Paths of scripts to run on a new host.",
        "ec2-launch",
        "`pssh-rs --run`",
    ),
    key(
        "shutdown_scripts",
        "array of strings",
        "Paths of scripts to run before the host ends.",
        "ec2-launch",
        "`pssh-rs --run`",
    ),
    key(
        "kernel",
        "string",
        "The kernel release that the host should have, as in `check ec2 kernel`.",
        "ec2-launch",
        "",
    ),
    key(
        "remembered",
        "object",
        "What the host was launched by if no profile was given, and since when that is remembered.",
        "ec2-launch",
        "",
    ),
    key("memory", "object", "All that is remembered of the host.", "`ec2-launch --show-memory`", ""),
    key(
        "spare_addresses",
        "array of strings",
        "Elastic IP addresses that were allocated for the host and are not in use.",
        "ec2-launch",
        "",
    ),
];

/// How to reach a host.
const SSH: &[RecordKey] = &[
    key("user", "string", "The user to log in as.", "", "pssh-rs and hostfmt"),
    key("port", "number or string", "The port of the SSH server.", "", "pssh-rs, ec2-launch and hostfmt"),
    key(
        "host_keys",
        "array of strings",
        "Public host keys, each a type and base64 text. If a record has this key, only these keys are accepted.",
        "ec2-launch and ec2-ls with `--host-keys`, and pssh-rs with `--host-key accept-new`",
        "pssh-rs",
    ),
];

/// What was done to a host, or is to be done.
const ACTIONS: &[RecordKey] = &[
    key(
        "action",
        "string",
        "What was done. ec2-launch: `launched`, `started`, `forgotten`. ec2-power: `start`, `stop`, `hibernate`, \
         `reboot`, `resize`, `terminate`, `release`. ec2-tag: `tag`. All of them: `unchanged` if there was nothing to do, \
         and `failed`, `protected` or `skipped` if nothing was done because of `error`. A plan of ec2-launch has `launch`, \
         `start`, `leave` or `refuse`.",
        "ec2-launch, ec2-power and ec2-tag",
        "`ec2-launch --plan`",
    ),
    key("reason", "string", "Why a plan has this action.", "ec2-launch and ec2-power with `--dry-run`", ""),
    key(
        "plan",
        "object",
        "What would be requested or run.",
        "ec2-launch, pssh-rs and ec2-run with `--dry-run`",
        "`ec2-launch --plan`",
    ),
    key(
        "changes",
        "array of objects",
        "The tags that were changed, or would be: `resource`, `key`, `before` and `after`.",
        "ec2-tag",
        "",
    ),
    key("kept_volumes", "array of strings", "Volumes that outlive a terminated instance.", "ec2-power", ""),
    key("kept_addresses", "array of strings", "Elastic IP addresses that outlive it.", "ec2-power", ""),
    key("released_addresses", "array of strings", "Elastic IP addresses that were released.", "ec2-power", ""),
    key("split", "number", "The part that the host belongs to, counted from 1.", "`hostrange --split`", ""),
];

/// What became of a command.
pub const RESULTS: &[RecordKey] = &[
    fact(
        "status",
        "string",
        "`ok`, `failed`, `signaled`, `timeout`, `unreachable`, `auth`, `hostkey`, `lost`, `cancelled` or `skipped`; see \
         pssh-rs(1).",
        "ec2-power, which skips hosts that are not `ok`",
    ),
    fact(
        "phase",
        "string",
        "How far the host came. pssh-rs: `resolve`, `connect`, `handshake`, `hostkey`, `auth` or `exec`; ec2-run: \
         `lookup`, `deliver` or `exec`. Null if nothing was begun.",
        "",
    ),
    fact("exit_code", "number", "The exit status of the command; null if none arrived.", "ec2-power"),
    fact(
        "signal",
        "string",
        "The signal that ended the command, else null. If pssh-rs itself ended the command, `exit_code` and `signal` are \
         null.",
        "ec2-power",
    ),
    fact(
        "stdout",
        "string",
        "What the command printed on standard output: at most `--max-output` bytes, the beginning and the end, with a \
         line between them that says how much is missing.",
        "",
    ),
    fact("stderr", "string", "The same for standard error.", ""),
    fact(
        "encoding",
        "string",
        "`base64` if the output is not UTF-8; then `stdout` and `stderr` are both encoded. Else absent. A character that \
         was cut off by a timeout or a lost connection is left out.",
        "",
    ),
    fact("truncated", "boolean", "True if some output is missing; else absent.", ""),
    key(
        "copied",
        "object",
        "The number of `files` and `bytes` that were copied, the number of files that were `unchanged`, and what was \
         `skipped`, if anything.",
        "pssh-rs with `--push` or `--pull`",
        "",
    ),
    key("command_id", "string", "The id of the command in SSM.", "ec2-run", "`ec2-run --resume`"),
    fact(
        "attempts",
        "number or array of objects",
        "How often the host was tried. ec2-launch writes an array instead: the instance types and zones for which EC2 had \
         no capacity.",
        "",
    ),
    fact("started_at", "string", "When the last attempt began.", ""),
    fact("duration_ms", "number", "How long the last attempt took, in milliseconds.", ""),
    key(
        "error",
        "string",
        "What went wrong with the host. Null or absent if nothing did.",
        "all tools that act on hosts, and ec2-ls",
        "ec2-power",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_key_is_there_once_and_explained_in_sentences() {
        let mut seen = HashSet::new();
        for key in RECORD_KEYS.iter().flat_map(|(_, keys)| *keys) {
            assert!(seen.insert(key.name), "{} is there twice", key.name);
            assert!(key.about.ends_with('.') && !key.kind.is_empty(), "{}: {}", key.name, key.about);
        }
    }
}
