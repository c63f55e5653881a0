//! Parameter Store of Systems Manager: a JSON protocol on the same port.

use super::params::{ApiError, Params};
use super::region::{ACCOUNT, Parameter, Region};
use serde_json::{Map, Value, json};
use std::time::SystemTime;

pub type JsonAnswer = Result<Value, ApiError>;

/// Answers the call `action` with the input `body`. The names of public parameters begin with `/aws/`.
pub fn answer(region: &mut Region, action: &str, body: &str) -> JsonAnswer {
    let input: Map<String, Value> =
        serde_json::from_str(body).map_err(|error| ApiError::new("SerializationException", error))?;
    let known: &[&str] = match action {
        "GetParameter" => &["Name", "WithDecryption"],
        "GetParameters" => &["Names", "WithDecryption"],
        "PutParameter" => &["Name", "Value", "Type", "Overwrite", "Tier", "Description", "DataType", "Tags"],
        "DeleteParameter" => &["Name"],
        "DeleteParameters" => &["Names"],
        _ => return Err(ApiError::new("InvalidAction", format!("The action {action} is not valid"))),
    };
    if let Some(key) = input.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(ApiError::new("UnknownParameter", format!("{action} has no parameter {key}")));
    }
    let text = |key: &str| input.get(key).and_then(Value::as_str).map(str::to_string);
    let required = |key: &str| text(key).ok_or_else(|| invalid(format!("{key} must not be null")));
    match action {
        "GetParameter" => {
            let found = region.parameters.get(&required("Name")?).ok_or_else(not_found)?;
            Ok(json!({"Parameter": describe(found, &region.name)}))
        }
        "GetParameters" => {
            let names = names(&input)?;
            let (found, unknown): (Vec<_>, Vec<_>) =
                names.into_iter().partition(|name| region.parameters.contains_key(name));
            let found: Vec<_> = found.iter().map(|name| describe(&region.parameters[name], &region.name)).collect();
            Ok(json!({"Parameters": found, "InvalidParameters": unknown}))
        }
        "PutParameter" => put(region, &input, required("Name")?, required("Value")?),
        "DeleteParameter" => {
            region.parameters.remove(&required("Name")?).ok_or_else(not_found)?;
            Ok(json!({}))
        }
        _ => {
            let (gone, unknown): (Vec<_>, Vec<_>) =
                names(&input)?.into_iter().partition(|name| region.parameters.remove(name).is_some());
            Ok(json!({"DeletedParameters": gone, "InvalidParameters": unknown}))
        }
    }
}

/// At most 10 names, each once.
fn names(input: &Map<String, Value>) -> Result<Vec<String>, ApiError> {
    let names = input.get("Names").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut names: Vec<String> = names.iter().filter_map(Value::as_str).map(str::to_string).collect();
    if !(1..=10).contains(&names.len()) {
        return Err(invalid("Member must have length less than or equal to 10 and at least 1"));
    }
    let given = names.len();
    names.sort();
    names.dedup();
    if names.len() < given {
        return Err(invalid("Duplicate parameter names"));
    }
    Ok(names)
}

/// Values have up to 4 KB, up to 8 KB in the advanced tier; names up to 1011 characters of `a-zA-Z0-9_.-/` (PutParameter).
fn put(region: &mut Region, input: &Map<String, Value>, name: String, value: String) -> JsonAnswer {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    if name.len() > 1011 || !name.chars().all(fits) || name.matches('/').count() > 15 {
        return Err(invalid(format!("Parameter name: {name}: only a-zA-Z0-9_.- and / in up to 15 levels")));
    }
    if ["/aws", "/ssm"].iter().any(|prefix| name.to_ascii_lowercase().starts_with(prefix)) {
        return Err(invalid("Parameter name: can't be prefixed with \"aws\" or \"ssm\""));
    }
    let tier = match (input.get("Tier").and_then(Value::as_str).unwrap_or("Standard"), value.len()) {
        (_, length) if length > 8192 => {
            return Err(invalid("Advanced tier parameters support values of up to 8192 characters."));
        }
        ("Standard", length) if length > 4096 => {
            return Err(invalid("Standard tier parameters support a maximum parameter value of 4096 characters."));
        }
        ("Advanced", _) => "Advanced",
        ("Intelligent-Tiering", length) if length > 4096 => "Advanced",
        ("Standard" | "Intelligent-Tiering", _) => "Standard",
        (other, _) => return Err(invalid(format!("no tier {other}"))),
    };
    let old = region.parameters.get(&name);
    if old.is_some() && input.get("Overwrite") != Some(&json!(true)) {
        return Err(ApiError::new("ParameterAlreadyExists", "The parameter already exists."));
    }
    let kind = input.get("Type").and_then(Value::as_str).map(str::to_string).or(old.map(|old| old.kind.clone()));
    let kind = kind.ok_or_else(|| invalid("A parameter type is required when you create a parameter."))?;
    let version = old.map_or(1, |old| old.version + 1);
    let parameter = Parameter { name: name.clone(), value, kind, tier, version, modified: SystemTime::now() };
    region.parameters.insert(name, parameter);
    Ok(json!({"Version": version, "Tier": tier}))
}

fn describe(parameter: &Parameter, region: &str) -> Value {
    let modified = parameter.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    json!({
        "Name": parameter.name,
        "Type": parameter.kind,
        "Value": parameter.value,
        "Version": parameter.version,
        "LastModifiedDate": modified.as_secs_f64(),
        "ARN": format!("arn:aws:ssm:{region}:{ACCOUNT}:parameter{}", parameter.name),
        "DataType": "text",
    })
}

fn not_found() -> ApiError {
    ApiError::new("ParameterNotFound", "")
}

fn invalid(message: impl std::fmt::Display) -> ApiError {
    ApiError::new("ValidationException", message)
}

/// Converts the input to parameters, for the log and for the rules of faults.
pub fn params(body: &str) -> Params {
    let input: Map<String, Value> = serde_json::from_str(body).unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    Params(input.iter().map(|(key, value)| (key.clone(), text(value))).collect())
}
