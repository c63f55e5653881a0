//! Which engine speaks SSH, and what is done about host keys.

use clap::ValueEnum;

#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// pssh-rs itself, by libssh2
    #[default]
    Libssh2,
    /// The system's ssh(1), a process a host: for FIDO keys without an agent, GSSAPI, PKCS#11 and servers of old
    Openssh,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostKeyPolicy {
    /// Refuse a host whose key is not known
    Strict,
    /// Trust the key of a host seen for the first time, and keep it; refuse one that changed
    AcceptNew,
    /// Trust any key: whoever answers gets the command
    Off,
}
