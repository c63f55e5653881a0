//! Suggestions for a misspelt word, and hints for a word that belongs to another tool.

use cerveza_record::Value;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use strsim::osa_distance;

/// Returns what to tell a user who wrote this unknown option or value, if the tool knows what was wanted: the option
/// with this name in another tool, or the action that EC2 names differently. A known option that has a
/// wrong value or none is asked about as `--option=`.
pub type Hint = fn(&str) -> Option<String>;

/// Options that skip a question or a check, or overwrite something. A typo must not lead a user to them.
const NEVER_SUGGESTED: [&str; 3] = ["even-failed", "force", "yes"];

/// Returns the known word that `word` is a misspelling of. Only a typo counts: one character that is wrong, missing,
/// added or swapped with its neighbour, or two of them in a word of 12 characters and more. A larger distance offers
/// words that mean something else, as `start` for `restart`. Words with other digits name other things.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let distance = |known: &str| {
        let known = known.to_lowercase();
        let length = known.chars().count().max(word.chars().count());
        let most = match length {
            0..=2 => 0,
            3..=11 => 1,
            _ => 2,
        };
        let distance = osa_distance(&known, &word);
        (distance <= most && digits(&known) == digits(&word)).then_some(distance)
    };
    let near = known.into_iter().filter_map(|known| Some((distance(known)?, known)));
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// Other words for keys, such as the headings of ec2-ls: each word with its key.
const OTHER_WORDS: [(&str, &str); 19] = [
    ("address", "private_ip"),
    ("ami", "image_id"),
    ("az", "zone"),
    ("group", "security_groups"),
    ("groups", "security_groups"),
    ("hostname", "host"),
    ("id", "instance_id"),
    ("image", "image_id"),
    ("instance", "instance_id"),
    ("ip", "private_ip"),
    ("key", "key_name"),
    ("launched", "launch_time"),
    ("name", "host"),
    ("private ip", "private_ip"),
    ("public ip", "public_ip"),
    ("subnet", "subnet_id"),
    ("type", "instance_type"),
    ("uptime", "age"),
    ("vpc", "vpc_id"),
];

/// Returns the end of a message about a key that no record has: the key that the word stands for, the tag of that name,
/// or the known key that it is a misspelling of. Empty if there is none of these.
pub fn key_hint(key: &str, known: &[String]) -> String {
    let is_tag = |known: &&str| known.strip_prefix("tags.").is_some_and(|tag| tag.eq_ignore_ascii_case(key));
    let is_named =
        |known: &&str| OTHER_WORDS.iter().any(|(word, meant)| meant == known && word.eq_ignore_ascii_case(key));
    let known = known.iter().map(String::as_str).filter(|known| *known != key);
    let meant = known.clone().find(is_named).or_else(|| known.clone().find(is_tag)).or_else(|| nearest(key, known));
    meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default()
}

/// Returns the keys of a row, and those of its objects, as `tags.role`.
pub fn keys_of<'a>(pairs: impl Iterator<Item = (&'a str, Value)>) -> Vec<String> {
    let mut keys = Vec::new();
    for (key, value) in pairs {
        keys.push(key.to_string());
        let below = value.as_object().into_iter().flat_map(|map| map.keys());
        keys.extend(below.map(|below| format!("{key}.{below}")));
    }
    keys
}

