//! Splits a MIME message into parts like Python's email.feedparser, which cloud-init uses. It differs from the RFCs, so no
//! crate gives the same parts.

use crate::read::parameter::parameter;

/// A part that contains no other parts.
#[derive(Debug)]
pub(crate) struct Entity {
    pub headers: Headers,
    /// The body before its transfer encoding is decoded.
    pub body: Vec<u8>,
}

/// Names and unfolded values.
#[derive(Debug)]
pub(crate) struct Headers(Vec<(String, String)>);

/// The nesting limit, which protects the stack.
const DEEPEST: usize = 50;

/// Returns the parts of the message in order, and what is wrong with its structure.
pub(crate) fn parse(text: &[u8]) -> (Vec<Entity>, Vec<String>) {
    let mut parsed = Parsed { entities: Vec::new(), problems: Vec::new() };
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    parsed.entity(&lines, 0);
    (parsed.entities, parsed.problems)
}

struct Parsed {
    entities: Vec<Entity>,
    problems: Vec<String>,
}

impl Parsed {
    fn entity(&mut self, lines: &[&[u8]], depth: usize) {
        if depth > DEEPEST {
            self.problems.push(format!("has parts in parts more than {DEEPEST} deep, which are not looked into"));
            return;
        }
        let (headers, mut rest) = headers(lines);
        match rest.split_first() {
            Some((line, behind)) if is_newline(line) => rest = behind,
            Some(_) => self.problems.push(
                "a line among the headers is not a header: cloud-init would take the content to begin there"
                    .to_string(),
            ),
            None => {}
        }
        if !headers.content_type().starts_with("multipart/") {
            self.entities.push(Entity { headers, body: rest.concat() });
            return;
        }
        let Some(boundary) = headers.parameter("content-type", "boundary") else {
            self.problems.push("names no boundary: cloud-init would see no parts".to_string());
            return;
        };
        self.parts(rest, boundary.trim_end(), depth);
    }

    fn parts(&mut self, lines: &[&[u8]], boundary: &str, depth: usize) {
        let (mut start, mut closed) = (None, false);
        for (at, line) in lines.iter().enumerate() {
            let Some(is_last) = separator(line, boundary) else { continue };
            match start {
                // Separators one after another are one, also where the last is among them.
                Some(start) if start == at => {}
                Some(start) => {
                    let mut part = lines[start..at].to_vec();
                    // The newline before a separator is the separator's.
                    if let Some(last) = part.last_mut() {
                        *last = without_newline(last);
                    }
                    self.entity(&part, depth + 1);
                    closed = is_last;
                }
                None => closed = is_last,
            }
            start = Some(at + 1);
            if closed {
                break;
            }
        }
        match (start, closed) {
            (None, _) => self.problems.push("no line is its boundary: cloud-init would see no parts".to_string()),
            (Some(_), true) => {}
            (Some(start), false) => {
                self.problems.push("its last boundary is missing: it may be cut off".to_string());
                if start < lines.len() {
                    self.entity(&lines[start..], depth + 1);
                }
            }
        }
    }
}

impl Headers {
    /// Returns the first value of that name, in upper or lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns the first value of exactly that name. cloud-init looks for some of its own headers this way.
    pub fn get_spelled(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Returns the content type, or `text/plain` if there is none or it is malformed.
    pub fn content_type(&self) -> String {
        let value = self.get("content-type").unwrap_or_default();
        let mime = value.split(';').next().unwrap_or_default().trim().to_lowercase();
        match mime.split('/').count() {
            2 => mime,
            _ => "text/plain".to_string(),
        }
    }

    pub fn name(&self) -> Option<String> {
        let name = self.parameter("content-disposition", "filename").or_else(|| self.parameter("content-type", "name"));
        name.map(|name| name.trim().to_string()).filter(|name| !name.is_empty())
    }

    fn parameter(&self, header: &str, name: &str) -> Option<String> {
        parameter(self.get(header)?, name)
    }
}

/// Returns the headers and the lines after them.
fn headers<'a, 'b>(lines: &'a [&'b [u8]]) -> (Headers, &'a [&'b [u8]]) {
    let is_header = |line: &&[u8]| {
        let name = line.iter().take_while(|byte| matches!(byte, b'!'..=b'9' | b';'..=b'~')).count();
        matches!(line.first(), Some(b' ' | b'\t')) || line.get(name) == Some(&b':')
    };
    let end = lines.iter().position(|line| !is_header(line)).unwrap_or(lines.len());
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in &lines[..end] {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\r', '\n']);
        match text.split_once(':') {
            _ if text.starts_with([' ', '\t']) => {
                if let Some((_, value)) = headers.last_mut() {
                    value.push_str(text);
                }
            }
            Some((name, value)) => headers.push((name.to_string(), value.trim_start_matches([' ', '\t']).to_string())),
            None => {}
        }
    }
    (Headers(headers), &lines[end..])
}

