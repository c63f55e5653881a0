//! What is decided for made-up volumes.

use super::super::slot::POSITION_TAG;
use super::*;
use cerveza_ec2::{Attachment, Volume};

/// Sets as `data:2 logs:1`: the name and the number of volumes. Devices follow each other from /dev/sdf.
fn sets(text: &str) -> Vec<VolumeSet> {
    let mut letters = 'f'..='z';
    let set = |word: &str| {
        let (name, count) = word.split_once(':').unwrap();
        let volume = |_| Volume {
            device: format!("/dev/sd{}", letters.next().unwrap()),
            delete_on_termination: Some(false),
            ..Volume::default()
        };
        let volumes = (0..count.parse::<usize>().unwrap()).map(volume).collect();
        VolumeSet { name: name.into(), volumes, ..VolumeSet::default() }
    };
    text.split(' ').map(set).collect()
}

/// Returns a free volume of web1, as `vol-1 data 1/2 sdf`; `-` for a tag that it lacks.
fn volume(text: &str) -> EbsVolume {
    let words: Vec<&str> = text.split(' ').collect();
    let mut tags = vec![("Name", "web1".to_string())];
    for (key, word) in
        [SET_TAG, POSITION_TAG, DEVICE_TAG].into_iter().zip(&words[1..]).filter(|(_, word)| **word != "-")
    {
        tags.push((key, if key == DEVICE_TAG { format!("/dev/{word}") } else { word.to_string() }));
    }
    EbsVolume {
        id: words[0].into(),
        zone: "us-east-1a".into(),
        state: "available".into(),
        tags: tags.into_iter().map(|(key, value)| (key.to_string(), value)).collect(),
        attachments: vec![],
    }
}

fn attached(text: &str, instance: &str, device: &str) -> EbsVolume {
    let attachment = Attachment {
        instance_id: instance.into(),
        device: format!("/dev/{device}"),
        state: "attached".into(),
        delete_on_termination: false,
    };
    EbsVolume { state: "in-use".into(), attachments: vec![attachment], ..volume(text) }
}

fn known(volumes: Vec<EbsVolume>) -> HostVolumes {
    let holder = |(id, host, state): (&str, &str, &str)| {
        let mut record = Record::named(host);
        record.set("state", state);
        (id.to_string(), record)
    };
    let holders = [("i-1", "web1", "running"), ("i-2", "other", "stopped"), ("i-0", "web1", "shutting-down")];
    HostVolumes { volumes, holders: holders.map(holder).into() }
}

fn decide(profile: &str, volumes: Vec<EbsVolume>) -> Result<Disks> {
    for_launch("web1", &sets(profile), &known(volumes), "us-east-1")
}

/// Returns what is attached at each slot, as `sdf=vol-1`; `new` for a volume that is created.
fn slots(disks: Disks) -> String {
    let slot =
        |slot: DiskSlot| format!("{}={}", slot.device.trim_start_matches("/dev/"), slot.attach.unwrap_or("new".into()));
    disks.slots.into_iter().map(slot).collect::<Vec<_>>().join(" ")
}

fn why(profile: &str, volumes: Vec<EbsVolume>) -> String {
    decide(profile, volumes).unwrap_err().message
}

#[test]
fn host_without_kept_volumes_gets_new_ones() {
    let disks = decide("data:2 logs:1", vec![]).unwrap();
    assert_eq!(disks.zone, None);
    assert_eq!(disks.slots[1].position.as_deref(), Some("2/2"));
    assert_eq!(slots(disks), "sdf=new sdg=new sdh=new");
}

#[test]
fn kept_volumes_are_attached_again_at_their_positions() {
    let disks = decide("data:2", vec![volume("vol-2 data 2/2 sdg"), volume("vol-1 data 1/2 sdf")]).unwrap();
    assert_eq!(disks.zone.as_deref(), Some("us-east-1a"));
    assert!(disks.slots.iter().all(|slot| slot.is_tagged));
    assert_eq!(disks.volume_ids()["/dev/sdf"], "vol-1");
    assert_eq!(slots(disks), "sdf=vol-1 sdg=vol-2");
    // The profile names other devices today.
    let disks = decide("data:2", vec![volume("vol-1 data 1/2 xvdba"), volume("vol-2 data 2/2 xvdbb")]).unwrap();
    assert!(disks.slots.iter().all(|slot| !slot.is_tagged));
    assert_eq!(slots(disks), "sdf=vol-1 sdg=vol-2");
    // A new set beside one that is kept.
    assert_eq!(slots(decide("data:1 logs:1", vec![volume("vol-1 data 1/1 sdf")]).unwrap()), "sdf=vol-1 sdg=new");
}

