use super::*;

fn answers(found: &[(&str, &str)]) -> Answers {
    let mut answers = Answers::new();
    for (region, id) in found {
        let mut record = Record::named("web1");
        record.set("instance_id", *id);
        record.set("region", *region);
        let answer = answers.entry(Scope::new(0, *region)).or_insert_with(|| Ok(HashMap::new()));
        answer.as_mut().unwrap().entry(Key::Name("web1".into())).or_default().push(record);
    }
    answers
}

#[test]
fn one_name_on_two_live_instances_is_several_also_over_regions() {
    let key = Key::Name("web1".into());
    let scopes = ["eu-west-1", "us-east-1"].map(|region| Scope::new(0, region));
    let two = answers(&[("eu-west-1", "i-1"), ("us-east-1", "i-2")]);
    assert_eq!(
        found_host(&key, &scopes, &two),
        Found::Several(vec!["i-1 (eu-west-1)".into(), "i-2 (us-east-1)".into()])
    );
    let regions = vec!["eu-west-1".to_string(), "us-east-1".to_string()];
    assert_eq!(found_host(&key, &scopes, &answers(&[])), Found::Absent(regions));
    // Two profiles may be of one account.
    let same = answers(&[("eu-west-1", "i-1"), ("us-east-1", "i-1")]);
    assert!(matches!(found_host(&key, &scopes, &same), Found::One(_)));
}

#[test]
fn an_ended_instance_is_found_only_if_no_live_one_has_the_name() {
    let (key, scopes) = (Key::Name("web1".into()), [Scope::new(0, "us-east-1")]);
    let mut both = answers(&[("us-east-1", "i-1"), ("us-east-1", "i-2"), ("us-east-1", "i-3")]);
    let records = both.get_mut(&scopes[0]).unwrap().as_mut().unwrap().get_mut(&key).unwrap();
    for (record, time) in records.iter_mut().zip(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]) {
        record.set("state", "terminated");
        record.set("launch_time", time);
    }
    let last = records[1].clone();
    assert!(matches!(found_host(&key, &scopes, &both), Found::One(live) if live.str("instance_id").unwrap() == "i-3"));
    both.get_mut(&scopes[0]).unwrap().as_mut().unwrap().get_mut(&key).unwrap().truncate(2);
    assert_eq!(found_host(&key, &scopes, &both), Found::Ended(last));
}

#[test]
fn a_region_that_does_not_answer_leaves_a_host_unknown() {
    let key = Key::Name("web1".into());
    let scopes = ["eu-west-1", "us-east-1"].map(|region| Scope::new(0, region));
    let down = Failure::unreached("DescribeInstances in us-east-1: no answer in 10 s");
    let mut half = answers(&[("eu-west-1", "i-1")]);
    half.insert(scopes[1].clone(), Err(down.clone()));
    assert_eq!(found_host(&key, &scopes, &half), Found::Unknown(down));
}

#[test]
fn a_region_that_denies_everything_hides_no_host_of_another() {
    let (web1, web2) = (Key::Name("web1".into()), Key::Name("web2".into()));
    let scopes = ["eu-west-1", "us-east-1"].map(|region| Scope::new(0, region));
    let denied = Failure::unreached("DescribeInstances in us-east-1: UnauthorizedOperation: You are not authorized");
    let mut half = answers(&[("eu-west-1", "i-1")]);
    half.insert(scopes[1].clone(), Err(denied.clone()));
    assert!(matches!(found_host(&web1, &scopes, &half), Found::One(_)));
    assert_eq!(found_host(&web2, &scopes, &half), Found::Unknown(denied));
}
