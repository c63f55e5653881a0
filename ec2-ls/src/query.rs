//! From the words of the command line to what is asked of EC2.

use cerveza_ec2::{Filter, LIVE_STATES, check_records, instance_id, is_new};
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, unquoted};
use hostrange::given_from;
use std::collections::HashSet;
use std::io::Read;

/// What to look for. All `filters` must hold, and one of the patterns or hosts where there are any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Tags and state.
    pub filters: Vec<Filter>,
    /// Patterns of names.
    pub patterns: Vec<String>,
    /// Hosts that were asked for by name or by instance: one that is not found is told of.
    pub hosts: Vec<Record>,
    /// Expressions that may also be names.
    pub expressions: Vec<String>,
}

impl Query {
    /// `words` are tags (`KEY=GLOB`), patterns of names (`web*`), expressions, or `-` for names and records on stdin.
    /// No state stands for all but the terminated, `all` for every one.
    pub fn new(words: &[String], states: &[String], stdin: impl Read) -> Result<Query> {
        let mut query = Query::default();
        let mut expressions = Vec::new();
        for word in words {
            let unquoted = |sought: &[char]| unquoted(word).find(|(_, c)| sought.contains(c)).map(|(at, _)| at);
            if let Some(at) = unquoted(&['=']) {
                query.tag(&word[..at], &word[at + 1..])?;
            } else if word.starts_with('@') || unquoted(&['*', '?']).is_none() {
                // `@SOURCE:*` is all of a node group.
                expressions.push(word.clone());
            } else if unquoted(&['[']).is_some() {
                return Err(Failure::usage(format!("{word}: EC2 knows * and ? in a pattern, but no [...]")));
            } else {
                query.patterns.push(word.clone());
            }
        }
        match states {
            [] => query.filters.push(Filter::new("instance-state-name", LIVE_STATES)),
            [all] if all == "all" => {}
            states => query.filters.push(Filter::new("instance-state-name", states)),
        }
        if !expressions.is_empty() {
            let given = given_from(&expressions, stdin)?;
            check_records(&given.hosts)?;
            (query.hosts, query.expressions) = (given.hosts, given.expressions);
        }
        Ok(query)
    }

    /// A tag given twice may have either value.
    fn tag(&mut self, key: &str, glob: &str) -> Result<()> {
        if key.is_empty() {
            return Err(Failure::usage(format!("={glob}: a tag without a key")));
        }
        if key.ends_with('!') {
            return Err(Failure::usage(format!("{key}={glob}: EC2 has no filter for what is not so")));
        }
        let name = format!("tag:{key}");
        match self.filters.iter_mut().find(|filter| filter.name == name) {
            Some(filter) => filter.values.push(glob.to_string()),
            None => self.filters.push(Filter::new(name, [glob])),
        }
        Ok(())
    }

    /// The regions of hosts whose records say theirs.
    pub fn regions(&self) -> impl Iterator<Item = String> {
        self.hosts.iter().filter_map(|host| host.str("region"))
    }

    /// Whether there is anything that is not in the region its record says.
    pub fn is_anywhere(&self) -> bool {
        self.hosts.is_empty() || !self.patterns.is_empty() || self.hosts.iter().any(|host| host.get("region").is_none())
    }

    /// The requests of one region: the filters of each.
    pub fn requests(&self, region: &str) -> Vec<Vec<Filter>> {
        if self.patterns.is_empty() && self.hosts.is_empty() {
            return vec![self.filters.clone()];
        }
        let here = |host: &&Record| host.str("region").is_none_or(|its| its == region);
        let (mut ids, mut names) = (Vec::new(), Vec::new());
        for host in self.hosts.iter().filter(here) {
            match instance_id(host) {
                Some(id) => ids.push(id),
                None => names.push(host.host().to_string()),
            }
        }
        names.extend(self.expressions.iter().cloned());
        let patterns = Filter::new("tag:Name", &self.patterns);
        let searches = [patterns, Filter::exact("instance-id", ids), Filter::exact("tag:Name", names)];
        let searches = searches.into_iter().filter(|search| !search.values.is_empty());
        searches.map(|search| [self.filters.as_slice(), &[search]].concat()).collect()
    }

    /// Drops instances that were not asked for: servers other than EC2 may match more than the exact text of a filter.
    pub fn keep_exact(&self, found: &mut Vec<Record>) {
        if self.hosts.is_empty() || !self.patterns.is_empty() {
            return;
        }
        let names: HashSet<&str> = self.hosts.iter().map(Record::host).collect();
        let ids: HashSet<String> = self.hosts.iter().filter_map(instance_id).collect();
        let is_asked = |found: &Record| {
            names.contains(found.host()) || found.str("instance_id").is_some_and(|id| ids.contains(&id))
        };
        found.retain(is_asked);
    }

