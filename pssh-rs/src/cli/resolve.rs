//! Makes a target of each host: a pure function of options, records and what ssh_config says. `--dry-run` prints the
//! targets, a run acts on them.

use crate::auth::{KeySource, Offer};
use crate::base::env::env_path;
use crate::base::policy::{Engine, HostKeyPolicy};
use crate::host::target::{Problem, Route, Target};
use crate::known_hosts::HostKeys;
use crate::ssh_config::{HostConfig, HostKeyCheck, HostOptions, HostSpec};
use cerveza_record::{Record, Value, json};
use cerveza_results::{HostStatus, Phase, without_result};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where ssh_config and the command line say nothing.
pub const CONNECT: Duration = Duration::from_secs(10);

/// The options that decide who is meant.
#[derive(Clone, Copy, Debug)]
pub struct AddressChoice<'a> {
    pub user: Option<&'a str>,
    pub port: Option<u16>,
    /// The only field to take the address from.
    pub address: Option<&'a str>,
}

/// A record with what it and the command line say of the host. The record decides: it is about this host alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub record: Record,
    pub name: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    /// `None`: where its name leads.
    pub address: Option<String>,
    /// Why nothing is tried on this host.
    pub problem: Option<String>,
}

/// The fields that hold an address, best first; `host` itself comes after them.
const ADDRESS_FIELDS: [&str; 2] = ["private_ip", "public_ip"];

pub fn named(records: Vec<Record>, choice: AddressChoice<'_>) -> Vec<Named> {
    records.into_iter().map(|record| name(record, choice)).collect()
}

fn name(record: Record, choice: AddressChoice<'_>) -> Named {
    let field = |key: &str| record.str(key).filter(|value| !value.is_empty());
    let address = match choice.address {
        None => Ok(ADDRESS_FIELDS.into_iter().find_map(field)),
        Some("host") => Ok(None),
        Some(key) => field(key).map(Some).ok_or_else(|| format!("the record has no address in {key:?}")),
    };
    let (own_user, name) = split_user(record.host());
    // The name of a host that is elsewhere may hold anything.
    let (name, own_port) = match address {
        Ok(None) => split_port(name),
        _ => (name, None),
    };
    let user = user_of(&record).map(|user| user.or(own_user.or(choice.user).map(str::to_string)));
    let port = match (port_of(&record), own_port) {
        (Ok(None), Some(digits)) => port(digits).map(Some).map_err(|_| format!("{digits} is not a port")),
        (given, _) => given,
    };
    let port = port.map(|port| port.or(choice.port));
    let problem = address.as_ref().err().or(user.as_ref().err()).or(port.as_ref().err()).cloned();
    let (user, port, address) = (user.ok().flatten(), port.ok().flatten(), address.ok().flatten());
    let name = name.to_string();
    Named { record, name, user, port, address, problem }
}

/// Splits `user@host` as ssh does, at the last `@`.
pub fn split_user(host: &str) -> (Option<&str>, &str) {
    match host.rsplit_once('@') {
        Some((user, name)) if !user.is_empty() && !name.is_empty() => (Some(user), name),
        _ => (None, host),
    }
}

/// Splits `host:22`, `[::1]:22` and `[::1]`. An IPv6 address without brackets is one whole.
pub fn split_port(host: &str) -> (&str, Option<&str>) {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, "")) if !name.is_empty() => (name, None),
        Some((name, rest)) if !name.is_empty() => match rest.strip_prefix(':') {
            Some(port) if is_number(port) => (name, Some(port)),
            _ => (host, None),
        },
        _ => match host.split_once(':') {
            Some((name, port)) if !name.is_empty() && is_number(port) => (name, Some(port)),
            _ => (host, None),
        },
    }
}

fn port(digits: &str) -> Result<u16, ()> {
    digits.parse().ok().filter(|port| *port > 0).ok_or(())
}

/// The record's own user.
fn user_of(record: &Record) -> Result<Option<String>, String> {
    match record.get("user") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(user)) => Ok(Some(user).filter(|user| !user.is_empty())),
        Some(other) => Err(format!("the record's \"user\" is not a name: {other}")),
    }
}

/// The record's own port, a number or its digits.
fn port_of(record: &Record) -> Result<Option<u16>, String> {
    let digits = match record.get("port") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(digits)) => digits,
        Some(other) => other.to_string(),
    };
    port(&digits).map(Some).map_err(|()| format!("the record's \"port\" is not a port: {digits}"))
}

