//! Everything that is looked up before anything is decided.

use crate::remember::{CommandLine, Recall, recall};
use cerveza_ec2::{By, Ec2, Found, RegionArgs, locate};
use hostrange::Given;

/// What was looked up. The decision depends on this, the hosts and the profile alone.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The region to launch in, unless a host's record names one.
    pub region: String,
    /// What each host is now, in the order of the hosts.
    pub found: Vec<Found>,
    /// What is remembered of the hosts.
    pub recall: Recall,
}

/// Connects, and looks up what the decision needs. Returns no connection if there is none to be had; then each host says
/// why.
pub async fn look_up(
    regions: &RegionArgs,
    given: &Given,
    command_line: &CommandLine<'_>,
    remembers: bool,
) -> (Option<Ec2>, Facts) {
    let (ec2, found) = locate(regions, given, By::Name).await;
    let region = ec2.as_ref().and_then(|ec2| ec2.regions().ok()?.first().cloned()).unwrap_or_default();
    let recall = match ec2.as_ref().filter(|_| remembers) {
        Some(ec2) => recall(ec2, &given.hosts, &found, &region, command_line).await,
        None => Recall::default(),
    };
    (ec2, Facts { region, found, recall })
}
