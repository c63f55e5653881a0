//! `hostfmt`: host records as text for other programs, such as a zone file or an inventory.
//!
//! Data flows one way: the records are read ([`run`]), the hosts that the format takes are sorted and grouped
//! (`fleet`), and the template is rendered (`render`). Nothing is written before all is rendered.

mod cli;
mod escape;
mod fleet;
mod format;
mod functions;
mod host;
mod names;
mod policy;
mod refusal;
mod render;

pub use cli::{Args, command, hint, run};
