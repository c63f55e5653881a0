//! A hold on an attempt from outside, and the one place where it is settled whether it ended or was given up.

use crate::base::socket::Socket;
use cerveza_results::lock;
use std::sync::{Arc, Mutex};

pub struct AttemptHandle(Mutex<State>);

enum State {
    Running(Option<Arc<Socket>>),
    Ended,
    GivenUp,
}

impl Default for AttemptHandle {
    fn default() -> AttemptHandle {
        AttemptHandle(Mutex::new(State::Running(None)))
    }
}

impl AttemptHandle {
    /// Takes the connection of the attempt. One that was given up meanwhile is cut at once: it would run a command for
    /// nobody.
    pub fn set_socket(&self, socket: &Arc<Socket>) {
        match &mut *lock(&self.0) {
            State::Running(held) => *held = Some(Arc::clone(socket)),
            State::Ended | State::GivenUp => socket.cut(),
        }
    }

    /// The attempt has its outcome; whether anybody still waits for it.
    pub fn finish(&self) -> bool {
        let mut state = lock(&self.0);
        let awaited = matches!(*state, State::Running(_));
        if awaited {
            *state = State::Ended;
        }
        awaited
    }

    /// Gives the attempt up, unless it has ended: nobody waits for it any more. Its connection is cut, which ends
    /// whatever libssh2 is stuck in.
    pub fn give_up(&self) -> bool {
        let mut state = lock(&self.0);
        let State::Running(socket) = &mut *state else { return false };
        if let Some(socket) = socket.take() {
            socket.cut();
        }
        *state = State::GivenUp;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn an_attempt_ends_or_is_given_up_and_never_both() {
        let handle = AttemptHandle::default();
        assert!(handle.finish());
        assert!(!handle.give_up());
        let handle = AttemptHandle::default();
        assert!(handle.give_up());
        assert!(!handle.finish());
    }

    #[test]
    fn a_connection_made_after_the_giving_up_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = Arc::new(Socket::new(stream.try_clone().unwrap().into()));
        let handle = AttemptHandle::default();
        handle.give_up();
        handle.set_socket(&socket);
        assert_eq!((&stream).read(&mut [0]).unwrap(), 0);
    }
}
