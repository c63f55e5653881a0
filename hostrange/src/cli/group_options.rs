//! Lists node groups (`--groups`), and folds names into node groups (`--regroup`).

use crate::cli::options::GroupSource;
use crate::fold::{FoldOptions, Folder};
use crate::language::group::group_hosts;
use crate::node_groups::NodeGroups;
use crate::output::fold_lines::Folded;
use crate::output::group_lines::GroupRow;
use crate::set::visit::finished;
use crate::set::{HostSet, Operator};
use cerveza_manners::{Failure, Result, Tool};
use cerveza_record::is_bare;
use cerveza_record::natural_cmp;
use num_bigint::BigUint;

/// Returns the groups of a source in natural order. With `hosts`, returns only groups that have some of them, and only
/// these hosts. Reads the hosts of a group only to count or fold them, so a broken group is listed too.
pub(crate) fn group_rows(
    source: &GroupSource,
    hosts: Option<&HostSet<'_>>,
    is_counted: bool,
    fold: Option<&FoldOptions>,
    groups: &NodeGroups,
    tool: &Tool,
) -> Result<Vec<GroupRow>> {
    let mut rows = Vec::new();
    for group in node_groups(source, groups, tool)? {
        let mut row = GroupRow { value: Some(group.expression().into()), count: BigUint::ZERO, hosts: None };
        if hosts.is_some() || is_counted || fold.is_some() {
            let mut set = group.hosts(groups)?;
            if let Some(hosts) = hosts {
                set = set.combine(Operator::Intersection, hosts.clone()).map_err(Failure::usage)?;
            }
            row.count = set.count()?;
            if let Some(options) = fold {
                let mut folded = Folded::new(options.clone());
                finished(set.for_each_host(&mut folded))?;
                row.hosts = folded.take_expression();
            }
        }
        if hosts.is_none() || row.count > BigUint::ZERO {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Folds hosts into whole groups, the largest first and none that shares a host with an earlier one. All other hosts are
/// folded into names. Returns `None` if there are no hosts.
pub(crate) fn regroup(
    set: HostSet<'_>,
    source: &GroupSource,
    options: &FoldOptions,
    groups: &NodeGroups,
    tool: &Tool,
) -> Result<Option<String>> {
    let total = set.count()?;
    let mut candidates = Vec::new();
    // Skips names that would be read back as something else.
    for group in node_groups(source, groups, tool)?.into_iter().filter(|group| is_bare([group.name.as_str()])) {
        let hosts = group.hosts(groups)?;
        let count = hosts.count()?;
        if count > BigUint::ZERO && count <= total {
            candidates.push((count, group, hosts));
        }
    }
    candidates.sort_by(|(a, ..), (b, ..)| b.cmp(a));
    let (mut rest, mut left, mut chosen) = (set, total, Vec::new());
    for (count, group, hosts) in candidates {
        if count <= left && hosts.is_subset(&rest)? {
            rest = rest.combine(Operator::Difference, hosts).map_err(Failure::usage)?;
            left -= count;
            chosen.push(group);
        }
    }
    chosen
        .sort_by(|a, b| a.is_prefixed.cmp(&b.is_prefixed).then_with(|| natural_cmp(&a.expression(), &b.expression())));
    let mut folder = Folder::new(FoldOptions { before: "@", ..options.clone() });
    chosen.iter().for_each(|group| folder.add(group.expression().trim_start_matches('@')));
    let mut others = Folded::new(options.clone());
    finished(rest.for_each_host(&mut others))?;
    let parts = (!chosen.is_empty()).then(|| folder.finish()).into_iter().chain(others.take_expression());
    let expression = parts.collect::<Vec<_>>().join(",");
    Ok(Some(expression).filter(|expression| !expression.is_empty()))
}

struct NodeGroup {
    source: String,
    name: String,
    /// Whether its source is written too.
    is_prefixed: bool,
}

impl NodeGroup {
    fn expression(&self) -> String {
        if self.is_prefixed { format!("@{}:{}", self.source, self.name) } else { format!("@{}", self.name) }
    }

    fn hosts(&self, groups: &NodeGroups) -> Result<HostSet<'static>> {
        let set = group_hosts(groups, &[], Some(&self.source), &self.name).map_err(Failure::usage)?;
        Ok(set.expand_many_patterns())
    }
}

/// Returns the groups of a source. Of all sources, it skips with a warning those whose groups come from a program.
fn node_groups(source: &GroupSource, groups: &NodeGroups, tool: &Tool) -> Result<Vec<NodeGroup>> {
    let list = |source: Option<&str>, is_prefixed: bool| {
        let (source, mut names) = groups.names(source).map_err(Failure::usage)?;
        names.sort_by(|a, b| natural_cmp(a, b));
        let group = |name| NodeGroup { source: source.clone(), name, is_prefixed };
        Ok(names.into_iter().map(group).collect::<Vec<_>>())
    };
    match source {
        GroupSource::Default => list(None, false),
        GroupSource::Named(name) => list(Some(name), true),
        GroupSource::All => {
            let (sources, default) = groups.sources().map_err(Failure::usage)?;
            let mut all = Vec::new();
            for source in sources {
                match list(Some(&source), default.as_ref() != Some(&source)) {
                    Ok(more) => all.extend(more),
                    Err(failure) => tool.failure(&failure),
                }
            }
            Ok(all)
        }
    }
}
