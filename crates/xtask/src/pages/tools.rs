//! The list of tools, with what their man pages need.

use clap::Command;

pub(crate) struct Tool {
    pub name: &'static str,
    pub command: fn() -> Command,
    /// Whether it uses AWS. Then its page has the variables and files of AWS tools.
    pub aws: bool,
    /// More man pages for SEE ALSO.
    pub related: &'static [(&'static str, u8)],
}

pub(crate) const TOOLS: [Tool; 9] = [
    Tool {
        name: "ec2-launch",
        command: ec2_launch::command,
        aws: true,
        related: &[("cerveza-profile", 5), ("aws", 1), ("cloud-init", 1)],
    },
    Tool { name: "ec2-ls", command: ec2_ls::command, aws: true, related: &[("aws", 1), ("jq", 1)] },
    Tool { name: "ec2-power", command: ec2_power::command, aws: true, related: &[("aws", 1)] },
    Tool { name: "ec2-run", command: ec2_run::command, aws: true, related: &[("aws", 1), ("sh", 1)] },
    Tool { name: "ec2-tag", command: ec2_tag::command, aws: true, related: &[("aws", 1)] },
    Tool { name: "hostfmt", command: hostfmt::command, aws: false, related: &[("hosts", 5), ("ssh_config", 5)] },
    Tool { name: "hostrange", command: hostrange::command, aws: false, related: &[("nodeset", 1), ("seq", 1)] },
    Tool { name: "mkuserdata", command: mkuserdata::command, aws: false, related: &[("cloud-init", 1), ("gzip", 1)] },
    Tool {
        name: "pssh-rs",
        command: pssh_rs::command,
        aws: false,
        related: &[("ssh", 1), ("ssh-agent", 1), ("ssh-keyscan", 1), ("sshd", 8)],
    },
];
