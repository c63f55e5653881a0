//! What cloud-init decodes is the parts' bytes, names and types.

use crate::{build, judge_one};
use kit::Sandbox;
use kit::cloud_init::{self, Part};

/// The four parts of the report, as its four kinds of user would write them.
const REPORT: [(&str, &str, &str); 4] = [
    ("cloud-config-base.txt", "text/cloud-config", "#cloud-config\nmanage_etc_hosts: true\npackages: [puppet, ntp]\n"),
    ("setup-hostname.sh", "text/x-shellscript", "#!/bin/sh\nhostname \"$(cat /etc/hostname)\"\n"),
    (
        "root-login.sh",
        "text/x-shellscript",
        "#!/bin/bash\n# Zugang für root, é à la française\ncp ~admin/.ssh/authorized_keys /root/.ssh/",
    ),
    (
        "cloud-config-puppet.txt",
        "text/cloud-config",
        "#cloud-config\r\npuppet:\r\n  conf: {agent: {server: \"puppet.example.com\"}}\r\n\r\n",
    ),
];

#[test]
fn the_four_parts_of_the_report_come_out_as_they_went_in() {
    let sandbox = Sandbox::new();
    for (name, _, content) in REPORT {
        sandbox.file(name, content);
    }
    let names = REPORT.map(|(name, ..)| name);
    let run = sandbox.run("mkuserdata", &[&["-w", "user-data"], &names[..]].concat(), "").exits(0);
    let verdict = judge_one(std::fs::read(sandbox.dir().join("user-data")).unwrap());
    let expected: Vec<Part> = REPORT
        .iter()
        .map(|(name, kind, content)| Part {
            filename: name.to_string(),
            declared: kind.to_string(),
            detected: Some(kind.to_string()),
            content: content.as_bytes().to_vec(),
        })
        .collect();
    assert_eq!(verdict.parts, expected);
    assert!(verdict.cloud_config.contains("manage_etc_hosts: true"), "{}", verdict.cloud_config);
    assert!(verdict.cloud_config.contains("server: puppet.example.com"), "{}", verdict.cloud_config);
    // As the report found: scripts run in the order of their names, and this says so.
    let scripts: Vec<_> = verdict.scripts.iter().map(|script| script.filename.as_str()).collect();
    assert_eq!(scripts, ["root-login.sh", "setup-hostname.sh"]);
    assert_eq!(
        run.stderr,
        "mkuserdata: cloud-init runs scripts sorted by name: root-login.sh, setup-hostname.sh, \
         not as given: setup-hostname.sh, root-login.sh\n"
    );
}

#[test]
fn every_type_is_told_as_cloud_init_tells_it() {
    let sandbox = Sandbox::new();
    let inner = sandbox.file("inner", "#!/bin/sh\n# included\n");
    let url = format!("file://{}", inner.display());
    let parts = [
        ("01", "text/x-include-once-url", format!("#include-once\n{url}\n")),
        ("02", "text/x-include-url", format!("\n \n#INCLUDE {url}\n")),
        ("03", "text/x-shellscript", " \n#!/bin/sh\n".to_string()),
        (
            "04",
            "text/cloud-config-archive",
            "#cloud-config-archive\n- {type: text/cloud-config, content: \"x: 1\"}\n".to_string(),
        ),
        (
            "05",
            "text/cloud-config-jsonp",
            "#cloud-config-jsonp\n[{\"op\": \"add\", \"path\": \"/y\", \"value\": 2}]\n".to_string(),
        ),
        ("06", "text/cloud-config", "#cloud-config\nz: 3\n".to_string()),
        ("07", "text/cloud-boothook", "#cloud-boothook\n#!/bin/sh\n".to_string()),
        ("08", "text/part-handler", "#part-handler\n".to_string()),
        ("09", "text/jinja2", "## template: jinja\n#!/bin/sh\necho {{ v1.region }}\n".to_string()),
    ];
    for (name, _, content) in &parts {
        sandbox.file(name, content);
    }
    let verdict = judge_one(build(&sandbox, &parts.each_ref().map(|(name, ..)| *name)));
    for ((name, kind, content), part) in parts.iter().zip(&verdict.parts) {
        assert_eq!((part.filename.as_str(), part.declared.as_str()), (*name, *kind));
        assert_eq!(part.detected.as_deref(), Some(*kind));
        assert_eq!(String::from_utf8_lossy(&part.content), content.as_str());
    }
    assert_eq!(verdict.parts.len(), parts.len());
    // Through cloud-init's own processing: both includes are fetched, the archive is opened.
    let handled: Vec<_> = verdict.handled.iter().map(|part| part.declared.as_str()).collect();
    assert_eq!(handled[..2], ["text/x-shellscript"; 2]);
    assert_eq!(handled[2..4], ["text/x-shellscript", "text/cloud-config"]);
    assert_eq!(handled[4..], parts.each_ref().map(|(_, kind, _)| *kind)[4..]);
    for merged in ["x: 1", "y: 2", "z: 3"] {
        assert!(verdict.cloud_config.contains(merged), "{}", verdict.cloud_config);
    }
}

