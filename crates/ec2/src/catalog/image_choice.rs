//! How a profile names an image: by id, by an SSM parameter, or as the newest of a name.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ImageChoice {
    /// As `ami-0123456789abcdef0`.
    Id(String),
    /// The name of an SSM parameter that holds an image id, as `/aws/service/debian/release/12/latest/amd64`. A profile
    /// writes `resolve:ssm:NAME`.
    Parameter(String),
    /// The newest available image.
    Newest {
        /// May have the wildcards `*` and `?`.
        name: String,
        /// An account id, `self`, `amazon` or `aws-marketplace`.
        owner: String,
        /// As `x86_64` or `arm64`.
        architecture: Option<String>,
    },
}

impl ImageChoice {
    /// Reads an image that is written as one text: an id, or `resolve:ssm:NAME`.
    pub fn from_text(text: &str) -> ImageChoice {
        match text.strip_prefix("resolve:ssm:") {
            Some(parameter) => ImageChoice::Parameter(parameter.to_string()),
            None => ImageChoice::Id(text.to_string()),
        }
    }
}
