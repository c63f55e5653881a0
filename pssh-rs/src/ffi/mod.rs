//! What of libssh2 the `ssh2` crate does not bind. All unsafe code of this crate is in this folder.
#![allow(unsafe_code)]

mod channel;
mod disconnect;
mod keepalive;
mod queue;
mod receive;
mod sftp;
mod userauth;

pub use channel::{ExecChannel, LONGEST_COMMAND};
pub use keepalive::send_keepalive;
pub use receive::attach_socket;
pub use sftp::{Attributes, Handle, LONGEST_NAME, Open, Sftp};
pub use userauth::{KeyOffer, Step, accepted_methods};
