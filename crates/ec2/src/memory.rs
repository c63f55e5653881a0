//! Parameter Store of Systems Manager (SSM): a small text for each host, which outlives its instances.

use crate::client::Ec2;
use crate::client::call::PUT_PARAMETER;
use crate::client::failure::failure;
use crate::client::verdict::{CallError, code};
use crate::config::region_name::check_region;
use crate::describe::find::by_region;
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::SdkError;
use aws_sdk_ssm::types::{ParameterTier, ParameterType};
use cerveza_manners::Failure;
use futures_util::stream::{self, StreamExt};
use std::cell::RefCell;
use std::collections::HashMap;

/// Parameters of hosts are here: `/cerveza/hosts/web1`.
const FOLDER: &str = "/cerveza/hosts/";

/// What GetParameters and DeleteParameters take in one request (SSM API reference).
const NAMES: usize = 10;

/// A text of more bytes than this does not fit a parameter (SSM user guide, "Managing parameter tiers": 4 KB in the
/// standard tier, 8 KB in the advanced one).
pub const MEMORY_LIMIT: usize = 8 * 1024;

/// The documented limit is 1,011 characters with the ARN (SSM API reference, PutParameter). The longest ARN of a
/// parameter has 62 of them.
const LONGEST_NAME: usize = 900;

/// Requests under way at once. The limit of requests in a second is that of [`Ec2::call`].
const AT_ONCE: usize = 4;

/// Why the text of a host cannot be read or written.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryFailure {
    pub failure: Failure,
    /// The account or its permissions do not allow it, now or later.
    pub denied: bool,
    /// The region did not answer at all. Asking again would take as long.
    pub silent: bool,
}

/// For each host (region, name) its value, none, or why that is unknown.
pub type ByHost<T> = HashMap<(String, String), std::result::Result<Option<T>, MemoryFailure>>;

impl MemoryFailure {
    pub fn new(failure: Failure) -> MemoryFailure {
        MemoryFailure { failure, denied: false, silent: false }
    }
}

impl Ec2 {
    /// Returns the texts of hosts (region, name) that have one. Ten hosts take one request.
    pub async fn read_memory(&self, hosts: &[(String, String)]) -> ByHost<String> {
        self.in_batches(hosts, async |region, names| self.read_batch(region, names).await).await
    }

    /// Deletes the texts of hosts (region, name), and returns which hosts had one. Ten hosts take one request.
    pub async fn delete_memory(&self, hosts: &[(String, String)]) -> ByHost<()> {
        self.in_batches(hosts, async |region, names| self.delete_batch(region, names).await).await
    }

    /// Calls `batch` with the parameters of ten hosts at a time. It returns a value for each parameter that exists.
    async fn in_batches<T: Clone>(
        &self,
        hosts: &[(String, String)],
        batch: impl AsyncFn(&str, Vec<String>) -> std::result::Result<HashMap<String, T>, MemoryFailure>,
    ) -> ByHost<T> {
        let batch = &batch;
        let mut batches = Vec::new();
        for (region, names) in by_region(hosts) {
            let names: Vec<&str> = names.into_iter().collect();
            batches.extend(names.chunks(NAMES).map(|names| (region, names.to_vec())));
        }
        let lost: &RefCell<HashMap<String, MemoryFailure>> = &RefCell::default();
        let answers = stream::iter(batches).map(|(region, names)| async move {
            let known = lost.borrow().get(region).cloned();
            let parameters: Vec<String> = names.iter().filter_map(|host| parameter(host)).collect();
            let values = match known {
                Some(failure) => Err(failure),
                None if parameters.is_empty() => Ok(HashMap::new()),
                None => batch(region, parameters).await,
            };
            if let Err(failure) = &values
                && (failure.denied || failure.silent)
            {
                lost.borrow_mut().insert(region.to_string(), failure.clone());
            }
            let value = |name: &&str| match &values {
                Ok(values) => Ok(parameter(name).and_then(|parameter| values.get(&parameter).cloned())),
                Err(failure) => Err(failure.clone()),
            };
            names.iter().map(|name| ((region.to_string(), name.to_string()), value(name))).collect::<Vec<_>>()
        });
        answers.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await.into_iter().flatten().collect()
    }

    async fn read_batch(
        &self,
        region: &str,
        names: Vec<String>,
    ) -> std::result::Result<HashMap<String, String>, MemoryFailure> {
        check(region)?;
        let request = self.ssm(region).get_parameters().set_names(Some(names));
        let answer = self.call("GetParameters", region, 1, || request.clone().send()).await;
        let answer = answer.map_err(|error| explained("GetParameters", region, &error))?;
        let pair = |parameter: &aws_sdk_ssm::types::Parameter| {
            Some((parameter.name()?.to_string(), parameter.value()?.to_string()))
        };
        Ok(answer.parameters().iter().filter_map(pair).collect())
    }

    async fn delete_batch(
        &self,
        region: &str,
        names: Vec<String>,
    ) -> std::result::Result<HashMap<String, ()>, MemoryFailure> {
        check(region)?;
        let request = self.ssm(region).delete_parameters().set_names(Some(names));
        let answer = self.call("DeleteParameters", region, 1, || request.clone().send()).await;
        let answer = answer.map_err(|error| explained("DeleteParameters", region, &error))?;
        Ok(answer.deleted_parameters().iter().map(|name| (name.clone(), ())).collect())
    }

    /// Writes the text of a host over the one that is there.
    pub async fn write_memory(&self, region: &str, host: &str, text: &str) -> std::result::Result<(), MemoryFailure> {
        check(region)?;
        let name = parameter(host).ok_or_else(|| {
            MemoryFailure::new(Failure::unreached(format!("the name of {host} is too long for an SSM parameter")))
        })?;
        let request = self
            .ssm(region)
            .put_parameter()
            .name(name)
            .value(text)
            .r#type(ParameterType::String)
            .tier(ParameterTier::IntelligentTiering)
            .overwrite(true);
        let answer = self.call(PUT_PARAMETER, region, 1, || request.clone().send()).await;
        answer.map(drop).map_err(|error| explained(PUT_PARAMETER, region, &error))
    }
}

fn check(region: &str) -> std::result::Result<(), MemoryFailure> {
    check_region(region).map_err(MemoryFailure::new)
}

fn explained<E: CallError>(call: &str, region: &str, error: &SdkError<E, HttpResponse>) -> MemoryFailure {
    let code = code(error);
    let (denied, silent) = (code == Some("AccessDeniedException"), code.is_none());
    MemoryFailure { failure: failure(call, region, error), denied, silent }
}

/// Returns the parameter's name, or none if it would be too long. SSM takes letters, digits, `.`, `-` and `_`: any
/// other byte, and `_`, is written as `_` and two hexadecimal digits.
fn parameter(host: &str) -> Option<String> {
    let mut name = FOLDER.to_string();
    for byte in host.bytes() {
        match byte {
            b'.' | b'-' => name.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => name.push(char::from(byte)),
            byte => name.push_str(&format!("_{byte:02X}")),
        }
    }
    (name.len() <= LONGEST_NAME).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_what_ssm_takes_and_differ_where_hosts_do() {
        let name = |host| parameter(host).unwrap();
        assert_eq!(name("web-1.example"), "/cerveza/hosts/web-1.example");
        assert_eq!(name("web_1"), "/cerveza/hosts/web_5F1");
        assert_eq!(name("web 1/é:2"), "/cerveza/hosts/web_201_2F_C3_A9_3A2");
        assert_ne!(name("a_20"), name("a 0"));
        assert_eq!(parameter(&"é".repeat(256)), None);
    }
}
