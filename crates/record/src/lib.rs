//! The host record and the lines that carry it from tool to tool.
//!
//! A line of input is a record (it starts with `{`), text (a name or an expression), blank, or a `#` comment. A name
//! that would read as something else is printed and read in double quotes.
//! Keys that a tool does not know are passed on unchanged and in order. Numbers keep their spelling (`1.0`, `1e3`, integers
//! beyond 64 bits).

mod fields;
mod keys;
mod lines;
mod name;
mod natural;
mod path;
mod record;

pub use keys::{FACTS, RECORD_KEYS, RESULTS, RecordKey};
pub use lines::{Item, LineError, each_line, is_include, items, read_text};
pub use name::{
    escape_hidden, is_bare, is_hidden, is_name_char, is_plain_name, printed_name, quote, quote_as_word, unquote,
    unquoted,
};
pub use natural::natural_cmp;
pub use path::{leads_into, path_splits};
pub use record::{Record, RecordError};
pub use serde_json::{Value, json};
