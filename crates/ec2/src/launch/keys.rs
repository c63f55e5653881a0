//! A "launch key" names one parameter of RunInstances in a profile. One table (`LAUNCH_KEYS`) serves the profile's
//! parser, its JSON Schema, the man page and the request.

use serde_json::{Map, Value};

/// A key of a profile.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As in a profile: `iam instance profile`. `_` and `-` may stand for the blanks.
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub kind: Kind,
    /// For the man page and the JSON Schema: one sentence.
    pub about: &'static str,
}

/// What the value of a key can be. `LaunchRequest::settings` has the JSON of the type.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A JSON string.
    Text,
    /// `true` or `false`.
    Flag,
    /// A JSON integer.
    Number { least: i64, most: i64 },
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// A JSON array.
    List(&'static Kind),
    /// Keys with values: a JSON object with canonical names.
    Object(&'static [Key]),
    /// Any names with texts.
    Texts,
}

impl Kind {
    /// Returns the keys within a value, or within each value of a list.
    pub fn keys(self) -> &'static [Key] {
        match self {
            Kind::Object(keys) | Kind::List(&Kind::Object(keys)) => keys,
            _ => &[],
        }
    }
}

/// A key and its effect on the `B` that builds the request.
pub(crate) struct Parameter<B: 'static> {
    pub key: Key,
    pub set: fn(B, &Value) -> B,
}

pub(crate) const fn key(name: &'static str, aliases: &'static [&'static str], kind: Kind, about: &'static str) -> Key {
    Key { name, aliases, kind, about }
}

impl Key {
    /// Returns the parameter with this key. `set` gives the builder a checked value of the key.
    pub(crate) const fn sets<B>(self, set: fn(B, &Value) -> B) -> Parameter<B> {
        Parameter { key: self, set }
    }
}

/// Returns the keys of a table of parameters.
pub(crate) const fn keys<B, const N: usize>(parameters: &[Parameter<B>; N]) -> [Key; N] {
    let mut keys = [parameters[0].key; N];
    let mut next = 1;
    while next < N {
        keys[next] = parameters[next].key;
        next += 1;
    }
    keys
}

/// Sets every parameter that `values` has. The values have been checked with [`check_values`].
pub(crate) fn set_all<B>(parameters: &[Parameter<B>], builder: B, values: &Map<String, Value>) -> B {
    parameters.iter().fold(builder, |builder, parameter| match values.get(parameter.key.name) {
        Some(value) if !value.is_null() => (parameter.set)(builder, value),
        _ => builder,
    })
}

/// Checks that every value has a known key and the type of that key.
pub(crate) fn check_values(keys: &[Key], values: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in values.iter().filter(|(_, value)| !value.is_null()) {
        let key = keys.iter().find(|key| key.name == name).ok_or_else(|| format!("unknown key {name:?}"))?;
        check_value(key.kind, value).map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(())
}

fn check_value(kind: Kind, value: &Value) -> Result<(), String> {
    let expected = |fits: bool, what: &str| if fits { Ok(()) } else { Err(format!("expected {what}")) };
    match kind {
        Kind::Text => expected(value.is_string(), "a text"),
        Kind::Flag => expected(value.is_boolean(), "true or false"),
        Kind::Number { least, most } => {
            let fits = value.as_i64().is_some_and(|number| (least..=most).contains(&number));
            expected(fits, &format!("a number from {least} to {most}"))
        }
        Kind::Choice(choices) => {
            let fits = value.as_str().is_some_and(|text| choices.contains(&text));
            expected(fits, &format!("one of {}", choices.join(", ")))
        }
        Kind::List(kind) => match value {
            Value::Array(items) => items.iter().try_for_each(|item| check_value(*kind, item)),
            _ => expected(false, "a list"),
        },
        Kind::Object(keys) => match value {
            Value::Object(values) => check_values(keys, values),
            _ => expected(false, "keys with values"),
        },
        Kind::Texts => {
            let is_texts = |values: &Map<String, Value>| values.values().all(Value::is_string);
            expected(value.as_object().is_some_and(is_texts), "names with texts")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::parameters::LAUNCH_KEYS;
    use serde_json::json;
    use std::collections::HashSet;

    #[test]
    fn every_key_is_a_sentence_and_no_name_is_used_twice() {
        fn each(keys: &[Key]) {
            let mut seen = HashSet::new();
            for key in keys {
                assert!(key.about.ends_with('.'), "{}", key.name);
                for name in std::iter::once(&key.name).chain(key.aliases) {
                    assert!(seen.insert(*name), "{name} is used twice");
                    assert_eq!(*name, name.to_lowercase().replace(['_', '-'], " "));
                }
                each(key.kind.keys());
            }
        }
        each(LAUNCH_KEYS);
    }

    #[test]
    fn values_of_another_type_are_refused() {
        let why = |values: Value| check_values(LAUNCH_KEYS, values.as_object().unwrap()).unwrap_err();
        assert_eq!(why(json!({"monitoring": "yes"})), "monitoring: expected true or false");
        assert_eq!(why(json!({"monitorin": true})), "unknown key \"monitorin\"");
        assert_eq!(
            why(json!({"metadata options": {"hop limit": 65}})),
            "metadata options: hop limit: expected a number from 1 to 64"
        );
        assert_eq!(why(json!({"tenancy": "shared"})), "tenancy: expected one of default, dedicated, host");
        assert_eq!(why(json!({"ipv6 addresses": [1]})), "ipv6 addresses: expected a text");
        assert_eq!(check_values(LAUNCH_KEYS, json!({"monitoring": null}).as_object().unwrap()), Ok(()));
    }
}
