//! Makes cerveza-cookbook(7) of docs/cookbook.md.
//!
//! This reads only the Markdown that the cookbook uses: headings, paragraphs of one line, `code` in a line, and blocks of
//! commands, which are indented by four blanks.

use super::files::root;
use super::manual::Manual;
use super::roff;
use super::sections::{section, title_line};
use super::tools::TOOLS;
use cerveza_manners::{Failure, Result};

const SOURCE: &str = "docs/cookbook.md";

/// Returns the page with its path.
pub(crate) fn cookbook() -> Result<(String, Vec<u8>)> {
    let source = std::fs::read_to_string(root().join(SOURCE))
        .map_err(|error| Failure::usage(format!("cannot read {SOURCE}: {error}")))?;
    let mut text = title_line(SOURCE, "cerveza-cookbook", 7, "Miscellaneous Information");
    section(&mut text, "NAME", "cerveza\\-cookbook \\- Recipes for a fleet on EC2\n");
    for (title, body) in Manual::parse(SOURCE, &to_roff(&source))?.rest() {
        section(&mut text, &title, &body);
    }
    let tools = TOOLS.iter().map(|tool| format!(".BR {} (1)", roff::literal(tool.name)));
    let tools = tools.chain([".BR cerveza (7)".to_string()]);
    section(&mut text, "SEE ALSO", &(tools.collect::<Vec<_>>().join(",\n") + "\n"));
    Ok(("man/cerveza-cookbook.7".to_string(), text.into_bytes()))
}

/// Returns the text in the form of a manual.roff. The text before the first `##` is DESCRIPTION.
fn to_roff(markdown: &str) -> String {
    let mut roff = String::new();
    let mut lines = markdown.lines().peekable();
    let mut follows_heading = true;
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let heading = line.split_once("# ");
        match (heading, line.strip_prefix("    ")) {
            (Some(("", _)), _) => roff.push_str(".SH DESCRIPTION\n"),
            (Some(("#", title)), _) => roff.push_str(&format!(".SH \"{}\"\n", roff::literal(&title.to_uppercase()))),
            (Some(("##", title)), _) => roff.push_str(&format!(".SS \"{}\"\n", roff::literal(title))),
            (_, Some(first)) => {
                roff.push_str(&format!(".EX\n{first}\n"));
                let mut blank_lines = 0;
                while let Some(line) = lines.next_if(|line| line.is_empty() || line.starts_with("    ")) {
                    match line.strip_prefix("    ") {
                        Some(code) => {
                            roff.push_str(&"\n".repeat(std::mem::take(&mut blank_lines)));
                            roff.push_str(&format!("{code}\n"));
                        }
                        None => blank_lines += 1,
                    }
                }
                roff.push_str(".EE\n");
            }
            _ if follows_heading => roff.push_str(&format!("{}\n", roff::text(line))),
            _ => roff.push_str(&format!(".PP\n{}\n", roff::text(line))),
        }
        follows_heading = line.starts_with('#');
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_sections_and_examples() {
        let markdown =
            "# Title\n\nIt's `-x`.\n\nMore.\n\n## A part\n\n### One\n\nDo:\n\n    $ x\n      y\n\n    z\n\nDone.\n";
        assert_eq!(
            to_roff(markdown),
            ".SH DESCRIPTION\nIt\\(aqs \\fB\\-x\\fR.\n.PP\nMore.\n.SH \"A PART\"\n.SS \"One\"\nDo:\n.EX\n$ x\n  y\n\nz\n.EE\n.PP\nDone.\n"
        );
    }
}
