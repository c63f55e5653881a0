//! The part of the man page on the parameters of RunInstances.

use cerveza_ec2::{Key, Kind, LAUNCH_KEYS};

/// A key with its explanation.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyHelp {
    /// As in a profile. A key within another comes after that and a colon.
    pub name: String,
    /// Sentences: what the key is, its other names, its values.
    pub about: String,
}

/// Returns the parameters of RunInstances, with the keys within them.
pub fn launch_keys() -> Vec<KeyHelp> {
    help("", LAUNCH_KEYS)
}

fn help(path: &str, keys: &[Key]) -> Vec<KeyHelp> {
    let of_key = |key: &Key| {
        let name = format!("{path}{}", key.name);
        let mut about = vec![key.about.to_string()];
        if !key.aliases.is_empty() {
            let aliases: Vec<String> = key.aliases.iter().map(|alias| format!("`{alias}`")).collect();
            about.push(format!("Also {}.", aliases.join(", ")));
        }
        about.extend(values(key.kind));
        let within: &[Key] = match key.kind {
            Kind::Object(keys) => keys,
            Kind::List(Kind::Object(keys)) => keys,
            _ => &[],
        };
        let inner = help(&format!("{name}: "), within);
        std::iter::once(KeyHelp { name, about: about.join(" ") }).chain(inner).collect::<Vec<_>>()
    };
    keys.iter().flat_map(of_key).collect()
}

/// Returns a sentence on the values of a key, unless they are any text.
fn values(kind: Kind) -> Option<String> {
    match kind {
        Kind::Text => None,
        Kind::Flag => Some("`yes` or `no`.".to_string()),
        Kind::Number { least, most } => Some(format!("A number from {least} to {most}.")),
        Kind::Choice(choices) => {
            let choices: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
            Some(format!("One of {}.", choices.join(", ")))
        }
        Kind::List(Kind::Object(_)) => Some("A list of objects with these keys:".to_string()),
        Kind::List(_) => Some("A list.".to_string()),
        Kind::Object(_) => Some("It has these keys:".to_string()),
        Kind::Texts => Some("Names with texts.".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_within_a_key_follow_it() {
        const INNER: &[Key] =
            &[Key { name: "http tokens", aliases: &["tokens"], kind: Kind::Choice(&["a", "b"]), about: "Tokens." }];
        let keys = [Key { name: "metadata", aliases: &["imds"], kind: Kind::Object(INNER), about: "IMDS." }];
        let help: Vec<_> = help("", &keys).into_iter().map(|key| (key.name, key.about)).collect();
        let expected = [
            ("metadata", "IMDS. Also `imds`. It has these keys:"),
            ("metadata: http tokens", "Tokens. Also `tokens`. One of `a`, `b`."),
        ];
        assert_eq!(help, expected.map(|(name, about)| (name.to_string(), about.to_string())));
    }
}
