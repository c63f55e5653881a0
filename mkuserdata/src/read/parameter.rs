//! Parameters of headers, as `filename=a.sh`, read as Python's email.message and email.utils read them (`_parseparam`,
//! `decode_params`, `unquote`), which follow RFC 2231 and forgive much.

/// The parameter of that name, in lower case.
pub(crate) fn parameter(header: &str, name: &str) -> Option<String> {
    let parameters = split(header);
    // The first is the header's own value, mostly, and not looked into.
    let (first, others) = parameters.split_first()?;
    if let Some((_, value)) = first.split_once('=').filter(|(found, _)| found.trim() == name) {
        return Some(unquoted(value.trim()));
    }
    let pairs = others.iter().map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")));
    let mut pieces: Vec<(Option<u32>, String, bool)> = Vec::new();
    for (found, value) in pairs {
        let value = unquoted(value.trim());
        match continuation(found.trim()) {
            None if found.trim() == name => return Some(value),
            Some((of, number)) if of == name => pieces.push((number, value, found.trim().ends_with('*'))),
            _ => {}
        }
    }
    pieces.sort();
    let is_extended = pieces.iter().any(|(_, _, encoded)| *encoded);
    let bytes: Vec<u8> = pieces.iter().flat_map(|(_, value, encoded)| bytes_of(value, *encoded)).collect();
    match (pieces.is_empty(), is_extended) {
        (true, _) => None,
        (false, false) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        (false, true) => Some(in_charset(&bytes)),
    }
}

/// The parameters between semicolons that are not quoted, their names in lower case.
fn split(header: &str) -> Vec<String> {
    let mut parameters = Vec::new();
    let mut rest = header;
    loop {
        let is_quoted = |end: usize| {
            let before = &rest[..end];
            end > 0 && (before.matches('"').count() - before.matches("\\\"").count()) % 2 == 1
        };
        let end = rest.match_indices(';').map(|(at, _)| at).find(|at| !is_quoted(*at)).unwrap_or(rest.len());
        let parameter = match rest[..end].split_once('=') {
            Some((name, value)) => format!("{}={}", name.trim().to_lowercase(), value.trim()),
            None => rest[..end].trim().to_string(),
        };
        parameters.push(parameter);
        match rest.get(end + 1..) {
            Some(more) => rest = more,
            None => return parameters,
        }
    }
}

fn unquoted(value: &str) -> String {
    let between = |start: char, end: char| value.strip_prefix(start).and_then(|value| value.strip_suffix(end));
    match between('"', '"') {
        Some(value) => value.replace("\\\\", "\\").replace("\\\"", "\""),
        None => between('<', '>').unwrap_or(value).to_string(),
    }
}

/// `name*`, `name*2` or `name*2*`: the name, and the number of the piece.
fn continuation(found: &str) -> Option<(&str, Option<u32>)> {
    let (name, number) = found.split_once('*')?;
    let number = number.strip_suffix('*').unwrap_or(number);
    match number.is_empty() {
        true => Some((name, None)),
        false => Some((name, Some(number.parse().ok()?))),
    }
}

fn bytes_of(value: &str, is_encoded: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex =
            behind.get(..2).filter(|_| is_encoded && *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
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
    bytes
}

/// `charset'language'text`.
fn in_charset(bytes: &[u8]) -> String {
    let mut pieces = bytes.splitn(3, |byte| *byte == b'\'');
    let (charset, text) = match (pieces.next(), pieces.next(), pieces.next()) {
        (Some(charset), Some(_), Some(text)) => (String::from_utf8_lossy(charset).to_lowercase(), text),
        _ => (String::new(), bytes),
    };
    match charset.as_str() {
        "iso-8859-1" | "latin-1" | "latin1" => text.iter().copied().map(char::from).collect(),
        _ => String::from_utf8_lossy(text).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_python_reads_them() {
        let filename = |header: &str| parameter(header, "filename");
        for (header, expected) in [
            ("attachment; filename=a.sh", "a.sh"),
            ("attachment; FileName = \"a; b\\\"c.sh\" ; x=y", "a; b\"c.sh"),
            ("attachment; filename=a; filename=b", "a"),
            ("attachment; filename=<a>", "a"),
            ("filename=foo", "foo"),
            ("attachment; filename*=utf-8''%C3%A9.sh", "é.sh"),
            ("attachment; filename*=iso-8859-1'de'%E9.sh", "é.sh"),
            ("attachment; filename*=plain", "plain"),
            ("attachment; filename*0=a; filename*1=b; filename*2=c", "abc"),
            ("attachment; filename*1*=%C3%A9; filename*0*=utf-8''a", "aé"),
            ("attachment; filename*0=a; filename*2=c", "ac"),
        ] {
            assert_eq!(filename(header).as_deref(), Some(expected), "{header}");
        }
        for header in ["attachment", "", "attachment; name=x", "=?utf-8?q?attachment=3B_filename=3Da?="] {
            assert_eq!(filename(header), None, "{header}");
        }
    }
}
