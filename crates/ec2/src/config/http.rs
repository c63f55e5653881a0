//! HTTP clients: HTTPS by rustls with ring, through the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name, as AWS's
//! own tools do.

use aws_sdk_ec2::config::{SharedAsyncSleep, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::HttpConnectorSettings;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cerveza_manners::{Failure, Result};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fs;
use std::sync::OnceLock;
use std::time::Duration;

/// Returns a client that trusts these certificates, else those of the system. Nothing is loaded before the first
/// request.
pub(crate) fn http_client(trust_store: Option<TrustStore>) -> SharedHttpClient {
    let trusted = OnceLock::new();
    Builder::new().build_with_connector_fn(move |settings, components| {
        let sleep = components.and_then(|components| components.sleep_impl());
        let trusted = trusted.get_or_init(|| trust_store.clone().unwrap_or_else(system_certificates));
        connector(trusted.clone(), settings.cloned(), sleep)
    })
}

fn connector(
    trusted: TrustStore,
    settings: Option<HttpConnectorSettings>,
    sleep: Option<SharedAsyncSleep>,
) -> Connector {
    let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
    connector.set_connector_settings(settings);
    connector.set_sleep_impl(sleep);
    let connector = connector.tls_provider(Provider::Rustls(CryptoMode::Ring));
    match TlsContext::builder().with_trust_store(trusted).build() {
        Ok(context) => connector.tls_context(context).build(),
        Err(_) => connector.build(),
    }
}

/// Returns what sends the requests of a service for which there is no client of the SDK. `is_plain`: without TLS.
pub(crate) fn bare_connector(
    trust_store: Option<&TrustStore>,
    is_plain: bool,
    connect_timeout: Option<Duration>,
    sleep: Option<SharedAsyncSleep>,
) -> Connector {
    let trusted = match trust_store {
        Some(trust_store) => trust_store.clone(),
        None if is_plain && proxy().is_none() => TrustStore::empty(),
        None => system_certificates(),
    };
    let mut settings = HttpConnectorSettings::builder();
    settings.set_connect_timeout(connect_timeout);
    connector(trusted, Some(settings.build()), sleep)
}

/// Returns a client for an endpoint without TLS: to load the certificates of the system would take longer than a
/// request. `None` if a proxy is set, which may be one that speaks TLS.
pub(crate) fn plain_http_client() -> Option<SharedHttpClient> {
    proxy().is_none().then(|| http_client(Some(TrustStore::empty())))
}

/// The files in which systems keep all certificates that they trust.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Returns the certificates of the system. From one file if there is one, because the SDK reads each certificate twice:
/// from that file and from one of its own.
fn system_certificates() -> TrustStore {
    let is_chosen = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
    let mut bundles = SYSTEM_BUNDLES.iter().filter(|_| !is_chosen);
    bundles.find_map(|path| trust_store("", path).ok()).unwrap_or_default()
}

/// Returns the first variable that names a proxy, and its value.
pub(crate) fn proxy() -> Option<(&'static str, String)> {
    let variables = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    let value = |name| Some((name, std::env::var(name).ok().filter(|value| !value.is_empty())?));
    variables.into_iter().find_map(value)
}

/// Returns the certificates of a CA bundle, which replace those of the system. `place` says where its path is set.
///
/// The SDK panics if a certificate cannot be used, so those are left out, as OpenSSL does.
pub(crate) fn trust_store(place: &str, path: &str) -> Result<TrustStore> {
    let pem = fs::read(path).map_err(|error| Failure::usage(format!("cannot read {path} ({place}): {error}")))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect();
    let is_usable = |certificate: &CertificateDer| RootCertStore::empty().add(certificate.clone()).is_ok();
    let usable: Vec<_> = certificates.iter().flatten().filter(|certificate| is_usable(certificate)).collect();
    if usable.is_empty() {
        return Err(Failure::usage(format!("{path} ({place}): there is no certificate in it"))
            .hint("a CA bundle is a file of certificates in PEM: -----BEGIN CERTIFICATE-----"));
    }
    if usable.len() == certificates.len() {
        return Ok(TrustStore::empty().with_pem_certificate(pem));
    }
    let mut trust_store = TrustStore::empty();
    for certificate in usable {
        let text = STANDARD.encode(certificate);
        trust_store.add_pem_certificate(format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"));
    }
    Ok(trust_store)
}
