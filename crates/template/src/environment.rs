//! The language of the templates, the values they see, and the message of an error.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cerveza_manners::Failure;
use cerveza_record::Value as Json;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Rest, ValueKind};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value, escape_formatter, filters,
};

/// Returns an environment in which a name that is missing is an error, values have the methods of Python, newlines at
/// the end stay, and nothing is escaped.
pub fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // The default is off in a release build, and errors then name no variable.
    environment.set_debug(true);
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    // MiniJinja would escape by the template's name: JSON or HTML quoting in a script would be a surprise.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // .get(), .split(), .startswith()...
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_formatter(|output, state, value| match value.is_none() {
        true => Err(is_null()),
        false => escape_formatter(output, state, value),
    });
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("quote", |value: Value| convert(value, quote));
    environment.add_filter("b64encode", |value: Value| convert(value, |text| Ok(base64(&text))));
    environment
}

/// The filter of MiniJinja, which also replaces null here: facts of EC2 are null if they do not exist.
fn default(state: &State, value: Value, args: Rest<Value>) -> Result<Value, Error> {
    let value = if value.is_none() { Value::UNDEFINED } else { value };
    filters::default(state, &value, args)
}

fn is_null() -> Error {
    Error::new(ErrorKind::InvalidOperation, "a value is null: the filter default can replace it")
}

/// Makes another text of a value. One that is undefined stays so, and is an error where it is written.
fn convert(value: Value, with: impl Fn(String) -> Result<String, Error>) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::None => Err(is_null()),
        ValueKind::Undefined => Ok(value),
        _ => with(value.to_string()).map(Value::from),
    }
}

/// Quotes a text as one word of the shell.
fn quote(text: String) -> Result<String, Error> {
    let quoted = shlex::try_quote(&text).map(String::from);
    quoted.map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("quote: {error}")))
}

/// Returns a value of a record as templates see it.
pub fn template_value(value: Json) -> Value {
    match value {
        Json::Null => Value::from(()),
        Json::Bool(truth) => Value::from(truth),
        Json::String(text) => Value::from(text),
        Json::Array(items) => items.into_iter().map(template_value).collect(),
        Json::Object(map) => Value::from_pairs(map.into_iter().map(|(key, value)| (key, template_value(value)))),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Value::from(integer),
            (None, Some(integer)) => Value::from(integer),
            (None, None) => Value::from(number.as_f64()),
        },
    }
}

/// Returns an error of the template at `path` as `hostname.sh.j2: line 3: tags.rol is undefined`.
pub fn failure(path: &str, error: &Error) -> Failure {
    let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    Failure::usage(format!("{path}: {line}{}", reason(error)))
}

/// Returns what an error of a template is about, without its place, as `tags.rol is undefined`.
pub fn reason(error: &Error) -> String {
    error.detail().map_or(error.kind().to_string(), |detail| detail.replace('`', ""))
}

/// Returns a text in base64.
pub fn base64(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}
