//! Makes the script for sh: the command with its folder, environment and user, within the wrapper of `head.sh` and
//! `tail.sh`.
//!
//! The wrapper never exits with 137, 168 or 194, which mean something else to SSM Agent: a timeout, success, and a reboot
//! after which the script runs again. The frame has the real exit status.

use base64::prelude::{BASE64_STANDARD, Engine};
use cerveza_manners::{Variable, quote, quote_path};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

const HEAD: &str = include_str!("head.sh");
const TAIL: &str = include_str!("tail.sh");

/// A document of SSM has at most 64 KB, with what AWS's own document around the script takes. Quotes and line ends count
/// twice in JSON.
pub const LONGEST_SCRIPT: usize = 48 * 1024;

/// A local script of more bytes is compressed.
const LONGEST_PLAIN: usize = 4 * 1024;

/// What runs on the host.
#[derive(Clone, Debug)]
pub enum Program {
    Command(String),
    /// A local script with its arguments.
    Script {
        content: Vec<u8>,
        arguments: Vec<String>,
    },
}

/// The command, and what is put around it.
#[derive(Clone, Debug)]
pub struct HostCommand {
    pub program: Program,
    pub env: Vec<Variable>,
    pub chdir: Option<String>,
    /// The user to run as; root if none is named.
    pub user: Option<String>,
    /// The wrapper kills the command after this time.
    pub limit: Option<Duration>,
    /// The script prints all of the output after the frame if that has not all of it as text.
    pub prints_all: bool,
}

impl HostCommand {
    /// Returns the whole script for the host.
    pub fn script(&self) -> String {
        let mut text = String::from(HEAD);
        // Writing to a String cannot fail, here and below.
        if let Program::Script { content, .. } = &self.program {
            push_upload(&mut text, content);
        }
        let limit = self.limit.map_or(String::new(), |limit| limit.as_secs_f64().ceil().to_string());
        let all = if self.prints_all { "1" } else { "" };
        let _ = writeln!(text, "limit={limit} all={all}\nmain() {{\n{}}}", self.main());
        text + TAIL
    }

    /// Returns the body of the function `main`.
    fn main(&self) -> String {
        let mut lines = String::new();
        let run = match &self.program {
            Program::Command(command) => format!("exec sh -c {}", quote(command)),
            Program::Script { arguments, .. } => {
                let words: String = arguments.iter().map(|word| format!(" {}", quote(word))).collect();
                format!("exec \"$f\"{words}")
            }
        };
        // As sshd does, it goes on without a home.
        let mut inner = String::from("cd 2>/dev/null || cd /\n");
        for Variable { name, value } in &self.env {
            let _ = writeln!(inner, "export {name}={}", quote(value));
        }
        if let Some(folder) = &self.chdir {
            let _ = writeln!(inner, "cd {} || exit", quote_path(folder));
        }
        inner.push_str(&run);
        inner.push('\n');
        match &self.user {
            None => {
                lines.push_str("export HOME=\"${HOME:-/root}\"\n");
                lines.push_str(&inner);
            }
            Some(user) => {
                lines.push_str("export f\n");
                let _ = writeln!(lines, "exec su -s /bin/sh -c {} -- {}", quote(&inner), quote(user));
            }
        }
        lines
    }
}

