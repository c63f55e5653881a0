//! Terminating the remote command through ssh's control socket.

use super::Running;
use crate::base::shutdown::Stop;
use crate::base::wait::WaitError;
use crate::openssh::mux::MuxClient;
use crate::session::terminate::TerminableCommand;
use cerveza_results::Sink;
use rustix::io::ioctl_fionbio;
use std::fs::File;
use std::io::{self, PipeReader, Read, pipe};
use std::os::fd::AsFd;
use std::time::Instant;

/// The remote command, terminated through ssh's control socket.
pub(super) struct MuxCommand<'a> {
    pub(super) running: &'a mut Running,
    pub(super) stop: &'a Stop,
    pub(super) sink: &'a mut dyn Sink<WaitError>,
    pub(super) script: Option<Script>,
}

/// A script on the same connection.
pub(super) struct Script {
    _client: MuxClient,
    stdout: PipeReader,
    ended: bool,
}

impl TerminableCommand for MuxCommand<'_> {
    fn start_script(&mut self, script: &str, deadline: Instant) -> Result<(), WaitError> {
        let failed = |_| WaitError::Io(io::Error::other("ssh's control socket takes no command"));
        let client = MuxClient::connect(&self.running.socket, deadline, self.stop).map_err(failed)?;
        let (stdout, writer) = pipe().map_err(WaitError::Io)?;
        ioctl_fionbio(&stdout, true).map_err(|error| WaitError::Io(error.into()))?;
        let null = File::options().read(true).write(true).open("/dev/null").map_err(WaitError::Io)?;
        client.session(script, [null.as_fd(), writer.as_fd(), null.as_fd()], deadline, self.stop).map_err(failed)?;
        self.script = Some(Script { _client: client, stdout, ended: false });
        Ok(())
    }

    fn script_ended(&self) -> bool {
        self.script.as_ref().is_none_or(|script| script.ended)
    }

    fn transfer(&mut self, deadline: &mut Instant, printed: Option<&mut Vec<u8>>) -> Result<(), WaitError> {
        if self.stop.is_set() {
            return Err(WaitError::Stopped);
        }
        if *deadline <= Instant::now() {
            return Err(WaitError::Deadline);
        }
        if let Some((script, printed)) = self.script.as_mut().zip(printed) {
            let mut buffer = [0; 4096];
            match script.stdout.read(&mut buffer) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Ok(len) if len > 0 => {
                    printed.extend_from_slice(&buffer[..len]);
                    return Ok(());
                }
                Ok(_) | Err(_) => {
                    script.ended = true;
                    return Ok(());
                }
            }
        }
        if self.running.is_over(self.stop, self.sink) {
            return Err(WaitError::Io(io::Error::other("ssh has ended")));
        }
        let mut until = Some(*deadline);
        let script = self.script.as_ref().filter(|script| !script.ended).map(|script| &script.stdout);
        let turned = self.running.turn(&mut until, self.stop, script, self.sink);
        *deadline = until.unwrap_or(*deadline);
        turned
    }

    fn output_ended(&mut self) -> bool {
        self.running.is_over(self.stop, self.sink)
    }

    /// ssh's control socket has no request for it.
    fn send_signal(&mut self, _signal: &str, _deadline: Instant) -> Result<(), WaitError> {
        Err(WaitError::Io(io::ErrorKind::Unsupported.into()))
    }

    fn has_exit(&self) -> bool {
        self.running.connection_log.status || self.running.connection_log.signal
    }

    fn is_closed(&self) -> bool {
        self.running.exited
    }
}
