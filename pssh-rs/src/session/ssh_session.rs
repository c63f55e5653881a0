//! An SSH session with our own deadlines: libssh2 never blocks, and every wait ends at a deadline or on Ctrl-C.

use crate::base::shutdown::{Shutdown, Stop};
use crate::base::socket::Socket;
use crate::base::wait::{WaitError, check, wait_for};
use crate::ffi::{attach_socket, send_keepalive};
use crate::known_hosts::verifier::{HostKeyQuery, host_key_algorithms};
use crate::session::algorithms::{Allowed, Kind, Ours, why_failed};
use crate::ssh_config::{HostOptions, ServerAlive};
use libssh2_sys as raw;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use ssh2::{BlockDirections, ErrorCode, MethodType, Session};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// For a connection that was closed by the server, reset, or silent for too long.
pub const LOST: &str = "the connection was lost";

/// The state of keepalives.
#[derive(Clone, Copy)]
struct Keepalive {
    alive: ServerAlive,
    /// How many keepalives in a row the host has not answered.
    unanswered: u32,
    /// When the next one is due, if nothing arrives before.
    due: Instant,
}

pub struct SshSession {
    session: Session,
    socket: Arc<Socket>,
    /// The algorithms that we offer.
    ours: Ours,
    keepalive: Cell<Option<Keepalive>>,
    /// The stop that ends waits.
    stop: RefCell<Arc<Stop>>,
    shutdown: Shutdown,
}

impl SshSession {
    pub fn new(socket: Arc<Socket>, shutdown: Shutdown) -> Result<SshSession, ssh2::Error> {
        let mut session = Session::new()?;
        session.set_blocking(false);
        attach_socket(&mut session, &socket);
        let stop = RefCell::new(Arc::clone(&shutdown.stop));
        Ok(SshSession { session, socket, ours: Ours::default(), keepalive: Cell::new(None), stop, shutdown })
    }

