//! Presses Tab in bash, zsh and fish, which load the files in completions/.

use crate::{run, tools};
use kit::Sandbox;
use std::process::{Command, Stdio};

/// Lines as they are typed, and as Tab completes them.
const LINES: [(&str, &str); 29] = [
    ("hostrange --fol", "hostrange --fold"),
    // Values that are few.
    ("hostrange -o js", "hostrange -o json"),
    ("hostrange --output=js", "hostrange --output=json"),
    ("ec2-power rebo", "ec2-power reboot"),
    ("ec2-ls --state runn", "ec2-ls --state running"),
    ("ec2-ls -r us-east-1,eu-n", "ec2-ls -r us-east-1,eu-north-1"),
    ("ec2-ls --columns host,private_i", "ec2-ls --columns host,private_ip"),
    ("ec2-ls --sort zone,-launch_t", "ec2-ls --sort zone,-launch_time"),
    ("ec2-ls --state al", "ec2-ls --state all"),
    ("mkuserdata --check --schema au", "mkuserdata --check --schema auto"),
    ("hostfmt ansi", "hostfmt ansible"),
    ("hostfmt ssh-config -D us", "hostfmt ssh-config -D user="),
    ("ec2-launch --set root", "ec2-launch --set root_volume="),
    ("pssh-rs --engine o", "pssh-rs --engine openssh"),
    // Values of this machine.
    ("ec2-ls --account pr", "ec2-ls --account prod"),
    ("ec2-launch --profile MyS", "ec2-launch --profile MySQL"),
    ("pssh-rs -w bast", "pssh-rs -w bastion"),
    ("hostrange @ra", "hostrange @rack1"),
    ("ec2-launch --plan pla", "ec2-launch --plan plan.jsonl"),
    // Values of the saved listing.
    ("ec2-power stop db", "ec2-power stop db1"),
    ("pssh-rs -w db", "pssh-rs -w db1"),
    ("hostrange web1,d", "hostrange web1,db1"),
    ("hostrange 'web[1-2]!d", "hostrange 'web[1-2]!db1'"),
    ("ec2-ls role=d", "ec2-ls role=db"),
    ("ec2-ls --columns tags.rol", "ec2-ls --columns tags.role"),
    ("ec2-ls --zone us", "ec2-ls --zone us-east-1b"),
    ("ec2-ls web1,", "ec2-ls web1,db1"),
    // Without a `-` no option is offered.
    ("ec2-power resize ", "ec2-power resize t3.micro"),
    // ec2-ls does not write this key.
    ("ec2-ls --columns exit_c", "ec2-ls --columns exit_c"),
];

/// A sandbox with the values that `LINES` completes.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.file(
        "fleet.jsonl",
        r#"{"host":"web1","instance_type":"t3.micro","zone":"us-east-1b","tags":{"role":"web"}}
{"host":"db1","zone":"us-east-1b","tags":{"role":"db"}}
"#,
    );
    sandbox.file("plan.jsonl", "");
    sandbox.file(".aws/config", "[default]\n[profile prod]\n");
    sandbox.file(".ssh/config", "Host bastion\n");
    sandbox.file(".config/clustershell/groups.conf", "[Main]\ndefault: sites\nautodir: $CFGDIR/groups.d\n");
    sandbox.file(".config/clustershell/groups.d/sites.yaml", "sites:\n  rack1: web1\n");
    sandbox.file("profiles/MySQL.yaml", "ami: ami-0123456789abcdef0\ntype: t3.micro\n");
    sandbox.env("CERVEZA_INVENTORY", "fleet.jsonl").env("TERM", "dumb");
    sandbox
}

fn completions(shell: &str) -> String {
    kit::root().join("completions").join(shell).display().to_string()
}

/// What Tab makes of each line, and of the first letters of --help of each tool.
fn expected() -> Vec<(String, String)> {
    let help = |tool: String| (format!("{tool} --hel"), format!("{tool} --help"));
    let lines = LINES.map(|(typed, completed)| (typed.to_string(), completed.to_string()));
    lines.into_iter().chain(tools().into_iter().map(help)).collect()
}

/// Types the lines into an interactive shell. `rc` is its startup file.
fn press_tab(shell: &str, rc: (&str, String), args: &[&str]) {
    let sandbox = sandbox();
    sandbox.file(rc.0, rc.1);
    let typed: String = expected().iter().map(|(typed, _)| format!("{typed}\n")).collect();
    sandbox.file("typed", typed);
    let mut command = sandbox.command("timeout");
    command.arg("240").arg(kit::root().join("tests/pages/press-tab.zsh")).arg(shell).args(args);
    command.stdin(std::fs::File::open(sandbox.dir().join("typed")).expect("the lines"));
    let output = run("zsh", &mut command);
    let text = String::from_utf8_lossy(&output.stdout);
    let completed: Vec<&str> = text.lines().map(str::trim_end).collect();
    let expected: Vec<String> = expected().into_iter().map(|(_, completed)| completed).collect();
    assert_eq!(completed, expected, "{shell}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn bash_completes_lines() {
    let rc = format!(
        "PS1='ready> '\nfor file in '{}'/*; do source \"$file\"; done\n\
         show() {{ printf '<<%s>>\\n' \"$READLINE_LINE\"; READLINE_LINE=; }}\nbind -x '\"\\C-g\": show'\n",
        completions("bash")
    );
    press_tab("bash", ("bashrc", rc), &["--rcfile", "bashrc", "-i"]);
}

#[test]
fn zsh_completes_lines() {
    let rc = format!(
        "PS1='ready> '\nfpath=('{}' $fpath)\nautoload -U compinit && compinit -u -D\n\
         show() {{ zle -I; print -r -- \"<<$BUFFER>>\"; BUFFER= }}\nzle -N show; bindkey '^G' show\n",
        completions("zsh")
    );
    press_tab("zsh", (".zshrc", rc), &["-d", "-i"]);
}

#[test]
fn fish_completes_lines() {
    let sandbox = sandbox();
    let files = completions("fish");
    let ask = |typed: &str| format!("complete -C '{}'; echo ---\n", typed.replace('\'', "\\'"));
    let lines: String = expected().iter().map(|(typed, _)| ask(typed)).collect();
    sandbox.file("ask.fish", format!("for file in {files}/*; source $file; end\n{lines}"));
    let mut command = sandbox.command("fish");
    command.args(["--no-config", "ask.fish"]);
    let output = run("fish", &mut command);
    let text = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<&str> = text.split("---\n").collect();
    for ((typed, completed), answer) in expected().iter().zip(answers) {
        // fish prints the last word, without quotes, and a tab before its explanation.
        let word = completed.rsplit([' ', '\'']).find(|word| !word.is_empty()).unwrap_or_default();
        let words: Vec<&str> = answer.lines().map(|line| line.split('\t').next().unwrap_or_default()).collect();
        let expected = if typed == completed { vec![] } else { vec![word] };
        assert_eq!(words, expected, "fish: {typed}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn completions_of_bash_are_clean_to_shellcheck() {
    for tool in tools() {
        let path = format!("{}/{tool}", completions("bash"));
        let output = run("shellcheck", Command::new("shellcheck").args(["--shell=bash", &path]).stdin(Stdio::null()));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
