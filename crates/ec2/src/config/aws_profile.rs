//! The profile of the AWS configuration, by botocore's rules.
//!
//! Where the SDK cannot use a profile it goes on to the role of the container or the instance, which may belong to
//! another account. So a profile that does not exist ends the run here, before the SDK asks anything.

use crate::config::error_chain::innermost;
use aws_config::SdkConfig;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::{Profile, ProfileFileCredentialsProvider, ProfileSet};
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use cerveza_manners::{Failure, Result};
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The key of a record that names the AWS profile of its account.
pub(crate) const AWS_PROFILE: &str = "aws_profile";

/// The variables that name a profile. botocore reads the first of them first.
const PROFILE_VARIABLES: [&str; 2] = ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"];

/// Pairs of variables. The first has no effect without the second: the SDK goes on as if neither were set.
const PAIRS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN")];

const KEY_PAIR: [&str; 2] = ["aws_access_key_id", "aws_secret_access_key"];

/// Keys that say where the credentials of a profile come from.
const CREDENTIAL_KEYS: [&str; 10] = [
    KEY_PAIR[0],
    KEY_PAIR[1],
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
    /// `None` means `default`, which may be absent.
    pub name: Option<String>,
    /// The profile and the profiles that it takes its credentials from, one after another.
    chain: Vec<Profile>,
    /// Whether its own keys are used even if the environment has some.
    is_explicit: bool,
}

/// Returns the name of the profile that the environment selects, and the variable that it is in.
pub(crate) fn selected() -> Option<(&'static str, String)> {
    let value = |variable| Some((variable, env::var_os(variable)?.to_string_lossy().into_owned()));
    PROFILE_VARIABLES.into_iter().find_map(value)
}

