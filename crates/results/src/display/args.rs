//! What a user may choose about output.

use crate::output::capture::{Budget, Limits};
use cerveza_manners::Tool;
use std::path::PathBuf;

/// The limit on what `--max-output` may be: a record is one line, made in memory.
const MOST: u64 = 1 << 30;

#[derive(clap::Args, Clone, Debug)]
pub struct DisplayArgs {
    /// At the end, write what each host printed once for all hosts where it was the same, under a line that names
    /// them. This is text for people, on a terminal and in a pipe
    #[arg(short = 'b', long, conflicts_with_all = ["diff", "ordered"])]
    pub group: bool,

    /// As --group, but only what most hosts printed in full, and how that of the others differs from it
    #[arg(long, conflicts_with = "ordered")]
    pub diff: bool,

    /// Write hosts in the order of the input: each as soon as it and all before it are done
    #[arg(long)]
    pub ordered: bool,

    /// Write lines also to a pipe or file, each as it comes: `host: text`, as dshbak(1) and awk(1) read them
    #[arg(long, conflicts_with_all = ["group", "diff"])]
    pub lines: bool,

    /// Let the output of hosts to the terminal as it is. Without this, control characters are shown as escapes, such
    /// as \u{1b}
    #[arg(long)]
    pub raw: bool,

    /// Keep this much of each host's stdout and stderr, in bytes or as in 64K or 4M: half of it from the beginning
    /// and half from the end. A record where something was left out is `truncated`
    #[arg(long, value_name = "BYTES", default_value = "1M", value_parser = parse_bytes)]
    pub max_output: usize,

    /// Write what hosts print to DIR/HOST.out and DIR/HOST.err as well, as it comes and all of it. DIR is made if need
    /// be
    #[arg(long, value_name = "DIR")]
    pub outdir: Option<PathBuf>,
}

impl DisplayArgs {
    /// The limits of a run; its budget is shared by all its hosts.
    pub fn limits(&self, tool: &Tool) -> Limits {
        Limits { stream: self.max_output, budget: Budget::of_machine(), tool: tool.name }
    }
}

/// Parses bytes (`65536`) or a number with its unit, a power of 1024 (`64K`, `1M`, `1MiB`).
fn parse_bytes(text: &str) -> Result<usize, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err("give bytes, or a number with K, M or G".to_string()),
    };
    let number: u64 = number.parse().map_err(|_| "give bytes, or a number with K, M or G".to_string())?;
    match number.checked_mul(1 << shift).filter(|bytes| *bytes <= MOST) {
        Some(bytes) => usize::try_from(bytes).map_err(|error| error.to_string()),
        None => Err("must be at most 1G".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_units() {
        assert_eq!(parse_bytes("0"), Ok(0));
        assert_eq!(parse_bytes("65536"), Ok(65_536));
        assert_eq!(
            [parse_bytes("64k"), parse_bytes("64K"), parse_bytes("64KiB")],
            [Ok(65_536), Ok(65_536), Ok(65_536)]
        );
        assert_eq!(parse_bytes("1G"), Ok(1 << 30));
        for bad in ["", "M", "-1", "1.5M", "1 M", "1T", "2G", "99999999999999999999", "17179869185G"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }
}
