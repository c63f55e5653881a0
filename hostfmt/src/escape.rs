//! How a value is written in each format: as it is, escaped, or refused with the reason.

use cerveza_record::is_hidden;
use std::borrow::Cow;

/// The way in which a template's values are escaped where no filter has done it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// Text without control characters.
    Plain,
    /// A field of CSV.
    Csv,
    /// What is between double quotes in gmetad.conf.
    Ganglia,
    /// A name or address of a hosts file.
    Hosts,
    /// HTML and XML.
    Html,
    /// JSON and YAML.
    Json,
    /// A value of LDIF that needs no base64.
    Ldif,
    /// A value of an object of Nagios.
    Nagios,
    /// A word of ssh_config.
    Ssh,
    /// A name, number or address of a zone file.
    Zone,
}

/// The text as it is written, or why it cannot be.
pub(crate) type Escaped<'a> = Result<Cow<'a, str>, &'static str>;

impl Escape {
    pub const ALL: [Escape; 10] = [
        Escape::Plain,
        Escape::Csv,
        Escape::Ganglia,
        Escape::Hosts,
        Escape::Html,
        Escape::Json,
        Escape::Ldif,
        Escape::Nagios,
        Escape::Ssh,
        Escape::Zone,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Escape::Plain => "plain",
            Escape::Csv => "csv",
            Escape::Ganglia => "ganglia",
            Escape::Hosts => "hosts",
            Escape::Html => "html",
            Escape::Json => "json",
            Escape::Ldif => "ldif",
            Escape::Nagios => "nagios",
            Escape::Ssh => "ssh",
            Escape::Zone => "zone",
        }
    }

    pub fn named(name: &str) -> Option<Escape> {
        Escape::ALL.into_iter().find(|escape| escape.name() == name)
    }

    /// Returns the way to escape in a template of this file name: `x.json.j2` is JSON.
    pub fn of_file(path: &str) -> Escape {
        let inner = path.strip_suffix(".j2").unwrap_or(path);
        match inner.rsplit(['.', '/']).next() {
            Some("yaml" | "yml") => Escape::Json,
            Some("htm" | "xml") => Escape::Html,
            Some(name) if inner.contains('.') => Escape::named(name).unwrap_or(Escape::Plain),
            _ => Escape::Plain,
        }
    }

    /// Returns the text as this format has it. HTML and JSON are escaped by MiniJinja.
    pub fn text(self, text: &str) -> Escaped<'_> {
        match self {
            Escape::Plain | Escape::Html | Escape::Json => plain(text),
            Escape::Csv => csv(text),
            Escape::Ganglia => ganglia(text),
            Escape::Hosts | Escape::Zone => token(text, "._:-"),
            Escape::Ssh => token(text, "._:-@+/"),
            Escape::Ldif => {
                if is_ldif_safe(text) {
                    Ok(text.into())
                } else {
                    Err("needs base64 in LDIF: write {{ value | ldif }} behind the name of the attribute")
                }
            }
            Escape::Nagios => nagios(text),
        }
    }
}

fn plain(text: &str) -> Escaped<'_> {
    if text.contains(is_hidden) { Err("has a control character") } else { Ok(text.into()) }
}

/// Returns a word that no reader splits, quotes or expands.
fn token<'a>(text: &'a str, others: &str) -> Escaped<'a> {
    match text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c)) {
        _ if text.is_empty() => Err("is empty"),
        _ if text.starts_with('-') => Err("begins with a hyphen"),
        true => Ok(text.into()),
        false => Err("has a character that is not plain here"),
    }
}

/// RFC 4180.
fn csv(text: &str) -> Escaped<'_> {
    let quoted = |c: char| matches!(c, ',' | '"' | '\r' | '\n');
    match text {
        _ if text.contains('\0') => Err("has a NUL, which programs that read CSV do not accept"),
        _ if text.contains(quoted) || text.trim() != text => Ok(format!("\"{}\"", text.replace('"', "\"\"")).into()),
        _ => Ok(text.into()),
    }
}

