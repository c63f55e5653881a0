//! Writes hosts as expressions (`--fold`).

use crate::fold::{FoldOptions, Folder};
use crate::output::Output;
use crate::pattern::names::Names;
use crate::set::visit::{HostVisitor, Visited};
use crate::set::{Host, MOST_IN_MEMORY};
use cerveza_manners::{Failure, Result};
use std::io::{self, Write};

/// Writes one expression, or one for each part of --split.
pub(crate) struct Folded {
    options: FoldOptions,
    folder: Folder,
    added: u128,
}

impl Folded {
    pub fn new(options: FoldOptions) -> Folded {
        Folded { folder: Folder::new(options.clone()), options, added: 0 }
    }

    /// Returns the expression of the hosts added since the last one. `None` if there are none.
    pub fn take_expression(&mut self) -> Option<String> {
        let folder = std::mem::replace(&mut self.folder, Folder::new(self.options.clone()));
        (std::mem::take(&mut self.added) > 0).then(|| folder.finish())
    }

    fn write(&mut self) -> Result<()> {
        let Some(expression) = self.take_expression() else { return Ok(()) };
        writeln!(io::stdout(), "{expression}").map_err(|error| Failure::stdout(&error))
    }

    fn count_added(&mut self, hosts: u128) -> Visited {
        self.added = self.added.saturating_add(hosts);
        if self.added > MOST_IN_MEMORY {
            Err(Failure::usage(format!("cannot fold more than {MOST_IN_MEMORY} hosts")).into())
        } else {
            Ok(())
        }
    }
}

impl HostVisitor for Folded {
    fn visit_host(&mut self, host: &Host<'_>) -> Visited {
        self.count_added(1)?;
        self.folder.add(host.name());
        Ok(())
    }

    fn visit_run(&mut self, run: &mut Names<'_>) -> Visited {
        self.count_added(run.left())?;
        while let Some((first, count)) = run.next_series() {
            self.folder.add_series(&first, count);
        }
        Ok(())
    }
}

impl Output for Folded {
    fn next_part(&mut self) -> Visited {
        Ok(self.write()?)
    }

    fn finish(&mut self) -> Result<()> {
        self.write()
    }
}
