//! Names folded into one expression. What it gives, expanded, is the same set of names.

use crate::parse::is_name_char;
use cerveza_manners::visible;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// A name that no expression can hold, such as one with a blank or a bracket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldError {
    pub name: String,
}

impl fmt::Display for FoldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot fold {:?}: an expression cannot hold such a name", self.name)
    }
}

impl std::error::Error for FoldError {}

/// A name's runs of digits, and the text around them: `web1.a02` is `web`, `.a`, `` around `1`, `02`.
#[derive(PartialEq, Eq, Hash)]
struct Shape<'a> {
    texts: Vec<&'a str>,
}

/// Folds names into a comma-separated expression, dropping duplicates. Names that differ in one number are folded
/// along it; of several numbers along the one with the most values. Shapes keep the order of their first name, ranges
/// ascend.
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<String, FoldError> {
    let mut shapes: Vec<(Shape<'a>, Vec<Vec<&'a str>>)> = Vec::new();
    let mut index: HashMap<Vec<&'a str>, usize> = HashMap::new();
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            continue;
        }
        if name.is_empty() || name.starts_with(['-', '@']) || !name.chars().all(is_name_char) {
            return Err(FoldError { name: name.to_string() });
        }
        let (texts, numbers) = split(name);
        let at = *index.entry(texts.clone()).or_insert_with(|| {
            shapes.push((Shape { texts }, Vec::new()));
            shapes.len() - 1
        });
        shapes[at].1.push(numbers);
    }
    let words: Vec<String> = shapes.iter().flat_map(|(shape, rows)| fold_shape(shape, rows)).collect();
    Ok(words.join(","))
}

/// The digits of 64 bits. Longer runs, of zeros too, are left as they are.
const MOST_DIGITS: usize = 20;

/// The longest list of names that do not fold.
const MOST_LISTED: usize = 10;

/// The hosts of a message: folded, or listed where an expression cannot hold them. No name in it can pass for
/// another line.
pub fn fold_or_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    fold(names.iter().copied()).unwrap_or_else(|_| {
        let shown: Vec<_> = names.iter().take(MOST_LISTED).map(|name| visible(name)).collect();
        match names.len().saturating_sub(MOST_LISTED) {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    })
}

/// Splits a name at its runs of digits. A run too long for 64 bits stays text.
fn split(name: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut texts, mut numbers) = (Vec::new(), Vec::new());
    let (mut text_start, mut at) = (0, 0);
    while let Some(found) = name[at..].find(|c: char| c.is_ascii_digit()) {
        let start = at + found;
        let end = name[start..].find(|c: char| !c.is_ascii_digit()).map_or(name.len(), |len| start + len);
        let fits = end - start <= MOST_DIGITS && name[start..end].parse::<u64>().is_ok_and(|number| number < u64::MAX);
        if fits {
            texts.push(&name[text_start..start]);
            numbers.push(&name[start..end]);
            text_start = end;
        }
        at = end;
    }
    texts.push(&name[text_start..]);
    (texts, numbers)
}

