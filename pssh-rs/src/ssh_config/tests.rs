//! Against the real ssh of this machine; nothing of the user's own configuration is read (`-F`).

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;

type Answers = Vec<StdResult<HostConfig, String>>;

fn host(name: &str) -> HostSpec<'_> {
    HostSpec { name, address: None, user: None, port: None }
}

/// The answers, how many runs they took, and what was warned of.
fn found(asked: &[HostSpec<'_>], source: &ConfigSource<'_>) -> Result<(Answers, usize)> {
    let ssh = Ssh::new(OsStr::new("ssh"), source);
    look_up_by(&ssh, asked, &mut |_| {}).map(|answers| (answers, ssh.runs()))
}

/// What ssh itself prints, by no code of ours.
fn printed(file: &Path, asked: &HostSpec<'_>) -> String {
    let mut ssh = std::process::Command::new("ssh");
    ssh.arg("-GF").arg(file);
    for (option, value) in [("-oHostName=", asked.address), ("-l", asked.user)] {
        value.map(|value| ssh.arg(format!("{option}{value}")));
    }
    asked.port.map(|port| ssh.arg(format!("-p{port}")));
    let output = ssh.arg("--").arg(asked.name).output().unwrap();
    format!("\n{}", String::from_utf8_lossy(&output.stdout))
}

struct Config(tempfile::TempDir);

impl Config {
    fn new(text: &str) -> Config {
        let config = Config(tempfile::tempdir().unwrap());
        fs::write(config.path(), text).unwrap();
        config
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("config")
    }

    fn found(&self, asked: &[HostSpec<'_>]) -> (Answers, usize) {
        found(asked, &ConfigSource { file: Some(&self.path()), ..ConfigSource::default() }).unwrap()
    }
}

#[test]
fn few_runs_of_ssh_answer_for_many_hosts() {
    let mut text =
        String::from("Match host \"*.prod.internal\" user root\n Port 2200\nMatch originalhost db*\n User dba\n");
    for block in 0..28 {
        text += &format!("Host rack{block}-*\n Port {}\n", 3000 + block);
    }
    text += "Match final host rack3-9.internal\n Compression yes\nHost *\n HostName %h.internal\n UserKnownHostsFile ~/k/%n ~/k/all\n";
    let names: Vec<String> = (0..5000).map(|at| format!("rack{}-{}", at % 30, at / 30)).collect();
    let asked: Vec<_> = names.iter().map(|name| host(name)).collect();
    let (answers, runs) = Config::new(&text).found(&asked);
    assert!(runs <= 70, "{runs}");
    for (name, answer) in names.iter().zip(&answers) {
        let answer = answer.as_ref().unwrap();
        let rack: u16 = name[4..].split('-').next().unwrap().parse().unwrap();
        assert_eq!(answer.hostname, format!("{name}.internal"));
        assert_eq!(answer.port, if rack < 28 { 3000 + rack } else { 22 });
        assert!(answer.options.user_known_hosts[0].ends_with(format!("k/{name}")));
        assert_eq!(answer.options.compression, name == "rack3-9");
    }
}

#[test]
fn without_patterns_three_runs_answer_for_all() {
    let names: Vec<String> = (0..1000).map(|at| format!("web{at}")).collect();
    let address: Vec<String> = (0..1000).map(|at| format!("10.0.{}.{}", at / 256, at % 256)).collect();
    let asked: Vec<_> =
        names.iter().zip(&address).map(|(name, address)| HostSpec { address: Some(address), ..host(name) }).collect();
    let config = Config::new("Host *\n SendEnv LANG LC_*\n HashKnownHosts yes\n GSSAPIAuthentication yes\n");
    let (answers, runs) = config.found(&asked);
    // Two hosts of the class, and what ssh has by default.
    assert_eq!(runs, 3);
    let options = &answers[0].as_ref().unwrap().options;
    for (answer, address) in answers.iter().zip(&address) {
        let answer = answer.as_ref().unwrap();
        assert_eq!((&answer.hostname, answer.port), (address, 22));
        assert!(Arc::ptr_eq(&answer.options, options));
    }
    assert!(!options.identity_files_set);
    assert!(options.identity_files.iter().all(|file| file.is_absolute()) && !options.identity_files.is_empty());
    assert_eq!((&options.ciphers, &options.host_key_algorithms), (&None, &None));
    assert!(options.needs_openssh.is_empty() && options.hash_known_hosts);
}

#[test]
fn all_options_are_read_and_their_tokens_expanded() {
    let config = Config::new(
        "Host Web1\n HostName %h.X\n Port 7\n User u\n IdentityFile \"/a b/%n-%h-%p-%r\"\n IdentityFile ~/k\n IdentityFile none\n\
         \x20CertificateFile ~/c\n IdentitiesOnly yes\n IdentityAgent $AGENT\n UserKnownHostsFile \"/a/%h\" /c\n\
         \x20GlobalKnownHostsFile none\n StrictHostKeyChecking no\n HostKeyAlias Al\n Ciphers aes128-ctr\n Compression yes\n\
         \x20ProxyCommand nc -x '%%' %h %p # %n\n ConnectTimeout 9\n BindAddress 10.0.0.9\n AddressFamily inet6\n\
         \x20ServerAliveInterval 5\n RequestTTY force\n RemoteCommand echo %n \"%h\"\n SetEnv A=b \"C=d e\"\n\
         \x20PreferredAuthentications gssapi-with-mic,password\nHost *\n ProxyJump %r@gw-%n:22\n",
    );
    let (answers, _) = config.found(&[host("Web1"), host("web2")]);
    let web1 = answers[0].as_ref().unwrap();
    let options = &web1.options;
    assert_eq!((web1.hostname.as_str(), web1.user.as_str(), web1.port), ("web1.x", "u", 7));
    assert_eq!(web1.proxy_command.as_deref(), Some("nc -x '%' web1.x 7 # Web1"));
    assert_eq!(options.identity_files[0], Path::new("/a b/Web1-web1.x-7-u"));
    assert!(options.identity_files[1].is_absolute() && options.identity_files.len() == 2 && options.identity_files_set);
    assert!(options.certificate_files[0].is_absolute() && options.identities_only);
    assert_eq!(options.identity_agent.as_deref(), Some("$AGENT"));
    assert_eq!(options.user_known_hosts, [Path::new("/a/web1.x"), Path::new("/c")]);
    assert_eq!(options.global_known_hosts, [] as [PathBuf; 0]);
    assert!(options.compression);
    assert_eq!(options.host_key_policy, HostKeyPolicy::Off);
    assert_eq!(options.host_key_alias.as_deref(), Some("al"));
    assert_eq!((options.ciphers.as_deref(), options.macs.as_deref()), (Some("aes128-ctr"), None));
    assert_eq!(options.connect_timeout, Some(Duration::from_secs(9)));
    assert_eq!(
        (options.bind_address.map(|address| address.to_string()).as_deref(), options.address_family),
        (Some("10.0.0.9"), AddressFamily::Inet6)
    );
    let needs = (Phase::Auth, "PreferredAuthentications gssapi-with-mic,password".to_string());
    assert_eq!(options.needs_openssh, [needs]);
    assert_eq!(options.environment, [("A".to_string(), "b".to_string()), ("C".to_string(), "d e".to_string())]);
    let web2 = answers[1].as_ref().unwrap();
    assert_eq!(web2.proxy_jump, Some(format!("{}@gw-web2:22", web2.user)));
}

#[test]
fn a_known_hosts_file_with_a_blank_needs_the_openssh_engine() {
    let config = Config::new("Host web1\n UserKnownHostsFile \"/a b/c\"\nHost web2\n UserKnownHostsFile /a /b\n");
    let needs = |name| config.found(&[host(name)]).0.remove(0).unwrap().options.needs_openssh.clone();
    assert_eq!(needs("web1"), [(Phase::HostKey, "UserKnownHostsFile (a name with a blank)".to_string())]);
    assert_eq!(needs("web2"), []);
}

#[test]
fn each_host_alone_gets_the_same_answer() {
    const PATTERNS: [&str; 9] = ["*", "a*", "?b", "A1", "a1,b*", "!ab *", "*.x", "10.*", "ab"];
    const BODY: [&str; 12] = [
        "HostName %h.x",
        "HostName B%h",
        "HostName a1",
        "HostName 10.0.0.1",
        "User ann",
        "Port 7",
        "UserKnownHostsFile ~/%h /b",
        "UserKnownHostsFile \"/a b\" ~/%n",
        "IdentityFile ~/%r-%h",
        "ProxyJump gw",
        "ProxyJump a1",
        "ProxyCommand nc %h %n",
    ];
    const NAMES: [&str; 16] =
        ["a1", "a2", "a3", "a4", "A1", "ab", "ab1", "ab2", "bb", "b.x", "c.x", "d.x", "web.x", "gw", "10.0.0.1", "10"];
    let mut seed = 7_u32;
    let mut pick = |from: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) as usize % from
    };
    for _ in 0..4 {
        let mut text = String::new();
        for _ in 0..2 + pick(4) {
            let pattern = PATTERNS[pick(PATTERNS.len())];
            text += &match pick(6) {
                0 => format!("Match host {}\n", pattern.replace(' ', ",")),
                1 => format!("Match originalhost={} !user ann\n", pattern.replace(' ', ",")),
                2 => format!("Match final host \"{}\"\n", pattern.replace(' ', ",")),
                3 => "Match user ann exec true\n".to_string(),
                _ => format!("Host {pattern}\n"),
            };
            for _ in 0..1 + pick(3) {
                text += &format!("  {}\n", BODY[pick(BODY.len())]);
            }
        }
        if pick(5) == 0 {
            text += "Match exec \"test %h = a1\"\n Port 9\n";
        }
        let config = Config::new(&text);
        let mut asked: Vec<HostSpec<'_>> = NAMES.into_iter().map(host).collect();
        for (at, asked) in asked.iter_mut().enumerate() {
            asked.address = (pick(8) == 0).then_some(["10.0.0.7", "fd00::1", "ab"][at % 3]);
            asked.user = (pick(6) == 0).then_some(["ann", "bob"][at % 2]);
            asked.port = (pick(9) == 0).then_some(99);
        }
        let (together, _) = config.found(&asked);
        for (asked, answer) in asked.iter().zip(&together).filter(|(_, answer)| answer.is_ok()) {
            let answer = answer.as_ref().unwrap();
            let printed = printed(&config.path(), asked);
            let expected = [("hostname", &answer.hostname), ("user", &answer.user), ("port", &answer.port.to_string())];
            for (keyword, value) in expected {
                assert!(printed.contains(&format!("\n{keyword} {value}\n")), "{keyword} {value} {asked:?}\n{text}");
            }
        }
        for (asked, answer) in asked.iter().zip(together) {
            assert_eq!(answer, config.found(&[*asked]).0[0], "{asked:?}\n{text}");
        }
    }
}

