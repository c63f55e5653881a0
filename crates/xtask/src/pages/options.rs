//! Makes SYNOPSIS, OPTIONS and the variables of ENVIRONMENT from a clap definition.

use super::roff;
use clap::{Arg, Command};
use std::collections::HashSet;

/// Returns the usage lines of `--help`: what is typed literally is bold, placeholders are italic.
pub(crate) fn synopsis(command: &mut Command) -> String {
    let usage = command.render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
    let mut lines = String::new();
    for line in usage.lines() {
        if !lines.is_empty() {
            lines.push_str(".br\n");
        }
        let words: Vec<String> = line.split_whitespace().map(usage_word).collect();
        lines.push_str(&words.join(" "));
        lines.push('\n');
    }
    lines
}

/// Styles one word, such as `[-f]` or `<PART>...`, without its brackets and dots.
fn usage_word(word: &str) -> String {
    let is_around = |c: char| "[]{}<>.|".contains(c);
    let inner = word.trim_matches(is_around);
    let start = word.find(inner).unwrap_or(0);
    let (before, after) = (&word[..start], &word[start + inner.len()..]);
    // In a man page, italics replace angle brackets.
    let (before, after) = (before.replace('<', ""), after.replace('>', ""));
    let styled = match inner.chars().any(|c| c.is_ascii_lowercase()) || inner == "--" {
        true => roff::bold(inner),
        false => roff::italic(inner),
    };
    format!("{before}{styled}{after}")
}

/// Returns the arguments, then the options, under the headings that `--help` has.
pub(crate) fn options(command: &Command) -> String {
    let shown = || command.get_arguments().filter(|arg| !arg.is_hide_set());
    let arguments = shown().filter(|arg| arg.is_positional());
    let options = || shown().filter(|arg| !arg.is_positional());
    let mut headings: Vec<&str> = options().filter_map(Arg::get_help_heading).collect();
    let mut seen = HashSet::new();
    headings.retain(|heading| seen.insert(*heading));
    let mut roff: String =
        arguments.chain(options().filter(|arg| arg.get_help_heading().is_none())).map(option).collect();
    for heading in headings {
        roff.push_str(&format!(".SS \"{heading}\"\n"));
        roff.extend(options().filter(|arg| arg.get_help_heading() == Some(heading)).map(option));
    }
    roff
}

fn option(arg: &Arg) -> String {
    let values = arg.get_possible_values();
    let takes_value = arg.get_action().takes_values();
    let listed = !values.is_empty() && takes_value && !arg.is_hide_possible_values_set();
    let explained = listed && values.iter().any(|value| value.get_help().is_some());
    let mut help = help(arg);
    if listed && !explained {
        let names: Vec<String> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        help.push_str(&format!(" One of {}.", names.join(", ")));
    }
    help.push_str(&default_and_variable(arg));
    let mut roff = format!(".TP\n{}\n{}\n", header(arg), roff::text(&help));
    if explained {
        roff.push_str(".RS\n");
        for value in values.iter().filter(|value| !value.is_hide_set()) {
            let help = value.get_help().map(ToString::to_string).unwrap_or_default();
            roff.push_str(&format!(".TP\n{}\n{}\n", roff::bold(value.get_name()), roff::text(&sentence(&help))));
        }
        roff.push_str(".RE\n");
    }
    roff
}

/// Returns the line that names an option, such as `-w, --write FILE` or `PART...`.
fn header(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let value = names.iter().map(|name| roff::italic(name)).collect::<Vec<_>>().join(" ");
    let many = arg.get_num_args().is_some_and(|range| range.max_values() > 1);
    if arg.is_positional() {
        return format!("{value}{}", if many { "..." } else { "" });
    }
    let short = arg.get_short().map(|short| roff::bold(&format!("-{short}")));
    let long = arg.get_long().map(|long| roff::bold(&format!("--{long}")));
    let flags = [short, long].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let optional = arg.get_num_args().is_some_and(|range| range.min_values() == 0);
    match arg.get_action().takes_values() {
        true if optional && arg.is_require_equals_set() => format!("{flags}[={value}]"),
        true if optional => format!("{flags} [{value}]"),
        true => format!("{flags} {value}"),
        false => flags,
    }
}

fn help(arg: &Arg) -> String {
    // clap's own help for these two depends on where it is shown.
    match arg.get_id().as_str() {
        "help" => return "Print a summary of the options, with `--help` at length.".to_string(),
        "version" => return "Print the version.".to_string(),
        _ => {}
    }
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    // In the page, an option is one paragraph.
    help.split("\n\n").map(sentence).collect::<Vec<_>>().join(" ")
}

/// Adds a full stop, because clap's help ends without one.
fn sentence(text: &str) -> String {
    match text.ends_with(['.', ']', ')']) || text.is_empty() {
        true => text.to_string(),
        false => format!("{text}."),
    }
}

fn default_and_variable(arg: &Arg) -> String {
    let mut text = String::new();
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() && arg.get_action().takes_values() && !arg.is_hide_default_value_set() {
        text.push_str(&format!(" [default: {}]", defaults.join(" ")));
    }
    if let Some(variable) = arg.get_env() {
        text.push_str(&format!(" [env: {}]", variable.to_string_lossy()));
    }
    text
}

/// Returns the environment variables that set options.
pub(crate) fn variables(command: &Command) -> String {
    let variable = |arg: &Arg| {
        let variable = roff::bold(&arg.get_env()?.to_string_lossy());
        let option = roff::bold(&format!("--{}", arg.get_long()?));
        Some(format!(".TP\n{variable}\nDefault value of {option}.\n"))
    };
    command.get_arguments().filter_map(variable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::builder::PossibleValue;

    #[test]
    fn a_usage_word_is_styled_within_its_brackets() {
        assert_eq!(usage_word("hostrange"), "\\fBhostrange\\fR");
        assert_eq!(usage_word("[OPTIONS]"), "[\\fIOPTIONS\\fR]");
        assert_eq!(usage_word("<PART>..."), "\\fIPART\\fR...");
        assert_eq!(usage_word("[--]"), "[\\fB\\-\\-\\fR]");
    }

    #[test]
    fn an_option_has_its_values_default_and_variable() {
        let plain = Arg::new("o").short('o').long("out").value_name("FORMAT").help("How").value_parser(["a", "b"]);
        assert_eq!(
            option(&plain.default_value("a").env("OUT")),
            ".TP\n\\fB\\-o\\fR, \\fB\\-\\-out\\fR \\fIFORMAT\\fR\nHow. One of \\fBa\\fR, \\fBb\\fR. [default: a] [env: OUT]\n"
        );
        let optional = Arg::new("s").long("sudo").value_name("USER").num_args(0..=1).require_equals(true).help("As");
        assert_eq!(option(&optional), ".TP\n\\fB\\-\\-sudo\\fR[=\\fIUSER\\fR]\nAs.\n");
        let optional = Arg::new("w").short('w').value_name("UNTIL").num_args(0..=1).help("Wait");
        assert_eq!(option(&optional), ".TP\n\\fB\\-w\\fR [\\fIUNTIL\\fR]\nWait.\n");
        let explained =
            Arg::new("k").long("key").value_name("K").help("Keys").value_parser([PossibleValue::new("x").help("Any")]);
        assert_eq!(option(&explained), ".TP\n\\fB\\-\\-key\\fR \\fIK\\fR\nKeys.\n.RS\n.TP\n\\fBx\\fR\nAny.\n.RE\n");
    }
}
