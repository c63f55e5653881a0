//! Clients from the standard AWS configuration: environment, `~/.aws`, SSO, assumed roles, IMDS.

pub(crate) mod accounts;
pub(crate) mod attempts;
pub(crate) mod buckets;
pub(crate) mod call;
pub(crate) mod complete_answer;
pub(crate) mod failure;
pub(crate) mod failure_groups;
pub(crate) mod interrupt;
pub(crate) mod region_args;
pub(crate) mod verdict;

use crate::client::call::Calls;
use crate::client::complete_answer::CompleteAnswer;
use crate::client::failure::failure;
use crate::client::interrupt::Interrupt;
use crate::client::region_args::RegionArgs;
use crate::config::aws_profile::{AWS_PROFILE, AwsProfile};
use crate::config::credentials::Credentials;
use crate::config::http::{bare_connector, http_client, plain_http_client};
use crate::config::region_name::check_region;
use crate::config::settings::Settings;
use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::{TimeoutConfig, TimeoutConfigBuilder};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::SharedHttpClient;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::TrustStore;
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use std::collections::BTreeMap;
use std::env;
use std::future::Future;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// EC2 in any number of regions, with one set of credentials.
pub struct Ec2 {
    config: SdkConfig,
    /// The profile of the AWS configuration, if an account was named by it.
    profile: Option<String>,
    regions: Vec<String>,
    /// For an endpoint without TLS.
    plain_http_client: OnceLock<Option<SharedHttpClient>>,
    timeouts: TimeoutConfig,
    clients: Mutex<BTreeMap<String, Client>>,
    ssm_clients: Mutex<BTreeMap<String, aws_sdk_ssm::Client>>,
    trust_store: Option<TrustStore>,
    /// For S3.
    connector: OnceLock<Connector>,
    /// The regions of buckets that are not in the region where they were looked for.
    bucket_regions: Mutex<BTreeMap<String, String>>,
    pub(crate) interrupt: Interrupt,
    pub(crate) calls: Calls,
}

/// How many requests of one kind are under way at once. The buckets limit how many begin.
pub(crate) const CONCURRENCY: usize = 8;

/// How many values EC2 takes in one request, those of all filters together.
pub(crate) const FILTER_VALUES: usize = 200;

const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
const EC2_ENDPOINT_URL: &str = "AWS_ENDPOINT_URL_EC2";
const SSM_ENDPOINT_URL: &str = "AWS_ENDPOINT_URL_SSM";

/// Keys of a profile whose credentials come from another service of AWS.
const ROLE_KEYS: [&str; 4] = ["role_arn", "sso_session", "sso_start_url", "login_session"];

/// Returns whether a variable is set and empty. It counts as unset, as in the AWS CLI, but the SDK takes it for an
/// address.
fn is_empty(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| value.is_empty())
}

/// How long the credentials may take. A credential process or an SSO login may be slow.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(25);

/// Runs what a tool does with EC2, on this thread.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::usage(format!("cannot start: {error}")))?;
    Ok(runtime.block_on(work))
}

impl Ec2 {
    /// Loads the configuration of the account that `args` names, else of the environment's, and its credentials.
    /// Watches for Ctrl-C from then on.
    pub async fn connect(args: &RegionArgs) -> Result<Ec2> {
        match args.account.as_slice() {
            [] => Ec2::connect_to(args, None, Interrupt::watch()).await,
            [profile] => Ec2::connect_to(args, Some(profile.clone()), Interrupt::watch()).await,
            _ => Err(Failure::usage("--account: name one account")),
        }
    }

    /// Connects to the account of `profile`.
    pub(crate) async fn connect_to(args: &RegionArgs, profile: Option<String>, interrupt: Interrupt) -> Result<Ec2> {
        let interrupted = interrupt.clone();
        tokio::select! {
            connected = Ec2::load(args, profile, interrupt) => connected,
            () = interrupted.wait() => Err(Failure::interrupted()),
        }
    }

