//! The options that fold, count, select, split and query a set.

use crate::{names, printed, refused};
use kit::Sandbox;
use std::collections::HashSet;

/// More names than could ever be expanded.
const HUGE: &str = "n[1-999999999999]x[1-1000]";

#[test]
fn fold_uses_all_numbers_or_the_given_axes() {
    let set = ["-f", "r[1-3]n[1-2]", "db[1-2,08]"];
    assert_eq!(printed(&set, ""), "r[1-3]n[1-2],db[1-2,08]\n");
    let along = |axes: &str| printed(&["-f", "--axis", axes, "r[1-2]n[1-2]"], "");
    assert_eq!(along("1"), "r[1-2]n1,r[1-2]n2\n");
    assert_eq!(along("2"), "r1n[1-2],r2n[1-2]\n");
    assert_eq!(along("-1"), along("2"));
    assert_eq!(along("1-2"), "r[1-2]n[1-2]\n");
    assert_eq!(along("1,2"), along("1-2"));
    assert_eq!(printed(&["--fold"], "n3\nn1\n{\"host\":\"n2\"}\n"), "n[1-3]\n");
}

#[test]
fn autostep_folds_even_steps() {
    assert_eq!(printed(&["-f", "--autostep", "3", "n[0-10/2]", "x1", "x3"], ""), "n[0-10/2],x[1,3]\n");
    assert_eq!(printed(&["-f", "n[0-4/2]"], ""), "n[0,2,4]\n");
}

#[test]
fn a_count_needs_no_expansion() {
    let count = |set: &str| printed(&["-c", set], "").trim_end().parse::<u64>().unwrap();
    assert_eq!(count(HUGE), 999_999_999_999_000);
    assert_eq!(count("n[1-999999]!n[5-10]"), 999_993);
    assert_eq!(count(&format!("n[1-10]x[1-10]&{HUGE}")), 100);
    assert_eq!(count("n[1-999]x[1-1000]!n[5-10]x[1-2000]^db[1-3]"), 993_003);
    assert_eq!(count("n[1-999999999999],n[5-1000000000000]"), 1_000_000_000_000);
    assert_eq!(printed(&["-c", HUGE, "--nth", "-7-"], ""), "7\n");
    assert_eq!(printed(&["-c", "n1", "-x", "n1"], ""), "0\n");
}

#[test]
fn an_operation_sort_or_fold_of_more_names_than_fit_into_memory_is_refused() {
    let operation = "too many hosts for an operation: it reads at most 20000000 into memory";
    let marked = format!("hostrange: bad expression: {operation}\n  n[1-999999999999]!n[5-10]\n                   ^\n");
    assert_eq!(refused(&["-c", "n[1-999999999999]!n[5-10]"], ""), marked);
    assert_eq!(refused(&["--index", "n7", "n[1-999999999999]!n[5-10]"], ""), marked);
    for option in ["-x", "-i", "-X"] {
        assert_eq!(refused(&["n[1-999999999999]", option, "-"], "n5\n"), format!("hostrange: {operation}\n"));
    }
    assert_eq!(refused(&["-f", HUGE], ""), "hostrange: cannot fold more than 20000000 hosts\n");
    assert_eq!(refused(&["--sort", HUGE, "n1"], ""), "hostrange: cannot sort more than 20000000 hosts\n");
    assert_eq!(refused(&["--contains", HUGE, HUGE], ""), "hostrange: cannot look up more than 20000000 hosts\n");
    let overlapping = "hostrange: cannot count more than 20000000 hosts of overlapping patterns\n";
    assert_eq!(refused(&["-c", "n[1-9999][1-9999]"], ""), overlapping);
}

