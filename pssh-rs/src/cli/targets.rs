//! Reads the hosts, asks ssh_config about each, and reads the files that its answers name.

use crate::base::policy::{Engine, HostKeyPolicy};
use crate::cli::args::{Args, nonempty};
use crate::cli::make_target::{Common, env_path, make_target};
use crate::cli::named_host::{AddressChoice, name_hosts, split_port, split_user};
use crate::host::target::{Problem, Target};
use crate::known_hosts::KnownHostsStore;
use crate::session::algorithms::shortened;
use crate::session::script::Script;
use crate::session::ssh_session::supported_algorithms;
use crate::ssh_config::{ConfigSource, look_up};
use cerveza_manners::{Failure, Result, Tool};
use cerveza_record::{Record, Value};
use cerveza_results::{HostStatus, Phase};
use hostrange::read_hosts_and_excluded;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads the hosts of the run, without those of `--exclude`.
pub fn read_records(args: &Args, tool: &Tool) -> Result<Vec<Record>> {
    let (mut records, excluded) =
        read_hosts_and_excluded(&args.hosts, &args.exclude, tool).map_err(with_hint_about_users)?;
    for (expression, excluded) in args.exclude.iter().zip(excluded) {
        let before = records.len();
        records.retain(|record| !names_of(record.host()).iter().any(|name| excluded.contains(name)));
        if records.is_empty() {
            return Err(Failure::usage("no host is left: -x leaves out all of them"));
        }
        if records.len() == before {
            tool.warn(format!("-x {expression} leaves out no host"));
        }
    }
    Ok(records)
}

/// pssh(1) takes lines of a host and its user, with a blank between them.
fn with_hint_about_users(failure: Failure) -> Failure {
    match (&failure.hint, failure.message.contains("blanks do not separate names")) {
        (Some(hint), true) => {
            let hint = format!("{hint}; a host and its user are written user@host");
            failure.hint(hint)
        }
        _ => failure,
    }
}

/// Returns the names that a host is left out by: `root@web1:2222`, `web1:2222` and `web1` are the same host.
fn names_of(host: &str) -> [&str; 3] {
    let (_, name) = split_user(host);
    [host, name, split_port(name).0]
}

/// Makes the targets of the run from its records.
pub fn read_targets(args: &Args, records: Vec<Record>, tool: &Tool) -> Result<Vec<Target>> {
    let choice = AddressChoice { user: given_text(&args.user), port: args.port, address: args.address.as_deref() };
    let named = name_hosts(records, choice);
    let specs: Vec<_> = named.iter().map(|named| named.spec()).collect();
    let (file, jump) = (args.ssh_config.as_deref(), args.jump.as_deref());
    let source = ConfigSource { file, options: &args.ssh_option, jump, engine: args.engine };
    let answers = look_up(&specs, &source, &mut |warning| tool.warn(warning))?;
    drop(specs);
    let common = Common {
        engine: args.engine,
        connect_timeout: args.connect_timeout,
        host_key: args.host_key,
        identities: nonempty(&args.identity),
        agent: env_path("SSH_AUTH_SOCK"),
    };
    let targets = named.into_iter().zip(answers).map(|(named, answer)| make_target(named, answer, &common));
    let mut targets: Vec<Target> = targets.collect();
    if !args.pull.is_empty() {
        refuse_duplicates(targets.iter().map(|target| target.record.host()))?;
    }
    if args.engine == Engine::Libssh2 {
        warn_of_algorithms(&targets, tool)?;
    }
    read_known_hosts(args, &mut targets, tool)?;
    if let Some(field) = &args.run {
        read_scripts(field, &mut targets)?;
    }
    Ok(targets)
}

fn refuse_duplicates<'a>(mut hosts: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = HashSet::new();
    match hosts.find(|host| !seen.insert(*host)) {
        Some(host) => Err(Failure::usage(format!("the host {host:?} comes twice: --pull has one folder for a host"))),
        None => Ok(()),
    }
}

