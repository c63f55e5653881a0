//! Validates cloud-configs against cloud-init's own JSON schema, from a file or from the installed cloud-init. Messages never
//! quote a value, because it may be a secret.

use crate::cloud_config::merge::RENDERED;
use crate::cloud_config::yaml_node::{Content, Node};
use cerveza_manners::{Failure, Result};
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The path of the schema in a folder of Python packages.
const IN_PACKAGES: &str = "cloudinit/config/schemas/schema-cloud-config-v1.json";

pub(crate) struct Schema {
    validator: Validator,
    /// For the keys that a mapping may have.
    source: Value,
}

impl Schema {
    /// Reads a file, or for `auto` the schema of the installed cloud-init.
    pub fn read(given: &Path) -> Result<Schema> {
        let file = if given.as_os_str() == "auto" { installed(&packages())? } else { given.to_path_buf() };
        let of_file = |what: String| Failure::usage(format!("--schema {}: {what}", file.display()));
        let text = fs::read_to_string(&file).map_err(|error| of_file(format!("cannot be read: {error}")))?;
        let source: Value = serde_json::from_str(&text).map_err(|error| of_file(format!("is not JSON: {error}")))?;
        let is_object = source.as_object().is_some_and(|object| !object.is_empty());
        // Python's validator, which cloud-init uses, has no rules for these unless further packages are installed.
        let options = ["uri", "hostname"]
            .into_iter()
            .fold(jsonschema::options(), |options, format| options.with_format(format, |_: &str| true));
        let built = options.build(&source).map_err(|error| match error.kind() {
            ValidationErrorKind::Referencing(_) => "refers to a schema elsewhere, which is not fetched".to_string(),
            _ => format!("is not a JSON schema: {}", error.masked()),
        });
        match built {
            Ok(validator) if is_object => Ok(Schema { validator, source }),
            Ok(_) => Err(of_file("is not a JSON schema".to_string())),
            Err(why) => Err(of_file(why)),
        }
        .map_err(|failure| failure.hint("cloud-init has it as schema-cloud-config-v1.json"))
    }

    /// Returns what the schema does not allow in a cloud-config, in the order of lines.
    pub fn problems(&self, config: &Node) -> Vec<String> {
        let instance = config.to_json();
        let mut found = BTreeSet::new();
        for error in self.validator.iter_errors(&instance) {
            self.explain(&error, config, &mut found);
        }
        let say = |(line, text)| match line {
            Some(line) => format!("line {line}: {text}"),
            None => text,
        };
        found.into_iter().map(say).collect()
    }

    fn explain(&self, error: &ValidationError, config: &Node, found: &mut BTreeSet<(Option<usize>, String)>) {
        let path = keys(error.instance_path().as_str());
        let Some(node) = at(config, &path) else { return };
        if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
            for key in unexpected.iter().filter(|key| !key.contains(RENDERED)) {
                let line = node.get(key).and_then(|value| value.line);
                found.insert((line, format!("{} {}", dotted(&path, Some(key)), self.unknown_key(key, error))));
            }
            return;
        }
        if is_rendered_later(node) {
            return;
        }
        let causes = causes(error);
        match &causes[..] {
            [cause] if !std::ptr::eq(*cause, error) => self.explain(cause, config, found),
            [first, ..] if causes.iter().any(|cause| cause.instance_path() != first.instance_path()) => {
                causes.iter().for_each(|cause| self.explain(cause, config, found));
            }
            causes => {
                // An unknown key says more than the keys that each of the forms would want besides.
                let is_key = |cause: &&&ValidationError| {
                    matches!(cause.kind(), ValidationErrorKind::AdditionalProperties { .. })
                };
                if let Some(unknown) = causes.iter().find(is_key) {
                    return self.explain(unknown, config, found);
                }
                let path = causes.first().map_or(path, |cause| keys(cause.instance_path().as_str()));
                let Some(node) = at(config, &path) else { return };
                let demands = joined(causes.iter().map(|cause| demand(cause)));
                found.insert((node.line, format!("{} is {}, and has to {demands}", dotted(&path, None), noun(node))));
            }
        }
    }

    /// Returns a message about an unknown key that says which keys are allowed.
    fn unknown_key(&self, key: &str, error: &ValidationError) -> String {
        const MOST: usize = 20;
        let parent = error.schema_path().as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
        let keys = |of: &str| {
            let keys = self.source.pointer(parent).and_then(|schema| schema.get(of)).and_then(Value::as_object);
            keys.into_iter().flat_map(|keys| keys.keys().cloned()).collect::<Vec<String>>()
        };
        let mut known = keys("properties");
        known.extend(keys("patternProperties").iter().map(|pattern| format!("keys that match {pattern}")));
        let near = known.iter().map(|known| (strsim::osa_distance(key, known), known));
        let near = near
            .filter(|(distance, _)| *distance <= 2 && distance * 3 <= key.len())
            .min_by_key(|(distance, _)| *distance);
        match (near, known.len()) {
            (Some((_, near)), _) => format!("is not a key of the schema: did you mean {near}?"),
            (None, 1..=MOST) => format!("is not a key of the schema; allowed: {}", known.join(", ")),
            (None, _) => "is not a key of the schema".to_string(),
        }
    }
}

