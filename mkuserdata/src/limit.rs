//! EC2's limit on user-data, and what the parts contribute to it.

use crate::part::Body;
use crate::parts::gzip;
use cerveza_manners::{Failure, Result};

/// The most bytes of user-data that EC2 takes, before base64.
pub const LIMIT: usize = 16_384;

/// Refuses user-data that EC2 would refuse, with what each part costs, the dearest first.
pub(crate) fn check(user_data: &[u8], parts: &[(&str, &Body)]) -> Result<()> {
    match user_data.len() > LIMIT {
        true => Err(too_large(user_data.len(), parts)),
        false => Ok(()),
    }
}

fn too_large(size: usize, parts: &[(&str, &Body)]) -> Failure {
    let mut rows: Vec<(usize, usize, &str)> =
        parts.iter().map(|(name, body)| (body.size, gzip(body.encoded.text()).len(), *name)).collect();
    rows.sort_by_key(|(size, compressed, _)| std::cmp::Reverse((*compressed, *size)));
    let over = size - LIMIT;
    let mut message = format!("the user-data has {size} bytes: EC2 takes at most {LIMIT}, {over} less\n");
    message.push_str("     SIZE  GZIPPED  PART");
    for (size, compressed, name) in rows {
        message.push_str(&format!("\n{size:9}  {compressed:7}  {name}"));
    }
    Failure::usage(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dearest_part_comes_first() {
        let small = Body::new(b"#!/bin/sh\n").unwrap();
        let large = Body::new(format!("#!/bin/sh\n{}\n", "x".repeat(900)).as_bytes()).unwrap();
        let parts = [("small.sh", &small), ("large.sh", &large)];
        assert_eq!(check(&[0; LIMIT], &parts), Ok(()));
        let message = check(&[0; LIMIT + 1], &parts).unwrap_err().message;
        let lines: Vec<_> = message.lines().collect();
        assert_eq!(lines[0], "the user-data has 16385 bytes: EC2 takes at most 16384, 1 less");
        assert!(lines[2].starts_with("      911 ") && lines[2].ends_with("  large.sh"), "{message}");
        assert!(lines[3].starts_with("       10 ") && lines[3].ends_with("  small.sh"), "{message}");
    }
}
