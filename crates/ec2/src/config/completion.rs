//! Values that a shell completes: regions and profiles of the AWS configuration.

use crate::config::aws_profile::config_files;
use crate::config::region_name::REGIONS;
use cerveza_manners::{ArgValueCompleter, fitting};
use std::ffi::OsStr;
use std::fs;

/// Completes a region, or `all`.
pub fn regions() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        fitting(typed, REGIONS.into_iter().chain(["all"]).map(str::to_string).collect())
    })
}

/// Completes a profile of the AWS configuration.
pub fn aws_profiles() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let texts = config_files().into_iter().filter_map(|path| fs::read_to_string(path).ok());
        fitting(typed, texts.flat_map(|text| profile_names(&text)).collect())
    })
}

/// Returns the names in `[profile NAME]` of a file of profiles, and in `[NAME]` of a file of keys.
fn profile_names(text: &str) -> Vec<String> {
    let sections = text.lines().filter_map(|line| line.trim().strip_prefix('[')?.split(']').next());
    let name = |section: &str| match section.split_once(char::is_whitespace) {
        None => Some(section.to_string()),
        Some(("profile", name)) => Some(name.trim().trim_matches('"').to_string()),
        Some(_) => None,
    };
    sections.map(str::trim).filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_found_in_both_files() {
        let config = "[default]\nregion = a\n[profile prod]\n[profile \"my dev\"]\n[sso-session s]\n";
        assert_eq!(profile_names(config), ["default", "prod", "my dev"]);
        assert_eq!(profile_names("[default]\n[ old ]\n"), ["default", "old"]);
    }
}
