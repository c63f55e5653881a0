//! Fills a page with tables of keys that the code has: those of profiles and of records.

use super::roff;
use cerveza_record::{RECORD_KEYS, RecordKey};

/// Replaces each line such as `.\" TABLE volume` by the table with this name.
pub(crate) fn fill_tables(source: &str) -> String {
    let mut text = source.to_string();
    for (name, entries) in tables() {
        let entries: String =
            entries.iter().map(|(term, about)| format!(".TP\n{term}\n{}\n", roff::text(about))).collect();
        text = text.replace(&format!(".\\\" TABLE {name}\n"), &entries);
    }
    text
}

/// Returns the tables: for each entry the line that names it, and what it is.
fn tables() -> Vec<(&'static str, Vec<(String, String)>)> {
    let profile = ec2_launch::key_tables().map(|(name, keys)| {
        let entry = |key: ec2_launch::KeyHelp| (roff::bold(&key.name), key.about);
        (name, keys.into_iter().map(entry).collect())
    });
    let record = RECORD_KEYS.map(|(name, keys)| (name, keys.iter().map(record_key).collect()));
    profile.into_iter().chain(record).collect()
}

fn record_key(key: &RecordKey) -> (String, String) {
    let mut about = key.about.to_string();
    for (what, tools) in [("Written", key.writers), ("Read", key.readers)] {
        if !tools.is_empty() {
            about.push_str(&format!(" {what} by {tools}."));
        }
    }
    (format!("{} ({})", roff::bold(key.name), key.kind), about)
}
