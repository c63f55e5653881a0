use super::*;
use crate::display::style::tests::outcome;
use clap::Parser;

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    display: DisplayArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn out(words: &[&str], on_terminal: bool) -> Result<Renderer> {
    let args = Args::parse_from(["x"].iter().chain(words));
    Renderer::on(&args.display, &args.output, ["a", "b", "c10"].into_iter(), on_terminal, &Tool { name: "x" })
}

/// Returns what is written for two hosts that finish in reverse order.
fn written(words: &[&str], on_terminal: bool) -> String {
    let mut out = out(words, on_terminal).unwrap();
    out.output(1, "b", Stream::Stdout, b"one\n");
    out.done(1, &Record::named("b"), outcome(HostStatus::Ok, "one\n", ""));
    out.output(0, "a", Stream::Stderr, b"two");
    out.done(0, &Record::named("a"), outcome(HostStatus::Lost, "", "two"));
    String::from_utf8(out.text).unwrap()
}

#[test]
fn each_view_shows_the_hosts_in_its_way() {
    assert_eq!(written(&["--color", "never"], true), "b:   one\na!   two\na=   lost\n");
    assert_eq!(written(&["--lines"], false), "b: one\na: ! two\na: = lost\n");
    assert_eq!(written(&["--color", "never", "--ordered"], true), "a!   two\na=   lost\nb:   one\n");
    assert_eq!(written(&["-1"], true), "b\na\n");
    assert_eq!(written(&["--ordered", "-o", "names"], false), "a\nb\n");
    let table = written(&["-o", "table"], true);
    assert_eq!(table.lines().map(|line| line.split("  ").next().unwrap()).collect::<Vec<_>>(), ["HOST", "b", "a"]);
    assert_eq!(written(&["-o", "tsv", "--columns", "host,status"], false), "host\tstatus\nb\tok\na\tlost\n");
    let mut sorted = out(&["--sort", "host", "-1"], false).unwrap();
    for host in ["b", "a"] {
        sorted.done(0, &Record::named(host), outcome(HostStatus::Ok, "", ""));
    }
    let View::Rows(writer) = sorted.view else { panic!("not sorted") };
    assert_eq!(String::from_utf8(writer.into_text()).unwrap(), "a\nb\n");
    let records = written(&[], false);
    assert!(records.starts_with(r#"{"host":"b","status":"ok","#), "{records}");
    assert_eq!(records.lines().count(), 2);
    assert!(written(&["--ordered"], false).starts_with(r#"{"host":"a","status":"lost","#));
}

#[test]
fn groups_are_text_wherever_they_go_and_are_asked_for_in_no_other_form() {
    for on_terminal in [true, false] {
        assert!(matches!(out(&["-b"], on_terminal).unwrap().view, View::Groups { diff: false, .. }));
        assert!(matches!(out(&["--diff"], on_terminal).unwrap().view, View::Groups { diff: true, .. }));
    }
    let refused = out(&["--diff", "-o", "json"], false).err().unwrap();
    assert_eq!(refused.message, "--diff is text for people and goes with no --output");
    assert!(out(&["-b", "-1"], true).is_err());
    for both in [["-b", "--diff"], ["-b", "--ordered"], ["--diff", "--ordered"]] {
        assert!(Args::try_parse_from(["x"].iter().chain(&both)).is_err());
    }
}

#[test]
fn only_a_terminal_is_shown_lines_as_they_come() {
    assert!(out(&[], true).unwrap().is_live());
    assert!(!out(&[], false).unwrap().is_live());
    assert!(!out(&["-o", "json"], true).unwrap().is_live());
    assert!(!out(&["--ordered"], true).unwrap().is_live());
}
