//! Tests the language as a whole against a model that expands everything.

use crate::cli::options::Slice;
use crate::cli::query;
use crate::fold::{FoldOptions, Folder};
use crate::language::parse::parse;
use crate::node_groups::NodeGroups;
use crate::output::fold_lines::Folded;
use crate::pattern::names::Names;
use crate::set::listing::{Listing, Repeats};
use crate::set::select::Select;
use crate::set::visit::{HostVisitor, Visited};
use crate::set::{Host, HostSet, Operator};
use cerveza_record::natural_cmp;
use cerveza_record::printed_name;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::HashSet;

/// An expression, and all its names in order, each once.
#[derive(Clone, Debug)]
struct Model {
    text: String,
    names: Vec<String>,
}

/// One item of a bracket and its strings.
fn item() -> impl Strategy<Value = Model> {
    let numbers = (0u32..15, 0u32..12, 0usize..4, 1usize..4).prop_map(|(low, more, width, step)| {
        let (low_text, high_text) = (format!("{low:0width$}"), format!("{:0width$}", low + more));
        let width = low_text.len();
        let numbers = (low..=low + more).step_by(step).map(|number| format!("{number:0width$}")).collect();
        let text = match step {
            1 if more == 0 => low_text,
            1 => format!("{low_text}-{high_text}"),
            2 => format!("{low_text}-{high_text}/2"),
            step => format!("{low_text}:{high_text}:{step}"),
        };
        Model { text, names: numbers }
    });
    let letters = (b'a'..b'f', 0u8..4).prop_map(|(low, more)| Model {
        text: format!("{}-{}", low as char, (low + more) as char),
        names: (low..=low + more).map(|letter| (letter as char).to_string()).collect(),
    });
    prop_oneof![4 => numbers, 1 => letters]
}

/// Texts and brackets side by side, so numbers touch each other.
fn word() -> impl Strategy<Value = Model> {
    let text = prop_oneof![Just("n"), Just("1"), Just("0"), Just("ab"), Just("x2")]
        .prop_map(|text| Model { text: text.to_string(), names: vec![text.to_string()] });
    let group = vec(item(), 1..3).prop_map(|items| {
        let text: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
        Model {
            text: format!("[{}]", text.join(",")),
            names: items.iter().flat_map(|item| item.names.clone()).collect(),
        }
    });
    vec(prop_oneof![text, group], 1..4).prop_map(|parts| {
        let none = Model { text: String::new(), names: vec![String::new()] };
        let word = parts.into_iter().fold(none, |word, part| Model {
            text: word.text + &part.text,
            names: word
                .names
                .iter()
                .flat_map(|head| part.names.iter().map(move |tail| format!("{head}{tail}")))
                .collect(),
        });
        Model { names: unique(word.names), ..word }
    })
}

fn unique(names: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

fn expression() -> impl Strategy<Value = Model> {
    word().prop_recursive(3, 12, 3, |inner| {
        let operand = inner.prop_map(|model| Model { text: format!("({})", model.text), ..model });
        let operators = prop_oneof![3 => Just(","), 1 => Just(" ! "), 1 => Just("&"), 1 => Just("^")];
        (prop_oneof![word(), operand.clone()], vec((operators, prop_oneof![word(), operand]), 1..3)).prop_map(
            |(first, rest)| {
                // An operation between two names is refused.
                let is_name = |text: &str| text.chars().all(char::is_alphanumeric);
                rest.into_iter().fold(first, |left, (operator, right)| Model {
                    text: if operator != "," && is_name(&right.text) {
                        format!("{}{operator}({})", left.text, right.text)
                    } else {
                        format!("{}{operator}{}", left.text, right.text)
                    },
                    names: operate(operator.trim(), left.names, right.names),
                })
            },
        )
    })
}

fn operate(operator: &str, left: Vec<String>, right: Vec<String>) -> Vec<String> {
    let minus = |a: &[String], b: &[String]| a.iter().filter(|name| !b.contains(name)).cloned().collect::<Vec<_>>();
    match operator {
        "!" => minus(&left, &right),
        "&" => left.into_iter().filter(|name| right.contains(name)).collect(),
        "^" => [minus(&left, &right), minus(&right, &left)].concat(),
        _ => unique([left, right].concat()),
    }
}

fn parsed(text: &str) -> HostSet<'_> {
    parse(text, &NodeGroups::in_folders(Vec::new())).unwrap_or_else(|error| panic!("{error}"))
}

/// Collects the names.
#[derive(Default)]
struct All(Vec<String>);

impl HostVisitor for All {
    fn visit_host(&mut self, host: &Host<'_>) -> Visited {
        self.0.push(host.name().to_string());
        Ok(())
    }
}

