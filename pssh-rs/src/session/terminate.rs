//! Ending a remote command, not only its connection: by a script on a second channel of the same connection, which works
//! with every sshd and sees what is left; by SSH's own signals (RFC 4254 section 6.9) where no script can be run. sshd
//! takes these from 8.1 on only, never for root ("session signalling requires privilege separation", session.c), and hands
//! them to the process group that it started, where a command's background processes need not be.

use crate::base::wait::WaitError;
use std::time::{Duration, Instant};

/// The script runs within this, or it was not started.
const STARTED: Duration = Duration::from_secs(5);
/// Once it runs it needs two seconds, and longer on a busy host.
const SCRIPT_TIME: Duration = Duration::from_secs(8);
/// How long a server may take to end the command after one of SSH's own signals.
const AFTER_SIGNAL: Duration = Duration::from_secs(2);
/// How long the last output of an ended command may take.
const LAST_OUTPUT_TIME: Duration = Duration::from_secs(2);
/// All of it together.
pub const LONGEST: Duration = Duration::from_secs(16);
/// The clocks of the two hosts are compared no closer than this.
const SLACK: Duration = Duration::from_secs(2);

/// What the script says when it has found something to end, and how that ended. A login shell may say more.
const SAYS: &str = "pssh-rs-end ";

