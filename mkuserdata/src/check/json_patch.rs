//! Checks `#cloud-config-jsonp`, a JSON patch.

use crate::cloud_init::content_type::ContentType;
use serde_json::{Map, Value};

/// See `_merge_patch` in cloud-init's handlers/cloud_config.py, and RFC 6902.
pub fn json_patch(text: &str) -> Option<String> {
    let text = text.trim_start();
    let patch = text.strip_prefix(ContentType::CloudConfigJsonp.prefix()).unwrap_or(text);
    let is_pointer = |value: Option<&Value>| {
        value.and_then(Value::as_str).is_some_and(|pointer| pointer.is_empty() || pointer.starts_with('/'))
    };
    let is_operation = |operation: &Map<String, Value>| {
        is_pointer(operation.get("path"))
            && match operation.get("op").and_then(Value::as_str) {
                Some("add" | "replace" | "test") => operation.contains_key("value"),
                Some("move" | "copy") => is_pointer(operation.get("from")),
                Some("remove") => true,
                _ => false,
            }
    };
    match serde_json::from_str::<Vec<Map<String, Value>>>(patch) {
        Err(_) => Some("is not a JSON patch, a list of operations: cloud-init would ignore it".to_string()),
        Ok(operations) => {
            let wrong = operations.iter().position(|operation| !is_operation(operation))?;
            Some(format!("operation {} is not an operation of RFC 6902: cloud-init would ignore the patch", wrong + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::tests::found;

    #[test]
    fn a_patch_is_a_list_of_operations() {
        assert!(
            found("#cloud-config-jsonp\n[{\"op\":\"add\",\"path\":\"/a\"}]")
                .starts_with("operation 1 is not an operation ")
        );
        assert!(
            found("#cloud-config-jsonp\n[{\"op\":\"remove\",\"path\":\"a\"}]")
                .starts_with("operation 1 is not an operation ")
        );
        for bad in
            ["#cloud-config-jsonp\n{}", "#cloud-config-jsonp\n[1]", "#Cloud-Config-Jsonp\n[]", "#cloud-config-jsonp\n"]
        {
            assert!(found(bad).starts_with("is not a JSON patch"), "{bad}: {}", found(bad));
        }
    }
}
