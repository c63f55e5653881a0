//! A real sshd with its own keys, for the tests. It runs as the user who runs the tests.

use super::*;
use crate::auth::{KeySource, KeyStore, Offer, log_in};
use crate::base::shutdown::Shutdown;
use crate::base::trace::Trace;
use crate::connect::tcp::{connect, resolve};
use crate::known_hosts::verifier::HostKeyQuery;
use crate::session::ssh_session::SshSession;
use crate::ssh_config::AddressFamily;
use cerveza_results::Copied;
use std::ffi::OsStr;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub struct Server {
    pub folder: TempDir,
    child: Child,
    port: u16,
}

impl Server {
    pub fn start(subsystem: &str, more: &str) -> Server {
        let _ = fs::create_dir_all("/run/sshd");
        let folder = TempDir::with_prefix("cerveza-sftp-").unwrap();
        let at = folder.path().display();
        for name in ["host", "id"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.path().join(name));
            assert!(keygen.stdin(Stdio::null()).status().unwrap().success());
        }
        fs::copy(folder.path().join("id.pub"), folder.path().join("authorized_keys")).unwrap();
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let config = format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nAuthorizedKeysFile {at}/authorized_keys\n\
                 PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\n\
                 UseDNS no\nStrictModes no\nPidFile none\nPrintMotd no\n{subsystem}\n{more}\n"
            );
            fs::write(folder.path().join("config"), config).unwrap();
            let mut sshd = Command::new("/usr/sbin/sshd");
            sshd.args(["-D", "-f"]).arg(folder.path().join("config")).arg("-E").arg(folder.path().join("log"));
            let mut child = sshd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let until = Instant::now() + Duration::from_secs(20);
            while child.try_wait().unwrap().is_none() && Instant::now() < until {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Server { folder, child, port };
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("sshd did not start: {}", fs::read_to_string(folder.path().join("log")).unwrap_or_default());
    }

    pub fn sftp() -> Server {
        Server::start("Subsystem sftp internal-sftp", "")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn session(&self) -> SshSession {
        self.session_until(Shutdown::new().unwrap())
    }

    pub fn session_until(&self, shutdown: Shutdown) -> SshSession {
        let deadline = Instant::now() + Duration::from_secs(60);
        let addresses = resolve("127.0.0.1", self.port, AddressFamily::Any, deadline, &shutdown.stop).unwrap();
        let socket = connect(&addresses, None, deadline, &shutdown.stop, Trace::OFF).unwrap();
        let offer = Offer { files: vec![self.path("id")], source: KeySource::Option, ..Offer::default() };
        let mut keys = KeyStore::new(Duration::from_secs(60));
        keys.prepare(std::slice::from_ref(&offer), &shutdown.stop).unwrap();
        let mut session = SshSession::new(Arc::new(socket), shutdown).unwrap();
        session.handshake(&HostKeyQuery::default(), deadline).unwrap();
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        log_in(&session, String::from_utf8(user).unwrap().trim(), &keys, &offer, deadline, Trace::OFF).unwrap();
        session
    }

    pub fn push(&self, source: &Path, dest: impl AsRef<OsStr>) -> Result<Copied, Box<CopyError>> {
        let dest = Some(dest.as_ref().to_os_string());
        let plan = PushPlan::read(&[Spec { source: source.into(), dest }]).unwrap();
        push(&self.session(), &plan, "here", soon())
    }

    pub fn pull(&self, source: impl AsRef<OsStr>, dest: &Path, host: &str) -> Result<Copied, Box<CopyError>> {
        let spec = Spec { source: source.as_ref().to_os_string(), dest: Some(dest.into()) };
        pull(&self.session(), &PullPlan::new(&[spec]).unwrap(), host, soon())
    }
}

impl Server {
    /// Pushes, and runs `act` as soon as a part of a file is in the server's folder.
    pub fn during_push<T>(&self, act: impl FnOnce() + Send, push: impl FnOnce() -> T) -> T {
        let is_begun = |entry: fs::DirEntry| {
            entry.file_name().as_bytes().ends_with(b".pssh-rs") && entry.metadata().is_ok_and(|about| about.len() > 0)
        };
        let folder = self.folder.path();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let until = Instant::now() + Duration::from_secs(60);
                while !fs::read_dir(folder).unwrap().flatten().any(is_begun) && Instant::now() < until {
                    std::thread::sleep(Duration::from_millis(1));
                }
                act();
            });
            push()
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(120))
}
