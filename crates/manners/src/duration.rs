//! Parses the durations of options.

use std::time::Duration;

/// The longest duration. A longer one is a typo, and the clock could overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Parses seconds (`30`, `0.5`) or a number with its unit (`500ms`, `5m`, `1h 30m`). Zero is an error, because
/// everything would fail.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| format!("{text} seconds is no duration"))?,
        Err(_) => {
            humantime::parse_duration(text).map_err(|_| "give seconds, or numbers with ms, s, m, h or d".to_string())?
        }
    };
    if duration.is_zero() {
        return Err("must be longer than 0".to_string());
    }
    if duration > LONGEST {
        return Err("must be at most 365 days".to_string());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_units() {
        assert_eq!(parse_duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        for bad in ["", "0", "-1", "NaN", "inf", "1e300", "1e19", "366d", "5 parsecs"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
