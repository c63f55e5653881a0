//! The JSON Schema of profiles, for editors, made of the table of keys. Editors complete the canonical names; other
//! spellings (`instance_type`, `InstanceType`, aliases) are accepted. It is draft 7, which editors know best.

use super::keys::{IMAGE_KEYS, INSTANCE_KEYS, ProfileKey, Shape, VOLUME_KEYS};
use cerveza_ec2::Kind;
use serde_json::{Map, Value, json};

/// The form of a region or a zone.
const PLACE: &str = "^[a-z]+-[a-z]+(-[a-z]+)*-[0-9][a-z0-9-]*$";
/// `no`, which YAML 1.1 reads as a boolean and YAML 1.2 as a text, and other words for nothing.
const NOTHING: &str = "^(no|none|None|off|false)$";

/// Returns the schema of a document of either kind.
pub fn schema() -> Value {
    let mut schema = Schema::default();
    let mut instance = schema.keys("instance", &INSTANCE_KEYS);
    let mut aws = instance.clone();
    aws["type"] = json!(["object", "null"]);
    aws["description"] = "Keys as at the top. These count where both have one.".into();
    instance["properties"]["aws"] = json!({"$ref": "#/definitions/aws"});
    let volume = schema.keys("volume", VOLUME_KEYS);
    for (name, value) in [("instance", instance), ("aws", aws), ("volume", volume)] {
        schema.definitions.insert(name.to_string(), value);
    }
    schema.definitions.sort_keys();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Profiles of ec2-launch: what hosts are launched as, and their volumes",
        "anyOf": [{"$ref": "#/definitions/instance"}, {"$ref": "#/definitions/volume"}],
        "definitions": schema.definitions,
    })
}

/// Collects a definition for each key, which all its spellings refer to.
#[derive(Default)]
struct Schema {
    definitions: Map<String, Value>,
}

impl Schema {
    /// Returns an object of these keys. `path` is the start of their definitions' names.
    fn keys(&mut self, path: &str, keys: &[ProfileKey]) -> Value {
        let (mut properties, mut spellings) = (Map::new(), Map::new());
        for key in keys {
            let name = format!("{path}.{}", key.name.replace(' ', "_"));
            let mut value = self.shape(&name, key.shape);
            value["description"] = key.about.into();
            let reference = json!({"$ref": format!("#/definitions/{name}")});
            self.definitions.insert(name, value);
            properties.insert(key.name.to_string(), reference.clone());
            let all = std::iter::once(&key.name).chain(key.aliases);
            let all: Vec<String> = all.flat_map(|name| [name.replace(' ', "[ _]"), camel_case(name)]).collect();
            spellings.insert(format!("^({})$", all.join("|")), reference);
        }
        json!({
            "type": "object",
            "properties": properties,
            "patternProperties": spellings,
            "additionalProperties": false,
        })
    }

    fn shape(&mut self, path: &str, shape: Shape) -> Value {
        match shape {
            Shape::Kind(kind) => self.kind(path, kind),
            Shape::Verbatim => scalar(),
            Shape::Gibibytes => json!({"anyOf": [
                {"type": ["integer", "null"], "minimum": 1, "maximum": 65536},
                {"type": "string", "pattern": "^[0-9]+ *([gGtT]([iI]?[bB])?)?$"},
            ]}),
            Shape::Image => {
                let mut by_name = self.keys(path, IMAGE_KEYS);
                by_name["required"] = json!(["name", "owner"]);
                json!({"anyOf": [{"type": "string", "pattern": "^(ami-|resolve:ssm:)"}, nothing(), by_name]})
            }
            Shape::ElasticIp => json!({"anyOf": [
                flag(),
                {"type": "string", "pattern": "^(eipalloc-.+|([0-9]{1,3}\\.){3}[0-9]{1,3}|none|None)$"},
            ]}),
            Shape::Kernel => json!({"anyOf": [
                {"type": ["number", "null"]},
                {"const": false},
                {"type": "string", "not": {"pattern": "^(y|yes|on|true)$"}},
            ]}),
            Shape::PerPlace(inner) => {
                let one = self.shape(path, *inner);
                json!({"anyOf": [
                    one,
                    {"type": "object", "patternProperties": {PLACE: one}, "additionalProperties": false},
                ]})
            }
            Shape::Object(keys) => or_null(self.keys(path, keys)),
            Shape::Volumes => {
                let volume = json!({"$ref": "#/definitions/volume"});
                let size_or_name = json!({"type": ["integer", "string"]});
                json!({"anyOf": [
                    nothing(),
                    {"type": "string"},
                    {"type": "array", "items": {"anyOf": [{"type": "string"}, volume]}},
                    volume,
                    {
                        "type": "object",
                        "patternProperties": {"^(/dev/|xvd)": {"anyOf": [size_or_name, volume]}},
                        "additionalProperties": false,
                    },
                ]})
            }
        }
    }

    fn kind(&mut self, path: &str, kind: Kind) -> Value {
        match kind {
            Kind::Text => scalar(),
            Kind::Flag => flag(),
            Kind::Number { least, most } => json!({"type": ["integer", "null"], "minimum": least, "maximum": most}),
            Kind::Choice(choices) => {
                let mut values: Vec<Value> = choices.iter().map(|choice| (*choice).into()).collect();
                // A plain 10 is a number to an editor.
                values.extend(choices.iter().filter_map(|choice| Some(choice.parse::<i64>().ok()?.into())));
                if choices.contains(&"enabled") && choices.contains(&"disabled") {
                    values.extend([true.into(), false.into()]);
                }
                values.push(Value::Null);
                json!({ "enum": values })
            }
            Kind::List(item) => {
                let item = self.kind(path, *item);
                json!({"anyOf": [item, {"type": "array", "items": item}]})
            }
            Kind::Object(keys) => {
                let keys: Vec<ProfileKey> = keys.iter().map(ProfileKey::from).collect();
                or_null(self.keys(path, &keys))
            }
            Kind::Texts => json!({"type": ["object", "null"], "additionalProperties": scalar()}),
        }
    }
}

/// Returns a boolean in the words of YAML 1.1 and 1.2.
fn flag() -> Value {
    json!({"enum": [true, false, null, "yes", "no", "on", "off", "y", "n"]})
}

fn camel_case(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split(' ').map(word).collect()
}

/// Returns the schema of a text, which may be a number or a boolean to an editor.
fn scalar() -> Value {
    json!({"type": ["string", "number", "boolean", "null"]})
}

fn nothing() -> Value {
    json!({"anyOf": [{"enum": [null, false]}, {"type": "string", "pattern": NOTHING}, {"type": "array", "maxItems": 0}]})
}

fn or_null(mut object: Value) -> Value {
    object["type"] = json!(["object", "null"]);
    object
}
