//! The note on an instance, what an operator must know in a few words: failed status checks, events that are to come,
//! and why it is not running.

use cerveza_record::{Record, Value};

/// Reasons for a state that somebody has wanted.
const WANTED: [&str; 3] = ["Client.UserInitiatedShutdown", "Client.UserInitiatedHibernate", "User initiated"];

/// Returns the note of a record; `None` where there is nothing to say.
pub fn note(record: &Record) -> Option<String> {
    let mut notes = Vec::new();
    if let Some(stale) = record.str("stale") {
        notes.push(format!("seen {}", minute(&stale)));
    }
    if record.str("status_checks").as_deref() == Some("impaired") {
        notes.push("status check failed".to_string());
    }
    if let Some(Value::Array(events)) = record.get("scheduled_events") {
        notes.extend(events.iter().map(event));
    }
    let reason = record.str("state_reason").filter(|reason| !WANTED.iter().any(|wanted| reason.starts_with(wanted)));
    if record.str("state").as_deref() != Some("running") {
        notes.extend(reason);
    }
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// Returns the time without its seconds, as `2026-11-29T10:00Z`: short enough for a table of 80 columns.
fn minute(time: &str) -> String {
    match time.rsplit_once(':') {
        Some((minute, seconds)) if seconds.ends_with('Z') => format!("{minute}Z"),
        _ => time.to_string(),
    }
}

/// As `retires 2026-12-03`.
fn event(event: &Value) -> String {
    let code = event["code"].as_str().unwrap_or("event");
    let what = match code {
        "instance-retirement" => "retires",
        "instance-stop" => "will be stopped",
        "instance-reboot" | "system-reboot" => "will be rebooted",
        "system-maintenance" => "maintenance",
        other => other,
    };
    let day = event["not_before"].as_str().map(|time| time.split('T').next().unwrap_or(time));
    day.map_or_else(|| what.to_string(), |day| format!("{what} {day}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note_of(fields: &str) -> Option<String> {
        note(&Record::parse(&format!(r#"{{"host":"a",{fields}}}"#)).unwrap())
    }

    #[test]
    fn healthy_instance_needs_no_note() {
        assert_eq!(
            note_of(r#""state":"running","state_reason":null,"status_checks":"ok","scheduled_events":[]"#),
            None
        );
        let wanted = r#""state":"stopped","state_reason":"Client.UserInitiatedShutdown: User initiated shutdown""#;
        assert_eq!(note_of(wanted), None);
    }

    #[test]
    fn failed_checks_events_and_reasons_are_told() {
        let events = r#""scheduled_events":[{"code":"instance-retirement","not_before":"2026-12-03T10:00:00Z"}]"#;
        assert_eq!(
            note_of(&format!(r#""state":"running","status_checks":"impaired",{events}"#)).unwrap(),
            "status check failed; retires 2026-12-03"
        );
        let reason =
            r#""state":"terminated","state_reason":"Client.InvalidSnapshot.NotFound: The snapshot does not exist""#;
        assert_eq!(note_of(reason).unwrap(), "Client.InvalidSnapshot.NotFound: The snapshot does not exist");
        assert_eq!(note_of(r#""state":"running","stale":"2026-11-29T10:00:00Z""#).unwrap(), "seen 2026-11-29T10:00Z");
    }
}
