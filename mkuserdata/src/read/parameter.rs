//! Parameters of headers, as `filename=a.sh` or, by RFC 2231, `filename*=utf-8''%C3%A9.sh`.

/// Returns the value of the parameter `name`, which is in lower case.
pub(crate) fn parameter(header: &str, name: &str) -> Option<String> {
    let mut pairs = split(header).into_iter().skip(1).filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(found, value)| match found.trim().to_lowercase() {
        found if found == name => Some(unquoted(value.trim())),
        found if found.strip_suffix('*') == Some(name) => Some(percent_decoded(&unquoted(value.trim()))),
        _ => None,
    })
}

/// Splits at the semicolons that are not in quotes. The first piece is the header's own value.
fn split(header: &str) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_end = |c: char| {
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        c == ';' && !is_quoted
    };
    header.split(is_end).collect()
}

fn unquoted(value: &str) -> String {
    match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        Some(value) => value.replace("\\\\", "\\").replace("\\\"", "\""),
        None => value.to_string(),
    }
}

/// Returns the text of `charset'language'text`, which is taken for UTF-8.
fn percent_decoded(value: &str) -> String {
    let mut rest = value.splitn(3, '\'').last().unwrap_or_default().as_bytes();
    let mut bytes = Vec::new();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_plain_quoted_or_percent_encoded() {
        let filename = |header: &str| parameter(header, "filename");
        for (header, expected) in [
            ("attachment; filename=a.sh", "a.sh"),
            ("attachment; FileName = \"a; b\\\"c.sh\" ; x=y", "a; b\"c.sh"),
            ("attachment; filename=a; filename=b", "a"),
            ("attachment; filename*=utf-8''%C3%A9.sh", "é.sh"),
            ("attachment; filename*=plain", "plain"),
        ] {
            assert_eq!(filename(header).as_deref(), Some(expected), "{header}");
        }
        for header in ["attachment", "", "attachment; name=x", "=?utf-8?q?attachment=3B_filename=3Da?="] {
            assert_eq!(filename(header), None, "{header}");
        }
    }
}
