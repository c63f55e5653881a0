//! `--diff`: shows how the output of a group differs from that of the largest group.

use crate::display::group::Group;
use crate::display::style::{GREEN, RED, Style};
use similar::{ChangeTag, TextDiff};
use std::time::{Duration, Instant};

/// The time limit of one comparison. A longer one gives a coarser result.
const EACH: Duration = Duration::from_millis(500);
/// The time limit of all comparisons of a run.
const ALL: Duration = Duration::from_secs(10);

pub struct Differ {
    until: Instant,
}

impl Differ {
    pub fn new() -> Differ {
        Differ { until: Instant::now() + ALL }
    }

    /// Adds the unified diff of one stream, with `mark` before each line. Adds nothing if both are the same.
    pub fn show(&mut self, text: &mut Vec<u8>, style: &Style, mark: &[u8], old: &[u8], new: &[u8]) {
        if old == new {
            return;
        }
        let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
        if old == new {
            return style.push_line(text, mark, b"differs in bytes that are no text");
        }
        let deadline = self.until.min(Instant::now() + EACH);
        let diff = TextDiff::configure().deadline(deadline).diff_lines(old.as_ref(), new.as_ref());
        for hunk in diff.unified_diff().context_radius(2).iter_hunks() {
            style.push_line(text, mark, hunk.header().to_string().as_bytes());
            for change in hunk.iter_changes() {
                let (sign, colour) = match change.tag() {
                    ChangeTag::Delete => ("-", Some(RED)),
                    ChangeTag::Insert => ("+", Some(GREEN)),
                    ChangeTag::Equal => (" ", None),
                };
                let sign = colour.map_or_else(|| sign.to_string(), |colour| style.coloured(colour, sign));
                let line = change.value().trim_end_matches('\n');
                style.push_line(text, &[mark, sign.as_bytes()].concat(), line.as_bytes());
                if change.missing_newline() {
                    style.push_line(text, mark, b"\\ no newline at the end");
                }
            }
        }
    }
}

/// Returns the largest group whose command ended by itself. Other groups are compared with it.
pub fn base(groups: &[Group]) -> Option<usize> {
    let ended = groups.iter().enumerate().filter(|(_, group)| group.ended());
    // Of several largest groups, the first: max_by_key returns the last.
    ended.rev().max_by_key(|(_, group)| group.len()).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::display::group::tests::groups;
    use crate::display::style::tests::outcome;
    use crate::output::outcome::HostStatus;

    #[test]
    fn others_are_shown_by_what_they_print_otherwise() {
        let all = groups(&[
            ("c", outcome(HostStatus::Ok, "a\nb\nc\nd\ne", "warn\n")),
            ("a", outcome(HostStatus::Ok, "a\nb\nc\nd\n", "")),
            ("b", outcome(HostStatus::Ok, "a\nb\nc\nd\n", "")),
            ("d", outcome(HostStatus::Failed, "a\nb\nc\nd\n", "")),
            ("e", outcome(HostStatus::Ok, "", "")),
            ("f", outcome(HostStatus::Unreachable, "", "")),
        ]);
        let at = base(&all).unwrap();
        let mut text = Vec::new();
        let others = all.iter().enumerate().filter(|(other, _)| *other != at);
        others.for_each(|(_, group)| group.show_against(&mut text, &Style::default(), &mut Differ::new(), &all[at]));
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "e: ok, no output\n  @@ -1,4 +0,0 @@\n  -a\n  -b\n  -c\n  -d\n\
             c: ok\n  @@ -3,2 +3,3 @@\n   c\n   d\n  +e\n  \\ no newline at the end\n! @@ -0,0 +1 @@\n! +warn\n\
             d: failed, output as above\n\
             f: unreachable\n"
        );
    }

    #[test]
    fn binary_and_hostile_output_does_nothing_to_the_terminal() {
        let mut text = Vec::new();
        let mut show = |old: &[u8], new: &[u8]| {
            Differ::new().show(&mut text, &Style::default(), b"  ", old, new);
            String::from_utf8(std::mem::take(&mut text)).unwrap()
        };
        assert_eq!(show(b"\xff", b"\xfe"), "  differs in bytes that are no text\n");
        assert_eq!(show(b"", b"\x1b[2J\rx\n"), "  @@ -0,0 +1,2 @@\n  +\\u{1b}[2J\\r\n  +x\n");
    }
}