/// The words for all names of one shape. `rows` has the numbers of each name.
fn fold_shape(shape: &Shape, rows: &[Vec<&str>]) -> Vec<String> {
    let axes = shape.texts.len() - 1;
    let values = |axis: usize| rows.iter().map(|row| row[axis]).collect::<HashSet<_>>().len();
    // The last axis wins a tie: web1.a1, web2.a2 fold along neither, and n[1-2] counts on its end.
    let Some(axis) = (0..axes).max_by_key(|axis| values(*axis)) else {
        return vec![shape.texts[0].to_string()];
    };
    let mut groups: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    let mut index: HashMap<Vec<&str>, usize> = HashMap::new();
    for row in rows {
        let mut rest = row.clone();
        let number = rest.remove(axis);
        let at = *index.entry(rest.clone()).or_insert_with(|| {
            groups.push((rest, Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(number);
    }
    groups.into_iter().map(|(rest, numbers)| word(shape, axis, &rest, numbers)).collect()
}

/// One word: the shape's texts, the numbers of the other axes, and at `axis` the folded numbers.
fn word(shape: &Shape, axis: usize, rest: &[&str], numbers: Vec<&str>) -> String {
    let folded = match numbers.as_slice() {
        [one] => one.to_string(),
        _ => format!("[{}]", fold_numbers(numbers)),
    };
    let mut rest = rest.iter();
    let mut word = shape.texts[0].to_string();
    for (at, text) in shape.texts[1..].iter().enumerate() {
        word.push_str(if at == axis { &folded } else { rest.next().unwrap_or(&"") });
        word.push_str(text);
    }
    word
}

/// `1,02-03,10-12`: ascending, each range in the padding of its low end.
fn fold_numbers(mut numbers: Vec<&str>) -> String {
    // split() lets through only what fits.
    let value = |digits: &str| digits.parse::<u64>().unwrap_or_default();
    numbers.sort_unstable_by_key(|digits| (value(digits), digits.len()));
    let mut left: HashSet<&str> = numbers.iter().copied().collect();
    let mut items = Vec::new();
    for low in numbers {
        if !left.remove(low) {
            continue;
        }
        let width = low.len();
        let mut high = low.to_string();
        loop {
            let next = format!("{:0width$}", value(&high) + 1);
            if !left.remove(next.as_str()) {
                break;
            }
            high = next;
        }
        items.push(if high == low { high } else { format!("{low}-{high}") });
    }
    items.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn folded(names: &str) -> String {
        fold(names.split_whitespace()).unwrap()
    }

    #[test]
    fn any_order_folds() {
        assert_eq!(folded("web3 web1 web2 db1 web5"), "web[1-3,5],db1");
        assert_eq!(folded("n09 n10 n08 n8 n11"), "n[8,08-11]");
        assert_eq!(folded("web1.a web2.a web1.b"), "web[1-2].a,web1.b");
        assert_eq!(folded("10.0.0.1 10.0.0.2 10.0.1.1"), "10.0.0.[1-2],10.0.1.1");
        assert_eq!(folded("a a a"), "a");
    }

    #[test]
    fn a_name_that_no_expression_holds_is_refused() {
        assert_eq!(
            fold(["web 1"]).unwrap_err().to_string(),
            "cannot fold \"web 1\": an expression cannot hold such a name"
        );
    }

    #[test]
    fn names_that_do_not_fold_are_listed_and_none_is_a_line_of_its_own() {
        assert_eq!(fold_or_list(["web1", "web2"]), "web[1-2]");
        assert_eq!(fold_or_list(["a b", "x\ntool: 5 ok"]), "a b, x\\ntool: 5 ok");
        let many: Vec<String> = (1..=12).map(|number| format!("n {number}")).collect();
        let shown = fold_or_list(many.iter().map(String::as_str));
        assert!(shown.ends_with("n 9, n 10 and 2 more"), "{shown}");
    }

    #[test]
    fn a_run_of_digits_too_long_to_count_stays_text() {
        let long = format!("n{}1", "0".repeat(70_000));
        assert_eq!(fold([long.as_str(), "n1"]).unwrap(), format!("{long},n1"));
    }

    proptest! {
        #[test]
        fn fold_then_expand_gives_the_same_set(
            names in prop::collection::vec("[a-c.]{0,2}[0-9]{1,3}[ab-]{0,2}([0-9]{1,25})?", 1..60)
        ) {
            let expression = fold(names.iter().map(String::as_str)).unwrap();
            let set = parse(&expression).unwrap();
            let mut expanded = Vec::new();
            let mut all = set.names();
            while let Some(name) = all.next_name() {
                expanded.push(name.to_string());
            }
            let unique: BTreeSet<_> = expanded.iter().cloned().collect();
            prop_assert_eq!(unique.len(), expanded.len(), "{} gives a name twice", expression);
            prop_assert_eq!(unique, names.into_iter().collect::<BTreeSet<_>>());
        }
    }
}