#[test]
fn volume_without_a_position_is_known_by_its_device() {
    assert_eq!(slots(decide("data:1", vec![volume("vol-1 - - sdf")]).unwrap()), "sdf=vol-1");
    assert_eq!(slots(decide("data:1", vec![volume("vol-1 - - xvdf")]).unwrap()), "sdf=vol-1");
    // The instance that had it is still ending.
    assert_eq!(slots(decide("data:1", vec![attached("vol-1 - - -", "i-0", "sdf")]).unwrap()), "sdf=vol-1");
    // A root volume that was kept.
    assert_eq!(slots(decide("data:1", vec![volume("vol-1 - - xvda")]).unwrap()), "sdf=new");
}

#[test]
fn incomplete_set_is_an_error_that_lists_what_is_there_and_what_is_missing() {
    let there = vec![volume("vol-2 data 2/4 sdg"), volume("vol-4 data 4/4 sdi")];
    assert_eq!(
        why("data:4", there),
        "its volume set \"data\" is incomplete: there are vol-2 (2/4 of data), vol-4 (4/4 of data); missing: 1/4, 3/4"
    );
    let other_size = vec![volume("vol-1 data 1/2 sdf"), volume("vol-2 data 2/2 sdg")];
    assert_eq!(
        why("data:4", other_size),
        "vol-1 (1/2 of data), vol-2 (2/2 of data) are not 4 volumes, as the set \"data\" of the profile has"
    );
}

#[test]
fn two_volumes_for_one_position_are_an_error() {
    let two = vec![volume("vol-1 data 1/1 sdf"), volume("vol-2 - - sdf")];
    assert_eq!(why("data:1", two), "several volumes are 1/1 of its set \"data\": vol-1, vol-2");
}

#[test]
fn volume_that_a_live_instance_has_is_not_taken() {
    let used = || vec![attached("vol-1 data 1/1 sdf", "i-2", "sdf")];
    assert_eq!(why("data:1", used()), "its volume vol-1 (1/1 of data) is in use by i-2");
    let mut new = used();
    new[0].attachments[0].instance_id = "i-9".into();
    assert_eq!(why("data:1", new), "its volume vol-1 (1/1 of data) is in use by i-9");
    // It goes with the instance that is ending.
    let mut ends = attached("vol-1 data 1/1 sdf", "i-0", "sdf");
    ends.attachments[0].delete_on_termination = true;
    assert_eq!(slots(decide("data:1", vec![ends]).unwrap()), "sdf=new");
}

#[test]
fn set_is_not_created_beside_kept_volumes_that_may_be_it() {
    let renamed = vec![volume("vol-1 old 1/1 sdp")];
    assert_eq!(
        why("data:1", renamed.clone()),
        "it has kept volumes that belong to no set of the profile: vol-1 (1/1 of old)"
    );
    let untagged = vec![volume("vol-1 - - -")];
    assert_eq!(
        why("data:1", untagged.clone()),
        "it has kept volumes that belong to no set of the profile: vol-1 (not tagged with its position)"
    );
    // Nothing is created, or nothing that is kept.
    let both = |also: &EbsVolume| vec![volume("vol-2 data 1/1 sdf"), also.clone()];
    assert_eq!(slots(decide("data:1", both(&renamed[0])).unwrap()), "sdf=vol-2");
    let mut scratch = sets("data:1");
    scratch[0].volumes[0].delete_on_termination = Some(true);
    let disks = for_launch("web1", &scratch, &known(untagged), "us-east-1").unwrap();
    assert_eq!(slots(disks), "sdf=new");
}

#[test]
fn volumes_in_two_zones_are_an_error_and_the_zone_of_volumes_wins() {
    let elsewhere = EbsVolume { zone: "us-east-1b".into(), ..volume("vol-2 logs 1/1 sdg") };
    let here = volume("vol-1 data 1/1 sdf");
    assert_eq!(
        why("data:1 logs:1", vec![here.clone(), elsewhere]),
        "its volumes are in several zones: vol-1 (1/1 of data) in us-east-1a; vol-2 (1/1 of logs) in us-east-1b"
    );
    let disks = decide("data:1", vec![here]).unwrap();
    assert_eq!(disks.check_zone(None), Ok(()));
    assert_eq!(disks.check_zone(Some("us-east-1a")), Ok(()));
    let failure = disks.check_zone(Some("us-east-1b")).unwrap_err();
    assert_eq!(failure.message, "its volumes vol-1 are in us-east-1a, not in us-east-1b");
}

