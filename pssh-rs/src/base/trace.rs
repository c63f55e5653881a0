//! The lines that `-v` writes to stderr: what is tried on a host up to its login. They contain no secrets.

use cerveza_manners::Tool;

#[derive(Clone, Copy)]
pub struct Trace<'a> {
    /// `None`: not verbose.
    tool: Option<Tool>,
    host: &'a str,
}

impl<'a> Trace<'a> {
    #[cfg(test)]
    pub const OFF: Trace<'static> = Trace { tool: None, host: "" };

    pub fn new(tool: Option<Tool>, host: &'a str) -> Trace<'a> {
        Trace { tool, host }
    }

    /// Writes a line, which is made only if it is wanted.
    pub fn say(&self, line: impl FnOnce() -> String) {
        if let Some(tool) = self.tool {
            // Text of a server must not start a new line.
            tool.warn(format!("{}: {}", self.host, line()).replace(['\r', '\n'], " "));
        }
    }
}
