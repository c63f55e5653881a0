//! Runs a tool: parses its arguments, prints its messages on stderr, and sets the exit status.

use crate::completion::{self, asking_shell};
use crate::progress::{bar_target, show};
use crate::signals::die_interrupted;
use crate::suggestion::suggest;
use crate::{Failure, Hint, Result, Status, shorten, visible, without_error_numbers};
use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::env::ArgsOs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Prints messages on stderr with the tool's name. stdout has only results.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    pub name: &'static str,
}

#[derive(clap::Args, Clone, Debug)]
pub struct ProgressArgs {
    /// Show no progress bar
    ///
    /// There is none if stderr is not a terminal.
    #[arg(long, hide_short_help = true)]
    pub no_progress: bool,
}

impl ProgressArgs {
    /// Returns a bar on stderr that counts to `total`. It is hidden if stderr is not a terminal.
    pub fn bar(&self, total: u64, doing: &'static str) -> ProgressBar {
        let target = if self.no_progress { ProgressDrawTarget::hidden() } else { bar_target() };
        let style = ProgressStyle::with_template("{msg} {pos}/{len} [{wide_bar}] {elapsed_precise}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style).with_message(doing);
        if !bar.is_hidden() {
            // Draw the clock even if nothing else changes.
            bar.enable_steady_tick(TICK);
            show(&bar);
        }
        bar
    }
}

/// The time between two drawings of a bar.
const TICK: Duration = Duration::from_millis(250);

/// Runs a tool: the one place where a failure becomes a message and an exit status.
/// `words` is the command line, which begins with the name that the tool was started by. `hint` is asked about unknown
/// options and wrong values.
pub fn main<A: Parser>(
    words: ArgsOs,
    name: &'static str,
    hint: Hint,
    run: fn(&A, &Tool) -> Result<Status>,
) -> ExitCode {
    if let Some(shell) = asking_shell() {
        return completion::print(A::command(), &shell, words);
    }
    let tool = Tool { name };
    let args = match A::try_parse_from(words) {
        Ok(args) => args,
        Err(mut error) => {
            suggest(&mut error, A::command(), hint);
            return usage(&tool, &error, hint);
        }
    };
    let status = run(&args, &tool).unwrap_or_else(|failure| {
        tool.failure(&failure);
        failure.status
    });
    if status == Status::Interrupted {
        die_interrupted();
    }
    status.into()
}

/// Prints help and version to stdout, without an error. Everything else is wrong usage, printed like our other messages.
fn usage(tool: &Tool, error: &clap::Error, hint: Hint) -> ExitCode {
    if !error.use_stderr() {
        // In pssh(1), -h takes a file of hosts. Help and exit status 0 would look as if the command had run.
        if std::env::args().rev().skip(1).any(|word| word == "-h") {
            write_message(tool.name, "-h asks for help; with words after it nothing is done");
            hint("-h").iter().for_each(|hint| write_message(tool.name, hint));
            return Status::Usage.into();
        }
        return match error.print() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                tool.failure(&Failure::stdout(&error));
                Status::Usage.into()
            }
            _ => Status::Done.into(),
        };
    }
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    write_message(tool.name, text.trim_end());
    Status::Usage.into()
}

impl Tool {
    /// Prints a warning. The run continues.
    pub fn warn(&self, message: impl AsRef<str>) {
        write_message(self.name, message.as_ref());
    }

    /// Prints the closing line of a tool that acted on hosts.
    pub fn summary(&self, message: impl AsRef<str>) {
        write_message(self.name, message.as_ref());
    }

    /// Prints the message and the hint of a failure. Prints nothing for a closed pipe.
    pub fn failure(&self, failure: &Failure) {
        if failure.is_closed_pipe() {
            return;
        }
        write_message(self.name, &failure.message);
        if let Some(hint) = &failure.hint {
            write_message(self.name, hint);
        }
    }
}

/// Writes `tool: message` with control characters made visible and opaque tokens shortened, line by line. Errors of
/// stderr are ignored.
fn write_message(tool: &str, message: &str) {
    let mut text = format!("{tool}: ");
    for (number, line) in message.lines().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        text.push_str(&visible(&shorten(&without_error_numbers(line))));
    }
    text.push('\n');
    let _ = io::stderr().write_all(text.as_bytes());
}
