//! Availability zones, and the regions that they are in.

use cerveza_manners::{Failure, Result};

/// Returns the region that a zone's name names: `us-east-1` for `us-east-1a`, and for the local zone
/// `us-east-1-bos-1a`. The name of a region is not the name of a zone.
pub fn region_of(zone: &str) -> Option<String> {
    let parts: Vec<&str> = zone.split('-').collect();
    let number = parts.iter().position(|part| part.starts_with(|c: char| c.is_ascii_digit()))?;
    let letters = parts[number].trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = parts[number].strip_suffix(letters)?;
    let is_zone = number >= 2 && (!letters.is_empty() || number + 1 < parts.len());
    is_zone.then(|| format!("{}-{digits}", parts[..number].join("-")))
}

/// Returns the region of `--zone`, which must be that of `--region` if both are given.
pub fn region_of_zone_option(zone: &str, region: Option<&str>) -> Result<String> {
    let of_zone = region_of(zone).ok_or_else(|| {
        Failure::usage(format!("--zone {zone}: this is not the name of a zone"))
            .hint("a zone ends with a letter, as in us-east-1a")
    })?;
    match region {
        Some(region) if region != of_zone => {
            Err(Failure::usage(format!("--zone {zone} is in {of_zone}, not in --region {region}")))
        }
        _ => Ok(of_zone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_tell_their_region() {
        for (zone, region) in [
            ("us-east-1a", Some("us-east-1")),
            ("us-gov-west-1b", Some("us-gov-west-1")),
            ("us-east-1-bos-1a", Some("us-east-1")),
            ("us-east-1-wl1-bos-wlz-1", Some("us-east-1")),
            ("ap-southeast-12c", Some("ap-southeast-12")),
            ("us-east-1", None),
            ("use1-az1", None),
            ("a", None),
            ("1a", None),
        ] {
            assert_eq!(region_of(zone).as_deref(), region, "{zone}");
        }
    }

    #[test]
    fn a_zone_contradicts_another_region() {
        assert_eq!(region_of_zone_option("eu-west-1b", None), Ok("eu-west-1".into()));
        assert_eq!(region_of_zone_option("eu-west-1b", Some("eu-west-1")), Ok("eu-west-1".into()));
        let why = |zone, region| region_of_zone_option(zone, region).unwrap_err().message;
        assert_eq!(
            why("eu-west-1b", Some("us-east-1")),
            "--zone eu-west-1b is in eu-west-1, not in --region us-east-1"
        );
        assert_eq!(why("us-east-1", None), "--zone us-east-1: this is not the name of a zone");
    }
}
