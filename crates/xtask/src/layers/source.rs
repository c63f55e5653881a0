//! Reads one source file: the modules it declares and the paths it names.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The declarations and paths of a source file, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// `mod name;`
    Declares(String),
    /// `mod name { ... }`
    Inline(String, Vec<Statement>),
    /// A path in code, such as `crate::a::b` or `child::c`.
    Names(Path),
    /// One path of a `use`, and the name that it gives to the module.
    Uses { path: Path, name: String, public: bool },
}

/// The segments of a path and the line it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub segments: Vec<String>,
    pub line: usize,
}

/// Reads tokens, also those inside braces and macros. Leaves out items under `#[cfg(test)]`.
pub(super) fn statements(tokens: TokenStream) -> Vec<Statement> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += match (token, &tokens[at + 1..]) {
            (TokenTree::Punct(hash), [TokenTree::Group(attribute), rest @ ..])
                if hash.as_char() == '#' && without_blanks(attribute.stream()) == "cfg(test)" =>
            {
                2 + item_length(rest)
            }
            (TokenTree::Ident(word), [TokenTree::Ident(name), next, ..]) if word == "mod" => {
                found.push(match next {
                    TokenTree::Group(body) => Statement::Inline(name.to_string(), statements(body.stream())),
                    _ => Statement::Declares(name.to_string()),
                });
                3
            }
            (TokenTree::Ident(word), rest) if word == "use" => {
                let length = rest.iter().position(|token| is(token, ";")).unwrap_or(rest.len());
                use_tree(&rest[..length], &[], is_public(&tokens[..at]), &mut found);
                1 + length
            }
            (TokenTree::Ident(first), _) => {
                let path = path(first, &tokens[at + 1..]);
                let length = 3 * path.segments.len() - 2;
                if path.segments.len() > 1 {
                    found.push(Statement::Names(path));
                }
                length
            }
            (TokenTree::Group(group), _) => {
                found.extend(statements(group.stream()));
                1
            }
            _ => 1,
        };
    }
    found
}

fn is(token: &TokenTree, text: &str) -> bool {
    !matches!(token, TokenTree::Group(_)) && token.to_string() == text
}

fn without_blanks(tokens: TokenStream) -> String {
    tokens.to_string().replace(' ', "")
}

/// Returns the number of tokens up to the end of an item: its semicolon or its braces.
fn item_length(tokens: &[TokenTree]) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => is(token, ";"),
    };
    tokens.iter().position(ends).map_or(tokens.len(), |end| end + 1)
}

/// Returns whether the tokens end with `pub` or `pub(...)`.
fn is_public(before: &[TokenTree]) -> bool {
    match before {
        [.., word, TokenTree::Group(group)] => is(word, "pub") && group.delimiter() == Delimiter::Parenthesis,
        [.., word] => is(word, "pub"),
        [] => false,
    }
}

/// Reads the path that begins with `first`.
fn path(first: &proc_macro2::Ident, mut rest: &[TokenTree]) -> Path {
    let mut path = Path { segments: vec![first.to_string()], line: first.span().start().line };
    while let [colon, second, TokenTree::Ident(segment), after @ ..] = rest
        && is(colon, ":")
        && is(second, ":")
    {
        path.segments.push(segment.to_string());
        rest = after;
    }
    path
}

/// Reads `a::{b, c as d, e::*}` into one path each.
fn use_tree(tokens: &[TokenTree], prefix: &[String], public: bool, found: &mut Vec<Statement>) {
    for tree in tokens.split(|token| is(token, ",")) {
        let mut segments = prefix.to_vec();
        let mut alias = None;
        let mut words = tree.iter();
        while let Some(token) = words.next() {
            match token {
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    use_tree(&inner, &segments, public, found);
                    segments.clear();
                }
                TokenTree::Ident(word) if word == "as" => alias = words.next().map(ToString::to_string),
                TokenTree::Ident(word) if word == "self" && !segments.is_empty() => {}
                TokenTree::Ident(word) => segments.push(word.to_string()),
                _ => {}
            }
        }
        if let (Some(last), Some(token)) = (segments.last(), tree.first()) {
            let name = alias.unwrap_or_else(|| last.clone());
            let line = token.span().start().line;
            found.push(Statement::Uses { path: Path { segments, line }, name, public });
        }
    }
}
