//! Refuses words that are filters of ec2-ls where a tool takes hosts.

use cerveza_manners::{Failure, Result};
use cerveza_record::unquoted;

/// Refuses a word that ec2-ls takes as a filter, as `web*` or `role=web`. `command` is what the listing is piped into.
pub fn refuse_filters(words: &[String], command: &str) -> Result<()> {
    let has = |word: &str, wanted: &[char]| unquoted(word).any(|(_, c)| wanted.contains(&c));
    // `^` names a file and `@*` is a node group.
    let is_filter = |word: &&String| has(word, &['*', '?', '=']) && !has(word, &['^', '@']);
    let Some(word) = words.iter().find(is_filter) else { return Ok(()) };
    let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "=._-:/,+".contains(c));
    let quoted = if is_plain { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) };
    Err(Failure::usage(format!("{word} is a filter of ec2-ls and not a host"))
        .hint(format!("ec2-ls {quoted} | {command}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_is_answered_with_a_pipeline() {
        let answer = |word: &str| refuse_filters(&["web1".to_string(), word.to_string()], "ec2-power stop");
        let hint = |word| answer(word).unwrap_err().hint.unwrap();
        assert_eq!(answer("web*").unwrap_err().message, "web* is a filter of ec2-ls and not a host");
        assert_eq!(hint("web*"), "ec2-ls 'web*' | ec2-power stop");
        assert_eq!(hint("web?"), "ec2-ls 'web?' | ec2-power stop");
        assert_eq!(hint("role=web"), "ec2-ls role=web | ec2-power stop");
        assert_eq!(hint("it's=x"), r"ec2-ls 'it'\''s=x' | ec2-power stop");
        for host in ["web[1-3]", "-", "^hosts=1", "@*", "\"a=b*\"", "web1,\"?\""] {
            assert_eq!(answer(host), Ok(()), "{host}");
        }
    }
}
