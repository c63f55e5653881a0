//! Terminates the remote command through ssh's control socket.

use super::ssh_process::SshProcess;
use crate::base::attempt_timer::AttemptTimer;
use crate::base::shutdown::Stop;
use crate::base::wait::{WaitError, check};
use crate::session::terminate::TerminableCommand;
use crate::system_ssh::mux::MuxClient;
use cerveza_results::Sink;
use rustix::io::ioctl_fionbio;
use std::fs::File;
use std::io::{self, PipeReader, Read, pipe};
use std::os::fd::AsFd;
use std::time::Instant;

pub struct MuxCommand<'a> {
    ssh: &'a mut SshProcess,
    stop: &'a Stop,
    sink: &'a mut dyn Sink<WaitError>,
    script: Option<RunningScript>,
}

/// A script on the same connection.
struct RunningScript {
    _client: MuxClient,
    stdout: PipeReader,
    has_ended: bool,
}

impl<'a> MuxCommand<'a> {
    pub fn new(ssh: &'a mut SshProcess, stop: &'a Stop, sink: &'a mut dyn Sink<WaitError>) -> MuxCommand<'a> {
        MuxCommand { ssh, stop, sink, script: None }
    }
}

impl TerminableCommand for MuxCommand<'_> {
    fn start_script(&mut self, script: &str, deadline: Instant) -> Result<(), WaitError> {
        let failed = |_| WaitError::Io(io::Error::other("ssh's control socket accepts no command"));
        let client = MuxClient::connect(&self.ssh.socket, deadline, self.stop).map_err(failed)?;
        let (stdout, writer) = pipe().map_err(WaitError::Io)?;
        ioctl_fionbio(&stdout, true).map_err(|error| WaitError::Io(error.into()))?;
        let null = File::options().read(true).write(true).open("/dev/null").map_err(WaitError::Io)?;
        client
            .run_command(script, [null.as_fd(), writer.as_fd(), null.as_fd()], deadline, self.stop)
            .map_err(failed)?;
        self.script = Some(RunningScript { _client: client, stdout, has_ended: false });
        Ok(())
    }

    fn script_ended(&self) -> bool {
        self.script.as_ref().is_none_or(|script| script.has_ended)
    }

    fn transfer(&mut self, timer: &AttemptTimer, printed: Option<&mut Vec<u8>>) -> Result<(), WaitError> {
        // Here too, because a script may print without a pause.
        check(timer.deadline(), self.stop)?;
        if let Some((script, printed)) = self.script.as_mut().zip(printed) {
            let mut buffer = [0; 4096];
            match script.stdout.read(&mut buffer) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Ok(len) if len > 0 => {
                    printed.extend_from_slice(&buffer[..len]);
                    return Ok(());
                }
                Ok(_) | Err(_) => {
                    script.has_ended = true;
                    return Ok(());
                }
            }
        }
        if self.ssh.is_over(self.stop, self.sink) {
            return Err(WaitError::Io(io::Error::other("ssh has ended")));
        }
        let script = self.script.as_ref().filter(|script| !script.has_ended).map(|script| &script.stdout);
        self.ssh.transfer(timer, self.stop, script, self.sink)
    }

    fn output_ended(&mut self) -> bool {
        self.ssh.is_over(self.stop, self.sink)
    }

    /// ssh's control socket has no request for signals.
    fn send_signal(&mut self, _signal: &str, _deadline: Instant) -> Result<(), WaitError> {
        Err(WaitError::Io(io::ErrorKind::Unsupported.into()))
    }

    fn has_exit(&self) -> bool {
        self.ssh.connection_log.exit().has_ended
    }

    fn is_closed(&self) -> bool {
        self.ssh.has_exited
    }
}
