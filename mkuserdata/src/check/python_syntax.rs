//! Compiles a part handler with python3, if there is one, to find syntax errors.

use std::io::{self, Read, Seek, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Compiles the source and runs nothing of it.
const COMPILE: &str = "
import sys
try:
    compile(sys.stdin.buffer.read(), 'handler', 'exec')
except (SyntaxError, ValueError) as error:
    print(getattr(error, 'lineno', None) or 1, getattr(error, 'msg', error))
";

/// The time limit for python3, far more than it needs.
const LONGEST: Duration = Duration::from_secs(20);

/// Returns the line of the first syntax error, and its message. Returns `None` too if there is no python3.
pub(crate) fn syntax_error(source: &str) -> Option<(usize, String)> {
    let output = compile(source).ok()?;
    let (line, message) = output.trim().split_once(' ')?;
    Some((line.parse().ok()?, message.chars().take(200).collect()))
}

fn compile(source: &str) -> io::Result<String> {
    let mut input = tempfile::tempfile()?;
    input.write_all(source.as_bytes())?;
    input.rewind()?;
    // Isolated: no module of the current folder is imported.
    let mut python = Command::new("python3");
    python.args(["-I", "-S", "-W", "ignore", "-c", COMPILE]).stdin(input).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut python = python.spawn()?;
    let start = Instant::now();
    while python.try_wait()?.is_none() {
        if start.elapsed() > LONGEST {
            python.kill()?;
            python.wait()?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut output = String::new();
    python.stdout.take().map(|mut stdout| stdout.read_to_string(&mut output)).transpose()?;
    Ok(output)
}
