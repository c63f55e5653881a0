//! Clients from the standard AWS configuration: environment, `~/.aws`, SSO, assumed roles, IMDS.

use crate::failure::{failure, innermost};
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::Client;
use aws_smithy_http_client::{
    Builder,
    tls::{self, rustls_provider::CryptoMode},
};
use cerveza_manners::{Failure, Result};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

/// No region named anywhere: the words a user needs.
const NO_REGION: &str = "no region: neither --region, AWS_REGION nor the AWS profile names one";

#[derive(clap::Args, Clone, Debug, Default)]
pub struct RegionArgs {
    /// Regions to work in, separated by commas, or `all` for every region the account has enabled. Without it the
    /// region of the AWS configuration (AWS_REGION, or the profile's)
    #[arg(short, long, value_name = "REGION", value_delimiter = ',')]
    pub region: Vec<String>,
}

/// EC2 in any number of regions, with one set of credentials.
pub struct Ec2 {
    config: SdkConfig,
    regions: Vec<String>,
    clients: Mutex<BTreeMap<String, Client>>,
}

/// Runs what a tool does with EC2, on this thread.
pub fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::usage(format!("cannot start: {error}")))?.block_on(work)
}

impl Ec2 {
    /// Loads configuration and credentials; sends nothing to EC2 but for `--region all`.
    pub async fn connect(args: &RegionArgs) -> Result<Ec2> {
        let http = Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(30))
            .operation_timeout(Duration::from_secs(120));
        // Throttling is common when a fleet is changed: more attempts than the SDK's 3, within the bound above.
        let retries = RetryConfig::standard().with_max_attempts(5);
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .timeout_config(timeouts.build())
            .retry_config(retries)
            .load()
            .await;
        check_credentials(&config).await?;
        let mut ec2 = Ec2 { config, regions: args.region.clone(), clients: Mutex::default() };
        if ec2.regions.is_empty() {
            // AWS_REGION= is no region.
            ec2.regions.extend(ec2.config.region().map(Region::to_string).filter(|region| !region.is_empty()));
        }
        if ec2.regions == ["all"] {
            ec2.regions = ec2.enabled_regions().await?;
        }
        if let Some(bad) = ec2.regions.iter().find(|region| !is_region_name(region)) {
            return Err(Failure::usage(format!("{bad:?} is no name of a region")));
        }
        Ok(ec2)
    }

    /// The regions to look in, at least one.
    pub fn regions(&self) -> Result<&[String]> {
        match self.regions.is_empty() {
            true => Err(Failure::usage(NO_REGION).hint("give --region, as in --region us-east-1, or set AWS_REGION")),
            false => Ok(&self.regions),
        }
    }

    pub(crate) fn client(&self, region: &str) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let make = || {
            let config = aws_sdk_ec2::config::Builder::from(&self.config).region(Region::new(region.to_string()));
            Client::from_conf(config.build())
        };
        clients.entry(region.to_string()).or_insert_with(make).clone()
    }

    async fn enabled_regions(&self) -> Result<Vec<String>> {
        let home = self.config.region().map_or("us-east-1".to_string(), Region::to_string);
        let answer = self.client(&home).describe_regions().send().await;
        let answer = answer.map_err(|error| failure("DescribeRegions", &home, &error))?;
        let mut names: Vec<String> = answer.regions().iter().filter_map(|region| region.region_name.clone()).collect();
        names.sort_unstable();
        Ok(names)
    }
}

/// Asks for credentials before the first request: what is wrong with them is one message, not one a host.
async fn check_credentials(config: &SdkConfig) -> Result<()> {
    let hint = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with `aws sso login`";
    let Some(provider) = config.credentials_provider() else {
        return Err(Failure::usage("no AWS credentials were found").hint(hint));
    };
    let Err(error) = provider.provide_credentials().await else {
        return Ok(());
    };
    let what = match &error {
        // Its own text lists every place that was looked in, wherever the user keeps credentials.
        CredentialsError::CredentialsNotLoaded(_) => "no AWS credentials were found".to_string(),
        error => format!("the AWS credentials cannot be used: {}", innermost(error)),
    };
    Err(Failure::usage(what).hint(hint))
}

/// A region's name becomes part of a host name, so nothing else gets through.
fn is_region_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
