//! Writes the XML of answers.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::{Duration, SystemTime};

/// Returns an element that contains text.
pub fn text(name: &str, text: impl Display) -> String {
    let text = text.to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<{name}>{text}</{name}>")
}

/// Returns an element that contains text, or nothing if there is no text.
pub fn optional(name: &str, value: Option<impl Display>) -> String {
    value.map(|value| text(name, value)).unwrap_or_default()
}

/// Returns an element that contains elements.
pub fn element(name: &str, content: &str) -> String {
    format!("<{name}>{content}</{name}>")
}

/// A list as EC2 writes it: each member is an `item`.
pub fn set(name: &str, items: impl IntoIterator<Item = String>) -> String {
    element(name, &items.into_iter().map(|item| element("item", &item)).collect::<String>())
}

pub fn tag_set(tags: &BTreeMap<String, String>) -> String {
    set("tagSet", tags.iter().map(|(key, value)| text("key", key) + &text("value", value)))
}

/// RFC 3339 with milliseconds, in UTC.
pub fn time(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (seconds, mut days) = (since.as_secs() % 86_400, since.as_secs() / 86_400);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 0;
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let (month, day, millis) = (month + 1, days + 1, since.subsec_millis());
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        let at = |seconds| time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(1_709_210_096), "2024-02-29T12:34:56.000Z");
        assert_eq!(at(1_767_225_600), "2026-01-01T00:00:00.000Z");
    }
}
