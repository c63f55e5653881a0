//! The tags that the command line asks for. A value with `{{ }}` in it is a template, rendered from each host's record.

use cerveza_ec2::{Tags, check_tag};
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value as Json};
use cerveza_template::{environment, reason, template_value};
use minijinja::{Environment, Error, Value};

#[derive(Debug, Default)]
pub struct Wanted {
    /// Keys with their values, as they are written.
    pub set: Vec<(String, String)>,
    pub remove: Vec<String>,
    /// The templates by their keys.
    templates: Option<Environment<'static>>,
}

/// Returns whether a value is a template.
pub fn is_template(value: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|open| value.contains(open))
}

impl Wanted {
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    /// Returns whether this tag is set or removed.
    pub fn has_tag(&self, key: &str) -> bool {
        self.set.iter().any(|(known, _)| known == key) || self.remove.iter().any(|known| known == key)
    }

    /// Adds a tag to set.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        if is_template(value) {
            let templates = self.templates.get_or_insert_with(environment);
            let added = templates.add_template_owned(key.to_string(), value.to_string());
            added.map_err(|error| failure(key, &error))?;
        }
        self.set.push((key.to_string(), value.to_string()));
        Ok(())
    }

    /// Returns the value that all hosts would get for this tag. `None` if there is none, or a template gives it.
    pub fn common_value(&self, key: &str) -> Option<&str> {
        let (_, value) = self.set.iter().find(|(known, _)| known == key)?;
        Some(value.as_str()).filter(|value| !is_template(value))
    }

    /// Returns the tags of one host. Of its record templates see each field that is not null.
    pub fn tags_of(&self, record: &Record) -> Result<Tags> {
        let mut tags = Tags { set: self.set.clone(), remove: self.remove.clone() };
        let Some(templates) = &self.templates else { return Ok(tags) };
        let fields = record.iter().filter(|(_, value)| *value != Json::Null);
        let fields = Value::from_pairs(fields.map(|(key, value)| (key.to_string(), template_value(value))));
        for (key, value) in tags.set.iter_mut().filter(|(_, value)| is_template(value)) {
            let rendered = templates.get_template(key).and_then(|template| template.render(&fields));
            *value = rendered.map_err(|error| failure(key, &error))?;
            check_tag(key, value).map_err(Failure::usage)?;
        }
        Ok(tags)
    }
}

fn failure(key: &str, error: &Error) -> Failure {
    let why = reason(error);
    let failure = Failure::usage(format!("tag {key}: {why}"));
    if why.starts_with("hostname is") { failure.hint("the name of a host is {{ host }}") } else { failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"host":"web7","zone":"us-east-1a","public_ip":null,"tags":{"role":"web"}}"#;

    fn rendered(value: &str) -> std::result::Result<String, String> {
        let mut wanted = Wanted::default();
        wanted.set("x", value).map_err(|failure| failure.message)?;
        let tags = wanted.tags_of(&Record::parse(RECORD).unwrap()).map_err(|failure| failure.message)?;
        Ok(tags.set[0].1.clone())
    }

    #[test]
    fn value_is_rendered_from_the_record() {
        assert_eq!(rendered("{{ host }}.{{ zone[:-1] }}").unwrap(), "web7.us-east-1");
        assert_eq!(rendered("{{ tags.role | upper }}").unwrap(), "WEB");
        assert_eq!(rendered("{{ public_ip | default('-') }}").unwrap(), "-");
        assert_eq!(rendered("{ host }").unwrap(), "{ host }");
    }

    #[test]
    fn what_the_record_lacks_is_an_error() {
        assert_eq!(rendered("{{ hots }}").unwrap_err(), "tag x: hots is undefined");
        let mut wanted = Wanted::default();
        wanted.set("x", "{{ hostname }}").unwrap();
        let failure = wanted.tags_of(&Record::parse(RECORD).unwrap()).unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("the name of a host is {{ host }}"));
        assert_eq!(rendered("{{ public_ip }}").unwrap_err(), "tag x: public_ip is undefined");
        assert_eq!(rendered("{{ tags.team }}").unwrap_err(), "tag x: tags.team is undefined");
    }

    #[test]
    fn what_it_gives_is_checked() {
        assert_eq!(rendered("{{ host * 99 }}").unwrap_err(), "tag x: the value is longer than 256 characters");
        assert_eq!(rendered("{{ host }}\n").unwrap_err(), "tag \"x\": a control character in it");
    }
}
