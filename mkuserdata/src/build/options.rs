//! How to build user-data: the options of the command line, as ec2-launch sets them too.

use crate::build::gzip::Effort;
use crate::build::user_data_size::LIMIT;
use cerveza_template::Setting;

/// How to build user-data.
#[derive(Clone, Debug)]
pub struct Options {
    /// Build for many hosts: compress what they have in common once.
    pub per_host: bool,
    /// Compress if that makes it smaller.
    pub gzip: bool,
    pub effort: Effort,
    /// The largest allowed size in bytes.
    pub limit: usize,
    /// The boundary between the parts. `None` chooses one that occurs in no part.
    pub boundary: Option<String>,
    /// The X-Merge-Type of each cloud-config.
    pub merge_type: Option<String>,
    /// Do not number the names of scripts, which may then run in another order.
    pub keep_names: bool,
    /// Turn errors about surprising cloud-init behaviour into warnings.
    pub force: bool,
    /// The hint of such an error, if the caller has one.
    pub hint: Option<&'static str>,
    /// Values for templates, which replace those of a host's record.
    pub set: Vec<Setting>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            per_host: true,
            gzip: true,
            effort: Effort::default(),
            limit: LIMIT,
            boundary: None,
            merge_type: None,
            keep_names: false,
            force: false,
            hint: None,
            set: Vec::new(),
        }
    }
}
