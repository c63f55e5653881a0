//! Completion in a shell: the files in completions/ run the tool itself, and it prints the words that fit.
//!
//! The values of an option come from clap, or from a completer that is added to the option: `record_keys`, `fixed_words`, and `saved_values` for values in the listing that CERVEZA_INVENTORY names.

use crate::field::value_at;
use cerveza_record::{RECORD_KEYS, Record, RecordKey, Value, is_plain_name, natural_cmp};
use clap::Command;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};
use std::env::{self, ArgsOs};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::SystemTime;

/// Names the shell that asks. Then the arguments after `--` are the command line to complete.
const SHELL: &str = "CERVEZA_COMPLETE";

/// Names the saved listing.
const INVENTORY: &str = "CERVEZA_INVENTORY";

/// The keys of a record that have an address.
pub const ADDRESS_KEYS: &[&str] = &["private_ip", "public_ip", "ipv6", "private_dns", "public_dns", "host"];

/// Returns the shell that asks for completion, if one does.
pub(crate) fn asking_shell() -> Option<String> {
    env::var(SHELL).ok().filter(|shell| !shell.is_empty())
}

/// Prints the words that fit, one per line, each with a tab and its explanation if it has one.
pub(crate) fn print(mut command: Command, shell: &str, words: ArgsOs) -> ExitCode {
    let args = words.skip_while(|arg| arg != "--").skip(1).collect();
    let (words, shown_from) = typed_words(shell, args);
    let folder = env::current_dir().ok();
    let last = words.len().saturating_sub(1);
    let is_option = words.last().is_some_and(|word| word.to_string_lossy().starts_with('-'));
    let text = |word: &OsString| word.to_string_lossy().into_owned();
    let _ = LINE.set(Line {
        tool: command.get_name().to_string(),
        before: words.iter().take(last).skip(1).map(text).collect(),
    });
    let candidates = complete(&mut command, words, last, folder.as_deref()).unwrap_or_default();
    let mut lines = String::new();
    for candidate in candidates {
        let value = candidate.get_value().to_string_lossy();
        // Options come after a `-`, because there are many.
        if value.starts_with('-') && !is_option {
            continue;
        }
        lines.push_str(value.get(shown_from..).unwrap_or(&value));
        if let Some(help) = candidate.get_help() {
            lines.push('\t');
            lines.push_str(&help.to_string().lines().next().unwrap_or_default().replace('`', ""));
        }
        lines.push('\n');
    }
    let _ = std::io::stdout().write_all(lines.as_bytes());
    ExitCode::SUCCESS
}

/// The command line, up to the word that is completed.
struct Line {
    tool: String,
    before: Vec<String>,
}

static LINE: OnceLock<Line> = OnceLock::new();

/// Returns the words after the tool's name and before the one that is completed.
pub fn typed_before() -> &'static [String] {
    LINE.get().map_or(&[], |line| line.before.as_slice())
}

/// Returns the words of the command line up to the cursor, without quotes, and how much of the last one the shell keeps.
///
/// bash gives the line and the part of the last word that it will replace: for bash, `=`, `:` and `@` divide words.
/// The other shells give the words.
fn typed_words(shell: &str, mut args: Vec<OsString>) -> (Vec<OsString>, usize) {
    if shell == "bash" {
        let text = |at: usize| args.get(at).map(|arg| arg.to_string_lossy()).unwrap_or_default();
        let (words, part) = (split_line(&text(0)), text(1));
        let last = words.last().map(String::as_str).unwrap_or_default();
        let kept = last.strip_suffix(&*part).unwrap_or_default().len();
        return (words.into_iter().map(OsString::from).collect(), kept);
    }
    if let Some(last) = args.last_mut() {
        *last = last.to_string_lossy().trim_start_matches(['\'', '"']).into();
    }
    (args, 0)
}

/// Splits a line as a shell does. The last word may lack its closing quote, and is empty after a blank.
fn split_line(line: &str) -> Vec<String> {
    let closed = ["", "'", "\""].into_iter().find_map(|end| Some((shlex::split(&format!("{line}{end}"))?, end)));
    let (mut words, end) = closed.unwrap_or_default();
    if end.is_empty() && line.ends_with([' ', '\t']) {
        words.push(String::new());
    }
    words
}

/// Completes with fixed words.
pub fn fixed_words(words: &'static [&'static str]) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| fitting(typed, words.iter().map(|word| word.to_string()).collect()))
}

