//! Settings of the environment and of a profile of the AWS configuration, by the rules of the AWS CLI.

use crate::config::http;
use aws_config::profile::Profile;
use aws_smithy_http_client::tls::TrustStore;
use cerveza_manners::{Failure, Result};
use std::env;

/// What the tools read of the settings. The SDK reads endpoints and credentials itself.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub region: Option<String>,
    /// The certificates of the CA bundle that is set.
    pub trust_store: Option<TrustStore>,
    /// How often a request is sent at most, if that is set.
    pub max_attempts: Option<u32>,
}

const RETRY_MODES: [&str; 3] = ["legacy", "standard", "adaptive"];

impl Settings {
    /// Reads the settings. A variable comes before the key of the profile; an empty one counts as unset.
    pub fn read(profile: Option<&Profile>) -> Result<Settings> {
        let read = |variables: &[&str], key| setting(variables, key, profile);
        if let Some((place, mode)) = read(&["AWS_RETRY_MODE"], "retry_mode")
            && !RETRY_MODES.contains(&mode.as_str())
        {
            return Err(Failure::usage(format!("{place}: {mode:?} is not one of {}", RETRY_MODES.join(", "))));
        }
        let max_attempts = match read(&["AWS_MAX_ATTEMPTS"], "max_attempts") {
            None => None,
            Some((place, text)) => match text.trim().parse() {
                Ok(attempts @ 1..) => Some(attempts),
                _ => return Err(Failure::usage(format!("{place}: {text:?} is not a number of 1 or more"))),
            },
        };
        let trust_store = read(&["AWS_CA_BUNDLE"], "ca_bundle");
        let trust_store = trust_store.map(|(place, path)| http::trust_store(&place, &path)).transpose()?;
        let region = read(&["AWS_REGION", "AWS_DEFAULT_REGION"], "region").map(|(_, region)| region);
        Ok(Settings { region, trust_store, max_attempts })
    }
}

/// Returns where a setting is made, and its value.
fn setting(variables: &[&str], key: &str, profile: Option<&Profile>) -> Option<(String, String)> {
    let value = |variable: &&str| {
        let value = env::var(variable).ok().filter(|value| !value.is_empty())?;
        Some((variable.to_string(), value))
    };
    let in_profile = || {
        let (profile, value) = (profile?, profile?.get(key).filter(|value| !value.is_empty())?);
        Some((format!("{key} of the AWS profile {:?}", profile.name()), value.to_string()))
    };
    variables.iter().find_map(value).or_else(in_profile)
}
