//! `ExprError`: a bad expression, shown with carets under the error.

use cerveza_manners::{Failure, visible};
use cerveza_record::quote;
use std::fmt;
use std::ops::Range;

/// How much of a long expression is shown on each side of the error, in characters.
const CONTEXT: usize = 60;

/// In bytes. A longer expression cannot be one name, because a tag has at most 256 characters.
const MOST_QUOTED: usize = 1024;

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprError {
    pub expression: String,
    /// The bytes of `expression` that are wrong.
    pub span: Range<usize>,
    pub why: String,
    /// Whether the expression may be one name without its quotes.
    pub may_be_name: bool,
}

impl ExprError {
    /// Returns the error as a message. `is_argument`: the expression was an argument, so the hint is quoted for a shell.
    pub fn failure(&self, is_argument: bool) -> Failure {
        let failure = Failure::usage(self.to_string());
        if !self.may_be_name || self.expression.len() > MOST_QUOTED {
            return failure;
        }
        let quoted = quote(self.expression.trim());
        let written = if is_argument { format!("'{}'", quoted.replace('\'', r"'\''")) } else { quoted };
        failure.hint(format!("if it is one name, put it in double quotes: {written}"))
    }
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = &self.expression[..self.span.start];
        let from = before.char_indices().rev().nth(CONTEXT - 1).map_or(0, |(at, _)| at);
        let wrong = &self.expression[self.span.clone()];
        let after = &self.expression[self.span.end..];
        let to = after.char_indices().nth(CONTEXT).map_or(after.len(), |(at, _)| at);
        let wrong_end = wrong.char_indices().nth(CONTEXT).map_or(wrong.len(), |(at, _)| at);
        let (before, wrong) = (visible(&before[from..]), visible(&wrong[..wrong_end]));
        let after = if wrong_end < self.span.len() { "...".into() } else { visible(&after[..to]) };
        writeln!(f, "bad expression: {}", self.why)?;
        writeln!(f, "  {before}{wrong}{after}")?;
        let carets = wrong.chars().count().max(1);
        write!(f, "  {}{}", " ".repeat(before.chars().count()), "^".repeat(carets))
    }
}

impl std::error::Error for ExprError {}

#[cfg(test)]
mod tests {
    use crate::language::parse::parse;
    use crate::node_groups::NodeGroups;

    fn shown(expression: &str) -> String {
        parse(expression, &NodeGroups::in_folders(Vec::new())).unwrap_err().to_string()
    }

    #[test]
    fn carets_are_under_the_error() {
        assert_eq!(shown("web1,é[5-1]"), "bad expression: the range goes down: write 1-5\n  web1,é[5-1]\n         ^^^");
        assert_eq!(shown("web[1-2"), "bad expression: [ is not closed by ]\n  web[1-2\n     ^^^^");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(shown("a\u{1b}b"), "bad expression: a host name has no '\\u{1b}' in it\n  a\\u{1b}b\n   ^^^^^^");
    }

    #[test]
    fn a_long_expression_is_cut_around_the_error() {
        let shown = shown(&format!("{}[2-1]{}", "a".repeat(5000), "b".repeat(5000)));
        assert!(shown.len() < 400, "{shown}");
        assert!(shown.contains("[2-1]"), "{shown}");
    }
}
