//! What all tools share on the command line: messages, exit status, output formats, progress bar, suggestions.

mod color;
mod completion;
mod duration;
mod failure;
mod field;
mod file;
mod last_line;
mod output;
mod progress;
mod shell;
mod signals;
mod sort;
mod status;
mod suggestion;
mod table;
mod tool;
mod visible;
mod wildcard;
mod writer;

pub use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};
pub use color::Color;
pub use completion::{
    ADDRESS_KEYS, fitting, fixed_words, record_keys, saved_hosts, saved_tag_filters, saved_tag_keys, saved_values,
    typed_before,
};
pub use duration::parse_duration;
pub use failure::{Failure, Result};
pub use field::Column;
pub use file::{read_capped, write_file, write_private_file, write_stdout};
pub use last_line::last_line;
pub use output::{Format, FormatArgs, OutputArgs, OutputMode};
pub use shell::{Variable, has_crlf, quote, quote_path};
pub use signals::{die_of, ending_signals, note_signal, was_interrupted};
pub use sort::{SortArgs, SortKey};
pub use status::Status;
pub use suggestion::{Hint, key_hint, keys_of, nearest};
pub use table::{TableRow, table};
pub use tool::{ProgressArgs, Tool, main};
pub use visible::{columns, is_opaque, shorten, visible, visible_lines, without_error_numbers};
pub use wildcard::{matches_pattern, matches_wildcards};
pub use writer::{RecordWriter, json_line};
