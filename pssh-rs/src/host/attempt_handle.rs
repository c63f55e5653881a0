//! A hold on an attempt from outside, and the one place where it is settled whether it ended or was given up.

use crate::base::lock::lock;
use crate::base::socket::Wire;
use std::sync::{Arc, Mutex};

pub struct Leash(Mutex<State>);

enum State {
    Running(Option<Arc<Wire>>),
    Ended,
    GivenUp,
}

impl Default for Leash {
    fn default() -> Leash {
        Leash(Mutex::new(State::Running(None)))
    }
}

impl Leash {
    /// Takes the connection of the attempt. One that was given up meanwhile is cut at once: it would run a command for
    /// nobody.
    pub fn hold(&self, wire: &Arc<Wire>) {
        match &mut *lock(&self.0) {
            State::Running(held) => *held = Some(Arc::clone(wire)),
            State::Ended | State::GivenUp => wire.cut(),
        }
    }

    /// The attempt has its outcome; whether anybody still waits for it.
    pub fn end(&self) -> bool {
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
        let State::Running(wire) = &mut *state else { return false };
        if let Some(wire) = wire.take() {
            wire.cut();
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
        let leash = Leash::default();
        assert!(leash.end());
        assert!(!leash.give_up());
        let leash = Leash::default();
        assert!(leash.give_up());
        assert!(!leash.end());
    }

    #[test]
    fn a_connection_made_after_the_giving_up_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let wire = Arc::new(Wire::new(socket.try_clone().unwrap().into()));
        let leash = Leash::default();
        leash.give_up();
        leash.hold(&wire);
        assert_eq!((&socket).read(&mut [0]).unwrap(), 0);
    }
}
