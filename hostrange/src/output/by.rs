//! Groups hosts by the values of a field (`--by`).

use crate::fold::FoldOptions;
use crate::input::field::FieldValues;
use crate::output::fold_lines::Folded;
use crate::output::group_lines::GroupRow;
use crate::pattern::names::Names;
use crate::set::Host;
use crate::set::visit::{HostVisitor, Visited};
use cerveza_manners::Failure;
use cerveza_record::natural_cmp;

/// Adds hosts to the groups of their values.
pub(crate) struct Grouped<'f> {
    fields: &'f FieldValues,
    /// One group for each value. The last is for hosts without a value.
    groups: Vec<Group>,
}

struct Group {
    count: u128,
    folded: Option<Folded>,
}

impl Group {
    /// Adds a host that is `count` instances.
    fn add(&mut self, host: &Host<'_>, count: u32) -> Visited {
        self.count += u128::from(count);
        self.folded.as_mut().map_or(Ok(()), |folded| folded.visit_host(host))
    }

    fn add_run(&mut self, run: &mut Names<'_>) -> Visited {
        let count = self.count.checked_add(run.left()).filter(|count| *count < u128::MAX);
        self.count = count.ok_or_else(|| Failure::usage("cannot group more than 2^128 hosts"))?;
        self.folded.as_mut().map_or(Ok(()), |folded| folded.visit_run(run))
    }
}

impl<'f> Grouped<'f> {
    /// `fold`: how to fold the hosts. `None`: only count them.
    pub fn new(fields: &'f FieldValues, fold: Option<&FoldOptions>) -> Grouped<'f> {
        let group = |_| Group { count: 0, folded: fold.map(|options| Folded::new(options.clone())) };
        Grouped { fields, groups: (0..=fields.values.len()).map(group).collect() }
    }

    /// Returns the groups that have hosts, in natural order of their values.
    pub fn rows(self) -> Vec<GroupRow> {
        let row = |(at, mut group): (usize, Group)| {
            let value = self.fields.values.get_index(at);
            let hosts = group.folded.as_mut().and_then(Folded::take_expression);
            let row = GroupRow { value: value.map(|(_, value)| value.clone()), count: group.count.into(), hosts };
            (value.map(|(text, _)| text), row)
        };
        let rows = self.groups.into_iter().enumerate().filter(|(_, group)| group.count > 0).map(row);
        let mut rows: Vec<(Option<&String>, GroupRow)> = rows.collect();
        rows.sort_by(|(a, _), (b, _)| match (a, b) {
            (Some(a), Some(b)) => natural_cmp(a, b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        });
        rows.into_iter().map(|(_, row)| row).collect()
    }
}

impl HostVisitor for Grouped<'_> {
    fn visit_host(&mut self, host: &Host<'_>) -> Visited {
        let fields = self.fields;
        match fields.values_of(host.name()) {
            [] => self.groups.last_mut().map_or(Ok(()), |group| group.add(host, 1)),
            values => values.iter().try_for_each(|value| {
                let group = value.index.map_or(fields.values.len(), |index| index as usize);
                self.groups[group].add(host, value.count)
            }),
        }
    }

    fn visit_run(&mut self, run: &mut Names<'_>) -> Visited {
        if self.fields.has_values_in(run) {
            while let Some(name) = run.next_name() {
                self.visit_host(&name.into())?;
            }
        }
        self.groups.last_mut().map_or(Ok(()), |group| group.add_run(run))
    }
}
