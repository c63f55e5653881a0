//! The script that terminates a command of its own login, and what it replies.

use crate::session::terminate::Termination;
use std::time::Duration;

/// The clocks of the two hosts are compared no closer than this.
const SLACK: Duration = Duration::from_secs(2);
/// What the script says when it has found something to end, and how that ended. A login shell may say more.
const SAYS: &str = "pssh-rs-end ";

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
pub enum ScriptReply {
    /// It runs, and has sent TERM.
    Found,
    /// There was nothing to end.
    Nothing,
    Ended(Termination),
    Left,
}

/// The last word in what the script has printed.
pub fn last_reply(printed: &[u8]) -> Option<ScriptReply> {
    let printed = String::from_utf8_lossy(printed);
    let words = printed.lines().filter_map(|line| line.trim_end().strip_prefix(SAYS));
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
}