impl AwsProfile {
    /// Reads the profile of the AWS configuration files that `explicit` names, and where it is from, or the one that
    /// the environment selects. Refuses a profile that does not exist, whether the environment names it or a profile
    /// does, also where keys in the environment would be used instead.
    pub async fn read(explicit: Option<(&'static str, &str)>) -> Result<AwsProfile> {
        for (first, second) in PAIRS {
            if explicit.is_none() && is_set(first) && !is_set(second) {
                return Err(Failure::usage(format!("{first} is set, but {second} is not")).hint("set both or neither"));
            }
        }
        let selected = match explicit {
            Some((place, name)) => Some((place, name.to_string())),
            None => selected(),
        };
        if let Some((variable, _)) = selected.as_ref().filter(|(_, name)| name.is_empty()) {
            let failure = Failure::usage(format!("{variable} is set and empty"));
            let is_option = variable.starts_with('-');
            return Err(failure.hint(if is_option {
                "is it a variable that is not set?"
            } else {
                "unset it, or name a profile"
            }));
        }
        check_files()?;
        let profiles = aws_config::profile::load(&<_>::default(), &<_>::default(), &<_>::default(), None).await;
        let profiles =
            profiles.map_err(|error| Failure::usage(format!("the AWS configuration: {}", innermost(&error))))?;
        let chain = chain(&profiles, selected.as_ref())?;
        let profile = AwsProfile { name: selected.map(|(_, name)| name), chain, is_explicit: explicit.is_some() };
        profile.check_keys()?;
        profile.check_login()?;
        Ok(profile)
    }

    /// Returns the keys of the profile.
    pub fn keys(&self) -> Option<&Profile> {
        self.chain.first()
    }

    /// Returns whether the profile's own credentials are the only ones. Keys in the environment come before those of
    /// the profile that it selects. The role of the container or instance is for a profile that names no credentials.
    fn is_only(&self) -> bool {
        let has_credentials = |profile: &Profile| CREDENTIAL_KEYS.iter().any(|key| profile.get(key).is_some());
        self.keys().is_some_and(has_credentials) && (self.is_explicit || !is_set("AWS_ACCESS_KEY_ID"))
    }

    /// Refuses a profile with half a key pair.
    fn check_keys(&self) -> Result<()> {
        if !self.is_only() {
            return Ok(());
        }
        for profile in &self.chain {
            let name = profile.name();
            let (first, second) = match (profile.get(KEY_PAIR[0]), profile.get(KEY_PAIR[1])) {
                (Some(_), None) => (KEY_PAIR[0], KEY_PAIR[1]),
                (None, Some(_)) => (KEY_PAIR[1], KEY_PAIR[0]),
                _ => continue,
            };
            return Err(Failure::usage(format!("the AWS profile {name:?} has {first}, but no {second}"))
                .hint(format!("add it: `aws configure --profile {name}`")));
        }
        Ok(())
    }

    /// Refuses credentials that only the AWS CLI can get.
    fn check_login(&self) -> Result<()> {
        if !self.is_only() {
            return Ok(());
        }
        for profile in &self.chain {
            let why = if profile.get("role_arn").is_some() && profile.get("mfa_serial").is_some() {
                "needs an MFA code (mfa_serial), which only the AWS CLI asks for"
            } else if profile.get("login_session").is_some() {
                "has a session of `aws login`, which only the AWS CLI can use"
            } else {
                continue;
            };
            let name = self.chain.first().map_or("default", Profile::name);
            let export = format!("eval \"$(aws configure export-credentials --profile {name} --format env)\"");
            let hint = if self.is_explicit {
                format!("get its credentials into the environment first, and leave out --account: {export}")
            } else {
                format!("get its credentials into the environment first: {export}")
            };
            return Err(Failure::usage(format!("the AWS profile {:?} {why}", profile.name())).hint(hint));
        }
        Ok(())
    }

    /// Returns the configuration with only the credentials of this profile, unless others come first.
    pub fn restrict(&self, config: SdkConfig) -> SdkConfig {
        if !self.is_only() && !self.is_explicit {
            return config;
        }
        let mut provider = ProviderConfig::without_region()
            .with_region(config.region().cloned())
            .with_use_fips(config.use_fips())
            .with_use_dual_stack(config.use_dual_stack());
        if let Some(http_client) = config.http_client() {
            provider = provider.with_http_client(http_client);
        }
        let mut of_profile = ProfileFileCredentialsProvider::builder().configure(&provider);
        if let Some(name) = &self.name {
            of_profile = of_profile.profile_name(name);
        }
        let credentials = if self.is_only() {
            SharedCredentialsProvider::new(of_profile.build())
        } else {
            // The profile of --account names no credentials.

            let container = EcsCredentialsProvider::builder().configure(&provider).build();
            let instance = ImdsCredentialsProvider::builder().configure(&provider).build();
            let chain = CredentialsProviderChain::first_try("container", container).or_else("instance", instance);
            SharedCredentialsProvider::new(chain)
        };
        config.into_builder().credentials_provider(credentials).build()
    }

    /// Says why the credentials cannot be used, and what to do.
    pub fn failure(&self, why: CredentialsFailure) -> Failure {
        let in_profile = self.name.as_ref().map(|name| format!(" in the profile {name}")).unwrap_or_default();
        let profile = self.name.as_ref().map(|name| format!(" --profile {name}")).unwrap_or_default();
        let sso = self.chain.iter().find(|profile| profile.get("sso_account_id").is_some()).filter(|_| self.is_only());
        match (why, sso) {
            (CredentialsFailure::None, _) => {
                Failure::usage(format!("no AWS credentials were found{in_profile}")).hint(LOGIN)
            }
            (CredentialsFailure::SessionEnded, Some(sso)) => {
                let name = sso.name();
                Failure::usage(format!("the SSO session of the AWS profile {name:?} has expired or does not exist"))
                    .hint(format!("log in: `aws sso login --profile {name}`"))
            }
            (CredentialsFailure::SessionEnded, None) => {
                Failure::usage(format!("the AWS credentials{in_profile} have expired")).hint(LOGIN)
            }
            (CredentialsFailure::Other(why), sso) => {
                let failure = Failure::usage(format!("the AWS credentials{in_profile} cannot be used: {why}"));
                match sso {
                    Some(sso) => failure.hint(format!("log in again: `aws sso login --profile {}`", sso.name())),
                    None => failure.hint(format!("`aws sts get-caller-identity{profile}` uses the same credentials")),
                }
            }
        }
    }
}

/// What keeps credentials from being used.
#[derive(Debug)]
pub(crate) enum CredentialsFailure {
    /// There are none.
    None,
    SessionEnded,
    Other(String),
}

pub(crate) const LOGIN: &str =
    "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with `aws sso login`";

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// Returns the paths of the AWS configuration: the file of profiles, and that of keys.
pub(crate) fn config_files() -> Vec<PathBuf> {
    let files = [("AWS_CONFIG_FILE", ".aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")];
    let path = |(variable, name)| {
        let at_home = || Some(Path::new(&env::var_os("HOME")?).join(name));
        env::var_os(variable).map(PathBuf::from).or_else(at_home)
    };
    files.into_iter().filter_map(path).collect()
}

/// Refuses a configuration file that is not UTF-8. The SDK reads it as an empty file.
fn check_files() -> Result<()> {
    for path in config_files() {
        // It is read several times, and nobody may write to it.
        if fs::metadata(&path).is_ok_and(|found| found.file_type().is_fifo()) {
            return Err(Failure::usage(format!("{}: it is a pipe, not a file", path.display())));
        }
        if fs::read_to_string(&path).is_err_and(|error| error.kind() == ErrorKind::InvalidData) {
            return Err(Failure::usage(format!("{}: it is not UTF-8", path.display())));
        }
    }
    Ok(())
}

/// Returns the selected profile, and the profiles that it takes its credentials from. Refuses one that is in none of
/// the files.
fn chain(profiles: &ProfileSet, selected: Option<&(&str, String)>) -> Result<Vec<Profile>> {
    let absent = |what: String| {
        Err(Failure::usage(format!("{what} does not exist"))
            .hint("`aws configure list-profiles` lists the profiles that exist"))
    };
    let mut name = selected.map_or("default", |(_, name)| name);
    let mut chain: Vec<Profile> = Vec::new();
    while !chain.iter().any(|profile| profile.name() == name) {
        let Some(profile) = profiles.get_profile(name) else {
            return match (chain.last(), selected) {
                (Some(parent), _) => absent(format!("source_profile {name:?} of the AWS profile {:?}", parent.name())),
                (None, Some((variable, _))) => absent(format!("the AWS profile {name:?} (from {variable})")),
                (None, None) => Ok(chain),
            };
        };
        // The keys of a source profile count before its own source.
        let has_keys = !chain.is_empty() && profile.get("aws_access_key_id").is_some();
        chain.push(profile.clone());
        let Some(source) = profile.get("source_profile").filter(|_| !has_keys) else { break };
        name = source;
    }
    Ok(chain)
}
