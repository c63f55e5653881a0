//! Choices of the command line that several folders use: the SSH engine, and the policy for host keys.

use clap::ValueEnum;

#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// Built into pssh-rs, with libssh2
    #[default]
    Libssh2,
    /// The system's ssh(1), one process for each host: for FIDO keys without an agent, GSSAPI, PKCS#11 and very old servers
    Openssh,
}

#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostKeyPolicy {
    /// Refuse a host whose key is not known
    #[default]
    Strict,
    /// Accept and store the key of a new host; refuse a key that changed
    AcceptNew,
    /// Accept any key: anyone in the network can pose as the host
    Off,
}
