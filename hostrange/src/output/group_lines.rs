//! Writes groups of hosts as lines, JSON or a table.

use cerveza_manners::{Column, Failure, FormatArgs, OutputMode, Result, Tool, visible};
use cerveza_record::{Value, is_hidden, json, quote};
use num_bigint::BigUint;
use std::io::{self, BufWriter, Write};

/// A group to write.
pub(crate) struct GroupRow {
    /// `None`: the group of hosts without a value.
    pub value: Option<Value>,
    pub count: BigUint,
    /// The hosts as an expression.
    pub hosts: Option<String>,
}

/// What a line has besides the name of the group. JSON and tables always have everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupLine {
    Label,
    Count,
    Hosts,
}

impl GroupLine {
    /// Whether the hosts are written, so they must be folded.
    pub fn has_hosts(self, output: &FormatArgs) -> bool {
        self == GroupLine::Hosts || !output.is_auto()
    }
}

/// Returns the name of a group: a plain value as it is, any other in quotes, `-` for no value.
fn label(value: Option<&Value>) -> String {
    let text = match value {
        None => return "-".to_string(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let is_plain = !text.is_empty()
        && text != "-"
        && text.trim() == text
        && !text.contains(|c| is_hidden(c) || matches!(c, ':' | '"'));
    if is_plain { text } else { quote(&text) }
}

/// Writes the groups of `--by`.
pub(crate) fn write_by_value(
    by: &str,
    rows: &[GroupRow],
    shown: GroupLine,
    output: &FormatArgs,
    tool: &Tool,
) -> Result<()> {
    if output.is_auto() { write_lines(rows, shown, label) } else { write_objects(by, rows, output, tool) }
}

/// Writes node groups. Their names are never quoted: `@rack:web`.
pub(crate) fn write_node_groups(rows: &[GroupRow], shown: GroupLine, output: &FormatArgs, tool: &Tool) -> Result<()> {
    let name = |value: Option<&Value>| visible(value.and_then(Value::as_str).unwrap_or_default()).into_owned();
    if output.is_auto() { write_lines(rows, shown, name) } else { write_objects("group", rows, output, tool) }
}

fn write_lines(rows: &[GroupRow], shown: GroupLine, label: impl Fn(Option<&Value>) -> String) -> Result<()> {
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout());
    let written = rows.iter().try_for_each(|row| {
        let label = label(row.value.as_ref());
        match shown {
            GroupLine::Label => writeln!(out, "{label}"),
            GroupLine::Count => writeln!(out, "{label}: {}", row.count),
            GroupLine::Hosts => writeln!(out, "{label}: {}", row.hosts.as_deref().unwrap_or_default()),
        }
    });
    written.and_then(|()| out.flush()).map_err(|error| Failure::stdout(&error))
}

const COLUMNS: [Column; 3] = [
    Column { header: "VALUE", key: "value" },
    Column { header: "COUNT", key: "count" },
    Column { header: "HOSTS", key: "hosts" },
];

/// Writes groups without a key `host`, so no tool reads a group as a host.
fn write_objects(by: &str, rows: &[GroupRow], output: &FormatArgs, tool: &Tool) -> Result<()> {
    let mut writer = output.writer(OutputMode::Table, &COLUMNS, tool);
    for row in rows {
        let count = u64::try_from(&row.count).map_or_else(|_| row.count.to_string().into(), Value::from);
        let group = json!({"by": by, "value": row.value, "count": count, "hosts": row.hosts});
        writer.write_object(&group, &label(row.value.as_ref()))?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_could_be_misread_is_quoted() {
        let shown = |text: &str| label(Some(&Value::from(text)));
        for plain in ["us-east-1a", "null", "My Group", "é", "a-", "@x", "#", "80", "{}"] {
            assert_eq!(shown(plain), plain);
        }
        for quoted in ["", "-", " a", "a ", "a:b", "arn: x", "a\nb", "\"a\"", "\u{1b}[1m", "\u{202e}"] {
            assert!(shown(quoted).starts_with('"') && !shown(quoted).contains(is_hidden), "{quoted:?}");
        }
        assert_eq!(label(None), "-");
        assert_eq!([Value::from(255), Value::Bool(true)].map(|value| label(Some(&value))), ["255", "true"]);
    }
}
