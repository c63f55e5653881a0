//! Resolves an address and makes a TCP connection, by a deadline.

use crate::base::shutdown::Stop;
use crate::base::socket::{Socket, stream_socket};
use crate::base::trace::Trace;
use crate::base::wait::{WaitError, wait_for};
use crate::ssh_config::AddressFamily as Family;
use rustix::event::PollFlags;
use rustix::net::{AddressFamily, bind, connect as start_connect, sockopt};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// With these, a dead peer is noticed within about a minute, also while a command runs.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVES: u32 = 3;
/// The longest time that sent data may stay unacknowledged. Keepalives are sent only if no data is.
#[cfg(target_os = "linux")]
const USER_TIMEOUT_MS: u32 = 60_000;

/// Looks an address up. The system's resolver cannot be stopped, so its thread is abandoned if it overruns.
pub fn resolve(
    address: &str,
    port: u16,
    family: Family,
    deadline: Instant,
    stop: &Stop,
) -> Result<Vec<SocketAddr>, WaitError> {
    if let Ok(ip) = address.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let (sender, receiver) = sync_channel(1);
    let name = address.to_string();
    std::thread::Builder::new()
        .name("resolve".to_string())
        .stack_size(256 * 1024)
        .spawn(move || {
            let addresses = (name.as_str(), port).to_socket_addrs();
            let is_wanted = |address: &SocketAddr| match family {
                Family::Any => true,
                Family::Inet => address.is_ipv4(),
                Family::Inet6 => address.is_ipv6(),
            };
            let _ = sender.send(addresses.map(|addresses| addresses.filter(is_wanted).collect::<Vec<_>>()));
        })
        .map_err(WaitError::Io)?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(WaitError::Deadline);
        }
        match receiver.recv_timeout(left.min(Duration::from_millis(100))) {
            Ok(Ok(addresses)) if addresses.is_empty() => {
                return Err(WaitError::Io(io::Error::other("the name has no address")));
            }
            Ok(addresses) => return addresses.map_err(WaitError::Io),
            Err(RecvTimeoutError::Disconnected) => return Err(WaitError::Io(io::Error::other("the resolver died"))),
            Err(RecvTimeoutError::Timeout) if stop.is_set() => return Err(WaitError::Stopped),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Connects to the first address that answers. Each gets its share of the time left. Returns the last error if all fail.
pub fn connect(
    addresses: &[SocketAddr],
    from: Option<IpAddr>,
    deadline: Instant,
    stop: &Stop,
    trace: Trace<'_>,
) -> Result<Socket, WaitError> {
    let mut last = WaitError::Deadline;
    for (tried, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let share = deadline.saturating_duration_since(now) / (addresses.len() - tried) as u32;
        match connect_one(address, from, now + share, stop) {
            Err(WaitError::Stopped) => return Err(WaitError::Stopped),
            Err(wait_error) => {
                trace.say(|| match &wait_error {
                    WaitError::Io(error) => format!("no connection to {address}: {error}"),
                    _ => format!("no connection to {address} in time"),
                });
                last = wait_error;
            }
            Ok(socket) => {
                trace.say(|| format!("connected to {address}"));
                return Ok(socket);
            }
        }
    }
    Err(last)
}

fn connect_one(
    address: &SocketAddr,
    from: Option<IpAddr>,
    deadline: Instant,
    stop: &Stop,
) -> Result<Socket, WaitError> {
    let socket = open(address).map_err(|error| WaitError::Io(error.into()))?;
    if let Some(from) = from {
        bind(&socket, &SocketAddr::new(from, 0)).map_err(|error| {
            WaitError::Io(io::Error::new(io::Error::from(error).kind(), format!("cannot bind to {from}: {error}")))
        })?;
    }
    match start_connect(&socket, address) {
        Ok(()) => {}
        Err(rustix::io::Errno::INPROGRESS) => wait_for(socket.as_fd(), PollFlags::OUT, Some(deadline), stop)?,
        Err(error) => return Err(WaitError::Io(error.into())),
    }
    match sockopt::socket_error(&socket) {
        Ok(Ok(())) => Ok(Socket::new(socket)),
        Ok(Err(error)) | Err(error) => Err(WaitError::Io(error.into())),
    }
}

fn open(address: &SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = stream_socket(family)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepidle(&socket, KEEPALIVE)?;
    sockopt::set_tcp_keepintvl(&socket, KEEPALIVE)?;
    sockopt::set_tcp_keepcnt(&socket, KEEPALIVES)?;
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(&socket, USER_TIMEOUT_MS)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn an_address_needs_no_resolver_and_a_closed_port_is_refused_at_once() {
        let stop = Stop::new().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let addresses = resolve("127.0.0.1", port, Family::Any, deadline, &stop).unwrap();
        assert!(connect(&addresses, None, deadline, &stop, Trace::OFF).is_ok());
        drop(listener);
        match connect(&addresses, None, deadline, &stop, Trace::OFF) {
            Err(WaitError::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_wait_ends_at_a_deadline_or_a_stop() {
        let stop = Stop::new().unwrap();
        // TEST-NET-1 (RFC 5737) answers nobody: a black hole, or unreachable on a machine without a network.
        let addresses = [SocketAddr::from(([192, 0, 2, 1], 9))];
        let started = Instant::now();
        assert!(connect(&addresses, None, started + Duration::from_millis(100), &stop, Trace::OFF).is_err());
        assert!(started.elapsed() < Duration::from_secs(5));
        stop.set();
        assert!(stop.is_set());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let wait_error = wait_for(listener.as_fd(), PollFlags::IN, None, &stop);
        assert!(matches!(wait_error, Err(WaitError::Stopped)));
    }
}
