//! Servers that misbehave, each at its own loopback address: some never speak SSH; a relay to a real sshd refuses, cuts,
//! stalls or slows connections.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A server. It ends when this value is dropped.
pub struct Hostile {
    at: SocketAddr,
    state: Arc<State>,
    /// Connections that keep the queue of a black hole full.
    _full: Vec<TcpStream>,
}

#[derive(Default)]
struct State {
    over: AtomicBool,
    accepted: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    /// Open connections by their number.
    clients: Mutex<HashMap<usize, TcpStream>>,
}

impl Hostile {
    /// Answers no SYN, because its queue of connections is full and it accepts none.
    pub fn black_hole(at: SocketAddr) -> Hostile {
        let listener = bind(at);
        rustix::net::listen(&listener, 0).expect("a backlog of 0");
        // The kernel decides how many fit: connect until one gets no answer.
        let mut full = Vec::new();
        loop {
            match TcpStream::connect_timeout(&at, Duration::from_millis(400)) {
                Ok(stream) => full.push(stream),
                Err(error) if error.kind() == ErrorKind::TimedOut => break,
                Err(error) => panic!("{at} is to be a black hole, and says: {error}"),
            }
            assert!(full.len() < 10_000, "this kernel takes any number of connections at {at}: no black hole here");
        }
        let state = Arc::new(State::default());
        let held = Arc::clone(&state);
        std::thread::spawn(move || {
            while !held.over.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(50));
            }
            drop(listener);
        });
        Hostile { at, state, _full: full }
    }

    /// Accepts connections and sends nothing.
    pub fn silent(at: SocketAddr) -> Hostile {
        serve(at, |_, client, _| hold(&client))
    }

    /// Sends the banner of an SSH server, and nothing more.
    pub fn banner_only(at: SocketAddr) -> Hostile {
        serve(at, |_, mut client, _| {
            let _ = client.write_all(b"SSH-2.0-OpenSSH_9.9\r\n");
            hold(&client);
        })
    }

    /// Sends `text` again and again, with a pause after each.
    pub fn repeats(at: SocketAddr, text: impl Into<Vec<u8>>, pause: Duration) -> Hostile {
        let text = text.into();
        serve(at, move |_, mut client, state| {
            while !state.over.load(Ordering::Acquire) && client.write_all(&text).is_ok() {
                std::thread::sleep(pause);
            }
        })
    }

    /// Sends `text` and closes the connection.
    pub fn says(at: SocketAddr, text: impl Into<Vec<u8>>) -> Hostile {
        let text = text.into();
        serve(at, move |_, mut client, _| {
            let _ = client.write_all(&text);
            // Read what the client sends: unread data would turn the close into a reset.
            let _ = client.shutdown(Shutdown::Write);
            hold(&client);
        })
    }

    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// Returns how many connections were made.
    pub fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::Acquire)
    }

    /// Returns the largest number of connections that were open at the same time.
    pub fn most_open(&self) -> usize {
        self.state.most_open.load(Ordering::Acquire)
    }

    /// Returns how many connections are open.
    pub fn open(&self) -> usize {
        self.state.open.load(Ordering::Acquire)
    }

    /// Closes all connections with a reset.
    pub fn reset_all(&self) {
        self.state.clients.lock().expect("no panic").values().for_each(reset);
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Release);
        for client in self.state.clients.lock().expect("no panic").values() {
            let _ = client.shutdown(Shutdown::Both);
        }
        // Wake the thread that accepts.
        let _ = TcpStream::connect_timeout(&self.at, Duration::from_millis(10));
    }
}

/// A TCP relay to a real server, with the faults that a test asks for.
#[derive(Clone, Copy, Debug)]
pub struct Relay {
    to: SocketAddr,
    shed: usize,
    end: Option<(usize, End)>,
    rate: Option<usize>,
}

/// How a connection ends after a number of bytes from the server.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Reset,
    Close,
    Stall,
}

impl Relay {
    pub fn to(to: SocketAddr) -> Relay {
        Relay { to, shed: 0, end: None, rate: None }
    }

    /// Refuses the first `count` connections like an overloaded sshd.
    pub fn shed_first(self, count: usize) -> Relay {
        Relay { shed: count, ..self }
    }

    /// Resets the connection after this many bytes from the server, like a firewall that drops its state.
    pub fn reset_after(self, bytes: usize) -> Relay {
        Relay { end: Some((bytes, End::Reset)), ..self }
    }

