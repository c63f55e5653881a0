//! Finds folders of a crate that import each other in a circle. Code under `#[cfg(test)]` does not count.

mod circle;
mod modules;
mod report;
mod source;
#[cfg(test)]
mod tests;

pub use report::{Report, report};

use cerveza_manners::{Failure, Result, Status, Tool};
use std::path::Path;

/// Fails if folders of a crate of the project at `root` import each other in a circle. The message shows the circles.
pub(crate) fn run(root: &Path, tool: &Tool) -> Result<Status> {
    let report = report(root)?;
    if !report.circles.is_empty() {
        return Err(Failure::no(report.circles));
    }
    tool.summary(format!("no circles between folders; {} between files of one folder", report.between_files));
    Ok(Status::Done)
}
