//! The keys of profiles: one table for the parser, the JSON Schema and the man page.

use cerveza_ec2::{Key, Kind, LAUNCH_KEYS};
use std::sync::LazyLock;

/// A key of a profile.
#[derive(Clone, Copy, Debug)]
pub struct ProfileKey {
    /// The canonical name, as `canonical` writes it.
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub shape: Shape,
    /// One sentence, for the man page and editors.
    pub about: &'static str,
}

/// What the value of a key can be.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Kind(Kind),
    /// A text as it is written, `no` and `none` too.
    Verbatim,
    /// A number of GiB, with a unit or without.
    Gibibytes,
    /// One image: its id, an SSM parameter, or the newest of a name.
    Image,
    /// An address of the host's own (`true`), or an address of the account.
    ElasticIp,
    /// A kernel release.
    Kernel,
    /// One value for all places, or one for each region or zone.
    PerPlace(&'static Shape),
    /// Keys with values.
    Object(&'static [ProfileKey]),
    /// Volumes, in each of the ways that people write them.
    Volumes,
}

const TEXT: Shape = Shape::Kind(Kind::Text);
const TEXTS: Shape = Shape::Kind(Kind::List(&Kind::Text));
const FLAG: Shape = Shape::Kind(Kind::Flag);

const fn key(name: &'static str, aliases: &'static [&'static str], shape: Shape, about: &'static str) -> ProfileKey {
    ProfileKey { name, aliases, shape, about }
}

/// Keys of an instance profile that are not parameters of RunInstances as they stand.
pub const OWN_KEYS: &[ProfileKey] = &[
    key(
        "name",
        &[],
        Shape::Verbatim,
        "The name of the profile, which hosts get as the tag profile [default: the name of the file].",
    ),
    key("description", &["desc"], Shape::Verbatim, "A description for people."),
    key("extends", &[], Shape::Verbatim, "Another profile, whose keys are used if this one does not have them."),
    key(
        "ami",
        &["amis", "image", "image id"],
        Shape::PerPlace(&Shape::Image),
        "The image: its id, resolve:ssm:PARAMETER, or the newest image with a name.",
    ),
    key(
        "instance type",
        &["type", "instance types"],
        TEXTS,
        "The type, or several to try in this order if EC2 has no capacity.",
    ),
    key(
        "security group",
        &["security groups", "security group id", "security group ids"],
        TEXTS,
        "Names or ids of security groups.",
    ),
    key("key pair", &["key name"], TEXT, "The SSH key that EC2 installs."),
    key(
        "elastic ip",
        &[],
        Shape::ElasticIp,
        "Yes gives the host an elastic IP address of its own. For a single host, it can also be an address of the account.",
    ),
    key(
        "zone",
        &["zones", "availability zone", "availability zones"],
        TEXTS,
        "The zone, or several to try in this order if EC2 has no capacity. --zone and the record take precedence.",
    ),
    key(
        "subnet",
        &["subnets", "subnet id", "subnet ids"],
        Shape::PerPlace(&TEXTS),
        "The subnet, or several to try in this order if EC2 has no capacity [default: that of the default VPC].",
    ),
    key("root volume", &["root"], Shape::Object(ROOT_KEYS), "The root volume, whatever device the image has it on."),
    key(
        "volumes",
        &["volume"],
        Shape::Volumes,
        "The other volumes. Each is a volume, or the name of a volume profile.",
    ),
    key("tags", &[], Shape::Kind(Kind::Texts), "Tags of the instance, its volumes and its network interfaces."),
    key("user data", &[], TEXTS, "Part files for mkuserdata, for hosts whose record has no user_data."),
    key("startup scripts", &["startup script"], TEXTS, "Scripts for pssh-rs --run to run on a new host."),
    key("shutdown scripts", &["shutdown script"], TEXTS, "Scripts for pssh-rs --run to run before the host ends."),
    key(
        "check ec2 kernel",
        &[],
        Shape::Kernel,
        "The kernel release that uname -r should print on the host. ec2-launch only copies it to the record.",
    ),
];

/// Keys of a volume or a volume profile.
pub const VOLUME_KEYS: &[ProfileKey] = &[
    key("name", &[], Shape::Verbatim, "The name of the volume set [default: the name of the file, or of the device]."),
    key("description", &["desc"], Shape::Verbatim, "A description for people."),
    key(
        "extends",
        &["volume profile"],
        Shape::Verbatim,
        "A volume profile, whose keys are used if this one does not have them.",
    ),
    key(
        "device",
        &["device name"],
        TEXT,
        "The device name for EC2, such as /dev/sdf. With count it is the first one, and the next letters follow.",
    ),
    key("size", &["volume size"], Shape::Gibibytes, "The size of each volume in GiB. Optional with a snapshot."),
    key("type", &["volume type"], VOLUME_TYPE, "The type of the volumes [default: gp3]."),
    key("iops", &[], IOPS, "The I/O operations per second of each volume."),
    key("throughput", &[], THROUGHPUT, "The throughput of each volume in MiB/s."),
    key("count", &[], Shape::Kind(Kind::Number { least: 1, most: 26 }), "The number of volumes in the set."),
    key("encrypted", &[], FLAG, "Whether the volumes are encrypted [default: yes]."),
    key("kms key", &["kms key id"], TEXT, "The KMS key of encrypted volumes."),
    key("snapshot", &["snapshot id"], TEXT, "The snapshot that the volumes are made from."),
    key("volume id", &[], TEXT, "An existing volume to attach instead of a new one."),
    key(
        "file system",
        &["filesystem", "file system type", "fs type", "fs"],
        TEXT,
        "The file system for a new disk, such as ext4 or xfs.",
    ),
    key("mount point", &["mountpoint", "mount"], TEXT, "The folder to mount the set on."),
    key("mount options", &[], TEXT, "Mount options, such as noatime."),
    key("owner", &[], TEXT, "The owner of a new file system: USER or USER:GROUP."),
    key(
        "raid",
        &["raid level"],
        Shape::Kind(Kind::Choice(&["0", "1", "10"])),
        "The RAID level, if the volumes of the set are an array.",
    ),
    key("lvm", &[], FLAG, "Whether the set is an LVM volume group."),
    DELETE_ON_TERMINATION,
    KEEP,
];

/// Keys of the root volume.
pub const ROOT_KEYS: &[ProfileKey] = &[
    key("size", &["volume size"], Shape::Gibibytes, "The size in GiB [default: what the image needs]."),
    key(
        "type",
        &["volume type"],
        VOLUME_TYPE,
        "The type of the volume [default: gp3, or io1 or io2 if the image has that].",
    ),
    key("iops", &[], IOPS, "The I/O operations per second."),
    key("throughput", &[], THROUGHPUT, "The throughput in MiB/s."),
    key("encrypted", &[], FLAG, "Whether the volume is encrypted [default: yes]."),
    key("kms key", &["kms key id"], TEXT, "The KMS key of an encrypted volume."),
    DELETE_ON_TERMINATION,
    KEEP,
];

const DELETE_ON_TERMINATION: ProfileKey =
    key("delete on termination", &[], FLAG, "Whether the volume is deleted with the instance.");
/// The opposite of `delete on termination`, which it becomes when it is read.
const KEEP: ProfileKey = key("keep", &[], FLAG, "The opposite of delete on termination.");

/// Keys of an image that is given by its name.
pub const IMAGE_KEYS: &[ProfileKey] = &[
    key("name", &[], TEXT, "The name of the image. It can have the wildcards * and ?."),
    key("owner", &[], TEXT, "An account id, self, amazon or aws-marketplace."),
    key(
        "architecture",
        &["arch"],
        TEXT,
        "The architecture, such as x86_64 or arm64 [default: one that the instance type can run].",
    ),
];

/// Amazon EBS user guide, "Amazon EBS volume types".
const VOLUME_TYPE: Shape = Shape::Kind(Kind::Choice(&["gp3", "gp2", "io2", "io1", "st1", "sc1", "standard"]));
const IOPS: Shape = Shape::Kind(Kind::Number { least: 100, most: 256_000 });
const THROUGHPUT: Shape = Shape::Kind(Kind::Number { least: 125, most: 2_000 });

/// All keys of an instance profile.
pub static INSTANCE_KEYS: LazyLock<Vec<ProfileKey>> =
    LazyLock::new(|| OWN_KEYS.iter().copied().chain(LAUNCH_KEYS.iter().map(ProfileKey::from)).collect());

impl From<&Key> for ProfileKey {
    fn from(key: &Key) -> ProfileKey {
        ProfileKey { name: key.name, aliases: key.aliases, shape: Shape::Kind(key.kind), about: key.about }
    }
}

/// Keys are the same with blanks, `_` and `-`, in capitals and not, and in the EC2 API's spelling: `InstanceType` is
/// `instance type`.
pub fn canonical(key: &str) -> String {
    let mut name = String::new();
    let characters: Vec<char> = key.trim().chars().collect();
    for (at, character) in characters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| characters[before]);
        let next_is_lower = characters.get(at + 1).is_some_and(|next| next.is_lowercase());
        let begins_word = character.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase() || before.is_ascii_digit() || (before.is_uppercase() && next_is_lower)
            });
        if begins_word {
            name.push(' ');
        }
        name.extend(if matches!(character, '_' | '-') { ' ' } else { *character }.to_lowercase());
    }
    name
}

