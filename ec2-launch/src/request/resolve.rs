//! Makes requests of the ways to launch a host: finds in the catalog what the profile names, checks that it goes
//! together, and adds safe defaults. No I/O. Reports everything that is wrong, each with its place in the profile.

use crate::request::choice::{Choice, Named, has_value, texts};
use crate::request::recipe::Recipe;
use crate::request::root_volume::RootPlan;
use cerveza_ec2::{
    Catalog, Image, ImageChoice, LaunchRequest, LaunchTemplate, SecurityGroup, TypeFacts, fits_metadata, is_group_id,
    known_instance_types,
};
use cerveza_manners::{Failure, Result, nearest};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Returns the requests, without user-data and tags, and what the user is to know of them.
pub fn resolve(
    recipe: &Recipe,
    region: &str,
    choices: &[Choice<'_>],
    tags: &BTreeMap<String, String>,
    catalog: &Catalog,
) -> Result<(Vec<LaunchRequest>, Vec<String>)> {
    if let Some(failure) = &catalog.failure {
        return Err(failure.clone());
    }
    let mut resolver = Resolver { recipe, region, catalog, problems: Vec::new(), notes: Vec::new() };
    resolver.check_names();
    let settings = resolver.settings(tags);
    let requests: Vec<LaunchRequest> =
        choices.iter().filter_map(|choice| resolver.request(choice, &settings)).collect();
    if requests.is_empty() && resolver.problems.is_empty() {
        let mut zones: Vec<&str> = choices.iter().filter_map(|choice| choice.zone.as_deref()).collect();
        zones.dedup();
        resolver.problem("subnet", format!("no subnet of the profile is in {}", zones.join(", ")));
    }
    resolver.finish(requests)
}

struct Resolver<'a> {
    recipe: &'a Recipe,
    region: &'a str,
    catalog: &'a Catalog,
    /// Paths in the profile, and what is wrong there.
    problems: Vec<(String, String)>,
    notes: Vec<String>,
}

impl<'a> Resolver<'a> {
    fn problem(&mut self, path: &str, why: impl Into<String>) {
        let problem = (path.to_string(), why.into());
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn add_note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn finish(self, requests: Vec<LaunchRequest>) -> Result<(Vec<LaunchRequest>, Vec<String>)> {
        let place = |(path, why): &(String, String)| format!("{}: {why}", self.recipe.file.place_of(path));
        let problems: Vec<String> = self.problems.iter().map(place).collect();
        if problems.is_empty() { Ok((requests, self.notes)) } else { Err(Failure::usage(problems.join("; "))) }
    }

    /// Checks that what does not depend on the zone, the type or the image exists.
    fn check_names(&mut self) {
        let (region, catalog) = (self.region, self.catalog);
        if let (Some(name), Some(known)) = (&self.recipe.file.profile.key_name, &catalog.key_pairs)
            && !known.contains(name)
        {
            let near = did_you_mean(name, known.iter().map(String::as_str));
            self.problem("key pair", format!("there is no key pair {name:?} in {region}{near}"));
        }
        let group = self.recipe.setting("placement group").filter(|group| !group.starts_with("pg-"));
        if let (Some(name), Some(known)) = (group, &catalog.placement_groups)
            && !known.contains(name)
        {
            let near = did_you_mean(name, known.iter().map(String::as_str));
            self.problem("placement group", format!("there is no placement group {name:?} in {region}{near}"));
        }
        if let Some(template) = self.recipe.template()
            && let Some(Err(why)) = catalog.launch_templates.get(&template)
        {
            self.problem("launch template", why);
        }
    }

    /// Returns the launch template. `Some(None)` is one that is not known.
    fn template(&self) -> Option<Option<&'a LaunchTemplate>> {
        let name = self.recipe.template()?;
        Some(self.catalog.launch_templates.get(&name).and_then(|found| found.as_ref().ok()))
    }

    /// Returns the profile's settings, with IMDSv2 required, and with the tags in IMDS if all of them may be there. A
    /// launch template that has metadata options, or that is not known, decides for itself.
    fn settings(&mut self, tags: &BTreeMap<String, String>) -> Map<String, Value> {
        let mut settings = self.recipe.file.profile.settings.clone();
        let mut options = settings.get("metadata options").and_then(Value::as_object).cloned().unwrap_or_default();
        let bad_key = tags.keys().find(|key| !fits_metadata(key));
        if let Some(key) = bad_key
            && options.get("instance metadata tags") == Some(&json!("enabled"))
        {
            let why = "a key there can only have letters, digits and + - = . , _ : @";
            let path = "metadata options/instance metadata tags";
            self.problem(path, format!("the tag {key:?} cannot be in the instance's metadata: {why}"));
        }
        let is_off = options.get("http endpoint") == Some(&json!("disabled"));
        let template_decides = self.template().is_some_and(|known| known.is_none_or(|it| it.has_metadata_options));
        if !is_off && !template_decides {
            options.entry("http tokens").or_insert(json!("required"));
            options.entry("hop limit").or_insert(json!(2));
            if bad_key.is_none() {
                options.entry("instance metadata tags").or_insert(json!("enabled"));
            }
        }
        if !options.is_empty() {
            settings.insert("metadata options".to_string(), options.into());
        }
        settings
    }