/// Completes with the keys of records and the tags of the saved listing. `-` before a key is kept, for `--sort`.
pub fn record_keys() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let typed = typed.to_string_lossy();
        let (minus, typed) = typed.strip_prefix('-').map_or(("", &*typed), |rest| ("-", rest));
        // ec2-ls writes few of the keys. What it reads from stdin may have others.
        let is_listing = LINE.get().is_some_and(|line| line.tool == "ec2-ls");
        let is_likely =
            |group: &str, key: &RecordKey| !is_listing || group == "facts" || key.writers.contains("ec2-ls");
        let known = RECORD_KEYS.iter().flat_map(|(group, keys)| keys.iter().filter(move |key| is_likely(group, key)));
        let known = known.chain([&AGE]);
        let mut keys: Vec<CompletionCandidate> = known
            .filter(|key| key.name.starts_with(typed))
            .map(|key| CompletionCandidate::new(key.name).help(Some(key.about.into())))
            .collect();
        if typed.starts_with("tags") {
            let tags = saved_tag_keys().into_iter().map(|key| format!("tags.{key}")).collect();
            keys.extend(fitting(OsStr::new(typed), tags));
        }
        keys.into_iter().map(|key| key.add_prefix(minus)).collect()
    })
}

/// A column that is computed.
const AGE: RecordKey =
    RecordKey { name: "age", kind: "number", about: "The time since the launch.", writers: "", readers: "" };

/// Completes with the values that a key has in the saved listing.
pub fn saved_values(path: &'static str) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| fitting(typed, saved(path)))
}

/// Returns the names in the saved listing that need no quotes.
pub fn saved_hosts() -> Vec<String> {
    saved("host").into_iter().filter(|host| is_plain_name(host)).collect()
}

/// Returns the keys of the tags in the saved listing.
pub fn saved_tag_keys() -> Vec<String> {
    saved_tags().into_iter().map(|(key, _)| key).collect()
}

/// Returns `KEY=` for each tag in the saved listing, and `KEY=VALUE` once a `=` is typed.
pub fn saved_tag_filters(typed: &str) -> Vec<String> {
    let filter = |(key, value)| if typed.contains('=') { format!("{key}={value}") } else { format!("{key}=") };
    saved_tags().into_iter().map(filter).collect()
}

fn saved_tags() -> Vec<(String, String)> {
    let tags = inventory("tags").into_iter().filter_map(|record| record.get("tags"));
    let tags = tags.filter_map(|tags| tags.as_object().cloned()).flatten();
    tags.filter_map(|(key, value)| Some((key, value.as_str()?.to_string()))).filter(|(key, _)| key != "Name").collect()
}

fn saved(path: &str) -> Vec<String> {
    let first = path.split('.').next().unwrap_or(path);
    let value = |record: &Record| value_at(&|key| record.get(key), path, SystemTime::UNIX_EPOCH);
    let mut texts = Vec::new();
    for found in inventory(first).iter().filter_map(value) {
        match found {
            Value::String(text) => texts.push(text),
            Value::Array(items) => texts.extend(items.iter().filter_map(Value::as_str).map(str::to_string)),
            _ => {}
        }
    }
    texts
}

/// Reads the saved listing, with only this key of each record. A listing that cannot be read completes nothing.
fn inventory(key: &str) -> Vec<Record> {
    let text = env::var_os(INVENTORY).and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let records = text.lines().filter(|line| line.starts_with('{'));
    records.filter_map(|line| Record::parse_some(line, |found| found == key || found == "host").ok()).collect()
}

/// Returns the words that begin as typed, in natural order, each once.
pub fn fitting(typed: &OsStr, mut words: Vec<String>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    words.retain(|word| word.starts_with(&*typed));
    words.sort_by(|a, b| natural_cmp(a, b));
    words.dedup();
    words.into_iter().map(CompletionCandidate::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(shell: &str, args: &[&str]) -> (Vec<String>, usize) {
        let (words, kept) = typed_words(shell, args.iter().map(OsString::from).collect());
        (words.iter().map(|word| word.to_string_lossy().into_owned()).collect(), kept)
    }

    #[test]
    fn bash_keeps_what_it_takes_for_another_word() {
        assert_eq!(typed("bash", &["t --output=js", "js"]), (vec!["t".into(), "--output=js".into()], 9));
        assert_eq!(typed("bash", &["t @ra", "ra"]), (vec!["t".into(), "@ra".into()], 1));
        assert_eq!(typed("bash", &["t 'a b' 'web1,d", "web1,d"]), (vec!["t".into(), "a b".into(), "web1,d".into()], 0));
        assert_eq!(typed("bash", &["t -w ", ""]), (vec!["t".into(), "-w".into(), "".into()], 0));
    }

    #[test]
    fn other_shells_give_words() {
        assert_eq!(typed("fish", &["t", "-w", "'web1,d"]), (vec!["t".into(), "-w".into(), "web1,d".into()], 0));
    }

    #[test]
    fn words_that_fit_are_in_natural_order_and_once() {
        let words = ["web10", "web2", "db1", "web2"].map(str::to_string).to_vec();
        let fitting: Vec<_> =
            fitting(OsStr::new("web"), words).iter().map(|word| word.get_value().to_owned()).collect();
        assert_eq!(fitting, ["web2", "web10"]);
    }
}
