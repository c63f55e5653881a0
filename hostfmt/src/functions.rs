//! The filters and functions that templates have in addition to those of MiniJinja.

use crate::escape::{Escape, is_ldif_safe};
use crate::fleet::texts;
use crate::host::{Host, is_refused, refused};
use crate::names;
use crate::refusal::{Notes, Problem};
use cerveza_record::{Value as Json, quote};
use cerveza_template::base64;
use indexmap::IndexMap;
use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A group of hosts as templates see it.
#[derive(Debug)]
pub(crate) struct Group {
    pub name: String,
    /// The places of its hosts in the fleet.
    pub places: Vec<usize>,
    pub hosts: Value,
}

impl Object for Group {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "name" => Some(Value::from(self.name.as_str())),
            "hosts" => Some(self.hosts.clone()),
            _ => None,
        }
    }
}

/// A check of a text: as it is written, or why it cannot be.
type Check = fn(&str) -> Result<String, &'static str>;

const CHECKS: [(&str, Check); 13] = [
    ("address", names::address),
    ("dn", names::dn_value),
    ("domain", names::domain),
    ("hostname", names::hostname),
    ("identifier", names::identifier),
    ("ip", names::ip),
    ("ipv4", names::ipv4),
    ("ipv6", names::ipv6),
    ("ldif", ldif),
    ("rname", names::rname),
    ("ssh", |text| Escape::Ssh.text(text).map(Cow::into_owned)),
    ("ssh_path", names::ssh_path),
    ("txt", names::zone_text),
];

/// Functions whose results are not escaped again.
const FINISHED: [&str; 4] = ["ldif", "rname", "ssh_path", "txt"];

pub(crate) fn add_functions(environment: &mut Environment<'static>, notes: &Arc<Notes>) {
    for (name, check) in CHECKS {
        let notes = notes.clone();
        let is_finished = FINISHED.contains(&name);
        environment.add_filter(name, move |state: &State, value: Value| {
            let text = checked(state, &notes, &value, check)?;
            Ok::<_, Error>(match text.as_str() {
                Some(text) if is_finished => Value::from_safe_string(text.to_string()),
                _ => text,
            })
        });
    }
    let for_port = notes.clone();
    environment.add_filter("with_port", move |state: &State, value: Value, port: Value| {
        let port = port.to_string();
        checked(state, &for_port, &value, |text| names::host_port(text, &port))
    });
    let for_number = notes.clone();
    environment.add_filter("number", move |state: &State, value: Value, low: i64, high: i64| {
        let number = checked(state, &for_number, &value, |text| names::number(text, low, high))?;
        // A number again, because JSON writes a text in quotes.
        Ok::<_, Error>(number.to_string().parse::<i64>().map_or(number, Value::from))
    });
    let for_zone = notes.clone();
    environment.add_filter("zone_name", move |state: &State, value: Value, zone: Option<String>| {
        checked(state, &for_zone, &value, |text| names::zone_name(text, zone.as_deref().unwrap_or_default()))
    });
    let for_suffix = notes.clone();
    environment.add_filter("suffix", move |state: &State, value: Value, suffix: String| {
        checked(state, &for_suffix, &value, |text| names::with_suffix(text, &suffix))
    });
    let for_claim = notes.clone();
    environment.add_filter("claim", move |state: &mut State<'_, '_>, value: Value, owner: Option<Value>| {
        claim(state, &for_claim, &value, owner);
        value
    });
    let for_refuse = notes.clone();
    environment.add_function("refuse", move |state: &State, why: String| refuse(state, &for_refuse, None, &why));
    environment.add_filter("field", field);
    environment.add_filter("tag_columns", tag_columns);
    environment.add_function("lacks_address", lacks_address);
    let for_ansible = notes.clone();
    environment.add_filter("ansible", move |state: &State, value: Value| ansible(state, &for_ansible, &value));
    let for_identifiers = notes.clone();
    environment
        .add_filter("identifiers", move |value: Value, prefix: String| identifiers(&for_identifiers, &value, &prefix));
}

