//! Makes the job from the options. What can be checked without a host is checked here, before the first connection.

use crate::auth::{KeyStore, Offer};
use crate::base::policy::Engine;
use crate::base::shutdown::Shutdown;
use crate::cli::args::{Args, nonempty};
use crate::cli::make_target::CONNECT;
use crate::cli::stdin_file::StdinFile;
use crate::connect::jump_host::JumpHosts;
use crate::copy::{PullPlan, PushPlan, Spec};
use crate::ffi::LONGEST_COMMAND;
use crate::host::job::{Job, Work};
use crate::host::target::{Route, Target};
use crate::session::command_line::CommandWrapper;
use crate::session::script::{self, PATH_ALLOWANCE, Script};
use crate::session::sudo::{NoPassword, Password, marks};
use crate::system_ssh::SshRunner;
use crate::system_ssh::control_dir::ControlDir;
use crate::system_ssh::system::SystemSsh;
use cerveza_manners::{Failure, Result, Tool};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// The longest argument that Linux passes to a program: here to ssh, and on the host to the login shell.
const LONGEST_ARGUMENT: usize = 128 * 1024 - 1;

/// What the options name on this machine.
pub struct LocalInputs {
    pub work: Work,
    pub wrapper: CommandWrapper,
    pub push: Option<PushPlan>,
    pub pull: Option<PullPlan>,
    pub stdin: Option<StdinFile>,
}

/// Reads and checks what is named on this machine.
pub fn read_local(args: &Args) -> Result<LocalInputs> {
    refuse_for_openssh(args)?;
    let push = specs(&args.push, "--push")?;
    let pull = specs(&args.pull, "--pull")?;
    let work = what_to_run(args, !(push.is_empty() && pull.is_empty()))?;
    let runs = !matches!(work, Work::Nothing);
    for (option, given) in [
        ("--sudo", args.sudo.is_some()),
        ("--stdin", args.stdin.is_some()),
        ("--env", !args.env.is_empty()),
        ("--chdir", args.chdir.is_some()),
        ("--tty", args.tty),
    ] {
        if given && !runs {
            return Err(Failure::usage(format!("{option} is for a command, and there is none")));
        }
    }
    let wrapper = CommandWrapper {
        chdir: args.chdir.clone(),
        env: args.env.clone(),
        sudo: args.sudo.clone().map(|user| marks(Some(user).filter(|user| !user.is_empty()))),
    };
    refuse_too_long(args.engine, &work, &wrapper)?;
    Ok(LocalInputs {
        work,
        wrapper,
        push: (!push.is_empty()).then(|| PushPlan::read(&push)).transpose()?,
        pull: (!pull.is_empty()).then(|| PullPlan::new(&pull)).transpose()?,
        stdin: args.stdin.as_ref().map(|path| StdinFile::open(path, args)).transpose()?,
    })
}

/// Refuses options that the ssh program cannot carry out.
fn refuse_for_openssh(args: &Args) -> Result<()> {
    let given = [
        ("--push", !args.push.is_empty()),
        ("--pull", !args.pull.is_empty()),
        ("--script", args.script.is_some()),
        ("--run", args.run.is_some()),
        ("--tty", args.tty),
    ];
    match given.iter().find(|(_, given)| *given && args.engine == Engine::Openssh) {
        Some((option, _)) => Err(Failure::usage(format!("--engine openssh runs commands only: it has no {option}"))
            .hint("a script runs as in: --stdin script.sh -- sh -s ARGUMENT...; else leave the engine out")),
        None => Ok(()),
    }
}

