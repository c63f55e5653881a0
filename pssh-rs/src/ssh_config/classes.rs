//! Few runs for many hosts: hosts that no word of the configuration tells apart have the same answer.
//!
//! ssh reads its files line by line, and only patterns decide what counts. So two hosts for which every word there matches
//! the same way (against the name, the address, the user and every name that HostName may make) go the same way through
//! all files. What then still differs is where a value names the host. Two hosts of each class are asked for, and where the
//! second is not as foretold, all of them are.

use super::options::{Host, Maker, Template, filled, tokens};
use super::query::Query;
use super::run::{Dump, NOTHING, Ssh, Trouble};
use super::scan::{ALGORITHMS, Scan, TEMPLATES};
use super::words::{Words, made_name};
use super::{Answer, Local, expand};
use crate::base::policy::Engine;
use std::collections::HashMap;

type Answered = Result<Answer, String>;

/// Keywords of which it is asked whether they are set, and those that a neutral answer must be compared with; beside
/// these, `ALGORITHMS` and what is unused.
const COMPARED: [&str; 4] = ["identityfile", "userknownhostsfile", "globalknownhostsfile", "stricthostkeychecking"];
/// From so many runs on they are worth a word.
const MANY: usize = 200;

pub fn answers(
    ssh: &Ssh<'_>,
    queries: &[Result<Query, String>],
    warn: &mut dyn FnMut(String),
) -> Result<Vec<Answered>, Trouble> {
    let first = queries.iter().flatten().next();
    let mut known = HashMap::new();
    let probe = match first.map(|first| ssh.probe(first)) {
        Some(Err(trouble @ (Trouble::Missing | Trouble::NoAccount(_)))) => return Err(trouble),
        Some(Ok(dump)) => {
            known.extend(first.map(|first| (first, Ok(dump.clone()))));
            dump
        }
        // Whether it is that host, or the configuration.
        Some(Err(_)) | None => ssh.probe(&Query::neutral())?,
    };
    let facts = probe.bytes("controlpath").and_then(Local::parse);
    let local = facts.ok_or_else(|| Trouble::Failed("what `ssh -G` says is not understood".to_string()))?;
    let mut scan = Scan::new(ssh.source, &probe.log);
    let compared = COMPARED.iter().chain(&ALGORITHMS).any(|keyword| scan.has(keyword)) || !scan.unused.is_empty();
    let plain = scan.unsure.is_none() && scan.files > 0 && !compared;
    let defaults = if plain { probe } else { ssh.defaults()? };
    if scan.files == 0 {
        scan.check_log(&defaults.log, NOTHING);
    }

    let (classes, mut alone) = classes(&scan, queries);
    let chosen: Vec<&Query> = classes.iter().flat_map(|class| representatives(class, queries)).collect();
    if chosen.len() + alone.len() >= MANY {
        let why = scan.unsure.as_deref().unwrap_or("the configuration tells so many apart");
        warn(format!("`ssh -G` is run for {} hosts: {why}", chosen.len() + alone.len()));
    }
    let mut found = Finder { maker: Maker::new(&local, &defaults, &scan), scan: &scan, local: &local, queries };
    let mut answers: Vec<Option<Answered>> =
        queries.iter().map(|query| query.as_ref().err().map(|error| Err(error.clone()))).collect();

    ask(ssh, &mut known, chosen.into_iter());
    for class in &classes {
        match found.class(class, &known) {
            Some(all) => all.into_iter().for_each(|(at, answer)| answers[at] = Some(answer)),
            None => alone.extend(class),
        }
    }
    ask(ssh, &mut known, alone.iter().filter_map(|&at| queries[at].as_ref().ok()));
    for at in alone {
        answers[at] = found.alone(at, &known);
    }
    if ssh.source.engine == Engine::Libssh2 {
        let differs = |keyword: &str| known.values().flatten().any(|dump| dump.all(keyword).ne(defaults.all(keyword)));
        let unused: Vec<&str> =
            scan.unused.iter().filter(|(keyword, _)| differs(keyword)).map(|(_, name)| name.as_str()).collect();
        if !unused.is_empty() {
            let unused = unused.join(", ");
            warn(format!("these settings of ssh_config have no effect with the default engine: {unused}"));
        }
    }
    Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err("ssh was not asked".to_string()))).collect())
}

type Known<'a> = HashMap<&'a Query, Result<Dump, Trouble>>;

