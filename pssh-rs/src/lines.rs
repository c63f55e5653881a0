//! A host's outcome as lines for people: each line of its output after the host's name.

use crate::outcome::{HostStatus, Outcome};
use cerveza_manners::visible;
use std::fmt::Write;

/// The text for one host; empty where it is ok and said nothing.
pub fn host_lines(host: &str, outcome: &Outcome, colour: bool) -> String {
    let (name, bad) = match colour {
        true => (format!("\x1b[1m{}\x1b[0m", visible(host)), ("\x1b[31m", "\x1b[0m")),
        false => (visible(host).into_owned(), ("", "")),
    };
    let mut text = String::new();
    for output in [&outcome.stdout, &outcome.stderr] {
        for line in String::from_utf8_lossy(&output.bytes).lines() {
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(text, "{name}: {}", shown(line));
        }
        if output.truncated {
            let _ = writeln!(text, "{name}: {}[the rest was not kept]{}", bad.0, bad.1);
        }
    }
    if outcome.status != HostStatus::Ok {
        let error = outcome.error.as_deref().unwrap_or_default();
        let status = outcome.status.name();
        let _ = writeln!(text, "{name}: {}{status}: {}{}", bad.0, visible(error), bad.1);
    }
    text
}

/// A line of remote output that can do nothing to the terminal; tabs stay.
fn shown(line: &str) -> String {
    line.split('\t').map(visible).collect::<Vec<_>>().join("\t")
}

/// The last line that says something: of stdout, else of stderr, else the error.
pub fn last_line(outcome: &Outcome) -> String {
    let last = |bytes: &[u8]| {
        let tail = &bytes[bytes.len().saturating_sub(4096)..];
        let text = String::from_utf8_lossy(tail);
        let line = text.lines().rev().find(|line| !line.trim().is_empty());
        line.map(|line| line.trim().to_string())
    };
    let error = || outcome.error.clone().filter(|_| outcome.status != HostStatus::Ok);
    let line = last(&outcome.stdout.bytes).or_else(|| last(&outcome.stderr.bytes)).or_else(error);
    line.unwrap_or_default().chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Phase;

    fn outcome(status: HostStatus, stdout: &str, stderr: &str) -> Outcome {
        let mut outcome = Outcome::new(status, Some(Phase::Exec));
        outcome.stdout.take(stdout.as_bytes());
        outcome.stderr.take(stderr.as_bytes());
        outcome
    }

    #[test]
    fn every_line_names_its_host_and_none_moves_the_cursor() {
        let ok = outcome(HostStatus::Ok, "a\tb\r\n\x1b[2Jc", "warn\n");
        assert_eq!(host_lines("web1", &ok, false), "web1: a\tb\nweb1: \\u{1b}[2Jc\nweb1: warn\n");
        assert_eq!(host_lines("web1", &outcome(HostStatus::Ok, "", ""), false), "");
        let failed = Outcome { error: Some("exit status 3".to_string()), ..outcome(HostStatus::Failed, "", "") };
        assert_eq!(host_lines("w\n1", &failed, false), "w\\n1: failed: exit status 3\n");
        assert_eq!(host_lines("w", &failed, true), "\x1b[1mw\x1b[0m: \x1b[31mfailed: exit status 3\x1b[0m\n");
    }

    #[test]
    fn the_last_line_is_of_what_there_is() {
        assert_eq!(last_line(&outcome(HostStatus::Ok, "a\n b \n\n", "c\n")), "b");
        assert_eq!(last_line(&outcome(HostStatus::Ok, "", "c\n")), "c");
        assert_eq!(last_line(&outcome(HostStatus::Ok, "", "")), "");
    }
}
