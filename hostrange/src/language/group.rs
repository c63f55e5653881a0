//! Parses node groups, `@NAME`, and the expressions in their files.

use crate::language::error::ExprError;
use crate::language::parse::{DEEPEST, Parser};
use crate::node_groups::NodeGroups;
use crate::pattern::portion::Portion;
use crate::set::{HostSet, Member};
use cerveza_record::is_name_char;
use std::ops::Range;

/// Limit of node groups that one name can stand for.
const MOST_NODE_GROUPS: u128 = 10_000;

/// The source and name of a node group.
pub(crate) type GroupName = (String, String);

impl<'a> Parser<'a, '_> {
    /// Parses `@NAME` or `@SOURCE:NAME`. The name may have brackets, or be `*` for all groups of a source.
    pub(super) fn node_group(&mut self) -> Result<HostSet<'a>, ExprError> {
        let start = self.at;
        self.at += 1;
        let name = self.skip(is_name_char);
        let names = match self.peek() {
            Some('*') => {
                self.at += 1;
                vec![self.text[name.start..self.at].to_string()]
            }
            next if name.is_empty() && next != Some('[') => {
                return Err(self.error(start..name.start, "a group's name is missing after @"));
            }
            _ => {
                self.at = name.start;
                match self.name_or_pattern()? {
                    Member::Pattern(pattern) => self.group_names(start..self.at, &pattern)?,
                    member => member.name().map(str::to_string).into_iter().collect(),
                }
            }
        };
        let span = start..self.at;
        let mut set = HostSet::default();
        for name in names {
            // Without a source it is a group of the source that this text comes from.
            let (source, group) = match name.split_once(':') {
                Some((source, group)) => (Some(source), group),
                None => (self.within.last().map(|(source, _)| source.as_str()), name.as_str()),
            };
            let hosts =
                group_hosts(self.groups, self.within, source, group).map_err(|why| self.error(span.clone(), why))?;
            set.append(hosts);
        }
        Ok(set)
    }

    fn group_names(&self, span: Range<usize>, portion: &Portion) -> Result<Vec<String>, ExprError> {
        if portion.len() > MOST_NODE_GROUPS {
            return Err(self.error(span, format!("more than {MOST_NODE_GROUPS} node groups")));
        }
        let mut names = Vec::new();
        portion.for_each_name(|_, name| names.push(name.to_string()));
        Ok(names)
    }
}

/// Returns the hosts of one node group, which the groups of `within` contain. A `source` of `None` is the default source.
pub(crate) fn group_hosts(
    groups: &NodeGroups,
    within: &[GroupName],
    source: Option<&str>,
    group: &str,
) -> Result<HostSet<'static>, String> {
    let asked = source.map_or(group.to_string(), |source| format!("{source}:{group}"));
    let found = groups.find(source, group)?;
    let group = (found.source, found.group);
    let is_within_itself = within.contains(&group);
    let within = [within, &[group]].concat();
    if is_within_itself {
        let way: Vec<String> = within.iter().map(|(source, group)| format!("@{source}:{group}")).collect();
        return Err(format!("a node group contains itself: {}", way.join(", ")));
    }
    if within.len() > DEEPEST {
        return Err("node groups nest too deep".to_string());
    }
    let mut set = HostSet::default();
    for text in found.texts.iter().filter(|text| !text.trim().is_empty()) {
        let parser = Parser { text, at: 0, groups, within: &within };
        let hosts = parser.all().map_err(|error| {
            let (file, wrong) = (found.file.display(), &error.expression[error.span.clone()]);
            format!("@{asked}, in {file}: at '{wrong}': {}", error.why)
        })?;
        set.append(hosts.into_owned());
    }
    Ok(set)
}
