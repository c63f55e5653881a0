//! `--extract`: writes each part to a file in one folder, whatever the names.

use crate::build;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kit::Sandbox;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A message with a script under each of these values of `filename`, as they stand in the header.
fn message(names: &[&str]) -> String {
    let mut text = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n".to_string();
    for (at, name) in names.iter().enumerate() {
        text += &format!(
            "\n--x\nContent-Type: text/x-shellscript\nContent-Disposition: attachment; {name}\n\n#!/bin/sh\n# {at}"
        );
    }
    text + "\n--x--\n"
}

/// Every file under the folder with its content, in order.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path)
            } else {
                let name = path.strip_prefix(folder).expect("a path in it").to_string_lossy().into_owned();
                found.push((name, std::fs::read_to_string(path).expect("a file")));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn extracted_parts_are_identical_and_scripts_are_executable() {
    let sandbox = Sandbox::new();
    let contents: [(&str, &[u8]); 4] = [
        ("base.cfg", b"#cloud-config\na: 1\r\n"),
        ("z.sh", "#!/bin/sh\necho é = \r \0\n\n".as_bytes()),
        ("a.sh", b"#!/bin/sh\n--cerveza\nFrom x"),
        ("hook", b"#cloud-boothook\n#!/bin/sh\n"),
    ];
    for (name, content) in contents {
        sandbox.file(name, content);
    }
    sandbox.file("user-data", build(&sandbox, &["base.cfg", "z.sh", "a.sh", "hook"]));
    let run = sandbox.run("mkuserdata", &["--extract", "new/parts", "user-data"], "").exits(0);
    assert_eq!((run.records().len(), run.stderr.as_str()), (4, ""));
    for ((_, content), name) in contents.iter().zip(["base.cfg", "01-z.sh", "02-a.sh", "hook"]) {
        let path = sandbox.dir().join("new/parts").join(name);
        assert_eq!(&std::fs::read(&path).unwrap(), content, "{name}");
        let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if name.ends_with(".sh") { 0o700 } else { 0o600 }, "{name}");
    }
}

#[test]
fn no_name_escapes_the_folder() {
    let sandbox = Sandbox::new();
    let names = [
        "filename=\"../../etc/passwd\"",
        "filename=\"..\"",
        "filename=\".\"",
        "filename=\"\"",
        "filename=\"/tmp/evil\"",
        "filename*=utf-8''..%2F..%2Fup",
        "filename*=utf-8''a%0Ab",
        "filename*=utf-8''a%00c",
        "filename*=utf-8''%1B%5B2J",
        "filename=\"é\"".trim_matches('é'),
        "filename*=utf-8''%C3%A9",
        "x=y",
        "filename=\"~/.ssh/authorized_keys\"",
        "filename=\"a\\\\b\"",
    ];
    let run = sandbox.run("mkuserdata", &["--extract", "in/parts"], message(&names)).exits(0);
    assert_eq!(run.records().len(), names.len());
    assert!(!run.stderr.contains('\x1b'), "{:?}", run.stderr);
    let found = files(sandbox.dir());
    assert_eq!(found.len(), names.len(), "{found:#?}");
    for (name, _) in &found {
        let name = name.strip_prefix("in/parts/").expect("a file in the folder");
        assert!(!name.contains('/') && !name.trim_matches('.').is_empty(), "{name}");
    }
    let mut contents: Vec<_> = found.into_iter().map(|(_, content)| content).collect();
    let mut expected: Vec<_> = (0..names.len()).map(|at| format!("#!/bin/sh\n# {at}")).collect();
    contents.sort();
    expected.sort();
    assert_eq!(contents, expected);
}

