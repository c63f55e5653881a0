//! Checks that instances are still what the question showed.

use crate::args::Job;
use crate::due::{due_hosts, is_due};
use crate::guard::check_protection;
use cerveza_ec2::{Acted, Ec2, PROTECTED};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;

/// Looks at the hosts again after the question, which may have waited for minutes. One that has changed or is protected
/// since then is left alone.
pub async fn check_again(ec2: &Ec2, job: &Job, acted: &mut [Acted]) {
    let places: Vec<_> = due_hosts(acted).iter().map(|host| host.instance_key()).collect();
    let now = ec2.refresh(&places).await;
    for host in acted.iter_mut().filter(|host| is_due(host)) {
        let id = host.instance_key().1;
        let instance = match now.get(&id) {
            Some(Ok(instance)) => instance,
            Some(Err(failure)) => {
                let failure = failure.clone().within("not changed, because it cannot be checked again");
                host.fail(failure);
                continue;
            }
            None => {
                let failure = Failure::unreached(format!("not changed, because {id} is not listed any more"));
                host.fail(failure);
                continue;
            }
        };
        if let Err(failure) = check_protection(job, instance) {
            (host.action, host.result) = (PROTECTED, Err(failure));
        } else if let Err(failure) = check_same(&host.record, instance) {
            host.fail(failure);
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
    if changes.is_empty() {
        Ok(())
    } else {
        Err(Failure::unreached(format!("not changed, because {}", changes.join(", and "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
