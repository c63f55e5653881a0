//! The completions load in the shells they are for.

use crate::{run, tools};
use kit::Sandbox;
use std::process::Command;

/// Loads the file of each tool and checks that the shell then completes it.
fn load(shell: &str, file: impl Fn(&str) -> String, line: impl Fn(&str, &str) -> String) {
    let present = run(shell, Command::new(shell).args(["-c", "exit 0"]));
    assert!(present.status.success(), "{shell} does not run");
    let sandbox = Sandbox::new();
    for tool in tools() {
        let path = kit::root().join(format!("completions/{shell}/{}", file(&tool)));
        assert!(path.is_file(), "{} is missing: run: cargo xtask", path.display());
        let mut command = sandbox.command(shell);
        // Files of this machine are not read, because they are not part of the test.
        let clean: &[&str] = match shell {
            "bash" => &["--norc", "--noprofile"],
            "zsh" => &["-f"],
            _ => &["--no-config"],
        };
        command.args(clean).args(["-c", &line(&path.display().to_string(), &tool)]);
        let output = run(shell, &mut command);
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && stderr.is_empty(), "{shell} {tool}: {stdout}{stderr}");
        assert!(stdout.contains("--help"), "{shell} {tool}: {stdout}{stderr}");
    }
}

#[test]
fn bash_completes_options() {
    load(
        "bash",
        |tool| tool.to_string(),
        |path, tool| {
            format!(
                "set -e; source '{path}'; function=$(complete -p {tool} | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
                 COMP_WORDS=({tool} --); COMP_CWORD=1; \"$function\" {tool} -- {tool}; echo \"${{COMPREPLY[@]}}\""
            )
        },
    );
}

#[test]
fn zsh_completes_options() {
    // zsh runs a completion function only in its line editor, so this loads and compiles it.
    load(
        "zsh",
        |tool| format!("_{tool}"),
        |path, tool| {
            format!(
                "set -e; autoload -U compinit; compinit -u -D; source '{path}'; \
                 [[ ${{_comps[{tool}]}} == _{tool} ]]; functions _{tool}"
            )
        },
    );
}

#[test]
fn fish_completes_options() {
    load(
        "fish",
        |tool| format!("{tool}.fish"),
        |path, tool| format!("source '{path}'; and complete --do-complete '{tool} --'"),
    );
}
