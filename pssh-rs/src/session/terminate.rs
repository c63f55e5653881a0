//! Ending a remote command, not only its connection: by a script on a second channel of the same connection, which works
//! with every sshd and sees what is left; by SSH's own signals (RFC 4254 section 6.9) where no script can be run. sshd
//! takes these from 8.1 on only, never for root ("session signalling requires privilege separation", session.c), and hands
//! them to the process group that it started, where a command's background processes need not be.

use crate::base::wait::Halt;
use crate::ffi::{ExecChannel, Stream};
use crate::session::ssh_session::{Link, would_block};
use crate::sink::Sink;
use std::time::{Duration, Instant};

/// The script runs within this, or it was not started.
const STARTED: Duration = Duration::from_secs(5);
/// Once it runs it needs two seconds, and longer on a busy host.
pub const SCRIPT_TIME: Duration = Duration::from_secs(8);
/// How long a server may take to end the command after one of SSH's own signals.
const AFTER_SIGNAL: Duration = Duration::from_secs(2);
/// How long the last output of an ended command may take.
pub const LAST_OUTPUT: Duration = Duration::from_secs(2);
/// All of it together.
pub const LONGEST: Duration = Duration::from_secs(16);
/// The clocks of the two hosts are compared no closer than this.
const SLACK: Duration = Duration::from_secs(2);

/// What the script says when it has found something to end, and how that ended. A login shell may say more.
const SAYS: &str = "pssh-rs-end ";

/// What is known of a command that was to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
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

impl Ended {
    /// For the record's error, after what it is the end of.
    pub fn phrase(self) -> String {
        match self {
            Ended::By(signal) => format!("the command was ended by {signal}"),
            Ended::OwnBy(signal) => {
                format!(
                    "the command was ended by {signal}, but the host hides whether it left processes of other users"
                )
            }
            Ended::HeldAfter(signal) => format!(
                "the command was ended by {signal}, but a process that it had detached holds its output open: it may still \
                 be running"
            ),
            Ended::SignaledBy(signal) => {
                format!("the command was ended by {signal}; what it had started in the background may still be running")
            }
            Ended::No => "the command could not be ended: it may still be running".to_string(),
        }
    }

