//! `--launched-before` and `--launched-after`: when an instance was launched.

use cerveza_manners::{Failure, Result};
use std::time::{Duration, SystemTime};

/// From when to when. An instance has the time of its last start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launched {
    pub after: Option<SystemTime>,
    pub before: Option<SystemTime>,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// EC2 takes this many days as values of its filter, so other filters still have room.
const MOST_DAYS: u32 = 62;

impl Launched {
    /// Returns `None` if neither option is given. Refuses times between which nothing can be.
    pub fn new(after: Option<&str>, before: Option<&str>, now: SystemTime) -> Result<Option<Launched>> {
        let read = |option: &str, text: Option<&str>| text.map(|text| time(option, text, now)).transpose();
        let launched = Launched { after: read("--launched-after", after)?, before: read("--launched-before", before)? };
        match launched {
            Launched { after: None, before: None } => return Ok(None),
            Launched { after: Some(after), .. } if after > now => {
                return Err(Failure::usage("--launched-after: the time is in the future"));
            }
            Launched { after: Some(after), before: Some(before) } if after >= before => {
                return Err(Failure::usage("--launched-after is not earlier than --launched-before")
                    .hint("exchange them: `--launched-after 7d --launched-before 2d` is from 7 to 2 days ago"));
            }
            _ => {}
        }
        Ok(Some(launched))
    }

    /// Returns whether a time in RFC 3339 is within.
    pub fn contains(&self, time: &str) -> bool {
        let Ok(time) = humantime::parse_rfc3339_weak(time) else { return false };
        self.after.is_none_or(|after| time >= after) && self.before.is_none_or(|before| time < before)
    }

    /// Returns the days as values of EC2's filter, which takes `2026-11-29T*`. `None` if they are too many.
    pub fn days(&self) -> Option<Vec<String>> {
        let (after, now) = (self.after?, SystemTime::now());
        // EC2's clock is not ours.
        let last = self.before.unwrap_or(now + DAY).min(now + DAY);
        let day = |number: u32| (after + DAY * number).min(last);
        let date = |time| Some(humantime::format_rfc3339_seconds(time).to_string().split_once('T')?.0.to_string());
        let count = last.duration_since(after).unwrap_or_default().as_secs() / DAY.as_secs() + 2;
        let count = u32::try_from(count).ok().filter(|count| *count <= MOST_DAYS)?;
        let mut days: Vec<String> = (0..count).filter_map(|number| Some(date(day(number))? + "T*")).collect();
        days.dedup();
        Some(days)
    }
}

/// Returns a date, a date and time in UTC, or how long ago.
fn time(option: &str, text: &str, now: SystemTime) -> Result<SystemTime> {
    let seconds = |text: &str| humantime::parse_rfc3339_weak(text).ok();
    let minutes = || Some(format!("{}:00Z", text.strip_suffix('Z').unwrap_or(text)));
    let date = || seconds(&format!("{text}T00:00:00Z"));
    let ago = || humantime::parse_duration(text).ok().and_then(|ago| now.checked_sub(ago));
    let time = seconds(text).or_else(|| seconds(&minutes()?)).or_else(date).or_else(ago);
    time.ok_or_else(|| {
        Failure::usage(format!("{option} {text}: not a time"))
            .hint("write a date (2026-11-29), a time in UTC (2026-11-29T08:30), or how long ago (2d, 3h, 30m)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::glob::Glob;
    use proptest::prelude::*;

    fn at(text: &str) -> SystemTime {
        humantime::parse_rfc3339(text).unwrap()
    }

    fn launched(after: &str, before: &str) -> Result<Option<Launched>> {
        let option = |text| Some(text).filter(|text: &&str| !text.is_empty());
        Launched::new(option(after), option(before), at("2026-11-29T12:00:00Z"))
    }

    #[test]
    fn times_are_dates_times_and_ages() {
        for (text, expected) in [
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2026-11-01T08:30", "2026-11-01T08:30:00Z"),
            ("2026-11-01T08:30Z", "2026-11-01T08:30:00Z"),
            ("2026-11-01 08:30:15", "2026-11-01T08:30:15Z"),
            ("2d", "2026-11-27T12:00:00Z"),
            ("90m", "2026-11-29T10:30:00Z"),
        ] {
            assert_eq!(launched(text, "").unwrap().unwrap().after, Some(at(expected)), "{text}");
        }
        for bad in ["2", "yesterday", "2026-13-01", "11/01/2026", "2x"] {
            assert!(launched(bad, "").is_err(), "{bad}");
        }
    }

    #[test]
    fn reversed_times_are_refused() {
        assert!(launched("2d", "7d").is_err());
        assert!(launched("2026-12-01", "").is_err());
        assert!(launched("7d", "2d").unwrap().unwrap().contains("2026-11-25T00:00:00Z"));
        assert!(!launched("7d", "2d").unwrap().unwrap().contains("2026-11-28T00:00:00Z"));
        assert_eq!(launched("", ""), Ok(None));
    }

    proptest! {
        #[test]
        fn no_instance_is_lost_by_the_days(hours in 1u64..1200, length in 1u64..1200, launch in 0u64..1200) {
            let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
            let window = Launched {
                after: Some(now - hour * hours as u32),
                before: Some(now - hour * hours as u32 + hour * length as u32),
            };
            let launch = humantime::format_rfc3339_millis(now - hour * launch as u32).to_string();
            if let Some(days) = window.days() {
                let is_asked_for = days.iter().any(|day| Glob::new(day.as_str()).matches(&launch));
                prop_assert!(is_asked_for || !window.contains(&launch), "{:?} {}", days, launch);
            }
        }
    }
}
