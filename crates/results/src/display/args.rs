//! The options that control the display: `--group`, `--lines`, `--max-output`, `--outdir` and others.

use crate::output::capture::{Budget, Limits};
use cerveza_manners::Tool;
use std::path::PathBuf;

/// The largest `--max-output`. A record is one line, which is made in memory.
const MOST: u64 = 1 << 30;

#[derive(clap::Args, Clone, Debug)]
pub struct DisplayArgs {
    /// Show equal output once, with the hosts that printed it
    ///
    /// Shown at the end, as text for people, also in a pipe.
    #[arg(short = 'b', long, conflicts_with_all = ["diff", "ordered", "sort"], help_heading = "Output")]
    pub group: bool,

    /// Like --group, and show how other outputs differ from the most common one
    #[arg(long, conflicts_with_all = ["ordered", "sort"], help_heading = "Output", hide_short_help = true)]
    pub diff: bool,

    /// Show hosts in the order of the input
    ///
    /// A host appears as soon as it and all hosts before it are finished.
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub ordered: bool,

    /// Write each line as `host: text`, also to a pipe
    ///
    /// pssh-rs writes lines as they arrive, ec2-run when a host is done. dshbak(1) and awk(1) can read this format.
    #[arg(long, conflicts_with_all = ["group", "diff", "sort"], help_heading = "Output", hide_short_help = true)]
    pub lines: bool,

    /// Do not escape control characters on the terminal
    ///
    /// Otherwise they are shown as escapes, such as \u{1b}.
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub raw: bool,

    /// Limit on each host's stdout and on its stderr, as in 64K or 4M
    ///
    /// Of longer output, the beginning and the end are kept, half each, and the record is `truncated`.
    #[arg(long, value_name = "BYTES", default_value = "1M", value_parser = parse_bytes, help_heading = "Output", hide_short_help = true)]
    pub max_output: usize,

    /// Write outputs to DIR/HOST.out and DIR/HOST.err
    ///
    /// --max-output does not limit them. pssh-rs writes them as the output arrives, ec2-run when a host is done. DIR is
    /// created if needed.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub outdir: Option<PathBuf>,
}

impl DisplayArgs {
    /// Returns the limits of a run. All its hosts share the memory budget.
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