    /// The same of what a command left that had ended before.
    pub fn phrase_of_rest(self) -> String {
        let rest = match self {
            Ended::By(signal) | Ended::OwnBy(signal) | Ended::SignaledBy(signal) => format!("was ended by {signal}"),
            Ended::HeldAfter(_) | Ended::No => "may still be running".to_string(),
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
pub fn script(age: Duration) -> String {
    // In the kernel's clock ticks, of which a second has 100 on everything that runs sshd.
    let age = (age + SLACK).as_millis() / 10;
    format!("exec sh -c 'age={age}; {SCRIPT_TEXT}'")
}

/// What the script has said so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It runs, and has sent TERM.
    Found,
    /// There was nothing to end.
    Nothing,
    Ended(Ended),
    Left,
}

/// The last word in what the script has printed.
pub fn last_word(printed: &[u8]) -> Option<Word> {
    let printed = String::from_utf8_lossy(printed);
    let words = printed.lines().filter_map(|line| line.trim_end().strip_prefix(SAYS));
    let mut words = words.filter_map(|word| match word {
        "FOUND" => Some(Word::Found),
        "NONE" => Some(Word::Nothing),
        "TERM" => Some(Word::Ended(Ended::By("TERM"))),
        "KILL" => Some(Word::Ended(Ended::By("KILL"))),
        "OWN TERM" => Some(Word::Ended(Ended::OwnBy("TERM"))),
        "OWN KILL" => Some(Word::Ended(Ended::OwnBy("KILL"))),
        "LEFT" => Some(Word::Left),
        _ => None,
    });
    words.next_back()
}

/// What is known once it is also known whether the command's output ended.
pub fn concluded(ended: Ended, output_ended: bool) -> Ended {
    match ended {
        Ended::By(signal) | Ended::OwnBy(signal) if !output_ended => Ended::HeldAfter(signal),
        ended => ended,
    }
}

/// Ends the command of `channel`, which began so long ago, and takes what it still prints, within [`LONGEST`].
pub fn end(link: &Link, channel: &ExecChannel, age: Duration, sink: &mut dyn Sink) -> Ended {
    let ended = match by_script(link, channel, age, sink) {
        Ok(Some(Word::Ended(ended))) => {
            // What it printed last is on its way.
            let _ = finish(link, channel, sink, Instant::now() + LAST_OUTPUT, ExecChannel::ended);
            concluded(ended, channel.ended())
        }
        Ok(Some(Word::Left | Word::Found)) | Err(Over) => Ended::No,
        Ok(Some(Word::Nothing) | None) => by_signals(link, channel, sink),
    };
    for stream in [Stream::Stdout, Stream::Stderr] {
        while let Some(bytes) = channel.take_queued(stream) {
            // It fails only where our reader takes no more.
            let _ = sink.take(stream, &bytes, &|| link.check(None));
        }
    }
    ended
}

/// A stop, or the end of the connection: nothing more can be done.
struct Over;

/// Returns the script's last word, `None` if it did not run here.
fn by_script(link: &Link, channel: &ExecChannel, age: Duration, sink: &mut dyn Sink) -> Result<Option<Word>, Over> {
    let mut deadline = Instant::now() + STARTED;
    let started = link
        .drive(Some(deadline), ExecChannel::open)
        .and_then(|script| link.drive(Some(deadline), |_| script.start(&self::script(age))).map(|()| script));
    let script = match started {
        Ok(script) => script,
        Err(Halt::Stopped | Halt::Io(_)) => return Err(Over),
        Err(Halt::Deadline | Halt::Ssh(_)) => return Ok(None),
    };
    let mut printed = Vec::new();
    let mut runs = false;
    loop {
        let met = meet(link, channel, sink, &mut deadline, Some((&script, &mut printed)));
        let word = last_word(&printed);
        match word {
            Some(Word::Found) if !runs => {
                runs = true;
                deadline = Instant::now() + SCRIPT_TIME;
            }
            Some(Word::Found) | None => {}
            Some(_) => return Ok(word),
        }
        match met {
            Ok(()) if script.ended() => return Ok(word),
            Ok(()) => {}
            Err(Halt::Deadline) => return Ok(word),
            Err(_) => return Err(Over),
        }
    }
}

fn by_signals(link: &Link, channel: &ExecChannel, sink: &mut dyn Sink) -> Ended {
    let has_status = |channel: &ExecChannel| channel.exit_code().is_some() || channel.exit_signal().is_some();
    let had_status = has_status(channel);
    // The end of its output is not the end of the command.
    let is_gone = |channel: &ExecChannel| channel.closed().is_ok() || (!had_status && has_status(channel));
    for signal in ["TERM", "KILL"] {
        let deadline = Instant::now() + AFTER_SIGNAL;
        if link.drive(Some(deadline), |_| channel.signal(signal)).is_err() {
            return Ended::No;
        }
        match finish(link, channel, sink, deadline, is_gone) {
            Ok(()) => return Ended::SignaledBy(signal),
            Err(Halt::Deadline) => {}
            Err(_) => return Ended::No,
        }
    }
    Ended::No
}

/// Takes what the command prints until it is done.
fn finish(
    link: &Link,
    channel: &ExecChannel,
    sink: &mut dyn Sink,
    mut deadline: Instant,
    is_done: impl Fn(&ExecChannel) -> bool,
) -> Result<(), Halt> {
    while !is_done(channel) {
        meet(link, channel, sink, &mut deadline, None)?;
    }
    Ok(())
}

/// Takes what has arrived; waits where nothing has. The time that our own reader takes is added to the deadline.
fn meet(
    link: &Link,
    channel: &ExecChannel,
    sink: &mut dyn Sink,
    deadline: &mut Instant,
    script: Option<(&ExecChannel, &mut Vec<u8>)>,
) -> Result<(), Halt> {
    const MOST: usize = 64 * 1024;
    link.check(Some(*deadline))?;
    let received = link.received();
    let mut buffer = [0; 16 * 1024];
    let before = sink.reader_time();
    let mut any = false;
    for stream in [Stream::Stdout, Stream::Stderr] {
        let mut taken = Ok(());
        let check = || link.check(None);
        any |= read(channel, stream, &mut buffer, |bytes| taken = sink.take(stream, bytes, &check))?;
        taken?;
    }
    *deadline += sink.reader_time() - before;
    if let Some((script, printed)) = script {
        any |= read(script, Stream::Stdout, &mut buffer, |bytes| {
            printed.extend_from_slice(&bytes[..bytes.len().min(MOST - printed.len().min(MOST))]);
        })?;
        any |= read(script, Stream::Stderr, &mut buffer, |_| ())?;
        any |= script.ended();
    }
    // What one read has received may be for another.
    match any || link.received() != received {
        true => Ok(()),
        false => link.wait(Some(*deadline)),
    }
}

fn read(channel: &ExecChannel, stream: Stream, buffer: &mut [u8], mut take: impl FnMut(&[u8])) -> Result<bool, Halt> {
    match channel.read(stream, buffer) {
        Ok(0) => Ok(false),
        Ok(len) => {
            take(&buffer[..len]);
            Ok(true)
        }
        Err(error) if would_block(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
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
        let word = last_word(b"motd\r\npssh-rs-end FOUND\npssh-rs-end TERM\n");
        assert_eq!(word, Some(Word::Ended(Ended::By("TERM"))));
        assert_eq!(last_word(b"pssh-rs-end OWN KILL\n"), Some(Word::Ended(Ended::OwnBy("KILL"))));
        assert_eq!(last_word(b"TERM\npssh-rs-end\nx pssh-rs-end KILL\npssh-rs-end SOON"), None);
    }

    #[test]
    fn nothing_is_gone_while_its_output_is_open() {
        assert_eq!(concluded(Ended::By("KILL"), true), Ended::By("KILL"));
        assert_eq!(concluded(Ended::By("KILL"), false), Ended::HeldAfter("KILL"));
        assert_eq!(concluded(Ended::SignaledBy("TERM"), true), Ended::SignaledBy("TERM"));
    }
}
