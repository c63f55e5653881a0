//! The output of a host that is done: from the listing of its command, else from SSM, else from the bucket.

use crate::run::command::{CommandRun, SEND_TIME, no_answer};
use crate::run::outcome::{HostResult, append, from_frame, from_powershell, from_status};
use crate::run::runner::{Shell, write};
use crate::script::all_output::AllOutputReader;
use crate::script::frame::{Header, Part};
use cerveza_ec2::{BucketPrefix, Invocation, InvocationOutput};
use cerveza_manners::{Failure, Result};
use cerveza_results::{HostSink, Stream};
use futures_util::stream::{self, StreamExt};
use tokio::time::{sleep, timeout_at};

/// How many outputs of a command are removed at a time.
const REMOVALS: usize = 8;

/// A host that is done.
pub struct DoneHost<'a> {
    pub result: HostResult,
    /// Has the output that came from the bucket. What is in `result` follows it.
    pub sink: Option<HostSink<'a>>,
    /// Whether its output can be removed from the bucket.
    pub is_removable: bool,
}

impl<'a> CommandRun<'a> {
    /// Makes the result of a host that is done, with its output.
    pub(super) async fn done_host(&self, id: &str, invocation: &Invocation, at: usize) -> DoneHost<'a> {
        let (mut result, mut missing) = self.result(id, invocation).await;
        let settings = &self.runner.settings;
        let mut is_removable = invocation.started_at.is_some() && settings.output.is_some() && !settings.keeps_output;
        let mut sink = None;
        if let Some(output) = settings.output.as_ref().filter(|_| result.is_cut()) {
            let mut filled = self.runner.sink(at);
            let prefix = output_prefix(output, settings.shell, id, &invocation.instance_id);
            missing = match settings.shell {
                Shell::Sh => self.read_all_output(&prefix, &mut result, &mut filled).await,
                Shell::Powershell => self.read_streams(&prefix, &mut result, &mut filled).await,
            };
            is_removable &= missing.is_none();
            sink = Some(filled);
        }
        if let Some(why) = missing {
            result.outcome = append(result.outcome, &why);
        }
        DoneHost { result, sink, is_removable }
    }

    /// Makes the result of a host that is done, as far as SSM has it. The second value says why output is missing.
    async fn result(&self, id: &str, invocation: &Invocation) -> (HostResult, Option<String>) {
        let reason = self.reasons.get(&invocation.instance_id).copied();
        let limit = self.runner.settings.limit;
        let missing = |failure: Failure| Some(format!("the output is missing: {}", failure.message));
        if self.runner.settings.shell == Shell::Powershell {
            return match self.fetch(id, invocation).await {
                Ok(output) => (from_powershell(invocation, output, reason), None),
                Err(failure) => (from_status(invocation, reason).into(), missing(failure)),
            };
        }
        let Some((header, body)) = Header::parse(&invocation.output) else {
            return (from_status(invocation, reason).into(), None);
        };
        if let Some(frame) = header.frame(body) {
            return (from_frame(frame, limit), None);
        }
        let fetched = self.fetch(id, invocation).await;
        let frame = fetched.map(|output| {
            let (header, body) = Header::parse(&output.stdout)?;
            header.frame(body)
        });
        match frame {
            Ok(Some(frame)) => (from_frame(frame, limit), None),
            Ok(None) => (
                from_frame(header.without_output(), limit),
                Some("the output is missing: SSM has only a part of it".to_string()),
            ),
            Err(failure) => (from_frame(header.without_output(), limit), missing(failure)),
        }
    }

    async fn fetch(&self, id: &str, invocation: &Invocation) -> Result<InvocationOutput> {
        let fetching = self.ec2.command_output(&self.region, id, &invocation.instance_id);
        match self.cancel_until {
            Some(until) => timeout_at(until, fetching).await.unwrap_or_else(|_| Err(no_answer())),
            None => fetching.await,
        }
    }

    /// Reads what the script printed into the sink. Returns why output is missing.
    async fn read_all_output(
        &self,
        prefix: &BucketPrefix,
        result: &mut HostResult,
        sink: &mut HostSink<'_>,
    ) -> Option<String> {
        let mut reader = AllOutputReader::new();
        let read = self.read_object(prefix, Stream::Stdout, |bytes| {
            reader.read(bytes, |stream, bytes| write(sink, stream, bytes));
        });
        let failure = read.await.err();
        if let Some((stdout, stderr)) = reader.left() {
            result.stdout = Part { left_out: stdout, ..Part::default() };
            result.stderr = Part { left_out: stderr, ..Part::default() };
        }
        let is_complete = reader.left() == Some((0, 0));
        failure.or((!is_complete).then(|| format!("{prefix}/stdout does not have the output of this command")))
    }

    /// Reads each stream that is not complete into the sink. Returns why output is missing.
    async fn read_streams(
        &self,
        prefix: &BucketPrefix,
        result: &mut HostResult,
        sink: &mut HostSink<'_>,
    ) -> Option<String> {
        let mut missing = None;
        for (stream, part) in [(Stream::Stdout, &mut result.stdout), (Stream::Stderr, &mut result.stderr)] {
            if part.left_out == 0 {
                continue;
            }
            let mut has_begun = false;
            let read = self.read_object(prefix, stream, |bytes| {
                has_begun = true;
                write(sink, stream, bytes);
            });
            let failure = read.await.err();
            if has_begun || failure.is_none() {
                let left_out = if failure.is_none() { 0 } else { Part::UNKNOWN };
                *part = Part { left_out, ..Part::default() };
            }
            missing = missing.or(failure);
        }
        missing
    }

    /// Reads an object, unless the run is stopped. Returns why it could not be read, and what to do.
    async fn read_object(
        &self,
        prefix: &BucketPrefix,
        stream: Stream,
        receive: impl FnMut(&[u8]),
    ) -> std::result::Result<(), String> {
        let key = prefix.key(name(stream));
        let reading = async {
            // The semaphore is never closed.
            let _permit = self.runner.downloads.acquire().await;
            self.ec2.get_object(&self.region, &prefix.bucket, &key, receive).await
        };
        let read = tokio::select! {
            read = reading => read,
            () = self.runner.stopped() => Err(Failure::interrupted()),
        };
        read.map_err(|failure| unread(&format!("s3://{}/{key}", prefix.bucket), &failure))
    }

    /// Removes the outputs of these instances from the bucket.
    pub(super) async fn remove_outputs(&self, id: &str, instances: &[String]) {
        let Some(output) = &self.runner.settings.output else { return };
        let prefixes = instances.iter().map(|one| output_prefix(output, self.runner.settings.shell, id, one));
        let objects =
            prefixes.flat_map(|prefix| [Stream::Stdout, Stream::Stderr].map(|stream| (prefix.clone(), stream)));
        let mut removals = stream::iter(objects)
            .map(|(prefix, stream)| async move {
                self.ec2.delete_object(&self.region, &prefix.bucket, &prefix.key(name(stream))).await
            })
            .buffer_unordered(REMOVALS);
        let removing = async {
            let mut failure = None;
            while let Some(removed) = removals.next().await {
                failure = failure.or(removed.err());
            }
            failure
        };
        let stopped_for_long = async {
            self.runner.stopped().await;
            sleep(SEND_TIME).await;
        };
        let failure = tokio::select! {
            failure = removing => failure,
            () = stopped_for_long => Some(no_answer()),
        };
        if let Some(failure) = failure {
            self.runner.warn_of_unremoved(output, &failure.message);
        }
    }
}

