//! Divides the words of the command line into tags and hosts.

use crate::wanted::{Wanted, is_template};
use cerveza_ec2::check_tag;
use cerveza_manners::{Failure, Result};
use cerveza_record::unquoted;

/// Sorts the words: `KEY=VALUE` sets, `KEY-` removes, all else is a host, also what is in quotes. No key comes twice.
pub fn sort_words(words: &[String]) -> Result<(Wanted, Vec<String>)> {
    let mut wanted = Wanted::default();
    let mut hosts = Vec::new();
    for word in words {
        let equals = unquoted(word).find(|(_, c)| *c == '=').map(|(at, _)| at);
        let (key, value) = match (equals, word.strip_suffix('-')) {
            (Some(at), _) => (&word[..at], Some(&word[at + 1..])),
            (None, Some(key)) if !key.is_empty() => (key, None),
            _ => {
                hosts.push(word.clone());
                continue;
            }
        };
        // What a template gives is checked for each host.
        let text = value.filter(|value| !is_template(value)).unwrap_or_default();
        check_tag(key, text).map_err(|why| {
            let failure = Failure::usage(why);
            if key.is_empty() { failure.hint("write KEY=VALUE as one word, without blanks") } else { failure }
        })?;
        if wanted.has_tag(key) {
            return Err(Failure::usage(format!("tag {key} is given twice")));
        }
        match value {
            Some(value) => wanted.set(key, value)?,
            None => wanted.remove.push(key.to_string()),
        }
    }
    Ok((wanted, hosts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(words: &[&str]) -> std::result::Result<(Wanted, Vec<String>), String> {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        sort_words(&words).map_err(|failure| failure.message)
    }

    #[test]
    fn an_equals_sign_sets_and_a_dash_at_the_end_removes() {
        let (wanted, hosts) = sorted(&["web[1-2]", "team=dba", "note=a=b", "old-", "-"]).unwrap();
        assert_eq!(wanted.set, [("team".into(), "dba".into()), ("note".into(), "a=b".into())]);
        assert_eq!(wanted.remove, ["old"]);
        assert_eq!(hosts, ["web[1-2]", "-"]);
    }

    #[test]
    fn what_is_in_quotes_is_a_host() {
        let (wanted, hosts) = sorted(&["\"a=b\"", "web1,\"=\"", "\"web-\"", "\"x=\"y=z", "note=\"a\""]).unwrap();
        assert_eq!(hosts, ["\"a=b\"", "web1,\"=\"", "\"web-\""]);
        assert_eq!(wanted.set, [("\"x=\"y".into(), "z".into()), ("note".into(), "\"a\"".into())]);
    }

    #[test]
    fn a_slip_is_an_error() {
        assert_eq!(sorted(&["a=1", "a-"]).unwrap_err(), "tag a is given twice");
        assert_eq!(sorted(&["aws:x=1"]).unwrap_err(), "tag aws:x: keys that begin with aws: are reserved");
        assert_eq!(sorted(&["=1"]).unwrap_err(), "a tag has no key");
        assert_eq!(
            sorted(&["a={{ host"]).unwrap_err(),
            "tag a: unexpected end of input, expected end of variable block"
        );
        assert!(sorted(&["a={{ host }}".repeat(30).as_str()]).is_ok());
    }
}
