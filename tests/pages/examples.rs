//! Runs the examples of every page as they are printed. In the page of a tool these are DESCRIPTION and EXAMPLES, and in
//! other pages all sections.

use crate::{fixtures, pages, rendered};
use kit::Sandbox;

/// A page with more lines than this is long.
const LONG: usize = 200;

/// The page whose examples another test runs.
const COOKBOOK: &str = "cerveza-cookbook.7";

/// One command of a page.
#[derive(Debug, PartialEq)]
pub struct Example {
    command: String,
    status: i32,
    /// What it prints, if the page shows that.
    output: String,
}

#[test]
fn examples_do_what_the_page_says() {
    let pages = pages();
    let wrong: Vec<String> = pages.iter().filter(|page| *page != COOKBOOK).flat_map(|page| wrong(page)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_long_page_begins_with_five_examples() {
    for page in pages().into_iter().filter(|page| page != COOKBOOK) {
        let text = rendered(&page, 78);
        let count = examples(&text, |section| section == "DESCRIPTION").len();
        assert!(count >= 5 || text.lines().count() <= LONG, "{page} begins with {count} examples");
    }
}

/// Returns the examples of a page that do something else than the page says.
fn wrong(page: &str) -> Vec<String> {
    let is_run = |section: &str| !page.ends_with(".1") || ["DESCRIPTION", "EXAMPLES"].contains(&section);
    let examples = examples(&rendered(page, 500), is_run);
    if examples.is_empty() {
        return vec![format!("{page}: no examples")];
    }
    let (sandbox, _servers) = fixtures::set_up(page);
    differences(page, &sandbox, examples)
}

/// Runs the examples one after another in one sandbox, because some use files that others wrote. Returns those that do
/// something else than `page` says.
pub fn differences(page: &str, sandbox: &Sandbox, examples: Vec<Example>) -> Vec<String> {
    let mut wrong = Vec::new();
    for example in examples {
        let run = sandbox.sh(&example.command);
        let as_shown = example.output.is_empty() || run.stdout.trim_end() == example.output;
        if run.code != example.status || !as_shown {
            let (command, code) = (example.command, run.code);
            wrong.push(format!("{page}: $ {command}\nexit status {code}\n{}{}", run.stdout, run.stderr));
        }
    }
    wrong
}

/// Finds the commands in a man page as a reader sees it, in the sections whose examples are run.
fn examples(page: &str, is_run: impl Fn(&str) -> bool) -> Vec<Example> {
    let mut is_example_section = false;
    commands(page.lines().filter(|line| {
        if !line.is_empty() && !line.starts_with(' ') {
            is_example_section = is_run(line);
        }
        is_example_section
    }))
}

/// Finds the commands in lines of text: lines that begin with `$ `. A command goes on in the next line if its line ends in
/// a backslash, and up to the line `END` if it has `<<'END'`. Lines after a command at the same indent or deeper are what
/// it prints.
pub fn commands<'a>(mut lines: impl Iterator<Item = &'a str>) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut indent = usize::MAX;
    while let Some(line) = lines.next() {
        let depth = line.len() - line.trim_start().len();
        if let Some(command) = line.trim_start().strip_prefix("$ ") {
            indent = depth;
            let mut command = command.to_string();
            while command.ends_with('\\') {
                let next = lines.next().unwrap_or_else(|| panic!("the page ends within {command}"));
                command = format!("{command}\n{}", next.trim_start());
            }
            while command.contains("<<'END'") && !command.ends_with("\nEND") {
                let next = lines.next().unwrap_or_else(|| panic!("the page ends within {command}"));
                command = format!("{command}\n{}", next.get(indent..).unwrap_or_default());
            }
            let status =
                command.rsplit_once("# exit status ").map_or(0, |(_, status)| status.parse().expect("a status"));
            examples.push(Example { command, status, output: String::new() });
        } else if line.is_empty() || depth >= indent {
            if let Some(example) = examples.last_mut().filter(|_| indent != usize::MAX) {
                example.output.push_str(line.get(indent..).unwrap_or_default());
                example.output.push('\n');
            }
        } else {
            // Text between examples.
            indent = usize::MAX;
        }
    }
    for example in &mut examples {
        example.output.truncate(example.output.trim_end().len());
    }
    examples
}

#[test]
fn finds_commands_and_their_output() {
    let page = "NAME\n    $ no\nDESCRIPTION\n    $ first\nOPTIONS\n    $ no\nEXAMPLES\n    Text:\n\n        $ one \\\n          more\n        a\n\n          b\n\n        $ two # exit status 2\n\n    $HOME is text.\n\nFILES\n    $ no\n";
    let example = |command: &str, status, output: &str| Example {
        command: command.to_string(),
        status,
        output: output.to_string(),
    };
    assert_eq!(
        examples(page, |section| ["DESCRIPTION", "EXAMPLES"].contains(&section)),
        [example("first", 0, ""), example("one \\\nmore", 0, "a\n\n  b"), example("two # exit status 2", 2, "")]
    );
}
