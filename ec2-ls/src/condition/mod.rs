//! What must hold of an instance. EC2 decides it if it has such a filter, else the record is looked at.

pub(crate) mod fact;
pub(crate) mod glob;
pub(crate) mod ipv6_network;
pub(crate) mod launched;
pub(crate) mod network;

use crate::condition::glob::Glob;
use crate::condition::ipv6_network::Ipv6Network;
use crate::condition::launched::Launched;
use cerveza_ec2::Filter;
use cerveza_record::Record;
use regex::Regex;

/// A condition holds if one of `any` does, where there are some, and none of `none`.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    pub any: Vec<Test>,
    pub none: Vec<Test>,
}

/// A test of one fact, which is known by the name of its filter: `tag:role`, `instance-type`.
#[derive(Clone, Debug)]
pub struct Test {
    pub fact: String,
    pub wanted: Wanted,
}

#[derive(Clone, Debug)]
pub enum Wanted {
    Glob(Glob),
    Regex(Regex),
    /// No value, or an empty one.
    Blank,
    Network(Ipv6Network),
    Launched(Launched),
}

impl Test {
    pub fn glob(fact: impl Into<String>, glob: impl Into<String>) -> Test {
        Test { fact: fact.into(), wanted: Wanted::Glob(Glob::new(glob)) }
    }

    pub fn holds(&self, record: &Record) -> bool {
        let values = fact::values(record, &self.fact);
        match &self.wanted {
            Wanted::Glob(glob) => values.iter().any(|value| glob.matches(value)),
            Wanted::Regex(regex) => values.iter().any(|value| regex.is_match(value)),
            Wanted::Blank => values.iter().all(String::is_empty),
            Wanted::Network(network) => values.iter().any(|value| network.contains(value)),
            Wanted::Launched(launched) => values.iter().any(|value| launched.contains(value)),
        }
    }

    /// Returns the values of EC2's filter that let every instance pass that the test holds of. `None` if there are
    /// none.
    fn filter_values(&self) -> Option<Vec<String>> {
        match &self.wanted {
            Wanted::Glob(glob) => Some(vec![glob.text.clone()]),
            Wanted::Network(network) => Some(vec![network.glob()]),
            Wanted::Launched(launched) => launched.days(),
            Wanted::Regex(_) | Wanted::Blank => None,
        }
    }
}

impl Condition {
    pub fn any(tests: impl IntoIterator<Item = Test>) -> Condition {
        Condition { any: tests.into_iter().collect(), none: Vec::new() }
    }

    pub fn holds(&self, record: &Record) -> bool {
        let holds = |test: &Test| test.holds(record);
        (self.any.is_empty() || self.any.iter().any(holds)) && !self.none.iter().any(holds)
    }

    /// Returns filters; one of them finds each instance that the condition holds of. There are none if EC2 has no
    /// filter.
    pub fn filters(&self) -> Vec<Filter> {
        let mut filters: Vec<Filter> = Vec::new();
        for test in &self.any {
            let Some(values) = test.filter_values() else { return Vec::new() };
            match filters.iter_mut().find(|filter| filter.name == test.fact) {
                Some(filter) => filter.values.extend(values),
                None => filters.push(Filter::new(&test.fact, values)),
            }
        }
        filters
    }

    /// Returns whether [`Condition::filters`] let nothing else pass.
    pub fn is_decided_by_ec2(&self) -> bool {
        self.none.is_empty() && self.any.iter().all(|test| matches!(test.wanted, Wanted::Glob(_)))
    }

    /// Returns a fact that no record has, so only EC2 can test it.
    pub fn unknown_fact(&self) -> Option<&str> {
        let facts = self.any.iter().chain(&self.none).map(|test| test.fact.as_str());
        facts.into_iter().find(|fact| !fact::is_known(fact))
    }
}
