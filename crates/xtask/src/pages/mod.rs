//! Writes man/ and completions/ from the tools' clap definitions. Both are checked in.
//!
//! The sections of the page of a tool, in this order:
//!
//! - NAME and SYNOPSIS are generated.
//! - DESCRIPTION comes from the hand-written `TOOL/manual.roff`.
//! - OPTIONS is generated from the doc comments of the options.
//! - Other sections of manual.roff, then its EXAMPLES and EXIT STATUS.
//! - ENVIRONMENT and FILES come from manual.roff. Variables that set options are added, and what several tools share:
//!   aws.roff, completion.roff and output.roff in `crates/xtask/manual`.
//! - SEE ALSO is generated.
//!
//! The pages of sections 5 and 7 are written by hand in `crates/xtask/manual/NAME.SECTION.roff`. A line such as
//! `.\" TABLE volume` there is replaced by a table of keys from the code.
//!
//! Both kinds of files are man(7) with a `.SH` before each section. Text between `.EX` and `.EE` is plain text, which is
//! escaped and indented here. A line that begins with `$ ` is a command, and the lines after it are its output. tests/pages
//! runs the commands in DESCRIPTION and EXAMPLES of tools, and all of sections 5 and 7. A command whose exit status is not 0
//! ends with a comment, such as `# exit status 1`.

mod completions;
mod cookbook;
mod files;
mod manual;
mod options;
mod page;
mod roff;
mod sections;
mod tables;
mod tools;
mod topic;

pub use files::{generate, root, stale};

use cerveza_manners::{Failure, Result, Status, Tool};

/// The hint if a generated file is out of date.
const FIX: &str = "run: cargo xtask";

/// Writes the pages and completions. With `check`, it writes nothing and fails if a file is out of date.
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
