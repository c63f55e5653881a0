//! Ending a remote command, not only its connection: by a script on a second channel of the same connection, which works
//! with every sshd; by SSH's own signals (RFC 4254 section 6.9) where no script can be run. sshd takes these from 8.1
//! on only, and never for root ("session signalling requires privilege separation", session.c).

use crate::ffi::{ExecChannel, Stream};
use crate::link::{Halt, Link, would_block};
use crate::sink::Sink;
use std::time::{Duration, Instant};

/// The script runs within this, or it was not started.
const STARTED: Duration = Duration::from_secs(3);
/// After TERM, however it came about.
const AFTER_TERM: Duration = Duration::from_secs(2);
/// After KILL; the script needs a moment to look, and the answer one to come.
const AFTER_KILL: Duration = Duration::from_secs(2);
/// All of it together.
pub const LONGEST: Duration = Duration::from_secs(12);
/// How long the last output of an ended command may take.
const LAST_OUTPUT: Duration = Duration::from_millis(300);

/// What the script says when it has found something to end, and how that ended. A login shell may say more.
const SAYS: &str = "pssh-rs-end ";

/// How a command was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// `TERM` or `KILL`; `None` when it may still run.
    pub by: Option<&'static str>,
}

impl Ended {
    /// For the record's error, after what it is the end of.
    pub fn phrase(self) -> String {
        match self.by {
            Some(signal) => format!("the command was ended by {signal}"),
            None => "the command could not be ended: it may still be running".to_string(),
        }
    }
}

/// The script, for `sh`: no quote, backslash or `!`, which login shells (fish, csh) would take for theirs.
///
/// Its parent is the login's sshd process, as it is the command's: sshd makes each command's shell the leader of a session
/// (setsid in session.c), and a login shell `exec`s us. So what is to end are the other children of that parent, what is
/// below them, and the process groups that any of these leads. They are remembered from before the first signal, since
/// a group outlives its leader. `read` of a name with two line feeds would lose a process, whose group is found all the same.
const SCRIPT: &str = concat!(
    "up=$PPID; me=$$; seen=\" \"; [ \"$up\" -gt 1 ] || exit 1; ",
    // All processes but zombies, as pid:ppid:pgid; one that ends meanwhile reads as nothing. Linux needs no ps, and containers often have none.
    "list() { all=; if [ -r /proc/self/stat ]; then for f in /proc/[0-9]*/stat; do ",
    "a=; b=; { read -r a; read -r b; } 2>/dev/null <$f; a=\"$a $b\"; p=${f#/proc/}; set -f; set -- ${a##*) }; set +f; ",
    "case \"$1.$3\" in Z*|*.) ;; *) all=\"$all ${p%%/*}:$2:$3\";; esac; done; ",
    "else all=$(ps -A -o pid= -o ppid= -o pgid= | while read -r a b c; do echo $a:$b:$c; done); fi; }; ",
    "part() { p=${1%%:*}; g=${1##*:}; u=${1#*:}; u=${u%:*}; }; ",
    // Adds what is below `up` or below what was seen before. One that leads its process group stands for the group.
    "look() { more=1; while [ \"$more\" ]; do more=; for t in $all; do part $t; ",
    "[ $p = $me ] && continue; [ $p = $up ] && continue; ",
    "case \"$seen\" in *\" $p \"*|*\" -$p \"*) continue;; esac; ",
    "case \" $up $seen\" in *\" $u \"*|*\" -$u \"*) ;; *) continue;; esac; ",
    "if [ $g = $p ]; then seen=\"$seen-$p \"; else seen=\"$seen$p \"; fi; more=1; done; done; }; ",
    "send() { for p in $seen; do kill -$1 $p 2>/dev/null; done; }; ",
    // `kill -0` would take one that is not ours to signal for ended.
    "lives() { list; for t in $all; do part $t; case \"$seen\" in *\" $p \"*|*\" -$g \"*) return 0;; esac; done; return 1; }; ",
    "nap() { sleep 0.1 2>/dev/null || sleep 1; }; ",
    "list; look; [ \"$seen\" = \" \" ] && { echo pssh-rs-end NONE; exit; }; ",
    "echo pssh-rs-end FOUND; send TERM; ",
    "i=0; while [ $i -lt 10 ]; do nap; lives || { echo pssh-rs-end TERM; exit; }; i=$((i+1)); done; ",
    "look; send KILL; ",
    "i=0; while [ $i -lt 8 ]; do nap; lives || { echo pssh-rs-end KILL; exit; }; i=$((i+1)); done; ",
    "echo pssh-rs-end LEFT",
);

/// The remote command that ends the other commands of its own login: TERM, then, a good second later, KILL. It
/// does so also when we are gone by then.
pub fn script() -> String {
    format!("exec sh -c '{SCRIPT}'")
}

/// What the script has said so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It runs, and has sent TERM.
    Found,
    /// There was nothing to end.
    Nothing,
    Ended(&'static str),
    Left,
}

