//! The JSON Schema of profiles, for editors. It is made of the table of keys, and knows each key in three spellings:
//! `instance type`, `instance_type` and `InstanceType`.

use super::keys::{IMAGE_KEYS, INSTANCE_KEYS, ProfileKey, Shape, VOLUME_KEYS};
use cerveza_ec2::Kind;
use serde_json::{Map, Value, json};

/// The form of a region or a zone.
const PLACE: &str = "^[a-z]+-[a-z]+(-[a-z]+)*-[0-9][a-z0-9-]*$";
/// `no`, which YAML 1.1 reads as a boolean and YAML 1.2 as a text, and other words for nothing.
const NOTHING: &str = "^(no|none|None|off|false)$";

/// Returns the schema of a document of either kind.
pub fn schema() -> Value {
    let instance = keys(&INSTANCE_KEYS);
    let mut aws = instance.clone();
    aws["type"] = json!(["object", "null"]);
    let mut instance = instance;
    instance["properties"]["aws"] =
        json!({"$ref": "#/$defs/aws", "description": "Keys as at the top. These count where both have one."});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Profiles of ec2-launch: what hosts are launched as, and their volumes",
        "anyOf": [{"$ref": "#/$defs/instance"}, {"$ref": "#/$defs/volume"}],
        "$defs": {"instance": instance, "aws": aws, "volume": keys(VOLUME_KEYS)},
    })
}

fn keys(keys: &[ProfileKey]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut value = shape(key.shape);
        value["description"] = key.about.into();
        for name in std::iter::once(&key.name).chain(key.aliases) {
            for spelling in [name.to_string(), name.replace(' ', "_"), camel_case(name)] {
                properties.insert(spelling, value.clone());
            }
        }
    }
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

fn camel_case(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split(' ').map(word).collect()
}

fn shape(shape_of: Shape) -> Value {
    match shape_of {
        Shape::Kind(of) => kind(of),
        Shape::Verbatim => scalar(),
        Shape::Gibibytes => json!({"anyOf": [
            {"type": ["integer", "null"], "minimum": 1, "maximum": 65536},
            {"type": "string", "pattern": "^[0-9]+ *([gGtT]([iI]?[bB])?)?$"},
        ]}),
        Shape::Image => json!({"anyOf": [
            {"type": "string", "pattern": "^(ami-|resolve:ssm:)"},
            nothing(),
            with_required(keys(IMAGE_KEYS), &["name", "owner"]),
        ]}),
        Shape::ElasticIp => json!({"anyOf": [
            kind(Kind::Flag),
            {"type": "string", "pattern": "^(eipalloc-.+|([0-9]{1,3}\\.){3}[0-9]{1,3}|none|None)$"},
        ]}),
        Shape::Kernel => json!({"anyOf": [
            {"type": ["number", "null"]},
            {"const": false},
            {"type": "string", "not": {"pattern": "^(y|yes|on|true)$"}},
        ]}),
        Shape::PerPlace(inner) => json!({"anyOf": [
            shape(*inner),
            {"type": "object", "patternProperties": {PLACE: shape(*inner)}, "additionalProperties": false},
        ]}),
        Shape::Object(of) => or_null(keys(of)),
        Shape::Volumes => {
            let volume = json!({"$ref": "#/$defs/volume"});
            let size_or_name = shape(Shape::Gibibytes);
            json!({"anyOf": [
                nothing(),
                {"type": "string"},
                {"type": "array", "items": {"anyOf": [{"type": "string"}, volume]}},
                volume,
                {
                    "type": "object",
                    "patternProperties":
                        {"^(/dev/|xvd)": {"anyOf": [size_or_name, {"type": "string"}, volume]}},
                    "additionalProperties": false,
                },
            ]})
        }
    }
}

fn kind(of: Kind) -> Value {
    match of {
        Kind::Text => scalar(),
        Kind::Flag => json!({"enum": [true, false, null, "yes", "no", "on", "off", "y", "n"]}),
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
        Kind::List(item) => json!({"anyOf": [kind(*item), {"type": "array", "items": kind(*item)}]}),
        Kind::Object(of) => or_null(keys(&of.iter().map(ProfileKey::from).collect::<Vec<_>>())),
        Kind::Texts => json!({"type": ["object", "null"], "additionalProperties": scalar()}),
    }
}

/// What is a text here may be a number or a boolean to an editor.
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

fn with_required(mut object: Value, required: &[&str]) -> Value {
    object["required"] = json!(required);
    object
}
