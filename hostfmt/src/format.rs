//! The formats that are built in, and templates of files.

use crate::policy::Policy;
use cerveza_manners::{Failure, Result, nearest};
use std::fs;

/// A format that is built in.
#[derive(Debug)]
pub(crate) struct Format {
    pub name: &'static str,
    /// What it writes, and its settings.
    pub about: &'static str,
    pub source: &'static str,
}

macro_rules! built_in {
    ($name:literal, $about:literal) => {
        Format { name: $name, about: $about, source: include_str!(concat!("../formats/", $name, ".j2")) }
    };
}

pub(crate) const FORMATS: [Format; 9] = [
    built_in!("ansible", "inventory of Ansible, with groups; script=yes for an inventory script"),
    built_in!("bind", "zone file of BIND; zone, ttl, nameservers, contact, serial, public_suffix"),
    built_in!("csv", "comma-separated values with a header; columns"),
    built_in!("ganglia", "data sources of gmetad, one for each group; port, interval"),
    built_in!("hosts", "/etc/hosts; domain"),
    built_in!("ldif", "LDAP entries of class device and ipHost; base"),
    built_in!("nagios", "hosts and hostgroups of Nagios; use"),
    built_in!("prometheus", "targets of Prometheus for file_sd and http_sd; port"),
    built_in!("ssh-config", "Host blocks of ssh_config; user, key"),
];

/// A template and what it says of itself.
#[derive(Debug)]
pub(crate) struct Template {
    /// The format's name or the file.
    pub label: String,
    pub source: String,
    pub policy: Policy,
}

impl Template {
    /// Finds a format by its name, or reads a template from a file: its name ends in `.j2` or has a slash.
    pub fn find(word: &str) -> Result<Template> {
        let is_file = word.ends_with(".j2") || word.contains('/');
        let source = if is_file {
            fs::read_to_string(word).map_err(|error| Failure::usage(format!("cannot read {word}: {error}")))?
        } else {
            Format::named(word)?.source.to_string()
        };
        let policy = Policy::parse(word, &source)?;
        Ok(Template { label: word.to_string(), source, policy })
    }
}

impl Format {
    pub fn named(name: &str) -> Result<&'static Format> {
        FORMATS.iter().find(|format| format.name == name).ok_or_else(|| {
            let failure = Failure::usage(format!("'{name}' is not a format; a template's file ends in .j2"));
            match nearest(name, FORMATS.iter().map(|format| format.name)) {
                Some(format) => failure.hint(format!("is it {format}?")),
                None => failure.hint("hostfmt --list names the formats"),
            }
        })
    }
}
