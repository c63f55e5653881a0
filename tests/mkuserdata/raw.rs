//! User-data that cloud-init does not read is reported, and passed through unchanged.

use crate::{build, check, forced, refused};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kit::Sandbox;
use serde_json::json;

const WINDOWS: &str = "<powershell>\r\nRename-Computer web1\r\n</powershell>\r\n<persist>true</persist>\r\n";

/// Each kind, the message about it, and the program that reads it.
const ALL: [(&str, &str, &str); 5] = [
    (WINDOWS, "a script for EC2Launch on Windows", "EC2Launch"),
    ("<script>\necho hi\n</script>\n", "a script for EC2Launch on Windows", "EC2Launch"),
    ("version: 1.0\ntasks:\n- task: enableOpenSsh\n", "YAML for EC2Launch v2 on Windows", "EC2Launch"),
    ("[settings.host-containers.admin]\nenabled = true\n", "settings of Bottlerocket", "Bottlerocket"),
    ("{\n  \"ignition\": {\"version\": \"3.4.0\"}\n}\n", "a config of Ignition", "Ignition"),
];

#[test]
fn user_data_for_other_programs_is_not_a_problem() {
    let sandbox = Sandbox::new();
    for (content, what, reader) in ALL {
        let label =
            format!("mkuserdata: stdin: is {what}: cloud-init has nothing to do with it, and it is not checked\n");
        let run = check(&sandbox, content.as_bytes()).exits(0);
        assert_eq!((run.stderr.as_str(), &run.records()[0]["runs"]), (label.as_str(), &reader.into()));
        let record = json!({"host": "win1", "user_data": BASE64_STANDARD.encode(content)}).to_string();
        let run = check(&sandbox, record.as_bytes()).exits(0);
        assert_eq!(
            (run.stderr.clone(), &run.records()[0]["size"]),
            (label.replace("stdin", "win1"), &content.len().into())
        );
        let run = check(&sandbox, BASE64_STANDARD.encode(content).as_bytes()).exits(0);
        assert_eq!(run.stderr.lines().last(), label.lines().last());
        sandbox.run("mkuserdata", &["--extract", "parts", "--force"], content).exits(0);
        assert_eq!(std::fs::read_to_string(sandbox.dir().join("parts/part-001")).unwrap(), content);
    }
}

#[test]
fn raw_is_passed_through_byte_for_byte() {
    let sandbox = Sandbox::new();
    let binary: Vec<u8> = (0..=255).cycle().take(9000).collect();
    let contents = ALL.iter().map(|(content, ..)| content.as_bytes()).chain([&binary[..], b"#!/bin/sh\n", b"# any\n"]);
    for content in contents {
        sandbox.file("user.ps1", content);
        for options in [&[][..], &["--fast"], &["--no-gzip"]] {
            assert_eq!(build(&sandbox, &[options, &["user.ps1:raw"]].concat()), content);
        }
        let encoded = sandbox.run("mkuserdata", &["--base64", "user.ps1:RAW"], "").exits(0).stdout;
        assert_eq!(encoded, format!("{}\n", BASE64_STANDARD.encode(content)));
    }
    let run = sandbox.run("mkuserdata", &["--", "-:raw"], WINDOWS).exits(0);
    assert_eq!(run.stdout, WINDOWS);
    // Once per host, and rendered if it is a template.
    sandbox.file("user.ps1", WINDOWS);
    sandbox.file("user.ps1.j2", WINDOWS.replace("web1", "{{ host }}"));
    for part in ["user.ps1:raw", "user.ps1.j2:raw"] {
        let rows = sandbox.run("mkuserdata", &["--per-host", part], "web1\n").exits(0).records();
        assert_eq!(rows[0]["user_data"], BASE64_STANDARD.encode(WINDOWS));
    }
    let run = sandbox.run("mkuserdata", &["--size", "-o", "table", "user.ps1:raw"], "").exits(0);
    let size = WINDOWS.len();
    assert_eq!(run.stdout, format!("    BYTES      COST  PART\n{size:9} {size:9}  user.ps1\n"));
}

#[test]
fn raw_is_the_only_part_and_within_the_limit() {
    let sandbox = Sandbox::new();
    sandbox.file("user.ps1", WINDOWS);
    sandbox.file("a.sh", "#!/bin/sh\n");
    sandbox.file("empty", "");
    sandbox.file("large", "x".repeat(16_385));
    let alone = "user.ps1:raw is passed through unchanged, so it";
    for parts in [["user.ps1:raw", "a.sh"], ["a.sh", "user.ps1:raw"]] {
        assert_eq!(refused(&sandbox, &parts), format!("{alone} has to be the only part"));
        assert_eq!(refused(&sandbox, &[&["--force"], &parts[..]].concat()), format!("{alone} has to be the only part"));
    }
    assert_eq!(refused(&sandbox, &["--boundary=x", "user.ps1:raw"]), format!("{alone} has no boundary"));
    assert_eq!(refused(&sandbox, &["--merge=append", "user.ps1:raw"]), format!("{alone} is not merged"));
    let index = refused(&sandbox, &["--launch-index=0", "user.ps1:raw"]);
    assert_eq!(index, format!("{alone} is for every instance of a launch"));
    assert!(refused(&sandbox, &["empty:raw"]).starts_with("empty: is empty"));
    assert!(refused(&sandbox, &["large:raw"]).starts_with("the user-data has 16385 bytes, 1 too many"));
    let error = refused(&sandbox, &["a.sh", "user.ps1"]);
    let raw = "cloud-init would ignore it (FILE:raw, alone, is passed through unchanged)";
    assert_eq!(error, format!("user.ps1: is a script for EC2Launch on Windows: {raw}"));
    let key = "<powershell>\n-----BEGIN RSA PRIVATE KEY-----\n</powershell>\n";
    sandbox.file("user.ps1", key);
    assert!(forced(&sandbox, &["user.ps1:raw"]).1.starts_with("mkuserdata: user.ps1: line 2 looks like a private key"));
}
