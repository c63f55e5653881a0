//! ProxyCommand: a local command whose stdin and stdout carry the SSH connection.

use crate::base::process_group::end_group;
use crate::base::shutdown::Stop;
use crate::base::socket::{Socket, pair};
use crate::base::wait::{WaitError, wait_for};
use cerveza_manners::last_line;
use rustix::event::PollFlags;
use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::env;
use std::ffi::OsString;
use std::io::{self, IoSliceMut, PipeReader, Read, pipe};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// How a socket is received. No child process gets it. On other systems that can only be set afterwards.
#[cfg(target_os = "linux")]
const RECEIVE_SOCKET: RecvFlags = RecvFlags::DONTWAIT.union(RecvFlags::CMSG_CLOEXEC);
#[cfg(not(target_os = "linux"))]
const RECEIVE_SOCKET: RecvFlags = RecvFlags::DONTWAIT;

/// A running ProxyCommand. It is ended when this is dropped.
#[derive(Debug)]
pub struct ProxyChild {
    child: Child,
    stderr: PipeReader,
}

/// Runs `command` as ssh does (`ssh_proxy_connect` in sshconnect.c): by the user's shell, which it replaces. The caller has
/// expanded `%`.
pub fn spawn(command: &str) -> io::Result<(Socket, ProxyChild)> {
    let shell = env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| OsString::from("/bin/sh"));
    let (ours, theirs) = pair()?;
    // A program that does not expect a non-blocking socket would take it for broken.
    ioctl_fionbio(&theirs, false)?;
    let (stderr, stderr_writer) = pipe()?;
    // It is read only at the end. What does not fit is dropped, so the command never blocks.
    ioctl_fionbio(&stderr_writer, true)?;
    ioctl_fionbio(&stderr, true)?;
    let child = Command::new(shell)
        .arg("-c")
        .arg(format!("exec {command}"))
        .stdin(Stdio::from(theirs.try_clone()?))
        .stdout(Stdio::from(theirs))
        .stderr(Stdio::from(stderr_writer))
        // The terminal's Ctrl-C does not reach it, because the remote command is terminated through it first.
        .process_group(0)
        .spawn()?;
    Ok((Socket::new(ours), ProxyChild { child, stderr }))
}

/// Waits for the connection that a command passes over its own, as with ProxyUseFdpass (`ssh_proxy_fdpass_connect` in
/// sshconnect.c).
pub fn receive_passed(from: &Socket, deadline: Instant, stop: &Stop) -> Result<Socket, WaitError> {
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        match recvmsg(from, &mut [IoSliceMut::new(&mut byte)], &mut control, RECEIVE_SOCKET) {
            Ok(_) => {
                let passed = control.drain().find_map(|message| match message {
                    RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
                    _ => None,
                });
                let passed = passed.ok_or_else(|| WaitError::Io(io::Error::other("it passed no connection")))?;
                let is_set = fcntl_setfd(&passed, FdFlags::CLOEXEC).and_then(|()| ioctl_fionbio(&passed, true));
                is_set.map_err(|error| WaitError::Io(error.into()))?;
                return Ok(Socket::new(passed));
            }
            Err(Errno::AGAIN | Errno::INTR) => wait_for(from.as_fd(), PollFlags::IN, Some(deadline), stop)?,
            Err(error) => return Err(WaitError::Io(error.into())),
        }
    }
}

impl ProxyChild {
    /// Returns the last line that it has written to stderr, which usually says why the connection ended.
    pub fn last_words(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        // Not more than a pipe holds, because it may still be writing.
        for _ in 0..64 {
            match self.stderr.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => bytes.extend_from_slice(&buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        last_line(&bytes)
    }
}

impl Drop for ProxyChild {
    fn drop(&mut self) {
        end_group(&mut self.child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{SendFlags, recv, send};
    use rustix::process::{Pid, test_kill_process};
    use std::time::Duration;

    fn read(socket: &Socket) -> Vec<u8> {
        let (stop, deadline) = (Stop::new().unwrap(), Some(Instant::now() + Duration::from_secs(20)));
        wait_for(socket.as_fd(), PollFlags::IN, deadline, &stop).unwrap();
        let mut buffer = [0; 64];
        let (len, _) = recv(socket, &mut buffer, RecvFlags::empty()).unwrap();
        buffer[..len].to_vec()
    }

    #[test]
    fn stdin_and_stdout_of_the_command_are_the_connection() {
        let (socket, mut child) = spawn("sh -c 'echo first >&2; head -c 3; echo why >&2'").unwrap();
        send(&socket, b"abc", SendFlags::empty()).unwrap();
        assert_eq!(read(&socket), b"abc");
        assert_eq!(read(&socket), b"");
        assert_eq!(child.last_words().unwrap(), "why");
    }

    #[test]
    fn a_dropped_command_ends_with_its_children_even_if_it_ignores_term() {
        let (socket, child) = spawn("sh -c 'trap \"\" TERM; sleep 1000 & echo $!; wait; sleep 1000'").unwrap();
        let inner: i32 = String::from_utf8(read(&socket)).unwrap().trim().parse().unwrap();
        let outer = Pid::from_child(&child.child);
        let started = Instant::now();
        drop(child);
        assert!(started.elapsed() < Duration::from_secs(5));
        assert!(test_kill_process(outer).is_err());
        // It is killed, but on a busy machine it takes a moment to end, and the process that inherits it may not reap it.
        let state = || std::fs::read_to_string(format!("/proc/{inner}/stat")).unwrap_or_default();
        while !state().is_empty() && !state().contains(") Z ") {
            assert!(started.elapsed() < Duration::from_secs(30), "{}", state());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
