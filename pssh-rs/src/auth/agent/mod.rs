//! The ssh-agent (draft-ietf-sshm-ssh-agent): its keys are listed once a run, and its signatures come over a few
//! connections that all hosts share, since agents choke when hundreds ask at once.
//!
//! An agent is gone for the whole run once it answers nobody for its patience: who waits for it then learns so at once.
//! As long as it answers anybody it is merely busy, and who waits is bound by their own deadline. So an agent may take
//! its time to ask its user (`ssh-add -c`, a FIDO touch).

mod message;
#[cfg(test)]
mod tests;

use super::blob::Public;
use crate::base::shutdown::Stop;
use crate::base::ssh_wire::{Reader, put_string};
use crate::base::wait::{WaitError, wait_for};
use cerveza_results::lock;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many ask at a time.
const MOST_CONNECTIONS: usize = 8;
/// Thousands of keys fit. OpenSSH's own bound is 256 KiB.
const LARGEST_ANSWER: usize = 4 << 20;
/// While all connections are in use, Ctrl-C is looked for this often; and so is room, where the agent takes no more.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Why there is no signature.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The agent is of no more use to anybody.
    Gone(String),
    /// It will not sign with this key.
    Refused(String),
    /// It cannot do RSA with SHA-2.
    OtherAlgorithm,
    /// The login's deadline passed while it was busy with others.
    Late,
    Stopped,
}

pub struct Agent {
    socket: PathBuf,
    patience: Duration,
    keys: Vec<Public>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<UnixStream>,
    /// Places taken, of MOST_CONNECTIONS.
    taken: usize,
    in_use: Vec<Arc<UnixStream>>,
    last_answer: Option<Instant>,
    gone: Option<String>,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Agent({})", self.socket.display())
    }
}

