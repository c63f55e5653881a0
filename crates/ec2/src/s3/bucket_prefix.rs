//! Where objects are: a bucket, and the beginning of their keys.

use std::fmt;
use std::str::FromStr;

/// `BUCKET/PREFIX`. The prefix may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketPrefix {
    pub bucket: String,
    /// Without a slash at its ends.
    pub prefix: String,
}

/// The most that SendCommand takes.
const LONGEST_PREFIX: usize = 500;

impl BucketPrefix {
    /// Returns the key of an object with this name under the prefix.
    pub fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_string() } else { format!("{}/{name}", self.prefix) }
    }
}

impl FromStr for BucketPrefix {
    type Err = String;

    /// Reads `BUCKET`, `BUCKET/PREFIX`, or the same after `s3://`.
    fn from_str(text: &str) -> Result<BucketPrefix, String> {
        let text = text.strip_prefix("s3://").unwrap_or(text);
        let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
        let prefix = prefix.trim_matches('/');
        // "Bucket naming rules", Amazon S3 User Guide. The name becomes part of a host name.
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(is_name) {
            return Err(format!("{bucket:?} is not the name of a bucket: write BUCKET or BUCKET/PREFIX"));
        }
        if prefix.len() > LONGEST_PREFIX {
            return Err(format!("the prefix has more than {LONGEST_PREFIX} bytes"));
        }
        Ok(BucketPrefix { bucket: bucket.to_string(), prefix: prefix.to_string() })
    }
}

impl fmt::Display for BucketPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "s3://{}{slash}{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_may_have_a_prefix_and_a_scheme() {
        for (text, shown) in [
            ("logs", "s3://logs"),
            ("logs/", "s3://logs"),
            ("s3://logs/a b/c/", "s3://logs/a b/c"),
            ("logs.example/x", "s3://logs.example/x"),
        ] {
            assert_eq!(text.parse::<BucketPrefix>().unwrap().to_string(), shown);
        }
        for text in ["", "ab", "Logs", "logs_x/y", "s3:/logs", "logs@evil.example/x"] {
            assert!(text.parse::<BucketPrefix>().is_err(), "{text}");
        }
        let keys = ["logs/a", "logs"].map(|text| text.parse::<BucketPrefix>().unwrap().key("x/y"));
        assert_eq!(keys, ["a/x/y", "x/y"]);
    }
}