impl Named {
    pub fn asked(&self) -> HostSpec<'_> {
        HostSpec { name: &self.name, address: self.address.as_deref(), user: self.user.as_deref(), port: self.port }
    }
}

/// What the command line decides for all hosts alike; ssh_config has its say where this has none.
#[derive(Clone, Debug)]
pub struct Common {
    pub engine: Engine,
    pub connect_timeout: Option<Duration>,
    pub host_key: Option<HostKeyPolicy>,
    /// The key files of `-i`.
    pub identities: Vec<PathBuf>,
    /// The agent of the environment.
    pub agent: Option<PathBuf>,
}

/// Puts together what is known of a host. What has to be read from files comes later: known_hosts and scripts.
pub fn target(named: Named, answer: Result<HostConfig, String>, common: &Common) -> Target {
    let unreachable = |error: String| Problem { status: HostStatus::Unreachable, phase: Phase::Resolve, error };
    let host_keys = HostKeys::from_record(&named.record);
    let (answer, refused) = match answer {
        Ok(answer) => (answer, None),
        Err(error) => (unknown(&named.name), Some(unreachable(error))),
    };
    let options = &answer.options;
    let needs = (common.engine == Engine::Libssh2).then(|| needs_openssh(options)).flatten();
    let bad_keys = host_keys.as_ref().err().map(|why| Problem {
        status: HostStatus::HostKey,
        phase: Phase::HostKey,
        error: why.clone(),
    });
    let problem = named.problem.clone().map(unreachable).or(refused).or(bad_keys).or(needs);
    Target {
        route: match (answer.proxy_jump, answer.proxy_command) {
            (Some(jump), _) => Route::Jump(jump),
            (None, Some(command)) => Route::Proxy(command),
            (None, None) => Route::Direct,
        },
        user: answer.user,
        port: answer.port,
        address: answer.hostname,
        family: options.address_family,
        engine: common.engine,
        connect_timeout: common.connect_timeout.or(options.connect_timeout).unwrap_or(CONNECT),
        offer: offer(options, common),
        host_key: common.host_key.unwrap_or(match options.host_key_check {
            HostKeyCheck::Strict => HostKeyPolicy::Strict,
            HostKeyCheck::AcceptNew => HostKeyPolicy::AcceptNew,
            HostKeyCheck::Off => HostKeyPolicy::Off,
        }),
        known_hosts: Arc::default(),
        host_keys: host_keys.ok().flatten(),
        options: answer.options,
        scripts: Vec::new(),
        problem,
        name: named.name,
        record: named.record,
    }
}

/// The problem of a host that ssh_config wants reached by means which only ssh has.
fn needs_openssh(options: &HostOptions) -> Option<Problem> {
    let phase = options.needs_openssh.iter().map(|(phase, _)| *phase).min()?;
    let status = match phase {
        Phase::HostKey => HostStatus::HostKey,
        Phase::Auth => HostStatus::Auth,
        _ => HostStatus::Unreachable,
    };
    let wanted: Vec<&str> = options.needs_openssh.iter().map(|(_, wanted)| wanted.as_str()).collect();
    let error = format!("ssh_config wants {} for this host, which only --engine openssh can do", wanted.join(", "));
    Some(Problem { status, phase, error })
}

/// Stands in where ssh_config has no answer; nothing is tried then.
fn unknown(name: &str) -> HostConfig {
    let (hostname, user) = (name.to_string(), String::new());
    HostConfig { hostname, user, port: 22, proxy_jump: None, proxy_command: None, options: Arc::default() }
}

/// The keys that a host is offered: as ssh chooses them.
fn offer(options: &HostOptions, common: &Common) -> Offer {
    let agent = match options.identity_agent.as_deref() {
        None | Some("SSH_AUTH_SOCK") => common.agent.clone(),
        Some("none") => None,
        Some(variable) if variable.starts_with('$') => env_path(&variable[1..]),
        Some(path) => Some(PathBuf::from(path)),
    };
    let (files, source) = match (common.identities.is_empty(), options.identity_files_set) {
        (false, _) => (common.identities.clone(), KeySource::Option),
        (true, true) => (options.identity_files.clone(), KeySource::Config),
        (true, false) => (options.identity_files.clone(), KeySource::Usual),
    };
    let (certificates, identities_only) = (options.certificate_files.clone(), options.identities_only);
    Offer { files, source, certificates, identities_only, agent }
}

