//! Values that a shell completes: regions and profiles of the AWS configuration.

use crate::config::aws_profile::config_files;
use cerveza_manners::{ArgValueCompleter, fitting, fixed_words};
use std::ffi::OsStr;
use std::fs;

/// The regions of AWS and `all`, for completion only: any region can be typed.
const REGIONS: &[&str] = &[
    "af-south-1",
    "all",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// Completes a region.
pub fn regions() -> ArgValueCompleter {
    fixed_words(REGIONS)
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
