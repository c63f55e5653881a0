//! What launches name in a region: images, instance types, subnets, security groups, key pairs, placement groups,
//! launch templates. It is looked up before anything is changed, with a few calls however many hosts are launched.

pub(crate) mod image_choice;
pub(crate) mod images;
pub(crate) mod launch_template;
pub(crate) mod looked_up;
pub(crate) mod network;

use crate::catalog::image_choice::ImageChoice;
use crate::catalog::images::Image;
use crate::catalog::launch_template::{LaunchTemplate, TemplateName};
use crate::catalog::looked_up::{LookedUp, NotLookedUp};
use crate::catalog::network::{SecurityGroup, Subnet};
use crate::client::{Ec2, FILTER_VALUES};
use crate::config::region_name::check_region;
use crate::describe::find::{Filter, gather};
use aws_sdk_ec2::types::{self, EbsEncryptionSupport, InstanceType};
use cerveza_manners::Failure;
use std::collections::{BTreeMap, BTreeSet};

/// What the launches in one region name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub images: BTreeSet<ImageChoice>,
    pub instance_types: BTreeSet<String>,
    pub subnets: BTreeSet<String>,
    /// Whether something is launched without a subnet, so in a default one.
    pub default_subnets: bool,
    /// Names or ids.
    pub security_groups: BTreeSet<String>,
    pub key_pairs: BTreeSet<String>,
    pub placement_groups: BTreeSet<String>,
    pub launch_templates: BTreeSet<TemplateName>,
}

/// What EC2 has of the names. `None` stands for a kind that is not known, because the account may not list it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    /// The image of each choice, of several the newest first; or why there is none.
    pub images: BTreeMap<ImageChoice, Result<Vec<Image>, String>>,
    pub instance_types: Option<BTreeMap<String, TypeFacts>>,
    /// The subnets by id, and the default ones if they were asked for.
    pub subnets: Option<BTreeMap<String, Subnet>>,
    /// At least those with the names. If one is missing, all of the VPC.
    pub security_groups: Option<Vec<SecurityGroup>>,
    /// At least those with the names. If one is missing, all; so too for placement groups.
    pub key_pairs: Option<BTreeSet<String>>,
    pub placement_groups: Option<BTreeSet<String>>,
    pub launch_templates: BTreeMap<TemplateName, Result<LaunchTemplate, String>>,
    /// What is not checked because the account lacks a permission.
    pub warnings: Vec<String>,
    /// Why something cannot be looked up. Nothing should be launched then.
    pub failure: Option<Failure>,
}

/// What an instance type can do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TypeFacts {
    pub architectures: Vec<String>,
    /// `hvm` or `paravirtual`.
    pub virtualizations: Vec<String>,
    /// Whether it takes encrypted volumes. Only some old types do not.
    pub encrypts: bool,
}

/// Returns the names of all instance types that were known when this was built.
pub fn known_instance_types() -> &'static [&'static str] {
    InstanceType::values()
}

impl Catalog {
    /// Returns what was found, or notes why it was not.
    fn found_or_note<T>(&mut self, found: LookedUp<T>) -> Option<T> {
        match found {
            Ok(found) => Some(found),
            Err(NotLookedUp { failure, denied: true }) => {
                self.warnings.push(format!("not checked before the launch: {}", failure.message));
                None
            }
            Err(NotLookedUp { failure, .. }) => {
                self.failure.get_or_insert(failure);
                None
            }
        }
    }
}

impl Ec2 {
    /// Looks up what launches in a region name.
    pub async fn catalog(&self, region: &str, names: &Names) -> Catalog {
        let mut catalog = Catalog::default();
        if let Err(failure) = check_region(region) {
            return Catalog { failure: Some(failure), ..catalog };
        }
        let mut names = names.clone();
        for template in names.launch_templates.clone() {
            let Some(found) = catalog.found_or_note(self.launch_template(region, &template).await) else { continue };
            if let Ok(found) = &found {
                names.images.extend(found.image.clone());
                names.instance_types.extend(found.instance_type.clone());
            }
            catalog.launch_templates.insert(template, found);
        }
        let ((images, failures), types, network, keys, groups) = tokio::join!(
            self.images(region, &names.images),
            self.instance_types(region, &names.instance_types),
            self.network(region, &names),
            self.key_pairs(region, &names.key_pairs),
            self.placement_groups(region, &names.placement_groups),
        );
        catalog.images = images;
        for failure in failures {
            catalog.found_or_note::<()>(Err(failure));
        }
        catalog.instance_types = catalog.found_or_note(types);
        catalog.subnets = catalog.found_or_note(network.0);
        catalog.security_groups = catalog.found_or_note(network.1);
        catalog.key_pairs = catalog.found_or_note(keys);
        catalog.placement_groups = catalog.found_or_note(groups);
        catalog
    }

