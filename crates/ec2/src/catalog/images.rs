//! Looks up the images that profiles choose.

use crate::catalog::image_choice::ImageChoice;
use crate::catalog::looked_up::{LookedUp, NotLookedUp};
use crate::client::Ec2;
use crate::client::verdict::code;
use crate::describe::find::gather;
use crate::launch::Volume;
use aws_sdk_ec2::types::{self, DeviceType, Filter};
use futures_util::stream::{self, StreamExt};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// An image, as far as a launch depends on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    pub id: String,
    pub name: String,
    /// Empty if only the id of the image is known. The same holds for the other texts.
    pub architecture: String,
    /// `hvm` or `paravirtual`.
    pub virtualization: String,
    /// As `2026-01-01T00:00:00.000Z`.
    pub created: String,
    pub state: String,
    /// When its owner wants it to be used no more.
    pub deprecated: Option<String>,
    pub root: RootDevice,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum RootDevice {
    #[default]
    Unknown,
    /// The root is on a disk of the machine, which no request changes.
    InstanceStore,
    /// With what the image says of the volume.
    Volume(Volume),
}

/// What GetParameters takes in one request.
const PARAMETERS: usize = 10;

/// Searches for images at the same time.
const AT_ONCE: usize = 4;

type Images = BTreeMap<ImageChoice, Result<Vec<Image>, String>>;

impl Ec2 {
    /// Returns what each choice leads to, and why something could not be looked up. An image whose id is known and that
    /// cannot be looked up is taken as it is.
    pub(crate) async fn images(&self, region: &str, choices: &BTreeSet<ImageChoice>) -> (Images, Vec<NotLookedUp>) {
        let mut failures = Vec::new();
        let parameters: Vec<&String> = choices
            .iter()
            .filter_map(|choice| match choice {
                ImageChoice::Parameter(name) => Some(name),
                _ => None,
            })
            .collect();
        let parameters = self.image_parameters(region, &parameters).await.map_err(|failure| failures.push(failure));
        let parameter = |name: &String| match &parameters {
            Ok(ids) => ids.get(name).cloned().ok_or_else(|| format!("there is no SSM parameter {name} in {region}")),
            Err(()) => Err(format!("the SSM parameter {name} cannot be read")),
        };
        let id = |choice: &ImageChoice| match choice {
            ImageChoice::Id(id) => Some(Ok(id.clone())),
            ImageChoice::Parameter(name) => Some(parameter(name)),
            ImageChoice::Newest { .. } => None,
        };
        let ids: BTreeSet<String> = choices.iter().filter_map(id).flatten().collect();
        let known = self.images_by_id(region, &ids).await.map_err(|failure| failures.push(failure)).ok();
        let by_id = |id: String| match &known {
            Some(known) => match known.get(&id) {
                Some(image) => Ok(vec![image.clone()]),
                None => Err(format!("there is no image {id} in {region}")),
            },
            None => Ok(vec![Image { id, ..Image::default() }]),
        };
        let mut images: Images =
            choices.iter().filter_map(|choice| Some((choice.clone(), id(choice)?.and_then(by_id)))).collect();
        let newest = choices.iter().filter(|choice| matches!(choice, ImageChoice::Newest { .. }));
        let newest =
            stream::iter(newest).map(|choice| async move { (choice, self.newest_images(region, choice).await) });
        for (choice, found) in newest.buffered(AT_ONCE).collect::<Vec<_>>().await {
            let found = match found {
                Ok(found) if found.is_empty() => {
                    Err(format!("there is no available image in {region} {}", described_choice(choice)))
                }
                Ok(found) => Ok(found),
                Err(failure) => {
                    failures.push(failure);
                    Err("the image cannot be looked up".to_string())
                }
            };
            images.insert(choice.clone(), found);
        }
        (images, failures)
    }

    /// Returns the image ids that parameters hold.
    async fn image_parameters(&self, region: &str, names: &[&String]) -> LookedUp<BTreeMap<String, String>> {
        let mut ids = BTreeMap::new();
        for names in names.chunks(PARAMETERS) {
            let request =
                self.ssm(region).get_parameters().set_names(Some(names.iter().map(|it| it.to_string()).collect()));
            let answer = self.call("GetParameters", region, 1, || request.clone().send()).await;
            let answer = answer.map_err(|error| NotLookedUp::new("GetParameters", region, &error))?;
            for parameter in answer.parameters.unwrap_or_default() {
                // The version or label that the name was given with, as `:3`.
                let selector = parameter.selector.unwrap_or_default();
                if let (Some(name), Some(value)) = (parameter.name, parameter.value) {
                    ids.insert(format!("{name}{selector}"), value);
                }
            }
        }
        Ok(ids)
    }