#[test]
fn nth_counts_from_0_or_from_the_end() {
    let at = |slice: &str| names(&["n[1-9]", "--nth", slice]);
    assert_eq!(at("0"), "n1");
    assert_eq!(at("-1"), "n9");
    assert_eq!(at("2-3"), "n3 n4");
    assert_eq!(at("7-"), "n8 n9");
    assert_eq!(at("-3-"), "n7 n8 n9");
    assert_eq!(at("-3--2"), "n7 n8");
    assert_eq!(at("6--1"), "n7 n8 n9");
    assert_eq!(at("8,0-1,-2,99"), "n1 n2 n8 n9");
    assert_eq!(printed(&["-f", "n[1-9]", "--nth=-4-"], ""), "n[6-9]\n");
    let run = Sandbox::new().run("hostrange", &["n[1-9]", "--nth", "9"], "").exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "hostrange: no host is left\n"));
    for wrong in ["", "x", "2-1", "1-2-3", "1,"] {
        assert!(
            refused(&["n1", "--nth", wrong], "").contains("is not a position: use 0, -1 (the last), 10-19 or 5-\n")
        );
    }
}

#[test]
fn nth_and_index_do_not_expand_a_huge_set() {
    assert_eq!(names(&[HUGE, "--nth", "500000000000000"]), "n500000000001x1");
    assert_eq!(names(&[HUGE, "--nth", "-1"]), "n999999999999x1000");
    assert_eq!(names(&["n5", "n[1-999999999999]", "--nth", "-2-"]), "n999999999998 n999999999999");
    assert_eq!(printed(&["--index", "n999999999999x1000", HUGE], ""), "999999999998999\n");
    assert_eq!(printed(&["--index", "n999999999999", "n5", "n[1-999999999999]"], ""), "999999999998\n");
}

#[test]
fn index_prints_the_position() {
    assert_eq!(printed(&["--index", "n7", "n[1-9]!n2"], ""), "5\n");
    assert_eq!(printed(&["--index", "n1", "--sort", "n[2-9]", "n1"], ""), "0\n");
    assert_eq!(printed(&["--index", "b"], "a\n{\"host\":\"b\"}\n"), "1\n");
    let run = Sandbox::new().run("hostrange", &["--index", "n2", "n[1-9]!n2"], "").exits(1);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "hostrange: n2 is not in the set\n"));
}

#[test]
fn contains_answers_by_its_exit_status() {
    let asked = |args: &[&str], stdin: &str| {
        let run = Sandbox::new().run("hostrange", args, stdin);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
        run.code
    };
    assert_eq!(asked(&["--contains", "n[2-3]", "n[1-9]"], ""), 0);
    assert_eq!(asked(&["--contains", "n[2-30]", "n[1-9]"], ""), 1);
    assert_eq!(asked(&["--contains", "n2", "n[1-9]", "-x", "n2"], ""), 1);
    assert_eq!(asked(&["--contains", "n1"], ""), 1);
    assert_eq!(asked(&["--contains", "-", "n[1-9]"], "n3\n{\"host\":\"n4\"}\n"), 0);
    assert_eq!(asked(&["--contains", "n[1-999]", "n[1-99999]!n7"], ""), 1);
    assert_eq!(asked(&["--contains", "n[8-999]", "n[1-99999]!n7"], ""), 0);
    assert_eq!(asked(&["--contains", "n[8-999]", "n[1-9999999999]"], ""), 0);
    // An empty file of hosts must not pass a check.
    let none = "hostrange: --contains: the expression has no hosts\n";
    assert_eq!(refused(&["--contains", "-", "n1"], ""), none);
}

