//! The manners all tools share on the command line, so that who knows one tool knows them all.

mod duration;
mod failure;
mod file;
mod output;
mod progress;
mod signals;
mod status;
mod suggestion;
mod table;
mod tool;
mod visible;

pub use duration::parse_duration;
pub use failure::{Failure, Result};
pub use file::{write_file, write_private_file, write_stdout};
pub use output::{Format, OutputArgs, OutputMode, RecordWriter, json_line};
pub use signals::{die_of, ending_signals, note_signal, was_interrupted};
pub use status::Status;
pub use suggestion::{Hint, nearest};
pub use table::{Column, table};
pub use tool::{ProgressArgs, Tool, main};
pub use visible::{columns, is_opaque, shorten, visible};