    pub(crate) async fn instance_types(
        &self,
        region: &str,
        names: &BTreeSet<String>,
    ) -> LookedUp<BTreeMap<String, TypeFacts>> {
        let client = &self.client(region);
        let found = gather(names, |names, token| async move {
            let request = client.describe_instance_types().filters(Filter::exact("instance-type", &names).api());
            let request = request.max_results(100).set_next_token(token);
            let page = self.call("DescribeInstanceTypes", region, 1, || request.clone().send()).await;
            let page = page.map_err(|error| NotLookedUp::new("DescribeInstanceTypes", region, &error))?;
            Ok::<_, NotLookedUp>((page.instance_types.unwrap_or_default(), page.next_token))
        });
        let facts = |info: types::InstanceTypeInfo| {
            let architectures = info.processor_info().map(|info| info.supported_architectures()).unwrap_or_default();
            let encryption = info.ebs_info().and_then(|info| info.encryption_support());
            let facts = TypeFacts {
                architectures: architectures.iter().map(|name| name.as_str().to_string()).collect(),
                virtualizations: info
                    .supported_virtualization_types()
                    .iter()
                    .map(|it| it.as_str().to_string())
                    .collect(),
                encrypts: encryption != Some(&EbsEncryptionSupport::Unsupported),
            };
            Some((info.instance_type?.as_str().to_string(), facts))
        };
        Ok(found.await?.into_iter().filter_map(facts).collect())
    }

    /// Looks up the subnets, then the security groups: a missing name is looked for in the VPCs of the subnets.
    async fn network(
        &self,
        region: &str,
        names: &Names,
    ) -> (LookedUp<BTreeMap<String, Subnet>>, LookedUp<Vec<SecurityGroup>>) {
        let (subnets, groups) = tokio::join!(
            self.subnets(region, &names.subnets, names.default_subnets),
            self.security_groups(region, &names.security_groups),
        );
        let groups = match (&subnets, groups) {
            (Ok(subnets), Ok(groups)) => {
                self.with_missing_groups(region, &names.security_groups, subnets, groups).await
            }
            (_, groups) => groups,
        };
        (subnets, groups)
    }

    async fn key_pairs(&self, region: &str, names: &BTreeSet<String>) -> LookedUp<BTreeSet<String>> {
        if names.is_empty() {
            return Ok(BTreeSet::new());
        }
        let client = &self.client(region);
        let list = |filter: Option<types::Filter>| async move {
            let request = client.describe_key_pairs().set_filters(filter.map(|filter| vec![filter]));
            let answer = self.call("DescribeKeyPairs", region, 1, || request.clone().send()).await;
            let answer = answer.map_err(|error| NotLookedUp::new("DescribeKeyPairs", region, &error))?;
            Ok::<_, NotLookedUp>(
                answer.key_pairs.unwrap_or_default().into_iter().filter_map(|pair| pair.key_name).collect::<Vec<_>>(),
            )
        };
        let mut known = BTreeSet::new();
        for names in Vec::from_iter(names.clone()).chunks(FILTER_VALUES) {
            known.extend(list(Some(Filter::exact("key-name", names).api())).await?);
        }
        if !names.is_subset(&known) {
            known.extend(list(None).await?);
        }
        Ok(known)
    }

    async fn placement_groups(&self, region: &str, names: &BTreeSet<String>) -> LookedUp<BTreeSet<String>> {
        if names.is_empty() {
            return Ok(BTreeSet::new());
        }
        let request = self.client(region).describe_placement_groups();
        let answer = self.call("DescribePlacementGroups", region, 1, || request.clone().send()).await;
        let answer = answer.map_err(|error| NotLookedUp::new("DescribePlacementGroups", region, &error))?;
        Ok(answer.placement_groups.unwrap_or_default().into_iter().filter_map(|group| group.group_name).collect())
    }
}