/// Asks for those of which nothing is known yet.
fn ask<'a>(ssh: &Ssh<'_>, known: &mut Known<'a>, queries: impl Iterator<Item = &'a Query>) {
    let mut new: Vec<&Query> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for query in queries {
        if !known.contains_key(query) && seen.insert(query) {
            new.push(query);
        }
    }
    let dumps = ssh.ask_all(&new);
    known.extend(new.into_iter().zip(dumps));
}

/// The hosts by class, and those that are asked for by themselves.
fn classes(scan: &Scan, queries: &[Result<Query, String>]) -> (Vec<Vec<usize>>, Vec<usize>) {
    let words = Words::new(scan);
    let mut alone = Vec::new();
    let mut places: HashMap<Vec<u32>, usize> = HashMap::new();
    let mut classes: Vec<Vec<usize>> = Vec::new();
    for (at, query) in queries.iter().enumerate() {
        let Ok(query) = query else { continue };
        if scan.unsure.is_some() || !query.is_plain() {
            alone.push(at);
            continue;
        }
        let place = *places.entry(words.signature(query)).or_insert_with(|| {
            classes.push(Vec::new());
            classes.len() - 1
        });
        classes[place].push(at);
    }
    (classes, alone)
}

/// The first of a class, and the last that is another.
fn representatives<'a>(class: &[usize], queries: &'a [Result<Query, String>]) -> Vec<&'a Query> {
    let query = |at: &usize| queries[*at].as_ref().ok();
    let first = class.first().and_then(query);
    let last = class.iter().rev().filter_map(query).find(|&last| Some(last) != first);
    first.into_iter().chain(last).collect()
}

struct Finder<'a> {
    maker: Maker<'a>,
    scan: &'a Scan,
    local: &'a Local,
    queries: &'a [Result<Query, String>],
}

