//! Divides hosts into commands: each is for at most 50 hosts of one account, region and batch. Without I/O.

use crate::run::target::{Place, Target};
use cerveza_ec2::COMMAND_INSTANCES;
use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;

/// A command that is to be sent, or, with `id`, one that was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedCommand {
    pub place: Place,
    /// Numbers of hosts, with different instances.
    pub hosts: Vec<usize>,
    pub id: Option<String>,
}

/// Returns the commands for the hosts of one batch, in the order of their first hosts. A command has at most `most` hosts.
pub fn commands(targets: &[Target], batch: Range<usize>, most: usize) -> VecDeque<PlannedCommand> {
    let mut commands: Vec<(PlannedCommand, HashSet<&str>)> = Vec::new();
    let mut last: HashMap<(&Place, Option<&str>), usize> = HashMap::new();
    for at in batch {
        let Ok(instance) = &targets[at].instance else { continue };
        let key = (&instance.place, instance.command.as_deref());
        let found = last.get(&key).copied().filter(|number| {
            let (command, ids) = &commands[*number];
            // A record that is given twice runs twice, in two commands: SSM takes an instance once.
            command.hosts.len() < most.clamp(1, COMMAND_INSTANCES) && !ids.contains(instance.id.as_str())
        });
        let number = found.unwrap_or_else(|| {
            let (place, id) = (instance.place.clone(), instance.command.clone());
            commands.push((PlannedCommand { place, hosts: Vec::new(), id }, HashSet::new()));
            commands.len() - 1
        });
        last.insert(key, number);
        commands[number].0.hosts.push(at);
        commands[number].1.insert(&instance.id);
    }
    commands.into_iter().map(|(command, _)| command).collect()
}

/// How many hosts of the next command may run at a time: `None` if it has to wait until more of the `fanout` are free.
/// `running` is how many hosts run now.
pub fn width(hosts: usize, running: usize, fanout: usize) -> Option<usize> {
    let free = fanout.saturating_sub(running);
    // A command's width cannot be changed later, so a command does not begin with the first slot that is free.
    let least = hosts.min(COMMAND_INSTANCES).min(fanout.div_ceil(2)).max(1);
    (free >= least).then(|| free.min(hosts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::target::Instance;
    use cerveza_record::Record;

    fn target(region: &str, id: &str) -> Target {
        let place = Place { account: 0, region: region.to_string() };
        let instance = Instance { place, id: id.to_string(), command: None };
        Target { record: Record::named(id), instance: Ok(instance) }
    }

    fn hosts(commands: VecDeque<PlannedCommand>) -> Vec<Vec<usize>> {
        commands.into_iter().map(|command| command.hosts).collect()
    }

    #[test]
    fn a_command_has_fifty_hosts_of_one_region() {
        let targets: Vec<Target> =
            (0..120).map(|at| target(["r1", "r2"][usize::from(at % 60 == 59)], &format!("i-{at}"))).collect();
        let commands = hosts(commands(&targets, 0..120, 50));
        assert_eq!(commands.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 2, 18]);
        assert_eq!(commands[2], [59, 119]);
        let mut all: Vec<usize> = commands.concat();
        all.sort_unstable();
        assert_eq!(all, (0..120).collect::<Vec<_>>());
    }

    #[test]
    fn an_instance_is_once_in_a_command() {
        let targets = [target("r", "i-1"), target("r", "i-2"), target("r", "i-1"), target("r", "i-3")];
        assert_eq!(hosts(commands(&targets, 0..4, 50)), [vec![0, 1], vec![2, 3]]);
        assert_eq!(hosts(commands(&targets, 1..3, 1)), [vec![1], vec![2]]);
    }

    #[test]
    fn a_command_waits_for_slots() {
        assert_eq!(width(50, 0, 500), Some(50));
        assert_eq!(width(50, 460, 500), None);
        assert_eq!(width(50, 450, 500), Some(50));
        assert_eq!(width(3, 497, 500), Some(3));
        assert_eq!(width(50, 0, 10), Some(10));
        assert_eq!((width(50, 6, 10), width(50, 5, 10)), (None, Some(5)));
        assert_eq!((width(50, 0, 1), width(50, 1, 1)), (Some(1), None));
    }
}