/// The plan for one host as its record, for `--dry-run`. `what` is the same for all hosts.
pub fn planned(target: &Target, what: &[(&str, Value)]) -> Record {
    let mut record = without_result(&target.record);
    if let Some(problem) = &target.problem {
        record.set("error", problem.error.as_str());
        return record;
    }
    let mut plan = json!({"address": target.address, "user": target.user, "port": target.port});
    if let Some(fields) = plan.as_object_mut() {
        match &target.route {
            Route::Direct => {}
            Route::Jump(jump) => drop(fields.insert("jump".to_string(), jump.as_str().into())),
            Route::Proxy(command) => drop(fields.insert("proxy_command".to_string(), command.as_str().into())),
        }
        if target.engine == Engine::Openssh {
            fields.insert("engine".to_string(), "openssh".into());
        }
        if !target.scripts.is_empty() {
            let scripts: Vec<String> = target.scripts.iter().map(|script| script.path.display().to_string()).collect();
            fields.insert("scripts".to_string(), scripts.into());
        }
        fields.extend(what.iter().map(|(key, value)| (key.to_string(), value.clone())));
    }
    record.set("plan", plan);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str, choice: AddressChoice<'_>) -> Named {
        named(vec![Record::parse(line).unwrap()], choice).remove(0)
    }

    fn choice(address: Option<&str>) -> AddressChoice<'_> {
        AddressChoice { user: Some("me"), port: None, address }
    }

    fn common() -> Common {
        let (engine, identities) = (Engine::Libssh2, Vec::new());
        Common { engine, connect_timeout: None, host_key: None, identities, agent: Some("/agent".into()) }
    }

    fn answer(options: HostOptions) -> HostConfig {
        let (hostname, user) = ("10.0.0.1".to_string(), "me".to_string());
        HostConfig { hostname, user, port: 22, proxy_jump: None, proxy_command: None, options: Arc::new(options) }
    }

    #[test]
    fn the_private_address_comes_first_and_the_name_s_own_last() {
        let address = |line| one(line, choice(None)).address;
        let both = r#"{"host":"a","public_ip":"5.6.7.8","private_ip":"10.0.0.1"}"#;
        assert_eq!(address(both).as_deref(), Some("10.0.0.1"));
        assert_eq!(address(r#"{"host":"a","public_ip":"5.6.7.8","private_ip":null}"#).as_deref(), Some("5.6.7.8"));
        assert_eq!(address(r#"{"host":"a","private_ip":""}"#), None);
    }

    #[test]
    fn a_chosen_field_that_a_record_lacks_is_a_problem_of_that_host_alone() {
        let line = r#"{"host":"a","private_ip":"10.0.0.1","public_dns":"a.example"}"#;
        let address = |key| one(line, choice(Some(key))).address;
        assert_eq!(address("public_dns").as_deref(), Some("a.example"));
        assert_eq!(address("host"), None);
        let why = "the record has no address in \"public_ip\"";
        assert_eq!(one(line, choice(Some("public_ip"))).problem.unwrap(), why);
        let target = target(one(line, choice(Some("public_ip"))), Ok(answer(HostOptions::default())), &common());
        let problem = target.problem.unwrap();
        assert_eq!((problem.status, problem.error.as_str()), (HostStatus::Unreachable, why));
    }

    /// The user, name and port of a host that is given as such a line, and what is wrong with it.
    fn login(line: &str) -> (String, String, Option<u16>, Option<String>) {
        let record = if line.starts_with('{') { Record::parse(line).unwrap() } else { Record::named(line) };
        let named = named(vec![record], AddressChoice { port: Some(22), ..choice(None) }).remove(0);
        (named.user.unwrap_or_default(), named.name, named.port, named.problem)
    }

    #[test]
    fn a_name_may_carry_its_user_and_port() {
        let is = |line, user: &str, name: &str, port| {
            assert_eq!(login(line), (user.to_string(), name.to_string(), Some(port), None), "{line}");
        };
        is("root@db1", "root", "db1", 22);
        is("@db1", "me", "@db1", 22);
        is("me@corp@db1", "me@corp", "db1", 22);
        is("db1:2222", "me", "db1", 2222);
        is("root@db1:2222", "root", "db1", 2222);
        is("[::1]:2222", "me", "::1", 2222);
        is("root@[fe80::1%eth0]:2222", "root", "fe80::1%eth0", 2222);
        is("[::1]", "me", "::1", 22);
        is("::1", "me", "::1", 22);
        is("2001:db8::1:2222", "me", "2001:db8::1:2222", 22);
        is("db1:ssh", "me", "db1:ssh", 22);
        is(":22", "me", ":22", 22);
        // This host is known by its address, and its name is a tag of EC2.
        is(r#"{"host":"db:1","private_ip":"10.0.0.1"}"#, "me", "db:1", 22);
        for line in ["db1:0", "db1:65536"] {
            assert!(login(line).3.unwrap().ends_with(" is not a port"));
        }
    }

    #[test]
    fn a_record_s_own_user_and_port_come_first() {
        let is = |line, user: &str, port| {
            let (found, _, at, problem) = login(line);
            assert_eq!((found.as_str(), at, problem), (user, Some(port), None), "{line}");
        };
        is(r#"{"host":"root@db1:1","user":"deploy","port":2222}"#, "deploy", 2222);
        is(r#"{"host":"db1","private_ip":"10.0.0.1","user":"deploy","port":"2222"}"#, "deploy", 2222);
        is(r#"{"host":"db1:1","user":null,"port":null}"#, "me", 1);
        is(r#"{"host":"db1","user":""}"#, "me", 22);
        for (line, why) in [
            (r#"{"host":"a","port":0}"#, r#"the record's "port" is not a port: 0"#),
            (r#"{"host":"a","port":"ssh"}"#, r#"the record's "port" is not a port: ssh"#),
            (r#"{"host":"a","port":22.5}"#, r#"the record's "port" is not a port: 22.5"#),
            (r#"{"host":"a","user":["x"]}"#, r#"the record's "user" is not a name: ["x"]"#),
        ] {
            assert_eq!(login(line).3.as_deref(), Some(why));
        }
    }

    #[test]
    fn the_command_line_comes_before_ssh_config() {
        let named = || one(r#"{"host":"a"}"#, choice(None));
        let options = HostOptions {
            identity_files: vec!["/k".into()],
            identity_files_set: true,
            connect_timeout: Some(Duration::from_secs(3)),
            host_key_check: HostKeyCheck::AcceptNew,
            identity_agent: Some("none".to_string()),
            ..HostOptions::default()
        };
        let configured = target(named(), Ok(answer(options.clone())), &common());
        assert_eq!(
            (configured.connect_timeout, configured.host_key),
            (Duration::from_secs(3), HostKeyPolicy::AcceptNew)
        );
        assert_eq!((configured.offer.source, configured.offer.agent), (KeySource::Config, None));
        let common = Common {
            connect_timeout: Some(Duration::from_secs(1)),
            host_key: Some(HostKeyPolicy::Strict),
            identities: vec!["/i".into()],
            ..common()
        };
        let chosen = target(named(), Ok(answer(options)), &common);
        assert_eq!((chosen.connect_timeout, chosen.host_key), (Duration::from_secs(1), HostKeyPolicy::Strict));
        assert_eq!((chosen.offer.source, chosen.offer.files), (KeySource::Option, vec![PathBuf::from("/i")]));
    }

    #[test]
    fn what_only_ssh_can_do_is_said() {
        let by = |engine, needs: &[(Phase, &str)]| {
            let needs_openssh = needs.iter().map(|(phase, name)| (*phase, name.to_string())).collect();
            let options = HostOptions { needs_openssh, ..HostOptions::default() };
            let common = Common { engine, ..common() };
            target(one(r#"{"host":"a"}"#, choice(None)), Ok(answer(options)), &common).problem
        };
        let both = [(Phase::Auth, "PKCS11Provider"), (Phase::HostKey, "KnownHostsCommand")];
        let problem = by(Engine::Libssh2, &both).unwrap();
        assert_eq!((problem.status, problem.phase), (HostStatus::HostKey, Phase::HostKey));
        assert!(problem.error.contains("PKCS11Provider, KnownHostsCommand"), "{}", problem.error);
        assert!(problem.error.contains("--engine openssh"), "{}", problem.error);
        let status = |phase| by(Engine::Libssh2, &[(phase, "x")]).unwrap().status;
        assert_eq!([status(Phase::Connect), status(Phase::Auth)], [HostStatus::Unreachable, HostStatus::Auth]);
        assert_eq!(by(Engine::Openssh, &both), None);
    }

    #[test]
    fn a_dry_run_shows_the_plan_and_no_old_result() {
        let line = r#"{"host":"a","status":"lost","error":"x","private_ip":"10.0.0.1"}"#;
        let mut answer = answer(HostOptions::default());
        answer.proxy_jump = Some("bastion".to_string());
        let target = target(one(line, choice(None)), Ok(answer), &common());
        assert_eq!(
            planned(&target, &[("command", "uptime".into())]).to_string(),
            r#"{"host":"a","private_ip":"10.0.0.1","plan":{"address":"10.0.0.1","user":"me","port":22,"jump":"bastion","command":"uptime"}}"#
        );
    }
}
