//! Tells tags from hosts on the command line.

use cerveza_ec2::{Tags, check_tag};
use cerveza_manners::{Failure, Result};
use cerveza_record::unquoted;

/// Sorts the words: `KEY=VALUE` sets, `KEY-` removes, all else is a host, also what is in quotes. At least one tag must
/// be among them, and no key twice.
pub fn sort_words(words: &[String]) -> Result<(Tags, Vec<String>)> {
    let mut tags = Tags::default();
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
        check_tag(key, value.unwrap_or_default()).map_err(Failure::usage)?;
        if tags.set.iter().any(|(known, _)| known == key) || tags.remove.iter().any(|known| known == key) {
            return Err(Failure::usage(format!("tag {key} is given twice")));
        }
        match value {
            Some(value) => tags.set.push((key.to_string(), value.to_string())),
            None => tags.remove.push(key.to_string()),
        }
    }
    match tags == Tags::default() {
        true => Err(Failure::usage("no tag is given").hint("KEY=VALUE sets one, KEY- removes one")),
        false => Ok((tags, hosts)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(words: &[&str]) -> std::result::Result<(Tags, Vec<String>), String> {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        sort_words(&words).map_err(|failure| failure.message)
    }

    #[test]
    fn an_equals_sign_sets_and_a_dash_at_the_end_removes() {
        let (tags, hosts) = sorted(&["web[1-2]", "team=dba", "note=a=b", "old-", "-"]).unwrap();
        assert_eq!(tags.set, [("team".into(), "dba".into()), ("note".into(), "a=b".into())]);
        assert_eq!(tags.remove, ["old"]);
        assert_eq!(hosts, ["web[1-2]", "-"]);
    }

    #[test]
    fn what_is_in_quotes_is_a_host() {
        let (tags, hosts) = sorted(&["\"a=b\"", "web1,\"=\"", "\"web-\"", "\"x=\"y=z", "note=\"a\""]).unwrap();
        assert_eq!(hosts, ["\"a=b\"", "web1,\"=\"", "\"web-\""]);
        assert_eq!(tags.set, [("\"x=\"y".into(), "z".into()), ("note".into(), "\"a\"".into())]);
    }

    #[test]
    fn a_slip_is_an_error() {
        assert_eq!(sorted(&["web1"]).unwrap_err(), "no tag is given");
        assert_eq!(sorted(&["a=1", "a-"]).unwrap_err(), "tag a is given twice");
        assert_eq!(sorted(&["aws:x=1"]).unwrap_err(), "tag aws:x: keys that begin with aws: are reserved");
        assert_eq!(sorted(&["=1"]).unwrap_err(), "a tag without a key");
    }
}
