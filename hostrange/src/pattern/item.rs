//! Parses an item of a bracket: a number, a letter, or a range of them with an optional step.

use crate::pattern::bracket::Segment;
use crate::pattern::digits::{self, MOST_DIGITS_READ};
use std::cmp::Ordering;
use std::ops::Range;

/// What is wrong with an item, and where.
pub(crate) type ItemError = (Range<usize>, String);

/// Parses an item: `5`, `005`, `1-40`, `01-40`, `0-40/2`, `0:40:2`, `a`, `a-f`. Adds its segments in order.
pub(crate) fn parse_item(item: &str, segments: &mut Vec<Segment>) -> Result<(), ItemError> {
    let whole = || 0..item.len();
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => match item.match_indices(':').nth(1) {
            Some((at, _)) => (&item[..at], Some(&item[at + 1..])),
            None => (item, None),
        },
    };
    let (low, high) = range.split_once(['-', ':']).map_or((range, None), |(low, high)| (low, Some(high)));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_letter = |text: &str| text.len() == 1 && text.as_bytes()[0].is_ascii_alphabetic();
    let ends = [low, high.unwrap_or(low)];
    if let Some(long) = ends.iter().find(|end| end.len() > MOST_DIGITS_READ)
        && is_digits(long)
    {
        return Err((whole(), format!("a number of more than {MOST_DIGITS_READ} digits")));
    }
    let letters = ends.iter().all(|end| is_letter(end));
    if !letters && !ends.iter().all(|end| is_digits(end)) {
        let why = not_an_item(item);
        return Err((whole(), why));
    }
    let step = match step {
        None => 1,
        Some(_) if high.is_none() => return Err((whole(), "a step without a range".to_string())),
        Some(step) => parse_step(step).map_err(|why| (item.len() - step.len()..item.len(), why.to_string()))?,
    };
    let Some(high) = high else {
        segments.push(Segment { low: low.into(), high: low.into(), step: 1 });
        return Ok(());
    };
    if letters { letter_range(low, high, step, segments) } else { number_range(low, high, step, segments) }
        .map_err(|why| (whole(), why))
}

/// Returns a message for an item that is neither numbers nor letters. It guesses what was meant.
fn not_an_item(item: &str) -> String {
    match item {
        _ if item.contains("..") => {
            format!("not a number or a range: write {} for {item}", item.replacen("..", "-", 1))
        }
        _ if item.contains('-') && item.contains(':') => "a step is written 1-9/2 or 1:9:2".to_string(),
        _ if item.ends_with(['-', ':']) => "the end of the range is missing".to_string(),
        _ if item.contains(char::is_whitespace) => "a blank within a number or range".to_string(),
        _ if item.contains(['\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2212}']) => {
            "this dash is not the - of a range".to_string()
        }
        _ if item.chars().all(|c| c.is_alphabetic()) => {
            "brackets hold numbers and single letters: write words out, as in web-a,web-b".to_string()
        }
        _ => "not a number, a letter or a range such as 1-40".to_string(),
    }
}

fn parse_step(step: &str) -> Result<u64, &'static str> {
    match step.parse() {
        _ if step.is_empty() || !step.bytes().all(|byte| byte.is_ascii_digit()) => Err("the step is not a number"),
        Ok(0) => Err("a step of 0 leads nowhere"),
        Ok(step) => Ok(step),
        Err(_) => Err("a step beyond 64 bits"),
    }
}

fn letter_range(low: &str, high: &str, step: u64, segments: &mut Vec<Segment>) -> Result<(), String> {
    let (first, last) = (low.as_bytes()[0], high.as_bytes()[0]);
    if first.is_ascii_lowercase() != last.is_ascii_lowercase() {
        return Err("a range from small to capital letters".to_string());
    }
    if last < first {
        return Err(format!("the range goes down: write {high}-{low}"));
    }
    let last = last - (u64::from(last - first) % step) as u8;
    segments.push(Segment { low: low.into(), high: char::from(last).to_string().into(), step });
    Ok(())
}

fn number_range(low: &str, high: &str, step: u64, segments: &mut Vec<Segment>) -> Result<(), String> {
    let bare = |digits: &str| match digits.trim_start_matches('0') {
        "" => "0".to_string(),
        digits => digits.to_string(),
    };
    if digits::compare(high, low) == Ordering::Less {
        return Err(format!("the range goes down: write {high}-{low}"));
    }
    if high.len() != low.len() && high.len() > 1 && high.starts_with('0') {
        let width = low.len().max(high.len());
        let (low_value, high_value) = (bare(low), bare(high));
        return Err(format!(
            "the ends are padded differently: write {low_value:0>width$}-{high_value:0>width$} or {low}-{high_value}"
        ));
    }
    // One segment for each length. Numbers longer than the low end have no zeros in front.
    let longest = low.len().max(bare(high).len());
    let mut start = low.to_string();
    for length in low.len()..=longest {
        if start.len() > length {
            continue;
        }
        let end = if length == longest { format!("{:0>length$}", bare(high)) } else { "9".repeat(length) };
        if end < start {
            break;
        }
        let (end, next) = match step {
            1 => (end, format!("1{}", "0".repeat(length))),
            step => {
                let (first, last) = (digits::value(start.as_bytes()), digits::value(end.as_bytes()));
                let last = &first + (last - &first) / step * step;
                (format!("{:0>length$}", last.to_string()), (last + step).to_string())
            }
        };
        let step = if start == end { 1 } else { step };
        segments.push(Segment { low: start.into(), high: end.into(), step });
        start = format!("{next:0>length$}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(item: &str) -> String {
        let mut segments = Vec::new();
        parse_item(item, &mut segments).unwrap();
        let shown = segments.iter().map(|segment| match segment.step {
            1 => format!("{}-{}", segment.low, segment.high),
            step => format!("{}-{}/{step}", segment.low, segment.high),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn an_item_has_a_segment_for_each_length() {
        assert_eq!(segments("8-120"), "8-9 10-99 100-120");
        assert_eq!(segments("08-120"), "08-99 100-120");
        assert_eq!(segments("001-10"), "001-010");
        assert_eq!(segments("7"), "7-7");
        assert_eq!(segments("0-25/5"), "0-5/5 10-25/5");
        assert_eq!(segments("1-1000/500"), "1-1 501-501");
        assert_eq!(segments("01:50:2"), "01-49/2");
        assert_eq!(segments("a:f"), "a-f");
        assert_eq!(segments("a-f/2"), "a-e/2");
        assert_eq!(
            segments("99999999999999999998-100000000000000000001"),
            "99999999999999999998-99999999999999999999 100000000000000000000-100000000000000000001"
        );
    }
}