    /// Closes the connection after this many bytes from the server, like a server that is killed.
    pub fn close_after(self, bytes: usize) -> Relay {
        Relay { end: Some((bytes, End::Close)), ..self }
    }

    /// After this many bytes from the server, passes on nothing in either direction, and keeps the connection open.
    pub fn stall_after(self, bytes: usize) -> Relay {
        Relay { end: Some((bytes, End::Stall)), ..self }
    }

    /// Passes on this many bytes a second from the server.
    pub fn throttle(self, bytes_a_second: usize) -> Relay {
        Relay { rate: Some(bytes_a_second), ..self }
    }

    pub fn at(self, at: SocketAddr) -> Hostile {
        serve(at, move |number, mut client, state| {
            if number < self.shed {
                let _ = client.write_all(b"Exceeded MaxStartups\r\n");
                let _ = client.shutdown(Shutdown::Write);
                return hold(&client);
            }
            let server = TcpStream::connect(self.to).expect("the server behind the relay");
            let stalled = Arc::new(AtomicBool::new(false));
            let (mut from, mut to) = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
            let held = Arc::clone(&stalled);
            let up = std::thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                while let Ok(len @ 1..) = from.read(&mut buffer) {
                    if held.load(Ordering::Acquire) || to.write_all(&buffer[..len]).is_err() {
                        return;
                    }
                }
                let _ = to.shutdown(Shutdown::Write);
            });
            self.down(server, client, &stalled, state);
            let _ = up.join();
        })
    }

    /// Passes on what the server sends, with the fault.
    fn down(self, mut server: TcpStream, mut client: TcpStream, stalled: &AtomicBool, state: &State) {
        let (mut buffer, mut left) = (vec![0; 16 * 1024], self.end.map_or(usize::MAX, |(bytes, _)| bytes));
        while left > 0 {
            let most = buffer.len().min(left).min(self.rate.map_or(usize::MAX, |rate| (rate / 20).max(1)));
            let Ok(len @ 1..) = server.read(&mut buffer[..most]) else { break };
            if client.write_all(&buffer[..len]).is_err() {
                break;
            }
            left -= len;
            if let Some(rate) = self.rate {
                std::thread::sleep(Duration::from_secs_f64(len as f64 / rate as f64));
            }
        }
        match self.end {
            Some((_, End::Reset)) if left == 0 => reset(&client),
            Some((_, End::Stall)) if left == 0 => {
                stalled.store(true, Ordering::Release);
                while !state.over.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            _ => {}
        }
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    }
}

/// Serves each connection on its own thread. Connections are numbered from 0.
fn serve(at: SocketAddr, handle: impl Fn(usize, TcpStream, &State) + Send + Sync + 'static) -> Hostile {
    let listener = bind(at);
    let (state, handle) = (Arc::new(State::default()), Arc::new(handle));
    let shared = Arc::clone(&state);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            if shared.over.load(Ordering::Acquire) {
                return;
            }
            let Ok(client) = client else { continue };
            let number = shared.accepted.fetch_add(1, Ordering::AcqRel);
            let open = shared.open.fetch_add(1, Ordering::AcqRel) + 1;
            shared.most_open.fetch_max(open, Ordering::AcqRel);
            let kept = client.try_clone().expect("a socket");
            shared.clients.lock().expect("no panic").insert(number, kept);
            let (state, handle) = (Arc::clone(&shared), Arc::clone(&handle));
            std::thread::spawn(move || {
                handle(number, client, &state);
                state.clients.lock().expect("no panic").remove(&number);
                state.open.fetch_sub(1, Ordering::AcqRel);
            });
        }
    });
    Hostile { at, state, _full: Vec::new() }
}

fn bind(at: SocketAddr) -> TcpListener {
    TcpListener::bind(at).unwrap_or_else(|error| panic!("cannot listen at {at}: {error}"))
}

/// Reads until the client closes the connection, and sends nothing.
fn hold(mut client: &TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(1..) = client.read(&mut buffer) {}
}

/// Closes a connection with a reset, even if its socket is shared.
fn reset(stream: &TcpStream) {
    let _ = rustix::net::connect_unspec(stream);
    let _ = stream.shutdown(Shutdown::Both);
}

/// Waits until the condition holds, with a time limit.
#[track_caller]
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(120), "still waiting after 120 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
