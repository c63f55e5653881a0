//! The tables of keys in cerveza-profile(5).

use super::keys::{IMAGE_KEYS, OWN_KEYS, ProfileKey, ROOT_KEYS, Shape, VOLUME_KEYS};
use cerveza_ec2::{Key, Kind, LAUNCH_KEYS};

/// A key with its explanation.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyHelp {
    /// As in a profile. A key within another comes after that and a colon.
    pub name: String,
    /// Sentences: what the key is, its other names, its values.
    pub about: String,
}

/// Returns the keys of a profile in tables with names.
pub fn key_tables() -> [(&'static str, Vec<KeyHelp>); 5] {
    [
        ("profile", profile_help(OWN_KEYS)),
        ("parameters", help("", LAUNCH_KEYS)),
        ("image", profile_help(IMAGE_KEYS)),
        ("root volume", profile_help(ROOT_KEYS)),
        ("volume", profile_help(VOLUME_KEYS)),
    ]
}

fn profile_help(keys: &[ProfileKey]) -> Vec<KeyHelp> {
    let of_key = |key: &ProfileKey| KeyHelp {
        name: key.name.to_string(),
        about: sentences(key.about, key.aliases, shape_values(key.shape)),
    };
    keys.iter().map(of_key).collect()
}

fn help(path: &str, keys: &[Key]) -> Vec<KeyHelp> {
    let of_key = |key: &Key| {
        let name = format!("{path}{}", key.name);
        let about = sentences(key.about, key.aliases, values(key.kind));
        let within: &[Key] = match key.kind {
            Kind::Object(keys) => keys,
            Kind::List(Kind::Object(keys)) => keys,
            _ => &[],
        };
        let inner = help(&format!("{name}: "), within);
        std::iter::once(KeyHelp { name, about }).chain(inner).collect::<Vec<_>>()
    };
    keys.iter().flat_map(of_key).collect()
}

/// Puts together what a key is, its other names, and its values.
fn sentences(about: &str, aliases: &[&str], values: Option<String>) -> String {
    let mut about = vec![about.to_string()];
    if !aliases.is_empty() {
        let aliases: Vec<String> = aliases.iter().map(|alias| format!("`{alias}`")).collect();
        about.push(format!("Also {}.", aliases.join(", ")));
    }
    about.extend(values);
    about.join(" ")
}

/// Returns a sentence on the values of a key, unless its explanation says enough.
fn shape_values(shape: Shape) -> Option<String> {
    match shape {
        Shape::Kind(kind) => values(kind),
        Shape::Gibibytes => Some("A number, or one with a unit, such as `2TB`.".to_string()),
        Shape::PerPlace(Shape::Image) => Some("One value, or one for each region.".to_string()),
        Shape::PerPlace(_) => Some("A text or a list of texts, or one of these for each region or zone.".to_string()),
        Shape::Verbatim | Shape::Image | Shape::ElasticIp | Shape::Kernel | Shape::Object(_) | Shape::Volumes => None,
    }
}

/// Returns a sentence on values, unless they are any text.
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
        Kind::List(_) => Some("A text or a list of texts.".to_string()),
        Kind::Object(_) => Some("It has these keys:".to_string()),
        Kind::Texts => Some("A mapping of names to texts.".to_string()),
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