/// Warns of algorithms that the user has written in ssh_config and that this engine lacks.
fn warn_of_algorithms(targets: &[Target], tool: &Tool) -> Result<()> {
    let named: BTreeSet<&str> =
        targets.iter().flat_map(|target| &target.options.named_algorithms).map(String::as_str).collect();
    if named.is_empty() {
        return Ok(());
    }
    let supported = supported_algorithms().map_err(|error| Failure::usage(format!("cannot use libssh2: {error}")))?;
    let lacking: Vec<&str> = named.into_iter().filter(|name| !supported.contains(name)).collect();
    if !lacking.is_empty() {
        tool.warn(format!("ssh_config names algorithms that the default engine lacks: {}", shortened(&lacking)));
    }
    Ok(())
}

fn given_text(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// Reads each file of known hosts once, whatever the number of hosts. With the openssh engine, ssh reads them again.
fn read_known_hosts(args: &Args, targets: &mut [Target], tool: &Tool) -> Result<()> {
    if args.dry_run {
        return Ok(());
    }
    let chosen = nonempty(&args.known_hosts);
    let store = KnownHostsStore::default();
    let mut views = HashMap::new();
    for target in targets {
        let options = &target.options;
        let takes_any = target.host_key == HostKeyPolicy::Off && target.host_keys.is_none();
        let files: Vec<PathBuf> = match chosen.is_empty() {
            _ if takes_any => Vec::new(),
            true => options.user_known_hosts.iter().chain(&options.global_known_hosts).cloned().collect(),
            false => chosen.clone(),
        };
        let revoked = options.revoked_host_keys.as_ref().filter(|_| args.engine == Engine::Libssh2);
        if takes_any && revoked.is_none() {
            continue;
        }
        // A named file that does not exist is a mistake, unless it is to be created.
        let required = !chosen.is_empty() && target.host_key == HostKeyPolicy::Strict;
        let key = (files, revoked.cloned(), target.host_key);
        if let Some(known) = views.get(&key) {
            target.known_hosts = Arc::clone(known);
            continue;
        }
        let revoked = match revoked.map(|file| store.revoked(file)).transpose() {
            Ok(revoked) => revoked,
            Err(error) => {
                let problem = Problem { status: HostStatus::HostKey, phase: Phase::HostKey, error };
                target.problem.get_or_insert(problem);
                continue;
            }
        };
        let accept = match target.host_key {
            HostKeyPolicy::AcceptNew => Some(key.0.first().map(PathBuf::as_path).ok_or_else(|| {
                Failure::usage("there is no file to keep host keys in").hint("name one with --known-hosts")
            })?),
            HostKeyPolicy::Strict | HostKeyPolicy::Off => None,
        };
        let known = store.view(&key.0, required, accept, |warning| tool.warn(warning))?;
        known.open_accept()?;
        let known = Arc::new(known.with_revoked(revoked));
        target.known_hosts = Arc::clone(&known);
        views.insert(key, known);
    }
    Ok(())
}

/// Reads the scripts that records name in `field`, each once.
fn read_scripts(field: &str, targets: &mut [Target]) -> Result<()> {
    if targets.iter().all(|target| target.record.get(field).is_none()) {
        return Err(Failure::usage(format!("no record has a field {field:?}"))
            .hint("ec2-launch sets startup_scripts and shutdown_scripts, where its profile has them"));
    }
    let mut scripts: HashMap<PathBuf, std::result::Result<Arc<Script>, String>> = HashMap::new();
    for target in targets {
        let refused = |status, error| Some(Problem { status, phase: Phase::Exec, error });
        let paths = match target.record.get(field) {
            None | Some(Value::Null) => {
                target.problem = refused(HostStatus::Skipped, format!("the record has no {field}"));
                continue;
            }
            Some(value) => match script_paths(value) {
                Some(paths) => paths,
                None => {
                    let error = format!("{field} of the record is neither a file's name nor a list of them");
                    target.problem = refused(HostStatus::Failed, error);
                    continue;
                }
            },
        };
        for path in paths {
            let script = scripts.entry(path).or_insert_with_key(|path| read_script(path));
            match script {
                Ok(script) => target.scripts.push(Arc::clone(script)),
                Err(error) => target.problem = refused(HostStatus::Failed, error.clone()),
            }
        }
    }
    Ok(())
}

fn read_script(path: &Path) -> std::result::Result<Arc<Script>, String> {
    Script::read(path).map(Arc::new).map_err(|error| format!("cannot read the script {}: {error}", path.display()))
}

fn script_paths(value: Value) -> Option<Vec<PathBuf>> {
    let name = |value: Value| match value {
        Value::String(name) if !name.is_empty() => Some(PathBuf::from(name)),
        _ => None,
    };
    match value {
        Value::Array(values) => values.into_iter().map(name).collect(),
        value => name(value).map(|name| vec![name]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cerveza_record::json;
    use std::fs;

    fn targets(lines: &[&str]) -> Vec<Target> {
        let choice = AddressChoice { user: Some("me"), port: None, address: None };
        let records = lines.iter().map(|line| Record::parse(line).unwrap()).collect();
        let common = Common {
            engine: Engine::Libssh2,
            connect_timeout: None,
            host_key: None,
            identities: Vec::new(),
            agent: None,
        };
        let config = || Err("not asked".to_string());
        let named = name_hosts(records, choice).into_iter();
        named.map(|named| Target { problem: None, ..make_target(named, config(), &common) }).collect()
    }

    #[test]
    fn a_host_is_excluded_by_each_of_its_names() {
        assert_eq!(names_of("root@web1:2222"), ["root@web1:2222", "web1:2222", "web1"]);
        assert_eq!(names_of("web1"), ["web1"; 3]);
        assert_eq!(names_of("[::1]:22"), ["[::1]:22", "[::1]:22", "::1"]);
    }

    #[test]
    fn blanks_between_names_get_a_hint_about_users() {
        let failure = Failure::usage("blanks do not separate names").hint("use commas");
        let hint = with_hint_about_users(failure).hint.unwrap();
        assert_eq!(hint, "use commas; a host and its user are written user@host");
        assert_eq!(with_hint_about_users(Failure::usage("other").hint("x")).hint.unwrap(), "x");
    }

    #[test]
    fn a_pull_refuses_a_host_that_comes_twice() {
        assert!(refuse_duplicates(["a", "b"].into_iter()).is_ok());
        let why = refuse_duplicates(["a", "b", "a"].into_iter()).unwrap_err().message;
        assert_eq!(why, "the host \"a\" comes twice: --pull has one folder for a host");
    }

    #[test]
    fn scripts_are_read_once_and_each_host_has_its_own_problem() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.sh");
        fs::write(&file, "true\n").unwrap();
        let both = json!({"host": "both", "run": [file, file]}).to_string();
        let lines = [
            both.as_str(),
            r#"{"host":"none"}"#,
            r#"{"host":"null","run":null}"#,
            r#"{"host":"number","run":[1]}"#,
            r#"{"host":"gone","run":"/no/such.sh"}"#,
        ];
        let mut targets = targets(&lines);
        read_scripts("run", &mut targets).unwrap();
        let scripts = &targets[0].scripts;
        assert!(scripts.len() == 2 && Arc::ptr_eq(&scripts[0], &scripts[1]) && targets[0].problem.is_none());
        let problems: Vec<_> =
            targets[1..].iter().map(|target| target.problem.as_ref().map(|p| (p.status, p.error.as_str()))).collect();
        let skipped = Some((HostStatus::Skipped, "the record has no run"));
        let wrong = "run of the record is neither a file's name nor a list of them";
        let gone = "cannot read the script /no/such.sh: No such file or directory (os error 2)";
        let failed = [wrong, gone].map(|why| Some((HostStatus::Failed, why)));
        assert_eq!(problems, [skipped, skipped, failed[0], failed[1]]);
        let failure = read_scripts("other", &mut targets).unwrap_err();
        assert_eq!(failure.message, "no record has a field \"other\"");
    }
}
