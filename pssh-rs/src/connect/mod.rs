//! A connection to a host, up to what the SSH handshake needs: TCP, a jump host or a ProxyCommand, and the server's
//! banner.

pub mod banner;
pub mod jump_host;
mod jump_log;
pub mod jump_master;
pub mod proxy_command;
pub mod tcp;
