//! What all attempts by the system's `ssh` use.

use crate::system_ssh::control_dir::ControlDir;
use crate::system_ssh::system::SystemSsh;
use std::io;

/// What all attempts of a run share.
pub struct Engine {
    pub ssh: SystemSsh,
    pub folder: ControlDir,
}

impl Engine {
    pub fn new(ssh: SystemSsh) -> io::Result<Engine> {
        Ok(Engine { ssh, folder: ControlDir::new()? })
    }
}
