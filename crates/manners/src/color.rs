//! `--color`: when text is coloured, and the colours of values.

use std::ffi::OsString;

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const DIM: &str = "2";

#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb; CLICOLOR_FORCE=1 adds pipes and files
    #[default]
    Auto,
    /// Always use colours
    Always,
    /// Never use colours
    Never,
}

impl Color {
    pub fn is_on(self, on_terminal: bool) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => auto(on_terminal, |name| std::env::var_os(name)),
        }
    }
}

/// Follows no-color.org and bixense.com/clicolors.
fn auto(on_terminal: bool, env: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_set = |name| env(name).is_some_and(|value| !value.is_empty());
    let is = |name, wanted: &str| env(name).is_some_and(|value| value == wanted);
    if is_set("NO_COLOR") {
        return false;
    }
    let is_forced = is_set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0");
    is_forced || (on_terminal && !is("CLICOLOR", "0") && !is("TERM", "dumb"))
}

/// Returns the colour of the value of this key.
pub(crate) fn color_of(key: &str, value: &str) -> Option<&'static str> {
    match key {
        _ if value == "-" => None,
        "error" | "note" => Some(RED),
        "state" | "status" | "status_checks" => match value {
            "running" | "ok" | "in-use" | "available" => Some(GREEN),
            "pending" | "stopping" | "shutting-down" | "initializing" | "creating" | "deleting" => Some(YELLOW),
            "terminated" | "not-applicable" | "skipped" => Some(DIM),
            _ => Some(RED),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_is_for_terminals_unless_the_user_says_otherwise() {
        let with = |set: &[(&str, &str)], on_terminal| {
            auto(on_terminal, |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
        };
        assert!(with(&[], true) && with(&[("NO_COLOR", ""), ("CLICOLOR", "1")], true));
        assert!(!with(&[], false) && !with(&[("CLICOLOR", "1")], false));
        for off in [("NO_COLOR", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")] {
            assert!(!with(&[off], true), "{off:?}");
        }
        assert!(with(&[("CLICOLOR_FORCE", "1")], false));
        assert!(!with(&[("CLICOLOR_FORCE", "0")], false) && !with(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], true));
        assert!(Color::Always.is_on(false) && !Color::Never.is_on(true) && !Color::Auto.is_on(false));
    }
}
