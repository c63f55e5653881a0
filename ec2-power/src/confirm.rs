//! Asks before instances are terminated.

use cerveza_manners::{Failure, Result, visible};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};

/// Asks on the terminal itself: stdin may be a pipe of records.
pub fn confirm(question: &str) -> Result<()> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let Ok(mut terminal) = terminal else {
        return Err(Failure::usage("there is no terminal to ask on: nothing was terminated")
            .hint("give --yes to terminate without being asked"));
    };
    let mut answer = String::new();
    let asked =
        write!(terminal, "{} [y/N] ", visible(question)).and_then(|()| BufReader::new(terminal).read_line(&mut answer));
    match asked {
        Ok(_) if matches!(answer.trim(), "y" | "Y" | "yes") => Ok(()),
        Ok(_) => Err(Failure::usage("not confirmed: nothing was terminated")),
        Err(error) => Err(Failure::usage(format!("cannot ask on the terminal: {error}: nothing was terminated"))),
    }
}
