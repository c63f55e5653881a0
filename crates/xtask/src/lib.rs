//! `cargo xtask`: commands for working on the project. `pages` writes man pages and completions; `layers` finds circles
//! of imports.

mod cli;
pub mod layers;
pub mod pages;

pub use cli::{Args, run};