#[test]
fn split_makes_parts_of_equal_size() {
    assert_eq!(printed(&["-1", "--split", "3", "n[1-8]"], ""), "n1 n2 n3\nn4 n5 n6\nn7 n8\n");
    assert_eq!(printed(&["--split", "3", "-s", ",", "n[1-8]"], ""), "n1,n2,n3\nn4,n5,n6\nn7,n8\n");
    assert_eq!(printed(&["--split", "3", "-f", "n[1-8]!n2"], ""), "n[1,3-4]\nn[5-6]\nn[7-8]\n");
    let records = "{\"host\":\"n1\",\"split\":1}\n{\"host\":\"n2\",\"split\":1}\n{\"host\":\"n3\",\"split\":2}\n";
    assert_eq!(printed(&["--split", "2", "n[1-3]"], ""), records);
    assert_eq!(printed(&["--split", "2", "-o", "table", "n[1-3]"], ""), "HOST  SPLIT\nn1    1\nn2    1\nn3    2\n");
    assert_eq!(printed(&["-1", "--split", "9", "n[1-2]"], ""), "n1\nn2\n");
    assert_eq!(printed(&["-1", "--split", "2", "--nth", "2-5", "n[1-9]"], ""), "n3 n4\nn5 n6\n");
}

#[test]
fn pick_selects_distinct_hosts_and_a_seed_repeats_it() {
    let set = "n[1-1000]!n500";
    let all: Vec<String> = names(&[set]).split(' ').map(str::to_string).collect();
    let pick = |args: &[&str]| names(&[&[set, "--pick", "990"], args].concat());
    let picked = pick(&[]);
    let picked: Vec<&str> = picked.split(' ').collect();
    assert_eq!(picked.len(), 990);
    assert_eq!(picked.iter().collect::<HashSet<_>>().len(), 990);
    let mut rest = all.iter();
    assert!(picked.iter().all(|name| rest.any(|other| other == name)), "not in order: {picked:?}");
    assert_eq!(pick(&["--seed", "7"]), pick(&["--seed", "7"]));
    assert_ne!(pick(&["--seed", "7"]), pick(&["--seed", "8"]));
    assert_eq!(names(&[HUGE, "--pick", "3"]).split(' ').count(), 3);
    assert_eq!(names(&["n[1-3]", "--pick", "9"]), "n1 n2 n3");
    assert_eq!(printed(&["-c", "n[1-100]", "--pick", "9"], ""), "9\n");
}

#[test]
fn separator_joins_the_names() {
    assert_eq!(printed(&["-s", ",", "n[1-3]"], ""), "n1,n2,n3\n");
    assert_eq!(printed(&["-s", "\\t", "n[1-3]"], ""), "n1\tn2\tn3\n");
    assert_eq!(printed(&["-s", " -w ", "n[1-2]", "x"], ""), "n1 -w n2 -w x\n");
    assert_eq!(printed(&["-s", "\\0", "n[1-3]"], ""), "n1\0n2\0n3\0");
    let run = Sandbox::new().sh("hostrange -s '\\0' 'n[1-3]' | xargs -0 -n 1 echo host").exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("host n1\nhost n2\nhost n3\n", ""));
}

#[test]
fn sort_compares_numbers_by_value() {
    assert_eq!(names(&["--sort", "web10", "web[1-2,02]", "db"]), "db web1 web02 web2 web10");
    assert_eq!(names(&["--sort", "n[1-9]!n5", "n[10,5]", "--nth", "-2-"]), "n9 n10");
}

#[test]
fn keep_duplicates_keeps_hosts_that_are_given_twice() {
    assert_eq!(names(&["--keep-duplicates", "n[1-2]", "n[2-3]", "n1"]), "n1 n2 n2 n3 n1");
    assert_eq!(names(&["--keep-duplicates", "n[1-2]", "n1", "-x", "n2"]), "n1 n1");
    assert_eq!(names(&["--keep-duplicates", "--sort", "n[1-2]", "n1"]), "n1 n1 n2");
    assert_eq!(printed(&["--keep-duplicates", "-c", "n[1-999999999999]", "n5"], ""), "1000000000000\n");
}

