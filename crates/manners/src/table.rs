//! Lays out records as a table for people: one line for each record, not wider than the terminal.

use crate::color::color_of;
use crate::columns;
use crate::field::{Field, shown};
use cerveza_record::Value;
use console::Term;
use std::borrow::Cow;

/// One line of a table: the texts of its cells, and which of them are bold. A missing value is empty.
#[derive(Clone, Debug, Default)]
pub struct TableRow {
    pub cells: Vec<String>,
    pub bold: Vec<bool>,
}

/// The layout of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableStyle {
    /// The width that lines must not exceed.
    pub width: Option<usize>,
    pub has_color: bool,
    pub has_header: bool,
    /// The user has named the columns. All of them are shown, even if they repeat others.
    pub is_chosen: bool,
    /// Keys of columns that are left out, the first one first, when a line gets too long.
    pub optional: &'static [&'static str],
    /// Keys of columns that are left out, in a pipe too, if they are empty for all rows.
    pub only_if_used: &'static [&'static str],
    /// Keys of columns that are never cut: if one of them is the last one, its text goes on past the width.
    pub uncut: &'static [&'static str],
}

impl TableStyle {
    fn is_uncut(&self, field: &Field) -> bool {
        self.uncut.contains(&field.path.as_str())
    }
}

/// Blanks between columns.
const GAP: usize = 2;

/// Text is cut to this many columns before a whole column is left out, and then to fewer.
const FLOORS: [usize; 3] = [24, 8, 1];

/// Returns the lines of a table. Without rows there are no lines.
pub(crate) fn table_lines(fields: &[Field], rows: &[TableRow], style: &TableStyle) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let shown = layout(fields, rows, style);
    let line = |cell: &dyn Fn(usize) -> String, paint: &dyn Fn(usize, &str) -> Option<String>| {
        let mut line = String::new();
        for (at, (index, width)) in shown.iter().enumerate() {
            let text = cell(*index);
            let text = if style.is_uncut(&fields[*index]) { text.into() } else { cut(&text, *width) };
            let padding = if at + 1 == shown.len() { 0 } else { width + GAP - columns(&text).min(*width) };
            match paint(*index, &text) {
                Some(codes) => line.push_str(&format!("\x1b[{codes}m{text}\x1b[0m")),
                None => line.push_str(&text),
            }
            line.push_str(&" ".repeat(padding));
        }
        line.truncate(line.trim_end().len());
        line
    };
    let header = style.has_header.then(|| line(&|index| fields[index].header.clone(), &|_, _| None));
    let body = rows.iter().map(|row| {
        let paint = |index: usize, text: &str| {
            let bold = row.bold.get(index).is_some_and(|bold| *bold).then_some("1");
            let color = color_of(&fields[index].path, text).filter(|_| style.has_color);
            let codes: Vec<&str> = bold.into_iter().chain(color).collect();
            (!codes.is_empty()).then(|| codes.join(";"))
        };
        line(&|index| text_of(&row.cells[index]).to_string(), &paint)
    });
    header.into_iter().chain(body).collect()
}