/// As gmetad's dotconf_read_arg reads it. It replaces `${` also behind a backslash.
fn ganglia(text: &str) -> Escaped<'_> {
    match text {
        "" => Err("is empty"),
        _ if text.chars().any(char::is_control) => Err("has a control character"),
        _ if text.contains("${") => Err("has ${, which gmetad replaces by a variable of its environment"),
        _ if text.contains(['"', '\\']) => Ok(text.replace('\\', "\\\\").replace('"', "\\\"").into()),
        _ => Ok(text.into()),
    }
}

/// Returns what every reader of LDIF takes behind `attribute: `. RFC 2849 allows control characters, but some readers
/// strip them.
pub(crate) fn is_ldif_safe(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !text.starts_with([' ', ':', '<']) && !text.ends_with(' ')
}

/// Nagios refuses the first characters in names by default (illegal_object_name_chars); a semicolon begins a comment, a
/// backslash may join lines, and braces and brackets have a meaning to the shells that run its checks.
fn nagios(text: &str) -> Escaped<'_> {
    match text {
        "" => Err("is empty"),
        "null" => Err("means no value to Nagios"),
        _ if text.contains(is_hidden) => Err("has a control character"),
        _ if text.contains(|c| "`~!$%^&*|'\"<>?,()=".contains(c) || ";\\{}[]".contains(c)) => {
            Err("has a character that Nagios does not allow in a name")
        }
        _ if text.trim() != text || text.starts_with(['#', '+']) => {
            Err("begins or ends with a character that Nagios does not allow there")
        }
        _ => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(escape: Escape, text: &str) -> String {
        escape.text(text).map_or_else(|why| format!("! {why}"), Cow::into_owned)
    }

    #[test]
    fn the_name_of_a_file_says_how_to_escape() {
        let of = |path| Escape::of_file(path);
        assert_eq!([of("a.json.j2"), of("x/b.yml.j2"), of("c.csv.j2")], [Escape::Json, Escape::Json, Escape::Csv]);
        assert_eq!([of("json.j2"), of("/json/x.j2"), of("c.conf.j2")], [Escape::Plain; 3]);
    }

    #[test]
    fn csv_quotes_what_has_a_meaning() {
        let fields = ["a b", "a,b", "a\"b", "a\nb", " a", "", "é"].map(|text| escaped(Escape::Csv, text));
        assert_eq!(fields, ["a b", "\"a,b\"", "\"a\"\"b\"", "\"a\nb\"", "\" a\"", "", "é"]);
        assert!(escaped(Escape::Csv, "a\0").starts_with('!'));
    }

    #[test]
    fn words_are_plain_or_refused() {
        for escape in [Escape::Hosts, Escape::Ssh, Escape::Zone] {
            assert_eq!(escaped(escape, "web-1.example_2:3"), "web-1.example_2:3");
            for text in ["", "a b", "a\nb", "a;b", "a#b", "a\"b", "%h", "-a", "é", "a*", "!a", "$ORIGIN", "@(a"] {
                assert!(escaped(escape, text).starts_with('!'), "{escape:?} {text}");
            }
        }
    }

    #[test]
    fn what_would_break_out_is_escaped_or_refused() {
        assert_eq!(escaped(Escape::Ganglia, r#"a "b" \c"#), r#"a \"b\" \\c"#);
        for text in ["", "a\nb", "${HOME}"] {
            assert!(escaped(Escape::Ganglia, text).starts_with('!'), "{text}");
        }
        assert_eq!(escaped(Escape::Nagios, "My Web é #1"), "My Web é #1");
        for text in ["", "null", "a;b", "a\tb", " a", "#a", "$HOME$", "a,b", "`a`", "a\\"] {
            assert!(escaped(Escape::Nagios, text).starts_with('!'), "{text}");
        }
        assert_eq!(escaped(Escape::Ldif, "a: b"), "a: b");
        for text in [" a", "a ", ":a", "<a", "é", "a\nb", "a\0"] {
            assert!(escaped(Escape::Ldif, text).starts_with('!'), "{text}");
        }
    }
}