/// Adds a suggestion to clap's error for an unknown option or a wrong value: the tool's hint, else the option that was
/// misspelt. A wrong value gets no suggestion, because each action does something else to a host. clap lists the values.
pub(crate) fn suggest(error: &mut clap::Error, mut command: clap::Command, hint: Hint) {
    let unknown = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => ContextKind::InvalidValue,
    };
    let Some(ContextValue::String(word)) = error.get(unknown).cloned() else { return };
    // clap's tip is to pass an unknown option as a value, after `--`. No host has such a name.
    error.remove(ContextKind::Suggested);
    // A wrong value may be meant for another option.
    let option = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) => format!("{}=", option.split(' ').next().unwrap_or_default()),
        _ => String::new(),
    };
    if let Some(hint) = hint(&word).or_else(|| hint(&option)) {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    } else if let Some(option) = word.strip_prefix("--") {
        // This adds --help and --version.
        command.build();
        let options = command.get_arguments().filter_map(clap::Arg::get_long);
        if let Some(near) = nearest(option, options.filter(|option| !NEVER_SUGGESTED.contains(option))) {
            error.insert(ContextKind::SuggestedArg, ContextValue::String(format!("--{near}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[test]
    fn a_typo_is_recognized() {
        let words = ["start", "stop", "connect-timeout", "MySQL"];
        for (typo, meant) in
            [("strat", "start"), ("stopp", "stop"), ("conect-timout", "connect-timeout"), ("mysq", "MySQL")]
        {
            assert_eq!(nearest(typo, words), Some(meant), "{typo}");
        }
    }

    #[test]
    fn another_word_is_not_a_typo() {
        let words = ["start", "stop", "reboot", "terminate", "encrypted", "web1", "startup scripts", "db"];
        for other in ["restart", "status", "hibernate", "unencrypted", "web2", "stop scripts", "dc", "", "startup"] {
            assert_eq!(nearest(other, words), None, "{other}");
        }
    }

    #[test]
    fn a_key_may_be_a_tag_or_misspelt() {
        let known = ["host", "state", "tags", "tags.Owner"].map(String::from);
        assert_eq!(key_hint("owner", &known), "; did you mean tags.Owner?");
        assert_eq!(key_hint("stat", &known), "; did you mean state?");
        assert_eq!([key_hint("state", &known), key_hint("zone", &known)], ["", ""]);
    }

    #[test]
    fn a_heading_stands_for_its_key() {
        let known = ["host", "instance_type", "private_ip", "tags.Name", "age"].map(String::from);
        for (word, key) in [("name", "host"), ("TYPE", "instance_type"), ("ip", "private_ip"), ("uptime", "age")] {
            assert_eq!(key_hint(word, &known), format!("; did you mean {key}?"));
        }
        // No record has the key.
        assert_eq!(key_hint("vpc", &known), "");
    }

    #[derive(Parser, Debug)]
    #[command(name = "tool")]
    struct Args {
        #[arg(long)]
        group: bool,
        #[arg(short, long)]
        yes: bool,
        #[arg(long)]
        dry_run: bool,
        #[arg(value_parser = ["start", "terminate"])]
        action: Option<String>,
    }

    fn hint(word: &str) -> Option<String> {
        (word == "--copy" || word == "restart").then(|| "the hint".to_string())
    }

    fn message(words: &[&str]) -> String {
        let mut error = Args::try_parse_from([&["tool"], words].concat()).unwrap_err();
        suggest(&mut error, Args::command(), hint);
        error.to_string()
    }

    #[test]
    fn only_a_misspelt_option_is_suggested() {
        assert!(message(&["--dry-rnu"]).contains("\n  tip: a similar argument exists: '--dry-run'\n"));
        assert!(message(&["--hlep"]).contains("'--help'\n"));
        assert!(message(&["--copy"]).contains("\n  tip: the hint\n"));
        for other in ["--rcopy", "--rgroup-x", "--no-dry-run", "-g"] {
            assert!(!message(&[other]).contains("tip:"), "{}", message(&[other]));
        }
    }

    #[test]
    fn nothing_destructive_is_suggested() {
        for typo in ["--yse", "--ye"] {
            let message = message(&[typo]);
            assert!(!message.contains("--yes"), "{message}");
        }
        for other in ["hibernate", "terminat", "stat"] {
            let message = message(&[other]);
            assert!(message.contains("[possible values: start, terminate]") && !message.contains("tip:"), "{message}");
        }
        assert!(message(&["restart"]).contains("\n  tip: the hint\n"));
    }
}
