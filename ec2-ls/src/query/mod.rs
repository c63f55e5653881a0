//! Decides what EC2 is asked for, and which of the answers are wanted. No I/O.

pub(crate) mod advice;
pub(crate) mod conditions;
pub(crate) mod filter_option;
pub(crate) mod find_args;
pub(crate) mod shell;
pub(crate) mod words;

use crate::condition::{Condition, Test};
use crate::query::conditions::{STATE, TagConditions, option_conditions};
use crate::query::find_args::FindArgs;
use crate::query::words::{Word, patterns_of, read_word};
use cerveza_ec2::{Filter, LIVE_STATES, check_records, instance_id};
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
    /// Addresses and networks that are not hosts. No error is reported for those without an instance.
    addresses: Vec<Test>,
    /// Hosts that were asked for by name, by address or by instance. One that is not found is reported.
    pub hosts: Vec<Record>,
    /// Expressions that may also be names.
    pub possible_names: Vec<String>,
    /// Whether hosts come from stdin, and so keep their order.
    pub is_ordered: bool,
    /// Whether more than the default states narrows what is found.
    is_narrowed: bool,
    /// Whether instances that have ended are looked for too.
    has_ended: bool,
    /// What else the words may mean, for when nothing matches.
    pub advice: Vec<String>,
    names: HashSet<String>,
    ids: HashSet<String>,
    ips: HashSet<IpAddr>,
}

impl Query {
    pub fn new(args: &FindArgs, stdin: impl Read) -> Result<Query> {
        let mut query = Query::default();
        let (conditions, more_words) = option_conditions(args)?;
        query.conditions = conditions;
        let (mut tags, mut expressions) = (TagConditions::default(), Vec::new());
        let mut resources: Vec<Test> = Vec::new();
        for word in args.words.iter().chain(&more_words).flat_map(|word| patterns_of(word)) {
            match read_word(word)? {
                Word::Tag { key, test, is_not } => tags.add_test(key, test, is_not),
                Word::Resource(test) => resources.push(test),
                Word::Addresses(tests) => query.addresses.extend(tests),
                Word::Pattern(pattern, tests) => {
                    query.advice.extend(advice::pattern_advice(&pattern));
                    query.patterns.push(Test::glob("tag:Name", pattern));
                    query.addresses.extend(tests);
                }
                Word::Expression(text) => expressions.push(text),
            }
        }
        query.advice.extend(tags.advice());
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
        query.has_ended = args.states().is_some_and(|states| states.contains("terminated"));
        query.is_ordered = expressions.iter().any(|text| text == "-");
        if !expressions.is_empty() {
            let given = given_from(&expressions, stdin)?;
            check_records(&given.hosts)?;
            (query.hosts, query.possible_names) = (given.hosts, given.possible_names);
        }
        query.index_hosts();
        Ok(query)
    }

    /// Returns the search for these hosts whatever else is asked of them.
    pub fn unfiltered(&self, hosts: Vec<Record>) -> Query {
        let live = || Condition::any(LIVE_STATES.map(|state| Test::glob(STATE, state)));
        let conditions = if self.has_ended { Vec::new() } else { vec![live()] };
        let mut query = Query { hosts, conditions, ..Query::default() };
        query.index_hosts();
        query
    }

    fn index_hosts(&mut self) {
        self.names = self.hosts.iter().map(|host| host.host().to_string()).collect();
        self.ids = self.hosts.iter().filter_map(instance_id).collect();
        self.ips = self.hosts.iter().filter_map(address).collect();
    }

    /// Returns whether there is anything that is not in the region its record says.
    pub fn is_anywhere(&self) -> bool {
        self.hosts.is_empty() || self.has_patterns() || self.hosts.iter().any(|host| host.get("region").is_none())
    }

    pub fn has_patterns(&self) -> bool {
        !self.patterns.is_empty() || !self.addresses.is_empty()
    }

