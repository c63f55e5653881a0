//! Puts the page of a tool together from its sections.

use super::manual::Manual;
use super::sections::{section, title_line};
use super::tools::{TOOLS, Tool};
use super::{options, roff};
use cerveza_manners::{Failure, Result};

/// ENVIRONMENT and FILES of the tools that call AWS.
const AWS: &str = include_str!("../../manual/aws.roff");

/// ENVIRONMENT of the tools that have `--color`.
const OUTPUT: &str = include_str!("../../manual/output.roff");

/// ENVIRONMENT of all tools.
const COMPLETION: &str = include_str!("../../manual/completion.roff");

pub(crate) fn tool_page(tool: &Tool, manual: &str) -> Result<String> {
    let path = format!("{}/manual.roff", tool.name);
    let mut manual = Manual::parse(&path, manual)?;
    let mut command = (tool.command)();
    command.build();
    let has_color = command.get_arguments().any(|arg| arg.get_long() == Some("color"));
    let mut aws = Manual::parse("crates/xtask/manual/aws.roff", if tool.aws { AWS } else { "" })?;
    let mut output = Manual::parse("crates/xtask/manual/output.roff", if has_color { OUTPUT } else { "" })?;
    let mut completion = Manual::parse("crates/xtask/manual/completion.roff", COMPLETION)?;

    let description = manual.take("DESCRIPTION");
    if description.is_empty() {
        return Err(Failure::usage(format!("{path}: there is no .SH DESCRIPTION")));
    }
    let examples = manual.take("EXAMPLES");
    let exit_status = manual.take("EXIT STATUS");
    let shared = output.take("ENVIRONMENT") + &completion.take("ENVIRONMENT") + &aws.take("ENVIRONMENT");
    let environment = manual.take("ENVIRONMENT") + &options::variables(&command) + &shared;
    let files = manual.take("FILES") + &aws.take("FILES");

    let mut text = title_line(&format!("{}/ and {path}", tool.name), tool.name, 1, "User Commands");
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    section(&mut text, "NAME", &format!("{} \\- {}\n", roff::literal(tool.name), roff::text(&about)));
    section(&mut text, "SYNOPSIS", &options::synopsis(&mut command));
    section(&mut text, "DESCRIPTION", &description);
    section(&mut text, "OPTIONS", &options::options(&command));
    for (title, body) in manual.rest() {
        section(&mut text, &title, &body);
    }
    section(&mut text, "EXAMPLES", &examples);
    section(&mut text, "EXIT STATUS", &exit_status);
    section(&mut text, "ENVIRONMENT", &environment);
    section(&mut text, "FILES", &files);
    section(&mut text, "SEE ALSO", &see_also(tool));
    Ok(text)
}

/// Returns the other tools, the pages on all of them, and related programs.
fn see_also(tool: &Tool) -> String {
    let others = TOOLS.iter().filter(|other| other.name != tool.name).map(|other| (other.name, 1));
    let pages: Vec<String> = others
        .chain([("host-record", 5), ("cerveza", 7), ("cerveza-cookbook", 7), ("hostrange", 7)])
        .chain(tool.related.iter().copied())
        .map(|(name, section)| format!(".BR {} ({section})", roff::literal(name)))
        .collect();
    pages.join(",\n") + "\n"
}
