//! The script that terminates a command of its own login, and its replies.

use crate::session::terminate::Termination;
use std::time::Duration;

/// Processes that began this much before the command still count as its own, because the clocks of the two hosts differ.
const SLACK: Duration = Duration::from_secs(2);
/// What the script's replies begin with. A login shell may print other lines.
const REPLY_PREFIX: &str = "pssh-rs-end ";

/// The script, for `sh`. It has no quote, backslash or `!`, because login shells (fish, csh) would interpret them.
///
/// Its parent is the sshd process of the login, which is also the command's parent: sshd makes each command's shell the leader of
/// a session (setsid in session.c), and the login shell `exec`s this script. So the processes to end are the other children of that
/// parent, their descendants, and all processes in the sessions that any of these leads, also after their own parents have
/// ended. dropbear makes no session for a command; there the parent leads the session of the connection. If nothing is found,
/// the leader of the command's session has ended. Then its session is found among the processes that began with the command, by
/// SSH_CONNECTION in their environment, which names this connection.
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
    // Adds children of `up` and of processes found before, and processes in their sessions.
    "look() { more=1; while [ \"$more\" ]; do more=; for t in $all; do part $t; ",
    "case \" $up $me $ours\" in *\" $p \"*) continue;; esac; [ $u = $me ] && continue; ",
    "case \" $up $ours\" in *\" $u \"*) ;; *) case \"$sids\" in *\" $s \"*) ;; *) continue;; esac;; esac; ",
    "ours=\"$ours$p \"; more=1; [ $s = $p ] && sids=\"$sids$s \"; done; done; }; ",
    // Adds sessions without a leader.
    "left() { case \"$SSH_CONNECTION\" in \"\"|UNKNOWN*) return;; esac; [ \"$now\" ] || return; ",
    "for t in $all; do part $t; [ $b -ge $((now-age)) ] || continue; case \"$all\" in *\" $s:\"*) continue;; esac; ",
    "grep -qsF \"SSH_CONNECTION=$SSH_CONNECTION\" /proc/$p/environ && sids=\"$sids$s \"; done; }; ",
    "send() { for p in $ours; do kill -$1 $p 2>/dev/null; done; }; ",
    // `kill -0` would report a process as ended that we may not signal.
    "lives() { list; look; for t in $all; do part $t; case \"$ours\" in *\" $p \"*) return 0;; esac; done; return 1; }; ",
    "nap() { sleep 0.1 2>/dev/null || sleep 1; }; ",
    "list; look; [ \"$ours\" = \" \" ] && { left; look; }; [ \"$ours\" = \" \" ] && { echo pssh-rs-end NONE; exit; }; ",
    "echo pssh-rs-end FOUND; send TERM; ",
    "i=0; while [ $i -lt 10 ]; do nap; lives || { echo pssh-rs-end ${own}TERM; exit; }; i=$((i+1)); done; ",
    "i=0; while [ $i -lt 8 ]; do send KILL; nap; lives || { echo pssh-rs-end ${own}KILL; exit; }; i=$((i+1)); done; ",
    "echo pssh-rs-end LEFT",
);

/// Returns the remote command that ends a command of its own login which began `age` ago: TERM, then KILL a second later. It does so
/// even if our connection has ended by then.
pub fn script(age: Duration) -> String {
    // In the kernel's clock ticks, which are 100 a second wherever sshd runs.
    let age = (age + SLACK).as_millis() / 10;
    format!("exec sh -c 'age={age}; {SCRIPT_TEXT}'")
}

/// A reply of the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptReply {
    /// It has found processes, and has sent TERM.
    Found,
    /// There was nothing to end.
    Nothing,
    Ended(Termination),
    /// Processes are left after KILL.
    Left,
}

/// Returns the last reply in what the script has printed.
pub fn last_reply(printed: &[u8]) -> Option<ScriptReply> {
    let printed = String::from_utf8_lossy(printed);
    let words = printed.lines().filter_map(|line| line.trim_end().strip_prefix(REPLY_PREFIX));
    let mut words = words.filter_map(|word| match word {
        "FOUND" => Some(ScriptReply::Found),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_has_no_characters_that_login_shells_interpret() {
        assert!(!SCRIPT_TEXT.contains(['\'', '\\', '!', '\n', '`']));
    }

    #[test]
    fn only_replies_of_the_script_count() {
        let word = last_reply(b"motd\r\npssh-rs-end FOUND\npssh-rs-end TERM\n");
        assert_eq!(word, Some(ScriptReply::Ended(Termination::By("TERM"))));
        assert_eq!(last_reply(b"pssh-rs-end OWN KILL\n"), Some(ScriptReply::Ended(Termination::OwnBy("KILL"))));
        assert_eq!(last_reply(b"TERM\npssh-rs-end\nx pssh-rs-end KILL\npssh-rs-end SOON"), None);
    }
}