    async fn load(args: &RegionArgs, account: Option<String>, interrupt: Interrupt) -> Result<Ec2> {
        if args.region.iter().any(|region| region.trim().is_empty()) {
            return Err(Failure::usage("--region: a name is empty").hint("is it a variable that is not set?"));
        }
        let mut regions = args.regions();
        regions.iter().filter(|region| *region != ALL).try_for_each(|region| check_region(region))?;
        // A record may name the profile too.
        let is_option = |profile: &str| args.account.iter().any(|account| account == profile);
        let place = |profile: &str| if is_option(profile) { "--account" } else { "aws_profile of a record" };
        let explicit = account.as_deref().map(|profile| (place(profile), profile));
        let profile = AwsProfile::read(explicit).await?;
        let settings = Settings::read(profile.keys())?;
        let (max_attempts, trust_store) = (settings.max_attempts, settings.trust_store.clone());
        let timeouts = TimeoutConfig::builder().connect_timeout(args.connect_timeout);
        let config = sdk_config(&profile, settings, timeouts.clone()).await?;
        let home = config.region().map(Region::to_string).filter(|region| !region.is_empty());
        if regions.is_empty() {
            home.iter().try_for_each(|region| check_region(region))?;
            regions.extend(home.clone());
        }
        let credentials = match config.credentials_provider() {
            Some(provider) if !regions.is_empty() => {
                let credentials = Credentials::load(provider, CREDENTIALS_TIMEOUT).await;
                Some(credentials.map_err(|why| profile.failure(why))?)
            }
            _ => None,
        };
        let config = match credentials {
            Some(credentials) => config.into_builder().credentials_provider(credentials.shared()).build(),
            None => config,
        };
        let mut ec2 = Ec2 {
            config,
            profile: account,
            regions,
            plain_http_client: OnceLock::new(),
            // A client would inherit the limit of the credentials. `Ec2::call` has its own, which a slow answer
            // extends.
            timeouts: timeouts.disable_operation_attempt_timeout().build(),
            clients: Mutex::default(),
            ssm_clients: Mutex::default(),
            trust_store,
            connector: OnceLock::new(),
            bucket_regions: Mutex::default(),
            interrupt,
            calls: Calls::new(max_attempts),
        };
        args.read_limit.into_iter().for_each(|limit| ec2.set_read_limit(limit));
        args.timeout.into_iter().for_each(|limit| ec2.set_timeout(limit));
        if ec2.regions.iter().any(|region| region == ALL) {
            ec2.regions = ec2.enabled_regions(home.as_deref().unwrap_or("us-east-1")).await?;
        }
        ec2.regions.sort_unstable();
        ec2.regions.dedup();
        Ok(ec2)
    }

    /// Returns whether a record is of this account.
    pub fn owns(&self, host: &Record) -> bool {
        host.str(AWS_PROFILE) == self.profile
    }

    /// Returns the profile that `--account` or a record names this account by.
    pub fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// Returns the regions to look in, at least one, each once.
    pub fn regions(&self) -> Result<&[String]> {
        if self.regions.is_empty() {
            Err(Failure::usage("no region: neither --region, AWS_REGION nor the AWS profile names one")
                .hint("give --region, as in --region us-east-1, or set AWS_REGION"))
        } else {
            Ok(&self.regions)
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
            let mut config = aws_sdk_ec2::config::Builder::from(&self.config)
                .region(Region::new(region.to_string()))
                .timeout_config(self.timeouts.clone())
                .interceptor(CompleteAnswer);
            config.set_http_client(self.http_client(EC2_ENDPOINT_URL));
            if is_empty(ENDPOINT_URL) || is_empty(EC2_ENDPOINT_URL) {
                config.set_endpoint_url(self.endpoint(EC2_ENDPOINT_URL));
            }
            Client::from_conf(config.build())
        };
        clients.entry(region.to_string()).or_insert_with(make).clone()
    }

