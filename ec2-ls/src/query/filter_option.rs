//! `--filter`, in the shorthand of the AWS CLI: `Name=tag:role,Values=web*,db`.

use crate::query::shell::shell_word;
use cerveza_ec2::Filter;
use cerveza_manners::{Failure, Result};

const EXAMPLE: &str = "write it as in --filter 'Name=instance-type,Values=t3.*,m5.large'";

/// Returns whether a word after `--filter` is one more filter, as in the AWS CLI. Else it says what to look for.
pub fn is_filter(word: &str) -> bool {
    let has_key = word.split_once('=').is_some_and(|(key, _)| matches!(key.trim(), "Name" | "Values"));
    has_key || word.starts_with(['[', '{'])
}

/// Reads one filter. Values are separated by commas; quotes and `\,` keep a comma in a value.
pub fn read_filter(text: &str) -> Result<Filter> {
    let refuse = |why: &str| Err(Failure::usage(format!("--filter {}: {why}", shell_word(text))).hint(EXAMPLE));
    if text.starts_with(['[', '{']) {
        return refuse("JSON is not supported");
    }
    let (mut name, mut values) = (None, None);
    let mut rest = text;
    loop {
        let Some((key, after)) = rest.split_once('=') else { return refuse("a part has no =") };
        let (read, after) = match read_values(after) {
            Ok(read) => read,
            Err(why) => return refuse(why),
        };
        let part = match key.trim() {
            "Name" => &mut name,
            "Values" => &mut values,
            _ => return refuse("it has a Name and Values, and nothing else"),
        };
        if part.replace(read).is_some() {
            return refuse("Name or Values is given twice: two filters are separated by a blank");
        }
        match after {
            Some(after) => rest = after,
            None => break,
        }
    }
    match (name.as_deref(), values) {
        (None, _) => refuse("it has no Name"),
        (_, None) => refuse("it has no Values; for a tag, write KEY=VALUE before --filter"),
        (Some([name]), Some(values)) if !name.is_empty() && !values.is_empty() => Ok(Filter::new(name, values)),
        (Some([_]), Some(_)) => refuse("its Name or its Values are empty"),
        (Some(_), _) => refuse("Name is one word"),
    }
}

/// Reads values up to the next `KEY=`. Returns them, and what follows their comma.
fn read_values(text: &str) -> std::result::Result<(Vec<String>, Option<&str>), &'static str> {
    if let Some(list) = text.strip_prefix('[') {
        let Some((list, after)) = list.split_once(']') else { return Err("[ is not closed by ]") };
        let values = if list.trim().is_empty() { Vec::new() } else { read_values(list)?.0 };
        return match after.trim_start().strip_prefix(',') {
            Some(after) => Ok((values, Some(after))),
            None if after.trim().is_empty() => Ok((values, None)),
            None => Err("text follows ]"),
        };
    }
    let (mut values, mut rest) = (Vec::new(), text);
    loop {
        let (value, is_quoted, after) = read_value(rest)?;
        // A value after the first has no = of its own: it begins the next part.
        if !values.is_empty() && !is_quoted && value.contains('=') {
            return Ok((values, Some(rest)));
        }
        if !values.is_empty() && !is_quoted && value.is_empty() {
            return Err("a value is missing after a comma");
        }
        values.push(value);
        match after {
            Some(after) => rest = after,
            None => return Ok((values, None)),
        }
    }
}

/// Reads one value. Returns it, whether it was in quotes, and what follows its comma.
fn read_value(text: &str) -> std::result::Result<(String, bool, Option<&str>), &'static str> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quote.is_some())).peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        match (quote, c) {
            (Some(quote), '\\') if next == Some(quote) || next == Some('\\') => {
                value.extend(next);
                chars.next();
            }
            (Some(quote), c) if c == quote => {
                let after = text[at + 1..].trim_start();
                return match after.strip_prefix(',') {
                    Some(after) => Ok((value, true, Some(after))),
                    None if after.is_empty() => Ok((value, true, None)),
                    None => Err("text follows a value in quotes"),
                };
            }
            (None, '\\') if next == Some(',') => {
                value.push(',');
                chars.next();
            }
            (None, ',') => return Ok((value.trim_end().to_string(), false, Some(&text[at + 1..]))),
            (_, c) => value.push(c),
        }
    }
    match quote {
        Some(_) => Err("a quote is not closed"),
        None => Ok((value.trim_end().to_string(), false, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorthand_is_read_as_the_aws_cli_reads_it() {
        // What aws-cli 1.45 makes of these.
        for (text, name, values) in [
            ("Name=tag:Name,Values=web*,db*", "tag:Name", &["web*", "db*"][..]),
            (r#"Name=tag:Name,Values="a,b",c"#, "tag:Name", &["a,b", "c"]),
            (r"Name=x,Values=a\,b", "x", &["a,b"]),
            ("Name=x,Values='a b',c", "x", &["a b", "c"]),
            ("Name=x,Values=[a,b]", "x", &["a", "b"]),
            ("Values=a,Name=x", "x", &["a"]),
            ("Values=a,b,Name=x", "x", &["a", "b"]),
            ("Name=x,Values=a=b", "x", &["a=b"]),
            ("Name=tag:Env,Values=", "tag:Env", &[""]),
            ("Name=x,Values=a ,b", "x", &["a", "b"]),
            ("Name=x, Values=a", "x", &["a"]),
            ("Name = x, Values = a", "x", &["a"]),
            (r"Name=x,Values=\*a", "x", &[r"\*a"]),
            (r#"Name=x,Values="\*a""#, "x", &[r"\*a"]),
            (r"Name=x,Values=a\\b", "x", &[r"a\\b"]),
            (r#"Name=x,Values="a\"b""#, "x", &[r#"a"b"#]),
            (r"Name=x,Values=a\ b", "x", &[r"a\ b"]),
        ] {
            assert!(is_filter(text), "{text}");
            assert_eq!(read_filter(text), Ok(Filter::new(name, values.iter().copied())), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_filter_is_refused() {
        for text in [
            "Name=x,Values=a,",
            "Name=x",
            "Values=a",
            "name=x,values=y",
            "Name=x,Values=[]",
            "Name=x,Values=a Name=y,Values=b",
            "Name=x,Values='a",
            "Name=a,b,Values=c",
            r#"[{"Name":"x","Values":["y"]}]"#,
            "x",
        ] {
            assert!(read_filter(text).is_err(), "{text}");
        }
    }
}