/// Returns the errors to report. If a value fits none of several forms, those of the forms that fit best.
fn causes<'a, 'e>(error: &'a ValidationError<'e>) -> Vec<&'a ValidationError<'e>>
where
    'e: 'a,
{
    let (ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }) = error.kind() else {
        return vec![error];
    };
    let is_of_another_type = |cause: &ValidationError| {
        let same_type = |option: &Value| std::mem::discriminant(option) == std::mem::discriminant(&**cause.instance());
        cause.instance_path() == error.instance_path()
            && match cause.kind() {
                ValidationErrorKind::Type { .. } => true,
                ValidationErrorKind::Enum { options } => {
                    !options.as_array().is_some_and(|all| all.iter().any(same_type))
                }
                _ => false,
            }
    };
    let fits = |form: &&Vec<ValidationError<'static>>| !form.iter().flat_map(causes).any(is_of_another_type);
    let mut forms: Vec<_> = context.iter().filter(fits).collect();
    if forms.is_empty() {
        forms = context.iter().collect();
    }
    let all: Vec<&ValidationError> = forms.into_iter().flatten().flat_map(causes).collect();
    let depth = |cause: &ValidationError| cause.instance_path().as_str().matches('/').count();
    let deepest = all.iter().map(|cause| depth(cause)).max();
    all.into_iter().filter(|cause| Some(depth(cause)) == deepest).collect()
}

/// Joins demands with "or": "be a list or text".
fn joined(demands: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    let mut told = BTreeSet::new();
    for demand in demands {
        let verb = text.split_once(' ').map(|(verb, _)| format!("{verb} "));
        let rest = verb.and_then(|verb| demand.strip_prefix(&verb)).unwrap_or(&demand).to_string();
        match text.is_empty() {
            true => text = demand.clone(),
            false if told.contains(&demand) => {}
            false => text += &format!(" or {rest}"),
        }
        told.insert(demand);
    }
    text
}

