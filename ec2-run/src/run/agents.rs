//! Which hosts have an agent that can fetch a command.

use crate::run::target::{Place, Problem, Target};
use cerveza_ec2::{Agent, Ec2};
use cerveza_manners::Failure;
use cerveza_results::{HostStatus, Phase};
use futures_util::future::join_all;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep};

/// How often agents are looked for while they are waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Finds hosts without an agent, or with a silent one, and marks them as unreachable. Waits for their agents for `wait`.
pub async fn check_agents(accounts: &[&Ec2], targets: &mut [Target], wait: Option<Duration>) {
    let until = Instant::now() + wait.unwrap_or_default();
    let mut problems: HashMap<usize, Problem> = HashMap::new();
    let mut unchecked: Vec<usize> = (0..targets.len()).filter(|at| targets[*at].instance.is_ok()).collect();
    loop {
        problems.clear();
        let mut places: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
        for at in unchecked {
            if let Ok(instance) = &targets[at].instance {
                places.entry(instance.place.clone()).or_default().push(at);
            }
        }
        let targets = &*targets;
        let checks = places.iter().map(|(place, hosts)| async move {
            let id =
                |at: &usize| targets[*at].instance.as_ref().map(|instance| instance.id.clone()).unwrap_or_default();
            let mut ids: Vec<String> = hosts.iter().map(id).collect();
            ids.sort();
            ids.dedup();
            let agents = accounts[place.account].ssm_agents(&place.region, &ids).await;
            hosts.iter().filter_map(|at| Some((*at, problem(&agents, &id(at))?))).collect::<Vec<_>>()
        });
        problems.extend(join_all(checks).await.into_iter().flatten());
        unchecked = problems.keys().copied().collect();
        if problems.is_empty() || Instant::now() + LOOK_AGAIN > until {
            break;
        }
        sleep(LOOK_AGAIN).await;
    }
    for (at, problem) in problems {
        targets[at].instance = Err(problem);
    }
}

/// Returns why a command cannot be delivered to this instance.
pub fn problem(agents: &cerveza_manners::Result<HashMap<String, Agent>>, id: &str) -> Option<Problem> {
    match agents {
        // Without permission to look, SSM itself says what it does not deliver.
        Err(failure) if is_denied(failure) => None,
        Err(failure) => Some(unreachable(failure.message.clone())),
        Ok(agents) => match agents.get(id) {
            Some(agent) if agent.is_online => None,
            Some(agent) => Some(unreachable(silent(agent))),
            None => Some(unreachable(
                "not managed by SSM: SSM Agent does not run, or the instance has no role with \
                 AmazonSSMManagedInstanceCore, or no way to the endpoints of SSM"
                    .to_string(),
            )),
        },
    }
}

fn is_denied(failure: &Failure) -> bool {
    failure.message.contains(": AccessDeniedException: ")
}

fn silent(agent: &Agent) -> String {
    let age = agent.last_ping.and_then(|last| SystemTime::now().duration_since(last).ok());
    let since = age.map_or(String::new(), |age| {
        format!(" for {}", humantime::format_duration(Duration::from_secs(age.as_secs() / 60 * 60)))
    });
    format!("SSM Agent has been silent{since}: is the instance running? (--wait TIME waits for it)")
}

fn unreachable(why: String) -> Problem {
    Problem { status: HostStatus::Unreachable, phase: Phase::Deliver, why }
}