pub(crate) fn all(set: &HostSet<'_>) -> Vec<String> {
    let mut all = All::default();
    assert!(set.for_each_host(&mut all).is_ok());
    all.0
}

pub(crate) fn expanded(text: &str) -> Vec<String> {
    all(&parsed(text))
}

fn count(set: &HostSet<'_>) -> usize {
    set.count().unwrap().try_into().unwrap()
}

proptest! {
    #[test]
    fn a_set_has_the_names_of_the_model(model in expression()) {
        let set = parsed(&model.text);
        prop_assert_eq!(&all(&set), &model.names, "{}", model.text);
        prop_assert_eq!(count(&set), model.names.len(), "{}", model.text);
        prop_assert!(set.len() >= model.names.len() as u128);
        if set.is_sorted() {
            prop_assert!(model.names.is_sorted_by(|a, b| natural_cmp(a, b).is_le()), "{}", model.text);
        }
    }

    #[test]
    fn contains_is_true_only_for_its_names(model in expression(), other in word()) {
        let set = parsed(&model.text);
        for name in model.names.iter().chain(&other.names) {
            prop_assert_eq!(set.contains(name), model.names.contains(name), "{} in {}", name, model.text);
        }
        if !other.names.is_empty() {
            let has_all = other.names.iter().all(|name| model.names.contains(name));
            prop_assert_eq!(query::contains(&parsed(&model.text), &parsed(&other.text)).unwrap(), has_all);
            let missing = parsed(&other.text).combine(Operator::Difference, set).unwrap();
            prop_assert_eq!(missing.is_empty(), has_all, "{} in {}", other.text, model.text);
        }
    }

    #[test]
    fn index_and_nth_agree_with_the_model(model in expression(), first in 0usize..40, more in 0usize..40, from_end in any::<bool>()) {
        let listing = Listing::new(parsed(&model.text), Repeats::Records);
        for (at, name) in model.names.iter().enumerate().step_by(7) {
            prop_assert_eq!(query::index(&listing, name).unwrap(), Some(at as u128), "{} in {}", name, model.text);
        }
        prop_assert_eq!(query::index(&listing, "no-such-name").unwrap(), None);
        let many = model.names.len();
        let (slice, wanted) = if from_end {
            (format!("-{}-", first + 1), many.saturating_sub(first + 1)..many)
        } else {
            (format!("{first}-{}", first + more), first.min(many)..(first + more + 1).min(many))
        };
        let positions = slice.parse::<Slice>().unwrap().positions(Some(many as u128));
        let mut taken = All::default();
        let _ = listing.for_each_host(&mut Select::new(positions.clone(), &mut taken));
        prop_assert_eq!(&taken.0, &model.names[wanted], "{} of {}", slice, model.text);
        prop_assert_eq!(positions.count_before(many as u128), taken.0.len() as u128);
    }

    #[test]
    fn folded_and_expanded_it_is_the_same_set(model in expression(), autostep in prop::option::of(3usize..5)) {
        let options = FoldOptions { autostep, ..FoldOptions::default() };
        let mut folder = Folder::new(options.clone());
        model.names.iter().for_each(|name| folder.add(name));
        if !model.names.is_empty() {
            let folded = folder.finish();
            let mut runs = Folded::new(options);
            prop_assert!(parsed(&model.text).for_each_host(&mut runs).is_ok());
            prop_assert_eq!(runs.take_expression(), Some(folded.clone()), "runs of {}", model.text);
            let names = expanded(&folded);
            prop_assert_eq!(names.len(), model.names.len(), "{} of {}", folded, model.text);
            let sorted = |mut names: Vec<String>| { names.sort(); names };
            prop_assert_eq!(sorted(names), sorted(model.names), "{}", folded);
        }
    }

    #[test]
    fn blocks_have_the_same_names_as_single_steps(model in word(), room in 600usize..2000, limit in 0u128..200) {
        let set = parsed(&model.text);
        for portion in set.patterns() {
            let (pattern, positions) = (&portion.pattern, 0..portion.len());
            let mut one_by_one = Names::new(pattern, positions.clone()).split_off(limit);
            let mut lines = String::new();
            while let Some(name) = one_by_one.next_name() {
                lines.push_str(&format!("<{name}>\n"));
            }
            let mut names = Names::new(pattern, positions).split_off(limit);
            let (mut block, mut filled) = (vec![0; room], Vec::new());
            while names.left() > 0 {
                let used = names.fill(&mut block, 0, b"<", b">\n");
                filled.extend_from_slice(&block[..used]);
            }
            prop_assert_eq!(String::from_utf8(filled).unwrap(), lines);
        }
    }

    #[test]
    fn the_parser_survives_expressions(text in r#"[\[\]()!&^,@a-c0-9/:*{}.\- \t"\\-]{0,30}"#) {
        never_breaks(&text)?;
    }

    #[test]
    fn the_parser_survives_any_text(text in any::<String>()) {
        never_breaks(&text)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn many_small_sets_make_their_union(models in vec(expression(), 60..80)) {
        let mut set = HostSet::default();
        models.iter().for_each(|model| set.append(parsed(&model.text)));
        let set = set.expand_many_patterns();
        let names = unique(models.iter().flat_map(|model| model.names.clone()).collect());
        prop_assert_eq!(count(&set), names.len());
        prop_assert_eq!(all(&set), names);
    }
}

/// The text gives an error that can be shown, or names that read back as themselves.
fn never_breaks(text: &str) -> Result<(), TestCaseError> {
    let set = match parse(text, &NodeGroups::in_folders(Vec::new())) {
        Ok(set) => set,
        Err(error) => {
            prop_assert!(text.get(error.span.clone()).is_some());
            prop_assert!(error.to_string().lines().count() == 3, "{}", error);
            return Ok(());
        }
    };
    if set.len() > 1000 {
        return Ok(());
    }
    let names = all(&set);
    prop_assert_eq!(names.len(), count(&set));
    for name in names {
        prop_assert_eq!(expanded(&printed_name(&name)), std::slice::from_ref(&name));
    }
    Ok(())
}

#[test]
fn names_of_any_length_count_fold_and_stay_exact() {
    let nines = "9".repeat(40);
    let set = format!("n[{nines}0-{nines}3]");
    assert_eq!(expanded(&set), (0..4).map(|last| format!("n{nines}{last}")).collect::<Vec<_>>());
    let count = |set: &str| parsed(set).count().unwrap().to_string();
    assert_eq!(count(&format!("n[1-{nines}]")), nines);
    assert_eq!(count(&format!("n[0-{nines}/1000],x,n5")), format!("1{}2", "0".repeat(36)));
    assert_eq!(count(&format!("n[1-{nines}],n[5-7],n9,n[0-8]")), format!("1{}", "0".repeat(40)));
}

#[test]
fn places_beyond_64_bits_are_exact() {
    let many = "9".repeat(30);
    let listing = Listing::new(parsed("n[1-999999999999999999999999999999]"), Repeats::Once);
    let taken = |slice: &str| {
        let positions = slice.parse::<Slice>().unwrap().positions(Some(listing.len().unwrap()));
        let mut taken = All::default();
        let _ = listing.for_each_host(&mut Select::new(positions, &mut taken));
        taken.0
    };
    assert_eq!(taken("-1"), [format!("n{many}")]);
    assert_eq!(
        taken("99999999999999999999-100000000000000000000"),
        ["n100000000000000000000", "n100000000000000000001"]
    );
    let set = parsed("n[1-999999999999999999999999999999]");
    let mut names = set.patterns().next().unwrap().runs().next().unwrap();
    let third = 10u128.pow(30) / 3;
    let parts = [names.split_off(third), names.split_off(third), names];
    assert_eq!(
        parts.map(|mut part| part.next_name().unwrap().to_string()),
        ["n1".to_string(), format!("n{}4", "3".repeat(29)), format!("n{}7", "6".repeat(29))]
    );
}

#[test]
fn a_position_beyond_128_bits_is_refused() {
    let text = format!("n[1-{}],x,web1", "9".repeat(40));
    let listing = Listing::new(parsed(&text), Repeats::Once);
    assert_eq!(query::index(&listing, "web1").unwrap_err().message, "more than 2^128 hosts come before web1");
}

#[test]
fn an_operation_keeps_patterns() {
    let patterns = |text: &str| parsed(text).patterns().map(|portion| portion.len()).collect::<Vec<_>>();
    assert_eq!(patterns("n[1-1000000]!(n[5-7],x)"), [999_997]);
    assert_eq!(patterns("n[1-1000000]&n[0-2000000/2]!n4"), [499_999]);
    assert_eq!(patterns("r[1-9]n[1-9]^r[9-10]n[1-9]"), [72, 9]);
    assert_eq!(patterns("n[1-9]!n[0-10]"), [0u128; 0]);
}

#[test]
fn a_name_that_is_given_twice_comes_once() {
    assert_eq!(expanded("n[1-3],n2,n[3-5],n4"), ["n1", "n2", "n3", "n4", "n5"]);
    assert_eq!(expanded("[1-2][1-2],[1-2]1"), ["11", "12", "21", "22"]);
    assert_eq!(expanded("[1,11][11,1]"), ["111", "11", "1111"]);
}
