//! A template rendered with the hosts of a fleet.

use crate::escape::Escape;
use crate::fleet::Groups;
use crate::format::Template;
use crate::functions::{A_VALUE_IS_UNDEFINED, Group, IS_NOT_A_TEXT, add_functions, refuse, scalar};
use crate::host::Host;
use crate::refusal::{Notes, Problem, reasons};
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value as Json, printed_name};
use cerveza_template::{Setting, environment, failure, put_settings, template_value};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, escape_formatter};
use serde_json::Map;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the command line gives to a template.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub settings: Vec<Setting>,
    pub group_by: String,
    /// The field that has the address.
    pub address: Option<String>,
    /// Whether hosts that cannot be written are left out.
    pub skip: bool,
    /// The serial number of a zone, unless a setting gives it.
    pub serial: u64,
}

/// A template's text, and the hosts that are not in it.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub text: String,
    /// Why hosts were left out, a line a reason.
    pub left_out: Vec<String>,
    pub left_out_count: usize,
    /// What to warn of, a line a reason.
    pub warnings: Vec<String>,
}

/// Names that are not settings.
const GIVEN: [&str; 9] =
    ["hosts", "groups", "ungrouped", "refuse", "lacks_address", "range", "dict", "namespace", "debug"];

/// Renders the template. A host that it cannot hold is left out with `skip`, and the rest is rendered again; else none
/// is written.
pub(crate) fn render(template: &Template, records: &[Arc<Record>], options: &Options) -> Result<Rendered> {
    let name = |place: usize| records.get(place).map(|record| record.host().to_string()).unwrap_or_default();
    let mut refusals: Vec<Problem> = Vec::new();
    loop {
        let out: BTreeSet<usize> = refusals.iter().map(|refusal| refusal.host).collect();
        if !out.is_empty() && (!options.skip || out.len() == records.len()) {
            return Err(refused(template, out.len(), &reasons(&refusals, name), options.skip));
        }
        let hosts: Vec<(usize, &Arc<Record>)> =
            records.iter().enumerate().filter(|(place, _)| !out.contains(place)).collect();
        let notes = Arc::new(Notes::new(None));
        let rendered = render_once(template, &hosts, options, &notes);
        let mut found = notes.take_refusals();
        match rendered {
            Ok(text) if found.is_empty() => {
                let (left_out, warnings) = (reasons(&refusals, name), reasons(&notes.take_warnings(), name));
                return Ok(Rendered { text, left_out, left_out_count: out.len(), warnings });
            }
            Ok(_) => {}
            Err(error) => {
                let host = notes.last_host().filter(|_| is_of_a_host(&error));
                let failure = failure(&template.label, &error);
                match host {
                    Some(host) if options.skip => {
                        // One more pass finds all hosts that lack a value. Else each would take a pass of its own.
                        let notes = Arc::new(Notes::new(Some(failure.message.clone())));
                        let _ = render_once(template, &hosts, options, &notes);
                        found.extend(notes.take_refusals());
                        found.push(Problem { host, value: None, why: failure.message });
                    }
                    Some(host) => return Err(failure.within(printed_name(&name(host)))),
                    None => return Err(hinted(failure, &error)),
                }
            }
        }
        found.sort_by_key(|refusal| refusal.host);
        found.dedup();
        refusals.extend(found);
    }
}

fn refused(template: &Template, count: usize, reasons: &[String], skip: bool) -> Failure {
    let hosts = if count == 1 { "a host".to_string() } else { format!("{count} hosts") };
    let lacks_address = reasons.iter().any(|reason| reason.contains(": has no address"));
    let lookup = lacks_address.then(|| format!("ec2-ls - | hostfmt {} looks up addresses", template.label));
    let leave_out = (!skip).then(|| "--skip leaves them out and writes the others".to_string());
    let hints: Vec<String> = lookup.into_iter().chain(leave_out).collect();
    let failure = Failure::usage(format!(
        "{} cannot hold {hosts}, so nothing is written:\n  {}",
        template.label,
        reasons.join("\n  ")
    ));
    if hints.is_empty() { failure } else { failure.hint(hints.join("; ")) }
}

/// Returns whether an error is about a field of a record, such as `h.tags.role is undefined`.
fn is_of_a_host(error: &Error) -> bool {
    if error.detail().is_some_and(|detail| detail.ends_with(IS_NOT_A_TEXT)) {
        return true;
    }
    let name = error.detail().and_then(|detail| detail.split_once(" is undefined")).map(|(name, _)| name);
    let is_field = name.is_some_and(|name| name.contains(['.', '['])) || error.detail() == Some(A_VALUE_IS_UNDEFINED);
    error.kind() == ErrorKind::UndefinedError && is_field
}

fn hinted(failure: Failure, error: &Error) -> Failure {
    let name = error.detail().and_then(|detail| detail.strip_suffix(" is undefined")).map(|name| name.replace('`', ""));
    match name.filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')) {
        Some(name) if error.kind() == ErrorKind::UndefinedError => failure.hint(format!("--set {name}=VALUE gives it")),
        _ => failure,
    }
}

