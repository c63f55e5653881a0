//! The parser of host expressions: names with brackets, node groups, and operations, which apply from left to right.

use crate::language::error::ExprError;
use crate::language::group::GroupName;
use crate::node_groups::NodeGroups;
use crate::pattern::bracket::Bracket;
use crate::pattern::item::parse_item;
use crate::pattern::{Part, Pattern};
use crate::set::{Host, HostSet, Member, Operator};
use cerveza_manners::visible;
use cerveza_record::{is_bare, is_name_char, unquote};
use std::net::Ipv6Addr;
use std::ops::Range;

/// Parses an expression. An empty one is an error.
pub(crate) fn parse<'a>(expression: &'a str, groups: &NodeGroups) -> Result<HostSet<'a>, ExprError> {
    Parser { text: expression, at: 0, groups, within: &[] }.all()
}

/// Limit of nested parentheses and of nested node groups. It protects the stack.
pub(super) const DEEPEST: usize = 50;

/// Limit of digits in all brackets of a name together: far more than a host name can have.
const MOST_DIGITS_IN_NAME: usize = 1000;

/// Limit of texts and brackets in one name: far more than a host name can have.
const MOST_PARTS_OF_NAME: usize = 100;

const FILE_HINT: &str = " (^FILE is an argument of its own)";

pub(super) struct Parser<'a, 'g> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) groups: &'g NodeGroups,
    /// The node groups that contain this text, the innermost last.
    pub(super) within: &'g [GroupName],
}