impl Agent {
    /// Asks for the agent's keys. One that does not answer is there all the same, and gone.
    /// The patience is `listing` with that, and `signing` afterwards.
    pub fn find(socket: &Path, listing: Duration, signing: Duration, stop: &Stop) -> Agent {
        let mut agent = Agent {
            socket: socket.to_path_buf(),
            patience: listing,
            keys: Vec::new(),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        let deadline = Instant::now() + listing + listing;
        let listed = agent.ask(&[message::LIST], deadline, stop).and_then(|answer| match message::keys(&answer) {
            Some(keys) => Ok(keys),
            None => Err(agent.give_up("its list of keys is malformed".to_string())),
        });
        agent.keys = listed.unwrap_or_default();
        agent.patience = signing;
        agent
    }

    pub fn keys(&self) -> &[Public] {
        &self.keys
    }

    /// Why it is of no more use, once it is.
    pub fn gone(&self) -> Option<String> {
        lock(&self.state).gone.clone()
    }

    /// Signs with the key that the agent holds as `blob`; `algorithm` as in a signature. Gives what follows the
    /// algorithm's name, as libssh2 takes it.
    pub fn sign(
        &self,
        blob: &[u8],
        algorithm: &str,
        data: &[u8],
        deadline: Instant,
        stop: &Stop,
    ) -> Result<Vec<u8>, Trouble> {
        let answer = self.ask(&message::sign(blob, algorithm, data), deadline, stop)?;
        if answer.first() == Some(&message::FAILURE) {
            return Err(Trouble::Refused("the agent refused to sign".to_string()));
        }
        let (made, signature) =
            message::signature(&answer).ok_or_else(|| self.give_up("its signature is malformed".to_string()))?;
        match made == algorithm.as_bytes() {
            true => Ok(signature),
            false if algorithm.starts_with("rsa-sha2-") && made == b"ssh-rsa" => Err(Trouble::OtherAlgorithm),
            false => Err(Trouble::Refused(format!("the agent made no {algorithm} signature"))),
        }
    }

    /// One request and its answer, over a connection that is free.
    fn ask(&self, request: &[u8], deadline: Instant, stop: &Stop) -> Result<Vec<u8>, Trouble> {
        let _place = self.place(deadline, stop)?;
        let clock = Clock { sent: Instant::now(), deadline, stop };
        let idle = lock(&self.state).idle.pop();
        if let Some(stream) = idle {
            // The agent may have been started anew since: a broken connection is no word of it yet.
            if let Ok(answer) = self.exchange(stream, request, &clock)? {
                return Ok(answer);
            }
        }
        let stream = self.connect(&clock)?;
        self.exchange(stream, request, &clock)?.map_err(|error| self.give_up(format!("it broke off: {error}")))
    }

    /// Waits for one of the places.
    fn place(&self, deadline: Instant, stop: &Stop) -> Result<Place<'_>, Trouble> {
        let mut state = lock(&self.state);
        loop {
            if let Some(why) = &state.gone {
                return Err(Trouble::Gone(why.clone()));
            }
            if state.taken < MOST_CONNECTIONS {
                state.taken += 1;
                return Ok(Place(self));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if stop.is_set() {
                return Err(Trouble::Stopped);
            }
            if left.is_zero() {
                return Err(Trouble::Late);
            }
            let waited = self.changed.wait_timeout(state, left.min(LOOK_AGAIN));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn connect(&self, clock: &Clock<'_>) -> Result<UnixStream, Trouble> {
        let open = || {
            // Without blocking: where the agent takes nobody, connecting too would last for ever.
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            connect(&socket, &SocketAddrUnix::new(&self.socket)?)?;
            Ok(UnixStream::from(socket))
        };
        loop {
            match open() {
                Ok(stream) => return Ok(stream),
                // Its queue is full.
                Err(Errno::AGAIN) => self.wait(clock, |until| {
                    let soon = (Instant::now() + LOOK_AGAIN).min(until);
                    match wait_for(clock.stop.as_fd(), PollFlags::empty(), Some(soon), clock.stop) {
                        Err(WaitError::Deadline) if Instant::now() < until => Ok(()),
                        result => result,
                    }
                })?,
                Err(error) => return Err(self.give_up(io::Error::from(error).to_string())),
            }
        }
    }

    /// Sends the request and reads the answer. The inner error: the connection broke. A connection that was used in
    /// full goes back to the idle ones; any other is closed.
    fn exchange(&self, stream: UnixStream, request: &[u8], clock: &Clock<'_>) -> Result<io::Result<Vec<u8>>, Trouble> {
        let stream = Arc::new(stream);
        {
            let mut state = lock(&self.state);
            if let Some(why) = &state.gone {
                return Err(Trouble::Gone(why.clone()));
            }
            state.in_use.push(Arc::clone(&stream));
        }
        let result = self.transfer(&stream, request, clock);
        let mut state = lock(&self.state);
        state.in_use.retain(|other| !Arc::ptr_eq(other, &stream));
        if let Some(why) = &state.gone {
            return Err(Trouble::Gone(why.clone()));
        }
        if let Ok(Ok(_)) = &result {
            state.last_answer = Some(Instant::now());
            state.idle.extend(Arc::into_inner(stream));
        }
        result
    }

    fn transfer(
        &self,
        mut stream: &UnixStream,
        request: &[u8],
        clock: &Clock<'_>,
    ) -> Result<io::Result<Vec<u8>>, Trouble> {
        let mut message = Vec::with_capacity(4 + request.len());
        put_string(&mut message, request);
        let mut sent = 0;
        while sent < message.len() {
            match stream.write(&message[sent..]) {
                Ok(0) => return Ok(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => sent += written,
                Err(error) if is_pause(&error) => self.wait_for(stream, PollFlags::OUT, clock)?,
                Err(error) => return Ok(Err(error)),
            }
        }
        // What is announced is not believed: room is made for what comes.
        let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            let announced = Reader(&answer).u32().ok().map(|len| len as usize);
            if announced.is_some_and(|len| len > LARGEST_ANSWER) {
                return Err(self.give_up("it announced an answer of endless length".to_string()));
            }
            let wanted = announced.map_or(4, |len| 4 + len);
            if answer.len() == wanted {
                return Ok(Ok(answer.split_off(4)));
            }
            let room = chunk.len().min(wanted - answer.len());
            match stream.read(&mut chunk[..room]) {
                Ok(0) => return Ok(Err(io::Error::other("it hung up"))),
                Ok(read) => answer.extend_from_slice(&chunk[..read]),
                Err(error) if is_pause(&error) => self.wait_for(stream, PollFlags::IN, clock)?,
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    fn wait_for(&self, stream: &UnixStream, flags: PollFlags, clock: &Clock<'_>) -> Result<(), Trouble> {
        self.wait(clock, |until| wait_for(stream.as_fd(), flags, Some(until), clock.stop))
    }

    /// Waits by the login's deadline, and by the patience that everybody has with this agent.
    fn wait(&self, clock: &Clock<'_>, wait: impl Fn(Instant) -> Result<(), WaitError>) -> Result<(), Trouble> {
        loop {
            let silent_since = lock(&self.state).last_answer.map_or(clock.sent, |answer| answer.max(clock.sent));
            let patient_until = silent_since + self.patience;
            match wait(patient_until.min(clock.deadline)) {
                Ok(()) => return Ok(()),
                Err(WaitError::Stopped) => return Err(Trouble::Stopped),
                Err(WaitError::Deadline) if Instant::now() >= clock.deadline => return Err(Trouble::Late),
                Err(WaitError::Deadline) => {
                    let last_answer = lock(&self.state).last_answer;
                    if last_answer.is_none_or(|answer| answer <= silent_since) {
                        let patience = humantime::format_duration(self.patience);
                        return Err(self.give_up(format!("it answered nobody for {patience}")));
                    }
                }
                Err(WaitError::Io(error)) => return Err(self.give_up(error.to_string())),
                Err(WaitError::Ssh(error)) => return Err(self.give_up(error.to_string())),
            }
        }
    }

    /// Nobody asks it from now on, and who waits for it learns so at once. The first reason stays.
    fn give_up(&self, why: String) -> Trouble {
        let mut state = lock(&self.state);
        let why = state.gone.get_or_insert_with(|| format!("no agent answers at {}: {why}", self.socket.display()));
        let why = why.clone();
        for stream in &state.in_use {
            let _ = stream.shutdown(Shutdown::Both);
        }
        state.idle.clear();
        self.changed.notify_all();
        Trouble::Gone(why)
    }
}

/// What one request waits by.
struct Clock<'a> {
    sent: Instant,
    deadline: Instant,
    stop: &'a Stop,
}

/// A place among those who ask.
struct Place<'a>(&'a Agent);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).taken -= 1;
        self.0.changed.notify_one();
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
