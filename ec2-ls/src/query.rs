//! What is asked of EC2, and what of the answers is wanted. No I/O.

use crate::condition::{Condition, Test};
use crate::conditions::{TagConditions, of_options};
use crate::find_args::FindArgs;
use crate::words::{Word, read_word};
use cerveza_ec2::{Filter, check_records, instance_id};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use hostrange::given_from;
use std::collections::HashSet;
use std::io::Read;
use std::net::IpAddr;

/// What to look for. All conditions must hold, and one of the patterns, addresses or hosts where there are any.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub conditions: Vec<Condition>,
    /// Patterns of names.
    patterns: Vec<Test>,
    /// Addresses and networks that are no hosts of their own: nothing is said of those without an instance.
    addresses: Vec<Test>,
    /// Hosts that were asked for by name, by address or by instance. One that is not found is reported.
    pub hosts: Vec<Record>,
    /// Expressions that may also be names.
    pub expressions: Vec<String>,
    /// Whether hosts come from stdin, and so keep their order.
    pub is_ordered: bool,
    /// Whether more than the default states narrows what is found.
    is_narrowed: bool,
    /// What else the words may mean, for when nothing matches.
    pub advice: Vec<String>,
    names: HashSet<String>,
    ids: HashSet<String>,
}

impl Query {
    pub fn new(args: &FindArgs, stdin: impl Read) -> Result<Query> {
        let mut query = Query::default();
        let (conditions, more_words) = of_options(args)?;
        query.conditions = conditions;
        let (mut tags, mut expressions) = (TagConditions::default(), Vec::new());
        let mut resources: Vec<Test> = Vec::new();
        for word in args.words.iter().chain(&more_words) {
            match read_word(word)? {
                Word::Tag { key, test, is_not } => tags.add(key, test, is_not),
                Word::Resource(test) => resources.push(test),
                Word::Addresses(tests) => query.addresses.extend(tests),
                Word::Pattern(pattern, tests) => {
                    query.patterns.push(Test::glob("tag:Name", pattern));
                    query.addresses.extend(tests);
                }
                Word::Expression(text) => expressions.push(text),
            }
        }
        query.advice = tags.advice();
        if let Some(name) = args.profile.first() {
            query.advice.push(format!(
                "--profile {name} looks for a profile of ec2-launch; --account {name} uses a profile of the AWS configuration"
            ));
        }
        query.conditions.extend(tags.finish()?);
        // Ids of one kind are alternatives.
        while let Some(fact) = resources.first().map(|test| test.fact.clone()) {
            let (same, others) = resources.into_iter().partition(|test: &Test| test.fact == fact);
            query.conditions.push(Condition { any: same, none: Vec::new() });
            resources = others;
        }
        query.is_narrowed = query.conditions.len() > 1 || args.states().is_some();
        query.is_ordered = expressions.iter().any(|text| text == "-");
        if !expressions.is_empty() {
            let given = given_from(&expressions, stdin)?;
            check_records(&given.hosts)?;
            (query.hosts, query.expressions) = (given.hosts, given.expressions);
        }
        query.names = query.hosts.iter().map(|host| host.host().to_string()).collect();
        query.ids = query.hosts.iter().filter_map(instance_id).collect();
        Ok(query)
    }

    /// Whether there is anything that is not in the region its record says.
    pub fn is_anywhere(&self) -> bool {
        self.hosts.is_empty() || self.has_patterns() || self.hosts.iter().any(|host| host.get("region").is_none())
    }

    pub fn has_patterns(&self) -> bool {
        !self.patterns.is_empty() || !self.addresses.is_empty()
    }

