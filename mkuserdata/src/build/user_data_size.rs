//! What each part costs of the user-data, and EC2's limit on that.

use crate::build::gzip;
use crate::build::part::Body;
use cerveza_manners::{Failure, Result, visible};
use std::cmp::Reverse;

/// The most bytes of user-data that EC2 takes, before base64 (EC2 user guide, "Instance user data").
pub const LIMIT: usize = 16_384;

/// What one part costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    pub part: String,
    /// Bytes as the file has them.
    pub size: usize,
    /// Bytes of the user-data: what it has in common with the parts before it costs it nothing.
    pub cost: usize,
}

/// The parts, the dearest first, of user-data of `size` bytes.
pub(crate) fn costs(parts: &[(&str, &Body)], size: usize) -> Vec<Cost> {
    let texts: Vec<&[u8]> = parts.iter().map(|(_, body)| body.block.text()).collect();
    let plain = texts.iter().map(|text| text.len()).sum::<usize>();
    let shares = match size < plain {
        true => gzip::costs(&texts),
        false => texts.iter().map(|text| text.len()).collect(),
    };
    // So that they come to the whole, what surrounds the parts and what zopfli saves is shared out.
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

/// A table of the costs, without a newline at its end.
pub(crate) fn table(costs: &[Cost]) -> String {
    let mut lines = vec!["    BYTES      COST  PART".to_string()];
    lines.extend(costs.iter().map(|row| format!("{:9} {:9}  {}", row.size, row.cost, visible(&row.part))));
    lines.join("\n")
}

/// Refuses user-data that EC2 would refuse, with what each part costs.
pub(crate) fn check(size: usize, limit: usize, costs: impl FnOnce() -> Vec<Cost>) -> Result<()> {
    if size <= limit {
        return Ok(());
    }
    let most = match limit {
        LIMIT => format!("EC2 takes at most {LIMIT}"),
        limit => format!("the limit is {limit}"),
    };
    let message = format!("the user-data has {size} bytes, {} too many: {most}\n{}", size - limit, table(&costs()));
    Err(Failure::usage(message)
        .hint("leave a part out, or let the instance fetch it: by #include https://..., or in a script"))
}
