//! Regions and zones: which region a host belongs to.

use cerveza_manners::{Failure, Result};
use cerveza_record::Record;

/// The region of a zone's name: `us-east-1` of `us-east-1a`, and of the local zone `us-east-1-bos-1a`.
pub fn region_of(zone: &str) -> Option<String> {
    let parts: Vec<&str> = zone.split('-').collect();
    let number = parts.iter().position(|part| part.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits: String = parts[number].chars().take_while(char::is_ascii_digit).collect();
    match number {
        0 | 1 => None,
        _ => Some(format!("{}-{digits}", parts[..number].join("-"))),
    }
}

/// The region that the command line names by --region or --zone, if any.
pub fn region_wanted(region: Option<&str>, zone: Option<&str>) -> Result<Option<String>> {
    if let Some(several) = region.filter(|region| *region == "all" || region.contains(',')) {
        return Err(Failure::usage(format!("--region {several}: name the one region to launch in")));
    }
    let Some(zone) = zone else { return Ok(region.map(str::to_string)) };
    let of_zone = region_of(zone).ok_or_else(|| Failure::usage(format!("--zone {zone}: no name of a zone")))?;
    match region {
        Some(region) if region != of_zone => {
            Err(Failure::usage(format!("--zone {zone} lies in {of_zone}, not in --region {region}")))
        }
        _ => Ok(Some(of_zone)),
    }
}

/// Gives a record with a zone its region, and refuses one that lies elsewhere than the command line says.
pub fn settle(record: &mut Record, wanted: Option<&str>) -> Result<()> {
    if record.str("region").is_none()
        && let Some(region) = record.str("zone").as_deref().and_then(region_of)
    {
        record.set("region", region);
    }
    match (record.str("region"), wanted) {
        (Some(region), Some(wanted)) if region != wanted => {
            Err(Failure::usage(format!("{}: its record says {region}, the command line {wanted}", record.host())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_tell_their_region() {
        assert_eq!(region_of("us-east-1a").as_deref(), Some("us-east-1"));
        assert_eq!(region_of("us-gov-west-1b").as_deref(), Some("us-gov-west-1"));
        assert_eq!(region_of("us-east-1-bos-1a").as_deref(), Some("us-east-1"));
        assert_eq!(region_of("a"), None);
        assert_eq!(region_of("1a"), None);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        assert_eq!(region_wanted(None, Some("eu-west-1b")), Ok(Some("eu-west-1".into())));
        assert!(region_wanted(Some("us-east-1"), Some("eu-west-1b")).is_err());
        assert!(region_wanted(Some("all"), None).is_err());
        let mut record = Record::parse(r#"{"host":"web1","zone":"eu-west-1b"}"#).unwrap();
        assert!(settle(&mut record, Some("us-east-1")).is_err());
        assert_eq!(settle(&mut record, None), Ok(()));
        assert_eq!(record.str("region").as_deref(), Some("eu-west-1"));
    }
}
