//! The volumes of a request: encrypted gp3 unless the profile says otherwise. The root volume is found by its role,
//! because images differ in its device.

use crate::profile::{Profile, VolumeSet};
use cerveza_ec2::{Image, LaunchTemplate, RootDevice, TypeFacts, Volume};

/// What decides about the root volume.
pub struct RootPlan<'a> {
    pub image: &'a Image,
    pub type_facts: Option<&'a TypeFacts>,
    pub profile: &'a Profile,
    /// The launch template; `Some(None)` is one that is not known.
    pub template: Option<Option<&'a LaunchTemplate>>,
}

/// Paths in the profile with what is wrong there, and what the user is to know.
type Findings = (Vec<(String, String)>, Vec<String>);

/// Devices that an image may have its root on. A volume there that is not the root of this image may be meant for it.
const ROOT_LIKE: [&str; 5] = ["/dev/sda", "/dev/sda1", "/dev/xvda", "/dev/hda", "/dev/hda1"];

impl RootPlan<'_> {
    /// Adds the root volume to those of the request, or completes it there, and completes the others.
    pub fn apply(&self, volumes: &mut Vec<Volume>) -> Findings {
        let findings = self.apply_root(volumes);
        let is_new = |volume: &&mut Volume| volume.size.is_some() || volume.snapshot_id.is_some();
        for volume in volumes.iter_mut().filter(is_new).filter(|volume| !self.template_decides(&volume.device)) {
            volume.volume_type.get_or_insert_with(|| "gp3".to_string());
            volume.encrypted = volume.encrypted.or(self.can_encrypt().then_some(true));
        }
        findings
    }

    fn apply_root(&self, volumes: &mut Vec<Volume>) -> Findings {
        let (mut problems, mut notes) = (Vec::new(), Vec::new());
        let (id, given) = (&self.image.id, &self.profile.root_volume);
        let root = match &self.image.root {
            RootDevice::Volume(root) => root,
            RootDevice::Unknown | RootDevice::InstanceStore => {
                if given.is_some() {
                    let why = match self.image.root {
                        RootDevice::InstanceStore => format!("the root of the image {id} is not a volume"),
                        _ => format!("the root device of the image {id} is not known: list it in `volumes` instead"),
                    };
                    problems.push(("root volume".to_string(), why));
                } else if matches!(self.image.root, RootDevice::Unknown) && self.template.is_none() {
                    notes.push(format!(
                        "the root volume stays as the image {id} has it, perhaps without encryption: its root device is not known"
                    ));
                }
                return (problems, notes);
            }
        };
        for (number, set) in self.profile.volume_sets.iter().enumerate() {
            for volume in &set.volumes {
                if volume.device == root.device {
                    let why = |why: &str| format!("{} is the root of the image {id}{why}", root.device);
                    let path = format!("volumes/{number}/device");
                    if given.is_some() {
                        problems.push((path, why(", which `root volume` describes already")));
                    } else if is_assembled(set) {
                        problems.push((path, why(": it has its file system")));
                    }
                } else if ROOT_LIKE.contains(&volume.device.as_str()) {
                    notes.push(format!(
                        "{} is not the root volume: the image {id} has it on {}",
                        volume.device, root.device
                    ));
                }
            }
        }
        let listed = volumes.iter_mut().find(|volume| volume.device == root.device);
        if given.is_none() && listed.is_none() && self.template_decides(&root.device) {
            return (problems, notes);
        }
        let is_listed = listed.is_some();
        let path = if is_listed { "volumes" } else { "root volume" };
        let mut own = listed.map(|volume| volume.clone()).or(given.clone()).unwrap_or_default();
        self.complete(&mut own, root, path, &mut problems);
        match volumes.iter_mut().find(|volume| volume.device == root.device) {
            Some(volume) => *volume = own,
            None => volumes.insert(0, own),
        }
        (problems, notes)
    }

    /// Returns whether the launch template says what the root is, or is not known.
    fn template_decides(&self, device: &str) -> bool {
        self.template.is_some_and(|known| known.is_none_or(|it| it.devices.iter().any(|it| it == device)))
    }

    fn can_encrypt(&self) -> bool {
        self.type_facts.is_none_or(|facts| facts.encrypts)
    }

    fn complete(&self, own: &mut Volume, root: &Volume, path: &str, problems: &mut Vec<(String, String)>) {
        let id = &self.image.id;
        let mut wrong = |key: &str, why: String| problems.push((format!("{path}/{key}"), why));
        own.device = root.device.clone();
        if let (Some(size), Some(least)) = (own.size, root.size)
            && size < least
        {
            wrong("size", format!("the image {id} needs {least} GiB, not {size}"));
        }
        own.size = own.size.or(root.size);
        // An image that asks for IOPS of its own keeps its type.
        let has_iops = |kind: &&String| ["io1", "io2"].contains(&kind.as_str());
        let kind = || root.volume_type.as_ref().filter(has_iops).cloned().unwrap_or("gp3".to_string());
        own.volume_type = own.volume_type.take().or_else(|| Some(kind()));
        let (is_encrypted, can_encrypt) = (root.encrypted == Some(true), self.can_encrypt());
        match own.encrypted {
            Some(false) if is_encrypted => {
                wrong(
                    "encrypted",
                    format!("the root volume must be encrypted, because the snapshot of the image {id} is"),
                );
            }
            Some(true) if !can_encrypt => {
                wrong("encrypted", "the instance type does not support encrypted volumes".to_string());
            }
            // What is encrypted already stays so without a word, also on a type that is not known to take it.
            None => own.encrypted = (can_encrypt || own.kms_key_id.is_some()).then_some(true),
            Some(_) => {}
        }
        // A root that stays behind serves no other instance.
        own.delete_on_termination = own.delete_on_termination.or(Some(true));
    }
}

