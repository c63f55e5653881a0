//! Reads the checked values of launch keys.

use aws_sdk_ec2::types::InstanceIpv6Address;
use serde_json::{Map, Value};

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

/// Returns one of the values that the SDK has a type for.
pub(crate) fn choice<T: for<'a> From<&'a str>>(value: &Value) -> T {
    T::from(value.as_str().unwrap_or_default())
}

pub(crate) fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or_default()
}

pub(crate) fn number(value: &Value) -> i32 {
    value.as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or_default()
}

pub(crate) fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

pub(crate) fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

pub(crate) fn ipv6_addresses(value: &Value) -> Option<Vec<InstanceIpv6Address>> {
    let address = |value: &Value| InstanceIpv6Address::builder().ipv6_address(text(value)).build();
    Some(list(value).iter().map(address).collect())
}
