//! The message: the parts one after another, and a boundary that occurs in none of them.

use crate::name;
use crate::part::Body;

/// The message of the parts, each a name and a body. It is ASCII, and the same parts give the same bytes.
pub(crate) fn message(parts: &[(&str, &Body)]) -> Vec<u8> {
    let boundary = boundary(parts);
    let mut text = format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary={boundary}\n").into_bytes();
    for (name, body) in parts {
        text.extend(format!("\n--{boundary}\nContent-Type: {}\n", body.kind.mime()).bytes());
        if let Some(encoding) = body.encoded.header() {
            text.extend(format!("Content-Transfer-Encoding: {encoding}\n").bytes());
        }
        let filename = name::parameter(name);
        text.extend(format!("Content-Disposition: attachment; {filename}\n\n").bytes());
        text.extend(body.encoded.text());
    }
    text.extend(format!("\n--{boundary}--\n").bytes());
    text
}

/// The first of `cerveza`, `cerveza1`, `cerveza2`... that no part has in it.
fn boundary(parts: &[(&str, &Body)]) -> String {
    let occurs = |boundary: &str| parts.iter().any(|(_, body)| contains(body.encoded.text(), boundary.as_bytes()));
    let mut boundary = "cerveza".to_string();
    let mut number = 0;
    while occurs(&boundary) {
        number += 1;
        boundary = format!("cerveza{number}");
    }
    boundary
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(parts: &[(&str, &str)]) -> String {
        let bodies: Vec<_> =
            parts.iter().map(|(name, content)| (*name, Body::new(content.as_bytes()).unwrap())).collect();
        let bodies: Vec<_> = bodies.iter().map(|(name, body)| (*name, body)).collect();
        String::from_utf8(message(&bodies)).unwrap()
    }

    #[test]
    fn the_message_is_short_and_has_no_more_newlines_than_the_parts() {
        assert_eq!(
            text(&[("a.sh", "#!/bin/sh"), ("b.txt", "#cloud-config\nx: é\n")]),
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
    fn the_boundary_occurs_in_no_part() {
        let text = text(&[("a.sh", "#!/bin/sh\n--cerveza\n"), ("b.sh", "#!/bin/sh\n# cerveza1\n")]);
        assert!(text.contains("boundary=cerveza2\n"), "{text}");
    }
}
