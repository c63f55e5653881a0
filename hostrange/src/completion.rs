//! Completes the last name of an expression in a shell: hosts of the saved listing, node groups, and files after `^`.

use crate::node_groups::NodeGroups;
use cerveza_manners::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter, fitting, saved_hosts};
use std::ffi::OsStr;

/// Completes hosts.
pub fn hosts() -> ArgValueCompleter {
    hosts_and(|_| Vec::new())
}

/// Completes hosts and other words, which `more` returns for what is typed.
pub fn hosts_and(more: fn(&str) -> Vec<String>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| complete(&typed.to_string_lossy(), more))
}

fn complete(typed: &str, more: fn(&str) -> Vec<String>) -> Vec<CompletionCandidate> {
    let Some(start) = last_name(typed) else { return Vec::new() };
    let (before, name) = typed.split_at(start);
    let found = match name.strip_prefix('@') {
        // `^FILE` is an argument of its own.
        _ if before == "^" => PathCompleter::file().complete(OsStr::new(name)),
        Some(group) => fitting(OsStr::new(name), groups(group)),
        None => {
            // Filters such as `role=` are words of their own, and a name is given once.
            let is_new = |word: &String| {
                before.is_empty()
                    || !word.contains('=') && !before.split([',', '(', '!', '&', '^']).any(|name| name == word)
            };
            let words = saved_hosts().into_iter().chain(more(name)).filter(is_new);
            fitting(OsStr::new(name), words.collect())
        }
    };
    found.into_iter().map(|candidate| candidate.add_prefix(before)).collect()
}

/// Returns where the last name begins. `None` within brackets or quotes.
fn last_name(typed: &str) -> Option<usize> {
    let (mut start, mut in_brackets, mut in_quotes) = (0, false, false);
    for (at, character) in typed.char_indices() {
        match character {
            '"' => in_quotes = !in_quotes,
            '[' if !in_quotes => in_brackets = true,
            ']' if !in_quotes => in_brackets = false,
            ',' | '!' | '&' | '^' | '(' if !in_quotes && !in_brackets => start = at + 1,
            _ => {}
        }
    }
    (!in_brackets && !in_quotes).then_some(start)
}

/// Returns the node groups of a source, or those of the default source and the names of all sources.
fn groups(typed: &str) -> Vec<String> {
    let node_groups = NodeGroups::from_env();
    if let Some((source, _)) = typed.split_once(':') {
        let names = node_groups.names(Some(source)).map(|(_, names)| names).unwrap_or_default();
        return names.into_iter().map(|name| format!("@{source}:{name}")).collect();
    }
    let names = node_groups.names(None).map(|(_, names)| names).unwrap_or_default();
    let sources = node_groups.sources().map(|(sources, _)| sources).unwrap_or_default();
    let names = names.into_iter().map(|name| format!("@{name}"));
    names.chain(sources.into_iter().map(|source| format!("@{source}:"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(typed: &str) -> Vec<String> {
        let more = |_: &str| ["web1", "web2", "db1", "role="].map(str::to_string).to_vec();
        complete(typed, more).iter().map(|found| found.get_value().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn the_last_name_is_completed() {
        assert_eq!(completed("we"), ["web1", "web2"]);
        assert_eq!(completed("ro"), ["role="]);
        assert_eq!(completed("web1,d"), ["web1,db1"]);
        assert_eq!(completed("web1,"), ["web1,db1", "web1,web2"]);
        assert_eq!(completed("web[1-9]!(db1,web"), ["web[1-9]!(db1,web1", "web[1-9]!(db1,web2"]);
        assert_eq!(completed("\"my,web\",d"), ["\"my,web\",db1"]);
    }

    #[test]
    fn nothing_is_completed_within_brackets_and_quotes() {
        assert_eq!(completed("web[1,d"), [""; 0]);
        assert_eq!(completed("\"d"), [""; 0]);
    }
}
