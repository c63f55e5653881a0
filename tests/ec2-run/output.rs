//! Output beyond what SSM keeps, and bytes that are not text.

use crate::fleet;

fn output(command: &str, args: &[&str]) -> (serde_json::Value, usize) {
    let (ec2, sandbox) = fleet(&["web1"]);
    let args = [&["-w", "web1"], args, &["--", command]].concat();
    let run = sandbox.run("ec2-run", &args, "").exits(0);
    (run.records()[0].clone(), ec2.count("GetCommandInvocation"))
}

#[test]
fn output_that_compresses_to_24000_characters_is_complete() {
    let numbers: String = (1..=7000).map(|number| format!("{number}\n")).collect();
    let (record, calls) = output("seq 1 5000; seq 5001 7000", &[]);
    assert_eq!((record["stdout"].as_str(), record["truncated"].is_null(), calls), (Some(numbers.as_str()), true, 1));
    // A listing has 2,500 bytes: what fits takes no call for its host.
    let (record, calls) = output("yes same | head -1000", &[]);
    assert_eq!((record["stdout"].as_str().map(str::len), calls), (Some(5000), 0));
    let (record, calls) = output("printf %2300s x; printf y", &[]);
    assert_eq!((record["stdout"].as_str().map(str::len), calls), (Some(2301), 0));
}

#[test]
fn longer_output_has_both_ends_and_says_so() {
    let (record, _) = output("seq 1 300000", &[]);
    let text = record["stdout"].as_str().unwrap_or_default();
    assert_eq!(record["truncated"], true);
    assert!(text.starts_with("1\n2\n") && text.ends_with("\n299999\n300000\n"), "{}", text.len());
    assert!(text.contains(" bytes left out]\n"));
}

#[test]
fn bytes_that_are_not_text_are_base64_as_in_pssh_rs() {
    let (record, _) = output(r"printf '\377\000a\r\n'; printf '\351' >&2", &[]);
    assert_eq!(
        (&record["encoding"], &record["stdout"], &record["stderr"]),
        (&"base64".into(), &"/wBhDQo=".into(), &"6Q==".into())
    );
    let (record, _) = output("printf 'é日'", &[]);
    assert_eq!((&record["stdout"], &record["encoding"]), (&"é日".into(), &serde_json::Value::Null));
}

#[test]
fn max_output_bounds_the_record() {
    let (record, _) = output("seq 1 1000", &["--max-output", "100"]);
    assert_eq!(record["truncated"], true);
    assert!(record["stdout"].as_str().is_some_and(|text| text.len() < 200), "{record}");
}