/// Returns what the check makes of a value, or notes that its host is refused.
fn checked<E: AsRef<str>>(
    state: &State,
    notes: &Notes,
    value: &Value,
    check: impl Fn(&str) -> Result<String, E>,
) -> Result<Value, Error> {
    if is_refused(value) {
        return Ok(value.clone());
    }
    if let Some(why) = notes.undefined.as_deref().filter(|_| value.is_undefined()) {
        return refuse(state, notes, None, why);
    }
    match scalar(value)? {
        None => refuse(state, notes, None, "a value is missing"),
        Some(text) => match check(&text) {
            Ok(text) => Ok(Value::from(text)),
            Err(why) => refuse(state, notes, Some(text), why.as_ref()),
        },
    }
}

/// The message of an error, where the value's name is not known.
pub(crate) const A_VALUE_IS_UNDEFINED: &str = "a value is undefined";

/// The end of the message of an error.
pub(crate) const IS_NOT_A_TEXT: &str = "is not a text: join or tojson makes one";

/// Returns the text of a value: `None` of null. What is not one value is an error of the template.
pub(crate) fn scalar(value: &Value) -> Result<Option<String>, Error> {
    match value.kind() {
        ValueKind::None => Ok(None),
        ValueKind::String | ValueKind::Number | ValueKind::Bool => Ok(Some(value.to_string())),
        ValueKind::Undefined => Err(Error::new(ErrorKind::UndefinedError, A_VALUE_IS_UNDEFINED)),
        kind => Err(Error::new(ErrorKind::InvalidOperation, format!("a {kind} {IS_NOT_A_TEXT}"))),
    }
}

/// Notes that the hosts at hand are refused. Fails if the template is at no host.
pub(crate) fn refuse(state: &State, notes: &Notes, value: Option<String>, why: &str) -> Result<Value, Error> {
    let hosts = current_hosts(state, notes);
    if hosts.is_empty() {
        let what = value.map_or_else(|| why.to_string(), |value| format!("{} {why}", quote(&value)));
        return Err(Error::new(ErrorKind::InvalidOperation, what));
    }
    for host in hosts {
        notes.refuse(Problem { host, value: value.clone(), why: why.to_string() });
    }
    Ok(refused())
}

/// Returns the host that a variable of the template is, such as that of its loop: of several the one that was read
/// last. Where there is none, the hosts of the group that a variable is.
fn current_hosts(state: &State, notes: &Notes) -> Vec<usize> {
    let variables: Vec<Value> = state.known_variables().iter().filter_map(|name| state.lookup(name)).collect();
    let hosts: Vec<usize> =
        variables.iter().filter_map(Value::downcast_object_ref::<Host>).map(|host| host.place).collect();
    let last = notes.last_host().filter(|last| hosts.contains(last));
    if let Some(host) = last.or(hosts.first().copied()) {
        return vec![host];
    }
    let group = variables.iter().find_map(Value::downcast_object_ref::<Group>);
    group.map(|group| group.places.clone()).unwrap_or_default()
}

/// The names that were claimed, each with its owner and the host at hand.
#[derive(Default)]
struct Claims(HashMap<String, (String, Option<usize>)>);

/// Refuses both hosts where another owner has the name already, and warns where an owner has several hosts. Without an
/// owner each host is its own. Names that differ only in case count as one.
fn claim(state: &mut State<'_, '_>, notes: &Notes, value: &Value, owner: Option<Value>) {
    if is_refused(value) {
        return;
    }
    let host = notes.last_host();
    let owner = owner.map_or_else(|| format!("{host:?}"), |owner| owner.to_string());
    let name = value.to_string();
    let claims = &mut state.get_or_insert_extension(Claims::default()).0;
    let first = claims.entry(name.to_ascii_lowercase()).or_insert_with(|| (owner.clone(), host));
    let hosts = [first.1, host].into_iter().flatten();
    if first.0 != owner {
        for host in hosts {
            let why = "stands for several hosts".to_string();
            notes.refuse(Problem { host, value: Some(name.clone()), why });
        }
    } else if first.1 != host {
        hosts.for_each(|host| notes.warn(host, "has the name of another host; both are written".to_string()));
    }
}