#[test]
fn any_bytes_at_all_come_out_as_they_went_in() {
    let long = "x".repeat(998);
    let longer = "y".repeat(999);
    let accents = "é".repeat(600);
    let contents: Vec<Vec<u8>> = [
        "",
        "\n",
        "\n\n\n",
        "echo\n\n\n\n",
        "\r\n",
        "echo\r\necho\r\n\r\n",
        "\r",
        "a\rb\r",
        "\na \nb\t\n \n\t\nc \t",
        "\na = b =\n=\n==\n=3D=\n=",
        "\n.\n..\nFrom me\n>From you\n",
        "\n--cerveza\n--cerveza--\n\n--cerveza1\n",
        "\nContent-Type: multipart/mixed; boundary=cerveza\n\n--cerveza\nContent-Type: text/plain\n\nx\n--cerveza--\n",
        "\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\nAAAA\n",
        "\nnul\0 bell\x07 esc\x1b[2J del\x7f ff\x0c vt\x0b fs\x1c us\x1f\n",
        "\né à ü 日本 \u{1f37a} \u{feff} \u{2028} \u{85} \u{a0}\n",
        "\né \n\té\t\n=é=",
        &format!("\n{long}\n"),
        &format!("\n{longer}\n"),
        &format!("\n{accents}"),
    ]
    .iter()
    .map(|rest| format!("#!/bin/sh{rest}").into_bytes())
    .chain([b"#!/bin/sh\n\xff\xfe\x00\x80".to_vec(), [b"#!/bin/sh\n".to_vec(), (0..=255).collect()].concat()])
    .collect();
    survive(&contents);
}

#[test]
fn several_hundred_generated_parts_come_out_as_they_went_in() {
    const TOKENS: [&[u8]; 28] = [
        b"\n",
        b"\n\n",
        b"\r\n",
        b"\r",
        b" ",
        b"\t",
        b"=",
        b"=\n",
        b"=0",
        b"=0A",
        b".",
        b"\n.\n",
        b"\nFrom ",
        b"--",
        b"\n--cerveza",
        b"\n--cerveza--\n",
        b"cerveza1",
        "é".as_bytes(),
        "日本".as_bytes(),
        "\u{85}".as_bytes(),
        "\u{2028}".as_bytes(),
        b"\0",
        b"\x0c",
        b"\x1c",
        b"\nContent-Type: text/plain\n",
        b"word",
        b"0123456789012345678901234567890123456789",
        b"\x80",
    ];
    // A fixed sequence (an LCG of Knuth's): a failure comes again.
    let mut state = 42u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    let contents: Vec<Vec<u8>> = (0..480)
        .map(|number| {
            // Only every fourth may have what is not UTF-8, or all would be base64.
            let tokens = if number % 4 == 0 { TOKENS.len() } else { TOKENS.len() - 1 };
            let mut content = b"#!/bin/sh".to_vec();
            for _ in 0..next(60) {
                content.extend(TOKENS[next(tokens)]);
            }
            content
        })
        .collect();
    survive(&contents);
}

/// Builds user-data of eight parts each and has cloud-init take them apart in one go.
fn survive(contents: &[Vec<u8>]) {
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..contents.len()).map(|number| format!("part-{number:04}")).collect();
    for (name, content) in names.iter().zip(contents) {
        sandbox.file(name, content);
    }
    let user_data: Vec<Vec<u8>> = names
        .chunks(8)
        .map(|names| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            sandbox.run("mkuserdata", &[&["-w", "user-data"], &names[..]].concat(), "").exits(0);
            std::fs::read(sandbox.dir().join("user-data")).expect("the user-data")
        })
        .collect();
    let parts: Vec<Part> = cloud_init::judge(&user_data).into_iter().flat_map(|verdict| verdict.parts).collect();
    assert_eq!(parts.len(), contents.len());
    for ((name, content), part) in names.iter().zip(contents).zip(parts) {
        let (sent, got) = (String::from_utf8_lossy(content), String::from_utf8_lossy(&part.content));
        assert!(part.content == *content, "sent {sent:?}\ngot  {got:?}");
        assert_eq!((&part.filename, part.declared.as_str()), (name, "text/x-shellscript"));
        assert_eq!(part.detected.as_deref(), Some("text/x-shellscript"));
    }
}

#[test]
fn a_hostile_file_name_arrives_as_it_is() {
    let sandbox = Sandbox::new();
    let names = ["a b.sh", "b\";x=\"y.sh", "c'%41.sh", "d-é-日本.sh", "e;f,g(h)@i.sh", "f\\\\\".sh", &"g".repeat(200)];
    for name in names {
        sandbox.file(name, "#!/bin/sh\n");
    }
    let verdict = judge_one(build(&sandbox, &names));
    let got: Vec<_> = verdict.parts.iter().map(|part| part.filename.as_str()).collect();
    assert_eq!(got, names);
}

#[test]
fn what_cloud_init_cannot_write_is_warned_of() {
    let sandbox = Sandbox::new();
    sandbox.file("binary.sh", b"#!/bin/sh\n\xff\n");
    let run = sandbox.run("mkuserdata", &["-w", "user-data", "binary.sh"], "").exits(0);
    assert_eq!(
        run.stderr,
        "mkuserdata: binary.sh: not UTF-8: cloud-init writes no such script and reads no such config\n"
    );
    let verdict = judge_one(std::fs::read(sandbox.dir().join("user-data")).unwrap());
    assert_eq!(verdict.parts[0].content, b"#!/bin/sh\n\xff\n");
    // The warning is true of this cloud-init.
    assert!(verdict.scripts.is_empty(), "{:?}", verdict.scripts);
}
