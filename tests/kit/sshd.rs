//! A real sshd on loopback, with its own keys. It uses nothing of ~/.ssh or of the machine's sshd.

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
/// The folder that sshd uses for privilege separation. It does not start without it.
const PRIVSEP: &str = "/run/sshd";

pub struct Sshd {
    dir: TempDir,
    child: Child,
    port: u16,
    user: String,
    account: Option<Account>,
}

impl Sshd {
    /// Listens on 127.0.0.1 to 127.0.0.12 (sshd allows 16 addresses). Nothing answers on the addresses above.
    pub fn start() -> Sshd {
        Sshd::with(&twelve_addresses(), "")
    }

    /// Listens on all of 127.0.0.0/8, for a VPC of 127.0.0.0/16, and accepts logins only from loopback.
    pub fn everywhere() -> Sshd {
        Sshd::with(&["0.0.0.0".to_string()], "")
    }

    /// Like [`Sshd::start`], for a user who is not root. If root runs the tests, an account is created for this sshd.
    pub fn for_account() -> Sshd {
        Sshd::for_account_with("")
    }

    /// Like [`Sshd::for_account`], with lines added to sshd's configuration.
    pub fn for_account_with(config: &str) -> Sshd {
        let mut sshd = Sshd::with(&twelve_addresses(), config);
        if user() == "root" {
            // The account must be able to read its key.
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
        // Only root can create it, and only root's sshd needs it.
        let _ = fs::create_dir_all(PRIVSEP);
        let dir = TempDir::with_prefix("cerveza-sshd-").expect("a temporary folder");
        for kind in ["ed25519", "ecdsa"] {
            keygen(&dir.path().join(format!("host_{kind}")), kind);
        }
        keygen(&dir.path().join("id"), "ed25519");
        // Another program may have taken the port: try again.
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

    /// Ends the server and frees its port. [`Sshd::start_again`] uses the same port.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts a stopped server again.
    pub fn start_again(&mut self) {
        self.child = launch(self.dir.path());
        assert!(answers(&mut self.child, self.port), "sshd did not start again:\n{}", self.log());
    }

    /// Adds a program that those who log in run by its name.
    pub fn add_program(&self, name: &str, script: &str) {
        let path = self.dir.path().join("bin").join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for programs");
        fs::write(&path, script).expect("a program written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program of ours");
    }

    /// Returns the folder that is HOME for those who log in. Their working directory is that of the user database.
    pub fn home(&self) -> &Path {
        self.dir.path()
    }

    /// Accepts the user's key, or no key.
    pub fn authorize(&self, allowed: bool) {
        let key = if allowed { fs::read(self.dir.path().join("id.pub")).expect("a public key") } else { Vec::new() };
        fs::write(self.dir.path().join("authorized_keys"), key).expect("authorized_keys written");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns 127.0.0.N. The sshd of [`Sshd::start`] has the addresses up to 12; those above are free for other servers
    /// on the same port.
    pub fn at(&self, last: u8) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), self.port))
    }

    /// Returns the user who can log in: the account of [`Sshd::for_account`], or the user who runs the tests.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the password for sudo of the account of [`Sshd::for_account`].
    pub fn password(&self) -> &str {
        &self.account.as_ref().expect("this test needs root, to make an account that may use sudo").password
    }

    /// Returns the private key that the user can log in with.
    pub fn identity(&self) -> PathBuf {
        self.dir.path().join("id")
    }

    /// Returns the host's public key of a type (`ed25519`, `ecdsa`), as `TYPE BASE64`.
    pub fn host_key(&self, kind: &str) -> String {
        public_key(&self.dir.path().join(format!("host_{kind}.pub")))
    }

    /// Makes a known_hosts file with the host's keys under `names`: names or addresses, or `*` for all.
    pub fn known_hosts(&self, names: &[&str]) -> PathBuf {
        let names: Vec<String> = names.iter().map(|name| format!("[{name}]:{}", self.port)).collect();
        let line = |kind| format!("{} {}\n", names.join(","), self.host_key(kind));
        let path = self.dir.path().join("known_hosts");
        fs::write(&path, line("ed25519") + &line("ecdsa")).expect("known_hosts written");
        path
    }

    /// Returns sshd's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Configures the sandbox so that pssh-rs can log in here, under any host name, without an option.
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
    /// Ends sshd and all processes that it started. Commands have their own sessions, so a signal to the process group does
    /// not reach them.
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
    // Its own HOME, so the shells do not read the user's start-up files, which may take seconds. `bin` in it is for
    // programs that tests add.
    let config = format!(
        "Port {port}\n{listen}HostKey {shown}/host_ed25519\nHostKey {shown}/host_ecdsa\n\
         AuthorizedKeysFile {shown}/authorized_keys\nAllowUsers *@127.0.0.0/8\nPermitRootLogin prohibit-password\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nUseDNS no\nStrictModes no\nPidFile none\n\
         PrintMotd no\nPrintLastLog no\nMaxStartups 1000:30:2000\nSubsystem sftp internal-sftp\nSetEnv HOME={shown} \
         PATH={shown}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n{config}\n"
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

/// Waits until sshd listens. Returns whether it does.
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

/// Returns the child processes of `root`, and their children.
fn descendants(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // After the name, which may contain anything, come the state and the parent.
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

/// Returns the processes, including orphans, whose environment shows that they logged in at this port.
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
