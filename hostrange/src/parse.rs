//! The language: words separated by blanks or commas, each a host name with any number of `[...]` groups in it; in a
//! group numbers and ranges separated by commas.

use crate::error::ExprError;
use crate::expand::Names;
use std::ops::Range;

/// The hosts an expression stands for, as written: parsed, not expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSet {
    pub(crate) patterns: Vec<Pattern>,
}

/// One word: its parts in order.
pub(crate) type Pattern = Vec<Part>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    Group(Vec<Numbers>),
}

/// The numbers from `low` to `high`, each padded with zeros to `width` digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub low: u64,
    pub high: u64,
    pub width: usize,
}

impl HostSet {
    /// How many names come out of the expression, those that come out twice counted twice; `None` beyond 2^128.
    pub fn count(&self) -> Option<u128> {
        self.patterns.iter().try_fold(0u128, |sum, pattern| {
            let count = pattern.iter().try_fold(1u128, |product, part| match part {
                Part::Text(_) => Some(product),
                Part::Group(ranges) => {
                    product.checked_mul(ranges.iter().map(|range| u128::from(range.high - range.low) + 1).sum())
                }
            })?;
            sum.checked_add(count)
        })
    }

    /// Whether no name can come out twice, as seen without expanding: of one word, each group a single range with
    /// something other than a digit after it.
    pub fn is_plainly_distinct(&self) -> bool {
        let [pattern] = self.patterns.as_slice() else { return false };
        let after = |at: usize| match pattern.get(at + 1) {
            None => true,
            Some(Part::Text(text)) => !text.starts_with(|c: char| c.is_ascii_digit()),
            Some(Part::Group(_)) => false,
        };
        pattern.iter().enumerate().all(|(at, part)| match part {
            Part::Text(_) => true,
            Part::Group(ranges) => ranges.len() == 1 && after(at),
        })
    }

    /// The names in order, the last group fastest. A name that the expression gives twice comes out twice.
    pub fn names(&self) -> Names<'_> {
        Names::new(&self.patterns)
    }
}

/// Parses an expression. Of no word at all it is an error: nobody asks for no host.
pub fn parse(expression: &str) -> Result<HostSet, ExprError> {
    let parser = Parser { expression };
    let mut patterns = Vec::new();
    let mut at = 0;
    while let Some(start) = parser.find(at, |c| !is_separator(c)) {
        let (pattern, end) = parser.word(start)?;
        patterns.push(pattern);
        at = end;
    }
    match patterns.is_empty() {
        true if expression.trim().is_empty() => Err(parser.error(0..expression.len(), "it is empty")),
        true => Err(parser.error(0..expression.len(), "there is no host in it")),
        false => Ok(HostSet { patterns }),
    }
}

/// Whether a host name of an expression may hold `c`. Blanks and commas separate; brackets group; the characters that
/// shells or the set language give a meaning are refused, so that a slip never becomes a host.
pub(crate) fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '%' | '+' | '@')
}

fn is_separator(c: char) -> bool {
    c == ',' || c.is_whitespace()
}

/// The most digits of one number, leading zeros counted.
const MOST_DIGITS: usize = 255;

struct Parser<'a> {
    expression: &'a str,
}

