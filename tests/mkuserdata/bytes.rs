//! cloud-init decodes the bytes, names and types of the parts.

use crate::{Dice, build, forced, judge_one, named, unpacked};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
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
fn four_typical_parts_come_out_unchanged() {
    let sandbox = Sandbox::new();
    for (name, _, content) in REPORT {
        sandbox.file(name, content);
    }
    let verdict = judge_one(build(&sandbox, &REPORT.map(|(name, ..)| name)));
    let expected: Vec<Part> = REPORT
        .iter()
        .map(|(name, kind, content)| Part {
            // Scripts run in the order of their names, so numbers keep the given order.
            filename: match *name {
                "setup-hostname.sh" => "01-setup-hostname.sh".to_string(),
                "root-login.sh" => "02-root-login.sh".to_string(),
                name => name.to_string(),
            },
            declared: kind.to_string(),
            detected: Some(kind.to_string()),
            content: content.as_bytes().to_vec(),
        })
        .collect();
    assert_eq!(verdict.parts, expected);
    assert_eq!((verdict.failed, verdict.warnings, verdict.defects), (None, vec![], vec![]));
    assert_eq!(verdict.config["manage_etc_hosts"], true);
    assert_eq!(verdict.config["puppet"]["conf"]["agent"]["server"], "puppet.example.com");
    let scripts: Vec<_> = verdict.scripts.iter().map(|script| (&script.filename, &script.content)).collect();
    assert_eq!(scripts, [1, 2].map(|at| (&expected[at].filename, &expected[at].content)));
}

#[test]
fn any_bytes_come_out_unchanged() {
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
fn hundreds_of_generated_parts_come_out_unchanged() {
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
    let mut dice = Dice(42);
    let contents: Vec<Vec<u8>> = (0..480)
        .map(|number| {
            // Only every fourth part has bytes that are not UTF-8, or all would be base64.
            let tokens = if number % 4 == 0 { TOKENS.len() } else { TOKENS.len() - 1 };
            let mut content = b"#!/bin/sh".to_vec();
            for _ in 0..dice.below(60) {
                content.extend(dice.pick(&TOKENS[..tokens]));
            }
            content
        })
        .collect();
    survive(&contents);
}

/// Builds user-data of two dozen parts each and has cloud-init take them apart in one go.
fn survive(contents: &[Vec<u8>]) {
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..contents.len()).map(|number| format!("part-{number:04}")).collect();
    let mut user_data = Vec::new();
    for (names, contents) in names.chunks(24).zip(contents.chunks(24)) {
        for (name, content) in names.iter().zip(contents) {
            sandbox.file(name, content);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (bytes, said) = forced(&sandbox, &[&["--force", "--limit=999999"], &names[..]].concat());
        let text = unpacked(&bytes);
        assert!(text.iter().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~')), "not ASCII alone");
        // All messages are about contents that are wrong on purpose.
        let bad: Vec<_> = names.iter().zip(contents).filter(|(_, content)| is_no_sound_script(content)).collect();
        let said: Vec<_> = said.lines().map(|line| line.split(": ").nth(1).unwrap_or(line)).collect();
        assert_eq!(said, bad.iter().map(|(name, _)| **name).collect::<Vec<_>>());
        user_data.push(bytes);
    }
    let verdicts = cloud_init::judge(&user_data);
    assert!(verdicts.iter().all(|verdict| verdict.defects.is_empty()));
    let parts: Vec<Part> = verdicts.into_iter().flat_map(|verdict| verdict.parts).collect();
    assert_eq!(parts.len(), contents.len());
    for ((name, content), part) in names.iter().zip(contents).zip(parts) {
        let (sent, got) = (String::from_utf8_lossy(content), String::from_utf8_lossy(&part.content));
        assert!(part.content == *content, "sent {sent:?}\ngot  {got:?}");
        assert_eq!((&part.filename, part.declared.as_str()), (name, "text/x-shellscript"));
        assert_eq!(part.detected.as_deref(), Some("text/x-shellscript"));
    }
}

fn is_no_sound_script(content: &[u8]) -> bool {
    let first = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    std::str::from_utf8(content).is_err() || (first.len() < content.len() && first.ends_with(b"\r"))
}

/// Python's parser accepts lines of any length, so long lines need no encoding.
#[test]
fn long_lines_of_ascii_are_not_encoded() {
    let sandbox = Sandbox::new();
    let blob = BASE64_STANDARD.encode(Dice(9).noise(9000));
    let script = format!("#!/bin/sh\nbase64 -d <<. | tar -xz\n{blob}\n.\n");
    sandbox.file("blob.sh", &script);
    sandbox.file("blob.cfg", format!("#cloud-config\nwrite_files:\n- {{path: /x, encoding: b64, content: {blob}}}\n"));
    sandbox.file("accent.sh", format!("#!/bin/sh\n# é\nx={blob}\n"));
    let user_data = build(&sandbox, &["--no-gzip", "--limit=99999", "blob.cfg", "accent.sh", "blob.sh"]);
    let text = String::from_utf8(user_data.clone()).unwrap();
    assert!(text.contains(&format!("\n\n{script}\n--")), "it is encoded");
    assert_eq!(text.matches("Content-Transfer-Encoding").count(), 1);
    assert!(text.contains(&format!("# =C3=A9\nx=3D{}\n", blob.replace('=', "=3D"))), "it is broken");
    let verdict = judge_one(user_data);
    assert_eq!((verdict.failed, verdict.warnings, verdict.defects), (None, vec![], vec![]));
    assert_eq!(verdict.config["write_files"][0]["content"], blob.as_str());
    let scripts: Vec<_> = named(&verdict.scripts).into_iter().map(|(_, content)| content).collect();
    assert_eq!(scripts, [format!("#!/bin/sh\n# é\nx={blob}\n"), script]);
}

#[test]
fn hostile_file_names_arrive_unchanged() {
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
fn empty_parts_and_missing_line_ends_arrive_unchanged() {
    let sandbox = Sandbox::new();
    sandbox.file("empty", "");
    sandbox.file("last", "#!/bin/sh\nexit");
    let (user_data, said) = forced(&sandbox, &["--force", "empty", "last"]);
    assert_eq!(said, "mkuserdata: empty: is empty: cloud-init would have nothing to do\n");
    let verdict = judge_one(user_data);
    let got: Vec<_> = verdict.parts.iter().map(|part| (part.declared.as_str(), &part.content[..])).collect();
    assert_eq!(got, [("text/plain", &b""[..]), ("text/x-shellscript", b"#!/bin/sh\nexit")]);
    assert_eq!((verdict.failed, verdict.warnings, verdict.defects), (None, vec![], vec![]));
}
