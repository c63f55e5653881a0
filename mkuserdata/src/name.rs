//! The file name of a part: cloud-init writes scripts under it and runs them sorted by it.

use cerveza_manners::{Failure, Result};
use std::fmt::Write;
use std::path::Path;

/// The suffix of a template: it is no part of the name.
pub(crate) const TEMPLATE: &str = ".j2";

/// The base name of `path`, without `.j2`.
pub(crate) fn of(path: &Path) -> Result<String> {
    let shown = path.display();
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::usage(format!("{shown}: the file name is not UTF-8")))?;
    let name = name.strip_suffix(TEMPLATE).unwrap_or(name);
    // cloud-init puts names into comments of the cloud-config it merges: what ends a line in YAML would end the comment.
    if name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(Failure::usage(format!("{shown}: the file name has a control character")));
    }
    match problem(&cleaned(name)) {
        None => Ok(name.to_string()),
        Some(why) => Err(Failure::usage(format!("{shown}: {why}"))),
    }
}

/// Why cloud-init could not write a file of this name, cleaned.
pub(crate) fn problem(cleaned: &str) -> Option<String> {
    /// As file systems have it, without room for a number in front.
    const LONGEST: usize = 255;
    match cleaned.len() {
        0 => Some(
            "cloud-init keeps only letters, digits and -_.() of a file name: of this one nothing is left".to_string(),
        ),
        _ if matches!(cleaned, "." | "..") => Some(format!("cloud-init could not write a file of the name {cleaned}")),
        length if length > LONGEST => {
            Some(format!("its name has {length} characters for cloud-init: a file's has at most {LONGEST}"))
        }
        _ => None,
    }
}

/// The name under which cloud-init writes the part (`clean_filename` in its util.py).
pub(crate) fn cleaned(name: &str) -> String {
    let kept = |c: &char| c.is_ascii_alphanumeric() || "_-.()".contains(*c);
    name.replace('/', "_").chars().filter(kept).collect()
}

/// The parameter of Content-Disposition: as it is where that is plain, else by RFC 2231.
pub(crate) fn parameter(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.+".contains(&byte);
    if name.bytes().all(plain) {
        return format!("filename={name}");
    }
    let mut parameter = "filename*=utf-8''".to_string();
    for byte in name.bytes() {
        match plain(byte) {
            true => parameter.push(char::from(byte)),
            // Writing to a String cannot fail.
            false => _ = write!(parameter, "%{byte:02X}"),
        }
    }
    parameter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_name_without_the_template_suffix() {
        assert_eq!(of(Path::new("a/b/setup.sh")).unwrap(), "setup.sh");
        assert_eq!(of(Path::new("/x/hostname.sh.j2")).unwrap(), "hostname.sh");
        assert_eq!(of(Path::new("my script.sh")).unwrap(), "my script.sh");
    }

    #[test]
    fn a_name_that_would_do_harm_is_refused() {
        let why = |path: &str| of(Path::new(path)).unwrap_err().message;
        assert_eq!(why("a\nruncmd"), "a\nruncmd: the file name has a control character");
        assert!(why("é").ends_with("of this one nothing is left"));
        assert!(why("x/.j2").ends_with("of this one nothing is left"));
    }

    #[test]
    fn a_plain_name_stands_as_it_is_and_any_other_is_percent_encoded() {
        assert_eq!(parameter("01-setup.sh"), "filename=01-setup.sh");
        assert_eq!(parameter("a \"é;.sh"), "filename*=utf-8''a%20%22%C3%A9%3B.sh");
        assert_eq!(cleaned("a \"é;.sh"), "a.sh");
    }
}