    /// The instance that was found, within the record that asked for it, if one did: its other keys come through.
    pub fn answer(&self, found: Record) -> Record {
        match self.hosts.iter().find(|host| is_of(host, &found)) {
            Some(host) => {
                let mut answer = host.clone();
                answer.merge(found);
                answer
            }
            None => found,
        }
    }

    /// Whether every live instance is asked for.
    pub fn is_everything(&self) -> bool {
        self.hosts.is_empty() && self.patterns.is_empty() && !self.is_narrowed()
    }

    /// Whether more than the names and ids decides what is found.
    pub fn is_narrowed(&self) -> bool {
        self.filters.iter().any(|filter| *filter != Filter::new("instance-state-name", LIVE_STATES))
    }

    /// Those of the hosts that no record is of.
    pub fn missing<'a>(&'a self, found: &[Record]) -> Vec<&'a str> {
        self.hosts.iter().filter(|host| is_missing(host, found)).map(Record::host).collect()
    }

    /// The instances (region, id) of missing hosts that were launched a moment ago.
    pub fn missing_new(&self, found: &[Record]) -> Vec<(String, String)> {
        let hosts = self.hosts.iter().filter(|host| is_new(host) && is_missing(host, found));
        hosts.filter_map(|host| Some((host.str("region")?, host.str("instance_id")?))).collect()
    }
}

fn is_missing(host: &Record, found: &[Record]) -> bool {
    !found.iter().any(|found| is_of(host, found))
}

fn is_of(host: &Record, found: &Record) -> bool {
    match instance_id(host) {
        Some(id) => found.str("instance_id") == Some(id),
        None => found.host() == host.host() && host.str("region").is_none_or(|its| found.str("region") == Some(its)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(words: &[&str], stdin: &str) -> Result<Query> {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        Query::new(&words, &["all".to_string()], stdin.as_bytes())
    }

    #[test]
    fn a_tag_given_twice_may_have_either_value_and_two_tags_must_both_hold() {
        let query = query(&["role=web", "role=db*", "state=prod"], "").unwrap();
        assert_eq!(
            query.requests("r"),
            [[Filter::new("tag:role", ["web", "db*"]), Filter::new("tag:state", ["prod"])]]
        );
    }

    #[test]
    fn names_patterns_and_ids_are_asked_for_apart_and_tags_hold_for_all() {
        let query = query(&["env=a=b", "web[1-2]", "i-0123456789abcdef0", "db*"], "").unwrap();
        let env = Filter::new("tag:env", ["a=b"]);
        assert_eq!(
            query.requests("r"),
            [
                [env.clone(), Filter::new("tag:Name", ["db*"])],
                [env.clone(), Filter::new("instance-id", ["i-0123456789abcdef0"])],
                [env, Filter::new("tag:Name", ["web1", "web2", "web[1-2]"])],
            ]
        );
    }

    #[test]
    fn stdin_is_read_on_a_dash_alone() {
        assert_eq!(query(&[], "web1\n").unwrap().hosts, []);
        let record = r#"{"host":"web1","instance_id":"i-1"}"#;
        assert_eq!(query(&["-"], record).unwrap().requests("r"), [[Filter::new("instance-id", ["i-1"])]]);
    }

    #[test]
    fn a_record_is_looked_for_in_its_region_and_comes_through() {
        let record = r#"{"mine":1,"host":"web1","instance_id":"i-1","region":"us-west-2","state":"running"}"#;
        let query = query(&["-"], record).unwrap();
        assert_eq!(query.requests("us-east-1"), Vec::<Vec<Filter>>::new());
        assert_eq!(query.requests("us-west-2").len(), 1);
        assert_eq!(query.regions().collect::<Vec<_>>(), ["us-west-2"]);
        assert!(!query.is_anywhere());
        let found = Record::parse(r#"{"host":"web1","instance_id":"i-1","state":"stopped"}"#).unwrap();
        assert_eq!(query.answer(found).to_string(), record.replace("running", "stopped"));
    }

    #[test]
    fn brackets_are_no_pattern_of_ec2s() {
        assert!(query(&["web[1-3]*"], "").is_err());
    }

    #[test]
    fn without_a_state_the_terminated_are_left_out() {
        let query = Query::new(&[], &[], &b""[..]).unwrap();
        assert_eq!(query.filters, [Filter::new("instance-state-name", LIVE_STATES)]);
        let query = Query::new(&[], &["stopped".to_string()], &b""[..]).unwrap();
        assert_eq!(query.filters, [Filter::new("instance-state-name", ["stopped"])]);
    }

    #[test]
    fn hosts_that_were_named_and_not_found_are_told_of() {
        let query = query(&["web[1-3]"], "").unwrap();
        assert_eq!(query.missing(&[Record::named("web2")]), ["web1", "web3"]);
    }
}