#[test]
fn host_names_never_escape_the_folder() {
    let sandbox = Sandbox::new();
    let user_data = BASE64_STANDARD.encode("#!/bin/sh\n");
    let record = |host: &str| format!("{}\n", json!({"host": host, "user_data": user_data}));
    let records: String = ["web1", "../web2", "/web3", "a/../../b"].map(record).concat();
    sandbox.run("mkuserdata", &["--extract", "in/hosts"], records).exits(0);
    let names: Vec<_> = files(sandbox.dir()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "in/hosts/.._web2/part-001",
            "in/hosts/_web3/part-001",
            "in/hosts/a_.._.._b/part-001",
            "in/hosts/web1/part-001"
        ]
    );
    for host in ["..", ".", "é"] {
        let run = sandbox.run("mkuserdata", &["--extract", "in/other"], record(host)).exits(2);
        assert_eq!(run.stderr, format!("mkuserdata: {host} is not a name for a folder\n"));
    }
    assert!(!sandbox.dir().join("in/other").exists());
}

#[test]
fn existing_files_are_overwritten_only_with_force() {
    let sandbox = Sandbox::new();
    let user_data = message(&["filename=a", "filename=b"]);
    sandbox.file("parts/b", "mine");
    sandbox.file("else", "mine too");
    std::os::unix::fs::symlink(sandbox.dir().join("else"), sandbox.dir().join("parts/a")).unwrap();
    let extract = |force: &[&str]| sandbox.run("mkuserdata", &[&["--extract", "parts"], force].concat(), &user_data);
    let run = extract(&[]).exits(2);
    assert_eq!(
        run.stderr,
        "mkuserdata: parts/a is there already: nothing was written\nmkuserdata: --force overwrites it\n"
    );
    std::fs::remove_file(sandbox.dir().join("parts/a")).unwrap();
    assert!(extract(&[]).exits(2).stderr.contains("parts/b is there already"));
    assert_eq!(files(&sandbox.dir().join("parts")), [("b".to_string(), "mine".to_string())]);
    std::os::unix::fs::symlink(sandbox.dir().join("else"), sandbox.dir().join("parts/a")).unwrap();
    extract(&["--force"]).exits(0);
    let written = ["a", "b"].map(|name| (name.to_string(), format!("#!/bin/sh\n# {}", usize::from(name == "b"))));
    assert_eq!(files(&sandbox.dir().join("parts")), written);
    // A link is replaced, not followed.
    assert_eq!(std::fs::read_to_string(sandbox.dir().join("else")).unwrap(), "mine too");
}

#[test]
fn parts_of_one_name_get_a_file_each() {
    let sandbox = Sandbox::new();
    let run =
        sandbox.run("mkuserdata", &["--extract", "parts"], message(&["filename=a", "filename=a", "filename=\"a/\""]));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(files(&sandbox.dir().join("parts")).len(), 3);
}

/// Even if the replacement name of a part is the name of another part.
#[test]
fn no_part_overwrites_another() {
    let sandbox = Sandbox::new();
    let names = ["filename=a", "filename=003-a", "filename=a"];
    sandbox.run("mkuserdata", &["--extract", "parts"], message(&names)).exits(0);
    assert_eq!(files(&sandbox.dir().join("parts")).len(), 3);
    let user_data = BASE64_STANDARD.encode("#!/bin/sh\n");
    let records = format!("{}\n", json!({"host": "web1", "user_data": user_data})).repeat(3);
    let run = sandbox.run("mkuserdata", &["--extract", "hosts"], records).exits(2);
    assert_eq!(run.stderr, "mkuserdata: web1 and web1 would have one folder, web1\n");
    assert!(!sandbox.dir().join("hosts").exists());
}

#[test]
fn long_names_and_impossible_folders_are_reported() {
    let sandbox = Sandbox::new();
    sandbox.file("file", "");
    let long = format!("filename={}", "x".repeat(300));
    let run = sandbox.run("mkuserdata", &["--extract", "parts"], message(&[&long])).exits(0);
    assert!(run.stderr.contains("its name has 300 characters for cloud-init"), "{}", run.stderr);
    assert!(sandbox.dir().join("parts/part-001").exists());
    let run = sandbox.run("mkuserdata", &["--extract", "file/parts"], message(&["filename=a"])).exits(2);
    assert_eq!(run.stderr, "mkuserdata: cannot make the folder file/parts: Not a directory\n");
}
