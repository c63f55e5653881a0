//! Names of regions, and what was meant by a word that is not one.

use crate::config::zone::region_of;
use cerveza_manners::{Failure, Result, nearest};

/// Regions that AWS documents ("AWS Regions", AWS General Reference). Used only for suggestions and completion: a
/// region that AWS opens later works without being listed.
pub(crate) const REGIONS: [&str; 42] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-west-1",
    "us-west-2",
];

const DIRECTIONS: [&str; 9] =
    ["central", "east", "north", "northeast", "northwest", "south", "southeast", "southwest", "west"];

/// Refuses the name of a zone, and what is misspelt. A region's name becomes part of a host name, so nothing else gets
/// through.
pub(crate) fn check_region(name: &str) -> Result<()> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_clean = !name.is_empty() && name.bytes().all(is_letter);
    if let Some((region, what)) = region_of_zone(name).filter(|_| is_clean) {
        return Err(Failure::usage(format!("{name:?} is {what} in {region}, not a region"))
            .hint(format!("give the region: --region {region}")));
    }
    let meant = if has_form(name) { None } else { meant(name) };
    match meant {
        Some(region) => Err(Failure::usage(format!("{name:?} is not the name of a region"))
            .hint(format!("the nearest name of a region is {region}"))),
        None if is_clean => Ok(()),
        None => Err(Failure::usage(format!("{name:?} is not the name of a region"))
            .hint("a region is named as in us-east-1; `aws ec2 describe-regions` lists them")),
    }
}

/// Returns whether AWS documents a region of this name.
pub fn is_known(name: &str) -> bool {
    REGIONS.contains(&name)
}

/// Returns the region of a zone's name (us-east-1a) or id (use1-az1), and what it is.
fn region_of_zone(name: &str) -> Option<(String, &'static str)> {
    if let Some(region) = region_of(name) {
        return Some((region, "an availability zone"));
    }
    let (code, rest) = name.split_once('-')?;
    let region = REGIONS.iter().find(|region| code_of(region) == code)?;
    let is_id = rest.rsplit('-').next().is_some_and(|zone| zone.starts_with("az") || zone.starts_with("wlz"));
    is_id.then(|| (region.to_string(), "the id of an availability zone"))
}

/// Returns how ids of zones begin in a region: `use1` in us-east-1, `apse2` in ap-southeast-2.
fn code_of(region: &str) -> String {
    let mut parts = region.split('-');
    let mut code = parts.next().unwrap_or_default().to_string();
    for part in parts {
        match part {
            "northeast" => code += "ne",
            "northwest" => code += "nw",
            "southeast" => code += "se",
            "southwest" => code += "sw",
            number if number.starts_with(|c: char| c.is_ascii_digit()) => code += number,
            part => code.extend(part.chars().next()),
        }
    }
    code
}

/// Returns whether a name has the form of a region's: an area, a direction, and a number. AWS may open a region of any
/// such name.
fn has_form(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let [area, partition @ .., direction, number] = parts.as_slice() else { return false };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_partition = |part: &&str| !DIRECTIONS.contains(part);
    !area.is_empty() && partition.iter().all(is_partition) && DIRECTIONS.contains(direction) && is_number
}

/// Returns the region that a misspelt name stands for: hyphens are often left out, and so is the number.
fn meant(name: &str) -> Option<&'static str> {
    let plain = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let name = plain(name);
    let same = REGIONS.iter().find(|region| plain(region) == name);
    let begun = || {
        REGIONS
            .iter()
            .find(|region| name.len() > 3 && plain(region).trim_end_matches(|c: char| c.is_ascii_digit()) == name)
    };
    let known: Vec<String> = REGIONS.iter().map(|region| plain(region)).collect();
    let near = || {
        let near = nearest(&name, known.iter().map(String::as_str))?;
        REGIONS.iter().find(|region| plain(region) == near)
    };
    same.or_else(begun).or_else(near).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(name: &str) -> (String, String) {
        let failure = check_region(name).unwrap_err();
        (failure.message, failure.hint.unwrap_or_default())
    }

    #[test]
    fn a_zone_is_not_a_region() {
        for (zone, region) in [
            ("us-east-1a", "us-east-1"),
            ("us-west-2-lax-1a", "us-west-2"),
            ("use1-az1", "us-east-1"),
            ("apse2-az3", "ap-southeast-2"),
            ("usgw1-az2", "us-gov-west-1"),
            ("cnnw1-az1", "cn-northwest-1"),
            ("usw2-lax1-az1", "us-west-2"),
            ("use1-wl1-bos-wlz1", "us-east-1"),
        ] {
            assert_eq!(why(zone).1, format!("give the region: --region {region}"), "{zone}");
        }
        assert_eq!(why("use1-az1").0, "\"use1-az1\" is the id of an availability zone in us-east-1, not a region");
    }

    #[test]
    fn a_misspelt_region_is_told_from_a_new_one() {
        for (name, region) in [
            ("us-esat-1", "us-east-1"),
            ("useast1", "us-east-1"),
            ("us-east1", "us-east-1"),
            ("us-east", "us-east-1"),
            ("US-EAST-1", "us-east-1"),
            ("us_west_2", "us-west-2"),
            ("eu-wset-3", "eu-west-3"),
            ("ap-south-east-2", "ap-southeast-2"),
        ] {
            assert_eq!(why(name).1, format!("the nearest name of a region is {region}"), "{name}");
        }
        for new in ["us-east-7", "ca-east-1", "nz-south-1", "us-gov-central-1", "me-north-2", "xy"] {
            assert_eq!(check_region(new), Ok(()), "{new}");
        }
        for bad in ["", "eu/west", "a b", "é", "us-east-1;x"] {
            assert!(check_region(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_known_region_is_accepted() {
        for region in REGIONS {
            assert_eq!(check_region(region), Ok(()));
        }
    }
}
