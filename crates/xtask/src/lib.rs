//! `cargo xtask`: the project's own jobs, a folder each. `pages` writes man pages and completions; `layers` finds circles
//! of imports.

mod cli;
pub mod layers;
pub mod pages;

pub use cli::{Args, run};
