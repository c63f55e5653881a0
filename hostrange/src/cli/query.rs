//! Answers `--contains` and `--index`.

use crate::pattern::names::Names;
use crate::set::listing::Listing;
use crate::set::visit::{HostVisitor, Stop, Visited, finished};
use crate::set::{Host, HostSet};
use cerveza_manners::{Failure, Result};
use cerveza_record::{is_bare, unquote};

/// Whether the set has all hosts of `asked`.
pub(crate) fn contains(set: &HostSet<'_>, asked: &HostSet<'_>) -> Result<bool> {
    if asked.is_empty() { Err(Failure::usage("--contains: the expression has no hosts")) } else { asked.is_subset(set) }
}

/// Returns the name that the text of --index stands for, with or without quotes.
pub(crate) fn parse_name(text: &str) -> Result<String> {
    match unquote(text) {
        Ok((name, length)) if text.starts_with('"') && length == text.len() => Ok(name),
        _ if is_bare([text]) => Ok(text.to_string()),
        _ => Err(Failure::usage(format!("--index: '{text}' is not a name"))
            .hint("a name with other characters than a host's is written in double quotes")),
    }
}

/// Returns the position of `name` in the listing, counted from 0. `None` if it is not one of them.
pub(crate) fn index(listing: &Listing<'_>, name: &str) -> Result<Option<u128>> {
    if !listing.contains(name) {
        return Ok(None);
    }
    let mut search = Search { name, position: 0, is_found: false };
    finished(listing.for_each_host(&mut search))?;
    match search.position {
        u128::MAX => Err(Failure::usage(format!("more than 2^128 hosts come before {name}"))),
        position => Ok(search.is_found.then_some(position)),
    }
}

struct Search<'s> {
    name: &'s str,
    position: u128,
    is_found: bool,
}

impl HostVisitor for Search<'_> {
    fn visit_host(&mut self, host: &Host<'_>) -> Visited {
        self.is_found = host.name() == self.name;
        if self.is_found {
            return Err(Stop::Enough);
        }
        self.position = self.position.saturating_add(1);
        Ok(())
    }

    fn visit_run(&mut self, run: &mut Names<'_>) -> Visited {
        let positions = run.position()..run.position() + run.left();
        let found = run.pattern().find(self.name).filter(|position| positions.contains(position));
        self.is_found = found.is_some();
        self.position = self.position.saturating_add(found.map_or(run.left(), |position| position - run.position()));
        if self.is_found { Err(Stop::Enough) } else { Ok(()) }
    }
}
