//! Whether an instance is still the one that a record was written of, and what the question showed.

use crate::args::Job;
use crate::guard::check_protection;
use crate::plan::{due, is_due};
use cerveza_ec2::{Acted, Ec2, NO_ACTION, PROTECTED, instance_id};
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value};

/// Refuses an instance whose account or name is now another than its record says: the id or the record may be of another
/// place, or the name may have moved to another instance.
pub fn check_identity(record: &Record, instance: &Record) -> Result<()> {
    let id = instance.str("instance_id").unwrap_or_default();
    let (was, is) = (record.str("account"), instance.str("account"));
    if let (Some(was), Some(is)) = (&was, &is)
        && was != is
    {
        return Err(Failure::unreached(format!("{id} is in the account {is}, and its record is of the account {was}"))
            .hint("list the hosts again with ec2-ls"));
    }
    // A host that was given by its id means that id, whatever its name.
    let names = [Some(record.host().to_string()), name_tag(record)];
    let is_known = names.iter().flatten().any(|name| name == instance.host() || *name == id);
    match instance_id(record).is_none() || is_known {
        true => Ok(()),
        false => Err(Failure::unreached(format!("{id} is named {} now, not {}", instance.host(), record.host()))
            .hint("list the hosts again with ec2-ls, or give the instance id alone")),
    }
}

/// The name that the record's tags have, where a pipeline has put an address into `host`.
fn name_tag(record: &Record) -> Option<String> {
    let Some(Value::Object(tags)) = record.get("tags") else { return None };
    tags.get("Name")?.as_str().map(str::to_string)
}

/// Looks at the hosts once more after the question, which may have waited for minutes. One that has changed or is protected
/// since then is left alone.
pub async fn check_again(ec2: &Ec2, job: &Job, acted: &mut [Acted]) {
    let places: Vec<_> = due(acted).iter().map(|host| host.place()).collect();
    let now = ec2.refresh(&places).await;
    for host in acted.iter_mut().filter(|host| is_due(host)) {
        let id = host.place().1;
        let instance = match now.get(&id) {
            Some(Ok(instance)) => instance,
            Some(Err(failure)) => {
                let failure = failure.clone().within("not changed, because it cannot be looked at again");
                (host.action, host.result) = (NO_ACTION, Err(failure));
                continue;
            }
            None => {
                let failure = Failure::unreached(format!("not changed, because {id} is not listed any more"));
                (host.action, host.result) = (NO_ACTION, Err(failure));
                continue;
            }
        };
        if let Err(failure) = check_protection(job, instance) {
            (host.action, host.result) = (PROTECTED, Err(failure));
        } else if let Err(failure) = check_same(&host.record, instance) {
            (host.action, host.result) = (NO_ACTION, Err(failure));
        }
        host.record.merge(instance.clone());
    }
}

/// Changes of the state that were under way already.
const EXPECTED: [(&str, &str); 2] = [("pending", "running"), ("stopping", "stopped")];

/// Refuses an instance that is not as `shown` any more.
fn check_same(shown: &Record, instance: &Record) -> Result<()> {
    let facts = [("name", "host"), ("type", "instance_type"), ("state", "state")];
    let changes = facts.into_iter().filter_map(|(fact, key)| {
        let (was, is) = (shown.str(key).unwrap_or_default(), instance.str(key).unwrap_or_default());
        let is_same = was == is || key == "state" && EXPECTED.contains(&(&*was, &*is));
        (!is_same).then(|| format!("its {fact} was {was} and is {is} now"))
    });
    let changes: Vec<String> = changes.collect();
    match changes.is_empty() {
        true => Ok(()),
        false => Err(Failure::unreached(format!("not changed, because {}", changes.join(", and ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(record: &str) -> std::result::Result<(), String> {
        let instance = r#"{"host":"web1","instance_id":"i-0123456789abcdef0","account":"111111111111"}"#;
        let [record, instance] = [record, instance].map(|line| Record::parse(line).unwrap());
        check_identity(&record, &instance).map_err(|failure| failure.message)
    }

    #[test]
    fn an_instance_with_another_name_or_account_is_refused() {
        assert_eq!(check(r#"{"host":"web1","instance_id":"i-0123456789abcdef0","account":"111111111111"}"#), Ok(()));
        assert_eq!(
            check(r#"{"host":"web2","instance_id":"i-0123456789abcdef0"}"#).unwrap_err(),
            "i-0123456789abcdef0 is named web1 now, not web2"
        );
        assert_eq!(
            check(r#"{"host":"web1","account":"222222222222"}"#).unwrap_err(),
            "i-0123456789abcdef0 is in the account 111111111111, and its record is of the account 222222222222"
        );
    }

    #[test]
    fn an_id_alone_is_enough_and_a_host_may_be_an_address() {
        assert_eq!(check(r#"{"host":"i-0123456789abcdef0"}"#), Ok(()));
        assert_eq!(check(r#"{"host":"i-0123456789abcdef0","instance_id":"i-0123456789abcdef0"}"#), Ok(()));
        assert_eq!(check(r#"{"host":"10.0.0.1","instance_id":"i-0123456789abcdef0","tags":{"Name":"web1"}}"#), Ok(()));
    }

    #[test]
    fn what_is_not_as_it_was_shown_is_refused() {
        let shown = r#"{"host":"web1","instance_type":"m5.large","state":"pending"}"#;
        let check = |from: &str, to: &str| {
            let [shown, now] = [shown, &shown.replace(from, to)].map(|line| Record::parse(line).unwrap());
            check_same(&shown, &now).map_err(|failure| failure.message)
        };
        assert_eq!(check("", ""), Ok(()));
        assert_eq!(check("pending", "running"), Ok(()));
        let refused = |why: &str| Err(format!("not changed, because its {why} now"));
        assert_eq!(check("pending", "stopped"), refused("state was pending and is stopped"));
        assert_eq!(check("web1", "web9"), refused("name was web1 and is web9"));
        assert_eq!(check("m5.large", "m5.xlarge"), refused("type was m5.large and is m5.xlarge"));
    }
}