/// Where SSM Agent puts the output of an instance ("Run Command walkthrough", AWS Systems Manager User Guide). The second
/// folder is the id that AWS's documents give to their only step.
fn output_prefix(output: &BucketPrefix, shell: Shell, id: &str, instance: &str) -> BucketPrefix {
    let plugin = match shell {
        Shell::Sh => "awsrunShellScript",
        Shell::Powershell => "awsrunPowerShellScript",
    };
    BucketPrefix { prefix: output.key(&format!("{id}/{instance}/{plugin}/0.{plugin}")), ..output.clone() }
}

fn name(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    }
}

/// Says why an object could not be read, and what to do.
fn unread(object: &str, failure: &Failure) -> String {
    let has = |code: &str| failure.message.contains(&format!(": {code}: "));
    if has("NoSuchKey") {
        return format!(
            "SSM Agent has not put the output into {object}: the role of the instance needs s3:PutObject and s3:PutObjectAcl \
             there"
        );
    }
    let hint = if has("AccessDenied") {
        " (you need s3:GetObject; if you have that, the role of the instance may lack s3:PutObject, so there is no object)"
    } else {
        ""
    };
    format!("the output in {object} could not be read: {}{hint}", failure.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_those_of_ssm_agent() {
        let key = |output: &str, shell| {
            let output = output.parse().unwrap();
            output_prefix(&output, shell, "e3-1", "i-1").key("stdout")
        };
        assert_eq!(key("logs/a", Shell::Sh), "a/e3-1/i-1/awsrunShellScript/0.awsrunShellScript/stdout");
        assert_eq!(key("logs", Shell::Powershell), "e3-1/i-1/awsrunPowerShellScript/0.awsrunPowerShellScript/stdout");
    }
}