/// Returns whether the boot script makes something of a set.
fn is_assembled(set: &VolumeSet) -> bool {
    set.raid.is_some() || set.lvm || set.file_system.is_some() || set.mount_point.is_some() || set.volume_id.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::file::ProfileFile;

    fn image(root: RootDevice) -> Image {
        Image { id: "ami-1".into(), root, ..Image::default() }
    }

    fn root(device: &str) -> Volume {
        Volume {
            device: device.into(),
            size: Some(8),
            volume_type: Some("gp2".into()),
            encrypted: Some(false),
            ..Volume::default()
        }
    }

    fn planned(
        yaml: &str,
        image: &Image,
        facts: Option<&TypeFacts>,
        template: Option<&LaunchTemplate>,
    ) -> (Vec<Volume>, Findings) {
        let file = ProfileFile::from_text("Web", "text", "/".as_ref(), &format!("ami: ami-1\n{yaml}")).unwrap();
        let mut volumes = file.profile.volume_sets.iter().flat_map(|set| set.volumes.clone()).collect();
        let plan = RootPlan { image, type_facts: facts, profile: &file.profile, template: template.map(Some) };
        let findings = plan.apply(&mut volumes);
        (volumes, findings)
    }

    /// Returns the root volume and no findings.
    fn good(yaml: &str, image: &Image) -> Volume {
        let (volumes, findings) = planned(yaml, image, None, None);
        assert_eq!(findings, (vec![], vec![]));
        volumes[0].clone()
    }

    fn problems(yaml: &str, image: &Image) -> Vec<(String, String)> {
        planned(yaml, image, None, None).1.0
    }

    #[test]
    fn the_root_is_found_by_its_role_and_is_encrypted_gp3() {
        let expected = Volume {
            volume_type: Some("gp3".into()),
            encrypted: Some(true),
            delete_on_termination: Some(true),
            ..root("/dev/xvda")
        };
        let image = image(RootDevice::Volume(root("/dev/xvda")));
        assert_eq!(good("", &image), expected);
        let other = good("root volume: {size: 20, type: gp2, encrypted: no, keep: yes}", &image);
        let (size, kept, encrypted) = (other.size, other.delete_on_termination, other.encrypted);
        assert_eq!(
            (size, other.volume_type.as_deref(), encrypted, kept),
            (Some(20), Some("gp2"), Some(false), Some(false))
        );
        // The report's way: the root in the list of volumes.
        let listed = good("volumes: {/dev/xvda: 30}", &image);
        assert_eq!(listed, Volume { size: Some(30), ..expected });
    }

    #[test]
    fn other_new_volumes_are_encrypted_gp3_too() {
        let image = image(RootDevice::Volume(root("/dev/sda1")));
        let (yaml, old) = ("volumes: {/dev/sdf: 10}", TypeFacts { encrypts: false, ..TypeFacts::default() });
        let data = |yaml: &str, facts, template| planned(yaml, &image, facts, template).0.pop().unwrap();
        let kind = |volume: Volume| (volume.volume_type.unwrap_or_default(), volume.encrypted);
        assert_eq!(kind(data(yaml, None, None)), ("gp3".to_string(), Some(true)));
        assert_eq!(kind(data(yaml, Some(&old), None)), ("gp3".to_string(), None));
        let given = "volumes: [{device: /dev/sdf, size: 500, type: st1, encrypted: no}]";
        assert_eq!(kind(data(given, None, None)), ("st1".to_string(), Some(false)));
        let template = LaunchTemplate { devices: vec!["/dev/sdf".into()], ..LaunchTemplate::default() };
        assert_eq!(kind(data(yaml, None, Some(&template))), (String::new(), None));
    }

    #[test]
    fn an_image_with_its_own_iops_or_encryption_keeps_them() {
        let own = Volume { volume_type: Some("io2".into()), encrypted: Some(true), ..root("/dev/sda1") };
        let image = image(RootDevice::Volume(own));
        assert_eq!(good("", &image).volume_type.as_deref(), Some("io2"));
        let why = problems("root volume: {encrypted: no}", &image);
        assert_eq!(
            why,
            [(
                "root volume/encrypted".to_string(),
                "the root volume must be encrypted, because the snapshot of the image ami-1 is".to_string()
            )]
        );
    }

    #[test]
    fn an_instance_type_that_takes_no_encrypted_volumes_gets_none() {
        let image = image(RootDevice::Volume(root("/dev/sda1")));
        let old = TypeFacts { encrypts: false, ..TypeFacts::default() };
        assert_eq!(planned("", &image, Some(&old), None).0[0].encrypted, None);
        let (_, (problems, _)) = planned("root volume: {encrypted: yes}", &image, Some(&old), None);
        assert_eq!(problems[0].1, "the instance type does not support encrypted volumes");
    }

    #[test]
    fn a_root_on_an_instance_store_or_of_an_unknown_image_is_left_alone() {
        for (root, notes) in [(RootDevice::InstanceStore, 0), (RootDevice::Unknown, 1)] {
            let image = image(root);
            let (volumes, (problems_found, notes_found)) = planned("", &image, None, None);
            assert_eq!((volumes, problems_found, notes_found.len()), (vec![], vec![], notes));
            assert_eq!(problems("root volume: {size: 20}", &image)[0].0, "root volume");
        }
    }

    #[test]
    fn a_launch_template_with_a_root_decides_unless_the_profile_does() {
        let image = image(RootDevice::Volume(root("/dev/sda1")));
        let template = LaunchTemplate { devices: vec!["/dev/sda1".into()], ..LaunchTemplate::default() };
        assert_eq!(planned("", &image, None, Some(&template)).0, []);
        assert_eq!(planned("root volume: {size: 20}", &image, None, Some(&template)).0.len(), 1);
        assert_eq!(planned("", &image, None, Some(&LaunchTemplate::default())).0.len(), 1);
    }

    #[test]
    fn volumes_that_are_or_look_like_the_root_are_told() {
        let image = image(RootDevice::Volume(root("/dev/sda1")));
        let (volumes, (problems, notes)) = planned("volumes: {/dev/xvda: 30}", &image, None, None);
        assert_eq!((volumes.len(), problems.len()), (2, 0));
        assert_eq!(notes, ["/dev/xvda is not the root volume: the image ami-1 has it on /dev/sda1"]);
        let why = |yaml: &str| super::tests::problems(yaml, &image)[0].clone();
        let twice =
            why("root volume: {size: 20}\nvolumes: [{device: /dev/sdf, size: 1}, {device: /dev/sda1, size: 30}]");
        let expected = "/dev/sda1 is the root of the image ami-1, which `root volume` describes already";
        assert_eq!(twice, ("volumes/1/device".to_string(), expected.to_string()));
        let mounted = why("volumes: [{device: /dev/sda1, size: 30, file system: xfs, mount point: /data}]");
        assert_eq!(mounted.1, "/dev/sda1 is the root of the image ami-1: it has its file system");
        assert_eq!(
            why("root volume: {size: 4}"),
            ("root volume/size".into(), "the image ami-1 needs 8 GiB, not 4".into())
        );
    }
}