/// Returns the key that a name, as written in a profile, stands for.
pub fn find<'a>(written: &str, keys: &'a [ProfileKey]) -> Option<&'a ProfileKey> {
    let name = canonical(written);
    keys.iter().find(|key| key.name == name || key.aliases.contains(&name.as_str()))
}

/// Returns whether a name has the form of a region or a zone, as `us-east-1` and `us-east-1a`.
pub fn is_place(name: &str) -> bool {
    let mut parts = name.split('-');
    let is_word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase());
    let (first, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    is_word(first)
        && is_word(second)
        && parts.any(|part| part.starts_with(|c: char| c.is_ascii_digit()))
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_name_stands_for_two_keys() {
        for keys in [INSTANCE_KEYS.as_slice(), VOLUME_KEYS, ROOT_KEYS, IMAGE_KEYS] {
            let mut seen = HashSet::new();
            for key in keys {
                for name in std::iter::once(&key.name).chain(key.aliases) {
                    assert!(seen.insert(*name), "{name} stands for two keys");
                    assert_eq!(*name, canonical(name));
                    assert!(key.about.ends_with('.'), "{name}: {}", key.about);
                }
            }
        }
    }

    #[test]
    fn a_key_is_the_same_in_each_spelling() {
        for written in ["instance type", "instance_type", "Instance-Type", "InstanceType", " instanceType "] {
            assert_eq!(find(written, &INSTANCE_KEYS).map(|key| key.name), Some("instance type"), "{written}");
        }
        assert_eq!(canonical("KMSKeyId"), "kms key id");
        assert_eq!(canonical("Ipv6AddressCount"), "ipv6 address count");
        assert_eq!(canonical("AMI"), "ami");
    }

    #[test]
    fn regions_and_zones_are_places() {
        for place in ["us-east-1", "us-gov-west-1b", "us-east-1-bos-1a", "eu-central-1", "ap-southeast-4"] {
            assert!(is_place(place), "{place}");
        }
        for other in ["name", "owner", "us-east", "useast1", "US-EAST-1", "1-a-b", "us-1"] {
            assert!(!is_place(other), "{other}");
        }
    }
}
