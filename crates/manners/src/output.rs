//! `--output` and other output options: a table for people, JSON lines for programs.

use crate::color::Color;
use crate::completion::record_keys;
use crate::sort::SortArgs;
use std::io::{self, IsTerminal};

/// The output options of a tool that has its own order.
#[derive(clap::Args, Clone, Debug)]
pub struct FormatArgs {
    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = Format::Auto, overrides_with = "names")]
    pub output: Format,

    /// Write the names of all hosts, one per line (same as -o names)
    #[arg(short = '1', overrides_with = "output")]
    pub names: bool,

    /// Columns of a table, csv or tsv, as in host,tags.role
    ///
    /// Columns are separated by commas. Each is a key of the records or `age`, the time since the launch. The default
    /// format is then a table.
    #[arg(long, value_name = "KEY", value_delimiter = ',', value_parser = clap::builder::NonEmptyStringValueParser::new(), add = record_keys())]
    pub columns: Vec<String>,

    /// Write no header line
    #[arg(long, hide_short_help = true)]
    pub no_header: bool,

    /// When to use colours
    #[arg(long, hide_short_help = true, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

#[derive(clap::Args, Clone, Debug)]
pub struct OutputArgs {
    #[command(flatten)]
    pub format: FormatArgs,

    #[command(flatten)]
    pub sort: SortArgs,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `json` in a pipe or file; on a terminal a table (pssh-rs: lines as they arrive; hostrange: names)
    Auto,
    /// JSON lines: one record per line
    Json,
    /// One name per line
    Names,
    /// Aligned columns with headers
    Table,
    /// As in RFC 4180, with \n at the end of lines
    Csv,
    /// Tabs between columns; tab, newline, return and backslash are \t, \n, \r and \\, as in PostgreSQL's COPY
    Tsv,
}

/// A format after `auto` was resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputMode {
    Json,
    Names,
    Table,
    Csv,
    Tsv,
}

impl OutputMode {
    /// Returns whether rows have columns.
    pub fn has_columns(self) -> bool {
        !matches!(self, OutputMode::Json | OutputMode::Names)
    }
}

impl FormatArgs {
    /// Returns the format. `on_terminal` is what `auto` means on a terminal.
    pub fn mode(&self, on_terminal: OutputMode) -> OutputMode {
        self.mode_for(on_terminal, io::stdout().is_terminal())
    }

    fn mode_for(&self, on_terminal: OutputMode, is_terminal: bool) -> OutputMode {
        match self.output {
            _ if self.names => OutputMode::Names,
            Format::Json => OutputMode::Json,
            Format::Names => OutputMode::Names,
            Format::Table => OutputMode::Table,
            Format::Csv => OutputMode::Csv,
            Format::Tsv => OutputMode::Tsv,
            Format::Auto if !self.columns.is_empty() => OutputMode::Table,
            Format::Auto if is_terminal => on_terminal,
            Format::Auto => OutputMode::Json,
        }
    }

    /// Returns whether the user has given no format.
    pub fn is_auto(&self) -> bool {
        self.output == Format::Auto && !self.names && self.columns.is_empty()
    }
}

impl OutputArgs {
    /// See [`FormatArgs::mode`].
    pub fn mode(&self, on_terminal: OutputMode) -> OutputMode {
        self.format.mode(on_terminal)
    }

    /// See [`FormatArgs::is_auto`].
    pub fn is_auto(&self) -> bool {
        self.format.is_auto()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(output: Format, names: bool) -> FormatArgs {
        FormatArgs { output, names, columns: Vec::new(), no_header: false, color: Color::Auto }
    }

    #[test]
    fn auto_is_a_table_on_a_terminal_and_json_in_a_pipe() {
        let auto = args(Format::Auto, false);
        assert_eq!(auto.mode_for(OutputMode::Table, true), OutputMode::Table);
        assert_eq!(auto.mode_for(OutputMode::Names, true), OutputMode::Names);
        assert_eq!(auto.mode_for(OutputMode::Table, false), OutputMode::Json);
        assert_eq!(args(Format::Auto, true).mode_for(OutputMode::Table, false), OutputMode::Names);
        assert_eq!(args(Format::Table, false).mode_for(OutputMode::Names, false), OutputMode::Table);
        assert_eq!(args(Format::Csv, false).mode_for(OutputMode::Names, true), OutputMode::Csv);
    }

    #[test]
    fn columns_mean_a_table_unless_a_format_is_named() {
        let with = |output| FormatArgs { columns: vec!["host".to_string()], ..args(output, false) };
        assert_eq!(with(Format::Auto).mode_for(OutputMode::Names, false), OutputMode::Table);
        assert_eq!(with(Format::Tsv).mode_for(OutputMode::Names, false), OutputMode::Tsv);
        assert_eq!(with(Format::Json).mode_for(OutputMode::Table, true), OutputMode::Json);
    }
}
