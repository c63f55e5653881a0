//! Reads the hand-written part of a page, `TOOL/manual.roff`: man(7) sections.

use super::roff;
use cerveza_manners::{Failure, Result};

/// Sections with their titles, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Manual {
    sections: Vec<(String, String)>,
}

impl Manual {
    /// Reads the sections. Between `.EX` and `.EE` is plain text.
    pub fn parse(path: &str, source: &str) -> Result<Manual> {
        let mut manual = Manual::default();
        let mut in_example = false;
        for (number, line) in source.lines().enumerate() {
            let wrong = |why: &str| Failure::usage(format!("{path}: line {}: {why}", number + 1));
            if let Some(title) = line.strip_prefix(".SH ") {
                manual.sections.push((title.trim_matches('"').to_string(), String::new()));
                continue;
            }
            let Some((_, body)) = manual.sections.last_mut() else {
                return Err(wrong("text before the first .SH"));
            };
            let text = match line {
                ".EX" if in_example => return Err(wrong(".EX within .EX")),
                ".EX" if starts_section(body) => ".RS 4\n.EX".to_string(),
                ".EX" => ".PP\n.RS 4\n.EX".to_string(),
                ".EE" if !in_example => return Err(wrong(".EE without .EX")),
                ".EE" => ".EE\n.RE".to_string(),
                line if in_example => roff::literal(line),
                line => line.to_string(),
            };
            in_example = (in_example || line == ".EX") && line != ".EE";
            body.push_str(&text);
            body.push('\n');
        }
        match in_example {
            true => Err(Failure::usage(format!("{path}: .EX without .EE"))),
            false => Ok(manual),
        }
    }

    /// Removes a section and returns its text, which is empty if there is none.
    pub fn take(&mut self, title: &str) -> String {
        match self.sections.iter().position(|(found, _)| found == title) {
            Some(at) => self.sections.remove(at).1,
            None => String::new(),
        }
    }

    /// Returns the sections that were not taken.
    pub fn rest(self) -> Vec<(String, String)> {
        self.sections
    }
}

/// Returns whether a paragraph macro here would follow a heading, which mandoc warns about.
fn starts_section(body: &str) -> bool {
    body.lines().next_back().is_none_or(|line| line.starts_with(".SS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_sections_and_escapes_examples() {
        let source = ".SH DESCRIPTION\nIt \\- does.\n.SH \"ITS WAYS\"\n.SS w\n.EX\nx\n.EE\n.SH EXAMPLES\nSo:\n.EX\n$ it 'x-y'\n.EE\n";
        let mut manual = Manual::parse("x", source).unwrap();
        assert_eq!(manual.take("DESCRIPTION"), "It \\- does.\n");
        assert_eq!(manual.take("EXAMPLES"), "So:\n.PP\n.RS 4\n.EX\n$ it \\(aqx\\-y\\(aq\n.EE\n.RE\n");
        assert_eq!(manual.take("FILES"), "");
        assert_eq!(manual.rest(), [("ITS WAYS".to_string(), ".SS w\n.RS 4\n.EX\nx\n.EE\n.RE\n".to_string())]);
    }

    #[test]
    fn an_error_names_its_line() {
        let why = |source| Manual::parse("x/manual.roff", source).unwrap_err().message;
        assert_eq!(why("text\n"), "x/manual.roff: line 1: text before the first .SH");
        assert_eq!(why(".SH A\n.EE\n"), "x/manual.roff: line 2: .EE without .EX");
        assert_eq!(why(".SH A\n.EX\n"), "x/manual.roff: .EX without .EE");
    }
}
