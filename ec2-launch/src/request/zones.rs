//! Regions and zones: which region a host belongs to, and the zones of --spread.

use cerveza_ec2::{is_known_region, region_of, region_of_zone_option};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;

/// Returns the region that the command line names by --region, --zone or --spread, if any.
pub fn region_wanted(region: Option<&str>, zone: Option<&str>, spread: &[String]) -> Result<Option<String>> {
    if let Some(several) = region.filter(|region| *region == "all" || region.contains(',')) {
        return Err(Failure::usage(format!("--region {several}: ec2-launch works in one region")));
    }
    let mut region = match zone {
        Some(zone) => Some(region_of_zone_option(zone, region)?),
        None => region.map(str::to_string),
    };
    for zone in spread.iter().filter(|zone| !is_letter(zone)) {
        let here = region_of(zone).ok_or_else(|| {
            Failure::usage(format!("--spread {zone}: this is not the name of a zone"))
                .hint("write zones as in us-east-1a,us-east-1b, or their letters as in a,b")
        })?;
        match &region {
            Some(region) if *region != here => {
                return Err(Failure::usage(format!("--spread {zone}: this zone is in {here}, not in {region}")));
            }
            _ => region = Some(here),
        }
    }
    Ok(region)
}

/// Refuses a word for a host that is a zone or a region: --spread takes its zones as one word.
pub fn refuse_zone(word: &str) -> Result<()> {
    let what = match region_of(word) {
        _ if is_letter(word) => "zone",
        Some(region) if is_known_region(&region) => "zone",
        None if is_known_region(word) => "region",
        _ => return Ok(()),
    };
    let hint = format!("zones of --spread are separated by commas; a host with this name is written '\"{word}\"'");
    Err(Failure::usage(format!("{word} is the name of a {what}, not of a host")).hint(hint))
}

/// Returns whether the zone is given only by its letter.
fn is_letter(zone: &str) -> bool {
    matches!(zone.as_bytes(), [b'a'..=b'z'])
}

/// How hosts are distributed over zones.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    zones: Vec<String>,
    /// The number of each host, from 0.
    numbers: Vec<usize>,
}

impl Spread {
    /// Numbers the hosts: by the number at the end of each name if all have one, so a host has the same zone in every
    /// run; else by their position.
    pub fn new(zones: &[String], hosts: &[Record]) -> Spread {
        let in_name: Option<Vec<usize>> = hosts.iter().map(|host| number(host.host())).collect();
        let numbers = match in_name {
            _ if zones.is_empty() => Vec::new(),
            // The host 1 has the first zone.
            Some(numbers) => numbers.iter().map(|number| number + zones.len() - 1).collect(),
            None => (0..hosts.len()).collect(),
        };
        Spread { zones: zones.to_vec(), numbers }
    }

    /// Returns the zones to try for a host, its own first; none without --spread.
    pub fn zones(&self, host: usize, region: &str) -> Vec<String> {
        let name = |zone: &String| if is_letter(zone) { format!("{region}{zone}") } else { zone.clone() };
        let mut zones: Vec<String> = self.zones.iter().map(name).collect();
        if let Some(number) = self.numbers.get(host) {
            zones.rotate_left(number % self.zones.len());
        }
        zones
    }
}

/// Returns the number at the end of a name: 7 for `web07`. Of a very long one the last digits count.
fn number(name: &str) -> Option<usize> {
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    name[name.len() - digits.min(9)..].parse().ok()
}

/// Gives a record with a zone its region, and refuses one that lies elsewhere than the command line says.
pub fn set_region_of_zone(record: &mut Record, wanted: Option<&str>) -> Result<()> {
    if record.str("region").is_none()
        && let Some(region) = record.str("zone").as_deref().and_then(region_of)
    {
        record.set("region", region);
    }
    match (record.str("region"), wanted) {
        (Some(region), Some(wanted)) if region != wanted => Err(Failure::usage(format!(
            "{}: its record has the region {region}, and the command line {wanted}",
            record.host()
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_is_refused() {
        assert_eq!(region_wanted(None, Some("eu-west-1b"), &[]), Ok(Some("eu-west-1".into())));
        assert!(region_wanted(Some("us-east-1"), Some("eu-west-1b"), &[]).is_err());
        assert!(region_wanted(Some("all"), None, &[]).is_err());
        let mut record = Record::parse(r#"{"host":"web1","zone":"eu-west-1b"}"#).unwrap();
        assert!(set_region_of_zone(&mut record, Some("us-east-1")).is_err());
        assert_eq!(set_region_of_zone(&mut record, None), Ok(()));
        assert_eq!(record.str("region").as_deref(), Some("eu-west-1"));
    }

    #[test]
    fn a_zone_or_a_region_is_not_a_host() {
        let why = |word| refuse_zone(word).unwrap_err().message;
        assert_eq!(why("us-east-1b"), "us-east-1b is the name of a zone, not of a host");
        assert_eq!(why("us-east-1"), "us-east-1 is the name of a region, not of a host");
        assert!(refuse_zone("b").is_err());
        for host in ["\"b\"", "web-db-1b", "web-db-1", "b1"] {
            assert_eq!(refuse_zone(host), Ok(()), "{host}");
        }
    }

    #[test]
    fn hosts_are_spread_by_their_number_else_by_their_position() {
        let zones = |names: &[&str], zones: &[&str]| {
            let zones: Vec<String> = zones.iter().map(|zone| zone.to_string()).collect();
            let hosts: Vec<Record> = names.iter().map(|name| Record::named(*name)).collect();
            let spread = Spread::new(&zones, &hosts);
            (0..hosts.len()).map(|at| spread.zones(at, "us-east-1").concat()).collect::<Vec<_>>()
        };
        assert_eq!(zones(&["web2", "web4"], &["a", "b"]), ["us-east-1bus-east-1a"; 2]);
        assert_eq!(zones(&["web1", "db0"], &["x1", "y1"]), ["x1y1", "y1x1"]);
        assert_eq!(zones(&["web", "web2"], &["x1", "y1"]), ["x1y1", "y1x1"]);
        assert_eq!(zones(&["web0"], &[]), [""]);
        assert!(region_wanted(Some("us-east-1"), None, &["eu-west-1a".into()]).is_err());
        assert!(region_wanted(None, None, &["us-east-1a".into(), "eu-west-1a".into()]).is_err());
        assert!(region_wanted(None, None, &["us-east-1".into()]).is_err());
        assert_eq!(region_wanted(None, None, &["us-east-1a".into()]), Ok(Some("us-east-1".into())));
        assert_eq!(region_wanted(None, None, &["a".into(), "b".into()]), Ok(None));
    }
}