    /// Returns the images of these ids. One that does not exist is left out.
    async fn images_by_id(&self, region: &str, ids: &BTreeSet<String>) -> LookedUp<BTreeMap<String, Image>> {
        let mut images = BTreeMap::new();
        if ids.is_empty() {
            return Ok(images);
        }
        let all: Vec<String> = ids.iter().cloned().collect();
        match self.describe_images(region, all.clone()).await? {
            Some(found) => images.extend(found),
            // One bad id fails the whole call.
            None if all.len() > 1 => {
                for id in all {
                    images.extend(self.describe_images(region, vec![id]).await?.unwrap_or_default());
                }
            }
            None => {}
        }
        Ok(images)
    }

    /// Returns the images of these ids, or `None` if one does not exist.
    async fn describe_images(&self, region: &str, ids: Vec<String>) -> LookedUp<Option<BTreeMap<String, Image>>> {
        // A deprecated image can still be launched.
        let request = self.client(region).describe_images().set_image_ids(Some(ids)).include_deprecated(true);
        match self.call("DescribeImages", region, 1, || request.clone().send()).await {
            Ok(answer) => {
                let images = answer.images.unwrap_or_default().into_iter().map(image);
                Ok(Some(images.map(|image| (image.id.clone(), image)).collect()))
            }
            Err(error) if code(&error).is_some_and(|code| code.starts_with("InvalidAMIID")) => Ok(None),
            Err(error) => Err(NotLookedUp::new("DescribeImages", region, &error)),
        }
    }

    /// Returns the available images of a name and an owner, the newest first.
    async fn newest_images(&self, region: &str, choice: &ImageChoice) -> LookedUp<Vec<Image>> {
        let ImageChoice::Newest { name, owner, architecture } = choice else { return Ok(Vec::new()) };
        let filter = |name: &str, value: &String| Filter::builder().name(name).values(value).build();
        let mut filters = vec![filter("name", name), filter("state", &"available".to_string())];
        filters.extend(architecture.iter().map(|architecture| filter("architecture", architecture)));
        let (client, filters) = (&self.client(region), &filters);
        let mut images: Vec<Image> = gather([owner], |owner, token| async move {
            let request = client.describe_images().set_owners(Some(owner)).set_filters(Some(filters.clone()));
            let request = request.max_results(1000).set_next_token(token);
            let page = self.call("DescribeImages", region, 1, || request.clone().send()).await;
            let page = page.map_err(|error| NotLookedUp::new("DescribeImages", region, &error))?;
            Ok::<_, NotLookedUp>((page.images.unwrap_or_default().into_iter().map(image).collect(), page.next_token))
        })
        .await?;
        // Images of the same time are sorted by their id, so every run takes the same one.
        images.sort_by_cached_key(|image| Reverse((image.created.clone(), image.id.clone())));
        Ok(images)
    }
}

fn described_choice(choice: &ImageChoice) -> String {
    match choice {
        ImageChoice::Newest { name, owner, architecture } => {
            let architecture = architecture.as_ref().map(|it| format!(" for {it}")).unwrap_or_default();
            format!("with the name {name:?} of the owner {owner}{architecture}")
        }
        ImageChoice::Id(text) | ImageChoice::Parameter(text) => text.clone(),
    }
}

fn image(image: types::Image) -> Image {
    let text = |text: Option<&str>| text.unwrap_or_default().to_string();
    Image {
        architecture: text(image.architecture().map(types::ArchitectureValues::as_str)),
        virtualization: text(image.virtualization_type().map(types::VirtualizationType::as_str)),
        created: text(image.creation_date()),
        state: text(image.state().map(types::ImageState::as_str)),
        deprecated: image.deprecation_time().map(str::to_string),
        root: root(&image),
        name: text(image.name()),
        id: image.image_id.unwrap_or_default(),
    }
}

fn root(image: &types::Image) -> RootDevice {
    if image.root_device_type() == Some(&DeviceType::InstanceStore) {
        return RootDevice::InstanceStore;
    }
    let Some(device) = image.root_device_name() else { return RootDevice::Unknown };
    let is_root = |mapping: &&types::BlockDeviceMapping| mapping.device_name() == Some(device);
    let ebs = image.block_device_mappings().iter().find(is_root).and_then(|mapping| mapping.ebs());
    RootDevice::Volume(Volume {
        device: device.to_string(),
        size: ebs.and_then(|ebs| ebs.volume_size),
        volume_type: ebs.and_then(|ebs| Some(ebs.volume_type()?.as_str().to_string())),
        encrypted: ebs.and_then(|ebs| ebs.encrypted),
        ..Volume::default()
    })
}
