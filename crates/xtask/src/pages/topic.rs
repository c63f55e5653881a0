//! Makes the pages that are not of one tool, such as hostrange(7). Each is written by hand in `manual/NAME.SECTION.roff`.

use super::manual::Manual;
use super::sections::{section, title_line};
use super::tables::fill_tables;
use cerveza_manners::{Failure, Result};
use std::fs;
use std::path::Path;

/// Where the pages are, from the root of the project.
const FOLDER: &str = "crates/xtask/manual";

/// Returns the pages with their paths.
pub(crate) fn topic_pages() -> Result<Vec<(String, Vec<u8>)>> {
    let folder = super::root().join(FOLDER);
    let failed = |error| Failure::usage(format!("cannot read {FOLDER}: {error}"));
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if let Some((name, number)) = name_and_section(&path) {
            let source = fs::read_to_string(&path).map_err(failed)?;
            pages.push((format!("man/{name}.{number}"), topic_page(name, number, &source)?.into_bytes()));
        }
    }
    Ok(pages)
}

/// Returns `hostrange` and 7 for `hostrange.7.roff`, and nothing for a file that is not a page.
fn name_and_section(path: &Path) -> Option<(&str, u8)> {
    let (name, number) = path.file_name()?.to_str()?.strip_suffix(".roff")?.rsplit_once('.')?;
    Some((name, number.parse().ok()?))
}

fn topic_page(name: &str, number: u8, source: &str) -> Result<String> {
    let path = format!("{FOLDER}/{name}.{number}.roff");
    let volume = if number == 5 { "File Formats" } else { "Miscellaneous Information" };
    let mut text = title_line(&path, name, number, volume);
    for (title, body) in Manual::parse(&path, &fill_tables(source))?.rest() {
        section(&mut text, &title, &body);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_named_by_its_file() {
        assert_eq!(name_and_section(Path::new("x/host-record.5.roff")), Some(("host-record", 5)));
        assert_eq!(name_and_section(Path::new("x/aws.roff")), None);
    }
}
