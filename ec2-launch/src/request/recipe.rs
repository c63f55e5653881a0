//! What hosts are launched as.

use crate::disks::boot_script;
use crate::profile::file::ProfileFile;
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use mkuserdata::{Effort, Options, Parts};
use std::path::PathBuf;

/// What hosts are launched as: the profile, with what the command line adds to it.
#[derive(Debug)]
pub struct Recipe {
    pub file: ProfileFile,
    /// The profile's user-data parts, for hosts whose record has no user-data.
    pub parts: Option<Parts>,
    /// Scripts of this machine, for what runs them over SSH.
    pub startup_scripts: Vec<PathBuf>,
    pub shutdown_scripts: Vec<PathBuf>,
    /// --zone, over the record's and the profile's.
    pub zone: Option<String>,
    /// --tag, over the record's and the profile's.
    pub tags: Vec<(String, String)>,
}

impl Recipe {
    /// Finds the profile's scripts, and reads its user-data parts.
    pub fn new(file: ProfileFile, zone: Option<String>, tags: Vec<(String, String)>) -> Result<Recipe> {
        let mut missing = Vec::new();
        let mut found = |path: Result<PathBuf>| path.map_err(|failure| missing.push(failure)).ok();
        let profile = &file.profile;
        let parts = profile.user_data.iter();
        let paths: Vec<_> = parts.filter_map(|name| found(file.find("user data part", name))).collect();
        let mut scripts = |what: &str, names: &[String]| -> Vec<PathBuf> {
            names.iter().filter_map(|name| found(file.find_script(what, name))).collect()
        };
        let startup_scripts = scripts("startup script", &profile.startup_scripts);
        let shutdown_scripts = scripts("shutdown script", &profile.shutdown_scripts);
        if let Some(failure) = in_one_message(missing) {
            return Err(failure);
        }
        // If this effort does not fit the limit, mkuserdata uses the higher one.
        let options = Options { effort: Effort::Fast, ..Options::default() };
        let boot_script = boot_script::is_needed(&file.profile.volume_sets).then(boot_script::part);
        let parts = if paths.is_empty() && boot_script.is_none() {
            None
        } else {
            Some(
                Parts::read_with(&paths, boot_script, options)
                    .map_err(|failure| failure.within(format!("profile {}", file.name)))?,
            )
        };
        Ok(Recipe { file, parts, startup_scripts, shutdown_scripts, zone, tags })
    }

    /// Puts into a host's record what the profile says for the tools that reach the host over SSH: its scripts, and the
    /// kernel that must run there.
    pub fn annotate(&self, record: &mut Record) {
        for (key, scripts) in [("startup_scripts", &self.startup_scripts), ("shutdown_scripts", &self.shutdown_scripts)]
        {
            if !scripts.is_empty() {
                record.set(key, scripts.iter().map(|script| script.to_string_lossy()).collect::<Vec<_>>());
            }
        }
        if let Some(kernel) = &self.file.profile.kernel {
            record.set("kernel", kernel.as_str());
        }
    }
}

/// Returns what is wrong with the files of a profile, all of it: each has a line with its place.
fn in_one_message(failures: Vec<Failure>) -> Option<Failure> {
    let lines: Vec<&str> = failures.iter().map(|failure| failure.message.as_str()).collect();
    Some(Failure { message: lines.join("\n"), ..failures.first()?.clone() })
}
