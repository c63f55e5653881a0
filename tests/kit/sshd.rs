//! A real sshd on loopback, with keys of its own: nothing of ~/.ssh or of the machine's sshd is touched.

use crate::Sandbox;
use crate::account::Account;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PROGRAM: &str = "/usr/sbin/sshd";
/// Where sshd wants to lock itself up; it does not start without it.
const PRIVSEP: &str = "/run/sshd";

pub struct Sshd {
    dir: TempDir,
    child: Child,
    port: u16,
    user: String,
    account: Option<Account>,
}

impl Sshd {
    /// Listens on 127.0.0.1 to 127.0.0.12 (sshd has room for 16); on the addresses above nothing answers.
    pub fn start() -> Sshd {
        Sshd::with(&twelve_addresses(), "")
    }

    /// Answers on all of 127.0.0.0/8, as a VPC of 127.0.0.0/16 needs it, and lets nobody in from elsewhere.
    pub fn everywhere() -> Sshd {
        Sshd::with(&["0.0.0.0".to_string()], "")
    }

    /// [`Sshd::start`], for a user who is not root: an account made for this sshd if root runs the tests.
    pub fn for_account() -> Sshd {
        Sshd::for_account_with("")
    }

    /// [`Sshd::for_account`], with lines added to sshd's configuration.
    pub fn for_account_with(config: &str) -> Sshd {
        let mut sshd = Sshd::with(&twelve_addresses(), config);
        if user() == "root" {
            // The account reads its key itself.
            fs::set_permissions(sshd.dir.path(), fs::Permissions::from_mode(0o711)).expect("a folder of ours");
            let account = Account::make();
            sshd.user = account.name.clone();
            sshd.account = Some(account);
        }
        sshd
    }

    /// Listens on these addresses, with lines added to its configuration.
    pub fn with(addresses: &[String], config: &str) -> Sshd {
        assert!(
            Path::new(PROGRAM).is_file(),
            "{PROGRAM} is missing: run `apt-get install openssh-server`, or `make setup`"
        );
        // Only root may and need make it.
        let _ = fs::create_dir_all(PRIVSEP);
        let dir = TempDir::with_prefix("cerveza-sshd-").expect("a temporary folder");
        for kind in ["ed25519", "ecdsa"] {
            keygen(&dir.path().join(format!("host_{kind}")), kind);
        }
        keygen(&dir.path().join("id"), "ed25519");
        // A free port may be taken before sshd has it: try again then.
        for _ in 0..5 {
            let port = free_port();
            let mut child = spawn(dir.path(), addresses, port, config);
            if answers(&mut child, port) {
                return Sshd { dir, child, port, user: user(), account: None };
            }
        }
        let log = fs::read_to_string(dir.path().join("log")).unwrap_or_default();
        panic!("sshd did not start:\n{log}");
    }

    /// Ends the server. The port is free for another one, and [`Sshd::start_again`] takes it back.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts a server that was stopped, as it was.
    pub fn start_again(&mut self) {
        self.child = launch(self.dir.path());
        assert!(answers(&mut self.child, self.port), "sshd did not start again:\n{}", self.log());
    }

    /// Lets the user's key in, or no key.
    pub fn authorize(&self, allowed: bool) {
        let key = if allowed { fs::read(self.dir.path().join("id.pub")).expect("a public key") } else { Vec::new() };
        fs::write(self.dir.path().join("authorized_keys"), key).expect("authorized_keys written");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// 127.0.0.N at its port: itself up to 12, of [`Sshd::start`]; above that there is room for other servers, which
    /// the same options reach.
    pub fn at(&self, last: u8) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), self.port))
    }

    /// Who may log in: the account of [`Sshd::for_account`], or the user who runs the tests.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password that sudo wants of the account of [`Sshd::for_account`]. Nobody's own password is ever tried.
    pub fn password(&self) -> &str {
        &self.account.as_ref().expect("this test needs root, to make an account that may use sudo").password
    }

    /// The private key that the user may log in with.
    pub fn identity(&self) -> PathBuf {
        self.dir.path().join("id")
    }

    /// The host's public key of a kind (`ed25519`, `ecdsa`), as `TYPE BASE64`.
    pub fn host_key(&self, kind: &str) -> String {
        public_key(&self.dir.path().join(format!("host_{kind}.pub")))
    }

    /// A known_hosts file with the host's keys under `names`: names or addresses, `*` for all.
    pub fn known_hosts(&self, names: &[&str]) -> PathBuf {
        let names: Vec<String> = names.iter().map(|name| format!("[{name}]:{}", self.port)).collect();
        let line = |kind| format!("{} {}\n", names.join(","), self.host_key(kind));
        let path = self.dir.path().join("known_hosts");
        fs::write(&path, line("ed25519") + &line("ecdsa")).expect("known_hosts written");
        path
    }

    /// What sshd wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Lets the sandbox's pssh-rs log in here, by any name, without an option.
    pub fn open_to(&self, sandbox: &mut Sandbox) {
        let path = |path: PathBuf| path.display().to_string();
        sandbox
            .env("PSSH_RS_USER", &self.user)
            .env("PSSH_RS_PORT", self.port.to_string())
            .env("PSSH_RS_IDENTITY", path(self.identity()))
            .env("PSSH_RS_KNOWN_HOSTS", path(self.known_hosts(&["*"])));
    }
}

