use super::*;
use crate::tests::expanded;
use cerveza_record::unquoted;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn folded_with(options: FoldOptions, names: &[impl AsRef<str>]) -> String {
    let mut folder = Folder::new(options);
    names.iter().for_each(|name| folder.add(name.as_ref()));
    folder.finish()
}

fn folded(names: &str) -> String {
    fold(names.split_whitespace())
}

fn along(axes: &[i64], names: &str) -> String {
    let options = FoldOptions { axes: Some(axes.to_vec()), ..FoldOptions::default() };
    folded_with(options, &names.split_whitespace().collect::<Vec<_>>())
}

fn words(expression: &str) -> Vec<&str> {
    let (mut words, mut start, mut in_group) = (Vec::new(), 0, false);
    for (at, c) in unquoted(expression) {
        in_group = c == '[' || (in_group && c != ']');
        if c == ',' && !in_group {
            words.push(&expression[start..at]);
            start = at + 1;
        }
    }
    words.push(&expression[start..]);
    words
}

#[test]
fn names_fold_in_any_order() {
    assert_eq!(folded(""), "");
    assert_eq!(folded("web3 web1 db1 web2"), "web[1-3],db1");
    assert_eq!(folded("web3 web1 web2 db1 web5"), "web[1-3,5],db1");
    assert_eq!(folded("n09 n10 n08 n8 n11"), "n[8,08-11]");
    assert_eq!(folded("a a a b a"), "a,b");
    assert_eq!(folded("2 1 3"), "[1-3]");
    assert_eq!(folded("n5 n5"), "n5");
    assert_eq!(folded("é2 é1"), "é[1-2]");
}

#[test]
fn shapes_keep_the_order_of_their_first_name() {
    let names: Vec<String> = (0..100).rev().flat_map(|at| [format!("web{at}.x"), format!("db{at}")]).collect();
    assert_eq!(folded_with(FoldOptions::default(), &names), "web[0-99].x,db[0-99]");
}

#[test]
fn several_numbers_fold_along_each_axis() {
    assert_eq!(folded("rack1n1 rack1n2 rack2n1 rack2n2"), "rack[1-2]n[1-2]");
    assert_eq!(folded("web1.a web2.a web1.b"), "web[1-2].a,web1.b");
    assert_eq!(folded("10.0.0.1 10.0.0.2 10.0.1.1"), "10.0.0.[1-2],10.0.1.1");
    assert_eq!(folded("r2n1 r2n2 r1n1 r1n2 r3n7"), "r[1-2]n[1-2],r3n7");
    assert_eq!(folded("web1.a1 web2.a2"), "web1.a1,web2.a2");
    assert_eq!(folded("r10n1 r9n1 r9n01 r8n1"), "r[8-10]n1,r9n01");
    assert_eq!(folded("r1n1 r1n1"), "r1n1");
}

#[test]
fn axes_count_from_either_end() {
    let names = "r1n1 r1n2 r2n1 r2n2";
    assert_eq!(along(&[1], names), "r[1-2]n1,r[1-2]n2");
    assert_eq!(along(&[-2], names), "r[1-2]n1,r[1-2]n2");
    assert_eq!(along(&[-1], names), "r1n[1-2],r2n[1-2]");
    assert_eq!(along(&[2, 1], names), "r[1-2]n[1-2]");
    assert_eq!(along(&[0, 3, -3], names), "r1n1,r1n2,r2n1,r2n2");
    assert_eq!(along(&[], "r2n1 r1n1 r2n1"), "r1n1,r2n1");
    assert_eq!(along(&[2], "n2 n1 n01 n2 x1y1 x1y2"), "n1,n01,n2,x1y[1-2]");
}

#[test]
fn steps_are_written_only_with_autostep() {
    let names: Vec<String> = [8, 0, 2, 6, 4, 10].iter().map(|at| format!("n{at}")).collect();
    assert_eq!(folded_with(FoldOptions::default(), &names), "n[0,2,4,6,8,10]");
    assert_eq!(
        folded_with(FoldOptions { autostep: Some(6), for_shell: true, ..FoldOptions::default() }, &names),
        "n[0-10/2]"
    );
    assert_eq!(
        folded_with(FoldOptions { autostep: Some(7), for_shell: true, ..FoldOptions::default() }, &names),
        "n[0,2,4,6,8,10]"
    );
}

#[test]
fn only_the_last_of_many_digits_fold() {
    let numbers = |digits: &str| format!("n{digits}1 n{digits}3 n{digits}2");
    assert_eq!(folded(&numbers("10000000000000000000")), "n[100000000000000000001-100000000000000000003]");
    assert_eq!(folded("n99999999999999999 n100000000000000000"), "n99999999999999999,n100000000000000000");
    let zeros = "0".repeat(254);
    assert_eq!(folded(&numbers(&zeros)), format!("n[{zeros}1-{zeros}3]"));
    let head = "0".repeat(255 - 16);
    assert_eq!(folded(&numbers(&"0".repeat(255))), format!("n{head}[00000000000000001-00000000000000003]"));
    let long = format!("n{}1", "0".repeat(70_000));
    assert_eq!(folded(&format!("{long} n1 {long}")), format!("{long},n1"));
}

