//! Regions and zones: which region a host belongs to.

use cerveza_ec2::{region_of, region_of_zone_option};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;

/// The region that the command line names by --region or --zone, if any.
pub fn region_wanted(region: Option<&str>, zone: Option<&str>) -> Result<Option<String>> {
    if let Some(several) = region.filter(|region| *region == "all" || region.contains(',')) {
        return Err(Failure::usage(format!("--region {several}: name the one region to launch in")));
    }
    match zone {
        Some(zone) => region_of_zone_option(zone, region).map(Some),
        None => Ok(region.map(str::to_string)),
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
