//! `Portion`: some or all names of a pattern, such as those of `web[1-9]` without web5.

use crate::pattern::Pattern;
use crate::pattern::names::Names;
use crate::pattern::positions::Positions;
use num_bigint::BigUint;
use std::rc::Rc;

#[derive(Clone, Debug)]
pub(crate) struct Portion {
    pub pattern: Rc<Pattern>,
    /// `None`: all names. A name that comes out twice is at both positions or at none.
    positions: Option<Positions>,
}

impl From<Pattern> for Portion {
    fn from(pattern: Pattern) -> Portion {
        Portion { pattern: Rc::new(pattern), positions: None }
    }
}

impl Portion {
    /// Returns the names at some positions of the same pattern.
    pub fn with_positions(&self, positions: Positions) -> Portion {
        Portion { pattern: Rc::clone(&self.pattern), positions: Some(positions) }
    }

    pub fn is_whole(&self) -> bool {
        self.positions.is_none()
    }

    pub fn positions(&self) -> Positions {
        self.positions.clone().unwrap_or_else(|| Positions::from(0..self.pattern.len()))
    }

    /// Returns the number of names; one that comes out twice counts twice.
    pub fn count(&self) -> BigUint {
        self.positions.as_ref().map_or_else(|| self.pattern.count(), |positions| positions.len().into())
    }

    /// Returns [`Portion::count`]. `u128::MAX` means "or more".
    pub fn len(&self) -> u128 {
        self.positions.as_ref().map_or_else(|| self.pattern.len(), Positions::len)
    }

    /// Returns the position of `name` in the pattern, or `None` if it is not in this portion.
    pub fn find(&self, name: &str) -> Option<u128> {
        let position = self.pattern.find(name)?;
        self.positions.as_ref().is_none_or(|positions| positions.contains(position)).then_some(position)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Returns the names, a run for each range of positions.
    pub fn runs(&self) -> impl Iterator<Item = Names<'_>> {
        self.positions().into_ranges().into_iter().map(|range| Names::new(&self.pattern, range))
    }

    /// Calls `visit` with each name and its position.
    pub fn for_each_name(&self, mut visit: impl FnMut(u128, &str)) {
        for mut names in self.runs() {
            let mut position = names.position();
            while let Some(name) = names.next_name() {
                visit(position, name);
                position += 1;
            }
        }
    }
}