/// What is known of a command that was to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Termination {
    /// It is gone, with all that it started in its session. The signal is the last that was needed, `TERM` or `KILL`.
    By(&'static str),
    /// The same for the processes of the login user; the host hides those of others.
    OwnBy(&'static str),
    /// The same, and yet something holds its output open.
    HeldAfter(&'static str),
    /// The server ended it after this signal. Of what it started nothing is known.
    SignaledBy(&'static str),
    No,
}

impl Termination {
    /// For the record's error, after what it is the end of.
    pub fn phrase(self) -> String {
        match self {
            Termination::By(signal) => format!("the command was ended by {signal}"),
            Termination::OwnBy(signal) => {
                format!(
                    "the command was ended by {signal}, but the host hides whether it left processes of other users"
                )
            }
            Termination::HeldAfter(signal) => format!(
                "the command was ended by {signal}, but a process that it had detached holds its output open: it may still \
                 be running"
            ),
            Termination::SignaledBy(signal) => {
                format!("the command was ended by {signal}; what it had started in the background may still be running")
            }
            Termination::No => "the command could not be ended: it may still be running".to_string(),
        }
    }

    /// The same of what a command left that had ended before.
    pub fn phrase_of_rest(self) -> String {
        let rest = match self {
            Termination::By(signal) | Termination::OwnBy(signal) | Termination::SignaledBy(signal) => {
                format!("was ended by {signal}")
            }
            Termination::HeldAfter(_) | Termination::No => "may still be running".to_string(),
        };
        format!("and left a process that held its output open, which {rest}")
    }
}

/// The script, for `sh`: no quote, backslash or `!`, which login shells (fish, csh) would take for theirs.
///
/// Its parent is the login's sshd process, as it is the command's: sshd makes each command's shell the leader of a session
/// (setsid in session.c), and a login shell `exec`s us. So what is to end are the other children of that parent, what is
/// below them, and all in the sessions that any of these leads, also once their own parents are gone. dropbear makes no
/// session for a command; there the parent leads that of the connection. If nothing is found, the command's own leader is
/// gone, and its session is found by SSH_CONNECTION, which names this connection, in the environment of processes that began
/// with the command.
const SCRIPT_TEXT: &str = concat!(
    "up=$PPID; me=$$; ours=\" \"; sids=\" \"; own=; [ \"$up\" -gt 1 ] || exit 1; ",
    // All processes but zombies, as pid:ppid:sid:start. Linux needs no ps, and containers often have none; elsewhere the
    // process group stands for the session. A process's name may hold a line feed.
    "nl=$(echo; echo x); nl=${nl%x}; list() { all=; if [ -r /proc/self/stat ]; then [ -r /proc/1/stat ] || own=\"OWN \"; ",
    "c=; set -f; IFS=$nl; for a in $(set +f; cat /proc/[0-9]*/stat 2>/dev/null); do IFS=\" \"; a=\"$c$a\"; ",
    "case \"$a\" in *\") \"[A-Z]\" \"[0-9]*) c=;; *) c=\"$a \"; continue;; esac; p=${a%% *}; set -- ${a##*\") \"}; ",
    "case $1 in Z|X) continue;; esac; all=\"$all $p:$2:$4:${20}\"; ",
    "[ $p = $me ] && now=${20}; [ $p = $up ] && [ $4 = $up ] && sids=\"$sids$up \"; done; IFS=\" \"; set +f; ",
    "else all=$(ps -A -o pid= -o ppid= -o pgid= | while read -r a b c; do echo $a:$b:$c:; done); fi; }; ",
    "part() { p=${1%%:*}; b=${1##*:}; u=${1#*:}; s=${u#*:}; s=${s%:*}; u=${u%%:*}; }; ",
    // Adds what is below `up`, below what was found before, or in a session of theirs.
    "look() { more=1; while [ \"$more\" ]; do more=; for t in $all; do part $t; ",
    "case \" $up $me $ours\" in *\" $p \"*) continue;; esac; [ $u = $me ] && continue; ",
    "case \" $up $ours\" in *\" $u \"*) ;; *) case \"$sids\" in *\" $s \"*) ;; *) continue;; esac;; esac; ",
    "ours=\"$ours$p \"; more=1; [ $s = $p ] && sids=\"$sids$s \"; done; done; }; ",
    // Adds sessions without a leader.
    "left() { case \"$SSH_CONNECTION\" in \"\"|UNKNOWN*) return;; esac; [ \"$now\" ] || return; ",
    "for t in $all; do part $t; [ $b -ge $((now-age)) ] || continue; case \"$all\" in *\" $s:\"*) continue;; esac; ",
    "grep -qsF \"SSH_CONNECTION=$SSH_CONNECTION\" /proc/$p/environ && sids=\"$sids$s \"; done; }; ",
    "send() { for p in $ours; do kill -$1 $p 2>/dev/null; done; }; ",
    // `kill -0` would take one that is not ours to signal for ended.
    "lives() { list; look; for t in $all; do part $t; case \"$ours\" in *\" $p \"*) return 0;; esac; done; return 1; }; ",
    "nap() { sleep 0.1 2>/dev/null || sleep 1; }; ",
    "list; look; [ \"$ours\" = \" \" ] && { left; look; }; [ \"$ours\" = \" \" ] && { echo pssh-rs-end NONE; exit; }; ",
    "echo pssh-rs-end FOUND; send TERM; ",
    "i=0; while [ $i -lt 10 ]; do nap; lives || { echo pssh-rs-end ${own}TERM; exit; }; i=$((i+1)); done; ",
    "i=0; while [ $i -lt 8 ]; do send KILL; nap; lives || { echo pssh-rs-end ${own}KILL; exit; }; i=$((i+1)); done; ",
    "echo pssh-rs-end LEFT",
);

/// The remote command that ends a command of its own login that began so long ago: TERM, then, a good second later, KILL.
/// It does so also when we are gone by then.
fn script(age: Duration) -> String {
    // In the kernel's clock ticks, of which a second has 100 on everything that runs sshd.
    let age = (age + SLACK).as_millis() / 10;
    format!("exec sh -c 'age={age}; {SCRIPT_TEXT}'")
}

/// What the script has said so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScriptReply {
    /// It runs, and has sent TERM.
    KnownHostMatches,
    /// There was nothing to end.
    Nothing,
    Ended(Termination),
    Left,
}

/// The last word in what the script has printed.
fn last_reply(printed: &[u8]) -> Option<ScriptReply> {
    let printed = String::from_utf8_lossy(printed);
    let words = printed.lines().filter_map(|line| line.trim_end().strip_prefix(SAYS));
    let mut words = words.filter_map(|word| match word {
        "FOUND" => Some(ScriptReply::KnownHostMatches),
        "NONE" => Some(ScriptReply::Nothing),
        "TERM" => Some(ScriptReply::Ended(Termination::By("TERM"))),
        "KILL" => Some(ScriptReply::Ended(Termination::By("KILL"))),
        "OWN TERM" => Some(ScriptReply::Ended(Termination::OwnBy("TERM"))),
        "OWN KILL" => Some(ScriptReply::Ended(Termination::OwnBy("KILL"))),
        "LEFT" => Some(ScriptReply::Left),
        _ => None,
    });
    words.next_back()
}

/// What is known once it is also known whether the command's output ended.
fn conclude(ended: Termination, output_ended: bool) -> Termination {
    match ended {
        Termination::By(signal) | Termination::OwnBy(signal) if !output_ended => Termination::HeldAfter(signal),
        ended => ended,
    }
}

/// A command that runs on a host, and what it takes to terminate it there. Both engines have one.
pub trait TerminableCommand {
    /// Starts `script` as a second command on the same connection.
    fn start_script(&mut self, script: &str, deadline: Instant) -> Result<(), WaitError>;

    fn script_ended(&self) -> bool;

    /// Passes on what the command has printed, and adds to `printed` what the script has. Waits if there is nothing. The time
    /// that the reader of our own output takes is added to the deadline.
    fn transfer(&mut self, deadline: &mut Instant, printed: Option<&mut Vec<u8>>) -> Result<(), WaitError>;

    fn output_ended(&mut self) -> bool;

    /// Sends one of SSH's own signals to the command.
    fn send_signal(&mut self, signal: &str, deadline: Instant) -> Result<(), WaitError>;

    /// Whether an exit status or signal of the command has arrived.
    fn has_exit(&self) -> bool;

    /// Whether the server has closed the command's channel.
    fn is_closed(&self) -> bool;
}

/// Terminates a command that began so long ago, within [`LONGEST`]. What it still prints is passed on.
pub fn terminate(command: &mut dyn TerminableCommand, age: Duration) -> Termination {
    match run_script(command, age) {
        Ok(Some(ScriptReply::Ended(ended))) => {
            // Its last output is on its way.
            let _ = transfer_until(command, Instant::now() + LAST_OUTPUT_TIME, |command| command.output_ended());
            conclude(ended, command.output_ended())
        }
        Ok(Some(ScriptReply::Left | ScriptReply::Found)) | Err(Over) => Termination::No,
        Ok(Some(ScriptReply::Nothing) | None) => send_signals(command),
    }
}

/// A stop, or the end of the connection: nothing more can be done.
struct Over;

/// Returns the script's last reply, `None` if it did not run.
fn run_script(command: &mut dyn TerminableCommand, age: Duration) -> Result<Option<ScriptReply>, Over> {
    /// The most of its output that is kept: a login shell may print without an end.
    const MOST: usize = 64 * 1024;
    let mut deadline = Instant::now() + STARTED;
    match command.start_script(&script(age), deadline) {
        Ok(()) => {}
        Err(WaitError::Stopped | WaitError::Io(_)) => return Err(Over),
        Err(WaitError::Deadline | WaitError::Ssh(_)) => return Ok(None),
    }
    let mut printed = Vec::new();
    let mut runs = false;
    loop {
        let transferred = command.transfer(&mut deadline, Some(&mut printed));
        printed.truncate(MOST);
        let reply = last_reply(&printed);
        match reply {
            Some(ScriptReply::Found) if !runs => {
                runs = true;
                deadline = Instant::now() + SCRIPT_TIME;
            }
            Some(ScriptReply::Found) | None => {}
            Some(_) => return Ok(reply),
        }
        match transferred {
            Ok(()) if command.script_ended() => return Ok(reply),
            Ok(()) => {}
            Err(WaitError::Deadline) => return Ok(reply),
            Err(_) => return Err(Over),
        }
    }
}

fn send_signals(command: &mut dyn TerminableCommand) -> Termination {
    let had_exit = command.has_exit();
    for signal in ["TERM", "KILL"] {
        let deadline = Instant::now() + AFTER_SIGNAL;
        if command.send_signal(signal, deadline).is_err() {
            return Termination::No;
        }
        // The end of its output is not the end of the command.
        let is_gone = |command: &mut dyn TerminableCommand| command.is_closed() || !had_exit && command.has_exit();
        match transfer_until(command, deadline, is_gone) {
            Ok(()) => return Termination::SignaledBy(signal),
            Err(WaitError::Deadline) => {}
            Err(_) => return Termination::No,
        }
    }
    Termination::No
}

fn transfer_until(
    command: &mut dyn TerminableCommand,
    mut deadline: Instant,
    is_done: impl Fn(&mut dyn TerminableCommand) -> bool,
) -> Result<(), WaitError> {
    while !is_done(command) {
        command.transfer(&mut deadline, None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_has_nothing_that_a_login_shell_would_take_for_its_own() {
        assert!(!SCRIPT_TEXT.contains(['\'', '\\', '!', '\n', '`']));
    }

    #[test]
    fn only_the_script_s_own_words_count() {
        let word = last_reply(b"motd\r\npssh-rs-end FOUND\npssh-rs-end TERM\n");
        assert_eq!(word, Some(ScriptReply::Ended(Termination::By("TERM"))));
        assert_eq!(last_reply(b"pssh-rs-end OWN KILL\n"), Some(ScriptReply::Ended(Termination::OwnBy("KILL"))));
        assert_eq!(last_reply(b"TERM\npssh-rs-end\nx pssh-rs-end KILL\npssh-rs-end SOON"), None);
    }

    #[test]
    fn nothing_is_gone_while_its_output_is_open() {
        assert_eq!(conclude(Termination::By("KILL"), true), Termination::By("KILL"));
        assert_eq!(conclude(Termination::By("KILL"), false), Termination::HeldAfter("KILL"));
        assert_eq!(conclude(Termination::SignaledBy("TERM"), true), Termination::SignaledBy("TERM"));
    }
}
