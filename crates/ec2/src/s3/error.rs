//! Errors of S3: an XML document with a code, a message, and sometimes the region of the bucket.

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use std::fmt;

/// What S3 refuses a request with.
#[derive(Debug)]
pub(crate) struct S3Error {
    meta: ErrorMetadata,
    /// The region of the bucket, if S3 says it: the request went to another one.
    pub region: Option<String>,
}

impl S3Error {
    /// Reads an answer that is not a success.
    pub fn read(response: &HttpResponse, body: &[u8]) -> S3Error {
        let header = response.headers().get("x-amz-bucket-region").map(str::to_string);
        let meta = ErrorMetadata::builder();
        let meta = element(body, "Code").into_iter().fold(meta, |meta, code| meta.code(code));
        let meta = element(body, "Message").into_iter().fold(meta, |meta, message| meta.message(message));
        S3Error { meta: meta.build(), region: header.or_else(|| element(body, "Region")) }
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.meta.fmt(f)
    }
}

impl std::error::Error for S3Error {}

impl ProvideErrorMetadata for S3Error {
    fn meta(&self) -> &ErrorMetadata {
        &self.meta
    }
}

/// Returns the region of the bucket, if the answer says it.
pub(crate) fn bucket_region(error: &SdkError<S3Error, HttpResponse>) -> Option<&str> {
    error.as_service_error()?.region.as_deref()
}

/// Returns the text of the first element of this name. S3's elements have no attributes.
fn element(xml: &[u8], name: &str) -> Option<String> {
    let xml = std::str::from_utf8(xml).ok()?;
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    quick_xml::escape::unescape(text).ok().map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_message_and_region_are_read() {
        let xml = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code>\
            <Message>the region &apos;us-east-1&apos; is wrong</Message><Region>eu-west-1</Region></Error>";
        let found = ["Code", "Message", "Region", "Endpoint"].map(|name| element(xml, name));
        let found = found.each_ref().map(Option::as_deref);
        let message = "the region 'us-east-1' is wrong";
        assert_eq!(found, [Some("AuthorizationHeaderMalformed"), Some(message), Some("eu-west-1"), None]);
        assert_eq!(element(b"<html><p>Bad Gateway", "Code"), None);
    }
}