/// Returns a table of rows that are not records, as wide as its cells need.
pub fn table(headers: &[&str], rows: impl Iterator<Item = Vec<Option<Value>>>) -> String {
    let field = |header: &&str| Field { header: header.to_string(), path: String::new() };
    let fields: Vec<Field> = headers.iter().map(field).collect();
    let row = |cells: Vec<Option<Value>>| TableRow {
        cells: cells.iter().map(|cell| shown("", cell.as_ref())).collect(),
        bold: Vec::new(),
    };
    let rows: Vec<TableRow> = rows.map(row).collect();
    let lines = table_lines(&fields, &rows, &TableStyle { has_header: true, ..TableStyle::default() });
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Returns `-` for a missing value.
fn text_of(cell: &str) -> &str {
    if cell.is_empty() { "-" } else { cell }
}

/// Returns which columns are shown, and how wide each is.
fn layout(fields: &[Field], rows: &[TableRow], style: &TableStyle) -> Vec<(usize, usize)> {
    let is_used = |index: usize| index == 0 || rows.iter().any(|row| !row.cells[index].is_empty());
    let is_only_if_used = |index: usize| style.only_if_used.contains(&fields[index].path.as_str());
    let is_wanted = |index: usize| style.is_chosen || (style.width.is_none() && !is_only_if_used(index));
    let is_shown = |index: &usize| is_wanted(*index) || is_used(*index);
    let width_of = |index: usize| {
        let cells = rows.iter().map(|row| columns(text_of(&row.cells[index]))).max().unwrap_or_default();
        let width = if style.has_header { cells.max(columns(&fields[index].header)) } else { cells };
        if style.width.is_some() && style.is_uncut(&fields[index]) { width.min(FLOORS[0]) } else { width }
    };
    let mut shown: Vec<(usize, usize)> =
        (0..fields.len()).filter(is_shown).map(|index| (index, width_of(index))).collect();
    let Some(most) = style.width else { return shown };
    let is_whole = |index: usize| is_kept_whole(&fields[index].path);
    // The name of a host without a Name tag is the id of its instance.
    let ids =
        |index: usize| rows.iter().map(move |row| row.cells[index].as_str()).filter(|cell| is_id(cell)).map(str::len);
    let least: Vec<usize> = (0..fields.len()).map(|index| ids(index).max().unwrap_or_default()).collect();
    let mut optional = style.optional.iter().filter(|_| !style.is_chosen);
    while total(&shown) > most {
        let spare =
            |(index, width): &(usize, usize)| if is_whole(*index) { 0 } else { width.saturating_sub(FLOORS[0]) };
        if total(&shown) - shown.iter().map(spare).sum::<usize>() <= most {
            break;
        }
        let Some(key) = optional.next() else { break };
        shown.retain(|(index, _)| fields[*index].path != *key);
    }
    shrink(&mut shown, most, FLOORS[0], |index, _| !is_whole(index));
    shrink(&mut shown, most, FLOORS[1], |index, width| !is_whole(index) && width > least[index]);
    shrink(&mut shown, most, FLOORS[2], |_, _| true);
    // A terminal of a few columns does not have room for all.
    while total(&shown) > most && shown.len() > 1 {
        shown.pop();
    }
    if let [(_, width)] = shown.as_mut_slice() {
        *width = (*width).min(most);
    }
    shown
}

fn total(shown: &[(usize, usize)]) -> usize {
    shown.iter().map(|(_, width)| width + GAP).sum::<usize>().saturating_sub(GAP)
}

/// Makes the widest column narrower, one character at a time, until the line fits.
fn shrink(shown: &mut [(usize, usize)], most: usize, floor: usize, may: impl Fn(usize, usize) -> bool) {
    while total(shown) > most {
        let widest = shown.iter_mut().filter(|(index, width)| *width > floor && may(*index, *width));
        let Some((_, width)) = widest.max_by_key(|(_, width)| *width) else { return };
        *width -= 1;
    }
}

/// Returns whether a cell is never cut, because a part of an id, an address or a zone is useless.
fn is_kept_whole(path: &str) -> bool {
    path.ends_with("_id") || path.ends_with("_ip") || matches!(path, "zone" | "state" | "status" | "action" | "age")
}

/// Returns whether it is the id of an instance or of another resource of EC2.
fn is_id(cell: &str) -> bool {
    let digits = cell.rsplit_once('-').map(|(_, digits)| digits);
    digits.is_some_and(|digits| digits.len() == 17 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Cuts text that is wider, with an ellipsis at its end.
fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if columns(text) <= width {
        return Cow::Borrowed(text);
    }
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|end| columns(&text[..*end]) < width).last().unwrap_or_default();
    Cow::Owned(if width == 0 { String::new() } else { format!("{}…", &text[..end]) })
}

/// Returns the width of a table on stdout: COLUMNS, else the width of the terminal. In a pipe there is none, so nothing is
/// cut.
pub(crate) fn stdout_width(on_terminal: bool) -> Option<usize> {
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    set.filter(|width| *width > 0).or_else(|| on_terminal.then(|| Term::stdout().size().1.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Column;
    use crate::field::value_at;
    use cerveza_record::Record;
    use proptest::prelude::*;

    const COLUMNS: [Column; 7] = [
        Column { header: "HOST", key: "host" },
        Column { header: "INSTANCE", key: "instance_id" },
        Column { header: "STATE", key: "state" },
        Column { header: "TYPE", key: "instance_type" },
        Column { header: "ZONE", key: "zone" },
        Column { header: "PRIVATE IP", key: "private_ip" },
        Column { header: "PUBLIC IP", key: "public_ip" },
    ];

    fn rows(fields: &[Field], lines: &[&str]) -> Vec<TableRow> {
        let row = |line: &&str| {
            let record = Record::parse(line).unwrap();
            let value =
                |field: &Field| value_at(&|key| record.get(key), &field.path, std::time::SystemTime::UNIX_EPOCH);
            let cells = fields.iter().map(|field| shown(&field.path, value(field).as_ref())).collect();
            TableRow { cells, bold: Vec::new() }
        };
        lines.iter().map(row).collect()
    }

    fn style(width: Option<usize>) -> TableStyle {
        TableStyle { width, has_header: true, optional: &["public_ip", "instance_type"], ..TableStyle::default() }
    }

    fn table(width: Option<usize>, lines: &[&str]) -> Vec<String> {
        let fields = Field::all(&[], &COLUMNS);
        table_lines(&fields, &rows(&fields, lines), &style(width))
    }

    const ORDINARY: &str = r#"{"host":"web12","instance_id":"i-0123456789abcdef0","state":"running",
        "instance_type":"c6gn.16xlarge","zone":"us-east-1a","private_ip":"172.31.255.255","public_ip":null}"#;

    #[test]
    fn pipe_gets_every_column_and_a_dash_for_what_is_missing() {
        assert_eq!(
            table(None, &[ORDINARY, r#"{"host":"a-longer-name"}"#]),
            [
                "HOST           INSTANCE             STATE    TYPE           ZONE        PRIVATE IP      PUBLIC IP",
                "web12          i-0123456789abcdef0  running  c6gn.16xlarge  us-east-1a  172.31.255.255  -",
                "a-longer-name  -                    -        -              -           -               -",
            ]
        );
        assert_eq!(table(None, &[]), Vec::<String>::new());
    }

    #[test]
    fn ordinary_host_takes_one_line_of_80_columns() {
        let expected = "web12  i-0123456789abcdef0  running  c6gn.16xlarge  us-east-1a  172.31.255.255";
        assert_eq!(table(Some(80), &[ORDINARY])[1], expected);
        // A column that is empty for all hosts is left out, and a public address is shown where it fits.
        let public = ORDINARY.replace("null", "\"54.1.2.3\"");
        assert_eq!(table(Some(80), &[&public])[1], expected);
        assert_eq!(table(Some(100), &[&public])[1], format!("{expected}  54.1.2.3"));
    }

    #[test]
    fn long_name_is_cut_and_ids_are_whole() {
        let name = "n".repeat(256);
        let lines = table(Some(80), &[&ORDINARY.replace("web12", &name), ORDINARY]);
        assert!(lines.iter().all(|line| columns(line) <= 80), "{lines:?}");
        assert!(
            lines[1].starts_with("nnnnnnnnnn") && lines[1].contains("…  i-0123456789abcdef0  running"),
            "{lines:?}"
        );
        assert!(lines[1].ends_with("172.31.255.255"));
    }

    #[test]
    fn id_that_stands_for_a_name_is_whole() {
        let id = ORDINARY.replace("web12", "i-0123456789abcdef0");
        for width in 80..140 {
            let lines = table(Some(width), &[&ORDINARY.replace("web12", &"n".repeat(256)), &id]);
            assert!(lines[2].starts_with("i-0123456789abcdef0 "), "{width}: {lines:?}");
        }
    }

    #[test]
    fn chosen_columns_are_all_shown() {
        let fields = Field::all(&["host", "tags.role", "public_ip"].map(String::from), &COLUMNS);
        let style = TableStyle { is_chosen: true, ..style(Some(80)) };
        let lines = table_lines(&fields, &rows(&fields, &[r#"{"host":"a","tags":{"role":"web"}}"#]), &style);
        assert_eq!(lines, ["HOST  TAGS.ROLE  PUBLIC IP", "a     web        -"]);
        let style = TableStyle { has_header: false, ..style };
        assert_eq!(table_lines(&fields, &rows(&fields, &[r#"{"host":"a"}"#]), &style), ["a  -  -"]);
    }

    #[test]
    fn uncut_column_goes_on_past_the_width() {
        let fields = Field::all(&[], &COLUMNS);
        let zone = "z".repeat(100);
        let line = format!(r#"{{"host":"{}","zone":"{zone}"}}"#, "n".repeat(100));
        let style = TableStyle { uncut: &["zone"], ..style(Some(40)) };
        let lines = table_lines(&fields, &rows(&fields, &[&line]), &style);
        assert_eq!(lines[1], format!("{}…  {zone}", "n".repeat(13)));
        assert!(columns(&lines[0]) <= 40, "{lines:?}");
    }

    #[test]
    fn wide_characters_stay_aligned() {
        let long = ["ip-172-31-255-255.ap-northeast-1.compute.internal", &"n".repeat(256), "日本", "e\u{301}", "👩‍🚀x"];
        for name in long {
            let lines =
                table(None, &[&format!(r#"{{"host":"{name}","state":"up"}}"#), r#"{"host":"db1","state":"up"}"#]);
            let at = |line: &String, word: &str| columns(&line[..line.find(word).unwrap()]);
            assert_eq!([at(&lines[1], "up"), at(&lines[2], "up")], [at(&lines[0], "STATE"); 2], "{lines:?}");
        }
    }

    #[test]
    fn states_are_coloured_and_changes_bold() {
        let fields = Field::all(&["host".to_string(), "state".to_string()], &COLUMNS);
        let mut rows = rows(&fields, &[r#"{"host":"a","state":"running"}"#, r#"{"host":"b10","state":"stopped"}"#]);
        rows[1].bold = vec![false, true];
        let style = TableStyle { has_color: true, ..style(Some(80)) };
        let lines = table_lines(&fields, &rows, &style);
        assert_eq!(lines, ["HOST  STATE", "a     \x1b[32mrunning\x1b[0m", "b10   \x1b[1;31mstopped\x1b[0m"]);
    }

    #[test]
    fn hostile_text_keeps_to_its_line() {
        let lines = table(Some(80), &[r#"{"host":"x\ny","zone":"\u001b[2J\u202e"}"#]);
        assert_eq!(lines, ["HOST  ZONE", "x\\ny  \\u{1b}[2J\\u{202e}"]);
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(
            cells in prop::collection::vec(prop::collection::vec("[a-z日é👩 ]{0,40}", 7), 1..6),
            width in 1usize..140,
        ) {
            let fields = Field::all(&[], &COLUMNS);
            let rows: Vec<TableRow> =
                cells.into_iter().map(|cells| TableRow { cells, bold: Vec::new() }).collect();
            for line in table_lines(&fields, &rows, &style(Some(width))) {
                prop_assert!(columns(&line) <= width, "{} > {width}: {line}", columns(&line));
            }
        }
    }
}
