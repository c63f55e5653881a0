//! Every page is clean to mandoc, has its sections in order, fits a terminal, and is found by `man -k`.

use crate::{pages, path, rendered, run, tools};
use std::process::Command;

/// Sections in their order.
const SECTIONS: [&str; 9] =
    ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"];

/// The sections that every page has. The page of a tool has all but `OPTIONAL`.
const ALWAYS: [&str; 3] = ["NAME", "DESCRIPTION", "SEE ALSO"];

const OPTIONAL: [&str; 2] = ["ENVIRONMENT", "FILES"];

/// A width at which no line is filled.
const WIDE: usize = 500;

#[test]
fn mandoc_has_no_complaint() {
    for page in pages() {
        let output = run("mandoc", Command::new("mandoc").args(["-Tlint", "-Wstyle"]).arg(path(&page)));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{page}");
        assert!(output.status.success(), "{page}");
    }
}

#[test]
fn every_page_has_its_sections_in_order() {
    let wrong: Vec<String> = pages().iter().filter_map(|page| wrong(page)).collect();
    assert!(wrong.is_empty(), "\n{}\nthen run: cargo xtask", wrong.join("\n"));
}

fn wrong(page: &str) -> Option<String> {
    let text = rendered(page, WIDE);
    // Only headings start at the margin.
    let found: Vec<&str> = text.lines().filter(|line| SECTIONS.contains(line)).collect();
    let is_needed = |section: &&str| match page.ends_with(".1") {
        true => !OPTIONAL.contains(section),
        false => ALWAYS.contains(section),
    };
    let expected: Vec<&str> =
        SECTIONS.into_iter().filter(|section| found.contains(section) || is_needed(section)).collect();
    (found != expected).then(|| format!("complete the manual of {page}: the page has {}", found.join(", ")))
}

#[test]
fn pages_fit_80_columns() {
    // At 80 columns, man and mandoc fill lines up to 78.
    let mut wide = Vec::new();
    for page in pages() {
        let text = rendered(&page, 78);
        wide.extend(text.lines().filter(|line| line.chars().count() > 80).map(|line| format!("{page}: {line}")));
    }
    assert!(wide.is_empty(), "divide these lines, commands with a backslash:\n{}", wide.join("\n"));
}

#[test]
fn man_k_finds_the_tools() {
    let manual = tempfile::tempdir().expect("a temporary folder");
    for page in pages() {
        let (_, section) = page.rsplit_once('.').expect("a name with a section");
        let folder = manual.path().join(format!("man{section}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::copy(path(&page), folder.join(&page)).expect("a copy");
    }
    // Where Debian has it, which is not in every user's PATH.
    let debian = "/usr/sbin/makewhatis";
    let makewhatis = if std::path::Path::new(debian).exists() { debian } else { "makewhatis" };
    assert!(run("mandoc", Command::new(makewhatis).arg(manual.path())).status.success());
    let found = |word: &str| {
        let output = run("mandoc", Command::new("mapropos").arg("-M").arg(manual.path()).arg(word));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let by_ec2 = found("ec2");
    for tool in
        tools().iter().map(String::as_str).filter(|tool| tool.starts_with("ec2-")).chain(["cerveza", "mkuserdata"])
    {
        assert!(by_ec2.contains(&format!("{tool}(")), "man -k ec2 finds no {tool}: {by_ec2}");
    }
    for (word, tool) in [("ssh", "pssh-rs(1)"), ("cloud-init", "mkuserdata(1)"), ("ansible", "hostfmt(1)")] {
        assert!(found(word).contains(tool), "man -k {word} finds no {tool}");
    }
}

#[test]
fn references_name_the_right_section() {
    let pages = pages();
    let mut wrong = Vec::new();
    for page in &pages {
        for word in rendered(page, WIDE).split_whitespace() {
            // `hostrange(7).` is the page hostrange.7.
            let Some((name, rest)) = word.split_once('(') else { continue };
            let Some((section, _)) = rest.split_once(')').filter(|(section, _)| section.parse::<u8>().is_ok()) else {
                continue;
            };
            let is_ours = pages.iter().any(|page| page.rsplit_once('.').is_some_and(|(ours, _)| ours == name));
            if is_ours && !pages.contains(&format!("{name}.{section}")) {
                wrong.push(format!("{page}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "these pages do not exist:\n{}", wrong.join("\n"));
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
        let text = rendered(&format!("{tool}.1"), WIDE);
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
