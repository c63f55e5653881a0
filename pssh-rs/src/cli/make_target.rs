//! Makes a target of each host, from options, records and what ssh_config says, without I/O. `--dry-run` prints the
//! targets, a run acts on them.

use crate::auth::{KeySource, Offer};
use crate::base::policy::{Engine, HostKeyPolicy};
use crate::cli::named_host::NamedHost;
use crate::host::target::{Problem, Route, Target};
use crate::known_hosts::HostKeys;
use crate::ssh_config::{HostConfig, HostOptions};
use cerveza_record::{Record, Value, json};
use cerveza_results::{HostStatus, Phase, without_result};
use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The default time limit for connecting.
pub const CONNECT: Duration = Duration::from_secs(10);

/// What the command line decides for all hosts. What it leaves open, ssh_config decides.
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

/// Makes the target of a host. Known hosts and scripts are read later.
pub fn make_target(named: NamedHost, answer: Result<HostConfig, String>, common: &Common) -> Target {
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
        connect_timeout: common.connect_timeout.or(options.connect_timeout).unwrap_or(CONNECT),
        offer: offer(options, common),
        host_key: common.host_key.unwrap_or(options.host_key_policy),
        known_hosts: Arc::default(),
        host_keys: host_keys.ok().flatten(),
        options: answer.options,
        scripts: Vec::new(),
        problem,
        name: named.name,
        record: named.record,
    }
}

/// Returns the problem of a host that needs what only ssh has.
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

/// Returns the configuration of a host that ssh refuses, and that is not tried.
fn unknown(name: &str) -> HostConfig {
    let (hostname, user) = (name.to_string(), String::new());
    HostConfig { hostname, user, port: 22, proxy_jump: None, proxy_command: None, options: Arc::default() }
}

/// Returns the keys that a host is offered, chosen as ssh does.
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

/// Returns a path from the environment, unless it is empty.
pub fn env_path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Returns the record of one host for `--dry-run`. `what` is the same for all hosts.
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
    use crate::cli::named_host::{AddressChoice, name_hosts};

    fn one(line: &str) -> NamedHost {
        let choice = AddressChoice { user: Some("me"), port: None, address: None };
        name_hosts(vec![Record::parse(line).unwrap()], choice).remove(0)
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
    fn a_problem_of_the_record_is_one_of_the_target() {
        let target = make_target(one(r#"{"host":"a","port":0}"#), Ok(answer(HostOptions::default())), &common());
        let problem = target.problem.unwrap();
        assert_eq!((problem.status, problem.phase), (HostStatus::Unreachable, Phase::Resolve));
        assert_eq!(problem.error, "the record's \"port\" is not a port: 0");
    }

    #[test]
    fn the_command_line_comes_before_ssh_config() {
        let named = || one(r#"{"host":"a"}"#);
        let options = HostOptions {
            identity_files: vec!["/k".into()],
            identity_files_set: true,
            connect_timeout: Some(Duration::from_secs(3)),
            host_key_policy: HostKeyPolicy::AcceptNew,
            identity_agent: Some("none".to_string()),
            ..HostOptions::default()
        };
        let configured = make_target(named(), Ok(answer(options.clone())), &common());
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
        let chosen = make_target(named(), Ok(answer(options)), &common);
        assert_eq!((chosen.connect_timeout, chosen.host_key), (Duration::from_secs(1), HostKeyPolicy::Strict));
        assert_eq!((chosen.offer.source, chosen.offer.files), (KeySource::Option, vec![PathBuf::from("/i")]));
    }

    #[test]
    fn a_host_that_only_ssh_can_reach_has_a_problem() {
        let by = |engine, needs: &[(Phase, &str)]| {
            let needs_openssh = needs.iter().map(|(phase, name)| (*phase, name.to_string())).collect();
            let options = HostOptions { needs_openssh, ..HostOptions::default() };
            let common = Common { engine, ..common() };
            make_target(one(r#"{"host":"a"}"#), Ok(answer(options)), &common).problem
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
        let target = make_target(one(line), Ok(answer), &common());
        assert_eq!(
            planned(&target, &[("command", "uptime".into())]).to_string(),
            r#"{"host":"a","private_ip":"10.0.0.1","plan":{"address":"10.0.0.1","user":"me","port":22,"jump":"bastion","command":"uptime"}}"#
        );
    }
}