fn is_newline(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

fn without_newline(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n")).unwrap_or(line)
}

/// Returns `None` if the line is not a boundary, else whether it is the last boundary.
fn separator(line: &[u8], boundary: &str) -> Option<bool> {
    let rest = without_newline(line).strip_prefix(b"--")?.strip_prefix(boundary.as_bytes())?;
    let is_blank = |rest: &[u8]| rest.iter().all(|byte| matches!(byte, b' ' | b'\t'));
    match rest.strip_prefix(b"--") {
        Some(rest) if is_blank(rest) => Some(true),
        _ => is_blank(rest).then_some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        let (entities, problems) = parse(text.as_bytes());
        let shown = |entity: Entity| (entity.headers.content_type(), String::from_utf8(entity.body).unwrap());
        (entities.into_iter().map(shown).collect(), problems)
    }

    fn plain(body: &str) -> (String, String) {
        ("text/plain".to_string(), body.to_string())
    }

    const HEAD: &str = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"B\"\n\n";

    #[test]
    fn parts_are_between_boundary_lines() {
        let (found, problems) =
            parts(&format!("{HEAD}--Bx\npreamble\n--B\n\none\n--BB\n\n--B \n--B\nX: y\n\ntwo--B--\n--B--\t\nepilogue"));
        assert_eq!((found, problems), (vec![plain("one\n--BB\n"), plain("two--B--")], vec![]));
        let (found, _) = parts(&format!("{}\r\n--B\r\n\r\na\r\n\r\n--B--\r\n", HEAD.replace('\n', "\r\n")));
        assert_eq!(found, [plain("a\r\n")]);
    }

    #[test]
    fn consecutive_boundaries_count_as_one() {
        let (found, problems) = parts(&format!("{HEAD}--B\n\na\n--B\n--B--\n\nepilogue\n"));
        assert_eq!(found, [plain("a"), plain("epilogue\n")]);
        assert_eq!(problems, ["its last boundary is missing: it may be cut off"]);
    }

    #[test]
    fn parts_can_contain_parts() {
        let inner = "Content-Type: Multipart/Mixed;\n boundary=C\n\n--C\nContent-Type: text/x-y\n\n1\n--C--\n";
        let (found, _) = parts(&format!("{HEAD}--B\n{inner}\n--B\n\n2\n--B--\n"));
        assert_eq!(found, [("text/x-y".to_string(), "1".to_string()), plain("2")]);
        let mut deep = String::new();
        for at in 0..60 {
            deep += &format!("Content-Type: multipart/mixed; boundary=b{at}\n\n--b{at}\n");
        }
        let told = "has parts in parts more than 50 deep, which are not looked into";
        assert!(parts(&deep).1.iter().any(|problem| problem == told));
    }

    #[test]
    fn a_message_that_is_cut_off_or_has_no_parts_is_a_problem() {
        let problem = |text: String| parts(&text).1.join("; ");
        assert_eq!(problem(format!("{HEAD}--B\n\none")), "its last boundary is missing: it may be cut off");
        assert_eq!(problem(HEAD.to_string()), "no line is its boundary: cloud-init would see no parts");
        assert_eq!(
            problem("Content-Type: multipart/mixed\n\n".to_string()),
            "names no boundary: cloud-init would see no parts"
        );
    }

    #[test]
    fn the_first_line_that_is_not_a_header_starts_the_content() {
        let (found, problems) = parts("#!/bin/sh\n# MIME-Version: 1.0\necho\n");
        assert_eq!(found, [plain("#!/bin/sh\n# MIME-Version: 1.0\necho\n")]);
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn a_name_is_in_either_header_and_a_type_has_one_slash() {
        let entity = |headers: &str| parse(format!("{headers}\n\nx").as_bytes()).0.remove(0).headers;
        assert_eq!(entity("Content-Disposition: attachment; filename=\"a b.sh\"").name().as_deref(), Some("a b.sh"));
        assert_eq!(entity("Content-Disposition: attachment; filename*=utf-8''%C3%A9").name().as_deref(), Some("é"));
        assert_eq!(entity("content-type: text/x; name=n").name().as_deref(), Some("n"));
        for none in ["Content-Type: foo", "Content-Type: a/b/c", "Content-Type:", "X: y"] {
            assert_eq!(entity(none).content_type(), "text/plain", "{none}");
        }
    }
}