/// Returns what the schema demands, in words that follow "has to".
fn demand(error: &ValidationError) -> String {
    match error.kind() {
        ValidationErrorKind::Type { kind: TypeKind::Single(kind) } => format!("be {}", type_noun(kind.as_str())),
        ValidationErrorKind::Type { kind: TypeKind::Multiple(kinds) } => {
            format!("be {}", kinds.iter().map(|kind| type_noun(kind.as_str())).collect::<Vec<_>>().join(" or "))
        }
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().map_or(&[][..], Vec::as_slice);
            let shown = |option: &Value| option.as_str().map_or_else(|| option.to_string(), str::to_string);
            let one_of = if options.len() > 1 { "one of " } else { "" };
            format!("be {one_of}{}", options.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        ValidationErrorKind::Constant { expected_value } => format!("be {expected_value}"),
        ValidationErrorKind::Required { property } => {
            format!("have the key {}", property.as_str().unwrap_or_default())
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => format!("have no key {}", unexpected.join(", ")),
        ValidationErrorKind::Pattern { pattern } => format!("match {pattern}"),
        ValidationErrorKind::Format { format } => format!("have the form of a {format}"),
        ValidationErrorKind::MinItems { limit } => format!("have at least {limit} entries"),
        ValidationErrorKind::MaxItems { limit } => format!("have at most {limit} entries"),
        ValidationErrorKind::AdditionalItems { limit } => format!("have at most {limit} entries"),
        ValidationErrorKind::MinProperties { limit } => format!("have at least {limit} keys"),
        ValidationErrorKind::MaxProperties { limit } => format!("have at most {limit} keys"),
        ValidationErrorKind::MinLength { limit } => format!("have at least {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("have at most {limit} characters"),
        ValidationErrorKind::Minimum { limit } => format!("be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("be at most {limit}"),
        ValidationErrorKind::UniqueItems => "have no entry twice".to_string(),
        ValidationErrorKind::OneOfMultipleValid { .. } => "fit one of its forms alone".to_string(),
        kind => format!("be otherwise (the schema's keyword {})", kind.keyword()),
    }
}

fn type_noun(name: &str) -> &str {
    match name {
        "array" => "a list",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "object" => "a mapping",
        "string" => "text",
        name => name,
    }
}

fn noun(node: &Node) -> &'static str {
    match &node.content {
        Content::List(items) if items.is_empty() => "an empty list",
        Content::List(_) => "a list",
        Content::Mapping(_) => "a mapping",
        Content::Time(_) => "a date without quotes",
        Content::Plain(Value::Bool(_)) => "true or false",
        Content::Plain(Value::Number(_)) => "a number",
        Content::Plain(Value::Null) => "null",
        Content::Plain(_) => "text",
    }
}

/// Returns the keys and indexes of a JSON pointer.
fn keys(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect()
}

fn at<'a>(config: &'a Node, path: &[String]) -> Option<&'a Node> {
    path.iter().try_fold(config, |node, key| match &node.content {
        Content::List(items) => items.get(key.parse::<usize>().ok()?),
        _ => node.get(key),
    })
}

/// Writes a path as cloud-init does: `write_files.0.path`.
fn dotted(path: &[String], key: Option<&str>) -> String {
    let path = path.iter().map(String::as_str).chain(key).collect::<Vec<_>>().join(".");
    if path.is_empty() { "the cloud-config".to_string() } else { path }
}

/// Returns whether it contains an expression that cloud-init renders.
fn is_rendered_later(node: &Node) -> bool {
    node.text().is_some_and(|text| text.contains(RENDERED))
        || node.items().iter().any(is_rendered_later)
        || node.pairs().iter().any(|(key, value)| key.contains(RENDERED) || is_rendered_later(value))
}

/// Returns the schema file of the first folder that has one.
fn installed(packages: &[PathBuf]) -> Result<PathBuf> {
    let found = packages.iter().map(|folder| folder.join(IN_PACKAGES)).find(|file| file.is_file());
    found.ok_or_else(|| {
        let folders: Vec<String> = packages.iter().map(|folder| folder.display().to_string()).collect();
        Failure::usage(format!("--schema auto: there is no {IN_PACKAGES} in {}", folders.join(", ")))
            .hint("install cloud-init, or give the file of one: --schema FILE")
    })
}

/// Returns the folders in which python3 looks for packages, those of PYTHONPATH first.
fn packages() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("PYTHONPATH").iter().flat_map(std::env::split_paths).collect();
    folders.retain(|folder| folder.is_absolute());
    for library in ["/usr/local/lib", "/usr/lib", "/usr/lib64"] {
        let entries = fs::read_dir(library).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_python =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"python3"));
        let mut pythons: Vec<PathBuf> = entries.filter(is_python).collect();
        pythons.sort();
        folders
            .extend(pythons.iter().flat_map(|python| ["dist-packages", "site-packages"].map(|name| python.join(name))));
    }
    folders.retain(|folder| folder.is_dir());
    folders
}
