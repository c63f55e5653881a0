//! What the boot script decides for made-up devices (`fake.sh`), in each shell of this machine.

use super::*;
use crate::profile::{Profile, VolumeSet};
use cerveza_ec2::Volume;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// The shells that the script must run in. /bin/sh is one of them on every Linux.
const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];

/// What `fake.sh` stands in for.
const COMMANDS: [&str; 20] = [
    "lsblk",
    "blkid",
    "wipefs",
    "blockdev",
    "dd",
    "findmnt",
    "python3",
    "pvs",
    "vgs",
    "lvs",
    "lvm",
    "mdadm",
    "mount",
    "vgcreate",
    "lvcreate",
    "vgchange",
    "chown",
    "flock",
    "restorecon",
    "mkdir",
];

/// Those with a name that no function can have.
const MORE_COMMANDS: [&str; 3] = ["mkfs.ext4", "mkfs.xfs", "update-initramfs"];

/// A made-up machine.
#[derive(Default)]
struct Machine {
    /// As `fake.sh` reads them.
    devices: Vec<String>,
    notes: &'static str,
    fstab: &'static str,
    mdadm_conf: &'static str,
}

fn set(keys: &str) -> Vec<VolumeSet> {
    let mut set = VolumeSet { name: "data".into(), ..VolumeSet::default() };
    let mut devices = vec!["/dev/sdf"];
    for word in keys.split_whitespace() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("raid", level) => set.raid = Some(if level == "0" { Raid::Raid0 } else { Raid::Raid1 }),
            ("lvm", _) => set.lvm = true,
            ("id", id) => set.volume_id = Some(id.to_string()),
            ("fs", name) => set.file_system = Some(name.to_string()),
            ("at", folder) => set.mount_point = Some(folder.to_string()),
            ("owner", owner) => set.owner = Some(owner.to_string()),
            ("two", _) => devices.push("/dev/sdg"),
            other => panic!("{other:?}"),
        }
    }
    set.volumes = devices.iter().map(|device| Volume { device: device.to_string(), ..Volume::default() }).collect();
    vec![set]
}

/// Returns the script as cloud-init gets it, for the host `db1`.
fn script(sets: &[VolumeSet]) -> String {
    let kept = BTreeMap::new();
    let script = part().content.replace("{% raw %}", "").replace("{% endraw %}", "");
    script.replace(&format!("{{{{ {CALLS} }}}}"), &calls("db1", sets, &kept))
}

/// Prints the decisions of a dry run without its prefix, and the exit status. It must not change anything.
fn decide(shell: &[&str], machine: &Machine, sets: &[VolumeSet]) -> (Vec<String>, i32) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let write = |name: &str, text: &str| {
        fs::create_dir_all(path.join(name).parent().unwrap()).unwrap();
        fs::write(path.join(name), text).unwrap();
    };
    write("var/lib/cloud/data/instance-id", "i-1\n");
    write("etc/cerveza/volumes", machine.notes);
    write("etc/fstab", machine.fstab);
    write("etc/mdadm.conf", machine.mdadm_conf);
    write("devices", &machine.devices.iter().map(|line| format!("{line}\n")).collect::<String>());
    write("fake", include_str!("fake.sh"));
    fs::set_permissions(path.join("fake"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(path.join("bin")).unwrap();
    let mut functions = String::new();
    for command in MORE_COMMANDS {
        symlink("../fake", path.join("bin").join(command)).unwrap();
    }
    for command in COMMANDS {
        symlink("../fake", path.join("bin").join(command)).unwrap();
        let _ = writeln!(functions, "{command}() {{ \"$FAKE/bin/{command}\" \"$@\"; }}");
    }
    // busybox prefers its own commands to those of PATH.
    write("script", &script(sets).replacen('\n', &format!("\n{functions}"), 1));
    let before = tree(path);
    let output = Command::new(shell[0])
        .args(&shell[1..])
        .args([path.join("script").as_os_str(), "--dry-run".as_ref()])
        .env("PATH", format!("{}:{}", path.join("bin").display(), std::env::var("PATH").unwrap()))
        .env("FAKE", path)
        .env("CERVEZA_ROOT", path)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}: run `make setup`", shell[0]));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell:?}");
    assert_eq!(tree(path), before, "a dry run changed files, or called a command that changes something");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let root = path.to_str().unwrap();
    let line = |line: &str| line.strip_prefix("volumes: data: ").unwrap_or(line).replace(root, "").to_string();
    (stdout.lines().map(line).collect(), output.status.code().unwrap())
}

