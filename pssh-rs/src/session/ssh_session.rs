//! An SSH session under our own clock: libssh2 never blocks, every wait is ours and ends at the phase's deadline or on
//! Ctrl-C.

use crate::base::shutdown::{Ending, Stop};
use crate::base::socket::Wire;
use crate::base::wait::{Halt, wait_for};
use crate::connect::host_key::{Wanted, host_key_algorithms};
use crate::ffi::{connect_to_wire, send_keepalive};
use crate::session::algorithms::{Allowed, Kind, Ours, why_failed};
use crate::ssh_config::{HostOptions, ServerAlive};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use ssh2::{BlockDirections, ErrorCode, MethodType, Session};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// However it came about: closed by the server, reset on the way, or silent for too long.
pub const LOST: &str = "the connection was lost";

/// What tells whether the host is still there.
#[derive(Clone, Copy)]
struct Watch {
    alive: ServerAlive,
    /// How many keepalives in a row it has not answered.
    unanswered: u32,
    /// When the next one is due, if nothing comes before.
    due: Instant,
}

pub struct Link {
    session: Session,
    wire: Arc<Wire>,
    /// The algorithms that the server is offered.
    ours: Ours,
    watch: Cell<Option<Watch>>,
    /// The stop that waits end by.
    stop: RefCell<Arc<Stop>>,
    ending: Ending,
}

impl Link {
    pub fn new(wire: Arc<Wire>, ending: Ending) -> Result<Link, ssh2::Error> {
        let mut session = Session::new()?;
        session.set_blocking(false);
        connect_to_wire(&mut session, &wire);
        let stop = RefCell::new(Arc::clone(&ending.end));
        Ok(Link { session, wire, ours: Ours::default(), watch: Cell::new(None), stop, ending })
    }

