//! The order in which people expect names: web2 before web10.

use std::cmp::Ordering;

/// Compares runs of digits as numbers of any length, all else by character; equal numbers by their zeros.
pub fn natural_cmp(a: &str, b: &str) -> Ordering {
    let (mut a_rest, mut b_rest) = (a, b);
    while let (Some(a_char), Some(b_char)) = (a_rest.chars().next(), b_rest.chars().next()) {
        let order = if a_char.is_ascii_digit() && b_char.is_ascii_digit() {
            let (a_digits, b_digits) = (take_digits(&mut a_rest), take_digits(&mut b_rest));
            a_digits.len().cmp(&b_digits.len()).then(a_digits.cmp(b_digits))
        } else {
            a_rest = &a_rest[a_char.len_utf8()..];
            b_rest = &b_rest[b_char.len_utf8()..];
            a_char.cmp(&b_char)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a_rest.len().cmp(&b_rest.len()).then_with(|| a.cmp(b))
}

/// Takes the digits at the start of `text`, and gives them without leading zeros.
fn take_digits<'a>(text: &mut &'a str) -> &'a str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    digits.trim_start_matches('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_by_value() {
        let mut names = vec!["web10", "web2", "web02", "db", "web1.a", "web1", "web123456789012345678901"];
        names.sort_by(|a, b| natural_cmp(a, b));
        assert_eq!(names, ["db", "web1", "web1.a", "web02", "web2", "web10", "web123456789012345678901"]);
    }
}
