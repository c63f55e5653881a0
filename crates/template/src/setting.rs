//! KEY=VALUE on the command line: a name and its value for templates.

use cerveza_record::Value as Json;
use serde_json::Map;
use std::str::FromStr;

/// KEY=VALUE of the command line. A dot in KEY leads into an object, as in `tags.role=db`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    path: Vec<String>,
    value: String,
}

/// Puts the values of the settings into `fields`, over what is there.
pub fn put_settings(fields: &mut Map<String, Json>, settings: &[Setting]) {
    for setting in settings {
        put(fields, &setting.path, &setting.value);
    }
}

/// Puts the value where the path leads. What is not an object on the way becomes one.
fn put(object: &mut Map<String, Json>, path: &[String], value: &str) {
    match path {
        [] => {}
        [key] => _ = object.insert(key.clone(), Json::from(value)),
        [key, rest @ ..] => {
            let inner = object.entry(key.clone()).or_insert(Json::Null);
            let mut map = match inner.take() {
                Json::Object(map) => map,
                _ => Map::new(),
            };
            put(&mut map, rest, value);
            *inner = Json::Object(map);
        }
    }
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Setting, String> {
        let (key, value) = text.split_once('=').ok_or("it has the form KEY=VALUE")?;
        let path: Vec<String> = key.split('.').map(str::to_string).collect();
        if path.iter().any(String::is_empty) {
            Err(format!("'{key}' is not a name"))
        } else {
            Ok(Setting { path, value: value.to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_replaces_a_value_and_makes_the_objects_on_its_way() {
        let settings: Vec<Setting> = ["a=x=1", "n.a.b=", "n.c=y"].map(|text| text.parse().unwrap()).into();
        let mut fields = Map::from_iter([("n".to_string(), Json::from(1)), ("a".to_string(), Json::from(2))]);
        put_settings(&mut fields, &settings);
        assert_eq!(Json::Object(fields).to_string(), r#"{"n":{"a":{"b":""},"c":"y"},"a":"x=1"}"#);
    }

    #[test]
    fn a_setting_has_a_name_and_a_value() {
        for bad in ["x", "=x", "a..b=x", ".=x"] {
            assert!(bad.parse::<Setting>().is_err(), "{bad}");
        }
    }
}