    /// Returns the request of one choice; none if its subnet is in another zone, or something is wrong with it.
    fn request(&mut self, choice: &Choice<'_>, settings: &Map<String, Value>) -> Option<LaunchRequest> {
        let mut request = LaunchRequest { settings: settings.clone(), ..self.recipe.bare_request(self.region, choice) };
        let Some(vpc) = self.vpc(choice) else {
            if !self.problems.is_empty() {
                // The image and the type are reported in the same run.
                let type_facts = self.type_facts(choice);
                self.image(choice, type_facts);
            }
            return None;
        };
        request.security_groups =
            self.groups("security group", &request.security_groups, vpc.as_deref(), choice.subnet.is_some());
        self.name_interface_groups(&mut request.settings, vpc.as_deref());
        let type_facts = self.type_facts(choice);
        if let Some(image) = self.image(choice, type_facts) {
            // Without an ami of the profile the template has the image.
            request.image_id = choice.image.as_ref().map(|_| image.id.clone()).unwrap_or_default();
            let profile = &self.recipe.file.profile;
            let template = self.template();
            let plan = RootPlan { image: &image, type_facts, profile, template };
            let (problems, notes) = plan.apply(&mut request.volumes);
            problems.into_iter().for_each(|(path, why)| self.problem(&path, why));
            notes.into_iter().for_each(|note| self.add_note(format!("profile {}: {note}", self.recipe.file.name)));
        }
        if let Err(why) = request.check() {
            let key = why.split(':').next().unwrap_or_default().to_string();
            self.problem(&key, why);
        }
        Some(request)
    }

    /// Returns the VPC that the choice launches in, if that is known. `None` says that the choice is not possible.
    fn vpc(&mut self, choice: &Choice<'_>) -> Option<Option<String>> {
        let Some(subnets) = &self.catalog.subnets else { return Some(None) };
        let Some(Named { path, value: id }) = &choice.subnet else {
            if !self.recipe.uses_default_subnet() {
                return Some(None);
            }
            let is_here = |zone: &String| choice.zone.as_ref().is_none_or(|wanted| wanted == zone);
            let default = subnets.values().find(|subnet| subnet.is_default && is_here(&subnet.zone));
            if default.is_none() {
                let place = choice.zone.as_deref().unwrap_or(self.region);
                self.problem("zone", format!("there is no default subnet in {place}: give the profile a subnet"));
            }
            return Some(Some(default?.vpc.clone()));
        };
        let Some(subnet) = subnets.get(*id) else {
            self.problem(path, format!("there is no subnet {id} in {}", self.region));
            return None;
        };
        let is_here = choice.zone.as_ref().is_none_or(|zone| *zone == subnet.zone);
        is_here.then(|| Some(subnet.vpc.clone()))
    }

    /// Returns the ids of security groups. If nothing is known of groups, a name stays a name where EC2 takes it: in
    /// the default VPC.
    fn groups(&mut self, key: &str, groups: &[String], vpc: Option<&str>, has_subnet: bool) -> Vec<String> {
        let Some(known) = &self.catalog.security_groups else {
            let name = groups.iter().position(|group| !is_group_id(group));
            if let Some(number) = name.filter(|_| has_subnet) {
                let why = format!("the id of the security group {:?} is not known: give the id", groups[number]);
                self.problem(&format!("{key}/{number}"), why);
            }
            return groups.to_vec();
        };
        let mut ids = Vec::new();
        for (number, group) in groups.iter().enumerate() {
            match find_group(known, group, vpc, self.region) {
                Ok(id) => ids.push(id),
                Err(why) => self.problem(&format!("{key}/{number}"), why),
            }
        }
        ids
    }

    /// Gives the network interfaces the ids of their security groups.
    fn name_interface_groups(&mut self, settings: &mut Map<String, Value>, vpc: Option<&str>) {
        let interfaces = settings.get_mut("network interfaces").and_then(Value::as_array_mut);
        for (number, interface) in interfaces.into_iter().flatten().enumerate() {
            let path = format!("network interfaces/{number}");
            let subnet = interface["subnet"].as_str().zip(self.catalog.subnets.as_ref());
            let subnet = subnet.map(|(id, subnets)| (id.to_string(), subnets.get(id)));
            if let Some((id, None)) = &subnet {
                self.problem(&format!("{path}/subnet"), format!("there is no subnet {id} in {}", self.region));
                continue;
            }
            let vpc = subnet.and_then(|(_, subnet)| Some(subnet?.vpc.as_str())).or(vpc);
            if has_value(interface, "security groups") {
                let groups = texts(&interface["security groups"]);
                interface["security groups"] =
                    self.groups(&format!("{path}/security groups"), &groups, vpc, true).into();
            }
        }
    }

