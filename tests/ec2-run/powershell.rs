//! `--shell powershell`: what is sent, and how SSM's answer is read. No PowerShell runs here.

use crate::{by_host, fleet, lines, set_agent};
use kit::ec2_server::{Action, Agent, Ping};
use std::time::Duration;

const END: &str = "\nif (-not $?) { if ($LASTEXITCODE) { exit $LASTEXITCODE } else { exit 1 } }";

fn answer(code: i32, stdout: &str) -> Agent {
    Agent::that(Action::Answer { after: Duration::ZERO, code, stdout: stdout.to_string() })
}

#[test]
fn the_script_is_sent_as_it_is() {
    let (ec2, sandbox) = fleet(&["win1"]);
    set_agent(&ec2, "win1", answer(0, "ok\r\n"));
    let script = "Get-Item \"C:\\Program Files\" | % { $_.Name + 'é' }\n# the end";
    for (words, sent) in [(&[script][..], script), (&["Get-Service", "-Name", "x"], "Get-Service -Name x")] {
        let args = [&["-w", "win1", "-t", "90", "--shell", "powershell", "--"], words].concat();
        let run = sandbox.run("ec2-run", &args, "").exits(0);
        assert_eq!(run.records()[0]["stdout"], "ok\r\n");
        let commands = ec2.region(|region| {
            let last = region.run_command.commands.last();
            last.map(|command| (command.document.clone(), command.script.clone()))
        });
        assert_eq!(commands, Some(("AWS-RunPowerShellScript".to_string(), format!("{sent}{END}"))));
    }
}

#[test]
fn exit_status_and_output_are_those_of_ssm() {
    let (ec2, sandbox) = fleet(&["a", "b", "c", "d", "e", "f"]);
    set_agent(&ec2, "a", answer(0, "x"));
    set_agent(&ec2, "b", answer(5, &"é".repeat(15_000)));
    // An access violation of Windows is a negative number.
    set_agent(&ec2, "c", answer(-1_073_741_819, ""));
    set_agent(&ec2, "d", Agent::that(Action::End("Undeliverable")));
    set_agent(&ec2, "f", Agent::with_ping(Ping::ConnectionLost));
    let run = sandbox.run("ec2-run", &["-w", "[a-f]", "--shell", "powershell", "Get-Host"], "").exits(3);
    let expected = [
        "a ok exec 0",
        "b failed exec 5",
        "c failed exec null",
        "d unreachable deliver null",
        // It runs Linux.
        "e unreachable deliver null",
        "f unreachable deliver null",
    ];
    assert_eq!(lines(&run), expected);
    let records = by_host(&run);
    assert_eq!((&records[0]["stdout"], &records[0]["truncated"]), (&"x".into(), &serde_json::Value::Null));
    let text = records[1]["stdout"].as_str().unwrap_or_default();
    assert!(text.starts_with("éé") && text.ends_with("é\n[ec2-run: the rest was left out]\n"), "{}", text.len());
    assert_eq!(records[1]["truncated"], true);
    assert!(records[4]["error"].as_str().unwrap_or_default().contains("--shell sh"), "{}", records[4]);
}

#[test]
fn what_powershell_cannot_have_is_refused() {
    let (ec2, sandbox) = fleet(&["win1"]);
    for (args, message) in [
        (&["--user", "x", "Get-Host"][..], "--user is for --shell sh only"),
        (&["--env", "A=b", "Get-Host"], "--env is for --shell sh only"),
        (&["--chdir", "x", "Get-Host"], "--chdir is for --shell sh only"),
        (&["--script", "x.ps1"], "--script is for --shell sh only"),
        (&["'{{x}}'"], "which SSM would replace"),
    ] {
        let args = [&["-w", "win1", "--shell", "powershell"], args].concat();
        let run = sandbox.run("ec2-run", &args, "").exits(2);
        assert!(run.stderr.contains(message), "{}", run.stderr);
    }
    assert_eq!(ec2.count("SendCommand"), 0);
}
