//! Writes hosts folded into expressions.

use crate::bracket::{Bracket, Segment};
use crate::fold::{FoldOptions, Folder};
use crate::names::Names;
use crate::output::Output;
use crate::pattern::{Part, Pattern};
use crate::set::{Host, Sink, Step};
use cerveza_manners::{Failure, Result};
use num_bigint::BigUint;
use std::io::{self, Write};

/// One expression, or one for each part.
pub(crate) struct Folded {
    options: FoldOptions,
    folder: Folder,
    added: u64,
}

/// More names than this are gigabytes of memory.
const MOST_FOLDED: u64 = 50_000_000;

impl Folded {
    pub fn new(options: FoldOptions) -> Folded {
        Folded { folder: Folder::new(options.clone()), options, added: 0 }
    }

    /// Returns the expression of the hosts added since the last one. `None` if there are none.
    pub fn take(&mut self) -> Option<String> {
        let folder = std::mem::replace(&mut self.folder, Folder::new(self.options.clone()));
        (std::mem::take(&mut self.added) > 0).then(|| folder.finish())
    }

    fn write(&mut self) -> Result<()> {
        let Some(expression) = self.take() else { return Ok(()) };
        writeln!(io::stdout(), "{expression}").map_err(|error| Failure::stdout(&error))
    }

    fn count(&mut self, added: &BigUint) -> Step {
        self.added = self.added.saturating_add(u64::try_from(added).unwrap_or(u64::MAX));
        self.refuse_too_many()
    }

    fn refuse_too_many(&self) -> Step {
        match self.added > MOST_FOLDED {
            true => Err(Failure::usage(format!("cannot fold more than {MOST_FOLDED} names")).into()),
            false => Ok(()),
        }
    }

    /// Adds all names of a pattern, where it can be by runs of its last bracket.
    fn add_all(&mut self, pattern: &Pattern) -> Step {
        let Some((before, bracket, after)) = as_runs(pattern) else {
            return self.add_each(&mut Names::new(pattern));
        };
        // With a number elsewhere in the name, or one beyond 64 bits, a run is taken apart.
        let is_number = |part: &Part| match part {
            Part::Text(text) => text.bytes().any(|byte| byte.is_ascii_digit()),
            Part::Bracket(_) => true,
        };
        let is_alone = !before.parts.iter().any(is_number) && !after.bytes().any(|byte| byte.is_ascii_digit());
        let is_small = |segment: &Segment| segment.small_count().is_some();
        match is_alone && bracket.segments.iter().all(is_small) {
            true => self.count(&bracket.segments.len().into())?,
            false => self.count(&pattern.count())?,
        }
        let mut befores = Names::new(&before);
        while let Some(before) = befores.next_name() {
            for segment in &bracket.segments {
                self.folder.add_run(before, &segment.low, &segment.high, after);
            }
        }
        Ok(())
    }

    fn add_each(&mut self, names: &mut Names<'_>) -> Step {
        self.count(&names.remaining())?;
        while let Some(name) = names.next_name() {
            self.folder.add(name);
        }
        Ok(())
    }
}

/// The parts before the last bracket, it and the text after it: where its strings are runs of numbers of their own.
fn as_runs(pattern: &Pattern) -> Option<(Pattern, &Bracket, &str)> {
    let (rest, after) = match pattern.parts.as_slice() {
        [rest @ .., Part::Text(after)] => (rest, &**after),
        rest => (rest, ""),
    };
    let [before @ .., Part::Bracket(bracket)] = rest else { return None };
    let is_digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
    let ends_in_number = match before.last() {
        Some(Part::Bracket(_)) => true,
        Some(Part::Text(text)) => is_digit(text.bytes().next_back()),
        None => false,
    };
    let has_runs = bracket.segments.iter().all(|segment| segment.step == 1 && !segment.is_letter());
    (has_runs && !ends_in_number && !is_digit(after.bytes().next()))
        .then(|| (Pattern::new(before.to_vec()), bracket, after))
}

impl Sink for Folded {
    fn host(&mut self, host: Host<'_>) -> Step {
        self.added += 1;
        self.refuse_too_many()?;
        self.folder.add(host.name());
        Ok(())
    }

    fn names(&mut self, names: &mut Names<'_>) -> Step {
        names.parts().iter().try_for_each(|pattern| self.add_all(pattern))
    }
}

impl Output for Folded {
    fn next_part(&mut self) -> Step {
        Ok(self.write()?)
    }

    fn finish(&mut self) -> Result<()> {
        self.write()
    }
}
