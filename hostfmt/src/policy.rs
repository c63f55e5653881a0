//! The first line of a template, which says how its values are escaped and which hosts it takes.

use crate::escape::Escape;
use cerveza_manners::{Failure, Result};

/// What a template says of itself in `{# hostfmt: escape=zone hosts=existing #}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub escape: Escape,
    pub hosts: HostFilter,
    pub groups: GroupNames,
}

/// Which hosts a template sees, by their state. A host without a state is always seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostFilter {
    All,
    /// Not those that are terminated or about to be.
    Existing,
    /// Those that run or are about to.
    Running,
}

/// How the names of groups are made of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupNames {
    Verbatim,
    /// Letters, digits and underscores: every other character becomes an underscore.
    Identifiers,
}

impl Policy {
    /// Reads the policy of the template in the file `path`. A template that does not have one takes all hosts, and is
    /// escaped by the name of the file: `x.json.j2` is JSON.
    pub fn parse(path: &str, source: &str) -> Result<Policy> {
        let mut policy = Policy { escape: Escape::of_file(path), hosts: HostFilter::All, groups: GroupNames::Verbatim };
        let first_line = source.lines().next().unwrap_or_default();
        let comment = first_line.strip_prefix("{#").and_then(|rest| rest.split_once("#}"));
        let comment = comment.map(|(comment, _)| comment.trim_matches(['-', '+', ' ']));
        for setting in
            comment.and_then(|text| text.strip_prefix("hostfmt:")).into_iter().flat_map(str::split_whitespace)
        {
            policy.set(setting).map_err(|why| Failure::usage(format!("{path}: line 1: {why}")))?;
        }
        Ok(policy)
    }

    fn set(&mut self, setting: &str) -> std::result::Result<(), String> {
        match setting.split_once('=').unwrap_or((setting, "")) {
            ("escape", name) => {
                let names = Escape::ALL.map(Escape::name).join(", ");
                self.escape = Escape::named(name).ok_or_else(|| format!("'{name}' is not an escape: use {names}"))?;
            }
            ("hosts", "all") => self.hosts = HostFilter::All,
            ("hosts", "existing") => self.hosts = HostFilter::Existing,
            ("hosts", "running") => self.hosts = HostFilter::Running,
            ("hosts", _) => return Err("hosts= is all, existing or running".to_string()),
            ("groups", "verbatim") => self.groups = GroupNames::Verbatim,
            ("groups", "identifiers") => self.groups = GroupNames::Identifiers,
            ("groups", _) => return Err("groups= is verbatim or identifiers".to_string()),
            (key, _) => return Err(format!("'{key}' is not a setting: write escape=, hosts= or groups=")),
        }
        Ok(())
    }
}

impl HostFilter {
    pub fn takes(self, state: Option<&str>) -> bool {
        match (self, state) {
            (HostFilter::All, _) | (_, None) => true,
            (HostFilter::Existing, Some(state)) => !matches!(state, "terminated" | "shutting-down"),
            (HostFilter::Running, Some(state)) => matches!(state, "running" | "pending"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_how_to_escape_and_which_hosts_to_take() {
        let policy = |source| Policy::parse("x.j2", source).unwrap();
        let plain = Policy { escape: Escape::Plain, hosts: HostFilter::All, groups: GroupNames::Verbatim };
        assert_eq!(policy("{{ hosts }}\n{# hostfmt: escape=json #}"), plain);
        assert_eq!(policy("{# mine #}"), plain);
        let zone = Policy { escape: Escape::Zone, hosts: HostFilter::Running, groups: GroupNames::Identifiers };
        assert_eq!(policy("{#- hostfmt: escape=zone hosts=running groups=identifiers -#}\nx"), zone);
        assert_eq!(Policy::parse("/a/fleet.json.j2", "").unwrap().escape, Escape::Json);
    }

    #[test]
    fn a_slip_in_the_first_line_names_the_file() {
        let why = |source| Policy::parse("x.j2", source).unwrap_err().message;
        assert!(why("{# hostfmt: escape=zonk #}").starts_with("x.j2: line 1: 'zonk' is not an escape: use "));
        assert_eq!(
            why("{# hostfmt: host=all #}"),
            "x.j2: line 1: 'host' is not a setting: write escape=, hosts= or groups="
        );
        assert_eq!(why("{# hostfmt: hosts #}"), "x.j2: line 1: hosts= is all, existing or running");
    }

    #[test]
    fn a_host_is_taken_by_its_state() {
        let taken = |filter: HostFilter| {
            let states =
                [None, Some("running"), Some("pending"), Some("stopped"), Some("stopping"), Some("terminated")];
            states.map(|state| filter.takes(state))
        };
        assert_eq!(taken(HostFilter::All), [true; 6]);
        assert_eq!(taken(HostFilter::Existing), [true, true, true, true, true, false]);
        assert_eq!(taken(HostFilter::Running), [true, true, true, false, false, false]);
    }
}
