//! Writes hosts folded into expressions.

use crate::bracket::Bracket;
use crate::fold::{FoldError, FoldOptions, Folder};
use crate::names::Names;
use crate::output::Output;
use crate::pattern::{Part, Pattern};
use crate::set::{Host, Sink, Step, Stop};
use cerveza_manners::{Failure, Result};
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

    fn write(&mut self) -> Result<()> {
        let folder = std::mem::replace(&mut self.folder, Folder::new(self.options.clone()));
        if self.added == 0 {
            return Ok(());
        }
        self.added = 0;
        writeln!(io::stdout(), "{}", folder.finish()).map_err(|error| Failure::stdout(&error))
    }

    fn count(&mut self, added: u64) -> Step {
        self.added = self.added.saturating_add(added);
        match self.added > MOST_FOLDED {
            true => Err(Failure::usage(format!("cannot fold more than {MOST_FOLDED} names")).into()),
            false => Ok(()),
        }
    }

    /// Adds the names of a pattern by the runs of its last bracket, for each way in which the brackets before it stand.
    fn add_runs(&mut self, before: Pattern, bracket: &Bracket, after: &str) -> Step {
        let mut befores = Names::new(&before);
        while let Some(before) = befores.next_name() {
            // With a number elsewhere in the name, a run is taken apart.
            let is_alone = !before.bytes().chain(after.bytes()).any(|byte| byte.is_ascii_digit());
            for segment in &bracket.segments {
                self.count(match segment.small_count() {
                    Some(_) if is_alone => 1,
                    count => count.unwrap_or(u64::MAX),
                })?;
                self.folder.add_run(before, &segment.low, &segment.high, after).map_err(refused)?;
            }
        }
        Ok(())
    }
}

fn refused(error: FoldError) -> Stop {
    Failure::usage(error.to_string()).into()
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
        self.count(1)?;
        self.folder.add(host.name()).map_err(refused)
    }

    fn names(&mut self, names: &mut Names<'_>) -> Step {
        if names.is_whole()
            && let Some((before, bracket, after)) = as_runs(names.pattern())
        {
            return self.add_runs(before, bracket, after);
        }
        while let Some(name) = names.next_name() {
            self.host(Host::Name(name))?;
        }
        Ok(())
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
