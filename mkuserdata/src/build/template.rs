//! Templates (`.j2`): compiled once, and rendered for each host from its record.

use cerveza_manners::Result;
use cerveza_record::{Record, Value as Json};
use cerveza_template::{Setting, environment, failure, put_settings, template_value};
use minijinja::{Environment, Value};
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Map;
use std::sync::LazyLock;

/// The compiled templates, by the path of their part.
#[derive(Debug)]
pub(crate) struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    pub fn new() -> Templates {
        Templates { environment: environment() }
    }

    pub fn add(&mut self, path: &str, source: &str) -> Result<()> {
        let added = self.environment.add_template_owned(path.to_string(), source.to_string());
        added.map_err(|error| failure(path, &error))
    }

    /// Renders the template at `path`. `fields` are those of the host's record.
    pub fn render(&self, path: &str, fields: &Value) -> Result<String> {
        let rendered = self.environment.get_template(path).and_then(|template| template.render(fields));
        rendered.map_err(|error| failure(path, &error))
    }
}

/// Returns whether it contains `{{ name }}` or `{{ name |`, as a template does. Other languages rarely have this.
pub(crate) fn has_names(content: &[u8]) -> bool {
    static NAME: LazyLock<Option<Regex>> =
        LazyLock::new(|| RegexBuilder::new(r"\{\{ *[a-z_][a-z0-9_.]* *(\}\}|\|)").unicode(false).build().ok());
    NAME.as_ref().is_some_and(|name| name.is_match(content))
}

/// Returns the names that a template can use: the keys of the record, replaced by what was set. `tags` always exists, so the
/// filter `default` works for each tag.
pub(crate) fn fields(record: Option<&Record>, set: &[Setting]) -> Value {
    let mut fields: Map<String, Json> =
        record.into_iter().flat_map(Record::iter).map(|(key, value)| (key.to_string(), value)).collect();
    fields.entry("tags").or_insert_with(|| Json::Object(Map::new()));
    put_settings(&mut fields, set);
    Value::from_pairs(fields.into_iter().map(|(key, value)| (key, template_value(value))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str =
        r#"{"host":"web7","n":1.0,"big":9007199254740993,"none":null,"tags":{"role":"a<b>","b":[1,"x"]}}"#;

    fn render(source: &str) -> std::result::Result<String, String> {
        let mut templates = Templates::new();
        templates.add("x.html.j2", source).map_err(|failure| failure.message)?;
        let fields = fields(Some(&Record::parse(RECORD).unwrap()), &[]);
        templates.render("x.html.j2", &fields).map_err(|failure| failure.message)
    }

    #[test]
    fn templates_see_all_fields_and_nothing_is_escaped() {
        assert_eq!(render("{{ host }} {{ tags.role }}\r\n\n").unwrap(), "web7 a<b>\r\n\n");
        assert_eq!(render("{{ n }} {{ big + 1 }} {{ tags.b[0] + 1 }}").unwrap(), "1.0 9007199254740994 2");
        assert_eq!(render("{{ tags | list | join }} {{ tags.b | tojson }}").unwrap(), "roleb [1, \"x\"]");
    }

    #[test]
    fn quote_makes_shell_words_and_methods_are_those_of_python() {
        assert_eq!(render("{{ tags.role | quote }} {{ host | quote }}").unwrap(), "'a<b>' web7");
        assert_eq!(render("{{ 'a; rm -rf /' | quote }} {{ host | b64encode }}").unwrap(), "'a; rm -rf /' d2ViNw==");
        assert_eq!(
            render("{{ host.upper() }} {{ tags.get('x', 'y') }} {{ 'a.b'.split('.')[0] }}").unwrap(),
            "WEB7 y a"
        );
    }

    #[test]
    fn names_in_braces_look_like_a_template() {
        for template in ["{{ host }}", "x {{tags.role}}", "{{ domain | default('x') }}"] {
            assert!(has_names(template.as_bytes()), "{template}");
        }
        for other in ["docker ps --format '{{.Names}}'", "{{ .Values.x }}", "{{#if x}}", "{ host }", "awk '{{print}'"] {
            assert!(!has_names(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn default_replaces_a_missing_name() {
        assert_eq!(render("{{ domain | default('x.org') }}").unwrap(), "x.org");
        assert_eq!(render("{{ tags.team | default('dba') }}").unwrap(), "dba");
        assert_eq!(render("{{ none | default('x') }} {{ '' | default('y', true) }} {{ nobody | d }}").unwrap(), "x y ");
        assert_eq!(render("{% if none %}y{% else %}n{% endif %}").unwrap(), "n");
        assert_eq!(render("{{ '' | default('y', 1) }}{{ 7 | quote }}").unwrap(), "y7");
        assert_eq!(render("{{ nobody | quote }}").unwrap_err(), "x.html.j2: line 1: nobody is undefined");
        for template in ["{{ none }}", "{{ none | quote }}", "{{ none | b64encode }}"] {
            let why = render(template).unwrap_err();
            assert_eq!(why, "x.html.j2: line 1: a value is null: the filter default can replace it");
        }
        assert_eq!(render("{% if tags.team is defined %}y{% else %}n{% endif %}").unwrap(), "n");
    }

    #[test]
    fn set_overrides_the_record_and_reaches_into_objects() {
        let set: Vec<Setting> = ["domain=x.org", "tags.role=db=1", "n.a.b="].map(|text| text.parse().unwrap()).into();
        let source = "{{ domain }} {{ tags.role }} {{ n.a.b | length }} {{ tags.b | default([]) | length }}";
        let seen = |record: Option<&Record>| {
            let mut templates = Templates::new();
            templates.add("x", source).unwrap();
            templates.render("x", &fields(record, &set)).unwrap()
        };
        assert_eq!(seen(None), "x.org db=1 0 0");
        assert_eq!(seen(Some(&Record::parse(RECORD).unwrap())), "x.org db=1 0 2");
    }

    #[test]
    fn an_error_names_file_line_and_expression() {
        let why = |source| render(source).unwrap_err();
        assert_eq!(why("a\nb {{ tags.rol }}"), "x.html.j2: line 2: tags.rol is undefined");
        assert_eq!(why("{{ nobody }}"), "x.html.j2: line 1: nobody is undefined");
        assert_eq!(why("{{ nobody.x }}"), "x.html.j2: line 1: nobody is undefined");
        assert_eq!(why("{% if nobody %}{% endif %}"), "x.html.j2: line 1: nobody is undefined");
        assert_eq!(why("\n{{ host"), "x.html.j2: line 2: unexpected end of input, expected end of variable block");
        assert_eq!(why("{{ host | nofilter }}"), "x.html.j2: line 1: filter nofilter is unknown");
    }
}
