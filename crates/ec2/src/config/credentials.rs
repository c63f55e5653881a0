//! The credentials of an account: loaded before the first call, so a slow login does not use up the time of a call.

use crate::config::aws_profile::CredentialsFailure;
use crate::config::error_chain::innermost;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_ec2::error::ErrorMetadata;
use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::timeout;

/// Gives the credentials that were loaded last, and loads others when those expire.
#[derive(Debug)]
pub(crate) struct Credentials {
    last: Mutex<aws_credential_types::Credentials>,
    provider: SharedCredentialsProvider,
}

/// How long before their end credentials are loaded again.
const MARGIN: Duration = Duration::from_secs(60);

impl Credentials {
    pub async fn load(provider: SharedCredentialsProvider, limit: Duration) -> Result<Credentials, CredentialsFailure> {
        match timeout(limit, provider.provide_credentials()).await {
            Ok(Ok(first)) => match hidden_character(&first) {
                Some(why) => Err(CredentialsFailure::Other(why)),
                None => Ok(Credentials { last: Mutex::new(first), provider }),
            },
            Ok(Err(error)) => Err(classify(&error)),
            Err(_) => Err(CredentialsFailure::Other(format!("they took longer than {} s", limit.as_secs()))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, aws_credential_types::Credentials> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn shared(self) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(self)
    }
}

impl ProvideCredentials for Credentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let last = self.lock().clone();
        if last.expiry().is_none_or(|end| end > SystemTime::now() + MARGIN) {
            return future::ProvideCredentials::ready(Ok(last));
        }
        future::ProvideCredentials::new(async {
            let next = self.provider.provide_credentials().await?;
            if let Some(why) = hidden_character(&next) {
                return Err(CredentialsError::invalid_configuration(why));
            }
            *self.lock() = next.clone();
            Ok(next)
        })
    }
}

/// Says which part of the credentials has a control character. It goes into a header of each request, where the SDK
/// panics.
fn hidden_character(credentials: &aws_credential_types::Credentials) -> Option<String> {
    let parts = [
        ("access key id", credentials.access_key_id()),
        ("secret access key", credentials.secret_access_key()),
        ("session token", credentials.session_token().unwrap_or_default()),
    ];
    let (part, _) = parts.into_iter().find(|(_, text)| text.contains(char::is_control))?;
    Some(format!("the {part} has a control character, such as the line end of a file from Windows"))
}

/// Codes of the services that give credentials for a session that has ended.
const ENDED: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "UnauthorizedException"];

/// Returns what kept credentials from being loaded. The SDK has no public types for most of it.
pub(crate) fn classify(error: &CredentialsError) -> CredentialsFailure {
    if let CredentialsError::CredentialsNotLoaded(_) = error {
        return CredentialsFailure::None;
    }
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        next = error.source();
        let text = error.to_string();
        // The token of a session is in ~/.aws/sso/cache.
        let is_of_session = ["SSO token", ".aws/sso/cache"].iter().any(|part| text.contains(part));
        if is_of_session || ENDED.iter().any(|code| text.starts_with(code)) {
            return CredentialsFailure::SessionEnded;
        }
        if let Some(answer) = error.downcast_ref::<ErrorMetadata>() {
            return match answer.code() {
                Some(code) if ENDED.contains(&code) => CredentialsFailure::SessionEnded,
                Some(code) => {
                    CredentialsFailure::Other(format!("{code}: {}", answer.message().unwrap_or("no reason given")))
                }
                None => CredentialsFailure::Other("the answer was an error without a code".to_string()),
            };
        }
    }
    CredentialsFailure::Other(innermost(error))
}
