//! What hosts are launched as: a profile, its files, and what the command line adds to it.

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
        let mut all = |found: Vec<Result<Vec<PathBuf>>>| -> Vec<PathBuf> {
            found
                .into_iter()
                .filter_map(|found| found.map_err(|failure| missing.push(failure)).ok())
                .flatten()
                .collect()
        };
        let part = |name: &String| Ok(vec![file.find("user data part", name)?]);
        let paths = all(file.profile.user_data.iter().map(part).collect());
        let script = |what: &'static str| {
            let (file, one) = (&file, std::slice::from_ref::<String>);
            move |name| file.find_scripts(what, one(name))
        };
        let startup_scripts = all(file.profile.startup_scripts.iter().map(script("startup script")).collect());
        let shutdown_scripts = all(file.profile.shutdown_scripts.iter().map(script("shutdown script")).collect());
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
