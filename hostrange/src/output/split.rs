//! Splits hosts into parts (`--split`).

use crate::output::Output;
use crate::pattern::names::Names;
use crate::set::Host;
use crate::set::visit::{HostVisitor, Stop, Visited};

/// Splits hosts into parts whose sizes differ by at most one, the larger ones first.
pub(crate) struct Split<'s> {
    output: &'s mut dyn Output,
    /// The sizes of the parts that have not started, the next one last.
    sizes: Vec<u128>,
    /// How many more hosts the current part takes.
    left: u128,
}

impl<'s> Split<'s> {
    pub fn new(total: u128, parts: u32, output: &'s mut dyn Output) -> Split<'s> {
        let parts = u128::from(parts);
        let sizes = (0..parts).rev().map(|part| total / parts + u128::from(part < total % parts));
        Split { output, sizes: sizes.filter(|size| *size > 0).collect(), left: 0 }
    }

    fn begin(&mut self) -> Visited {
        if self.left == 0 {
            self.left = self.sizes.pop().ok_or(Stop::Enough)?;
            self.output.next_part()?;
        }
        Ok(())
    }
}

impl HostVisitor for Split<'_> {
    fn visit_host(&mut self, host: &Host<'_>) -> Visited {
        self.begin()?;
        self.left -= 1;
        self.output.visit_host(host)
    }

    fn visit_run(&mut self, run: &mut Names<'_>) -> Visited {
        while run.left() > 0 {
            self.begin()?;
            let mut part = run.split_off(self.left);
            self.left -= part.left();
            self.output.visit_run(&mut part)?;
        }
        Ok(())
    }
}