/// The last word in what the script has printed.
pub fn last_word(printed: &[u8]) -> Option<Word> {
    let printed = String::from_utf8_lossy(printed);
    let words = printed.lines().filter_map(|line| line.trim_end().strip_prefix(SAYS));
    let mut words = words.filter_map(|word| match word {
        "FOUND" => Some(Word::Found),
        "NONE" => Some(Word::Nothing),
        "TERM" => Some(Word::Ended("TERM")),
        "KILL" => Some(Word::Ended("KILL")),
        "LEFT" => Some(Word::Left),
        _ => None,
    });
    words.next_back()
}

/// Ends the command of `channel`, and takes what it still prints, within [`LONGEST`].
///
/// With `signals` the server heeds SSH's own, and they come first; else the script, since nothing tells that they do nothing.
pub fn end(link: &Link, channel: &ExecChannel, signals: bool, sink: &mut dyn Sink) -> Ended {
    if signals && let Some(by) = by_signals(link, channel, sink) {
        return Ended { by: Some(by) };
    }
    let by = match by_script(link, channel, sink) {
        Ok(Some(by)) => by,
        Ok(None) if !signals => by_signals(link, channel, sink),
        Ok(None) | Err(Over) => None,
    };
    Ended { by }
}

/// Whether a server that names itself so passes signals on. sshd does so from 8.1, and never for root; of others it is not
/// known, so they are asked.
pub fn heeds_signals(banner: &str, user: &str) -> bool {
    let Some((_, version)) = banner.split_once("OpenSSH_") else { return true };
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (8, 1) && user != "root"
}

/// A stop, or the end of the connection: nothing more can be done.
struct Over;

/// The outer `None`: the script did not run here.
fn by_script(link: &Link, channel: &ExecChannel, sink: &mut dyn Sink) -> Result<Option<Option<&'static str>>, Over> {
    let deadline = Instant::now() + STARTED;
    let started = link
        .drive(Some(deadline), ExecChannel::open)
        .and_then(|script| link.drive(Some(deadline), |_| script.start(&self::script())).map(|()| script));
    let script = match started {
        Ok(script) => script,
        Err(Halt::Stopped | Halt::Io(_)) => return Err(Over),
        Err(Halt::Deadline | Halt::Ssh(_)) => return Ok(None),
    };
    let mut printed = Vec::new();
    let mut deadline = deadline;
    loop {
        let met = meet(link, channel, sink, &mut deadline, Some((&script, &mut printed)));
        match last_word(&printed) {
            Some(Word::Found) if deadline <= Instant::now() + STARTED => {
                deadline = Instant::now() + AFTER_TERM + AFTER_KILL;
            }
            Some(Word::Ended(by)) => {
                // What it printed last is on its way.
                let _ = finish(link, channel, sink, Instant::now() + LAST_OUTPUT);
                return Ok(Some(Some(by)));
            }
            Some(Word::Left) => return Ok(Some(None)),
            Some(Word::Nothing) => return Ok(None),
            _ => {}
        }
        match met {
            Ok(()) if script.ended() => return Ok(last_word(&printed).map(|_| None)),
            Ok(()) => {}
            Err(Halt::Deadline) => return Ok(last_word(&printed).map(|_| None)),
            Err(_) => return Err(Over),
        }
    }
}

fn by_signals(link: &Link, channel: &ExecChannel, sink: &mut dyn Sink) -> Option<&'static str> {
    for (signal, wait) in [("TERM", AFTER_TERM), ("KILL", AFTER_KILL)] {
        let deadline = Instant::now() + wait;
        if link.drive(Some(deadline), |_| channel.signal(signal)).is_err() {
            return None;
        }
        match finish(link, channel, sink, deadline) {
            Ok(()) => return Some(signal),
            Err(Halt::Deadline) => {}
            Err(_) => return None,
        }
    }
    None
}

/// Takes what the command prints until it has ended.
fn finish(link: &Link, channel: &ExecChannel, sink: &mut dyn Sink, mut deadline: Instant) -> Result<(), Halt> {
    while !channel.ended() {
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
    } else {
        any |= channel.ended();
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
        assert!(!SCRIPT.contains(['\'', '\\', '!', '\n', '`']));
    }

    #[test]
    fn sshd_s_version_tells_what_it_does() {
        assert!(heeds_signals("SSH-2.0-OpenSSH_9.2p1 Debian-2", "admin"));
        assert!(heeds_signals("SSH-2.0-OpenSSH_10.0", "admin"));
        assert!(heeds_signals("SSH-2.0-dropbear_2022.83", "root"));
        assert!(!heeds_signals("SSH-2.0-OpenSSH_9.2p1", "root"));
        assert!(!heeds_signals("SSH-2.0-OpenSSH_8.0", "admin"));
        assert!(!heeds_signals("SSH-2.0-OpenSSH_7.4p1", "admin"));
    }

    #[test]
    fn only_the_script_s_own_words_count() {
        assert_eq!(last_word(b"motd\r\npssh-rs-end FOUND\npssh-rs-end TERM\n"), Some(Word::Ended("TERM")));
        assert_eq!(last_word(b"TERM\npssh-rs-end\nx pssh-rs-end KILL\npssh-rs-end SOON"), None);
    }
}
