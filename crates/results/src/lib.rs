//! The results of a command on many hosts: outcomes and records, captured output, display, and rollouts in batches. Nothing
//! here depends on how a host is reached.
//!
//! A tool uses it like this:
//!
//! 1. Its clap definition flattens [`DisplayArgs`] (`--group`, `--lines`, `--max-output`, ...) and [`RolloutArgs`]
//!    (`--batch`, `--max-fail`, ...).
//! 2. A [`Rollout`] says which hosts may begin. It gets the [`Mark`] of each finished host, and says whether too
//!    many have failed.
//! 3. What a host prints goes to its [`HostSink`], which captures it, writes the files of `--outdir`, and sends lines to
//!    the [`OutputQueue`] where they are shown as they come.
//! 4. The tool makes an [`Outcome`] for each host, and passes it to [`OutputQueue::send_outcome`].
//! 5. One thread runs [`write_results`]. It takes output and outcomes from the queue, and a [`Renderer`] writes them, so
//!    a slow reader of our own output never delays a host. [`Summary`] has the closing line and the exit status.
//!
//! [`HostStatus`] and [`Phase`] have the values of all tools, so records are read the same way. A tool uses those that apply
//! to it.

mod display;
mod lock;
mod output;
mod rollout;

pub use display::args::DisplayArgs;
pub use display::finish::{finish_results, write_cancelled};
pub use display::summary::Summary;
pub use display::writer::write_results;
pub use display::{QUEUE_LIMIT, Renderer};
pub use lock::lock;
pub use output::capture::{Budget, Limits, Output};
pub use output::copied::Copied;
pub use output::outcome::{HostStatus, Mark, Outcome, Phase, Retry};
pub use output::outdir::{Outdir, file_name};
pub use output::queue::OutputQueue;
pub use output::record::{with_result, without_result};
pub use output::sink::{Captured, HostSink, HostSinks, SharedCapture, Sink, with_output};
pub use output::stream::Stream;
pub use rollout::{Rollout, RolloutArgs, RolloutRules, Share, batches};