fn tree(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(tree(&path))
        } else {
            files.push((path.display().to_string(), fs::read(&path).unwrap_or_default()))
        }
    }
    files.sort();
    files
}

/// Checks in each shell what the script decides.
#[track_caller]
fn check(devices: &[&str], sets: &[VolumeSet], decisions: &[&str], status: i32) {
    check_machine(&Machine { devices: own(devices), ..Machine::default() }, sets, decisions, status);
}

#[track_caller]
fn check_machine(machine: &Machine, sets: &[VolumeSet], decisions: &[&str], status: i32) {
    for shell in SHELLS {
        assert_eq!(decide(shell, machine, sets), (own(decisions), status), "{shell:?}");
    }
}

fn own(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

// The order of NVMe disks is not that of the devices.
const ROOT: &str = "/dev/nvme0n1|vol0a|xvda||disk||||gpt||";
const F: &str = "/dev/nvme2n1|vol0f|sdf||disk||||||";
const G: &str = "/dev/nvme1n1|vol0a9|sdg||disk||||||";
const F_EXT4: &str = "/dev/nvme2n1|vol0f|sdf||disk|ext4|filesystem|uuid-1|||";
const F_RAID: &str = "/dev/nvme2n1|vol0f|sdf||disk|linux_raid_member|raid|aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee|||";
const G_RAID: &str = "/dev/nvme1n1|vol0a9|sdg||disk|linux_raid_member|raid|aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee|||";
const F_LVM: &str = "/dev/nvme2n1|vol0f|sdf||disk|LVM2_member|raid|x|||vg:vg_data";
const G_LVM: &str = "/dev/nvme1n1|vol0a9|sdg||disk|LVM2_member|raid|y|||vg:vg_data";
const NOTE_F: &str = "would add to /etc/cerveza/volumes: i-1 /dev/sdf vol0f";
const NOTE_G: &str = "would add to /etc/cerveza/volumes: i-1 /dev/sdg vol0a9";
const FSTAB: &str = "would add to /etc/fstab: UUID=uuid-1 /data ext4 defaults,nofail,x-systemd.device-timeout=60s 0 2";
const FSTAB_NEW: &str = "would add to /etc/fstab: UUID=NEW /data ext4 defaults,nofail,x-systemd.device-timeout=60s 0 2";
const MKDIR: &str = "would run: mkdir -p /data";
const MOUNT: &str = "would run: mount -t ext4 -o defaults /dev/nvme2n1 /data";
const ABSENT: &str = "the set is left alone; attach them and run /script again (the file /etc/cerveza/volumes says which \
                      volume was behind a device)";

#[test]
fn blank_disk_is_formatted_and_mounted() {
    let formatted = [NOTE_F, "would run: mkfs.ext4 /dev/nvme2n1", FSTAB_NEW, MKDIR, MOUNT];
    let done = ["would run: chown mysql:mysql /data", "would run: restorecon /data", "complete"];
    check(&[ROOT, G, F], &set("fs=ext4 at=/data owner=mysql:mysql"), &[&formatted[..], &done].concat(), 0);
}

#[test]
fn file_system_that_is_there_is_mounted_and_keeps_its_owner() {
    check(&[ROOT, F_EXT4], &set("fs=ext4 at=/data owner=mysql"), &[NOTE_F, FSTAB, MKDIR, MOUNT, "complete"], 0);
    let note = "note: /dev/nvme2n1 holds ext4, not xfs: it is used as it is";
    check(&[F_EXT4], &set("fs=xfs at=/data"), &[NOTE_F, note, FSTAB, MKDIR, MOUNT, "complete"], 0);
    // A volume of the account's own needs no file system in the profile.
    check(&[F_EXT4], &set("id=vol-0f at=/data"), &[NOTE_F, FSTAB, MKDIR, MOUNT, "complete"], 0);
    let blank = "/dev/nvme2n1 is blank, and the profile names no file system for it";
    check(&[F], &set("id=vol-0f at=/data"), &[NOTE_F, blank], 1);
}

#[test]
fn disk_with_any_signature_is_never_formatted() {
    let sets = set("fs=ext4 at=/data");
    for (fields, found) in [
        ("||||gpt||", "partition table gpt"),
        ("|swap|other|u|||", "swap"),
        ("|linux_raid_member|raid|u|||", "linux_raid_member"),
        ("|LVM2_member|raid|u|||", "LVM2_member"),
        ("|crypto_LUKS|crypto|u|||", "crypto_LUKS"),
        ("|ext4|filesystem|u|dos||", "ext4"),
        ("||||||ambiguous", "several signatures"),
        ("||||||wipefs", "0x1fe gpt"),
        ("||||||lsblk", "swap"),
        ("||||||data", "data without a known signature"),
    ] {
        let left = format!("/dev/nvme2n1 is not blank ({found}): it is left as it is");
        check(&[ROOT, &format!("/dev/nvme2n1|vol0f|sdf||disk{fields}")], &sets, &[NOTE_F, &left], 1);
    }
    let unreadable = "/dev/nvme2n1|vol0f|sdf||disk||||||unreadable";
    check(&[unreadable], &sets, &[NOTE_F, "blkid cannot read /dev/nvme2n1"], 1);
    let partitioned = [F, "/dev/nvme2n1p1|||/dev/nvme2n1|part|ext4|filesystem|u|||"];
    let left = "/dev/nvme2n1 is not blank (/dev/nvme2n1p1 ext4): it is left as it is";
    check(&partitioned, &sets, &[NOTE_F, left], 1);
}

#[test]
fn volume_is_found_by_its_serial_once_that_is_known() {
    let mut machine = Machine { devices: own(&[ROOT, G, F_EXT4]), notes: "i-1 /dev/sdf vol0f\n", ..Machine::default() };
    check_machine(&machine, &set("fs=ext4 at=/data"), &[FSTAB, MKDIR, MOUNT, "complete"], 0);
    // Another volume is attached as the same device now.
    machine.devices = own(&[ROOT, "/dev/nvme2n1|vol0e|sdf||disk||||||"]);
    let missing = format!("of 1 volumes these are not there: /dev/sdf: {ABSENT}");
    check_machine(&machine, &set("fs=ext4 at=/data"), &[&missing], 1);
    // What is noted of another instance, as in an image of one, says nothing.
    machine.notes = "i-2 /dev/sdf vol0f\n";
    machine.devices = own(&["/dev/nvme2n1|vol0e|sdf||disk||||||"]);
    let note = "would add to /etc/cerveza/volumes: i-1 /dev/sdf vol0e";
    let done = [note, "would run: mkfs.ext4 /dev/nvme2n1", FSTAB_NEW, MKDIR, MOUNT, "would run: restorecon /data"];
    check_machine(&machine, &set("fs=ext4 at=/data"), &[&done[..], &["complete"]].concat(), 0);
}

#[test]
fn volume_that_ec2_launch_knows_is_found_by_its_serial() {
    let ids = BTreeMap::from([("/dev/sdf".to_string(), "vol-0f".to_string())]);
    assert!(calls("db1", &set("fs=ext4 two raid=1"), &ids).ends_with(" /dev/sdf=vol0f /dev/sdg || failed=1\n"));
    let wrong = format!("of 1 volumes these are not there: /dev/sdf=vol0b: {ABSENT}");
    check(&[ROOT, F], &set("id=vol-0b at=/data"), &[&wrong], 1);
}

#[test]
fn disks_of_xen_are_found_by_their_names() {
    for name in ["/dev/xvdf", "/dev/sdf"] {
        let (disk, mount) = (format!("{name}||||disk|ext4|filesystem|uuid-1|||"), MOUNT.replace("/dev/nvme2n1", name));
        check(&[&disk], &set("fs=ext4 at=/data"), &[FSTAB, MKDIR, &mount, "complete"], 0);
        check(&[&disk], &set("id=vol-0f at=/data"), &[FSTAB, MKDIR, &mount, "complete"], 0);
    }
}

#[test]
fn set_with_a_missing_disk_is_left_alone() {
    let missing = |device: &str| format!("of 2 volumes these are not there: {device}: {ABSENT}");
    for sets in [set("two raid=0 fs=ext4 at=/data"), set("two lvm fs=ext4 at=/data")] {
        check(&[ROOT, F], &sets, &[&missing("/dev/sdg")], 1);
        check(&[ROOT, G_RAID], &sets, &[&missing("/dev/sdf")], 1);
        check(&[ROOT], &sets, &[&missing("/dev/sdf /dev/sdg")], 1);
    }
}

#[test]
fn array_of_blank_disks_is_created_in_the_order_of_the_profile() {
    let sets = set("two raid=0 fs=ext4 at=/data");
    let id = array_id("db1", "data");
    let create = format!(
        "would run: mdadm --create /dev/md/data --run --metadata=1.2 --homehost=any --name=data --uuid={id} --level=0 \
         --raid-devices=2 /dev/nvme2n1 /dev/nvme1n1"
    );
    let conf = format!("would add to /etc/mdadm.conf: ARRAY /dev/md/data metadata=1.2 UUID={id}");
    let format = ["would run: update-initramfs -u", "would run: mkfs.ext4 /dev/md/data", FSTAB_NEW, MKDIR];
    let done = ["would run: mount -t ext4 -o defaults /dev/md/data /data", "would run: restorecon /data", "complete"];
    check(&[ROOT, G, F], &sets, &[&[NOTE_F, NOTE_G, &create, &conf][..], &format, &done].concat(), 0);
}

#[test]
fn array_that_is_there_is_assembled_and_mounted() {
    let sets = set("two raid=0 fs=ext4 at=/data");
    let array = "/dev/md127|||/dev/nvme1n1 /dev/nvme2n1|raid0|ext4|filesystem|uuid-1|||";
    let conf = "would add to /etc/mdadm.conf: ARRAY /dev/md/data metadata=1.2 UUID=aaaaaaaa:bbbbcccc:ddddeeee:eeeeeeee";
    let mount = [FSTAB, MKDIR, "would run: mount -t ext4 -o defaults /dev/md127 /data", "complete"];
    let update = "would run: update-initramfs -u";
    check(&[G_RAID, F_RAID, array], &sets, &[&[NOTE_F, NOTE_G, conf, update][..], &mount].concat(), 0);
    let mut machine = Machine {
        devices: own(&[G_RAID, F_RAID, array]),
        notes: "i-1 /dev/sdf vol0f\ni-1 /dev/sdg vol0a9\n",
        mdadm_conf: "ARRAY /dev/md/data metadata=1.2 UUID=aaaaaaaa:bbbbcccc:ddddeeee:eeeeeeee\n",
        fstab: "UUID=uuid-1 /data ext4 defaults,nofail 0 2\n",
    };
    check_machine(&machine, &sets, &[&mount[1..]].concat(), 0);
    machine.devices[2] = array.replace("raid0", "raid1");
    let note = "note: /dev/md127 is not raid0, as the profile says";
    check_machine(&machine, &sets, &[&[note][..], &mount[1..]].concat(), 0);
    // An array that holds something else than a file system.
    machine.devices[2] = "/dev/md127|||/dev/nvme1n1 /dev/nvme2n1|raid0|LVM2_member|raid|u|||".to_string();
    check_machine(&machine, &sets, &["/dev/md127 is not blank (LVM2_member): it is left as it is"], 1);
    let inactive = "would run: mdadm --assemble /dev/md/data --uuid=aaaaaaaa:bbbbcccc:ddddeeee:eeeeeeee /dev/nvme2n1 \
                    /dev/nvme1n1";
    machine.devices.pop();
    assert_eq!(decide(SHELLS[0], &machine, &sets).0[0], inactive);
}

#[test]
fn array_is_not_created_of_disks_that_are_not_all_blank() {
    let sets = set("two raid=1 fs=ext4 at=/data");
    let part = "1 of 2 disks (/dev/nvme2n1 /dev/nvme1n1) are linux_raid_member, the others are blank: a part of a set is \
                neither created nor mounted";
    check(&[F_RAID, G], &sets, &[NOTE_F, NOTE_G, part], 1);
    let signed = "/dev/nvme2n1 is not blank (ext4): it is left as it is";
    check(&[F_EXT4, G], &sets, &[NOTE_F, NOTE_G, signed], 1);
    check(&[F_EXT4, G_RAID], &sets, &[NOTE_F, NOTE_G, signed], 1);
    let foreign = F_RAID.replace("aaaa-", "ffff-");
    let left = "the disks /dev/nvme2n1 /dev/nvme1n1 are of different arrays (aaaaffff-bbbb-cccc-dddd-eeeeeeeeeeee \
                aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee): they are left as they are";
    check(&[&foreign, G_RAID], &sets, &[NOTE_F, NOTE_G, left], 1);
}

#[test]
fn logical_volume_is_created_on_blank_disks_alone() {
    let sets = set("two lvm fs=ext4 at=/data");
    let create = ["would run: vgcreate vg_data /dev/nvme2n1 /dev/nvme1n1", LVCREATE];
    check(&[F, G], &sets, &[&[NOTE_F, NOTE_G][..], &create, &NEW_VOLUME].concat(), 0);
    let part = "1 of 2 disks (/dev/nvme2n1 /dev/nvme1n1) are LVM2_member, the others are blank: a part of a set is neither \
                created nor mounted";
    check(&[F_LVM, G], &sets, &[NOTE_F, NOTE_G, part], 1);
}

const LVCREATE: &str = "would run: lvcreate -n lv_data -l 100%FREE vg_data";
const ACTIVATE: &str = "would run: vgchange -ay vg_data";
const NEW_VOLUME: [&str; 6] = [
    "would run: mkfs.ext4 /dev/vg_data/lv_data",
    FSTAB_NEW,
    MKDIR,
    "would run: mount -t ext4 -o defaults /dev/vg_data/lv_data /data",
    "would run: restorecon /data",
    "complete",
];

#[test]
fn volume_group_that_is_there_is_activated_and_mounted() {
    let sets = set("two lvm fs=ext4 at=/data");
    let volume = "/dev/vg_data/lv_data|||/dev/nvme1n1|lvm|ext4|filesystem|uuid-1|||";
    let mount = [FSTAB, MKDIR, "would run: mount -t ext4 -o defaults /dev/vg_data/lv_data /data", "complete"];
    check(&[F_LVM, G_LVM, volume], &sets, &[&[NOTE_F, NOTE_G, ACTIVATE][..], &mount].concat(), 0);
    // The run that made the group was cut off.
    check(&[F_LVM, G_LVM], &sets, &[&[NOTE_F, NOTE_G, ACTIVATE, LVCREATE][..], &NEW_VOLUME].concat(), 0);
    let several = "the volume group vg_data has not exactly one logical volume: mount them by fstab";
    let another = volume.replace("lv_data", "lv_logs");
    check(&[F_LVM, G_LVM, volume, &another], &sets, &[NOTE_F, NOTE_G, ACTIVATE, several], 1);
    let foreign = G_LVM.replace("vg_data", "vg_other");
    let left = "the disks /dev/nvme2n1 /dev/nvme1n1 are not of one volume group (vg_data\nvg_other): they are left as they \
                are";
    let left: Vec<&str> = left.split('\n').collect();
    check(&[F_LVM, &foreign], &sets, &[&[NOTE_F, NOTE_G][..], &left].concat(), 1);
    let missing = "1 physical volumes of the volume group vg_data are missing: it is left as it is";
    let incomplete = G_LVM.to_string() + " missing";
    check(&[F_LVM, &incomplete, volume], &sets, &[NOTE_F, NOTE_G, missing], 1);
}

#[test]
fn mounts_and_entries_of_others_are_left() {
    let sets = set("fs=ext4 at=/data");
    let mut machine = Machine { devices: own(&[F_EXT4]), notes: "i-1 /dev/sdf vol0f\n", ..Machine::default() };
    machine.fstab = "UUID=uuid-1 /data ext4 defaults 0 2\n";
    let blocks = "note: the entry of /data in /etc/fstab has no nofail: a missing volume will stop the boot";
    check_machine(&machine, &sets, &[blocks, MKDIR, MOUNT, "complete"], 0);
    machine.fstab = "# UUID=old /data ext4\nUUID=uuid-2\t/data ext4 defaults,nofail 0 2\n";
    let taken = "/etc/fstab has another file system for /data (UUID=uuid-2): remove that entry and run /script again";
    check_machine(&machine, &sets, &[taken], 1);
    machine.devices = own(&["/dev/nvme2n1|vol0f|sdf||disk|ext4|filesystem|uuid-1||/mnt|"]);
    check_machine(&machine, &sets, &["/dev/nvme2n1 is mounted on /mnt, not on /data: it is left there"], 1);
}

#[test]
fn set_that_is_only_attached_needs_no_script() {
    assert!(
        !is_needed(&set("two"))
            && !is_needed(&Profile::default().volume_sets)
            && calls("a", &set(""), &BTreeMap::new()).is_empty()
    );
    assert!(is_needed(&set("fs=ext4")) && is_needed(&set("two raid=0")) && is_needed(&set("lvm")));
}

#[test]
fn names_are_short_enough_for_mdadm_and_lvm() {
    assert_eq!(safe_name("mysql-data"), "mysql-data");
    assert_eq!(safe_name("0"), format!("0_{}", &hash(&["name", "0"])[..8]));
    assert_eq!(safe_name(&"x".repeat(60)).len(), LONGEST_NAME);
    assert_ne!(array_id("db1", "data"), array_id("db2", "data"));
    assert_eq!(array_id("db1", "data").len(), 35);
}

#[test]
fn script_has_no_warnings_of_shellcheck() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("boot.sh");
    // Its directives are comments, which are not sent to hosts.
    fs::write(
        &file,
        include_str!("../boot.sh").to_string() + &calls("db1", &set("two raid=0"), &BTreeMap::new()) + "exit $failed\n",
    )
    .unwrap();
    let output = Command::new("shellcheck").args(["-s", "sh"]).arg(&file).output();
    let output = output.unwrap_or_else(|error| panic!("shellcheck: {error}: run `make setup`"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}
