//! Puts parts into a MIME message, with a boundary that occurs in none of them.

use crate::build::encoding::Encoded;
use memchr::memmem;
use std::fmt::Write;

/// The bytes of a part in the message, from its first header to its last byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block(Vec<u8>);

/// The headers of a part, without its encoding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Headers<'a> {
    pub content_type: &'a str,
    pub name: &'a str,
    pub merge_type: Option<&'a str>,
    pub launch_index: Option<u32>,
}

impl Block {
    pub fn new(headers: &Headers, content: &[u8]) -> Block {
        let encoded = Encoded::new(content);
        let mut text = format!("Content-Type: {}\n", headers.content_type);
        if let Some(encoding) = encoded.header() {
            text += &format!("Content-Transfer-Encoding: {encoding}\n");
        }
        text += &format!("Content-Disposition: attachment; {}\n", filename(headers.name));
        if let Some(merge_type) = headers.merge_type {
            text += &format!("X-Merge-Type: {merge_type}\n");
        }
        if let Some(launch_index) = headers.launch_index {
            text += &format!("Launch-Index: {launch_index}\n");
        }
        text.push('\n');
        Block([text.as_bytes(), encoded.text()].concat())
    }

    /// The content without headers, for user-data that is not a message.
    pub fn raw(content: &[u8]) -> Block {
        Block(content.to_vec())
    }

    pub fn text(&self) -> &[u8] {
        &self.0
    }

    pub fn contains(&self, word: &str) -> bool {
        memmem::find(&self.0, word.as_bytes()).is_some()
    }
}

/// Returns the message of the blocks. It is ASCII, and the same blocks give the same bytes.
pub(crate) fn message<'a>(blocks: impl Iterator<Item = &'a Block>, boundary: &str) -> Vec<u8> {
    let mut text = beginning(blocks, boundary);
    text.extend(format!("\n--{boundary}--\n").bytes());
    text
}

/// Returns the beginning of a message that starts with these blocks.
pub(crate) fn beginning<'a>(blocks: impl Iterator<Item = &'a Block>, boundary: &str) -> Vec<u8> {
    let parameter = parameter(boundary);
    let mut text = format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary={parameter}\n").into_bytes();
    for block in blocks {
        text.extend(format!("\n--{boundary}\n").bytes());
        text.extend(block.text());
    }
    text
}

/// Returns the first of `cerveza`, `cerveza1`, `cerveza2`... that occurs in no block.
pub(crate) fn boundary<'a>(blocks: impl Iterator<Item = &'a Block> + Clone) -> String {
    let mut boundary = "cerveza".to_string();
    let mut number = 0;
    while blocks.clone().any(|block| block.contains(&boundary)) {
        number += 1;
        boundary = format!("cerveza{number}");
    }
    boundary
}

/// Returns whether RFC 2046 allows the text as a boundary.
pub(crate) fn is_boundary(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    (1..=70).contains(&text.len()) && text.bytes().all(allowed) && !text.ends_with(' ')
}

/// Returns the name as a parameter of Content-Disposition: plain if possible, else as in RFC 2231.
fn filename(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.+".contains(&byte);
    if name.bytes().all(plain) {
        return format!("filename={name}");
    }
    let mut parameter = "filename*=utf-8''".to_string();
    for byte in name.bytes() {
        if plain(byte) {
            parameter.push(char::from(byte))
        } else {
            // Writing to a String cannot fail.
            _ = write!(parameter, "%{byte:02X}")
        }
    }
    parameter
}

/// Returns the boundary, in quotes if RFC 2045 requires them.
fn parameter(boundary: &str) -> String {
    if boundary.bytes().any(|byte| b"()<>@,;:\\\"/[]?= ".contains(&byte)) {
        format!("\"{boundary}\"")
    } else {
        boundary.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(content_type: &str, name: &str, content: &str) -> Block {
        let headers = Headers { content_type, name, merge_type: None, launch_index: None };
        Block::new(&headers, content.as_bytes())
    }

    #[test]
    fn the_message_is_short_and_has_no_more_newlines_than_the_parts() {
        let blocks = [
            block("text/x-shellscript", "a.sh", "#!/bin/sh"),
            block("text/cloud-config", "b.txt", "#cloud-config\nx: é\n"),
        ];
        assert_eq!(
            String::from_utf8(message(blocks.iter(), "cerveza")).unwrap(),
            "MIME-Version: 1.0\n\
             Content-Type: multipart/mixed; boundary=cerveza\n\
             \n--cerveza\n\
             Content-Type: text/x-shellscript\n\
             Content-Disposition: attachment; filename=a.sh\n\
             \n#!/bin/sh\n\
             --cerveza\n\
             Content-Type: text/cloud-config\n\
             Content-Transfer-Encoding: quoted-printable\n\
             Content-Disposition: attachment; filename=b.txt\n\
             \n#cloud-config\nx: =C3=A9\n\n\
             --cerveza--\n"
        );
    }

    #[test]
    fn merge_type_and_launch_index_are_headers() {
        let headers = Headers {
            content_type: "text/cloud-config",
            name: "a",
            merge_type: Some("list(append)"),
            launch_index: Some(0),
        };
        let text = String::from_utf8(Block::new(&headers, b"#cloud-config\n").0).unwrap();
        assert!(text.ends_with("filename=a\nX-Merge-Type: list(append)\nLaunch-Index: 0\n\n#cloud-config\n"), "{text}");
    }

    #[test]
    fn the_boundary_occurs_in_no_part() {
        let blocks = [block("text/plain", "a", "\n--cerveza\n"), block("text/plain", "b", "# cerveza1\n")];
        assert_eq!(boundary(blocks.iter()), "cerveza2");
    }

    #[test]
    fn a_boundary_follows_rfc_2046_and_is_quoted_if_necessary() {
        assert!(["x", "==MYBOUNDARY==", "a b", &"x".repeat(70)].into_iter().all(is_boundary));
        assert!(!["", "a ", "é", "a\n", "a\"b", &"x".repeat(71)].into_iter().any(is_boundary));
        assert_eq!(parameter("==X=="), "\"==X==\"");
        assert_eq!(parameter("cerveza"), "cerveza");
    }

    #[test]
    fn a_plain_name_stands_as_it_is_and_any_other_is_percent_encoded() {
        assert_eq!(filename("01-setup.sh"), "filename=01-setup.sh");
        assert_eq!(filename("a \"é;.sh"), "filename*=utf-8''a%20%22%C3%A9%3B.sh");
    }
}
