//! Makes the completions for each shell, under the file name that the shell looks for.

use super::tools::Tool;
use clap_complete::{Shell, generate};

pub(crate) fn completions(tool: &Tool) -> [(String, Vec<u8>); 3] {
    let name = tool.name;
    [
        (Shell::Bash, format!("completions/bash/{name}")),
        (Shell::Zsh, format!("completions/zsh/_{name}")),
        (Shell::Fish, format!("completions/fish/{name}.fish")),
    ]
    .map(|(shell, path)| {
        let mut script = Vec::new();
        generate(shell, &mut (tool.command)(), name, &mut script);
        (path, script)
    })
}
