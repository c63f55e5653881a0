//! A client of the ssh-agent (draft-ietf-sshm-ssh-agent). The keys are listed once a run. All hosts share a few
//! connections to request signatures, because an agent fails if hundreds of clients connect at once.
//!
//! An agent that answers no request for a while counts as gone for the whole run, and all waiting requests fail at once.
//! If it still answers some requests it is only busy, and each request waits until its own deadline. So an agent may take
//! its time to ask its user (`ssh-add -c`, a FIDO touch).

mod message;
#[cfg(test)]
pub mod tests;

use super::public_key::PublicKey;
use crate::base::shutdown::Stop;
use crate::base::socket::stream_socket;
use cerveza_results::lock;
use rustix::net::{AddressFamily, SocketAddrUnix, connect};
use ssh_encoding::Encode;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

const MOST_CONNECTIONS: usize = 8;
/// Enough for thousands of keys. OpenSSH's own limit is 256 KiB.
const LARGEST_ANSWER: usize = 4 << 20;
/// A wait checks this often whether it is over.
const TICK: Duration = Duration::from_millis(50);

/// Why there is no signature.
#[derive(Debug, PartialEq, Eq)]
pub enum AgentError {
    /// The agent is gone for the whole run.
    Gone(String),
    /// It will not sign with this key.
    Refused(String),
    /// It cannot make RSA signatures with SHA-2.
    OtherAlgorithm,
    /// The login's deadline passed while it was busy with others.
    Late,
    Stopped,
}

pub struct Agent {
    socket: PathBuf,
    /// How long it may answer no request at all.
    patience: Duration,
    keys: Vec<PublicKey>,
    state: Mutex<AgentState>,
    changed: Condvar,
}

struct AgentState {
    /// What each further request may use: a connection, or the right to make one.
    free: Vec<Option<UnixStream>>,
    last_answer: Option<Instant>,
    gone: Option<String>,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Agent({})", self.socket.display())
    }
}

/// What one request waits for.
struct Request<'a> {
    message: &'a [u8],
    sent: Instant,
    deadline: Instant,
    stop: &'a Stop,
}

impl Agent {
    /// Connects to an agent and lists its keys. If it does not answer, the result is an agent that is gone. The patience
    /// with it is `listing` for this, and `signing` later.
    pub fn find(socket: &Path, listing: Duration, signing: Duration, stop: &Stop) -> Agent {
        let free = std::iter::repeat_with(|| None).take(MOST_CONNECTIONS).collect();
        let mut agent = Agent {
            socket: socket.to_path_buf(),
            patience: listing,
            keys: Vec::new(),
            state: Mutex::new(AgentState { free, last_answer: None, gone: None }),
            changed: Condvar::new(),
        };
        let deadline = Instant::now() + listing + listing;
        if let Ok(answer) = agent.ask(&[message::LIST], deadline, stop) {
            match message::parse_keys(&answer) {
                Some(keys) => agent.keys = keys,
                None => drop(agent.give_up("its list of keys is malformed")),
            }
        }
        agent.patience = signing;
        agent
    }

    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Returns why the agent is gone, if it is.
    pub fn gone(&self) -> Option<String> {
        lock(&self.state).gone.clone()
    }

    /// Signs with the key that the agent lists as `blob`. Returns what follows the algorithm's name in a signature, as
    /// libssh2 takes it.
    pub fn sign(
        &self,
        blob: &[u8],
        algorithm: &str,
        data: &[u8],
        deadline: Instant,
        stop: &Stop,
    ) -> Result<Vec<u8>, AgentError> {
        let request = message::sign_request(blob, algorithm, data);
        let request = request.map_err(|error| AgentError::Refused(format!("no request can be made: {error}")))?;
        let answer = self.ask(&request, deadline, stop)?;
        if answer.first() == Some(&message::FAILURE) {
            return Err(AgentError::Refused("the agent refused to sign".to_string()));
        }
        match message::parse_signature(&answer) {
            None => Err(self.give_up("its signature is malformed")),
            Some((made, signature)) if made == algorithm => Ok(signature),
            Some((made, _)) if algorithm.starts_with("rsa-sha2-") && made == "ssh-rsa" => {
                Err(AgentError::OtherAlgorithm)
            }
            Some(_) => Err(AgentError::Refused(format!("the agent made no {algorithm} signature"))),
        }
    }