impl Finder<'_> {
    /// The answer for a host that was asked for.
    fn alone(&mut self, at: usize, known: &Known<'_>) -> Option<Answered> {
        let query = self.queries[at].as_ref().ok()?;
        Some(match known.get(query)? {
            Err(trouble) => Err(words_of(trouble)),
            Ok(dump) => {
                let templates = self.templates(&[(query, dump)], &[at]).unwrap_or_default();
                self.answer(query, dump, &templates)
            }
        })
    }

    /// The answers of a class, or nothing where it is not sure that they are alike.
    fn class(&mut self, class: &[usize], known: &Known<'_>) -> Option<Vec<(usize, Answered)>> {
        let asked = representatives(class, self.queries);
        let dumps: Option<Vec<_>> = asked.iter().map(|query| known.get(*query).map(|dump| (*query, dump))).collect();
        let dumps = dumps?;
        let dumps = match dumps.iter().map(|(query, dump)| dump.as_ref().map(|dump| (*query, dump))).collect() {
            Ok(dumps) => dumps,
            Err(trouble) => return same_trouble(&dumps, trouble).map(|error| spread(class, &error)),
        };
        let dumps: Vec<(&Query, &Dump)> = dumps;
        if asked.len() > 1 && dumps.iter().any(|(_, dump)| canonicalizes(dump)) {
            return None;
        }
        let templates = self.templates(&dumps, class)?;
        let (_, dump) = *dumps.first()?;
        let mut all = Vec::with_capacity(class.len());
        for &at in class {
            let query = self.queries[at].as_ref().ok()?;
            let answer = self.answer(query, dump, &templates);
            // Each host that was asked for must be as foretold.
            if let Some((_, own)) = dumps.iter().skip(1).find(|(other, _)| *other == query)
                && self.answer(query, own, &HashMap::new()) != answer
                && self.answer(query, own, &templates_of_lists(&templates)) != answer
            {
                return None;
            }
            all.push((at, answer));
        }
        Some(all)
    }

    fn answer(&mut self, query: &Query, dump: &Dump, templates: &HashMap<&str, Template>) -> Answered {
        let hostname = match (&query.address, templates.get("hostname").and_then(|words| words.first())) {
            (Some(address), _) => address.clone(),
            (None, Some(template)) => made_name(template, &query.name),
            (None, None) => dump.text("hostname").unwrap_or_else(|| query.name.clone()),
        };
        let user = query.user.clone().or_else(|| dump.text("user")).unwrap_or_else(|| self.local.user.clone());
        let port = query.port.or_else(|| dump.text("port").and_then(|port| port.parse().ok()));
        let host = Host { hostname: &hostname, name: &query.name, user: &user, port: port.unwrap_or(22) };
        self.maker.answer(host, dump, templates)
    }

    /// For each keyword whose printed value may name the host, the value in the configuration that makes it.
    fn templates(&self, dumps: &[(&Query, &Dump)], class: &[usize]) -> Option<HashMap<&'static str, Template>> {
        let mut templates = HashMap::new();
        for keyword in TEMPLATES {
            if let Some(template) = self.template(keyword, dumps, class)? {
                templates.insert(keyword, template);
            }
        }
        Some(templates)
    }

    /// `None` where it is not clear which; `Some(None)` where the value is right as it was printed.
    fn template(&self, keyword: &str, dumps: &[(&Query, &Dump)], class: &[usize]) -> Option<Option<Template>> {
        let (query, dump) = *dumps.first()?;
        let Some(printed) = dump.bytes(keyword) else { return Some(None) };
        if keyword == "hostname" && (dumps.len() == 1 || query.address.is_some()) {
            return Some(None);
        }
        let usual: Template = match keyword {
            "hostname" => vec![b"%h".to_vec()],
            "userknownhostsfile" => vec![b"~/.ssh/known_hosts".to_vec(), b"~/.ssh/known_hosts2".to_vec()],
            _ => Vec::new(),
        };
        let all = self.scan.templates(keyword).iter().chain([&usual]).filter(|template| !template.is_empty());
        let fits = |template: &&Template| {
            dumps.iter().all(|(query, dump)| {
                let printed = dump.bytes(keyword);
                self.line(keyword, template, query, dump).as_deref() == printed
                    || printed == Some(&template.join(&b' '))
            })
        };
        let mut fitting = all.clone().filter(fits);
        let Some(template) = fitting.next() else {
            let same = !self.scan.templates(keyword).iter().flatten().any(|value| expand::names_host(value));
            let right = dumps.len() == 1 || same || Some(printed) == self.maker.defaults.bytes(keyword);
            return (right && (keyword != "hostname")).then_some(None);
        };
        let agrees = |other: &Template| {
            class
                .iter()
                .filter_map(|&at| self.queries[at].as_ref().ok())
                .all(|query| self.line(keyword, template, query, dump) == self.line(keyword, other, query, dump))
        };
        fitting.all(agrees).then(|| Some(template.clone()))
    }

    /// What ssh prints for a host of a template.
    fn line(&self, keyword: &str, template: &Template, query: &Query, dump: &Dump) -> Option<Vec<u8>> {
        if keyword == "hostname" {
            return template.first().map(|template| made_name(template, &query.name).into_bytes());
        }
        let hostname = dump.text("hostname")?;
        let hostname = query.address.clone().unwrap_or(hostname);
        let user = query.user.clone().or_else(|| dump.text("user"))?;
        let port = query.port.or_else(|| dump.text("port")?.parse().ok())?;
        let alias = dump.text("hostkeyalias");
        let host = Host { hostname: &hostname, name: &query.name, user: &user, port };
        let filled = filled(keyword, template, &tokens(self.local, host, alias.as_deref()));
        filled.ok().map(|words| words.join(&b' '))
    }
}

/// Only the lists, whose printed line does not show where a path ends.
fn templates_of_lists(templates: &HashMap<&'static str, Template>) -> HashMap<&'static str, Template> {
    let lists = templates.iter().filter(|(keyword, _)| keyword.ends_with("knownhostsfile"));
    lists.map(|(keyword, template)| (*keyword, template.clone())).collect()
}

fn canonicalizes(dump: &Dump) -> bool {
    let off = |value: &[u8]| [&b"no"[..], b"false"].contains(&value);
    !dump.bytes("canonicalizehostname").is_none_or(off)
        || !dump.bytes("canonicalizepermittedcnames").is_none_or(|value| value == b"none" || value.is_empty())
}

/// What all of a class are told, where all that were asked for are told the same.
fn same_trouble(dumps: &[(&Query, &Result<Dump, Trouble>)], trouble: &Trouble) -> Option<String> {
    let same = dumps.iter().all(|(_, dump)| dump.as_ref().err() == Some(trouble));
    same.then(|| words_of(trouble))
}

fn spread(class: &[usize], error: &str) -> Vec<(usize, Answered)> {
    class.iter().map(|&at| (at, Err(error.to_string()))).collect()
}

fn words_of(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Missing => "the program ssh is gone".to_string(),
        Trouble::NoAccount(why) | Trouble::Failed(why) => why.clone(),
    }
}