impl<'a> Parser<'a, '_> {
    pub(super) fn error(&self, span: Range<usize>, why: impl Into<String>) -> ExprError {
        ExprError { expression: self.text.to_string(), span, why: why.into(), may_be_name: false }
    }

    /// Returns an error for a text that may be one name without its quotes.
    fn unquoted(&self, span: Range<usize>, why: impl Into<String>) -> ExprError {
        ExprError { may_be_name: true, ..self.error(span, why) }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// Returns the span of the next character, or of the last one at the end.
    fn here(&self) -> Range<usize> {
        match self.peek() {
            Some(c) => self.at..self.at + c.len_utf8(),
            None => self.text.char_indices().next_back().map_or(0, |(at, _)| at)..self.text.len(),
        }
    }

    /// Skips characters while `skipped` is true. Returns their span.
    pub(super) fn skip(&mut self, skipped: impl Fn(char) -> bool) -> Range<usize> {
        let start = self.at;
        self.at = self.text[start..].find(|c| !skipped(c)).map_or(self.text.len(), |found| start + found);
        start..self.at
    }

    pub(super) fn all(mut self) -> Result<HostSet<'a>, ExprError> {
        let set = self.expression(0)?;
        match self.peek() {
            Some(_) => Err(self.error(self.here(), ") without a ( before it")),
            None => Ok(set),
        }
    }

    /// Parses up to the end, or up to a `)` without a `(`.
    fn expression(&mut self, depth: usize) -> Result<HostSet<'a>, ExprError> {
        let start = self.at;
        let mut set: Option<HostSet> = None;
        loop {
            let separator = self.skip(is_separator);
            let c = match self.peek() {
                None | Some(')') => break,
                Some(c) => c,
            };
            let Some(operator) = operator(c) else {
                if set.is_some() && self.is_only_blank(&separator) {
                    return Err(self.unquoted(separator, "a comma is missing: blanks do not separate names"));
                }
                let operand = self.operand(depth)?;
                set.get_or_insert_default().append(operand);
                continue;
            };
            let span = self.here();
            let Some(left) = set.filter(|_| !self.text[separator].contains(',')) else {
                return Err(self.nothing_on_the_left(c, span));
            };
            let left_text = self.text[start..span.start].trim_matches(is_separator);
            self.at = span.end;
            self.skip(char::is_whitespace);
            if self.peek().is_none_or(|next| next == ')' || is_separator(next) || self::operator(next).is_some()) {
                let hint = if self.peek() == Some('^') { FILE_HINT } else { "" };
                return Err(self.error(span, format!("there is nothing to the right of {c}{hint}")));
            }
            let right_start = self.at;
            let right = self.operand(depth)?;
            let right_text = &self.text[right_start..self.at];
            // `a!b` of two plain names is probably one name, `"a!b"`.
            let are_two_names = left_text != right_text && is_bare([left_text]) && is_bare([right_text]);
            if are_two_names && operator != Operator::Intersection && self.within.is_empty() {
                return Err(self.unquoted(span, format!("{c} between two different names has no use")));
            }
            set = Some(left.combine(operator, right).map_err(|why| self.error(span, why))?);
        }
        match set {
            Some(set) => Ok(set),
            None if self.text.trim().is_empty() => Err(self.error(0..self.text.len(), "it is empty")),
            None => Err(self.error(start..self.at, "there is no host in it")),
        }
    }

    /// Returns an error for an operator `c` without a left side.
    fn nothing_on_the_left(&self, c: char, span: Range<usize>) -> ExprError {
        let hint = match c {
            _ if !self.text[..span.start].trim().is_empty() || !self.within.is_empty() => "",
            '^' => FILE_HINT,
            '!' => ": write both sides as one argument, or use -x",
            _ => ": write both sides as one argument, or use -i",
        };
        self.error(span, format!("there is nothing to the left of {c}{hint}"))
    }

    /// Parses a name, a node group, or an expression in parentheses.
    fn operand(&mut self, depth: usize) -> Result<HostSet<'a>, ExprError> {
        let start = self.at;
        let set = match self.peek() {
            Some('(') => {
                if depth == DEEPEST {
                    return Err(self.error(self.here(), "parentheses nest too deep"));
                }
                self.at += 1;
                let set = self.expression(depth + 1)?;
                if self.peek() != Some(')') {
                    return Err(self.error(start..start + 1, "( is not closed by )"));
                }
                self.at += 1;
                set
            }
            Some('@') => self.node_group()?,
            _ => HostSet::new(vec![self.name_or_pattern()?]),
        };
        match self.peek() {
            Some(c) if c == '(' || self.text[..self.at].ends_with(')') && !ends_operand(c) => {
                Err(self.error(self.here(), format!("a comma is missing before {c}")))
            }
            _ => Ok(set),
        }
    }

    /// Parses a name: texts, quoted or not, and brackets. Two texts always have a bracket between them.
    pub(super) fn name_or_pattern(&mut self) -> Result<Member<'a>, ExprError> {
        let start = self.at;
        let mut parts = Vec::new();
        let mut text_start = start;
        while let Some(c) = self.peek() {
            let span = self.here();
            // A text without quotes is added only with the bracket after it, so a last text is quoted.
            let is_quoted = matches!(parts.last(), Some(Part::Text(_)));
            if parts.is_empty() && (self.at == start || self.text[..self.at].ends_with('@')) {
                let length = ipv6_in_brackets(&self.text[self.at..]);
                if length > 0 {
                    self.at += length;
                    continue;
                }
            }
            match c {
                '[' => {
                    if text_start < self.at {
                        parts.push(Part::Text(self.text[text_start..self.at].into()));
                    }
                    parts.push(Part::Bracket(self.bracket()?));
                    if parts.len() > MOST_PARTS_OF_NAME {
                        return Err(self.error(span, "too many brackets in one name"));
                    }
                    text_start = self.at;
                    continue;
                }
                '"' if text_start == self.at && !is_quoted => {
                    parts.push(Part::Text(self.quoted()?.into()));
                    text_start = self.at;
                    continue;
                }
                c if ends_operand(c) || c == '(' => break,
                '"' => return Err(self.error(span, "a comma is missing before \"")),
                _ if is_quoted => return Err(self.error(span, "a comma is missing after \"")),
                c if is_name_char(c) && !(span.start == start && matches!(c, '-' | '@')) => {}
                c => return Err(self.unquoted(span, not_in_a_name(c, self.at == start))),
            }
            self.at = span.end;
        }
        if let [Part::Text(name)] = parts.as_slice() {
            return Ok(Member::Host(Host::Name(name.to_string().into())));
        }
        if parts.is_empty() {
            return Ok(Member::Host(self.text[start..self.at].into()));
        }
        if text_start < self.at {
            parts.push(Part::Text(self.text[text_start..self.at].into()));
        }
        let pattern = Pattern::new(parts);
        if pattern.brackets().filter_map(|bracket| bracket.lengths().last()).sum::<usize>() > MOST_DIGITS_IN_NAME {
            return Err(self.error(start..self.at, "too many digits in one name"));
        }
        Ok(Member::Pattern(pattern.into()))
    }

    /// Parses a text in quotes.
    fn quoted(&mut self) -> Result<String, ExprError> {
        let rest = self.at..self.text.len();
        let (text, length) = unquote(&self.text[rest.clone()]).map_err(|why| self.error(rest, why))?;
        let span = self.at..self.at + length;
        self.at = span.end;
        if text.is_empty() { Err(self.error(span, "there is nothing in the quotes")) } else { Ok(text) }
    }

    fn bracket(&mut self) -> Result<Bracket, ExprError> {
        let open = self.at;
        let rest = &self.text[open + 1..];
        let inside = match rest.find(['[', ']']) {
            Some(found) if rest[found..].starts_with(']') => &rest[..found],
            Some(found) => return Err(self.error(open + 1 + found..open + 2 + found, "a bracket within a bracket")),
            None => return Err(self.error(open..self.text.len(), "[ is not closed by ]")),
        };
        let mut segments = Vec::new();
        let mut at = open + 1;
        for item in inside.split(',') {
            let start = at + item.len() - item.trim_start().len();
            let trimmed = item.trim();
            at += item.len() + 1;
            if trimmed.is_empty() {
                // An empty item has no width: the caret also covers the bracket or comma after it.
                return Err(self.error(start..at, "a number is missing"));
            }
            parse_item(trimmed, &mut segments)
                .map_err(|(span, why)| self.error(start + span.start..start + span.end, why))?;
        }
        self.at = open + inside.len() + 2;
        Ok(Bracket::new(segments))
    }

    /// Whether a separator is only blanks, which may be a part of a name. Newlines do separate, and in ClusterShell's files
    /// blanks do too.
    fn is_only_blank(&self, separator: &Range<usize>) -> bool {
        self.within.is_empty() && !separator.is_empty() && !self.text[separator.clone()].contains([',', '\n'])
    }
}

