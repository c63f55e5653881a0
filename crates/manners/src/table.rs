//! Records as a table for people.

use crate::visible;
use cerveza_record::{Record, Value};
use comfy_table::{ContentArrangement, Table, presets};

/// A column of a table: its header and the record's key it shows.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub header: &'static str,
    pub key: &'static str,
}

/// A table of the records.
pub(crate) fn record_table(columns: &[Column], records: &[Record]) -> String {
    let cells = |record: &Record| columns.iter().map(|column| record.get(column.key)).collect();
    let headers: Vec<&str> = columns.iter().map(|column| column.header).collect();
    table(&headers, records.iter().map(cells))
}

/// A table with one line a row, columns aligned by two blanks, and no colour.
pub fn table(headers: &[&str], rows: impl Iterator<Item = Vec<Option<Value>>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headers.iter().copied());
    for row in rows {
        table.add_row(row.into_iter().map(cell));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `-` for what is missing; lists and objects on one line, without JSON's quotes.
fn cell(value: Option<Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(value) => plain(&value),
    };
    match text.is_empty() {
        true => "-".to_string(),
        false => visible(&text).into_owned(),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{key}={}", plain(value)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns;

    const COLUMNS: [Column; 3] = [
        Column { header: "HOST", key: "host" },
        Column { header: "STATE", key: "state" },
        Column { header: "TAGS", key: "tags" },
    ];

    #[test]
    fn one_line_a_record_and_a_dash_for_what_is_missing() {
        let records =
            [r#"{"host":"web1","state":"running","tags":{"role":"web","n":1}}"#, r#"{"host":"a-longer-name"}"#]
                .map(|line| Record::parse(line).unwrap());
        assert_eq!(
            record_table(&COLUMNS, &records),
            "HOST           STATE    TAGS\n\
             web1           running  role=web n=1\n\
             a-longer-name  -        -\n"
        );
    }

    #[test]
    fn long_and_wide_names_stay_aligned() {
        let long = ["ip-172-31-255-255.ap-northeast-1.compute.internal", &"n".repeat(256), "日本"];
        for name in long {
            let records =
                [format!(r#"{{"host":"{name}","state":"up"}}"#), r#"{"host":"db1","state":"up"}"#.to_string()];
            let text = record_table(&COLUMNS[..2], &records.map(|line| Record::parse(&line).unwrap()));
            let at = text.lines().map(|line| columns(line.rsplit_once(' ').unwrap().0)).collect::<Vec<_>>();
            assert_eq!(at, vec![columns(name).max(3) + 1; 3], "{text}");
        }
    }

    #[test]
    fn a_hostile_tag_keeps_to_its_line() {
        let record = Record::parse(r#"{"host":"x\ny","tags":{"a":"\u001b[2J"}}"#).unwrap();
        assert_eq!(record_table(&COLUMNS, &[record]), "HOST  STATE  TAGS\nx\\ny  -      a=\\u{1b}[2J\n");
    }
}
