//! User-data made by cloud-init's make-mime and Python's email package is read as cloud-init reads it.

use crate::{check, named};
use kit::cloud_init::{self, Part, Verdict};
use kit::{Outcome, Sandbox};
use std::path::Path;

/// Runs Python, with cloud-init's own modules at hand.
fn python(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    let quoted: Vec<String> = args.iter().map(|arg| format!("'{}'", arg.replace('\'', "'\\''"))).collect();
    let python = kit::target_dir().join("venv/bin/python");
    let line = format!("PYTHONPATH={} {} {}", cloud_init::packages().display(), python.display(), quoted.join(" "));
    sandbox.sh(&line).exits(0)
}

/// The files that `--extract` writes, by name.
fn extracted(sandbox: &Sandbox, folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(sandbox.dir().join(folder))
        .expect("the folder")
        .map(|file| file.expect("a file").path())
        .map(|path| {
            (path.file_name().expect("a name").to_string_lossy().into_owned(), std::fs::read(path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

/// The parts of the message as `--extract` names them.
fn expected(parts: &[Part]) -> Vec<(String, Vec<u8>)> {
    let name = |(at, part): (usize, &Part)| {
        if part.filename.is_empty() { format!("part-{:03}", at + 1) } else { part.filename.clone() }
    };
    let mut files: Vec<_> =
        parts.iter().enumerate().map(|(at, part)| (name((at, part)), part.content.clone())).collect();
    files.sort();
    files
}

#[test]
fn messages_of_make_mime_are_listed_checked_and_extracted() {
    let sandbox = Sandbox::new();
    sandbox.file("config.yaml", "#cloud-config\npackages: [ntp]\n");
    sandbox.file("é.sh", "#!/bin/sh\necho é\n");
    sandbox.file("boot.sh", "#!/bin/sh\n");
    let parts = ["-a", "config.yaml:cloud-config", "-a", "boot.sh:x-shellscript-per-boot", "-a", "é.sh:x-shellscript"];
    let made = python(&sandbox, &[&["-m", "cloudinit.cmd.main", "devel", "make-mime"], &parts[..]].concat());
    sandbox.file("user-data", &made.stdout);
    assert!(made.stdout.contains("boundary=\"===="), "{}", made.stdout);
    let run = sandbox.run("mkuserdata", &["--list", "-o", "table", "user-data"], "").exits(0);
    assert_eq!(
        run.stdout,
        "PART  TYPE                    NAME         BYTES  ENCODING  RUNS\n\
         1     cloud-config            config.yaml  30     base64    merge 1\n\
         2     x-shellscript-per-boot  boot.sh      10     base64    per-boot 1\n\
         3     x-shellscript           part-003     18     base64    script 1\n"
    );
    // It encodes the header that has the name, which cloud-init does not decode.
    assert_eq!(crate::judge_one(made.stdout.clone().into_bytes()).scripts[0].filename, "part-003");
    assert_eq!(check(&sandbox, made.stdout.as_bytes()).exits(0).stderr, "");
    sandbox.run("mkuserdata", &["--extract", "parts", "user-data"], "").exits(0);
    let files = extracted(&sandbox, Path::new("parts"));
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["boot.sh", "config.yaml", "part-003"]);
    assert_eq!(files[2].1, "#!/bin/sh\necho é\n".as_bytes());
}

/// Messages as the email package writes them: all encodings, charsets, nested parts, names of all forms, CR LF.
const GENERATOR: &str = r###"
import gzip, random, sys
from email import encoders, policy
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

dice = random.Random(7)
TOKENS = ["\n", "\n\n", " ", "\t", "=", "=\n", "=0A", ".", "\nFrom me", "--", "\n--x\n", "word", "\nContent-Type: a/b\n\n",
          "0123456789" * 9, "# \n"]
STARTS = ["#!/bin/sh\n", "#cloud-config\na: 1\n#", "#cloud-boothook\n#!/bin/sh\n", "## template: jinja\n#!/bin/sh\n"]

def leaf(number):
    binary = dice.random() < 0.2
    tokens = TOKENS + (["é", "日本", "\r\n", "\r", "\x00"] if binary or dice.random() < 0.5 else [])
    text = dice.choice(STARTS) + "".join(dice.choice(tokens) for _ in range(dice.randrange(40)))
    kind = dice.randrange(4)
    if kind == 0 and text.isascii() and "\r" not in text:
        part = MIMEText(text, "plain", "us-ascii")
    elif kind == 1:
        part = MIMEText(text, dice.choice(["plain", "x-shellscript"]), "utf-8")
    else:
        part = MIMEBase(*dice.choice([("text", "plain"), ("text", "x-mine"), ("application", "octet-stream")]))
        data = text.encode() + (dice.randbytes(dice.randrange(200)) if binary else b"")
        part.set_payload(data)
        (encoders.encode_base64 if kind == 2 else encoders.encode_quopri)(part)
    if dice.random() < 0.3:
        del part["MIME-Version"]
    name = dice.choice([None, "plain-%d", "with space-%d", "quoted\"-%d", "semi;colon-%d", "é-%d"])
    if name:
        form = dice.randrange(3)
        name = name % number
        if not name.isascii():
            name = ("utf-8", "", name)
        if form == 0:
            part.add_header("Content-Disposition", "attachment", filename=name)
        elif form == 1:
            part.add_header("Content-Disposition", "inline", size="9", FileName=name)
        else:
            part.set_param("name", name, charset="utf-8" if isinstance(name, tuple) else None)
    return part

for at in range(int(sys.argv[1])):
    outer = MIMEMultipart(boundary=dice.choice([None, "MY BOUNDARY", "==x==", "b'()+_,-./:=?"]))
    if dice.random() < 0.2:
        outer.preamble = "This is a multi-part message.\n"
        outer.epilogue = "\nnothing\n"
    if dice.random() < 0.2:
        outer["Subject"] = "a long subject " * 9
    for number in range(dice.randrange(1, 10)):
        if dice.random() < 0.15:
            inner = MIMEMultipart(dice.choice(["mixed", "alternative"]))
            inner.attach(leaf(100 + number))
            inner.attach(leaf(200 + number))
            outer.attach(inner)
        else:
            outer.attach(leaf(number))
    text = outer.as_bytes(policy=policy.compat32.clone(linesep="\r\n") if at % 5 == 4 else policy.compat32)
    with open("message-%03d" % at, "wb") as file:
        file.write(gzip.compress(text) if at % 3 == 0 else text)
"###;

#[test]
fn generated_messages_are_extracted_as_cloud_init_does() {
    const MESSAGES: usize = 90;
    let sandbox = Sandbox::new();
    python(&sandbox, &["-c", GENERATOR, &MESSAGES.to_string()]);
    let names: Vec<String> = (0..MESSAGES).map(|at| format!("message-{at:03}")).collect();
    let user_data: Vec<Vec<u8>> = names.iter().map(|name| std::fs::read(sandbox.dir().join(name)).unwrap()).collect();
    let args: Vec<&str> = ["--extract", "parts"].into_iter().chain(names.iter().map(String::as_str)).collect();
    sandbox.run("mkuserdata", &args, "").exits(0);
    for (name, verdict) in names.iter().zip(cloud_init::judge(&user_data)) {
        let files = extracted(&sandbox, &Path::new("parts").join(name));
        assert_eq!(files.len(), verdict.parts.len(), "{name}: {:?}", named(&verdict.parts));
        let expected = cleaned(expected(&verdict.parts));
        for (file, part) in files.iter().zip(&expected) {
            let (got, read) = (String::from_utf8_lossy(&file.1), String::from_utf8_lossy(&part.1));
            assert!(file == part, "{name}: {} and {}:\nextracted  {got:?}\ncloud-init {read:?}", file.0, part.0);
        }
    }
}

/// cloud-init and `--extract` make the same file names.
fn cleaned(parts: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let kept = |c: &char| c.is_ascii_alphanumeric() || "_-.()".contains(*c);
    let clean = |name: String| name.chars().filter(kept).collect();
    let mut parts: Vec<_> = parts.into_iter().map(|(name, content)| (clean(name), content)).collect();
    parts.sort();
    parts
}

/// Parts without an encoding: `--check` says what cloud-init does with them.
#[test]
fn check_reports_bytes_that_cloud_init_would_damage() {
    let message = |headers: &str, content: &[u8]| {
        let start =
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/x-shellscript\n";
        [format!("{start}{headers}\n").as_bytes(), content, b"\n--x--\n"].concat()
    };
    let accent = "#!/bin/sh\necho é\n".as_bytes();
    let cases = [
        ("Content-Transfer-Encoding: 8bit\n", accent, "is not ASCII as it stands in the message"),
        ("", accent, "is not ASCII as it stands in the message"),
        ("Content-Transfer-Encoding: binary\n", accent, "is not ASCII as it stands in the message"),
        (
            "Content-Transfer-Encoding: 8bit\n",
            &b"#!/bin/sh\n\xff\n"[..],
            "is not UTF-8: cloud-init would take none of it",
        ),
    ];
    let sandbox = Sandbox::new();
    let messages: Vec<Vec<u8>> = cases.iter().map(|(headers, content, _)| message(headers, content)).collect();
    let verdicts: Vec<Verdict> = cloud_init::judge(&messages);
    for (((headers, content, problem), message), verdict) in cases.iter().zip(&messages).zip(verdicts) {
        let run = check(&sandbox, message).exits(1);
        assert!(run.stderr.contains(problem), "{headers}: {}", run.stderr);
        if problem.contains("none of it") {
            assert!(verdict.failed.is_some())
        } else {
            assert_ne!(verdict.parts[0].content, **content, "{headers}")
        }
    }
}
