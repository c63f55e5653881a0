//! What a word of the command line looks for.

use crate::condition::fact::TAG;
use crate::condition::network::{address_tests, is_address_glob};
use crate::condition::{Test, Wanted};
use crate::query::advice;
use crate::query::shell::shell_word;
use cerveza_manners::{Failure, Result};
use cerveza_record::{unquote, unquoted};
use regex::Regex;

#[derive(Clone, Debug)]
pub enum Word {
    /// `KEY=GLOB`, `KEY~REGEX` or `KEY=`; with `!`, instances that fail the test.
    Tag { key: String, test: Test, is_not: bool },
    /// The id of a resource that an instance has, as `vpc-0123456789abcdef0`.
    Resource(Test),
    /// A network or a pattern of addresses: the instances with an address in it.
    Addresses(Vec<Test>),
    /// A pattern of names, and of addresses if it can be one.
    Pattern(String, Vec<Test>),
    /// Hosts, as `hostrange` reads them.
    Expression(String),
}

/// Resources of an instance by the prefix of their ids, and the filter that finds their instance.
const RESOURCES: [(&str, &str); 6] = [
    ("ami", "image-id"),
    ("eni", "network-interface.network-interface-id"),
    ("sg", "instance.group-id"),
    ("subnet", "subnet-id"),
    ("vol", "block-device-mapping.volume-id"),
    ("vpc", "vpc-id"),
];

/// Divides a list of patterns, as `web*,db*`. Any other word is left whole.
pub fn patterns_of(word: &str) -> Vec<&str> {
    let find = |sought: &[char]| unquoted(word).find(|(_, c)| sought.contains(c));
    let is_list = !word.starts_with(['@', '^']) && find(&['*', '?']).is_some() && find(&['=', '~', '[']).is_none();
    if !is_list {
        return vec![word];
    }
    let (mut parts, mut begin) = (Vec::new(), 0);
    for (at, _) in unquoted(word).filter(|(_, c)| *c == ',') {
        parts.push(&word[begin..at]);
        begin = at + 1;
    }
    parts.push(&word[begin..]);
    parts
}

pub fn read_word(word: &str) -> Result<Word> {
    let find = |sought: &[char]| unquoted(word).find(|(_, c)| sought.contains(c));
    // ^FILE
    if !word.starts_with('^')
        && let Some((at, operator)) = find(&['=', '~'])
    {
        return read_tag(word, &word[..at], operator, &word[at + 1..]);
    }
    if let Some(test) = resource(word) {
        return Ok(Word::Resource(test));
    }
    if word.contains('/')
        && let Ok(tests) = address_tests(word)
    {
        return Ok(Word::Addresses(tests));
    }
    // `@SOURCE:*` is all of a node group.
    if word.starts_with(['@', '^']) || find(&['*', '?']).is_none() {
        return Ok(Word::Expression(word.to_string()));
    }
    if find(&['[']).is_some() {
        return Err(Failure::usage(format!("{word}: a pattern has * and ?, but not [...]")).hint(
            "write an expression, as web[1-9], or a pattern, as 'web*'; KEY~REGEX looks for a regular expression",
        ));
    }
    let addresses = if is_address_glob(word) { address_tests(word)? } else { Vec::new() };
    Ok(Word::Pattern(word.to_string(), addresses))
}

/// `vpc-` and 8 or 17 hexadecimal digits (EC2 user guide, "Resource IDs").
fn resource(word: &str) -> Option<Test> {
    let (prefix, digits) = word.split_once('-')?;
    let is_id = matches!(digits.len(), 8 | 17) && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let (_, filter) = RESOURCES.iter().find(|(known, _)| *known == prefix).filter(|_| is_id)?;
    Some(Test::glob(*filter, word))
}

fn read_tag(word: &str, key: &str, operator: char, value: &str) -> Result<Word> {
    let is_not = key.ends_with('!');
    let key = key.strip_suffix('!').unwrap_or(key);
    // The prefix that the AWS CLI has for tags, and that of columns.
    let tag = key.strip_prefix(TAG).or_else(|| key.strip_prefix("tags."));
    let (key, is_tag) = (tag.unwrap_or(key), tag.is_some());
    let key = if key.starts_with('"') {
        unquote(key).map_err(|why| Failure::usage(format!("{word}: {why}")))?.0
    } else {
        key.to_string()
    };
    if key.is_empty() {
        return Err(Failure::usage(format!("{word}: a tag has no key")));
    }
    if !is_tag {
        advice::refuse_fact(word, &key, value)?;
    }
    let wanted = match operator {
        '~' => Wanted::Regex(regex(word, value)?),
        _ if value.is_empty() => Wanted::Blank,
        _ => return Ok(Word::Tag { test: Test::glob(format!("{TAG}{key}"), value), key, is_not }),
    };
    Ok(Word::Tag { test: Test { fact: format!("{TAG}{key}"), wanted }, key, is_not })
}

