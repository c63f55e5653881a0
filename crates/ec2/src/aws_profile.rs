//! The profile of the AWS configuration, by botocore's rules.
//!
//! Where the SDK cannot use a profile it goes on to the role of the container or the instance, which may belong to
//! another account. So a profile that does not exist ends the run here, before the SDK asks anything.

use crate::failure::innermost;
use aws_config::SdkConfig;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileSet};
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use cerveza_manners::{Failure, Result};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The variables that name a profile. botocore reads the first of them first.
const PROFILE_VARIABLES: [&str; 2] = ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"];

/// Variables of which the first has no effect without the second. The SDK goes on as if neither were set.
const PAIRS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN")];

/// Keys that say where the credentials of a profile come from.
const CREDENTIAL_KEYS: [&str; 10] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "credential_process",
    "credential_source",
    "login_session",
    "role_arn",
    "source_profile",
    "sso_account_id",
    "sso_role_name",
    "web_identity_token_file",
];

/// The selected profile, which exists as far as it is named.
#[derive(Debug)]
pub(crate) struct AwsProfile {
    /// What the environment names; `None` means `default`, which may be absent.
    pub name: Option<String>,
    /// Whether the profile's own keys say where credentials come from.
    has_credentials: bool,
}

/// Returns the name of the profile that the environment selects, and the variable that it is in.
pub(crate) fn selected() -> Option<(&'static str, String)> {
    let value = |variable| Some((variable, env::var_os(variable)?.to_string_lossy().into_owned()));
    PROFILE_VARIABLES.into_iter().find_map(value)
}

impl AwsProfile {
    /// Reads the AWS configuration files. Refuses a profile that does not exist, whether the environment names it or a
    /// profile does, also where keys in the environment would be used instead.
    pub async fn read() -> Result<AwsProfile> {
        for (first, second) in PAIRS {
            if is_set(first) && !is_set(second) {
                return Err(Failure::usage(format!("{first} is set, but {second} is not")).hint("set both or neither"));
            }
        }
        let selected = selected();
        if let Some((variable, _)) = selected.as_ref().filter(|(_, name)| name.is_empty()) {
            return Err(Failure::usage(format!("{variable} is set and empty")).hint("unset it, or name a profile"));
        }
        check_files()?;
        let profiles = aws_config::profile::load(&<_>::default(), &<_>::default(), &<_>::default(), None).await;
        let profiles =
            profiles.map_err(|error| Failure::usage(format!("the AWS configuration: {}", innermost(&error))))?;
        check_names(&profiles, selected.as_ref())?;
        let name = selected.map(|(_, name)| name);
        let profile = profiles.get_profile(name.as_deref().unwrap_or("default"));
        let has_credentials =
            profile.is_some_and(|profile| CREDENTIAL_KEYS.iter().any(|key| profile.get(key).is_some()));
        Ok(AwsProfile { name, has_credentials })
    }

    /// Makes the profile's own credentials the only ones, unless keys in the environment come before them. The role of
    /// the container or instance is for a profile that names no credentials.
    pub fn restrict(&self, config: SdkConfig) -> SdkConfig {
        if !self.has_credentials || is_set("AWS_ACCESS_KEY_ID") {
            return config;
        }
        let mut provider = ProviderConfig::without_region()
            .with_region(config.region().cloned())
            .with_use_fips(config.use_fips())
            .with_use_dual_stack(config.use_dual_stack());
        if let Some(http_client) = config.http_client() {
            provider = provider.with_http_client(http_client);
        }
        let mut credentials = ProfileFileCredentialsProvider::builder().configure(&provider);
        if let Some(name) = &self.name {
            credentials = credentials.profile_name(name);
        }
        config.into_builder().credentials_provider(SharedCredentialsProvider::new(credentials.build())).build()
    }
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// Refuses a configuration file that is not UTF-8. The SDK reads it as an empty file.
fn check_files() -> Result<()> {
    for (variable, name) in [("AWS_CONFIG_FILE", ".aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")] {
        let at_home = || Some(Path::new(&env::var_os("HOME")?).join(name));
        let Some(path) = env::var_os(variable).map(PathBuf::from).or_else(at_home) else { continue };
        if fs::read_to_string(&path).is_err_and(|error| error.kind() == ErrorKind::InvalidData) {
            return Err(Failure::usage(format!("{}: it is not UTF-8", path.display())));
        }
    }
    Ok(())
}

/// Refuses a selected profile, and a `source_profile` of it or further on, that is in none of the files.
fn check_names(profiles: &ProfileSet, selected: Option<&(&str, String)>) -> Result<()> {
    let absent = |what: String| {
        Err(Failure::usage(format!("{what} does not exist"))
            .hint("`aws configure list-profiles` lists the profiles that exist"))
    };
    let mut name = selected.map_or("default", |(_, name)| name);
    let mut seen = Vec::new();
    while !seen.contains(&name) {
        let Some(profile) = profiles.get_profile(name) else {
            return match (seen.last(), selected) {
                (Some(parent), _) => absent(format!("source_profile {name:?} of the AWS profile {parent:?}")),
                (None, Some((variable, _))) => absent(format!("the AWS profile {name:?} (from {variable})")),
                (None, None) => Ok(()),
            };
        };
        // The keys of a source profile count before its own source.
        let has_keys = !seen.is_empty() && profile.get("aws_access_key_id").is_some();
        let Some(source) = profile.get("source_profile").filter(|_| !has_keys) else { return Ok(()) };
        seen.push(name);
        name = source;
    }
    Ok(())
}
