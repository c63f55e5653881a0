//! From the words of the command line to what is asked of EC2.

use cerveza_ec2::{Filter, LIVE_STATES, is_instance_id};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use hostrange::hosts_from;
use std::io::BufRead;

/// What to look for. All `filters` must hold, and one of the `searches` where there are any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Tags and state.
    pub filters: Vec<Filter>,
    /// By name, by pattern of a name, by id: each is a request of its own.
    pub searches: Vec<Filter>,
    /// The hosts that were asked for by name or id: one that is not found is told of.
    pub named: Vec<String>,
}

impl Query {
    /// `words` are tags (`KEY=GLOB`), patterns of names (`web*`), expressions, or `-` for names and records on stdin.
    /// No state stands for all but the terminated, `all` for every one.
    pub fn new(words: &[String], states: &[String], stdin: impl BufRead) -> Result<Query> {
        let mut query = Query::default();
        let mut patterns = Vec::new();
        let mut expressions = Vec::new();
        for word in words {
            match word.split_once('=') {
                Some((key, glob)) => query.tag(key, glob)?,
                None if word.contains(['*', '?']) => patterns.push(word.clone()),
                None => expressions.push(word.clone()),
            }
        }
        match states {
            [] => query.filters.push(Filter::new("instance-state-name", LIVE_STATES)),
            [all] if all == "all" => {}
            states => query.filters.push(Filter::new("instance-state-name", states)),
        }
        if !patterns.is_empty() {
            query.searches.push(Filter::new("tag:Name", patterns));
        }
        if !expressions.is_empty() {
            query.hosts(&hosts_from(&expressions, stdin)?);
        }
        Ok(query)
    }

    /// A tag given twice may have either value.
    fn tag(&mut self, key: &str, glob: &str) -> Result<()> {
        if key.is_empty() {
            return Err(Failure::usage(format!("={glob}: a tag without a key")));
        }
        let name = format!("tag:{key}");
        match self.filters.iter_mut().find(|filter| filter.name == name) {
            Some(filter) => filter.values.push(glob.to_string()),
            None => self.filters.push(Filter::new(name, [glob])),
        }
        Ok(())
    }

    /// A record is looked for by its instance, a name by its tag.
    fn hosts(&mut self, hosts: &[Record]) {
        let (mut ids, mut names) = (Vec::new(), Vec::new());
        for host in hosts {
            match host.str("instance_id") {
                Some(id) => ids.push(id),
                None if is_instance_id(host.host()) => ids.push(host.host().to_string()),
                None => names.push(host.host().to_string()),
            }
        }
        self.named = [ids.as_slice(), names.as_slice()].concat();
        for (field, values) in [("instance-id", ids), ("tag:Name", names)] {
            if !values.is_empty() {
                self.searches.push(Filter::exact(field, values));
            }
        }
    }

    /// The requests of one region: the filters of each.
    pub fn requests(&self) -> Vec<Vec<Filter>> {
        match self.searches.is_empty() {
            true => vec![self.filters.clone()],
            false => self
                .searches
                .iter()
                .map(|search| [self.filters.as_slice(), std::slice::from_ref(search)].concat())
                .collect(),
        }
    }

    /// Those of the named hosts that no record is of.
    pub fn missing<'a>(&'a self, found: &[Record]) -> Vec<&'a str> {
        let is_found = |name: &String| {
            found.iter().any(|record| record.host() == name || record.str("instance_id").as_ref() == Some(name))
        };
        self.named.iter().filter(|name| !is_found(name)).map(String::as_str).collect()
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
        assert_eq!(query.requests(), [[Filter::new("tag:role", ["web", "db*"]), Filter::new("tag:state", ["prod"])]]);
    }

    #[test]
    fn names_patterns_and_ids_are_asked_for_apart_and_tags_hold_for_all() {
        let query = query(&["env=a=b", "web[1-2]", "i-0123456789abcdef0", "db*"], "").unwrap();
        let env = Filter::new("tag:env", ["a=b"]);
        assert_eq!(
            query.requests(),
            [
                [env.clone(), Filter::new("tag:Name", ["db*"])],
                [env.clone(), Filter::new("instance-id", ["i-0123456789abcdef0"])],
                [env, Filter::new("tag:Name", ["web1", "web2"])],
            ]
        );
    }

    #[test]
    fn stdin_is_read_on_a_dash_alone() {
        assert_eq!(query(&[], "web1\n").unwrap().searches, []);
        let record = r#"{"host":"web1","instance_id":"i-1"}"#;
        assert_eq!(query(&["-"], record).unwrap().searches, [Filter::new("instance-id", ["i-1"])]);
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
