//! `make install`, and the program that is installed for all EC2 tools.

use kit::{Outcome, Sandbox, bin_dir, root};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the names of all tools, in alphabetical order.
fn tools() -> Vec<String> {
    let folders = std::fs::read_dir(root()).expect("the project").flatten();
    let tools = folders.filter(|folder| folder.path().join("src/main.rs").is_file());
    let mut names: Vec<String> =
        tools.map(|folder| folder.file_name().into_string().expect("a name in ASCII")).collect();
    names.sort();
    names
}

/// Returns the tools that use the AWS SDK.
fn ec2_tools() -> Vec<String> {
    tools().into_iter().filter(|name| name.starts_with("ec2-")).collect()
}

/// Runs `make` with a target that installs what these tests run.
fn make(target: &str, prefix: &Path) {
    let mut command = Command::new("make");
    command.current_dir(root()).args(["--silent", target]);
    command.arg(format!("BUILT={}", bin_dir().display())).arg(format!("PREFIX={}", prefix.display()));
    let output = command.output().expect("cannot run make: run: apt-get install make");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Returns all that is no folder, relative to `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() && !path.is_symlink() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn make_install_installs_every_tool_with_its_page_and_completions_and_uninstall_removes_them() {
    let sandbox = Sandbox::new();
    let prefix = sandbox.dir().join("a prefix");
    make("install-built", &prefix);
    for tool in tools() {
        let version = sandbox.sh(&format!("'{}/bin/{tool}' --version", prefix.display())).exits(0).stdout;
        assert!(version.starts_with(&format!("{tool} ")), "{version}");
        for file in [
            format!("man/man1/{tool}.1"),
            format!("bash-completion/completions/{tool}"),
            format!("zsh/site-functions/_{tool}"),
            format!("fish/vendor_completions.d/{tool}.fish"),
        ] {
            assert!(prefix.join("share").join(&file).is_file(), "{file}");
        }
    }
    make("uninstall", &prefix);
    assert_eq!(files(&prefix), Vec::<PathBuf>::new());
}

/// Runs a link to ec2-tools by its path, as a shell does.
fn run_link(sandbox: &Sandbox, link: &str, words: &str) -> Outcome {
    let path = sandbox.dir().join(link);
    symlink(bin_dir().join("ec2-tools"), &path).expect("a link");
    sandbox.sh(&format!("{} {words}", path.display()))
}

#[test]
fn a_link_to_ec2_tools_is_the_tool_that_it_is_named_after() {
    let sandbox = Sandbox::new();
    for tool in ec2_tools() {
        let help = sandbox.run(&tool, &["--help"], "").exits(0).stdout;
        assert_eq!(run_link(&sandbox, &tool, "--help").exits(0).stdout, help);
        assert_eq!(sandbox.run("ec2-tools", &[&tool, "--help"], "").exits(0).stdout, help);
    }
    let usage = run_link(&sandbox, "prod-ec2-ls", "--nonsense").exits(2).stderr;
    assert!(usage.starts_with("ec2-ls: unexpected argument '--nonsense'"), "{usage}");
}

#[test]
fn a_link_to_ec2_tools_with_another_name_says_what_to_do() {
    let sandbox = Sandbox::new();
    let names = ec2_tools().join(", ");
    let expected =
        format!("ec2-tools: no tool is named\nec2-tools: start it as `ec2-tools TOOL`, or by a link: {names}\n");
    for link in ["ec2", "ec2-lsx", "ec2-"] {
        let outcome = run_link(&sandbox, link, "--help").exits(2);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", expected.as_str()));
    }
}
