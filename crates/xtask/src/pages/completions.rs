//! Makes the completions for each shell, under the file name that the shell looks for. They run the tool itself with
//! CERVEZA_COMPLETE, and it prints the words that fit (crates/manners/src/completion.rs).

use super::tools::Tool;

pub(crate) fn completions(tool: &Tool) -> [(String, Vec<u8>); 3] {
    let name = tool.name;
    [
        (format!("completions/bash/{name}"), include_str!("../../completions/bash")),
        (format!("completions/zsh/_{name}"), include_str!("../../completions/zsh")),
        (format!("completions/fish/{name}.fish"), include_str!("../../completions/fish")),
    ]
    .map(|(path, script)| (path, script.replace("TOOL", name).into_bytes()))
}