    /// Sends a request and returns the answer.
    fn ask(&self, message: &[u8], deadline: Instant, stop: &Stop) -> Result<Vec<u8>, AgentError> {
        let connection = self.wait_for_connection(deadline, stop)?;
        let result = self.exchange(connection, &Request { message, sent: Instant::now(), deadline, stop });
        let mut state = lock(&self.state);
        let (answer, connection) = match result {
            Ok((answer, connection)) => {
                state.last_answer = Some(Instant::now());
                (Ok(answer), Some(connection))
            }
            Err(error) => (Err(error), None),
        };
        state.free.push(connection);
        self.changed.notify_one();
        answer
    }

    fn wait_for_connection(&self, deadline: Instant, stop: &Stop) -> Result<Option<UnixStream>, AgentError> {
        let mut state = lock(&self.state);
        loop {
            if let Some(why) = &state.gone {
                return Err(AgentError::Gone(why.clone()));
            }
            if let Some(connection) = state.free.pop() {
                return Ok(connection);
            }
            if stop.is_set() {
                return Err(AgentError::Stopped);
            }
            if Instant::now() >= deadline {
                return Err(AgentError::Late);
            }
            state = self.changed.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn exchange(
        &self,
        connection: Option<UnixStream>,
        request: &Request<'_>,
    ) -> Result<(Vec<u8>, UnixStream), AgentError> {
        // The agent may have been restarted since: connect again if the old connection broke.
        if let Some(stream) = connection
            && let Ok(answer) = self.transfer(&stream, request)?
        {
            return Ok((answer, stream));
        }
        let stream = self.retry(request, || self.connect())?.map_err(|error| self.give_up(&error.to_string()))?;
        let answer = self.transfer(&stream, request)?;
        Ok((answer.map_err(|error| self.give_up(&format!("it broke off: {error}")))?, stream))
    }

    /// Connects. Gives up after a tick, and so does each later read and write.
    fn connect(&self) -> io::Result<UnixStream> {
        let stream = UnixStream::from(stream_socket(AddressFamily::UNIX)?);
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(TICK))?;
        connect(&stream, &SocketAddrUnix::new(&self.socket)?)?;
        Ok(stream)
    }

    /// Sends the request and reads the answer. The inner error says that the connection broke.
    fn transfer(&self, mut stream: &UnixStream, request: &Request<'_>) -> Result<io::Result<Vec<u8>>, AgentError> {
        let mut message = Vec::new();
        if let Err(error) = request.message.encode(&mut message) {
            return Ok(Err(io::Error::other(error)));
        }
        let mut sent = 0;
        while sent < message.len() {
            match self.retry(request, || stream.write(&message[sent..]))? {
                Ok(written) => sent += written,
                Err(error) => return Ok(Err(error)),
            }
        }
        // Memory is used for what arrives, not for what is announced.
        let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            let announced = answer.first_chunk().map(|len| u32::from_be_bytes(*len) as usize);
            if announced.is_some_and(|len| len > LARGEST_ANSWER) {
                return Err(self.give_up("it announced an answer of endless length"));
            }
            let wanted = announced.map_or(4, |len| 4 + len);
            if answer.len() == wanted {
                return Ok(Ok(answer.split_off(4)));
            }
            let room = chunk.len().min(wanted - answer.len());
            match self.retry(request, || stream.read(&mut chunk[..room]))? {
                Ok(0) => return Ok(Err(io::Error::other("it hung up"))),
                Ok(read) => answer.extend_from_slice(&chunk[..read]),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Repeats a call that gives up after a tick until it succeeds or fails, or until the wait is over.
    fn retry<T>(
        &self,
        request: &Request<'_>,
        mut call: impl FnMut() -> io::Result<T>,
    ) -> Result<io::Result<T>, AgentError> {
        loop {
            match call() {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    self.check_wait(request)?;
                }
                result => return Ok(result),
            }
        }
    }

    fn check_wait(&self, request: &Request<'_>) -> Result<(), AgentError> {
        let (gone, last_answer) = {
            let state = lock(&self.state);
            (state.gone.clone(), state.last_answer)
        };
        let silent_since = last_answer.map_or(request.sent, |answer| answer.max(request.sent));
        if let Some(why) = gone {
            Err(AgentError::Gone(why))
        } else if request.stop.is_set() {
            Err(AgentError::Stopped)
        } else if Instant::now() >= request.deadline {
            Err(AgentError::Late)
        } else if silent_since.elapsed() >= self.patience {
            let patience = humantime::format_duration(self.patience);
            Err(self.give_up(&format!("it answered no request for {patience}")))
        } else {
            Ok(())
        }
    }

    /// Makes the agent count as gone. The first reason stays.
    fn give_up(&self, why: &str) -> AgentError {
        let mut state = lock(&self.state);
        let why = state.gone.get_or_insert_with(|| format!("no agent answers at {}: {why}", self.socket.display()));
        AgentError::Gone(why.clone())
    }
}
