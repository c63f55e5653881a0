//! Makes the script for the hosts from the options. What can be checked without a host is checked here.

use crate::cli::args::Args;
use crate::run::runner::{Settings, Shell};
use crate::script::shell::{HostCommand, LONGEST_SCRIPT, Program};
use cerveza_manners::{Failure, Result, Tool, Variable, has_crlf, read_capped};
use cerveza_record::json;
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;
use std::time::Duration;

/// In bytes, before it is compressed.
const LARGEST_SCRIPT_FILE: u64 = 1 << 20;

/// SSM ends a command after 48 hours. The agent needs some time more than the command.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(47 * 3600);

/// Returns what all commands of the run share.
pub fn settings(args: &Args, tool: &Tool) -> Result<Settings> {
    if args.timeout.is_some_and(|limit| limit > LONGEST_TIMEOUT) {
        return Err(Failure::usage(
            "--timeout: at most 47h, because SSM ends the command and the agent together after 48 hours",
        ));
    }
    let script = if args.resume { String::new() } else { script(args, tool)? };
    let len = json!(script).to_string().len();
    if len > LONGEST_SCRIPT {
        return Err(Failure::usage(format!(
            "the command has {len} bytes in JSON with all that is put around it: at most {LONGEST_SCRIPT} can be sent"
        ))
        .hint("put large files into a bucket and fetch them on the host, or use pssh-rs"));
    }
    Ok(Settings {
        shell: args.shell,
        script,
        run_id: format!("{:016x}", RandomState::new().build_hasher().finish()),
        limit: args.timeout,
        delivery: args.delivery_timeout,
        api_timeout: args.api_timeout,
        fanout: if args.rollout.serial { 1 } else { usize::from(args.fanout) },
        hosts_per_command: if args.rollout.serial { 1 } else { cerveza_ec2::COMMAND_INSTANCES },
        keeps_running: args.resume,
        output: args.output_bucket.clone(),
        keeps_output: args.keep,
        tool: *tool,
        is_verbose: args.verbose,
    })
}

fn script(args: &Args, tool: &Tool) -> Result<String> {
    let command = args.command.join(" ");
    if args.script.is_none() && command.trim().is_empty() {
        return Err(Failure::usage("there is no command").hint("as in: ec2-ls role=web | ec2-run -- uptime"));
    }
    if args.shell == Shell::Powershell {
        return powershell(args, command);
    }
    for Variable { name, .. } in args.env.iter().filter(|variable| looks_secret(variable)) {
        tool.warn(format!("--env {name} looks like a secret: SSM keeps commands in its history for 30 days"));
    }
    let program = match &args.script {
        Some(path) => Program::Script { content: read_script(path)?, arguments: args.command.clone() },
        None => Program::Command(command),
    };
    let command = HostCommand {
        program,
        env: args.env.clone(),
        chdir: args.chdir.clone(),
        user: args.user.clone(),
        limit: args.timeout,
        prints_all: args.output_bucket.is_some(),
    };
    Ok(command.script())
}

/// Ends a script of PowerShell as sh does: with the exit status of its last program, or 1 if its last command failed.
/// SSM Agent runs scripts by `powershell -File`, which else ends with 0.
const POWERSHELL_END: &str = "if (-not $?) { if ($LASTEXITCODE) { exit $LASTEXITCODE } else { exit 1 } }";

/// PowerShell gets the command as it is, and what makes its exit status.
fn powershell(args: &Args, command: String) -> Result<String> {
    let given = [
        ("--script", args.script.is_some()),
        ("--user", args.user.is_some()),
        ("--env", !args.env.is_empty()),
        ("--chdir", args.chdir.is_some()),
    ];
    if let Some((option, _)) = given.iter().find(|(_, is_given)| *is_given) {
        return Err(Failure::usage(format!("{option} is for --shell sh only")));
    }
    if command.contains("{{") {
        return Err(Failure::usage("the command has {{, which SSM would replace").hint("write { { in PowerShell"));
    }
    Ok(format!("{command}\n{POWERSHELL_END}"))
}

fn read_script(path: &Path) -> Result<Vec<u8>> {
    let read = File::open(path).and_then(|file| read_capped(file, LARGEST_SCRIPT_FILE));
    match read {
        Ok(content) if content.is_empty() => Err(Failure::usage(format!("the script {} is empty", path.display()))),
        Ok(content) if has_crlf(&content) => Err(Failure::usage(format!(
            "the lines of the script {0} end in CRLF, as on Windows: convert it, as in: sed -i 's/\\r$//' {0}",
            path.display()
        ))),
        Ok(content) => Ok(content),
        Err(error) => Err(Failure::usage(format!("cannot read the script {}: {error}", path.display()))),
    }
}

/// Whether a variable is probably a secret, by its name or value.
fn looks_secret(variable: &Variable) -> bool {
    const NAMES: [&str; 10] =
        ["PASS", "PWD", "SECRET", "TOKEN", "CREDENTIAL", "PRIVATE_KEY", "API_KEY", "APIKEY", "ACCESS_KEY", "_PAT"];
    let name = variable.name.to_ascii_uppercase();
    let value = &variable.value;
    name != "PWD" && NAMES.iter().any(|word| name.contains(word))
        || value.contains("PRIVATE KEY-----")
        || value.starts_with("AKIA")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_name_or_value() {
        for (text, is_secret) in [
            ("DB_PASSWORD=x", true),
            ("github_token=x", true),
            ("A=-----BEGIN RSA PRIVATE KEY-----", true),
            ("MYSQL_PWD=x", true),
            ("PATH=/bin", false),
            ("PWD=/", false),
            ("KEY=web", false),
        ] {
            assert_eq!(looks_secret(&text.parse().unwrap()), is_secret, "{text}");
        }
    }
}