#[test]
fn fail_empty_fails_if_no_host_is_left() {
    for args in [&["n1", "-x", "n1"][..], &["n1&n2"], &["n[1-9]", "--nth", "9"], &["-f", "n1!n1"]] {
        let run = Sandbox::new().run("hostrange", args, "").exits(0);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "hostrange: no host is left\n"));
        let run = Sandbox::new().run("hostrange", &[args, &["--fail-empty"]].concat(), "").exits(1);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "hostrange: no host is left\n"));
    }
    assert_eq!(names(&["n1", "--fail-empty"]), "n1");
}

#[test]
fn more_than_max_hosts_are_refused_before_anything_is_written() {
    let more = "hostrange: 3 hosts are more than --max 2\n";
    for form in ["-1", "-f", "-s,", "--split=2", "--output=table"] {
        assert_eq!(refused(&[form, "--max", "2", "n[1-3]"], ""), more, "{form}");
    }
    assert_eq!(refused(&["--max", "2"], "n1\nn2\n{\"host\":\"n3\"}\n"), more);
    assert_eq!(refused(&["--max", "9", HUGE], ""), "hostrange: 999999999999000 hosts are more than --max 9\n");
    assert_eq!(names(&["--max", "3", "n[1-3]", "n[2-3]"]), "n1 n2 n3");
    assert_eq!(names(&["--max", "1", HUGE, "--nth", "0"]), "n1x1");
}

#[test]
fn options_of_an_alias_can_be_given_again() {
    assert_eq!(printed(&["-1", "-1", "n[1-2]"], ""), "n1\nn2\n");
    assert_eq!(printed(&["-1", "-o", "json", "n1"], ""), "{\"host\":\"n1\"}\n");
    assert_eq!(printed(&["-o", "json", "-1", "n1"], ""), "n1\n");
    assert_eq!(printed(&["-1", "-f", "n1", "n2"], ""), "n[1-2]\n");
    assert_eq!(printed(&["-1", "-c", "-c", "n1", "n2"], ""), "2\n");
    assert_eq!(printed(&["-1", "--index", "n2", "n[1-2]"], ""), "1\n");
    assert_eq!(printed(&["-1", "--contains", "n2", "n[1-2]"], ""), "");
}

#[test]
fn names_on_one_line_as_nodeset_writes_them() {
    assert_eq!(printed(&["-e", "n[1-3]"], ""), "n1 n2 n3\n");
    assert_eq!(printed(&["--expand", "-s", ":", "n[1-3]"], ""), "n1:n2:n3\n");
}

#[test]
fn positions_beyond_the_end_select_nothing() {
    assert_eq!(printed(&["-c", "n1", "--nth", "5"], ""), "0\n");
    assert_eq!(printed(&["-1", "--max", "3", "--nth", "0-9", "n[1-2]"], ""), "n1\nn2\n");
    assert_eq!(printed(&["-1", "--split", "2", "--nth", "0-9", "n[1-4]"], ""), "n1 n2\nn3 n4\n");
    assert_eq!(printed(&["-c", "--keep-duplicates", "n[1-5]!n2", "n1"], ""), "5\n");
}

#[test]
fn conflicting_options_are_refused() {
    for pair in [
        ["-f", "-c"],
        ["-f", "-e"],
        ["-c", "-ojson"],
        ["-s,", "-ojson"],
        ["-s,", "-f"],
        ["--nth=0", "--pick=1"],
        ["--split=2", "-c"],
        ["--index=n1", "-c"],
        ["--index=n1", "--contains=n1"],
        ["--contains=n1", "-ojson"],
        ["--keep-duplicates", "-f"],
    ] {
        let message = refused(&[pair[0], pair[1], "n[1-3]"], "");
        assert!(message.contains("cannot be used with"), "{pair:?}: {message}");
    }
    for alone in ["--seed=1", "--axis=1", "--autostep=3"] {
        assert!(refused(&[alone, "n1"], "").contains("required arguments"), "{alone}");
    }
    for zero in ["--pick=0", "--split=0"] {
        assert!(refused(&[zero, "n1"], "").contains("0 is not in 1..="), "{zero}");
    }
}
