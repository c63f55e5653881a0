//! Waits for instances to reach a state, always with a time limit.

use crate::change::limit::Limit;
use crate::client::Ec2;
use crate::describe::find::by_region;
use cerveza_manners::{Failure, Result, parse_duration};
use cerveza_record::Record;
use futures_util::future::join_all;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

#[derive(clap::Args, Clone, Debug)]
pub struct WaitArgs {
    /// Give up when no host has become ready for this time
    ///
    /// TIME is in seconds (90), or numbers with s, m or h (10m).
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    pub timeout: Duration,
}

/// The first look comes early, the later ones further apart: a launch takes some 10 to 60 seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long the last look after Ctrl-C may take.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// How the wait for one instance ended: its record as last seen, and why it is not in the state.
pub struct Waited {
    pub record: Option<Record>,
    pub outcome: Result<()>,
}

/// What one look showed of an instance.
enum Look {
    Reached,
    /// It will never reach the state.
    Ended(Failure),
    /// Not there. The text is the error if this was the last look.
    Open(String),
}

type Looks = HashMap<String, (Option<Record>, Look)>;

impl Ec2 {
    /// Waits until every instance (region, id) is in one of `states` or has ended, or until none has got there for
    /// `timeout`. Returns one answer for each id. `reached` is called once for each that need not be waited for any
    /// longer.
    pub async fn wait(
        &self,
        instances: &[(String, String)],
        states: &[&str],
        timeout: Duration,
        mut reached: impl FnMut(),
    ) -> HashMap<String, Waited> {
        let limit = Limit::new(timeout);
        let mut waiting = by_region(instances);
        let unseen = |(_, id): &(String, String)| (id.clone(), (None, Look::Open(format!("{id} was not seen"))));
        let mut looks: Looks = instances.iter().map(unseen).collect();
        let mut pause = FIRST_PAUSE;
        loop {
            let look = join_all(waiting.iter().map(|(region, ids)| self.look_at_region(region, ids)));
            tokio::select! {
                seen = look => seen.into_iter().for_each(|seen| note_look(seen, states, &mut looks)),
                () = limit.over() => {}
                () = self.interrupt.wait() => {}
            }
            for ids in waiting.values_mut() {
                let before = ids.len();
                ids.retain(|id| matches!(looks.get(*id), Some((_, Look::Open(_)))));
                (ids.len()..before).for_each(|_| {
                    limit.progressed();
                    reached();
                });
            }
            waiting.retain(|_, ids| !ids.is_empty());
            if waiting.is_empty() || limit.is_over() || self.is_interrupted() {
                break;
            }
            tokio::select! {
                () = sleep(limit.at_most(pause)) => {}
                () = self.interrupt.wait() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if self.is_interrupted() {
            // Report the state of now, not that of before Ctrl-C.
            let look = join_all(waiting.iter().map(|(region, ids)| self.look_at_region(region, ids)));
            if let Ok(seen) = timeout_at(Instant::now() + LAST_LOOK, look).await {
                seen.into_iter().for_each(|seen| note_look(seen, states, &mut looks));
            }
        }
        let waited = |(id, (record, look))| {
            let outcome = match look {
                Look::Reached => Ok(()),
                Look::Ended(failure) => Err(failure),
                Look::Open(why) if self.is_interrupted() => Err(Failure::interrupted().within(why)),
                Look::Open(why) => Err(Failure::unreached(format!("{why} after {}", limit.timeout_text()))
                    .hint("wait longer with --timeout, or look again with ec2-ls")),
            };
            (id, Waited { record, outcome })
        };
        looks.into_iter().map(waited).collect()
    }

    /// Looks at the instances of a region once.
    async fn look_at_region(&self, region: &str, ids: &BTreeSet<&str>) -> Seen {
        let ids: Vec<String> = ids.iter().map(|id| id.to_string()).collect();
        let seen = self.find_ids(region, &ids).await;
        Seen { ids, seen }
    }
}

/// What one look at a region gave: the instances that were asked for, and those that were listed.
struct Seen {
    ids: Vec<String>,
    seen: Result<Vec<Record>>,
}

/// Notes the result of a look. An instance that was seen before and is not now keeps its record.
fn note_look(Seen { ids, seen }: Seen, states: &[&str], looks: &mut Looks) {
    let (seen, failed) = match seen {
        Ok(seen) => (seen, None),
        Err(failure) => (Vec::new(), Some(failure)),
    };
    let by_id = |record: Record| (record.str("instance_id").unwrap_or_default(), record);
    let mut seen: HashMap<String, Record> = seen.into_iter().map(by_id).collect();
    for id in ids {
        let known = looks.remove(&id).and_then(|(record, _)| record);
        let (record, look) = match (seen.remove(&id), &failed) {
            (Some(record), _) => {
                let look = compare_states(&id, known.as_ref(), &record, states);
                (Some(record), look)
            }
            (None, Some(failure)) => {
                (None, Look::Open(format!("it is unknown whether {id} is {}: {failure}", states[0])))
            }
            (None, None) => (None, Look::Open(format!("{id} is not listed"))),
        };
        looks.insert(id, (record.or(known), look));
    }
}

/// Compares the state with the wanted ones. `before` is the record of the look before.
fn compare_states(id: &str, before: Option<&Record>, record: &Record, wanted: &[&str]) -> Look {
    let state = |record: &Record| record.str("state").unwrap_or_default();
    let was_pending = before.is_some_and(|before| state(before) == "pending");
    let reason = record.str("state_reason").map_or(String::new(), |reason| format!(": {reason}"));
    match state(record).as_str() {
        now if wanted.contains(&now) => Look::Reached,
        now @ ("terminated" | "shutting-down") if !wanted.contains(&"terminated") => {
            Look::Ended(Failure::unreached(format!("{id} is {now}{reason}")))
        }
        now @ ("stopping" | "stopped") if was_pending => {
            Look::Ended(Failure::unreached(format!("{id} was pending and is {now} again{reason}")))
        }
        now => Look::Open(format!("{id} is still {now}{reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(state: &str, reason: Option<&str>) -> Record {
        let mut record = Record::named("web1");
        record.set("state", state);
        record.set("state_reason", reason);
        record
    }

    #[test]
    fn an_instance_that_died_at_launch_is_not_waited_for() {
        let dead = seen("terminated", Some("Client.VolumeLimitExceeded: Volume limit exceeded"));
        let Look::Ended(failure) = compare_states("i-1", None, &dead, &["running"]) else {
            panic!("waits for a dead instance");
        };
        assert_eq!(failure.message, "i-1 is terminated: Client.VolumeLimitExceeded: Volume limit exceeded");
        assert!(matches!(compare_states("i-1", None, &seen("shutting-down", None), &["terminated"]), Look::Open(_)));
        assert!(matches!(compare_states("i-1", None, &seen("running", None), &["running"]), Look::Reached));
    }

    #[test]
    fn an_instance_that_did_not_start_is_not_waited_for() {
        let (pending, stopped) = (seen("pending", None), seen("stopped", Some("Server.InternalError: no host")));
        let Look::Ended(failure) = compare_states("i-1", Some(&pending), &stopped, &["running"]) else {
            panic!("waits for a stopped instance");
        };
        assert_eq!(failure.message, "i-1 was pending and is stopped again: Server.InternalError: no host");
        // The first look may show the state from before the start.
        assert!(matches!(compare_states("i-1", None, &stopped, &["running"]), Look::Open(_)));
        assert!(matches!(compare_states("i-1", Some(&pending), &stopped, &["running", "stopped"]), Look::Reached));
    }
}