    /// Returns what is known of the choice's instance type.
    fn type_facts(&mut self, choice: &Choice<'_>) -> Option<&'a TypeFacts> {
        let Named { path, value: name } = choice.instance_type.clone().or(self.template_type())?;
        let known = self.catalog.instance_types.as_ref()?;
        let found = known.get(name);
        if found.is_none() {
            let near = did_you_mean(name, known_instance_types().iter().copied());
            self.problem(&path, format!("there is no instance type {name} in {}{near}", self.region));
        }
        found
    }

    fn template_type(&self) -> Option<Named<&'a str>> {
        let template = self.template()??;
        Some(Named { path: "launch template".to_string(), value: template.instance_type.as_deref()? })
    }

    /// Returns the image of the choice: of several the newest one that the instance type can run.
    fn image(&mut self, choice: &Choice<'_>, type_facts: Option<&TypeFacts>) -> Option<Image> {
        let of_template = || {
            let template = self.template()??;
            Some(Named { path: "launch template".to_string(), value: template.image.as_ref()? })
        };
        let Named { path, value: image_choice } = choice.image.clone().or_else(of_template)?;
        let images = match (self.catalog.images.get(image_choice), image_choice) {
            (Some(Ok(images)), _) => images,
            (Some(Err(why)), _) => {
                self.problem(&path, why);
                return None;
            }
            (None, ImageChoice::Id(id)) => &vec![Image { id: id.clone(), ..Image::default() }],
            (None, _) => {
                self.problem(&path, "the image is not known");
                return None;
            }
        };
        let Some(image) = images.iter().find(|image| fits(image, type_facts)) else {
            let (image, instance_type) = (images.first()?, choice.instance_type.clone().or(self.template_type())?);
            let facts = type_facts.cloned().unwrap_or_default();
            let why = format!(
                "{} runs {} ({}), but the image {} is for {} ({})",
                instance_type.value,
                facts.architectures.join(", "),
                facts.virtualizations.join(", "),
                image.id,
                image.architecture,
                image.virtualization
            );
            self.problem(&instance_type.path, why);
            return None;
        };
        if !image.state.is_empty() && image.state != "available" {
            self.problem(&path, format!("the image {} is {}", image.id, image.state));
        }
        let chosen = match image_choice {
            ImageChoice::Id(_) => None,
            ImageChoice::Parameter(name) => Some(format!("resolve:ssm:{name}")),
            ImageChoice::Newest { name, owner, .. } => Some(format!("the newest {name} of {owner}")),
        };
        if let Some(chosen) = chosen {
            let day = image.created.split('T').next().unwrap_or_default();
            self.add_note(format!("{chosen} in {} is {}: {} of {day}", self.region, image.id, image.name));
        }
        if let Some(since) = &image.deprecated {
            let day = since.split('T').next().unwrap_or_default();
            self.add_note(format!("the image {} is deprecated from {day} on: use a newer one", image.id));
        }
        Some(image.clone())
    }
}

/// Returns whether an image runs on an instance type, as far as both are known.
fn fits(image: &Image, facts: Option<&TypeFacts>) -> bool {
    let is_in = |list: &[String], word: &String| word.is_empty() || list.is_empty() || list.contains(word);
    facts.is_none_or(|facts| {
        is_in(&facts.architectures, &image.architecture) && is_in(&facts.virtualizations, &image.virtualization)
    })
}

/// Returns the id of a security group in a VPC, or in any if that is not known.
fn find_group(
    known: &[SecurityGroup],
    group: &str,
    vpc: Option<&str>,
    region: &str,
) -> std::result::Result<String, String> {
    let is_here = |it: &&SecurityGroup| vpc.is_none_or(|vpc| it.vpc == vpc);
    let place = vpc.map_or(region.to_string(), |vpc| format!("{vpc} ({region})"));
    if is_group_id(group) {
        return match known.iter().find(|it| it.id == group) {
            Some(it) if is_here(&it) => Ok(it.id.clone()),
            Some(it) => {
                Err(format!("the security group {group} is in {}, but the host is launched in {place}", it.vpc))
            }
            None => Err(format!("there is no security group {group} in {region}")),
        };
    }
    let mut found = known.iter().filter(is_here).filter(|it| it.name == group);
    match (found.next(), found.next()) {
        (Some(it), None) => Ok(it.id.clone()),
        (Some(_), Some(_)) => Err(format!("several VPCs have a security group {group:?}: give its id, or a subnet")),
        (None, _) => {
            let near = did_you_mean(group, known.iter().filter(is_here).map(|it| it.name.as_str()));
            Err(format!("there is no security group {group:?} in {place}{near}"))
        }
    }
}

fn did_you_mean<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    nearest(name, known).map(|near| format!(": did you mean {near:?}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
