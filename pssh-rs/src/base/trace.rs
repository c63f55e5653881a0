//! What `-v` writes: lines on stderr that tell what is tried on one host up to its login. Nothing secret is in them.

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
            // What others say makes no line of its own.
            tool.warn(format!("{}: {}", self.host, line()).replace(['\r', '\n'], " "));
        }
    }
}
