//! S3, as far as Run Command needs it: agents put objects into buckets, clients read and remove them.

use super::params::{ApiError, Params, decode};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The buckets of the account. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct S3(Arc<Mutex<BTreeMap<String, Bucket>>>);

#[derive(Debug)]
pub struct Bucket {
    pub region: String,
    pub objects: BTreeMap<String, Vec<u8>>,
    /// Whether the roles of the instances may put objects into it.
    pub is_writable: bool,
}

/// A request: the method with the bucket and the key.
#[derive(Debug)]
pub struct ObjectRequest {
    pub action: &'static str,
    bucket: String,
    key: String,
    first_byte: usize,
}

impl ObjectRequest {
    /// Reads a request in path style. Returns `None` if this is not one for an object.
    pub fn parse(method: &str, path: &str, range: Option<&str>) -> Option<ObjectRequest> {
        let action = match method {
            "GET" => "GetObject",
            "DELETE" => "DeleteObject",
            _ => return None,
        };
        let (bucket, key) = path.strip_prefix('/')?.split_once('/')?;
        let first_byte = match range {
            None => 0,
            Some(range) => range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()?,
        };
        Some(ObjectRequest { action, bucket: bucket.to_string(), key: decode(key), first_byte })
    }

    pub fn params(&self) -> Params {
        let values =
            [("Bucket", self.bucket.clone()), ("Key", self.key.clone()), ("Range", self.first_byte.to_string())];
        Params(values.map(|(name, value)| (name.to_string(), value)).into())
    }
}

impl S3 {
    pub fn add_bucket(&self, name: &str, region: &str) {
        let bucket = Bucket { region: region.to_string(), objects: BTreeMap::new(), is_writable: true };
        self.buckets().insert(name.to_string(), bucket);
    }

    /// Reads or changes a bucket.
    pub fn bucket<T>(&self, name: &str, visit: impl FnOnce(&mut Bucket) -> T) -> T {
        visit(self.buckets().get_mut(name).expect("a bucket that the test has added"))
    }

    pub fn has_bucket(&self, name: &str) -> bool {
        self.buckets().contains_key(name)
    }

    pub fn region(&self, request: &ObjectRequest) -> Option<String> {
        self.buckets().get(&request.bucket).map(|bucket| bucket.region.clone())
    }

    /// What SSM Agent does with an output: it puts nothing there if that is empty, or if its role does not allow it.
    pub fn put_by_agent(&self, bucket: &str, key: &str, content: &[u8]) {
        if let Some(bucket) = self.buckets().get_mut(bucket).filter(|bucket| bucket.is_writable && !content.is_empty())
        {
            bucket.objects.insert(key.to_string(), content.to_vec());
        }
    }

    /// Answers a request that was signed for this region.
    pub fn answer(&self, request: &ObjectRequest, region: &str) -> Result<Vec<u8>, ApiError> {
        let mut buckets = self.buckets();
        let missing = || ApiError::server(404, "NoSuchBucket", "The specified bucket does not exist");
        let bucket = buckets.get_mut(&request.bucket).ok_or_else(missing)?;
        if bucket.region != region {
            let message = "The bucket you are attempting to access must be addressed using the specified endpoint.";
            return Err(ApiError::server(301, "PermanentRedirect", message));
        }
        if request.action == "DeleteObject" {
            bucket.objects.remove(&request.key);
            return Ok(Vec::new());
        }
        let missing = || ApiError::server(404, "NoSuchKey", "The specified key does not exist.");
        let object = bucket.objects.get(&request.key).ok_or_else(missing)?;
        let beyond = || ApiError::server(416, "InvalidRange", "The requested range is not satisfiable");
        object.get(request.first_byte..).map(<[u8]>::to_vec).ok_or_else(beyond)
    }

    fn buckets(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
