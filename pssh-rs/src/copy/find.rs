//! Finds the remote paths that the source of a `--pull` means.

use super::budget::{BESIDES, HostBudget};
use super::cause::Cause;
use super::names::{is_plain, join, shown, split};
use super::pattern::{Pattern, Step};
use super::pull_plan::Item;
use super::remote::{Remote, Visit, here};
use crate::ffi::Attributes;
use cerveza_results::Copied;

/// A remote path, and the names it gets below `DIR/HOST`.
pub struct Place {
    pub path: Vec<u8>,
    pub names: Vec<Vec<u8>>,
}

impl Place {
    /// Returns the path below this one. From the first pattern on, the whole path tells apart what was found.
    fn below(&self, name: &[u8], after_pattern: bool) -> Place {
        let mut names = if after_pattern { self.names.clone() } else { Vec::new() };
        names.push(name.to_vec());
        Place { path: join(&self.path, name), names }
    }
}

pub struct Finder<'a> {
    pub remote: &'a Remote<'a>,
    pub budget: &'a HostBudget<'a>,
    pub copied: &'a mut Copied,
}

impl Finder<'_> {
    /// Returns the paths that the source means, with what each is. Follows links that the user named; those below stay
    /// links.
    pub fn find(&mut self, item: &Item) -> Result<Vec<(Place, Attributes)>, Cause> {
        let start = if item.absolute { b"/".to_vec() } else { Vec::new() };
        let mut places = vec![Place { path: start, names: Vec::new() }];
        let mut after_pattern = false;
        for step in &item.steps {
            match step {
                Step::Name(name) => {
                    places.iter_mut().for_each(|place| *place = place.below(name, after_pattern));
                }
                Step::Pattern(pattern) => {
                    let mut found = Vec::new();
                    for place in &places {
                        self.add_matches(place, pattern, after_pattern, &mut found)?;
                    }
                    (places, after_pattern) = (found, true);
                }
            }
        }
        self.existing(places, after_pattern, item)
    }

    /// Adds the names in a folder that match a pattern.
    fn add_matches(
        &mut self,
        place: &Place,
        pattern: &Pattern,
        after_pattern: bool,
        found: &mut Vec<Place>,
    ) -> Result<(), Cause> {
        let mut names = Vec::new();
        let listed = list(self.remote, self.budget, &place.path, &mut |name, _| {
            if pattern.matches(name) && is_plain(name) {
                // The remote path and the local one, and both once more for the names along them.
                self.budget.hold(4 * (place.path.len() + name.len() + BESIDES), here(&place.path))?;
                names.push(name.to_vec());
            }
            Ok(())
        });
        match listed {
            // Not a folder, or not readable: a later pattern passes over it.
            Err(cause @ Cause::Answer { .. }) if after_pattern => {
                if !cause.is_missing() {
                    self.copied.skip(&place.path, cause);
                }
            }
            listed => listed?,
        }
        names.sort_unstable();
        found.extend(names.iter().map(|name| place.below(name, after_pattern)));
        Ok(())
    }

    fn existing(
        &mut self,
        places: Vec<Place>,
        is_pattern: bool,
        item: &Item,
    ) -> Result<Vec<(Place, Attributes)>, Cause> {
        let (mut found, mut leads_nowhere) = (Vec::new(), false);
        for mut place in places {
            let path = here(&place.path);
            match self.remote.stat(path)? {
                Some(attributes) => {
                    if place.names.iter().any(|name| !is_plain(name)) || place.names.is_empty() {
                        let real = self.remote.realpath(path)?;
                        let name = split(&real).1.to_vec();
                        place.names = if is_plain(&name) { vec![name] } else { Vec::new() };
                    }
                    found.push((place, attributes));
                }
                None if is_pattern => {
                    if self.remote.lstat(path)?.is_some() {
                        self.copied.skip(path, "the symbolic link leads nowhere");
                        leads_nowhere = true;
                    }
                }
                None => return Err(Cause::Refused(format!("{}: no such file or directory", shown(path)))),
            }
        }
        let what = match (found.is_empty(), leads_nowhere) {
            (false, _) => return Ok(found),
            (true, false) => "nothing there matches",
            (true, true) => "nothing matches but symbolic links that lead nowhere",
        };
        Err(Cause::Refused(format!("{}: {what}", shown(&item.source))))
    }
}

/// Visits the names in a folder, and counts them.
pub fn list(remote: &Remote<'_>, budget: &HostBudget<'_>, path: &[u8], visit: &mut Visit<'_>) -> Result<(), Cause> {
    remote.list(path, &mut |name, attributes| {
        budget.count(here(path))?;
        visit(name, attributes)
    })
}