    /// Whether all is known only once every answer is in: which hosts there are, and in which order.
    pub fn needs_all(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// The calls for the instances of a region, the filters of each. `is_here` says which hosts may be there, and
    /// `is_asked` whether the words without a region of their own are looked for there.
    pub fn calls(&self, is_here: impl Fn(&Record) -> bool, is_asked: bool) -> Vec<Vec<Filter>> {
        let mut calls: Vec<Vec<Filter>> = match self.hosts.is_empty() && !self.has_patterns() {
            true => vec![Vec::new()],
            false => self.searches(is_here, is_asked).into_iter().map(|search| vec![search]).collect(),
        };
        for (condition, is_asked) in self.conditions.iter().zip(self.asked()) {
            let filters = if is_asked { condition.filters() } else { Vec::new() };
            if !filters.is_empty() {
                let with = |call: Vec<Filter>| {
                    filters.iter().map(move |filter| [call.as_slice(), std::slice::from_ref(filter)].concat()).collect::<Vec<_>>()
                };
                calls = calls.into_iter().flat_map(with).collect();
            }
        }
        calls
    }

    /// The filters for the hosts and patterns: one of them finds each.
    fn searches(&self, is_here: impl Fn(&Record) -> bool, is_asked: bool) -> Vec<Filter> {
        let mut names = Filter::new("tag:Name", Vec::<String>::new());
        let mut ids = Vec::new();
        let mut addresses: Vec<Test> = Vec::new();
        if is_asked {
            let patterns = Condition::any(self.patterns.iter().cloned()).filters();
            names.values.extend(patterns.into_iter().flat_map(|filter| filter.values));
            names.values.extend(Filter::exact("", &self.expressions).values);
            addresses.extend(self.addresses.iter().cloned());
        }
        for host in self.hosts.iter().filter(|host| is_here(host)) {
            match (instance_id(host), address(host)) {
                (Some(id), _) => ids.push(id),
                (None, address) => {
                    names.values.extend(Filter::exact("", [host.host()]).values);
                    addresses.extend(address.into_iter().flat_map(host_tests));
                }
            }
        }
        let mut searches = vec![Filter::exact("instance-id", ids), names];
        searches.extend(Condition::any(addresses).filters());
        searches.retain(|search| !search.values.is_empty());
        searches
    }

    /// Which conditions EC2 is asked for. No filter is in a call twice: the API reference does not say what that means.
    fn asked(&self) -> Vec<bool> {
        let mut used: HashSet<String> = HashSet::new();
        if !self.hosts.is_empty() || self.has_patterns() {
            used.extend(["tag:Name", "instance-id", "ip-address", "private-ip-address", "ipv6-address"].map(String::from));
            used.extend(self.addresses.iter().map(|test| test.fact.clone()));
        }
        let asks = |condition: &Condition| {
            let names: Vec<String> = condition.filters().into_iter().map(|filter| filter.name).collect();
            let is_free = names.iter().all(|name| !used.contains(name)) || condition.unknown_fact().is_some();
            used.extend(names.into_iter().filter(|_| is_free));
            is_free
        };
        self.conditions.iter().map(asks).collect()
    }

    /// The conditions that EC2 has not decided.
    pub fn left(&self) -> Vec<&Condition> {
        let conditions = self.conditions.iter().zip(self.asked());
        conditions.filter(|(condition, asked)| !asked || !condition.is_decided_by_ec2()).map(|(left, _)| left).collect()
    }

    /// Whether the record is one of the hosts, or matches a pattern or address.
    pub fn is_named(&self, record: &Record) -> bool {
        if self.hosts.is_empty() && !self.has_patterns() {
            return true;
        }
        let is_pattern = |test: &Test| test.holds(record);
        self.names.contains(record.host())
            || record.str("instance_id").is_some_and(|id| self.ids.contains(&id))
            || self.patterns.iter().chain(&self.addresses).any(is_pattern)
            || self.hosts.iter().any(|host| address(host).is_some() && is_of(host, record))
    }

    /// Refuses conditions that cannot be checked without EC2.
    pub fn check_is_local(&self) -> Result<()> {
        match self.conditions.iter().find_map(Condition::unknown_fact) {
            None => Ok(()),
            Some(fact) => Err(Failure::usage(format!("--last: a saved listing does not have {fact}"))
                .hint("leave out this filter, or --last")),
        }
    }

    /// Whether more than the names and ids decides what is found.
    pub fn is_narrowed(&self) -> bool {
        self.is_narrowed
    }
}

/// Whether an instance is the host that was asked for.
fn is_of(host: &Record, found: &Record) -> bool {
    if let Some(id) = instance_id(host) {
        return found.str("instance_id") == Some(id);
    }
    let is_here = |key| host.str(key).is_none_or(|its| found.str(key) == Some(its));
    let is_named = || found.host() == host.host();
    let has_address = || address(host).is_some_and(|address| host_tests(address).iter().any(|test| test.holds(found)));
    (is_named() || has_address()) && is_here("region") && is_here("aws_profile")
}

/// The address that a host is given by.
pub fn address(host: &Record) -> Option<IpAddr> {
    host.host().parse().ok()
}

/// The tests of which one holds for the host with this address. Other addresses of an instance are not in its record.
fn host_tests(address: IpAddr) -> Vec<Test> {
    match address {
        IpAddr::V4(address) => {
            ["private-ip-address", "ip-address"].map(|fact| Test::glob(fact, address.to_string())).into()
        }
        IpAddr::V6(address) => vec![Test::glob("ipv6-address", address.to_string())],
    }
}
