//! How many bytes of the user-data each part takes, and EC2's limit.

use crate::build::gzip;
use crate::build::part::Body;
use cerveza_manners::{Failure, Result, visible};
use std::cmp::Reverse;

/// EC2's limit for user-data in bytes, before base64 (EC2 user guide, "Instance user data").
pub const LIMIT: usize = 16_384;

/// The bytes that one part takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    pub part: String,
    /// Bytes of the file.
    pub size: usize,
    /// Bytes of the user-data. What the part has in common with earlier parts is not counted again.
    pub cost: usize,
}

/// Returns the parts of user-data of `size` bytes, the largest cost first.
pub(crate) fn costs(parts: &[(&str, &Body)], size: usize) -> Vec<Cost> {
    let texts: Vec<&[u8]> = parts.iter().map(|(_, body)| body.block.text()).collect();
    let plain = texts.iter().map(|text| text.len()).sum::<usize>();
    let shares = if size < plain { gzip::costs(&texts) } else { texts.iter().map(|text| text.len()).collect() };
    // Scaled to add up to the whole size.
    let all = shares.iter().sum::<usize>().max(1);
    let rows = parts.iter().zip(shares);
    let mut rows: Vec<Cost> = rows
        .map(|((path, body), share)| Cost {
            part: path.to_string(),
            size: body.size,
            cost: (share * size).div_ceil(all),
        })
        .collect();
    rows.sort_by_key(|row| Reverse((row.cost, row.size)));
    rows
}

/// Returns a table of the costs without a newline at its end.
pub(crate) fn table(costs: &[Cost]) -> String {
    let mut lines = vec!["    BYTES      COST  PART".to_string()];
    lines.extend(costs.iter().map(|row| format!("{:9} {:9}  {}", row.size, row.cost, visible(&row.part))));
    lines.join("\n")
}

/// Fails if the user-data is larger than the limit. The message lists the cost of each part.
pub(crate) fn check(size: usize, limit: usize, costs: impl FnOnce() -> Vec<Cost>) -> Result<()> {
    if size <= limit {
        return Ok(());
    }
    let most = match limit {
        LIMIT => format!("EC2 allows at most {LIMIT}"),
        limit => format!("the limit is {limit}"),
    };
    let message = format!("the user-data has {size} bytes, {} too many: {most}\n{}", size - limit, table(&costs()));
    Err(Failure::usage(message)
        .hint("leave a part out, or let the instance fetch it: by #include https://..., or in a script"))
}