impl Parser<'_> {
    fn error(&self, span: Range<usize>, why: impl Into<String>) -> ExprError {
        ExprError { expression: self.expression.to_string(), span, why: why.into() }
    }

    /// Where from `at` on the first character is that `wanted` holds of.
    fn find(&self, at: usize, wanted: impl Fn(char) -> bool) -> Option<usize> {
        self.expression[at..].find(wanted).map(|found| at + found)
    }

    /// The word that starts at `start`, and where it ends.
    fn word(&self, start: usize) -> Result<(Pattern, usize), ExprError> {
        let mut parts = Vec::new();
        let mut text_start = start;
        let mut at = start;
        while let Some(c) = self.expression[at..].chars().next() {
            let end = at + c.len_utf8();
            match c {
                '[' => {
                    self.push_text(&mut parts, text_start..at);
                    let (group, end) = self.group(at)?;
                    parts.push(Part::Group(group));
                    at = end;
                    text_start = end;
                    continue;
                }
                ']' => return Err(self.error(at..end, "] without a [ before it")),
                c if is_separator(c) => break,
                '-' if at == start => return Err(self.error(at..end, "a host name does not begin with '-'")),
                '@' if at == start => return Err(self.error(at..end, "a host name does not begin with '@'")),
                '*' | '?' => {
                    return Err(
                        self.error(at..end, "a host name has no pattern in it: pipe from ec2-ls, which takes them")
                    );
                }
                c if !is_name_char(c) => {
                    let shown = c.escape_debug();
                    return Err(self.error(at..end, format!("a host name has no '{shown}' in it")));
                }
                _ => {}
            }
            at = end;
        }
        self.push_text(&mut parts, text_start..at);
        Ok((parts, at))
    }

    fn push_text(&self, parts: &mut Pattern, span: Range<usize>) {
        if !span.is_empty() {
            parts.push(Part::Text(self.expression[span].to_string()));
        }
    }

    /// The group whose `[` is at `open`, and the place after its `]`.
    fn group(&self, open: usize) -> Result<(Vec<Numbers>, usize), ExprError> {
        let Some(close) = self.find(open, |c| c == ']') else {
            return Err(self.error(open..self.expression.len(), "[ is not closed by ]"));
        };
        if let Some(inner) = self.find(open + 1, |c| c == '[').filter(|inner| *inner < close) {
            return Err(self.error(inner..inner + 1, "a group within a group"));
        }
        let mut ranges = Vec::new();
        let mut at = open + 1;
        for item in self.expression[at..close].split(',') {
            ranges.push(self.range(at..at + item.len())?);
            at += item.len() + 1;
        }
        Ok((ranges, close + 1))
    }

    /// `5`, `005`, `1-40` or `01-40`.
    fn range(&self, span: Range<usize>) -> Result<Numbers, ExprError> {
        let text = &self.expression[span.clone()];
        // Beyond any host name (RFC 1123 allows 255), and what padding to a width can hold.
        if text.len() > 2 * MOST_DIGITS + 1 {
            return Err(self.error(span, "a number with too many digits"));
        }
        if text.trim().is_empty() {
            // An empty item has no width for a caret: take in the bracket or comma after it.
            return Err(self.error(span.start..span.end + 1, "a number is missing"));
        }
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            match plain {
                false => Err(self.error(span.clone(), "not a number or a range such as 1-40")),
                true => digits.parse::<u64>().map_err(|_| self.error(span.clone(), "a number beyond 64 bits")),
            }
        };
        let numbers = Numbers { low: number(low)?, high: number(high)?, width: low.len() };
        if numbers.high < numbers.low {
            return Err(self.error(span, format!("the range goes down: write {high}-{low}")));
        }
        if high.len() != low.len() && (high.starts_with('0') || (low.starts_with('0') && high.len() < low.len())) {
            let width = low.len().max(high.len());
            let (low, high) = (numbers.low, numbers.high);
            let why = format!("the ends are padded differently: write {low:0width$}-{high:0width$} or {low}-{high}");
            return Err(self.error(span, why));
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(expression: &str) -> Vec<String> {
        let mut names = Vec::new();
        let set = parse(expression).unwrap();
        let mut all = set.names();
        while let Some(name) = all.next_name() {
            names.push(name.to_string());
        }
        assert_eq!(set.count(), Some(names.len() as u128), "{expression}");
        names
    }

    fn why(expression: &str) -> String {
        parse(expression).unwrap_err().why
    }

    #[test]
    fn groups_stand_anywhere_and_the_last_is_fastest() {
        assert_eq!(names("mysql[1-3]"), ["mysql1", "mysql2", "mysql3"]);
        assert_eq!(names("n[1-2][3-4]"), ["n13", "n14", "n23", "n24"]);
        assert_eq!(names("n[1-2]0"), ["n10", "n20"]);
        assert_eq!(names("[1-2]"), ["1", "2"]);
        assert_eq!(names("10.0.[0-1].[1,9]"), ["10.0.0.1", "10.0.0.9", "10.0.1.1", "10.0.1.9"]);
    }

    #[test]
    fn padding_is_kept_by_item() {
        assert_eq!(names("n[08-10]"), ["n08", "n09", "n10"]);
        assert_eq!(names("n[1,02,003]"), ["n1", "n02", "n003"]);
        assert_eq!(names("n[8-10]"), ["n8", "n9", "n10"]);
        assert_eq!(names("n[00]"), ["n00"]);
    }

    #[test]
    fn words_are_separated_by_blanks_and_commas() {
        assert_eq!(names(" web1, web2\tdb[1-2],"), ["web1", "web2", "db1", "db2"]);
        assert_eq!(names("root@web1 fe80::1%eth0"), ["root@web1", "fe80::1%eth0"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(why(""), "it is empty");
        assert_eq!(why("web*"), "a host name has no pattern in it: pipe from ec2-ls, which takes them");
        assert_eq!(why(" , "), "there is no host in it");
        assert_eq!(why("n[1-"), "[ is not closed by ]");
        assert_eq!(why("n1]"), "] without a [ before it");
        assert_eq!(why("n[1-[2-3]]"), "a group within a group");
        assert_eq!(why("n[]"), "a number is missing");
        assert_eq!(why("n[1,,2]"), "a number is missing");
        assert_eq!(why("n[1-a]"), "not a number or a range such as 1-40");
        assert_eq!(why("n[-1]"), "not a number or a range such as 1-40");
        assert_eq!(why("n[40-1]"), "the range goes down: write 1-40");
        assert_eq!(why("n[9-010]"), "the ends are padded differently: write 009-010 or 9-10");
        assert_eq!(why("n[99999999999999999999]"), "a number beyond 64 bits");
        assert_eq!(why(&format!("n[{}1]", "0".repeat(70_000))), "a number with too many digits");
        assert_eq!(why(&format!("n[1-{}1]", "0".repeat(70_000))), "a number with too many digits");
        assert_eq!(why("web1;reboot"), "a host name has no ';' in it");
        assert_eq!(why("$(reboot)"), "a host name has no '$' in it");
        assert_eq!(why("-oProxyCommand=x"), "a host name does not begin with '-'");
    }

    #[test]
    fn what_may_give_a_name_twice_is_seen() {
        let distinct = |expression| parse(expression).unwrap().is_plainly_distinct();
        assert!(distinct("n[1-9]") && distinct("n[1-9]x[01-10].example") && distinct("web1"));
        assert!(!distinct("n[1-9] n5") && !distinct("n[1-3,2]") && !distinct("n[1-12][1-12]") && !distinct("n[1-9]0"));
    }

    #[test]
    fn counting_needs_no_expanding() {
        assert_eq!(parse("n[1-999999999999]x[1-1000]").unwrap().count(), Some(999_999_999_999_000));
        let nines = "[0-18446744073709551615]";
        assert_eq!(parse(&format!("{nines}{nines}{nines}")).unwrap().count(), None);
    }
}