impl Drop for Sshd {
    /// Ends sshd with all that it started: commands run in sessions of their own, where no process group reaches them,
    /// and some outlive theirs.
    fn drop(&mut self) {
        let mut pids = descendants(self.child.id());
        pids.extend(logged_in(self.port));
        pids.push(self.child.id());
        let pids = pids.iter().map(u32::to_string);
        let _ = Command::new("kill").arg("-KILL").args(pids).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

fn twelve_addresses() -> Vec<String> {
    (1..=12).map(|last| format!("127.0.0.{last}")).collect()
}

fn spawn(dir: &Path, addresses: &[String], port: u16, config: &str) -> Child {
    let shown = dir.display();
    fs::copy(dir.join("id.pub"), dir.join("authorized_keys")).expect("authorized_keys written");
    let listen: String = addresses.iter().map(|address| format!("ListenAddress {address}\n")).collect();
    // A HOME of its own: the shells read no start-up file of whoever runs the tests, which may take seconds.
    let config = format!(
        "Port {port}\n{listen}HostKey {shown}/host_ed25519\nHostKey {shown}/host_ecdsa\n\
         AuthorizedKeysFile {shown}/authorized_keys\nAllowUsers *@127.0.0.0/8\nPermitRootLogin prohibit-password\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nUseDNS no\nStrictModes no\nPidFile none\n\
         PrintMotd no\nPrintLastLog no\nMaxStartups 1000:30:2000\nSubsystem sftp internal-sftp\nSetEnv HOME={shown}\n\
         {config}\n"
    );
    fs::write(dir.join("config"), config).expect("sshd's configuration written");
    launch(dir)
}

fn launch(dir: &Path) -> Child {
    // sshd must not outlive a test that was killed.
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", PROGRAM, "-D", "-f"])
        .arg(dir.join("config"))
        .arg("-E")
        .arg(dir.join("log"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run setpriv (util-linux): {error}"))
}

/// Waits until sshd listens; whether it does.
fn answers(child: &mut Child, port: u16) -> bool {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(60) {
        if child.try_wait().expect("a child to wait for").is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn keygen(path: &Path, kind: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-N", "", "-C", "cerveza-tests", "-f"]).arg(path);
    let status = command.stdin(Stdio::null()).status();
    let status = status.unwrap_or_else(|error| panic!("cannot run ssh-keygen (openssh-client): {error}"));
    assert!(status.success(), "ssh-keygen made no {kind} key");
}

fn public_key(path: &Path) -> String {
    let line = fs::read_to_string(path).expect("a public key");
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8(output.stdout).expect("a user's name").trim().to_string()
}

/// The processes under `root`, as /proc has them now.
fn descendants(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // After the name, which may hold anything: state, parent.
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found.split_off(1)
}

/// The processes, orphans too, whose environment says that they came in by this port.
fn logged_in(port: u16) -> Vec<u32> {
    let port = format!(" {port}");
    let here = |variable: &[u8]| variable.starts_with(b"SSH_CONNECTION=") && variable.ends_with(port.as_bytes());
    let pids = fs::read_dir("/proc").into_iter().flatten();
    let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(here)
    })
    .collect()
}