/// Refuses a command that cannot be sent: a packet of libssh2's, or an argument of ssh's, holds no more.
fn refuse_too_long(engine: Engine, work: &Work, wrapper: &CommandWrapper) -> Result<()> {
    let (what, command) = match work {
        Work::Nothing => return Ok(()),
        Work::Command(command) => ("command", command.clone()),
        Work::Script(_, words) => ("script's command line", script::line(&"x".repeat(PATH_ALLOWANCE), words)),
        Work::ScriptsOfRecord => ("script's command line", "x".repeat(PATH_ALLOWANCE)),
    };
    let line = |command| match engine {
        Engine::Libssh2 => wrapper.wrap(command),
        Engine::Openssh => wrapper.wrap_without_prompt(command),
    };
    let (len, besides) = (line(&command).len(), line("").len());
    let most = match engine {
        Engine::Libssh2 => LONGEST_COMMAND,
        Engine::Openssh => LONGEST_ARGUMENT,
    };
    if len <= most {
        return Ok(());
    }
    let with = if besides > 0 { ", with what --env, --chdir and --sudo add to it" } else { "" };
    let way_out = match (work, engine) {
        _ if besides > len / 2 => "put long values into a file, --push it, and read it in the command",
        (Work::Command(_), Engine::Openssh) => "put it into a script, as in: --stdin script.sh -- sh -s",
        (Work::Command(_), Engine::Libssh2) if len <= LONGEST_ARGUMENT => &format!(
            "put it into a script (--script FILE), or use --engine openssh, which sends {LONGEST_ARGUMENT} bytes"
        ),
        (Work::Command(_), Engine::Libssh2) => "put it into a script (--script FILE)",
        _ => "put long arguments into a file, --push it, and read it in the script",
    };
    Err(Failure::usage(format!("the {what} has {len} bytes{with}: at most {most} can be sent")).hint(way_out))
}

fn specs(given: &[OsString], option: &str) -> Result<Vec<Spec>> {
    let parse = |text: &OsString| {
        Spec::parse(text).map_err(|why| Failure::usage(format!("{option} {}: {why}", text.display())))
    };
    given.iter().map(parse).collect()
}

fn what_to_run(args: &Args, copies: bool) -> Result<Work> {
    let command = args.command.join(" ");
    if let Some(path) = &args.script {
        let script = Script::read(path)
            .map_err(|error| Failure::usage(format!("cannot read the script {}: {error}", path.display())))?;
        return Ok(Work::Script(Arc::new(script), args.command.clone()));
    }
    let is_empty = command.trim().is_empty();
    match (&args.run, is_empty, copies) {
        (Some(_), true, _) => Ok(Work::ScriptsOfRecord),
        (Some(_), false, _) => Err(Failure::usage("--run takes no command: the records name what to run")),
        (None, false, _) => Ok(Work::Command(command)),
        (None, true, true) => Ok(Work::Nothing),
        (None, true, false) => {
            Err(Failure::usage("no command is given").hint("write it last, as in: pssh-rs -w 'web[1-3]' -- uptime"))
        }
    }
}

/// Handles signals from now on, and ends the run at its deadline.
pub fn shutdown(deadline: Option<Instant>) -> Result<Shutdown> {
    let no_pipe = |error: io::Error| Failure::usage(format!("cannot make a pipe: {error}"));
    let shutdown = Shutdown::new().map_err(no_pipe)?;
    let no_thread = |error: io::Error| Failure::usage(format!("cannot start a thread: {error}"));
    shutdown.handle_signals().map_err(no_thread)?;
    if let Some(deadline) = deadline {
        shutdown.end_at(deadline).map_err(no_thread)?;
    }
    Ok(shutdown)
}

/// Reads keys, asks for what protects them, and connects to jump hosts.
pub fn prepare_job(
    args: &Args,
    local: LocalInputs,
    targets: &[Target],
    shutdown: Shutdown,
    tool: &Tool,
) -> Result<Job> {
    let is_libssh2 = args.engine == Engine::Libssh2;
    let verbose = args.verbose.then_some(*tool);
    let tried = || targets.iter().filter(|target| target.problem.is_none());
    let mut keys = KeyStore::new(args.auth_timeout);
    if is_libssh2 {
        let offers: Vec<Offer> = tried().map(|target| target.offer.clone()).collect();
        keys.prepare(&offers, &shutdown.stop)?;
        keys.require_any(&offers)?;
    }
    let stdin = local.stdin.map(|stdin| stdin.shared(&shutdown.stop)).transpose()?;
    let ssh = SystemSsh {
        program: PathBuf::from("ssh"),
        config: args.ssh_config.clone(),
        options: args.ssh_option.clone(),
        identities: nonempty(&args.identity),
        known_hosts: nonempty(&args.known_hosts),
        host_key: args.host_key,
    };
    let specs: BTreeSet<&str> = tried()
        .filter_map(|target| match &target.route {
            Route::Jump(spec) if is_libssh2 => Some(spec.as_str()),
            _ => None,
        })
        .collect();
    let jumps = if specs.is_empty() {
        None
    } else {
        let bound = args.connect_timeout.unwrap_or(CONNECT) + args.auth_timeout;
        let jumps = JumpHosts::new(ssh.clone(), bound, verbose).map_err(no_folder)?;
        jumps.start(specs, &shutdown.stop);
        Some(jumps)
    };
    let openssh =
        if is_libssh2 { None } else { Some(SshRunner { ssh, folder: ControlDir::new().map_err(no_folder)? }) };
    Ok(Job {
        work: local.work,
        wrapper: local.wrapper,
        // `cli::execute` replaces it by one that asks.
        password: Password::new(Box::new(|_| Err(NoPassword::Because("no password can be asked for".to_string())))),
        push: local.push,
        pull: local.pull,
        stdin,
        tty: args.tty,
        auth: args.auth_timeout,
        timeout: args.timeout,
        keys,
        jumps,
        verbose,
        openssh,
        shutdown,
    })
}

