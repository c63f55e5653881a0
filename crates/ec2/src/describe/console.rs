//! GetConsoleOutput: reads what an instance has written to its console.

use crate::client::Ec2;
use crate::client::verdict::code;
use crate::describe::each_instance::{AskError, each_instance};
use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cerveza_manners::Result;
use cerveza_record::Record;
use std::collections::HashMap;

/// What the console showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Console {
    /// At most the last 64 KB, as EC2 keeps it. Bytes that are not UTF-8 are replaced.
    pub text: String,
    /// Whether it was written since the instance was last started. EC2 shows the output of the boot before until then.
    pub is_of_this_boot: bool,
}

impl Ec2 {
    /// Returns what the consoles of these instances showed last, by id; `None` if EC2 has nothing. `done` is called for
    /// each.
    pub async fn consoles(&self, instances: &[Record], done: impl Fn()) -> HashMap<String, Result<Option<Console>>> {
        let ask = |host| async move {
            let latest = self.latest_console(host).await?.filter(|console| !console.text.is_empty());
            let console = if latest.is_some() { latest } else { self.posted_console(host).await? };
            Ok(console.filter(|console| !console.text.is_empty()))
        };
        each_instance(instances, done, ask).await
    }

    /// Returns the console output of the instance of this record as it is now, or `None` if EC2 cannot tell that: only
    /// instances on Nitro have it ("Instance console output" in the EC2 user guide).
    pub(crate) async fn latest_console(&self, host: &Record) -> std::result::Result<Option<Console>, AskError> {
        self.console(host, true).await
    }

    /// Returns the output that EC2 has posted after the last start, stop or reboot, usually some minutes later.
    pub(crate) async fn posted_console(&self, host: &Record) -> std::result::Result<Option<Console>, AskError> {
        self.console(host, false).await
    }

    async fn console(&self, host: &Record, latest: bool) -> std::result::Result<Option<Console>, AskError> {
        let region = host.str("region").unwrap_or_default();
        let request = self.client(&region).get_console_output().set_instance_id(host.str("instance_id"));
        // Without the option in the request where it is not needed: EC2 refuses it for other instance types.
        let request = request.set_latest(latest.then_some(true));
        match self.call("GetConsoleOutput", &region, 1, || request.clone().send()).await {
            Ok(answer) => {
                let bytes = STANDARD.decode(answer.output().unwrap_or_default().replace(['\r', '\n'], ""));
                Ok(Some(Console {
                    text: String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned(),
                    is_of_this_boot: is_since(answer.timestamp(), host.str("launch_time").as_deref()),
                }))
            }
            Err(error)
                if latest && matches!(code(&error), Some("UnsupportedOperation" | "InvalidParameterCombination")) =>
            {
                Ok(None)
            }
            Err(error) => Err(AskError::new("GetConsoleOutput", &region, &error)),
        }
    }
}

/// Returns whether output of this time was written after the instance was started. If EC2 does not give one of the
/// times it counts.
fn is_since(written: Option<&DateTime>, started: Option<&str>) -> bool {
    let started = started.and_then(|started| DateTime::from_str(started, DateTimeFormat::DateTime).ok());
    match (written, started) {
        (Some(written), Some(started)) => written.secs() >= started.secs(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_from_before_the_start_is_of_another_boot() {
        let written = |secs| Some(DateTime::from_secs(secs));
        let started = Some("2011-11-11T08:26:40Z");
        assert!(!is_since(written(1_320_999_999).as_ref(), started));
        assert!(is_since(written(1_321_000_000).as_ref(), started));
        assert!(is_since(None, started));
        assert!(is_since(written(1).as_ref(), None));
    }
}
