//! Opens one channel after another on a connection, for servers that allow only one at a time (`MaxSessions 1`). sshd calls
//! a channel that runs a command a session.

use crate::base::wait::WaitError;
use crate::ffi::ExecChannel;
use crate::session::ssh_session::SshSession;
use libssh2_sys as raw;
use ssh2::{Error, ErrorCode, Session};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The pauses before an open is repeated. sshd frees a session after it has handled both sides' close, and refuses an open that it
/// reads together with our close. Its refusal shows that it has handled the close. The later pauses are for other servers.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(50), Duration::from_millis(200)];
/// The longest wait for the server to close a session whose command has ended. It is shorter than the time that the runner grants
/// after a deadline.
const CLOSE_TIME: Duration = Duration::from_secs(2);

impl SshSession {
    /// Opens a channel. If it is refused, tries again, because the session before it may not be freed.
    pub fn open_channel<T>(
        &self,
        deadline: Option<Instant>,
        mut open: impl FnMut(&Session) -> Result<T, Error>,
    ) -> Result<T, WaitError> {
        for pause in PAUSES {
            match self.drive(deadline, &mut open) {
                Err(WaitError::Ssh(error)) if is_refused(&error) => sleep(pause),
                result => return result,
            }
        }
        self.drive(deadline, open)
    }

    /// Closes the channel of a command that has ended. The server has room for the next channel when this returns.
    pub fn close_channel(&self, channel: &ExecChannel) {
        if !channel.ended() {
            return;
        }
        let deadline = Some(Instant::now() + CLOSE_TIME);
        // Without a reply, the next channel is requested anyway.
        let _ = self.sheltered(|| {
            self.drive(deadline, |_| channel.closed())?;
            self.drive(deadline, |_| channel.close())
        });
    }
}

/// Returns whether the server refused to open a session, rather than a request within it.
pub fn is_refused(error: &Error) -> bool {
    // `libssh2_sftp_init` has its own message.
    error.code() == ErrorCode::Session(raw::LIBSSH2_ERROR_CHANNEL_FAILURE)
        && (error.message().starts_with("Channel open failure") || error.message() == "Unable to startup channel")
}