fn no_folder(error: io::Error) -> Failure {
    Failure::usage(format!("cannot make a folder for the sockets of ssh: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn read(words: &[&str]) -> Result<LocalInputs> {
        read_local(&Args::try_parse_from([&["pssh-rs", "-w", "a"], words].concat()).unwrap())
    }

    fn refusal(words: &[&str]) -> String {
        read(words).err().map(|failure| failure.message).unwrap_or_default()
    }

    #[test]
    fn what_to_run_is_a_command_a_script_or_only_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("a.sh").display().to_string();
        std::fs::write(&script, "true\n").unwrap();
        let run = |words: &[&str]| read(words).unwrap().work;
        assert!(matches!(run(&["--", "ls", "-l", "a b"]), Work::Command(command) if command == "ls -l a b"));
        assert!(matches!(run(&["--script", &script, "x"]), Work::Script(_, arguments) if arguments == ["x"]));
        assert!(matches!(run(&["--run", "startup_scripts"]), Work::ScriptsOfRecord));
        assert!(matches!(run(&["--push", &script]), Work::Nothing));
        assert_eq!(refusal(&[]), "no command is given");
        assert_eq!(refusal(&["--", " "]), "no command is given");
        assert_eq!(refusal(&["--run", "f", "--", "x"]), "--run takes no command: the records name what to run");
        assert!(refusal(&["--script", "/no/such"]).starts_with("cannot read the script /no/such: "));
    }

    #[test]
    fn options_of_a_command_need_one() {
        for option in [&["--sudo"][..], &["--stdin", "/dev/null"], &["--env", "A=b"], &["--chdir", "/"], &["--tty"]] {
            let message = refusal(&[option, &["--pull", "/x"]].concat());
            assert_eq!(message, format!("{} is for a command, and there is none", option[0]));
            assert_eq!(refusal(&[option, &["--", "true"]].concat()), "");
        }
    }

    #[test]
    fn the_openssh_engine_runs_commands_only() {
        for option in [&["--push", "/x"][..], &["--pull", "/x"], &["--script", "/x"], &["--run", "f"], &["--tty"]] {
            let message = refusal(&[&["--engine", "openssh"], option, &["true"]].concat());
            assert_eq!(message, format!("--engine openssh runs commands only: it has no {}", option[0]));
        }
    }

    #[test]
    fn a_command_that_cannot_be_sent_is_refused_before_any_connection() {
        let command = "x".repeat(LONGEST_COMMAND + 1);
        let message = refusal(&["--", &command]);
        assert_eq!(message, format!("the command has {} bytes: at most {LONGEST_COMMAND} can be sent", command.len()));
        assert_eq!(refusal(&["--", &command[1..]]), "");
        assert_eq!(refusal(&["--engine", "openssh", "--", &command]), "");
        let failure = read(&["--env", &format!("A={command}"), "--", "true"]).err().unwrap();
        assert!(failure.message.contains("with what --env, --chdir and --sudo add to it"), "{}", failure.message);
        assert!(failure.hint.unwrap().starts_with("put long values into a file"));
    }

    #[test]
    fn a_bad_copy_names_its_option() {
        assert_eq!(refusal(&["--push", ":x"]), "--push :x: \":x\" names no source: it is SRC:DST");
        assert!(refusal(&["--pull", "a:b:c"]).starts_with("--pull a:b:c: "));
        assert!(refusal(&["--push", "/no/such"]).starts_with("cannot push /no/such: "));
    }
}