#[test]
fn keepalives_have_our_defaults_unless_the_user_sets_them() {
    let alive = |text: &str, name: &str| {
        let answer = Config::new(text).found(&[host(name)]).0.remove(0).unwrap();
        (answer.options.server_alive.interval.as_secs(), answer.options.server_alive.count_max)
    };
    // Debian's ssh would make 300 of it.
    assert_eq!(alive("BatchMode yes\n", "a"), (10, 3));
    let text = "Host a\n ServerAliveInterval 7\nHost b\n ServerAliveInterval 2m\n ServerAliveCountMax 1\n";
    assert_eq!((alive(text, "a"), alive(text, "b"), alive(text, "c")), ((7, 3), (120, 1), (10, 3)));
    assert_eq!(alive("ServerAliveInterval 0\n", "a"), (0, 3));
}

#[test]
fn a_bad_configuration_fails_with_the_message_of_ssh() {
    let config = Config::new("Host a\n Foo bar\n");
    let path = config.path();
    let file = ConfigSource { file: Some(&path), ..ConfigSource::default() };
    let failure = found(&[host("b")], &file).unwrap_err();
    assert!(failure.message.contains("line 2: Bad configuration option: foo"), "{failure}");
    for option in ["Foo=1", "Port=x", "HostName=a\nUser b"] {
        let options = [option.to_string()];
        assert!(
            found(&[host("b")], &ConfigSource { options: &options, ..ConfigSource::default() }).is_err(),
            "{option}"
        );
    }
    let missing = ConfigSource { file: Some(Path::new("/no/such")), ..ConfigSource::default() };
    assert!(found(&[], &missing).unwrap_err().message.contains("/no/such"));
    let options = ["Port 44".to_string(), "User=me".to_string()];
    let none = ConfigSource {
        file: Some(Path::new("none")),
        options: &options,
        jump: Some("j@gw:3"),
        ..ConfigSource::default()
    };
    let answer = found(&[host("b")], &none).unwrap().0.remove(0).unwrap();
    assert_eq!((answer.port, answer.user.as_str(), answer.proxy_jump.as_deref()), (44, "me", Some("j@gw:3")));
}