    /// Runs `work`, whose waits only the second stop ends. For work after a stop, such as terminating a command.
    pub fn sheltered<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.stop.replace(Arc::clone(&self.shutdown.abort));
        let result = work();
        self.stop.replace(before);
        result
    }

    pub fn stop(&self) -> Arc<Stop> {
        Arc::clone(&self.stop.borrow())
    }

    /// Cuts the connection at once, so no call of libssh2 can wait for it.
    pub fn cut(&self) {
        self.socket.cut();
    }

    /// The session of the `ssh2` crate.
    pub fn raw(&self) -> &Session {
        &self.session
    }

    /// Offers only the algorithms that ssh_config names, of those that libssh2 has.
    pub fn set_algorithms(&mut self, options: &HostOptions) -> Result<(), WaitError> {
        self.session.set_compress(options.compression);
        let allow = |kind, methods: &[MethodType], asked: &Option<String>| {
            let supported = self.session.supported_algs(methods[0])?;
            let allowed = Allowed::new(kind, &supported, asked.as_deref());
            let allowed = allowed.map_err(|why| WaitError::Io(io::Error::other(why)))?;
            for method in methods.iter().filter(|_| asked.is_some()) {
                self.session.method_pref(*method, &allowed.names.join(","))?;
            }
            Ok::<Allowed, WaitError>(allowed)
        };
        self.ours = Ours {
            key_exchange: allow(Kind::KeyExchange, &[MethodType::Kex], &options.kex_algorithms)?,
            // Which of these are offered depends on the host's known keys too.
            host_key: allow(Kind::HostKey, &[MethodType::HostKey], &options.host_key_algorithms)?,
            cipher: allow(Kind::Cipher, &[MethodType::CryptCs, MethodType::CryptSc], &options.ciphers)?,
            mac: allow(Kind::Mac, &[MethodType::MacCs, MethodType::MacSc], &options.macs)?,
        };
        Ok(())
    }

    /// Exchanges banners and keys. Prefers the host key algorithms of the keys in `query`.
    pub fn handshake(&mut self, query: &HostKeyQuery<'_>, deadline: Instant) -> Result<(), WaitError> {
        let supported = self.session.supported_algs(MethodType::HostKey)?;
        let host_keys = host_key_algorithms(&supported, query);
        if host_keys.is_empty() {
            let why = "ssh_config's HostKeyAlgorithms leaves none that this host could prove a key by";
            return Err(WaitError::Io(io::Error::other(why)));
        }
        self.session.method_pref(MethodType::HostKey, &host_keys)?;
        self.ours.host_key.names = host_keys.split(',').map(str::to_string).collect();
        let mut session = self.session.clone();
        let result = self.drive(Some(deadline), |_| session.handshake());
        let opening = self.socket.transcript.take_opening();
        let wait_error = match result {
            Ok(()) => return Ok(()),
            Err(WaitError::Stopped) => return Err(WaitError::Stopped),
            Err(wait_error) => wait_error,
        };
        let reset = |why: String| Err(WaitError::Io(io::Error::new(io::ErrorKind::ConnectionReset, why)));
        match (why_failed(&opening, &self.ours), self.disconnect(), wait_error) {
            (Some(why), _, _) => Err(WaitError::Io(io::Error::other(why))),
            (None, Some(why), _) => reset(format!("the server ended the connection ({why:?})")),
            // libssh2 reports it as a failed key exchange.
            (None, None, WaitError::Ssh(_)) if self.is_closed() => reset(LOST.to_string()),
            (None, None, wait_error) => Err(wait_error),
        }
    }

    /// The algorithms that both sides agreed on.
    pub fn algorithms(&self) -> String {
        let kinds = [MethodType::Kex, MethodType::HostKey, MethodType::CryptCs, MethodType::MacCs, MethodType::CompCs];
        kinds.into_iter().filter_map(|kind| self.session.methods(kind)).collect::<Vec<_>>().join(", ")
    }

    /// Repeats `op` until it no longer would block, at most until the deadline.
    pub fn drive<T>(
        &self,
        deadline: Option<Instant>,
        mut op: impl FnMut(&Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, WaitError> {
        loop {
            if let Some(value) = unless_blocked(op(&self.session))? {
                return Ok(value);
            }
            self.wait(deadline)?;
        }
    }

    /// Returns how many bytes have been received. Once this has changed, repeat a call that would block: another call may have
    /// received what it waits for.
    pub fn received(&self) -> u64 {
        self.socket.received()
    }

    /// Returns whether the socket has room for more data.
    pub fn may_send(&self) -> bool {
        self.socket.flush()
    }

    /// Sends keepalives from now on, and ends each wait if the host does not answer them. Call it after the login, because no
    /// server answers a keepalive before.
    pub fn keep_alive(&self, alive: ServerAlive) {
        let due = Instant::now() + alive.interval;
        self.keepalive.set((!alive.interval.is_zero()).then_some(Keepalive { alive, unanswered: 0, due }));
    }

    /// Waits until the socket is ready for what libssh2 wants of it.
    pub fn wait(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        loop {
            let keepalive = self.keepalive.get();
            let due = keepalive.map(|keepalive| keepalive.due);
            match self.wait_until_ready(due.into_iter().chain(deadline).min()) {
                Err(WaitError::Deadline) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
                ended => {
                    if let (Ok(true), Some(Keepalive { alive, .. })) = (&ended, keepalive) {
                        self.keep_alive(alive);
                    }
                    return ended.map(|_| ());
                }
            }
            if let Some(mut keepalive) = keepalive {
                if keepalive.unanswered >= keepalive.alive.count_max {
                    let silence = keepalive.alive.interval * (keepalive.unanswered + 1);
                    let silence = humantime::format_duration(silence);
                    let error = format!("the host stopped answering (nothing came for {silence})");
                    return Err(WaitError::Io(io::Error::new(io::ErrorKind::TimedOut, error)));
                }
                send_keepalive(&self.session);
                keepalive.unanswered += 1;
                keepalive.due = Instant::now() + keepalive.alive.interval;
                self.keepalive.set(Some(keepalive));
            }
        }
    }

    /// Returns whether the host showed that it is alive: there is something to receive, or room for what could not be sent.
    fn wait_until_ready(&self, deadline: Option<Instant>) -> Result<bool, WaitError> {
        let sent = self.socket.flush();
        let directions = self.session.block_directions();
        let mut flags = PollFlags::empty();
        let reads = matches!(directions, BlockDirections::Inbound | BlockDirections::Both);
        flags.set(PollFlags::IN, reads && self.socket.may_receive());
        flags.set(PollFlags::OUT, !sent || matches!(directions, BlockDirections::Outbound | BlockDirections::Both));
        if !flags.is_empty() {
            return wait_for(self.socket.as_fd(), flags, deadline, &self.stop()).map(|()| true);
        }
        // libssh2 waits for nothing and is not finished: call it again soon, but not at once.
        let soon = Instant::now() + Duration::from_millis(20);
        match wait_for(self.socket.as_fd(), PollFlags::IN, Some(soon), &self.stop()) {
            Err(WaitError::Deadline) if deadline.is_none_or(|deadline| Instant::now() < deadline) => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// Returns whether the peer has closed the connection, or it broke. libssh2 reports that as a refused key.
    pub fn is_closed(&self) -> bool {
        match recv(&self.socket, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((_, received)) => received == 0,
            Err(error) => error != Errno::AGAIN && error != Errno::INTR,
        }
    }

    /// Returns the server's reason, if it has ended the connection by a message.
    pub fn disconnect(&self) -> Option<String> {
        self.socket.transcript.disconnect()
    }

    /// As [`check`], with the stop of this session.
    pub fn check(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        check(deadline, &self.stop())
    }
}

impl Drop for SshSession {
    /// Sends a disconnect message in one try. The socket is shut down before the session is freed, so freeing cannot wait.
    fn drop(&mut self) {
        if self.session.authenticated() {
            let _ = self.session.disconnect(None, "", None);
        }
        self.socket.cut();
    }
}

/// Returns the algorithms that libssh2 has, of every kind.
pub fn supported_algorithms() -> Result<Vec<&'static str>, ssh2::Error> {
    let session = Session::new()?;
    let kinds = [MethodType::Kex, MethodType::HostKey, MethodType::CryptCs, MethodType::MacCs];
    let lists = kinds.into_iter().map(|kind| session.supported_algs(kind));
    Ok(lists.collect::<Result<Vec<_>, _>>()?.concat())
}

/// Returns the value of a call, or `None` if the call would block.
pub fn unless_blocked<T>(result: Result<T, ssh2::Error>) -> Result<Option<T>, WaitError> {
    match result {
        Err(error) if error.code() == ErrorCode::Session(raw::LIBSSH2_ERROR_EAGAIN) => Ok(None),
        result => Ok(Some(result?)),
    }
}

/// Returns whether the error is the end of the connection, rather than a reply.
pub fn is_disconnect(error: &ssh2::Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::Session(
            raw::LIBSSH2_ERROR_SOCKET_DISCONNECT
                | raw::LIBSSH2_ERROR_SOCKET_SEND
                | raw::LIBSSH2_ERROR_SOCKET_RECV
                | raw::LIBSSH2_ERROR_BAD_SOCKET
        )
    )
}

/// Returns an error of libssh2 as a phrase.
pub fn phrase(error: &ssh2::Error) -> String {
    match error.code() {
        _ if is_disconnect(error) => LOST.to_string(),
        ErrorCode::Session(code) => format!("{} (libssh2 {code})", error.message()),
        ErrorCode::SFTP(code) => format!("{} (SFTP {code})", error.message()),
    }
}
