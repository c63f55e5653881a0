//! The order in which people expect names: web2 before web10.

use std::cmp::Ordering;

/// Compares runs of digits as numbers of any length, all else by character; equal numbers by their zeros.
pub fn natural_cmp(a: &str, b: &str) -> Ordering {
    let starts_with_number = |text: &[u8]| text.first().is_some_and(u8::is_ascii_digit);
    let (mut a_rest, mut b_rest) = (a.as_bytes(), b.as_bytes());
    loop {
        let common = a_rest.iter().zip(b_rest).take_while(|(a, b)| a == b).count();
        // A number that begins in the common part may go on after it.
        let digits = a_rest[..common].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        (a_rest, b_rest) = (&a_rest[common - digits..], &b_rest[common - digits..]);
        if !starts_with_number(a_rest) || !starts_with_number(b_rest) {
            // Bytes of UTF-8 sort like characters.
            return a_rest.cmp(b_rest).then_with(|| a.cmp(b));
        }
        let (a_number, b_number) = (split_number(&mut a_rest), split_number(&mut b_rest));
        let order = a_number.len().cmp(&b_number.len()).then_with(|| a_number.cmp(b_number));
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Removes the digits at the start of `text`. Returns them without leading zeros.
fn split_number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    *text = rest;
    &number[number.iter().take_while(|byte| **byte == b'0').count()..]
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