    /// Returns whether all is known only once every answer is in: which hosts there are, and in which order.
    pub fn needs_all(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Returns the calls for the instances of a region, the filters of each. `is_here` says which hosts may be there,
    /// and `is_asked` whether the words without a region of their own are looked for there.
    pub fn calls(&self, is_here: impl Fn(&Record) -> bool, is_asked: bool) -> Vec<Vec<Filter>> {
        let mut calls: Vec<Vec<Filter>> = if self.hosts.is_empty() && !self.has_patterns() {
            vec![Vec::new()]
        } else {
            self.searches(is_here, is_asked).into_iter().map(|search| vec![search]).collect()
        };
        for (condition, is_asked) in self.conditions.iter().zip(self.asked()) {
            let filters = if is_asked { condition.filters() } else { Vec::new() };
            if !filters.is_empty() {
                let with = |call: Vec<Filter>| {
                    filters
                        .iter()
                        .map(move |filter| [call.as_slice(), std::slice::from_ref(filter)].concat())
                        .collect::<Vec<_>>()
                };
                calls = calls.into_iter().flat_map(with).collect();
            }
        }
        calls
    }

    /// Returns the filters for the hosts and patterns: one of them finds each.
    fn searches(&self, is_here: impl Fn(&Record) -> bool, is_asked: bool) -> Vec<Filter> {
        let mut names = Filter::new("tag:Name", Vec::<String>::new());
        let mut ids = Vec::new();
        let mut addresses: Vec<Test> = Vec::new();
        if is_asked {
            let patterns = Condition::any(self.patterns.iter().cloned()).filters();
            names.values.extend(patterns.into_iter().flat_map(|filter| filter.values));
            names.values.extend(Filter::exact("", &self.possible_names).values);
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

    /// Returns which conditions EC2 is asked for. No filter is in a call twice: the API reference does not say what
    /// that means.
    fn asked(&self) -> Vec<bool> {
        let mut used: HashSet<String> = HashSet::new();
        if !self.hosts.is_empty() || self.has_patterns() {
            used.extend(
                ["tag:Name", "instance-id", "ip-address", "private-ip-address", "ipv6-address"].map(String::from),
            );
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

    /// Returns the conditions that EC2 has not decided.
    pub fn left(&self) -> Vec<&Condition> {
        let conditions = self.conditions.iter().zip(self.asked());
        conditions.filter(|(condition, asked)| !asked || !condition.is_decided_by_ec2()).map(|(left, _)| left).collect()
    }

    /// Returns whether the record is one of the hosts, or matches a pattern or address.
    pub fn is_named(&self, record: &Record) -> bool {
        if self.hosts.is_empty() && !self.has_patterns() {
            return true;
        }
        let is_pattern = |test: &Test| test.holds(record);
        self.names.contains(record.host())
            // An instance whose name is the expression itself: `refuse_ambiguous` has to see it.
            || self.possible_names.iter().any(|name| name == record.host())
            || record.str("instance_id").is_some_and(|id| self.ids.contains(&id))
            || self.patterns.iter().chain(&self.addresses).any(is_pattern)
            || (!self.ips.is_empty() && addresses(record).any(|address| self.ips.contains(&address)))
    }

    /// Refuses conditions that cannot be checked without EC2.
    pub fn check_is_local(&self) -> Result<()> {
        match self.conditions.iter().find_map(Condition::unknown_fact) {
            None => Ok(()),
            Some(fact) => Err(Failure::usage(format!("--last: a saved listing does not have {fact}"))
                .hint("leave out this filter, or --last")),
        }
    }

    /// Returns whether every live instance is asked for.
    pub fn is_everything(&self) -> bool {
        self.hosts.is_empty() && !self.has_patterns() && !self.is_narrowed()
    }

    /// Returns whether more than the names and ids decides what is found.
    pub fn is_narrowed(&self) -> bool {
        self.is_narrowed
    }
}

/// Returns the address that a host is given by.
pub fn address(host: &Record) -> Option<IpAddr> {
    host.host().parse().ok()
}

/// Returns the addresses of an instance that its record has.
pub fn addresses(record: &Record) -> impl Iterator<Item = IpAddr> {
    ["private_ip", "public_ip", "ipv6"].into_iter().filter_map(|key| record.str(key)?.parse().ok())
}

/// Returns tests; one of them holds for the host with this address. Other addresses of an instance are not in its
/// record.
fn host_tests(address: IpAddr) -> Vec<Test> {
    match address {
        IpAddr::V4(address) => {
            ["private-ip-address", "ip-address"].map(|fact| Test::glob(fact, address.to_string())).into()
        }
        IpAddr::V6(address) => vec![Test::glob("ipv6-address", address.to_string())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find::arrange::arrange;
    use clap::Parser;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        find: FindArgs,
    }

    fn try_query(words: &str, stdin: &str) -> Result<Query> {
        let words = ["ec2-ls"].into_iter().chain(words.split(' ').filter(|word| !word.is_empty()));
        Query::new(&Options::parse_from(words).find, stdin.as_bytes())
    }

    fn query(words: &str, stdin: &str) -> Query {
        try_query(words, stdin).unwrap()
    }

    /// Returns the calls for a region in which everything is looked for: `name=value,value name=value`.
    fn calls(query: &Query) -> Vec<String> {
        let filter = |filter: &Filter| format!("{}={}", filter.name, filter.values.join(","));
        let calls = query.calls(|_| true, true);
        calls.iter().map(|call| call.iter().map(filter).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn one_call_has_the_filters_that_must_all_hold() {
        for (words, expected) in [
            ("-s all", &[""][..]),
            ("", &["instance-state-name=pending,running,stopping,stopped"]),
            ("-s run*,stopped", &["instance-state-name=running,stopped"]),
            ("-s all role=web role=db* state=prod", &["tag:role=web,db* tag:state=prod"]),
            ("-s all role!=web env~x empty= --has role", &["tag-key=role"]),
            ("-s all role=web role!=web1 role=db", &["tag:role=web,db"]),
            ("-s all role=web role~^db", &[""]),
            ("-s all --has a --has b", &["tag-key=a"]),
            (
                "-s all --type t3.*,m5.large --zone use1-az1",
                &["instance-type=t3.*,m5.large availability-zone-id=use1-az1"],
            ),
            (
                "-s all web* 10.1.*",
                &["tag:Name=web*,10.1.*", "network-interface.addresses.private-ip-address=10.1.*", "ip-address=10.1.*"],
            ),
            (
                "-s all env=a web[1-2] i-0123456789abcdef0 db*",
                &["instance-id=i-0123456789abcdef0 tag:env=a", "tag:Name=db*,web[1-2],web1,web2 tag:env=a"],
            ),
            ("-s all Name=web* web1", &["tag:Name=web1"]),
            ("-s all 10.1.2.3", &["tag:Name=10.1.2.3", "private-ip-address=10.1.2.3", "ip-address=10.1.2.3"]),
            (
                "-s all --group web,sg-1 --vpc vpc-1",
                &["vpc-id=vpc-1 instance.group-name=web", "vpc-id=vpc-1 instance.group-id=sg-1"],
            ),
            (
                "-s all vpc-12345678 vpc-87654321 sg-12345678",
                &["vpc-id=vpc-12345678,vpc-87654321 instance.group-id=sg-12345678"],
            ),
            ("--filter Name=instance-state-name,Values=stopped", &["instance-state-name=stopped"]),
            ("-s all --filter Name=tag:a,Values=1 Name=host-id,Values=h b=2 a=3", &["tag:a=1 host-id=h tag:b=2"]),
        ] {
            assert_eq!(calls(&query(words, "")), expected, "{words}");
        }
    }

    #[test]
    fn what_ec2_has_not_decided_is_left_to_the_record() {
        for (words, left) in [
            ("role=web --type t3.* --has role", 0),
            ("role!=web", 1),
            ("role~web", 1),
            ("role=", 1),
            ("role=web role!=web1", 1),
            ("--has a --has b", 1),
            ("--launched-after 2d", 1),
            ("--ip 10.0.0.0/9,2600::/32", 1),
            ("--ip 10.0.0.0/9", 0),
            ("Name=web* web1", 1),
            ("--filter Name=tag:a,Values=1 a=3", 1),
        ] {
            assert_eq!(query(words, "").left().len(), left, "{words}");
        }
    }

    #[test]
    fn stdin_is_read_on_a_dash_alone() {
        assert_eq!(query("", "web1\n").hosts, []);
        assert_eq!(query("-", "web1\n").hosts, [Record::named("web1")]);
        assert_eq!(query("--filter Name=vpc-id,Values=v -", "web1\n").hosts, [Record::named("web1")]);
    }

    #[test]
    fn record_is_looked_for_in_its_region() {
        let query = query("-s all -", r#"{"host":"web1","instance_id":"i-1","region":"us-west-2"}"#);
        assert!(!query.is_anywhere());
        let calls = |region| query.calls(|host| host.str("region").is_none_or(|its| its == region), false);
        assert_eq!((calls("us-east-1").len(), calls("us-west-2").len()), (0, 1));
    }

    #[test]
    fn hosts_of_stdin_keep_their_keys_and_order() {
        let stdin = concat!(
            r#"{"mine":1,"host":"web2","instance_id":"i-2","state":"running"}"#,
            "\nweb9\nweb1\ni-2\n",
            r#"{"host":"far","instance_id":"i-7","region":"down"}"#
        );
        let query = query("-s all - db*", &stdin.replace("i-2", "i-00000002"));
        let found = [("web1", "i-00000001"), ("db10", "i-00000003"), ("db9", "i-00000004"), ("web2", "i-00000002")];
        let found = found.map(|(host, id)| {
            let mut record = Record::named(host);
            record.set("instance_id", id);
            record
        });
        let down = Failure::unreached("down");
        let failure_of = |host: &Record| Some(&down).filter(|_| host.str("region").as_deref() == Some("down"));
        let (records, missing) = arrange(&query, found.into(), failure_of);
        let hosts: Vec<&str> = records.iter().map(Record::host).collect();
        assert_eq!(hosts, ["web2", "web1", "far", "db9", "db10"]);
        assert_eq!(records[0].to_string(), r#"{"mine":1,"host":"web2","instance_id":"i-00000002","state":"running"}"#);
        assert_eq!(records[2].str("error").as_deref(), Some("down"));
        assert_eq!(missing, [Record::named("web9")]);
    }

    #[test]
    fn contradiction_is_refused() {
        assert!(try_query("role=web role!=web", "").is_err());
        assert!(try_query("role=web role!=*", "").is_err());
        assert!(try_query("role=web role=db role!=web", "").is_ok());
    }

    #[test]
    fn saved_listing_has_no_fact_that_only_ec2_knows() {
        assert!(query("role=web --type t3.* --ip 10.1.2.3", "").check_is_local().is_ok());
        assert!(query("--filter Name=host-id,Values=h", "").check_is_local().is_err());
        assert!(query("--zone use1-az1", "").check_is_local().is_err());
    }
}
