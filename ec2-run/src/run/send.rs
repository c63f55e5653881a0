//! Sends one command, and finishes its hosts if it cannot be sent.

use crate::run::agents::problem;
use crate::run::command::{CommandRun, SEND_TIME, no_answer};
use crate::run::outcome::lost;
use cerveza_ec2::{CommandRequest, SendFailure};
use cerveza_manners::Failure;
use cerveza_results::{HostStatus, Outcome, Phase};
use std::time::Duration;
use tokio::time::sleep;

/// How long after the command's own time limit SSM Agent kills it, in case the wrapper does not.
const AGENT_GRACE: Duration = Duration::from_secs(30);

/// A command whose answer got lost is looked for so often, after pauses of 1, 2 and 4 seconds.
const SEARCHES: u32 = 3;

impl CommandRun<'_> {
    /// Sends the command. If that fails its hosts are done, and there is no id.
    pub(super) async fn send(&mut self, number: usize) -> Option<String> {
        let settings = &self.runner.settings;
        let comment = format!("ec2-run {} {number}", settings.run_id);
        loop {
            if let Some(stop) = self.runner.stop() {
                self.finish_unsent(stop);
                return None;
            }
            let request = CommandRequest {
                document: settings.shell.document(),
                script: settings.script.clone(),
                instance_ids: self.open.keys().cloned().collect(),
                comment: comment.clone(),
                delivery_timeout: settings.delivery,
                execution_timeout: settings.limit.map_or(cerveza_ec2::LONGEST_EXECUTION, |limit| limit + AGENT_GRACE),
                max_concurrency: self.width,
                max_errors: self.runner.failures_left().unwrap_or(self.open.len()),
                output: settings.output.clone(),
            };
            let stopped_for_long = async {
                self.runner.stopped().await;
                sleep(SEND_TIME).await;
            };
            let failure = tokio::select! {
                sent = self.ec2.send_command(&self.region, &request) => match sent {
                    Ok(id) => return Some(id),
                    Err(failure) => failure,
                },
                () = stopped_for_long => return self.find_sent(&comment, &no_answer()).await,
            };
            if failure.is_ambiguous {
                return self.find_sent(&comment, &failure.failure).await;
            }
            if !(failure.is_of_instance && self.drop_unmanaged().await) {
                self.refuse(&failure);
                return None;
            }
            if self.open.is_empty() {
                return None;
            }
        }
    }

    /// Looks for a command whose answer got lost, by its comment.
    async fn find_sent(&mut self, comment: &str, failure: &Failure) -> Option<String> {
        let mut why = failure.message.clone();
        for search in 0..SEARCHES {
            sleep(Duration::from_secs(1 << search)).await;
            match self.ec2.find_command(&self.region, comment, self.began_at).await {
                Ok(Some(id)) => return Some(id),
                Ok(None) => {}
                Err(failure) => why = failure.message,
            }
        }
        self.finish_all(|_| lost(&format!("whether SSM got the command is not known: {why}")));
        None
    }

    /// Finishes hosts that SSM does not manage any more. Returns whether there were any.
    async fn drop_unmanaged(&mut self) -> bool {
        let ids: Vec<String> = self.open.keys().cloned().collect();
        let agents = self.ec2.ssm_agents(&self.region, &ids).await;
        // One that is silent now may still get the command.
        let is_managed = |id: &String| agents.as_ref().map_or(true, |agents| agents.contains_key(id));
        let gone: Vec<&String> = ids.iter().filter(|id| !is_managed(id)).collect();
        for id in &gone {
            if let (Some(problem), Some(at)) = (problem(&agents, id), self.open.remove(*id)) {
                self.runner.finish(at, problem.outcome().into());
            }
        }
        !gone.is_empty()
    }

    fn refuse(&mut self, failure: &SendFailure) {
        let status = if failure.is_denied { HostStatus::Auth } else { HostStatus::Unreachable };
        if let Some(stop) = self.runner.stop() {
            return self.finish_unsent(stop);
        }
        let hint = failure.failure.hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
        let error = format!("the command was not sent: {}{hint}", failure.failure.message);
        self.finish_all(|_| Outcome::error(status, Phase::Deliver, &error));
    }
}
