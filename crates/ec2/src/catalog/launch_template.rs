//! Looks up launch templates: what they set that a profile does not.

use crate::catalog::image_choice::ImageChoice;
use crate::catalog::looked_up::{LookedUp, NotLookedUp};
use crate::client::Ec2;
use crate::client::verdict::code;

/// A launch template: its name or `lt-` id, and a version if one is wanted.
pub type TemplateName = (String, Option<String>);

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaunchTemplate {
    pub image: Option<ImageChoice>,
    pub instance_type: Option<String>,
    pub has_metadata_options: bool,
    /// Of its block device mapping.
    pub devices: Vec<String>,
}

impl Ec2 {
    /// Reads a launch template. The inner error says that there is none.
    pub(crate) async fn launch_template(
        &self,
        region: &str,
        (name, version): &TemplateName,
    ) -> LookedUp<Result<LaunchTemplate, String>> {
        const CALL: &str = "DescribeLaunchTemplateVersions";
        let request = self.client(region).describe_launch_template_versions();
        let request =
            if name.starts_with("lt-") { request.launch_template_id(name) } else { request.launch_template_name(name) };
        // A version's parameters of Systems Manager are resolved to image ids.
        let request = request.versions(version.as_deref().unwrap_or("$Default")).resolve_alias(true);
        let answer = match self.call(CALL, region, 1, || request.clone().send()).await {
            Ok(answer) => answer,
            Err(error) if code(&error).is_some_and(|code| code.starts_with("InvalidLaunchTemplate")) => {
                let is_version = code(&error).is_some_and(|code| code.contains("Version"));
                return Ok(Err(match version {
                    Some(version) if is_version => no_version(name, version, region),
                    _ => format!("there is no launch template {name:?} in {region}"),
                }));
            }
            Err(error) => return Err(NotLookedUp::new(CALL, region, &error)),
        };
        let Some(found) = answer.launch_template_versions().first() else {
            return Ok(Err(no_version(name, version.as_deref().unwrap_or("$Default"), region)));
        };
        let Some(data) = found.launch_template_data() else { return Ok(Ok(LaunchTemplate::default())) };
        Ok(Ok(LaunchTemplate {
            image: data.image_id().map(ImageChoice::from_text),
            instance_type: data.instance_type().map(|name| name.as_str().to_string()),
            has_metadata_options: data.metadata_options().is_some(),
            devices: data.block_device_mappings().iter().filter_map(|it| it.device_name.clone()).collect(),
        }))
    }
}

fn no_version(name: &str, version: &str, region: &str) -> String {
    format!("the launch template {name:?} has no version {version:?} in {region}")
}