/// Adds what writes the local script to a file `$f` in a folder that allows execution.
fn push_upload(text: &mut String, content: &[u8]) {
    let plain = std::str::from_utf8(content).ok().filter(|text| text.len() <= LONGEST_PLAIN && !text.contains('\0'));
    let write = match plain {
        Some(plain) => format!("printf %s {}", quote(plain)),
        None => format!("printf %s {} | base64 -d | gzip -d", BASE64_STANDARD.encode(compress(content))),
    };
    let _ = write!(
        text,
        "for t in \"${{TMPDIR:-/tmp}}\" /var/tmp /root; do\n    f=$(mktemp \"$t/ec2-run.XXXXXXXX\") && chmod 755 \"$f\" && \
         [ -x \"$f\" ] && break\n    rm -f \"$f\"\n    f=\ndone\n[ \"$f\" ] || {{ echo \"no folder for a script\" >&2; exit 1; }}\n\
         {write} >\"$f\" || exit\n"
    );
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Memory takes all that is written to it.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::frame::{Frame, Header};
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    fn command(program: Program) -> HostCommand {
        HostCommand { program, env: Vec::new(), chdir: None, user: None, limit: None, prints_all: false }
    }

    fn shell(text: &str) -> HostCommand {
        command(Program::Command(text.to_string()))
    }

    /// Runs the script by a shell, in a process group of its own, as SSM Agent does.
    fn run_by(words: &[&str], command: &HostCommand) -> (Frame, Option<i32>) {
        let script = command.script();
        assert!(!script.contains("{{"), "{script}");
        let mut process = Command::new(words[0]);
        process
            .args(&words[1..])
            .args(["-c", &script])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        let output = process.process_group(0).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = String::from_utf8(output.stdout).unwrap();
        let (header, body) = Header::parse(&text).unwrap_or_else(|| panic!("{text:?} {errors}"));
        (header.frame(body).unwrap_or_else(|| panic!("{text:?}")), output.status.code())
    }

    fn run(command: &HostCommand) -> (Frame, Option<i32>) {
        run_by(&["sh"], command)
    }

    const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];

    #[test]
    fn exit_status_and_output_come_back_by_every_shell() {
        for words in SHELLS {
            let (frame, code) = run_by(words, &shell("echo out; echo err >&2; exit 3"));
            assert_eq!((frame.exit, frame.is_late, code), (Some(3), false, Some(3)), "{words:?}");
            assert_eq!((frame.stdout.head, frame.stderr.head), (b"out\n".to_vec(), b"err\n".to_vec()), "{words:?}");
        }
    }

    #[test]
    fn statuses_that_mean_something_to_the_agent_are_in_the_frame_only() {
        for status in [137, 168, 194] {
            let (frame, code) = run(&shell(&format!("exit {status}")));
            assert_eq!((frame.exit, code), (Some(status), Some(1)));
        }
        assert_eq!(run(&shell("kill -9 $$")).0.exit, Some(137));
    }

    #[test]
    fn bytes_are_exact() {
        let (frame, _) = run(&shell(r"printf '\377\000\r\nx'; printf '\351' >&2"));
        assert_eq!((frame.stdout.head, frame.stderr.head), (b"\xff\x00\r\nx".to_vec(), b"\xe9".to_vec()));
        let (frame, _) = run(&shell("seq 1 2000"));
        let numbers: String = (1..=2000).map(|number| format!("{number}\n")).collect();
        assert_eq!((frame.stdout.head, frame.stdout.left_out), (numbers.into_bytes(), 0));
    }

    #[test]
    fn too_much_output_keeps_both_ends() {
        let (frame, _) = run(&shell("seq 1 300000"));
        let (head, tail) = (frame.stdout.head, frame.stdout.tail);
        assert!(head.starts_with(b"1\n2\n") && tail.ends_with(b"299999\n300000\n"));
        let all: usize = (1..=300_000).map(|number: usize| number.to_string().len() + 1).sum();
        assert_eq!(head.len() + tail.len() + frame.stdout.left_out as usize, all);
        // What cannot be compressed.
        let (frame, _) = run(&shell("head -c 100000 /dev/urandom; head -c 100000 /dev/urandom >&2"));
        assert_eq!((frame.stdout.head.len(), frame.stderr.tail.len(), frame.stdout.left_out), (4096, 4096, 91_808));
    }

    #[test]
    fn the_limit_kills_the_command_and_keeps_its_output() {
        for words in SHELLS {
            let limited =
                HostCommand { limit: Some(Duration::from_millis(100)), ..shell("echo begun; sleep 50; echo never") };
            let (frame, _) = run_by(words, &limited);
            assert_eq!((frame.exit, frame.is_late, frame.stdout.head), (None, true, b"begun\n".to_vec()), "{words:?}");
        }
        let (frame, _) = run(&HostCommand { limit: Some(Duration::from_secs(60)), ..shell("echo quick") });
        assert_eq!((frame.exit, frame.is_late), (Some(0), false));
    }

    #[test]
    fn folder_variables_and_braces_arrive() {
        let env = vec!["A=it's {{ssm:x}}".parse().unwrap()];
        let (frame, _) =
            run(&HostCommand { env, chdir: Some("/usr/lib".to_string()), ..shell("printf '%s|' \"$A\"; pwd") });
        assert_eq!(String::from_utf8(frame.stdout.head).unwrap(), "it's {{ssm:x}}|/usr/lib\n");
        let (frame, _) = run(&HostCommand { chdir: Some("/no such".to_string()), ..shell("echo never") });
        assert!(frame.exit.is_some_and(|exit| exit > 0) && frame.stdout.head.is_empty());
    }

    #[test]
    fn a_local_script_runs_with_its_arguments_and_is_removed() {
        let script = |content: &[u8]| {
            let arguments = vec!["a b".to_string(), "{{x}}".to_string()];
            let program = Program::Script { content: content.to_vec(), arguments };
            String::from_utf8(run(&command(program)).0.stdout.head).unwrap()
        };
        let text = "#!/bin/sh\nprintf '[%s]' \"$@\"; echo \"$0\"\n";
        let output = script(text.as_bytes());
        let (arguments, path) = output.trim_end().rsplit_once(']').unwrap();
        assert_eq!(arguments, "[a b][{{x}}");
        assert!(path.starts_with("/tmp/ec2-run.") && !std::path::Path::new(path).exists(), "{path}");
        let long = [text.as_bytes(), b"# \xff", &[b'x'; 100_000]].concat();
        assert!(script(&long).starts_with("[a b][{{x}}]"));
    }

    #[test]
    fn a_process_in_the_background_holds_nothing_up() {
        let begun = std::time::Instant::now();
        let (frame, _) = run(&HostCommand { limit: Some(Duration::from_secs(60)), ..shell("sleep 20 & echo done") });
        assert_eq!(frame.stdout.head, b"done\n");
        assert!(begun.elapsed() < Duration::from_secs(15));
    }
}
