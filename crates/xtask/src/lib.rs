//! `cargo xtask`: what is generated from the tools' clap definitions, and checked in: man/ and completions/.
//!
//! A man page is, in this order: NAME and SYNOPSIS, generated; DESCRIPTION, from the hand-written `TOOL/manual.roff`;
//! OPTIONS, generated from the doc comments; any other section of manual.roff; EXAMPLES, from there too; EXIT STATUS,
//! generated; ENVIRONMENT and FILES, from manual.roff with what generation adds; SEE ALSO, generated.
//!
//! manual.roff is man(7) with a `.SH` before each section. Between `.EX` and `.EE` stands plain text, which is escaped
//! and indented here. In EXAMPLES a line that begins with `$ ` is a command, and the lines after it, if any, are what it
//! prints: tests/pages runs them all. A command that ends with another status than 0 says so at its end, as in
//! `# exit status 1`.

mod cli;
mod completions;
mod files;
mod manual;
mod options;
mod page;
mod roff;
mod tools;

pub use cli::{Args, run};
pub use files::{Generated, generate, root, stale, write};