/// Returns an attribute's value of LDIF with what is before it: `: web1`, or in base64 `:: d2ViMQ==`.
fn ldif(text: &str) -> Result<String, &'static str> {
    Ok(if is_ldif_safe(text) { format!(": {text}") } else { format!(":: {}", base64(text)) })
}

/// Returns the text of a host's field, such as `tags.role`: of a list its texts with commas, of what is missing
/// nothing.
fn field(host: Value, path: String) -> Result<String, Error> {
    let host = host.downcast_object_ref::<Host>();
    let host = host.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "field is a filter of hosts"))?;
    host.notes.read_host(host.place);
    Ok(texts(&host.record, &path).join(","))
}

/// Returns the paths of the tags of all hosts, sorted: `tags.role`.
fn tag_columns(hosts: Value) -> Result<Vec<String>, Error> {
    let mut keys = BTreeSet::new();
    for host in hosts.try_iter()? {
        let host = host.downcast_object_ref::<Host>();
        if let Some(Json::Object(tags)) = host.and_then(|host| host.record.get("tags")) {
            keys.extend(tags.into_iter().map(|(key, _)| format!("tags.{key}")));
        }
    }
    Ok(keys.into_iter().collect())
}

/// Returns whether a server's name lies in the zone and no host has claimed it, so the zone gives it no address.
fn lacks_address(state: &mut State<'_, '_>, server: String, zone: String) -> bool {
    let claims = state.get_or_insert_extension(Claims::default());
    names::within_zone(&server, &zone).is_some_and(|name| !claims.0.contains_key(&name))
}

/// Returns a value in which texts are marked as unsafe, so Ansible does not take them for templates, which could run
/// commands. A text may choose its own delimiters (`#jinja2:`), so only texts of plain characters are left unmarked.
/// Ansible does not take keys for templates.
fn ansible(state: &State, notes: &Notes, value: &Value) -> Result<Value, Error> {
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || " -_.,:/@+=".contains(c));
    Ok(match value.kind() {
        ValueKind::String if !value.as_str().is_some_and(is_plain) => {
            Value::from_pairs([("__ansible_unsafe", value.clone())])
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter()?.map(|item| ansible(state, notes, &item));
            items.collect::<Result<Vec<Value>, Error>>()?.into()
        }
        ValueKind::Map => {
            let mut pairs = Vec::new();
            for key in value.try_iter()? {
                // Such as __ansible_unsafe: an object that has it becomes its value.
                if let Some(name) = key.as_str().filter(|name| name.starts_with("__ansible_")) {
                    let why = format!("has the key {}, which is special in Ansible", quote(name));
                    return refuse(state, notes, None, &why);
                }
                let value = value.get_item(&key)?;
                pairs.push((key, ansible(state, notes, &value)?));
            }
            Value::from_pairs(pairs)
        }
        _ => value.clone(),
    })
}

/// Returns the pairs of an object, with `prefix` before the keys and identifiers made of them. Where several keys
/// become one identifier, the value of the key that is that identifier is kept, else that of the first, with a warning.
fn identifiers(notes: &Notes, value: &Value, prefix: &str) -> Result<Vec<(String, Value)>, Error> {
    let mut pairs: IndexMap<String, (String, Value)> = IndexMap::new();
    for key in value.try_iter()? {
        let (key, value) = (key.to_string(), value.get_item(&key)?);
        let name = names::identifier(&format!("{prefix}{key}")).unwrap_or_default();
        let Some(pair) = pairs.get_mut(&name) else {
            pairs.insert(name, (key, value));
            continue;
        };
        let keys = format!("{} and {}", quote(&pair.0), quote(&key));
        if name.strip_prefix(prefix) == Some(&key) {
            *pair = (key, value);
        }
        if let Some(host) = notes.last_host() {
            notes.warn(host, format!("{keys} both become {name}; the value of {} is kept", quote(&pair.0)));
        }
    }
    Ok(pairs.into_iter().map(|(name, (_, value))| (name, value)).collect())
}