    /// What is done because of a stop, or to clean up, heeds only the last one.
    pub fn sheltered<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.stop.replace(Arc::clone(&self.ending.now));
        let result = work();
        self.stop.replace(before);
        result
    }

    pub fn stop(&self) -> Arc<Stop> {
        Arc::clone(&self.stop.borrow())
    }

    /// Ends the connection on the spot: nothing that libssh2 does with it can wait any more.
    pub fn cut(&self) {
        self.wire.cut();
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Allows the algorithms that ssh_config asks for, of those that libssh2 has.
    pub fn prefer(&mut self, options: &HostOptions) -> Result<(), Halt> {
        self.session.set_compress(options.compression);
        let allow = |kind, methods: &[MethodType], asked: &Option<String>| {
            let supported = self.session.supported_algs(methods[0])?;
            let allowed = Allowed::new(kind, &supported, asked.as_deref());
            let allowed = allowed.map_err(|why| Halt::Io(io::Error::other(why)))?;
            for method in methods.iter().filter(|_| asked.is_some()) {
                self.session.method_pref(*method, &allowed.names.join(","))?;
            }
            Ok::<Allowed, Halt>(allowed)
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

    /// Exchanges banners and keys. Of the host key algorithms those that are `wanted` are asked for first.
    pub fn handshake(&mut self, wanted: &Wanted<'_>, deadline: Instant) -> Result<(), Halt> {
        let supported = self.session.supported_algs(MethodType::HostKey)?;
        let host_keys = host_key_algorithms(&supported, wanted);
        if host_keys.is_empty() {
            let why = "ssh_config's HostKeyAlgorithms leaves none that this host could prove a key by";
            return Err(Halt::Io(io::Error::other(why)));
        }
        self.session.method_pref(MethodType::HostKey, &host_keys)?;
        self.ours.host_key.names = host_keys.split(',').map(str::to_string).collect();
        let mut session = self.session.clone();
        let result = self.drive(Some(deadline), |_| session.handshake());
        let opening = self.wire.heard.take_opening();
        let halt = match result {
            Ok(()) => return Ok(()),
            Err(Halt::Stopped) => return Err(Halt::Stopped),
            Err(halt) => halt,
        };
        let reset = |why: String| Err(Halt::Io(io::Error::new(io::ErrorKind::ConnectionReset, why)));
        match (why_failed(&opening, &self.ours), self.disconnect(), halt) {
            (Some(why), _, _) => Err(Halt::Io(io::Error::other(why))),
            (None, Some(why), _) => reset(format!("the server ended the connection ({why:?})")),
            // libssh2 calls it a failed key exchange.
            (None, None, Halt::Ssh(_)) if self.is_closed() => reset(LOST.to_string()),
            (None, None, halt) => Err(halt),
        }
    }

    /// The algorithms that both sides agreed on.
    pub fn algorithms(&self) -> String {
        let kinds = [MethodType::Kex, MethodType::HostKey, MethodType::CryptCs, MethodType::MacCs, MethodType::CompCs];
        kinds.into_iter().filter_map(|kind| self.session.methods(kind)).collect::<Vec<_>>().join(", ")
    }

    /// Repeats `op` until it no longer would block. The deadline is that of the phase: what trickles in does not move it.
    pub fn drive<T>(
        &self,
        deadline: Option<Instant>,
        mut op: impl FnMut(&Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, Halt> {
        loop {
            match op(&self.session) {
                Err(error) if would_block(&error) => self.wait(deadline)?,
                result => return Ok(result?),
            }
        }
    }

    /// How many bytes have been received. A call that would block is worth repeating once this has changed: another one
    /// may have received what it waits for.
    pub fn received(&self) -> u64 {
        self.wire.received()
    }

    /// Whether the socket has room for more data.
    pub fn may_send(&self) -> bool {
        self.wire.flush()
    }

    /// From now on each wait also ends when the host has been silent for too long. For after the login, since no server
    /// answers a keepalive before.
    pub fn keep_alive(&self, alive: ServerAlive) {
        let due = Instant::now() + alive.interval;
        self.watch.set((!alive.interval.is_zero()).then_some(Watch { alive, unanswered: 0, due }));
    }

    /// Waits until the socket is ready for what libssh2 wants of it.
    pub fn wait(&self, deadline: Option<Instant>) -> Result<(), Halt> {
        loop {
            let watch = self.watch.get();
            let due = watch.map(|watch| watch.due);
            match self.wait_until_ready(due.into_iter().chain(deadline).min()) {
                Err(Halt::Deadline) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
                ended => {
                    if let (Ok(true), Some(Watch { alive, .. })) = (&ended, watch) {
                        self.keep_alive(alive);
                    }
                    return ended.map(|_| ());
                }
            }
            if let Some(mut watch) = watch {
                if watch.unanswered >= watch.alive.count_max {
                    let silence = watch.alive.interval * (watch.unanswered + 1);
                    let silence = humantime::format_duration(silence);
                    let error = format!("the host stopped answering (nothing came for {silence})");
                    return Err(Halt::Io(io::Error::new(io::ErrorKind::TimedOut, error)));
                }
                send_keepalive(&self.session);
                watch.unanswered += 1;
                watch.due = Instant::now() + watch.alive.interval;
                self.watch.set(Some(watch));
            }
        }
    }

    /// Returns whether there was a sign of life: something to receive, or room for what could not be sent.
    fn wait_until_ready(&self, deadline: Option<Instant>) -> Result<bool, Halt> {
        let sent = self.wire.flush();
        let directions = self.session.block_directions();
        let mut flags = PollFlags::empty();
        let reads = matches!(directions, BlockDirections::Inbound | BlockDirections::Both);
        flags.set(PollFlags::IN, reads && self.wire.may_receive());
        flags.set(PollFlags::OUT, !sent || matches!(directions, BlockDirections::Outbound | BlockDirections::Both));
        if !flags.is_empty() {
            return wait_for(self.wire.as_fd(), flags, deadline, &self.stop()).map(|()| true);
        }
        // libssh2 wants nothing and is not done: ask again soon, not at once.
        let soon = Instant::now() + Duration::from_millis(20);
        match wait_for(self.wire.as_fd(), PollFlags::IN, Some(soon), &self.stop()) {
            Err(Halt::Deadline) if deadline.is_none_or(|deadline| Instant::now() < deadline) => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// Whether the peer has closed the connection, or it broke: libssh2 calls that a refused key.
    pub fn is_closed(&self) -> bool {
        match recv(&self.wire, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((_, received)) => received == 0,
            Err(error) => error != Errno::AGAIN && error != Errno::INTR,
        }
    }

    /// Returns the server's reason, if it has ended the connection by a message.
    pub fn disconnect(&self) -> Option<String> {
        self.wire.heard.disconnect()
    }

    /// Whether the deadline has passed or Ctrl-C came: for loops that never need to wait.
    pub fn check(&self, deadline: Option<Instant>) -> Result<(), Halt> {
        match deadline {
            _ if self.stop().is_set() => Err(Halt::Stopped),
            Some(deadline) if Instant::now() >= deadline => Err(Halt::Deadline),
            _ => Ok(()),
        }
    }
}

impl Drop for Link {
    /// Takes leave in one try. The socket is shut before the session is freed, so that freeing cannot wait for the peer.
    fn drop(&mut self) {
        if self.session.authenticated() {
            let _ = self.session.disconnect(None, "", None);
        }
        self.wire.cut();
    }
}

/// The algorithms that libssh2 has, of every kind.
pub fn supported_algorithms() -> Result<Vec<&'static str>, ssh2::Error> {
    let session = Session::new()?;
    let kinds = [MethodType::Kex, MethodType::HostKey, MethodType::CryptCs, MethodType::MacCs];
    let lists = kinds.into_iter().map(|kind| session.supported_algs(kind));
    Ok(lists.collect::<Result<Vec<_>, _>>()?.concat())
}

pub fn would_block(error: &ssh2::Error) -> bool {
    error.code() == ErrorCode::Session(libssh2_sys::LIBSSH2_ERROR_EAGAIN)
}

/// Whether the error is the end of the connection rather than an answer.
pub fn is_disconnect(error: &ssh2::Error) -> bool {
    use libssh2_sys as raw;
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

/// An error of libssh2 as a phrase.
pub fn phrase(error: &ssh2::Error) -> String {
    match is_disconnect(error) {
        true => LOST.to_string(),
        false => match error.code() {
            ErrorCode::Session(code) => format!("{} (libssh2 {code})", error.message()),
            ErrorCode::SFTP(code) => format!("{} (SFTP {code})", error.message()),
        },
    }
}
