//! `ec2-tools`: all tools that use the AWS SDK in one program, because the SDK is most of each. `ec2-ls` and the others are
//! installed as links to it. The name of the link, or else the first word, says which tool runs.

use cerveza_manners::{Failure, Status, Tool};
use std::env::{self, ArgsOs};
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

/// Runs a tool. The first word is its name.
type ToolMain = fn(ArgsOs) -> ExitCode;

const TOOLS: [(&str, ToolMain); 5] = [
    ("ec2-launch", ec2_launch::main),
    ("ec2-ls", ec2_ls::main),
    ("ec2-power", ec2_power::main),
    ("ec2-run", ec2_run::main),
    ("ec2-tag", ec2_tag::main),
];

fn main() -> ExitCode {
    if let Some(main) = env::args_os().next().and_then(|link| find_tool(&link)) {
        return main(env::args_os());
    }
    let mut words = env::args_os();
    words.next();
    if let Some(main) = env::args_os().nth(1).and_then(|word| find_tool(&word)) {
        return main(words);
    }
    let names = TOOLS.map(|(name, _)| name).join(", ");
    let failure =
        Failure::usage("no tool is named").hint(format!("start it as `ec2-tools TOOL`, or by a link: {names}"));
    Tool { name: "ec2-tools" }.failure(&failure);
    Status::Usage.into()
}

/// Returns the tool that a path is named after. The name of a link may have a prefix, as `prod-ec2-ls` has.
fn find_tool(path: &OsStr) -> Option<ToolMain> {
    let name = Path::new(path).file_name()?.to_str()?;
    let is_named = |tool| name.strip_suffix(tool).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('-'));
    TOOLS.iter().find(|(tool, _)| is_named(tool)).map(|(_, main)| *main)
}