fn regex(word: &str, text: &str) -> Result<Regex> {
    Regex::new(text).map_err(|error| {
        // Its last line says what is wrong; those before show where.
        let text = error.to_string();
        let why = text.lines().last().unwrap_or_default();
        let why = why.strip_prefix("error: ").unwrap_or(why);
        Failure::usage(format!("{}: not a regular expression: {why}", shell_word(word)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(word: &str) -> String {
        let described = |test: &Test| match &test.wanted {
            Wanted::Glob(glob) => format!("{}={}", test.fact, glob.text),
            Wanted::Regex(regex) => format!("{}~{regex}", test.fact),
            Wanted::Blank => format!("{} blank", test.fact),
            Wanted::Network(_) | Wanted::Launched(_) => test.fact.clone(),
        };
        match read_word(word) {
            Ok(Word::Tag { test, is_not, .. }) => format!("{}{}", if is_not { "not " } else { "" }, described(&test)),
            Ok(Word::Resource(test)) => described(&test),
            Ok(Word::Addresses(tests)) => tests.iter().map(described).collect::<Vec<_>>().join(" "),
            Ok(Word::Pattern(pattern, tests)) => format!("{pattern} {}", tests.len()),
            Ok(Word::Expression(text)) => format!("hosts {text}"),
            Err(failure) => format!("error {}", failure.message),
        }
    }

    #[test]
    fn words_say_what_they_look_for() {
        for (word, expected) in [
            ("role=web*", "tag:role=web*"),
            ("role!=web", "not tag:role=web"),
            ("role~^web[0-9]+$", "tag:role~^web[0-9]+$"),
            ("role!~^web", "not tag:role~^web"),
            ("role=", "tag:role blank"),
            ("role!=", "not tag:role blank"),
            ("env=a=b", "tag:env=a=b"),
            ("env=a~b", "tag:env=a~b"),
            ("url~a=b", "tag:url~a=b"),
            ("state=prod", "tag:state=prod"),
            ("tag:role=web", "tag:role=web"),
            ("tag:instance-type=x", "tag:instance-type=x"),
            ("tags.role!~web", "not tag:role~web"),
            ("tag:tags.role=web", "tag:tags.role=web"),
            ("\"a=b~c\"=d", "tag:a=b~c=d"),
            ("\"tag:role\"=web", "tag:tag:role=web"),
            ("role=a\tb\n\"日本\"", "tag:role=a\tb\n\"日本\""),
            ("vpc-0123456789abcdef0", "vpc-id=vpc-0123456789abcdef0"),
            ("sg-12345678", "instance.group-id=sg-12345678"),
            ("\"vpc-12345678\"", "hosts \"vpc-12345678\""),
            ("vpc-prod", "hosts vpc-prod"),
            ("i-0123456789abcdef0", "hosts i-0123456789abcdef0"),
            ("10.1.2.3", "hosts 10.1.2.3"),
            ("10.1.0.0/16", "network-interface.addresses.private-ip-address=10.1.*.* ip-address=10.1.*.*"),
            ("10.1.*", "10.1.* 2"),
            ("web*", "web* 0"),
            ("\"web*\"", "hosts \"web*\""),
            ("mysql[1-40]", "hosts mysql[1-40]"),
            ("@db:*", "hosts @db:*"),
            ("^a=b.txt", "hosts ^a=b.txt"),
            ("-", "hosts -"),
            ("web[1-3]*", "error web[1-3]*: a pattern has * and ?, but not [...]"),
            ("=x", "error =x: a tag has no key"),
            ("role~(", "error 'role~(': not a regular expression: unclosed group"),
        ] {
            assert_eq!(described(word), expected, "{word}");
        }
    }

    #[test]
    fn patterns_may_be_listed() {
        assert_eq!(patterns_of("web*,db1,\"a,b\""), ["web*", "db1", "\"a,b\""]);
        for whole in ["web[1,3]*", "web1,db1", "role=a*,b", "role~a*,b", "@db:*,x", "*"] {
            assert_eq!(patterns_of(whole), [whole]);
        }
    }

    #[test]
    fn facts_of_ec2_are_not_taken_for_tags() {
        for (word, hint) in [
            ("instance-type=t3.*", "write --type 't3.*'; for a tag of that name, 'tag:instance-type=t3.*'"),
            ("private_ip=10.*", "write --ip '10.*'; for a tag of that name, 'tag:private_ip=10.*'"),
            (
                "private_ip=127*",
                "write --filter 'Name=private-ip-address,Values=127*'; for a tag of that name, 'tag:private_ip=127*'",
            ),
            (
                "launch_time=2026*",
                "write --filter 'Name=launch-time,Values=2026*'; for a tag of that name, 'tag:launch_time=2026*'",
            ),
            ("vpc-id=vpc-1", "write --vpc vpc-1; for a tag of that name, tag:vpc-id=vpc-1"),
            (
                "ena-support=true",
                "write --filter Name=ena-support,Values=true; for a tag of that name, tag:ena-support=true",
            ),
            ("instance_id=i-1", "write i-1; for a tag of that name, tag:instance_id=i-1"),
        ] {
            assert_eq!(read_word(word).unwrap_err().hint.as_deref(), Some(hint), "{word}");
        }
    }
}
