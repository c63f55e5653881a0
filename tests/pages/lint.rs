//! Every page is clean to mandoc and has its sections in order.

use crate::{page, rendered, run, tools};
use std::process::Command;

/// Sections in their order.
const SECTIONS: [&str; 9] =
    ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"];

const OPTIONAL: [&str; 2] = ["ENVIRONMENT", "FILES"];

#[test]
fn mandoc_has_no_complaint() {
    for tool in tools() {
        let output = run("mandoc", Command::new("mandoc").args(["-Tlint", "-Wwarning"]).arg(page(&tool)));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{tool}");
        assert!(output.status.success(), "{tool}");
    }
}

#[test]
fn every_page_has_its_sections_in_order() {
    let wrong: Vec<String> = tools().iter().filter_map(|tool| wrong(tool)).collect();
    assert!(wrong.is_empty(), "\n{}\nthen run: cargo xtask", wrong.join("\n"));
}

fn wrong(tool: &str) -> Option<String> {
    let text = rendered(tool);
    // Only headings start at the margin.
    let found: Vec<&str> = text.lines().filter(|line| SECTIONS.contains(line)).collect();
    let wanted = |section: &&str| found.contains(section) || !OPTIONAL.contains(section);
    let expected: Vec<&str> = SECTIONS.into_iter().filter(wanted).collect();
    (found != expected).then(|| format!("complete {tool}/manual.roff: the page has {}", found.join(", ")))
}

#[test]
fn short_help_fits_40_lines() {
    for tool in tools() {
        let help = kit::Sandbox::new().run(&tool, &["-h"], "").exits(0).stdout;
        assert!(help.lines().count() <= 40, "{help}");
    }
}

#[test]
fn every_option_of_the_help_is_in_the_page() {
    for tool in tools() {
        let help = kit::Sandbox::new().run(&tool, &["--help"], "").exits(0).stdout;
        let text = rendered(&tool);
        let options: Vec<&str> =
            help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2).collect();
        assert!(!options.is_empty(), "{help}");
        for option in options {
            // `--sudo[=<USER>]`
            let option = option.split(['[', '=']).next().unwrap_or_default();
            let option = option.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            assert!(text.contains(option), "{tool}: {option}");
        }
    }
}
