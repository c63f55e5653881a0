//! What to pull: the sources of `--pull` as steps of names and patterns.

use super::budget::Budget;
use super::names::shown;
use super::pattern::Step;
use super::spec::Spec;
use cerveza_manners::{Failure, Result as Checked};
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The folder of a pull that names none. Folders with names of hosts do not lie in the working directory, because there a
/// shell would replace an unquoted expression by their names.
const FOLDER: &str = "pulled";

/// What to pull, the same for all hosts.
#[derive(Debug, Default)]
pub struct PullPlan {
    pub(super) items: Vec<Item>,
    pub(super) budget: Budget,
}

/// One `--pull`.
#[derive(Debug)]
pub(super) struct Item {
    pub source: Vec<u8>,
    /// Relative to `/`, rather than to the folder of the login.
    pub absolute: bool,
    pub steps: Vec<Step>,
    pub folder: PathBuf,
}

impl PullPlan {
    pub fn new(specs: &[Spec]) -> Checked<PullPlan> {
        let item = |spec: &Spec| {
            let source = spec.source.as_bytes();
            let source = if source == b"~" { b"." } else { source.strip_prefix(b"~/").unwrap_or(source) };
            let steps = source.split(|byte| *byte == b'/').filter(|step| !step.is_empty() && *step != b".");
            let steps: Result<Vec<Step>, String> = steps.map(Step::parse).collect();
            let steps = steps.map_err(|why| Failure::usage(format!("cannot pull {}: {why}", shown(source))))?;
            Ok(Item {
                source: source.to_vec(),
                absolute: source.starts_with(b"/"),
                steps,
                folder: spec.dest.as_ref().map_or_else(|| PathBuf::from(FOLDER), PathBuf::from),
            })
        };
        Ok(PullPlan { items: specs.iter().map(item).collect::<Checked<Vec<Item>>>()?, budget: Budget::default() })
    }

    /// Returns the folders that files are copied to, each once.
    pub fn folders(&self) -> Vec<String> {
        let folders: BTreeSet<&PathBuf> = self.items.iter().map(|item| &item.folder).collect();
        folders.into_iter().map(|folder| folder.join("").display().to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn a_source_becomes_steps_and_a_bad_pattern_is_a_usage_error() {
        let plan = |text: &str| PullPlan::new(&[Spec::parse(OsStr::new(text)).unwrap()]);
        let made = plan("~/a/*.log:out").unwrap();
        let item = &made.items[0];
        assert!(!item.absolute && item.steps.len() == 2 && item.folder.as_os_str() == "out");
        assert!(matches!(&item.steps[..], [Step::Name(name), Step::Pattern(_)] if name == b"a"));
        assert_eq!(plan("/x").unwrap().items[0].folder.as_os_str(), "pulled");
        assert_eq!(plan("/[z-a]").unwrap_err().message, "cannot pull /[z-a]: \"[z-a]\" is no pattern");
    }
}