#[test]
fn volume_of_an_id_must_exist_and_be_free() {
    let mut sets = sets("data:1");
    sets[0].volume_id = Some("vol-7".into());
    let decide = |volumes| for_launch("web1", &sets, &known(volumes), "us-east-1");
    let mut other = volume("vol-7 - - -");
    other.tags.insert("Name".into(), "archive".into());
    let disks = decide(vec![other.clone()]).unwrap();
    assert!(!disks.slots[0].is_nameless);
    assert_eq!((disks.zone.as_deref(), slots(disks.clone()).as_str()), (Some("us-east-1a"), "sdf=vol-7"));
    other.tags.clear();
    assert!(decide(vec![other]).unwrap().slots[0].is_nameless);
    assert_eq!(decide(vec![]).unwrap_err().message, "volume id: there is no volume vol-7 in us-east-1");
    let used = decide(vec![attached("vol-7 - - -", "i-1", "sdf")]).unwrap_err();
    assert_eq!(used.message, "its volume vol-7 (/dev/sdf) is in use by i-1");
}

fn on_instance(profile: &str, has: &[(&str, &str)], volumes: Vec<EbsVolume>) -> Result<Vec<DiskSlot>> {
    let mut instance = Record::parse(r#"{"host":"web1","instance_id":"i-1","zone":"us-east-1a"}"#).unwrap();
    let volume = |(device, id): &(&str, &str)| serde_json::json!({"device": format!("/dev/{device}"), "volume_id": id});
    instance.set("volumes", has.iter().map(volume).collect::<Vec<_>>());
    for_instance(&instance, &sets(profile), &known(volumes))
}

#[test]
fn instance_is_given_what_a_launch_left_undone() {
    let slots = on_instance(
        "data:2 logs:1",
        &[("xvda", "vol-0"), ("sdf", "vol-1"), ("sdh", "vol-3")],
        vec![
            attached("vol-0 - - -", "i-1", "xvda"),
            attached("vol-1 data 1/2 sdf", "i-1", "sdf"),
            volume("vol-2 data 2/2 sdg"),
            attached("vol-3 - - -", "i-1", "sdh"),
        ],
    );
    let slots = slots.unwrap();
    let facts: Vec<_> = slots.iter().map(|it| (it.device.as_str(), it.attach.as_deref(), it.is_tagged)).collect();
    assert_eq!(
        facts,
        [
            ("/dev/sdf", None, true),
            ("/dev/sdg", Some("vol-2"), true),
            ("/dev/sdh", None, false),
            ("/dev/xvda", None, false)
        ]
    );
    assert_eq!(slots[3].set, None);
}

#[test]
fn volume_of_an_instance_that_is_ending_is_still_its_own() {
    // EC2 lists the volume as free already, but it is still in the instance's record.
    let slots = on_instance("data:1", &[("sdf", "vol-1")], vec![volume("vol-1 data 1/1 sdf")]).unwrap();
    assert_eq!((slots.len(), slots[0].attach.as_deref(), slots[0].is_tagged), (1, None, true));
}

#[test]
fn instance_that_is_older_than_a_set_of_the_profile_is_left_without_it() {
    assert_eq!(on_instance("data:1", &[("xvda", "vol-0")], vec![]), Ok(vec![]));
    // Another set has this device.
    let other = attached("vol-1 old 1/1 sdf", "i-1", "sdf");
    let slots = on_instance("data:1", &[("sdf", "vol-1")], vec![other]).unwrap();
    assert_eq!((slots.len(), slots[0].set.as_deref(), slots[0].is_tagged), (1, None, true));
}

#[test]
fn instance_is_not_given_what_it_cannot_have() {
    let why = |volumes| on_instance("data:1", &[], volumes).unwrap_err().message;
    let elsewhere = EbsVolume { zone: "us-east-1b".into(), ..volume("vol-1 data 1/1 sdf") };
    assert_eq!(why(vec![elsewhere]), "vol-1 (1/1 of data) is in us-east-1b, the instance is not");
    let used = attached("vol-1 data 1/1 sdf", "i-2", "sdf");
    assert_eq!(why(vec![used]), "its volume vol-1 (1/1 of data) is in use by i-2");
    let two = vec![volume("vol-1 data 1/1 sdf"), volume("vol-2 data 1/1 sdf")];
    assert_eq!(why(two), "several volumes are 1/1 of its set \"data\": vol-1, vol-2");
    let taken = on_instance("data:1", &[("sdf", "vol-9")], vec![volume("vol-1 data 1/1 sdf")]).unwrap_err();
    assert_eq!(taken.message, "vol-1 (1/1 of data) is its volume too, but /dev/sdf is vol-9");
}

#[test]
fn instance_that_another_run_has_just_launched_is_known_by_its_volumes() {
    assert_eq!(known(vec![]).live_instance("web1").and_then(|it| it.str("state")).as_deref(), Some("running"));
    assert_eq!(known(vec![]).live_instance("web2"), None);
}
