//! What is needed to run the system's `ssh`: its options, control socket and log, and a private folder for both.

pub mod control_dir;
pub mod log;
pub mod mux;
pub mod system;

use control_dir::ControlDir;
use system::SystemSsh;

/// What starts the system's `ssh` for a host.
pub struct SshRunner {
    pub ssh: SystemSsh,
    pub folder: ControlDir,
}
