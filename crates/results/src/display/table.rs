//! Writes a table row by row. The widths of its columns are set before the first row.

use crate::display::style::{last_line, width_of};
use crate::output::outcome::Outcome;
use cerveza_manners::{columns, visible};

pub struct Table {
    width: usize,
    begun: bool,
}

impl Table {
    pub fn new<'a>(hosts: impl Iterator<Item = &'a str>) -> Table {
        Table { width: width_of(hosts, usize::MAX), begun: false }
    }

    /// Adds a row. It shows only the last line of the output.
    pub fn row(&mut self, text: &mut Vec<u8>, host: &str, outcome: &Outcome) {
        if !self.begun {
            self.begun = true;
            self.line(text, ["HOST", "STATUS", "EXIT", "MS", "OUTPUT"]);
        }
        let exit = outcome.exit_code.map_or_else(|| "-".to_string(), |code| code.to_string());
        let ms = outcome.duration.as_millis().to_string();
        let last = last_line(outcome);
        let last = if last.is_empty() { "-" } else { &last };
        self.line(text, [&visible(host), outcome.status.name(), &exit, &ms, &visible(last)]);
    }

    fn line(&self, text: &mut Vec<u8>, [host, status, exit, ms, output]: [&str; 5]) {
        // Rust pads by characters, but some characters are two columns wide.
        let pad = " ".repeat(self.width.max(4).saturating_sub(columns(host)));
        let line = format!("{host}{pad}  {status:<11}  {exit:<4}  {ms:<8}  {output}");
        text.extend_from_slice(line.trim_end().as_bytes());
        text.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::display::style::tests::outcome;
    use crate::output::outcome::HostStatus;
    use std::time::Duration;

    #[test]
    fn rows_are_aligned_though_they_come_one_by_one() {
        let mut table = Table::new(["db1.example.com", "w"].into_iter());
        let mut text = Vec::new();
        let failed = Outcome { exit_code: Some(3), ..outcome(HostStatus::Failed, "", "a\nb\x1b[2J\n") };
        table.row(&mut text, "w", &Outcome { duration: Duration::from_millis(12), ..failed });
        table.row(&mut text, "db1.example.com", &outcome(HostStatus::Unreachable, "", ""));
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "HOST             STATUS       EXIT  MS        OUTPUT\n\
             w                failed       3     12        b\\u{1b}[2J\n\
             db1.example.com  unreachable  -     0         -\n"
        );
    }

    #[test]
    fn long_and_wide_names_stay_aligned() {
        // EC2's private names have up to 49 characters; a Name tag has up to 256.
        let long = ["ip-172-31-255-255.ap-northeast-1.compute.internal".to_string(), "x".repeat(41), "n".repeat(256)];
        for name in long.iter().map(String::as_str).chain(["日本", "é\u{301}"]) {
            let mut table = Table::new([name, "db1"].into_iter());
            let mut text = Vec::new();
            for host in [name, "db1"] {
                let ok = Outcome { exit_code: Some(0), ..outcome(HostStatus::Ok, "up\n", "") };
                table.row(&mut text, host, &Outcome { duration: Duration::from_secs(9999), ..ok });
            }
            let text = String::from_utf8(text).unwrap();
            let at = |line: &str, word: &str| columns(&line[..line.find(word).unwrap()]);
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!([at(lines[1], "ok"), at(lines[2], "ok")], [at(lines[0], "STATUS"); 2], "{text}");
            assert_eq!([at(lines[1], "up"), at(lines[2], "up")], [at(lines[0], "OUTPUT"); 2], "{text}");
        }
    }
}