/// Returns the length of an address such as `[::1]` at the start of `text`, or 0. Addresses before a port are in brackets,
/// and no range of numbers looks like one.
fn ipv6_in_brackets(text: &str) -> usize {
    let address = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or("", |(address, _)| address);
    let (number, zone) = address.split_once('%').unwrap_or((address, ""));
    if number.parse::<Ipv6Addr>().is_ok() && zone.chars().all(is_name_char) { address.len() + 2 } else { 0 }
}

fn is_separator(c: char) -> bool {
    c == ',' || c.is_whitespace()
}

fn operator(c: char) -> Option<Operator> {
    match c {
        '!' => Some(Operator::Difference),
        '&' => Some(Operator::Intersection),
        '^' => Some(Operator::SymmetricDifference),
        _ => None,
    }
}

fn ends_operand(c: char) -> bool {
    is_separator(c) || operator(c).is_some() || c == ')'
}

/// Returns a message for a character that cannot be in a host name.
fn not_in_a_name(c: char, is_first: bool) -> String {
    match c {
        ']' => "] without a [ before it".to_string(),
        '*' | '?' => "a host name has no pattern in it: ec2-ls takes patterns, and grep names".to_string(),
        '/' => "a host name has no '/' in it (what is in a file is ^FILE)".to_string(),
        '-' if is_first => "a host name does not begin with '-' (to leave hosts out: ! or -x)".to_string(),
        '=' => "a host name has no '=' in it (ec2-ls finds hosts by a tag, as in `ec2-ls role=web`)".to_string(),
        '{' => "a host name has no '{' in it: write [1-3] for {1..3}".to_string(),
        '@' if is_first => "a host name does not begin with '@'".to_string(),
        c => format!("a host name has no '{}' in it", visible(c.encode_utf8(&mut [0; 4]))),
    }
}