#[test]
fn a_host_that_ssh_refuses_has_its_own_error() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let config = Config::new(&format!("Host *\n ProxyJump gw\nMatch exec \"touch {}-%n\"\n", made.display()));
    let hostile = format!("$(touch {})", made.display());
    let names = ["ok", "-oPort=3", &hostile, "a\nb", "", "gw"];
    let (answers, _) = config.found(&names.map(host));
    assert!(answers[0].is_ok());
    assert!(answers[1..].iter().all(std::result::Result::is_err));
    assert!(answers[5].as_ref().unwrap_err().contains("jumphost loop"), "{answers:?}");
    assert!(!made.exists());
}

#[test]
fn ssh_may_hang_or_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let slow = folder.path().join("ssh");
    fs::write(&slow, "#!/bin/sh\nsleep 60 & sleep 60\n").unwrap();
    fs::set_permissions(&slow, fs::Permissions::from_mode(0o755)).unwrap();
    let source = ConfigSource::default();
    let mut ssh = Ssh::new(slow.as_os_str(), &source);
    ssh.deadline = Duration::from_millis(50);
    let failure = look_up_by(&ssh, &[host("a")], &mut |_| {}).unwrap_err();
    assert!(failure.message.contains("took longer than 50ms"), "{failure}");

    let gone = folder.path().join("gone");
    let look = |source: &ConfigSource<'_>| look_up_by(&Ssh::new(gone.as_os_str(), source), &[host("a")], &mut |_| {});
    assert_eq!(look(&source).unwrap()[0].as_ref().unwrap().hostname, "a");
    let failure = look(&ConfigSource { jump: Some("gw"), ..source }).unwrap_err();
    assert!(failure.hint.unwrap().contains("openssh-client"));
}
