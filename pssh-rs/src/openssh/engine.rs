//! What all attempts by the system's `ssh` use.

use crate::openssh::control_dir::ControlDir;
use crate::openssh::system::SystemSsh;
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