#[test]
fn text_is_quoted_if_necessary() {
    assert_eq!(fold(["My Web 2", "web1", "My Web 1", "web2"]), "\"My Web \"[1-2],web[1-2]");
    let for_shell = FoldOptions { for_shell: true, ..FoldOptions::default() };
    assert_eq!(folded_with(for_shell, &["My Web 2", "My Web 1"]), r#""My\u0020Web\u0020"[1-2]"#);
    assert_eq!(fold(["1 x", "2 x"]), "[1-2]\" x\"");
    assert_eq!(fold(["a,b"]), "\"a,b\"");
    assert_eq!(fold(["-n1", "-n2", "@n1", "n1-", "n2-"]), "\"-n\"[1-2],\"@n1\",\"n\"[1-2]\"-\"");
    assert_eq!(fold(["web[1-2]", "web[1-3]"]), "\"web[1-\"[2-3]\"]\"");
    assert_eq!(fold(["a\x001", "a\x002"]), "\"a\\u0000\"[1-2]");
    assert_eq!(fold(["a b", "x\ntool: 5 ok"]), "\"a b\",\"x\\ntool: 5 ok\"");
    assert_eq!(fold(["n1 ", "n2 "]), "\"n\"[1-2]\" \"");
}

#[test]
fn many_axes_take_no_more_time() {
    let name = |number: &str| format!("{number}.").repeat(20_000);
    assert_eq!(folded(&[name("1"), name("2")].join(" ")), format!("{},{}", name("1"), name("2")));
}

fn any_options() -> impl Strategy<Value = FoldOptions> {
    let axes = prop::option::of(prop::collection::vec(-3..=3i64, 0..4));
    let options = (axes, prop::option::of(3..6usize), any::<bool>());
    options.prop_map(|(axes, autostep, for_shell)| FoldOptions { axes, autostep, for_shell, before: "" })
}

/// Names that share shapes, with numbers near changes of length.
fn any_names() -> impl Strategy<Value = Vec<String>> {
    let number = "[0-9]{1,2}|0{0,2}(8|9|10|11|98|99|100|101)|[0-9]{1,25}|[19]9{15,18}[89]|10{15,18}[01]";
    let name = format!("[a.]{{0,1}}({number})([b.-]({number})){{0,2}}[a-]{{0,1}}");
    let names = prop_oneof![
        prop::string::string_regex(&name).unwrap(),
        "[ab]{1,2}",
        "n[0-9]{1,2}",
        "n[0-3][.][0-3]x[0-3]",
        "[a-c.]{0,2}[0-9]{1,3}[ab-]{0,2}([0-9]{1,25})?",
        r#"[-@ ,!#\[\]"\\\x00\x1b\u{202e}a]{0,3}[0-9]{1,2}[-@ ,!"\\a]{0,2}"#
    ];
    prop::collection::vec(names, 1..80)
}

proptest! {
    #[test]
    fn fold_then_expand_gives_the_same_set(names in any_names(), options in any_options()) {
        let expression = folded_with(options, &names);
        let all = expanded(&expression);
        let unique: BTreeSet<_> = all.iter().cloned().collect();
        prop_assert_eq!(unique.len(), all.len(), "{} gives a name twice", expression);
        prop_assert_eq!(unique, names.into_iter().collect::<BTreeSet<_>>(), "{}", expression);
    }

    #[test]
    fn the_order_of_names_only_changes_the_order_of_shapes(
        (names, shuffled) in any_names().prop_flat_map(|names| (Just(names.clone()), Just(names).prop_shuffle())),
        options in any_options(),
    ) {
        let words_of = |names: &[String]| {
            let expression = folded_with(options.clone(), names);
            words(&expression).into_iter().map(String::from).collect::<BTreeSet<_>>()
        };
        prop_assert_eq!(words_of(&names), words_of(&shuffled));
    }

    #[test]
    fn a_product_is_one_word(
        axes in prop::collection::vec(prop::collection::btree_set("[0-9]{1,3}", 1..5), 1..5),
        seed in any::<prop::sample::Index>(),
    ) {
        let names = axes.iter().fold(vec![String::new()], |starts, numbers| {
            starts.iter().flat_map(|start| numbers.iter().map(move |number| format!("{start}x{number}"))).collect()
        });
        let mut rotated = names.clone();
        rotated.rotate_left(seed.index(names.len()));
        let expression = folded_with(FoldOptions::default(), &rotated);
        prop_assert_eq!(words(&expression).len(), 1, "{}", expression);
    }

    #[test]
    fn nothing_is_left_to_fold(names in prop::collection::vec("a[0-2]b[0-2]c[0-2]d[0-1]", 1..40)) {
        let expression = folded_with(FoldOptions::default(), &names);
        let groups: Vec<Vec<&str>> = words(&expression).iter().map(|word| word.split(['a', 'b', 'c', 'd']).collect()).collect();
        for (at, a) in groups.iter().enumerate() {
            for b in &groups[..at] {
                let different = a.iter().zip(b).filter(|(a, b)| a != b).count();
                prop_assert!(different > 1, "{} folds further", expression);
            }
        }
    }
}
