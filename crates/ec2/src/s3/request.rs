//! One request to S3: where it goes, its signature, and its answer.

use crate::client::Ec2;
use crate::client::call::Answer;
use crate::s3::error::S3Error;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::config::http::{HttpRequest, HttpResponse};
use aws_sdk_ec2::error::{BoxError, SdkError};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame};
use std::fmt::Write;
use std::pin::Pin;
use std::time::SystemTime;

/// A request without a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct S3Request<'a> {
    pub method: &'static str,
    pub bucket: &'a str,
    pub key: &'a str,
    /// The first byte that is wanted of the object.
    pub first_byte: u64,
}

const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL_S3";

/// An error document is shorter.
const LONGEST_ERROR: usize = 64 * 1024;

impl Ec2 {
    /// Sends a request. The body of a good answer is not read.
    pub(crate) async fn send_to_s3(&self, region: &str, request: S3Request<'_>) -> Answer<HttpResponse, S3Error> {
        let provider = self.credentials_provider();
        let provider = provider.ok_or_else(|| SdkError::construction_failure(CredentialsError::not_loaded("none")))?;
        let credentials = provider.provide_credentials().await.map_err(SdkError::construction_failure)?;
        let endpoint = self.endpoint(ENDPOINT_URL);
        let url = url(endpoint.as_deref(), region, request.bucket, request.key);
        let range = (request.first_byte > 0).then(|| format!("bytes={}-", request.first_byte));
        let signed = signed(request.method, &url, range.as_deref(), region, credentials, SystemTime::now());
        let signed = signed.map_err(SdkError::construction_failure)?;
        let answer = self.connector(ENDPOINT_URL).call(signed).await;
        let mut answer = answer.map_err(SdkError::dispatch_failure)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let (mut body, mut text) = (answer.take_body(), Vec::new());
        while text.len() < LONGEST_ERROR {
            match next_part(&mut body).await {
                Some(Ok(part)) => text.extend_from_slice(&part),
                Some(Err(error)) => return Err(SdkError::response_error(error, answer)),
                None => break,
            }
        }
        Err(SdkError::service_error(S3Error::read(&answer, &text), answer))
    }
}

/// Returns the next part of a body, or `None` at its end.
pub(crate) async fn next_part(body: &mut SdkBody) -> Option<Result<Bytes, BoxError>> {
    loop {
        match std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await? {
            Ok(frame) => match Frame::into_data(frame) {
                Ok(part) => return Some(Ok(part)),
                Err(_trailers) => {}
            },
            Err(error) => return Some(Err(error)),
        }
    }
}

/// Returns the address of an object. The name of a bucket is part of the host name, unless it has a dot, for which AWS has
/// no certificate, or the endpoint is another one ("Methods for accessing a bucket", Amazon S3 User Guide).
fn url(endpoint: Option<&str>, region: &str, bucket: &str, key: &str) -> String {
    let key = percent_encoded(key);
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    match endpoint {
        Some(endpoint) => format!("{}/{bucket}/{key}", endpoint.trim_end_matches('/')),
        None if bucket.contains('.') => format!("https://s3.{region}.{domain}/{bucket}/{key}"),
        None => format!("https://{bucket}.s3.{region}.{domain}/{key}"),
    }
}

/// S3 signs a path as it is sent, so every byte but these is encoded, in upper case.
fn percent_encoded(key: &str) -> String {
    let mut encoded = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn signed(
    method: &str,
    url: &str,
    range: Option<&str>,
    region: &str,
    credentials: Credentials,
    time: SystemTime,
) -> Result<HttpRequest, BoxError> {
    let headers = range.map(|range| ("range", range));
    let mut settings = SigningSettings::default();
    // What S3 does differently from all other services ("Signature Calculations", Amazon S3 API Reference).
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let identity = credentials.into();
    let params = v4::SigningParams::builder().identity(&identity).region(region).name("s3").time(time);
    let params = params.settings(settings).build()?.into();
    let signable = SignableRequest::new(method, url, headers.into_iter(), SignableBody::Bytes(b""))?;
    let (instructions, _) = sign(signable, &params)?.into_parts();
    let mut signed = HttpRequest::new(SdkBody::empty());
    signed.set_method(method)?;
    signed.set_uri(url)?;
    for (name, value) in headers.into_iter().chain(instructions.headers()) {
        signed.headers_mut().try_insert(name.to_string(), value.to_string())?;
    }
    Ok(signed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_signature_is_that_of_the_example_of_aws() {
        // "Authenticating Requests: Using the Authorization Header", Amazon S3 API Reference: "GET Object".
        let credentials =
            Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "test");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        let url = "https://examplebucket.s3.amazonaws.com/test.txt";
        let signed = signed("GET", url, Some("bytes=0-9"), "us-east-1", credentials, time).unwrap();
        let authorization = signed.headers().get("authorization").unwrap();
        assert!(
            authorization.ends_with(
                "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
                 Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
            ),
            "{authorization}"
        );
    }

    #[test]
    fn an_object_has_the_address_that_its_bucket_allows() {
        for (endpoint, region, bucket, expected) in [
            (None, "eu-west-1", "logs", "https://logs.s3.eu-west-1.amazonaws.com/a%20b/%C3%A9%2B"),
            (None, "cn-north-1", "logs", "https://logs.s3.cn-north-1.amazonaws.com.cn/a%20b/%C3%A9%2B"),
            (None, "us-east-1", "logs.a", "https://s3.us-east-1.amazonaws.com/logs.a/a%20b/%C3%A9%2B"),
            (Some("http://127.0.0.1:1/"), "us-east-1", "logs", "http://127.0.0.1:1/logs/a%20b/%C3%A9%2B"),
        ] {
            assert_eq!(url(endpoint, region, bucket, "a b/é+"), expected);
        }
    }
}