    /// Returns the client of Systems Manager.
    pub(crate) fn ssm(&self, region: &str) -> aws_sdk_ssm::Client {
        let mut clients = self.ssm_clients.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let make = || {
            let mut config = aws_sdk_ssm::config::Builder::from(&self.config)
                .region(Region::new(region.to_string()))
                .timeout_config(self.timeouts.clone());
            config.set_http_client(self.http_client(SSM_ENDPOINT_URL));
            if is_empty(ENDPOINT_URL) || is_empty(SSM_ENDPOINT_URL) {
                config.set_endpoint_url(self.endpoint(SSM_ENDPOINT_URL));
            }
            aws_sdk_ssm::Client::from_conf(config.build())
        };
        clients.entry(region.to_string()).or_insert_with(make).clone()
    }

    /// Returns what sends requests to a service whose endpoint this variable may name. The service is always the same.
    pub(crate) fn connector(&self, variable: &str) -> &Connector {
        self.connector.get_or_init(|| {
            let is_plain = self.has_plain_endpoint(variable);
            let sleep = self.config.sleep_impl();
            bare_connector(self.trust_store.as_ref(), is_plain, self.timeouts.connect_timeout(), sleep)
        })
    }

    pub(crate) fn credentials_provider(&self) -> Option<SharedCredentialsProvider> {
        self.config.credentials_provider()
    }

    /// Returns the region of a bucket, if S3 has said it.
    pub(crate) fn bucket_region(&self, bucket: &str) -> Option<String> {
        self.bucket_regions.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get(bucket).cloned()
    }

    pub(crate) fn note_bucket_region(&self, bucket: &str, region: &str) {
        let mut regions = self.bucket_regions.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        regions.insert(bucket.to_string(), region.to_string());
    }

    /// Returns the HTTP client for a service whose endpoint this variable may name.
    fn http_client(&self, variable: &str) -> Option<SharedHttpClient> {
        let plain = || self.plain_http_client.get_or_init(plain_http_client).clone();
        self.has_plain_endpoint(variable).then(plain).flatten().or(self.config.http_client())
    }

    fn has_plain_endpoint(&self, variable: &str) -> bool {
        self.endpoint(variable).is_some_and(|endpoint| endpoint.starts_with("http://"))
    }

    /// Returns the endpoint that is set for a service: by its own variable, or for all services.
    pub(crate) fn endpoint(&self, variable: &str) -> Option<String> {
        let own = env::var(variable).ok().filter(|url| !url.is_empty());
        own.or(self.config.endpoint_url().map(str::to_string))
    }

    async fn enabled_regions(&self, home: &str) -> Result<Vec<String>> {
        let request = self.client(home).describe_regions();
        let answer = self.call("DescribeRegions", home, 1, || request.clone().send()).await;
        let answer = answer.map_err(|error| failure("DescribeRegions", home, &error))?;
        Ok(answer.regions().iter().filter_map(|region| region.region_name.clone()).collect())
    }
}

/// Loads the configuration that the clients of all regions share.
async fn sdk_config(profile: &AwsProfile, settings: Settings, timeouts: TimeoutConfigBuilder) -> Result<SdkConfig> {
    let has_no_endpoint = is_empty(ENDPOINT_URL);
    if has_no_endpoint && profile.keys().is_some_and(|keys| ROLE_KEYS.iter().any(|key| keys.get(key).is_some())) {
        // The SDK would use it for the service that gives the credentials.
        return Err(Failure::usage(format!("{ENDPOINT_URL} is set and empty")).hint("unset it"));
    }
    let identities = IdentityCache::lazy().load_timeout(CREDENTIALS_TIMEOUT);
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http_client(settings.trust_store))
        .timeout_config(timeouts.operation_attempt_timeout(CREDENTIALS_TIMEOUT).build())
        .identity_cache(identities.build())
        // `Ec2::call` decides what is repeated.
        .retry_config(RetryConfig::disabled());
    if let Some(name) = &profile.name {
        loader = loader.profile_name(name);
    }
    if let Some(url) = profile.keys().and_then(|keys| keys.get("endpoint_url")).filter(|_| has_no_endpoint) {
        loader = loader.endpoint_url(url);
    }
    if let Some(region) = settings.region {
        loader = loader.region(Region::new(region));
    }
    Ok(profile.restrict(loader.load().await))
}

/// Stands for every region that the account has enabled.
const ALL: &str = "all";
