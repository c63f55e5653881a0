//! Refuses an answer that was cut off.
//!
//! If a connection ends early and the answer had no Content-Length, as from an HTTP/1.0 proxy, only its XML shows it.
//! The SDK reads such XML as far as it goes, and does not read the XML of calls without a result at all.

use aws_sdk_ec2::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ec2::error::BoxError;

/// Checks the answer of every call. An answer that fails the check is an ambiguous failure (`is_ambiguous`), and the
/// SDK does not repeat the call.
#[derive(Debug)]
pub(crate) struct CompleteAnswer;

impl Intercept for CompleteAnswer {
    fn name(&self) -> &'static str {
        "CompleteAnswer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let Some(body) = response.body().bytes() else { return Ok(()) };
        match (root(body), response.status().is_success()) {
            (Root::CutOff, _) => Err("it was cut off".into()),
            (Root::Closed(name), true) if name.ends_with(b"Response") => Ok(()),
            (_, true) => Err("it is not XML from EC2".into()),
            // What a proxy says in an error is not EC2's to begin with.
            (_, false) => Ok(()),
        }
    }
}

/// The outermost element of a document.
#[derive(Debug, PartialEq)]
enum Root<'a> {
    /// Its name.
    Closed(&'a [u8]),
    CutOff,
    /// The text is not XML.
    Absent,
}

fn root(body: &[u8]) -> Root<'_> {
    let body = body.trim_ascii();
    let mut rest = body;
    if rest.starts_with(b"<?") {
        let Some(end) = rest.iter().position(|byte| *byte == b'>') else { return Root::CutOff };
        rest = rest[end + 1..].trim_ascii_start();
    }
    let Some(tag) = rest.strip_prefix(b"<") else {
        return if rest.is_empty() && !body.is_empty() { Root::CutOff } else { Root::Absent };
    };
    // The HTML of a proxy need not close anything.
    if tag.starts_with(b"!") || tag.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"html")) {
        return Root::Absent;
    }
    let end = tag.iter().position(|byte| byte.is_ascii_whitespace() || b"/>".contains(byte)).unwrap_or(tag.len());
    let name = &tag[..end];
    let is_empty_element = tag.ends_with(b"/>") && !tag.contains(&b'<');
    let closing = tag.strip_suffix(b">").and_then(|tag| tag.trim_ascii_end().strip_suffix(name));
    if is_empty_element || closing.is_some_and(|tag| tag.ends_with(b"</")) { Root::Closed(name) } else { Root::CutOff }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<RunInstancesResponse xmlns=\"http://ec2\"><a><b>x</b></a>\
                          <RunInstancesResponseX/></RunInstancesResponse>\n";

    #[test]
    fn every_cut_is_seen() {
        assert_eq!(root(ANSWER.as_bytes()), Root::Closed(b"RunInstancesResponse"));
        let whole = ANSWER.trim_end().len();
        for length in 1..whole {
            assert_eq!(root(&ANSWER.as_bytes()[..length]), Root::CutOff, "{}", &ANSWER[..length]);
        }
    }

    #[test]
    fn what_is_whole_is_told_from_what_is_not_xml() {
        assert_eq!(root(b"<AResponse/>"), Root::Closed(b"AResponse"));
        assert_eq!(root(b"<AResponse x='1' />"), Root::Closed(b"AResponse"));
        assert_eq!(root(b"<AResponse><x/>"), Root::CutOff);
        assert_eq!(root(b"<AResponse></AResponse >"), Root::Closed(b"AResponse"));
        assert_eq!(root(b"<!doctype html>\n<html lang=en>\n<title>500</title>\n<p>x</p>\n"), Root::Absent);
        assert_eq!(root(b"<html><body>x"), Root::Absent);
        assert_eq!(root(b""), Root::Absent);
        assert_eq!(root(b"Bad Gateway"), Root::Absent);
        assert_eq!(root(b"{}"), Root::Absent);
    }
}
