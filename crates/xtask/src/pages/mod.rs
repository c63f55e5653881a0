//! Writes man/ and completions/ from the tools' clap definitions. Both are checked in.
//!
//! A man page is, in this order: NAME and SYNOPSIS, generated; DESCRIPTION, from the hand-written `TOOL/manual.roff`;
//! OPTIONS, generated from the doc comments; any other section of manual.roff; EXAMPLES, from there too; EXIT STATUS,
//! generated; ENVIRONMENT and FILES, from manual.roff with what generation adds; SEE ALSO, generated.
//!
//! manual.roff is man(7) with a `.SH` before each section. Between `.EX` and `.EE` stands plain text, which is escaped
//! and indented here. In EXAMPLES a line that begins with `$ ` is a command, and the lines after it, if any, are what it
//! prints: tests/pages runs them all. A command that ends with another status than 0 says so at its end, as in
//! `# exit status 1`.

mod completions;
mod files;
mod manual;
mod options;
mod page;
mod roff;
mod tools;

pub use files::{generate, root, stale};

use cerveza_manners::{Failure, Result, Status, Tool};

/// What to run when a generated file is stale.
const FIX: &str = "run: cargo xtask";

/// Writes the pages and completions. With `check` it writes nothing and fails if a file is stale.
pub(crate) fn run(check: bool, tool: &Tool) -> Result<Status> {
    let generated = generate()?;
    let stale = stale(&generated);
    if check {
        return match stale.is_empty() {
            true => Ok(Status::Done),
            false => Err(Failure::usage(format!("stale: {}", stale.join(", "))).hint(FIX)),
        };
    }
    files::write(&generated)?;
    for file in stale {
        let done = if generated.contains_key(&file) { "wrote" } else { "removed" };
        tool.summary(format!("{done} {file}"));
    }
    Ok(Status::Done)
}
