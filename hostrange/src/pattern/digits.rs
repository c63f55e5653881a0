//! Arithmetic on strings of decimal digits of any length.

use num_bigint::BigUint;
use std::cmp::Ordering;

/// Limit of digits of one number, zeros in front included. RFC 1123 allows names of 255 characters.
pub(crate) const MOST_DIGITS_READ: usize = 255;

/// Limit of digits of a number that is folded: with their count they fit into 64 bits.
pub(crate) const MOST_DIGITS_FOLDED: usize = 17;

/// Returns the value of a string of decimal digits.
pub(crate) fn value(digits: &[u8]) -> BigUint {
    // Callers pass digits only.
    BigUint::parse_bytes(digits, 10).unwrap_or_default()
}

/// Compares by value.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Returns `to` - `from`, or `None` if that does not fit. Both have the same length.
pub(crate) fn difference(from: &[u8], to: &[u8]) -> Option<u128> {
    let mut digits = from.iter().zip(to);
    digits
        .try_fold(0u128, |sum, (from, to)| sum.checked_mul(10)?.checked_add((*to).into())?.checked_sub((*from).into()))
}

/// Adds one in place. 999 becomes 000.
#[inline]
pub(crate) fn increment(digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        if *digit != b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
}

/// Adds `count` times `step` in place, without a carry beyond the first digit.
pub(crate) fn add(digits: &mut [u8], mut count: u128, step: u64) {
    let mut carry = 0;
    for digit in digits.iter_mut().rev() {
        if count == 0 && carry == 0 {
            return;
        }
        let sum = u128::from(*digit - b'0') + count % 10 * u128::from(step) + carry;
        *digit = b'0' + (sum % 10) as u8;
        (count, carry) = (count / 10, sum / 10);
    }
}

/// Returns the value modulo `step`.
pub(crate) fn modulo(digits: &[u8], step: u64) -> u64 {
    let step = u128::from(step);
    let rest = digits.iter().fold(0, |rest, digit| (rest * 10 + u128::from(*digit - b'0')) % step);
    rest as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_count_like_numbers(number in 0u64..1_000_000_000_000, more in 0u64..1_000_000_000_000, step in 1u64..) {
            let mut digits = format!("{number:020}").into_bytes();
            prop_assert_eq!(difference(&digits, format!("{:020}", number + more).as_bytes()), Some(more.into()));
            add(&mut digits, more.into(), 1);
            prop_assert_eq!(&digits, &format!("{:020}", number + more).into_bytes());
            let mut product = digits.clone();
            add(&mut product, more.into(), 1_000_000);
            prop_assert_eq!(value(&product), value(&digits) + BigUint::from(more) * 1_000_000u32);
            increment(&mut digits);
            prop_assert_eq!(&digits, &format!("{:020}", number + more + 1).into_bytes());
            prop_assert_eq!(modulo(&digits, step), (number + more + 1) % step);
            prop_assert_eq!(compare(&format!("{number:030}"), &more.to_string()), number.cmp(&more));
        }
    }

    #[test]
    fn nines_become_zeros() {
        let mut digits = *b"999";
        increment(&mut digits);
        assert_eq!(&digits, b"000");
    }
}
