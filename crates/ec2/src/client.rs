//! Clients from the standard AWS configuration: environment, `~/.aws`, SSO, assumed roles, IMDS.

use crate::aws_profile::AwsProfile;
use crate::call::Calls;
use crate::complete_answer::CompleteAnswer;
use crate::failure::failure;
use crate::interrupt::Interrupt;
use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::Client;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use cerveza_manners::{Failure, Result};
use std::collections::BTreeMap;
use std::env;
use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

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
    ssm_clients: Mutex<BTreeMap<String, aws_sdk_ssm::Client>>,
    pub(crate) interrupt: Interrupt,
    pub(crate) calls: Calls,
}

/// Runs what a tool does with EC2, on this thread.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::usage(format!("cannot start: {error}")))?;
    Ok(runtime.block_on(work))
}

impl Ec2 {
    /// Loads the configuration, and watches for Ctrl-C from then on; sends nothing to EC2 but for `--region all`.
    pub async fn connect(args: &RegionArgs) -> Result<Ec2> {
        let interrupt = Interrupt::watch();
        let interrupted = interrupt.clone();
        tokio::select! {
            connected = Ec2::load(args, interrupt) => connected,
            () = interrupted.wait() => Err(Failure::interrupted()),
        }
    }

    async fn load(args: &RegionArgs, interrupt: Interrupt) -> Result<Ec2> {
        // The SDK takes an empty one for an address, and panics.
        let endpoints = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_SSM"];
        if let Some(empty) = endpoints.iter().find(|name| env::var_os(name).is_some_and(|value| value.is_empty())) {
            return Err(Failure::usage(format!("{empty} is set and empty")).hint("unset it, or give it an address"));
        }
        let profile = AwsProfile::read().await?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(30));
        // A credential process or an SSO login may be slow, but not for ever. It fails before the call's time is over:
        // a call is repeated.
        let identities = IdentityCache::lazy().load_timeout(Duration::from_secs(25));
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http_client())
            .timeout_config(timeouts.build())
            .identity_cache(identities.build())
            // `Ec2::call` decides what is repeated.
            .retry_config(RetryConfig::disabled());
        if let Some(name) = &profile.name {
            loader = loader.profile_name(name);
        }
        let config = profile.restrict(loader.load().await);
        let (clients, ssm_clients) = (Mutex::default(), Mutex::default());
        let mut ec2 =
            Ec2 { config, regions: args.region.clone(), clients, ssm_clients, interrupt, calls: Calls::new() };
        if ec2.regions.is_empty() {
            ec2.regions.extend(ec2.configured_region());
        }
        if ec2.regions.iter().any(|region| region == "all") {
            ec2.regions = ec2.enabled_regions().await?;
        }
        ec2.regions.sort_unstable();
        ec2.regions.dedup();
        ec2.regions.iter().try_for_each(|region| check_region(region))?;
        Ok(ec2)
    }

    /// AWS_REGION= is no region.
    fn configured_region(&self) -> Option<String> {
        self.config.region().map(Region::to_string).filter(|region| !region.is_empty())
    }

    /// The regions to look in, at least one, each once.
    pub fn regions(&self) -> Result<&[String]> {
        match self.regions.is_empty() {
            true => Err(Failure::usage("no region: neither --region, AWS_REGION nor the AWS profile names one")
                .hint("give --region, as in --region us-east-1, or set AWS_REGION")),
            false => Ok(&self.regions),
        }
    }

    /// Returns once Ctrl-C was pressed.
    pub async fn interrupted(&self) -> Failure {
        self.interrupt.wait().await;
        Failure::interrupted()
    }

    pub fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    pub(crate) fn client(&self, region: &str) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let make = || {
            let config = aws_sdk_ec2::config::Builder::from(&self.config).region(Region::new(region.to_string()));
            Client::from_conf(config.interceptor(CompleteAnswer).build())
        };
        clients.entry(region.to_string()).or_insert_with(make).clone()
    }

    /// The client of Systems Manager.
    pub(crate) fn ssm(&self, region: &str) -> aws_sdk_ssm::Client {
        let mut clients = self.ssm_clients.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let make = || {
            let config = aws_sdk_ssm::config::Builder::from(&self.config).region(Region::new(region.to_string()));
            aws_sdk_ssm::Client::from_conf(config.build())
        };
        clients.entry(region.to_string()).or_insert_with(make).clone()
    }

    async fn enabled_regions(&self) -> Result<Vec<String>> {
        let home = self.configured_region().unwrap_or("us-east-1".to_string());
        let request = self.client(&home).describe_regions();
        let answer = self.call("DescribeRegions", &home, 1, || request.clone().send()).await;
        let answer = answer.map_err(|error| failure("DescribeRegions", &home, &error))?;
        Ok(answer.regions().iter().filter_map(|region| region.region_name.clone()).collect())
    }
}

/// HTTPS by rustls with ring, through the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name, as AWS's own tools do.
pub(crate) fn http_client() -> aws_sdk_ec2::config::SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
    })
}

/// A region's name becomes part of a host name, so nothing else gets through.
pub(crate) fn check_region(name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match !name.is_empty() && name.bytes().all(fits) {
        true => Ok(()),
        false => Err(Failure::usage(format!("{name:?} is no name of a region"))),
    }
}
