//! Cloud-configs whose YAML cloud-init accepts or rejects: PyYAML decides.

use crate::forced;
use kit::{Sandbox, cloud_init};

/// Returns whether these cloud-configs build without --force, and whether cloud-init merges them without a warning.
fn judged(texts: &[&str]) -> Vec<(bool, bool)> {
    let sandbox = Sandbox::new();
    let mut builds = Vec::new();
    let mut user_data = Vec::new();
    for text in texts {
        sandbox.file("c", format!("#cloud-config\n{text}\n"));
        let (bytes, said) = forced(&sandbox, &["--force", "c"]);
        builds.push(said.is_empty());
        user_data.push(bytes);
    }
    let verdicts = cloud_init::judge(&user_data);
    builds
        .into_iter()
        .zip(verdicts.iter().map(|verdict| verdict.failed.is_none() && verdict.warnings.is_empty()))
        .collect()
}

#[track_caller]
fn all_are(texts: &[&str], taken: bool) {
    let judged = judged(texts);
    let by_cloud_init: Vec<_> = texts.iter().zip(&judged).filter(|(_, (_, by))| *by != taken).collect();
    assert!(by_cloud_init.is_empty(), "cloud-init is of another mind: {by_cloud_init:?}");
    let other: Vec<_> =
        texts.iter().zip(&judged).filter(|(_, (builds, _))| *builds != taken).map(|(text, _)| text).collect();
    assert!(other.is_empty(), "{} all the same: {other:#?}", if taken { "refused" } else { "built" });
}

#[test]
fn yaml_that_pyyaml_accepts_builds() {
    let long = format!("a: {}", "x".repeat(2000));
    let nested = format!("a: {}{}", "[".repeat(40), "]".repeat(40));
    all_are(
        &[
            "a: 1\nb: [1, 2]",
            "b: &x {a: 1}\nc: *x\nd:\n  <<: *x\n  e: 1",
            "%YAML 1.1\n---\na: 1\n...",
            "--- {a: 1}",
            "{\"a\": [1, {\"b\": null}]}",
            "a: |\n  x\n   y\n\n  z",
            "a: >-\n  x\n  y",
            "a: \"\\x41\\u00e9\\U0001f37a\"",
            "a: é 日本 \u{1f37a}\u{a0}",
            "a: 2024-01-01\nb: 12:30\nc: 0o7\nd: 089\ne: .inf\nf: 1_000\ng: ~",
            "a: !!binary aGk=\nb: !!set {x}\nc: !!str 1",
            "runcmd:\n- [ls, -l]\n- echo # no comment\n- 'echo: x'",
            "? a\n: b",
            "a: b # c\nd: e#f",
            "{}",
            "a: b\r\nc: d\r",
            &long,
            &nested,
        ],
        true,
    );
}

#[test]
fn yaml_that_pyyaml_rejects_is_refused() {
    all_are(
        &[
            "a: b: c",
            "a: @x",
            "a: `x",
            "a: %x",
            "a: [b",
            "a: {b",
            "a: \"x",
            "a: 'x",
            "a: *none",
            "a: \"\\q\"",
            "- a",
            "a",
            "a:\n  - b\n - c",
            "\ta: 1",
            "a: 1\n\tb: 2",
            "a: 1\n---\nb: 2",
            "...\na: 1\n...\nb: 2",
            "a: ]",
            "a: \"b\" c",
            "null",
            "a: \u{7}",
            "a: !e!x y",
            "a: 1\n b: 2",
            "a:1",
        ],
        false,
    );
}

/// Readers of YAML 1.2 accept these.
#[test]
fn yaml_that_only_other_readers_accept_is_refused() {
    all_are(
        &[
            "a:\t1",
            "a: !mine x",
            "a: !!python/object:os.system x",
            "[a]: b",
            "? {a: b}\n: c",
            "merge_how: 'list'\na: 1",
            "merge_how: 'nope()'\na: 1",
        ],
        false,
    );
}