/// Checks the syntax of a template, and that it reads each setting: one that it does not read is a slip.
/// Returns whether it reads the groups.
pub(crate) fn check(template: &Template, settings: &[Setting]) -> Result<bool> {
    let of_template = |error: Error| failure(&template.label, &error);
    let mut set = Map::new();
    put_settings(&mut set, settings);
    let environment = prepared(template, &Arc::new(Notes::new(None))).map_err(of_template)?;
    let read = environment.get_template(&template.label).map_err(of_template)?;
    let names = read.undeclared_variables(false);
    let has_groups = names.contains("groups");
    let read: BTreeSet<String> = names.into_iter().filter(|name| !GIVEN.contains(&name.as_str())).collect();
    match set.keys().find(|key| !read.contains(*key)) {
        None => Ok(has_groups),
        Some(key) if read.is_empty() => {
            Err(Failure::usage(format!("{} has no settings, so {key} cannot be set", template.label)))
        }
        Some(key) => {
            let names: Vec<&str> = read.iter().map(String::as_str).collect();
            Err(Failure::usage(format!("{} has no setting {key}: it has {}", template.label, names.join(", "))))
        }
    }
}

/// Returns an environment with the compiled template.
fn prepared(template: &Template, notes: &Arc<Notes>) -> std::result::Result<Environment<'static>, Error> {
    let mut environment = environment();
    if notes.undefined.is_some() {
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    }
    // As Ansible has it: a line of nothing but a tag leaves no line.
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true).build();
    if let Ok(syntax) = syntax {
        environment.set_syntax(syntax);
    }
    let escape = template.policy.escape;
    environment.set_auto_escape_callback(move |_| match escape {
        Escape::Json => AutoEscape::Json,
        Escape::Html => AutoEscape::Html,
        escape => AutoEscape::Custom(escape.name().into()),
    });
    let for_values = notes.clone();
    environment.set_formatter(move |out, state, value| write_value(escape, &for_values, out, state, value));
    add_functions(&mut environment, notes);
    environment.add_template_owned(template.label.clone(), template.source.clone())?;
    Ok(environment)
}

fn write_value(
    escape: Escape,
    notes: &Notes,
    out: &mut Output,
    state: &mut State,
    value: &Value,
) -> std::result::Result<(), Error> {
    if let Some(why) = notes.undefined.as_deref().filter(|_| value.is_undefined()) {
        return refuse(state, notes, None, why).map(|_| ());
    }
    if value.is_safe() || !matches!(state.auto_escape(), AutoEscape::Custom(_)) {
        return escape_formatter(out, state, value);
    }
    let refused = match scalar(value)? {
        None => refuse(state, notes, None, "a value is missing"),
        Some(text) => match escape.text(&text) {
            Ok(text) => return out.write_str(&text).map_err(Error::from),
            Err(why) => refuse(state, notes, Some(text.clone()), why),
        },
    };
    refused.map(|_| ())
}

fn render_once(
    template: &Template,
    hosts: &[(usize, &Arc<Record>)],
    options: &Options,
    notes: &Arc<Notes>,
) -> std::result::Result<String, Error> {
    let environment = prepared(template, notes)?;
    environment.get_template(&template.label)?.render(context(template, hosts, options, notes))
}

/// Returns what the template sees.
fn context(template: &Template, hosts: &[(usize, &Arc<Record>)], options: &Options, notes: &Arc<Notes>) -> Value {
    let address_field: Option<Arc<str>> = options.address.as_deref().map(Arc::from);
    let objects: Vec<Value> = hosts
        .iter()
        .map(|(place, record)| {
            let record = Arc::clone(record);
            let (notes, address_field) = (notes.clone(), address_field.clone());
            Value::from_object(Host { record, place: *place, address_field, notes })
        })
        .collect();
    let records = hosts.iter().enumerate().map(|(at, (_, record))| (at, record.as_ref()));
    let groups = Groups::new(records, &options.group_by, template.policy.groups);
    let members =
        |at: &[usize]| Value::from(at.iter().filter_map(|at| objects.get(*at).cloned()).collect::<Vec<Value>>());
    let group = |(name, at): (String, Vec<usize>)| {
        let places = at.iter().filter_map(|at| hosts.get(*at)).map(|(place, _)| *place).collect();
        Value::from_object(Group { name, places, hosts: members(&at) })
    };
    let ungrouped = members(&groups.ungrouped);
    let groups: Vec<Value> = groups.groups.into_iter().map(group).collect();

    let mut settings = Map::from_iter([("serial".to_string(), Json::from(options.serial))]);
    put_settings(&mut settings, &options.settings);
    let settings = settings.into_iter().map(|(key, value)| (key, template_value(value)));
    let given = [("hosts", Value::from(objects.clone())), ("groups", Value::from(groups)), ("ungrouped", ungrouped)];
    Value::from_pairs(settings.chain(given.map(|(key, value)| (key.to_string(), value))))
}
