//! Records are written unchanged, one for each host or instance.

use crate::{printed, printed_in};
use kit::Sandbox;

const WEB10: &str = r#"{"x":[1.0, "\u00e9"],"host":"web10","unknown":{"a":null}}"#;
const WEB2: &str = r#"{"host":"web2","instance_id":"i-2","cpu":1e3}"#;
const WEB1: &str = r#"{"host":"web1","tags":{"team":"dba"}}"#;

fn lines(records: &[&str]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

/// Returns what is written for these three records.
#[track_caller]
fn fleet_output(args: &[&str]) -> String {
    printed(args, lines(&[WEB10, WEB2, WEB1]))
}

#[test]
fn records_come_through_unchanged_beside_names() {
    let stdin = format!("web[1-2]\n# a comment\n\n{WEB10}");
    assert_eq!(printed(&[], stdin), lines(&[r#"{"host":"web1"}"#, r#"{"host":"web2"}"#, WEB10]));
    assert_eq!(fleet_output(&[]), lines(&[WEB10, WEB2, WEB1]));
    assert_eq!(fleet_output(&["db1", "-"]), lines(&[r#"{"host":"db1"}"#, WEB10, WEB2, WEB1]));
}

#[test]
fn operations_keep_records_whole() {
    assert_eq!(fleet_output(&["-x", "web2"]), lines(&[WEB10, WEB1]));
    assert_eq!(fleet_output(&["-i", "web[1-9]"]), lines(&[WEB2, WEB1]));
    assert_eq!(fleet_output(&["-X", "web[9-10]"]), lines(&[WEB2, WEB1, r#"{"host":"web9"}"#]));
}

#[test]
fn nth_sort_and_pick_keep_records_whole() {
    assert_eq!(fleet_output(&["--nth", "-1,0"]), lines(&[WEB10, WEB1]));
    assert_eq!(fleet_output(&["--sort"]), lines(&[WEB1, WEB2, WEB10]));
    let picked = fleet_output(&["--pick", "2"]);
    let pairs = [[WEB10, WEB2], [WEB10, WEB1], [WEB2, WEB1]];
    assert!(pairs.iter().any(|pair| picked == lines(pair)), "{picked}");
}

#[test]
fn a_split_adds_a_key_to_them_and_changes_no_other() {
    let split = |record: &str, part: u32| format!("{},\"split\":{part}}}", record.strip_suffix('}').unwrap());
    let wanted = [split(WEB10, 1), split(WEB2, 1), split(WEB1, 2)];
    assert_eq!(fleet_output(&["--split", "2"]), lines(&wanted.each_ref().map(String::as_str)));
    let again = printed(&["--split", "1"], "{\"split\":7,\"host\":\"a\"}\n");
    assert_eq!(again, "{\"split\":1,\"host\":\"a\"}\n");
}

#[test]
fn names_are_those_of_the_records() {
    assert_eq!(fleet_output(&["-1"]), "web10\nweb2\nweb1\n");
    assert_eq!(fleet_output(&["-s", ",", "--sort"]), "web1,web2,web10\n");
    assert_eq!(fleet_output(&["-f"]), "web[1-2,10]\n");
    assert_eq!(fleet_output(&["-c"]), "3\n");
    assert_eq!(fleet_output(&["--split", "2", "-1"]), "web10 web2\nweb1\n");
}

#[test]
fn a_name_is_written_as_its_record() {
    let web3 = r#"{"host":"web3"}"#;
    // In the order of the names.
    assert_eq!(fleet_output(&["web[1-3]", "-"]), lines(&[WEB1, WEB2, web3, WEB10]));
    assert_eq!(fleet_output(&["web[1-3]", "-i", "-"]), lines(&[WEB1, WEB2]));
    assert_eq!(fleet_output(&["web[1-3]", "-x", "-"]), lines(&[web3]));
    assert_eq!(fleet_output(&["web[1-3]", "-X", "-"]), lines(&[web3, WEB10]));
    assert_eq!(fleet_output(&["web[1-3]", "-x", "-", "-X", "web[1-2]"]), lines(&[web3, WEB1, WEB2]));
    let sandbox = Sandbox::new();
    sandbox.file("fleet.jsonl", lines(&[WEB10, WEB2, WEB1]));
    assert_eq!(printed_in(&sandbox, &["-i", "^fleet.jsonl"], "web2\nweb7\nweb1\n"), lines(&[WEB2, WEB1]));
}

#[test]
fn a_host_comes_once_for_each_instance() {
    let (one, other) = (r#"{"host":"a","instance_id":"i-1"}"#, r#"{"host":"a","instance_id":"i-2"}"#);
    let again = r#"{"host":"a","instance_id":"i-1","later":true}"#;
    assert_eq!(printed(&[], lines(&[one, other, again, "a"])), lines(&[one, other]));
    assert_eq!(printed(&["a", "-"], lines(&[one, other])), lines(&[one, other]));
    assert_eq!(printed(&["a", "-i", "-"], lines(&[one, other])), lines(&[one, other]));
    assert_eq!(printed(&["--nth", "1"], lines(&[one, other])), lines(&[other]));
    assert_eq!(printed(&["-c"], lines(&[one, other, again])), "1\n");
    assert_eq!(printed(&["-1"], lines(&[one, other, again])), "a\n");
    let nameless = r#"{"host":"a","instance_id":null}"#;
    assert_eq!(printed(&[], lines(&[nameless, one, other])), lines(&[one, other]));
    let (plain, twice) = (r#"{"host":"a","x":1}"#, r#"{"host":"a","x":2}"#);
    assert_eq!(printed(&[], lines(&[plain, twice])), lines(&[plain]));
}

#[test]
fn a_huge_set_with_a_record_is_not_expanded() {
    let record = "{\"host\":\"web5\",\"x\":1}\n";
    assert_eq!(printed(&["--nth", "4", "web[1-999999999]", "-"], record), record);
    assert_eq!(printed(&["--nth", "-1", "-", "web[1-999999999]"], record), "{\"host\":\"web999999999\"}\n");
    assert_eq!(printed(&["-c", "web[1-999999999]", "-"], record), "999999999\n");
}

#[test]
fn keep_duplicates_writes_every_record() {
    let stdin = lines(&[WEB1, "web[1-2]", WEB1, WEB2]);
    let wanted = lines(&[WEB1, r#"{"host":"web1"}"#, r#"{"host":"web2"}"#, WEB1, WEB2]);
    assert_eq!(printed(&["--keep-duplicates"], &stdin), wanted);
    assert_eq!(printed(&["--keep-duplicates", "-x", "web1"], &stdin), lines(&[r#"{"host":"web2"}"#, WEB2]));
    assert_eq!(printed(&["--keep-duplicates", "-c"], &stdin), "5\n");
}
