//! `--list` and `--check` of user-data in every encoding.

use crate::{Dice, build, check, forced, unpacked};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use kit::{Sandbox, cloud_init};
use serde_json::json;
use std::io::Write;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("base.cfg", "#cloud-config\na: 1\n");
    sandbox.file("z.sh", "#!/bin/sh\necho é\n");
    sandbox.file("a.sh", "#!/bin/sh\n# a\n");
    sandbox
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).and_then(|()| encoder.finish()).expect("gzip")
}

#[test]
fn the_table_shows_what_cloud_init_does() {
    let sandbox = sandbox();
    sandbox.file("hook", "#cloud-boothook\n#!/bin/sh\n");
    sandbox.file("boot", "#!/bin/sh\n");
    sandbox
        .file("archive", "#cloud-config-archive\n- 'b: 2'\n- {content: '#!/bin/sh', filename: 00-a}\n- '#!/bin/sh'\n");
    sandbox.file("jinja", "## template: jinja\n#cloud-config\nc: '{{ v1.region }}'\n");
    sandbox.file("binary", b"#!/bin/sh\n\xff\n");
    let parts = ["base.cfg", "z.sh", "hook", "boot:x-shellscript-per-boot", "archive", "jinja", "a.sh", "binary"];
    let (user_data, _) =
        forced(&sandbox, &[&["--force", "--merge=append", "--launch-index=a.sh=0"], &parts[..]].concat());
    let run = sandbox.run("mkuserdata", &["--list", "-o", "table"], &user_data).exits(0);
    assert_eq!(
        run.stdout,
        "PART  TYPE                    NAME       BYTES  ENCODING          RUNS\n\
         1     cloud-config            base.cfg   19     7bit              merge 1\n\
         2     x-shellscript           01-z.sh    18     quoted-printable  script 2\n\
         3     cloud-boothook          hook       26     7bit              boothook 1\n\
         4     x-shellscript-per-boot  boot       10     7bit              per-boot 1\n\
         5     cloud-config-archive    archive    86     7bit              opened\n\
         6     cloud-config            part-005   4      archive           merge 2\n\
         7     x-shellscript           00-a       9      archive           script 1\n\
         8     x-shellscript           part-007   9      archive           script 5\n\
         9     jinja2                  jinja      54     7bit              merge 3\n\
         10    x-shellscript           02-a.sh    14     7bit              script 3\n\
         11    x-shellscript           03-binary  12     base64            script 4\n"
    );
    let rows = sandbox.run("mkuserdata", &["--list"], &user_data).exits(0).records();
    assert_eq!(rows[0]["merge_type"], "list(append)+dict(no_replace,recurse_list)+str()");
    assert_eq!(rows[9]["launch_index"], 0);
    assert!(rows[10]["problems"][0].as_str().unwrap().starts_with("is not UTF-8"), "{}", rows[10]);
    let verdict = cloud_init::judge(&[user_data]).remove(0);
    let mut scripts: Vec<_> = rows.iter().filter(|row| row["runs"].as_str().unwrap().starts_with("script ")).collect();
    scripts.sort_by_key(|row| row["runs"].as_str().unwrap().to_string());
    // cloud-init cannot write the one that is not UTF-8.
    let names: Vec<_> =
        scripts.iter().map(|row| row["name"].as_str().unwrap()).filter(|name| *name != "03-binary").collect();
    assert_eq!(names, verdict.scripts.iter().map(|script| script.filename.as_str()).collect::<Vec<_>>());
}

#[test]
fn gzip_and_base64_are_removed() {
    let sandbox = sandbox();
    let plain = build(&sandbox, &["--no-gzip", "base.cfg", "z.sh", "a.sh"]);
    let rows = |user_data: &[u8]| sandbox.run("mkuserdata", &["--list"], user_data).exits(0).stdout;
    let expected = rows(&plain);
    assert_eq!(expected.lines().count(), 3);
    let (first, second) = plain.split_at(200);
    let members = [gzip(first), gzip(second)].concat();
    let encoded = BASE64_STANDARD.encode(gzip(&plain));
    let folded: Vec<&str> = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let wrapped = folded.join("\r\n") + "\n";
    for bytes in [&gzip(&plain)[..], &members, encoded.as_bytes(), wrapped.as_bytes()] {
        assert_eq!(rows(bytes), expected);
    }
    assert_eq!(check(&sandbox, &members).exits(0).stderr, "");
    // This is not a fault of the parts.
    let run = check(&sandbox, wrapped.as_bytes()).exits(0);
    assert!(run.stderr.starts_with("mkuserdata: stdin: is base64, read as what is in it: "), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1);
    // Members are one to cloud-init too; base64 is not looked through.
    let verdicts = cloud_init::judge(&[members, wrapped.into_bytes()]);
    assert_eq!((verdicts[0].parts.len(), verdicts[1].scripts.len()), (3, 0));
}

#[test]
fn a_single_part_is_listed_and_unknown_text_is_ignored() {
    let sandbox = sandbox();
    let run = sandbox.run("mkuserdata", &["--list", "-o", "table", "z.sh", "base.cfg"], "").exits(0);
    assert_eq!(
        run.stdout,
        "FROM      PART  TYPE           NAME      BYTES  ENCODING  RUNS\n\
         z.sh      1     x-shellscript  part-001  18     none      script 1\n\
         base.cfg  1     cloud-config   part-001  19     none      merge 1\n"
    );
    let run = check(&sandbox, b"hello\n").exits(1);
    assert!(
        run.stderr.starts_with("mkuserdata: stdin: part 1 (part-001): cloud-init does not know "),
        "{}",
        run.stderr
    );
    assert_eq!(check(&sandbox, b"#cloud-config\na: [\n").exits(1).stderr.lines().count(), 1);
    assert_eq!(check(&sandbox, b"#!/bin/sh\n").exits(0).stderr, "");
}

#[test]
fn records_are_read_and_missing_user_data_gives_a_warning() {
    let sandbox = sandbox();
    let encoded = BASE64_STANDARD.encode(build(&sandbox, &["base.cfg", "z.sh"]));
    let lines = [
        json!({"host": "web1", "user_data": encoded}),
        json!({"host": "web2", "user_data": null}),
        json!({"host": "web3", "other": 1}),
        json!({"host": "web4", "user_data": BASE64_STANDARD.encode("# cloud-config\n")}),
    ];
    let records: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let run = sandbox.run("mkuserdata", &["--list"], &records).exits(0);
    let rows = run.records();
    let of: Vec<_> = rows.iter().map(|row| (row["host"].as_str().unwrap(), row["name"].as_str().unwrap())).collect();
    assert_eq!(of, [("web1", "base.cfg"), ("web1", "01-z.sh"), ("web4", "part-001")]);
    let run = sandbox.run("mkuserdata", &["--check"], &records).exits(1);
    let said: Vec<_> = run.stderr.lines().collect();
    assert_eq!(said[..2], ["mkuserdata: web2: no user-data", "mkuserdata: web3: no user-data"]);
    assert!(said[2].starts_with("mkuserdata: web4: part 1 (part-001): "), "{}", run.stderr);
    assert_eq!(said.len(), 3);
    let sound = sandbox.run("mkuserdata", &["--check"], records.lines().next().unwrap()).exits(0);
    // The rows are those of --list.
    let listed = sandbox.run("mkuserdata", &["--list"], records.lines().next().unwrap()).exits(0);
    assert_eq!((&sound.stdout, sound.stderr.as_str()), (&listed.stdout, ""));
    let run = sandbox.run("mkuserdata", &["--list"], "{\"host\":\"web1\",\"user_data\":\"?\"}\n").exits(2);
    assert_eq!(run.stderr, "mkuserdata: stdin: line 1: web1: user_data is not base64\n");
}

/// EC2 decodes it once, and what is left is base64 on the instance.
#[test]
fn base64_in_base64_is_a_problem() {
    let sandbox = sandbox();
    let once = BASE64_STANDARD.encode(build(&sandbox, &["base.cfg", "z.sh"]));
    let twice = BASE64_STANDARD.encode(&once);
    let attribute = |value: &str| json!({"InstanceId": "i-1", "UserData": {"Value": value}}).to_string();
    let record = |value: &str| format!("{}\n", json!({"host": "web1", "user_data": value}));
    for sound in [record(&once), attribute(&once)] {
        assert_eq!(check(&sandbox, sound.as_bytes()).exits(0).stderr, "");
    }
    let problem =
        "is base64 in base64, of which EC2 decodes one: releases of cloud-init differ in whether they decode another";
    for (given, label) in [
        (record(&twice), "web1"),
        (record(&BASE64_STANDARD.encode(&twice)), "web1"),
        (attribute(&twice), "i-1"),
        (twice.clone(), "stdin"),
        (record(&BASE64_STANDARD.encode(BASE64_STANDARD.encode("#!/bin/sh\n"))), "web1"),
    ] {
        let run = check(&sandbox, given.as_bytes()).exits(1);
        assert_eq!(run.stderr, format!("mkuserdata: {label}: {problem}\n"));
        // What is in it is listed all the same.
        assert!(!sandbox.run("mkuserdata", &["--list"], given).exits(0).records().is_empty());
    }
}

/// Records of hosts, as `--per-host` writes them.
#[test]
fn output_of_per_host_can_be_read() {
    let sandbox = sandbox();
    sandbox.file("name.sh.j2", "#!/bin/sh\nhostname {{ host }}\n");
    let made = sandbox.run("mkuserdata", &["--per-host", "base.cfg", "name.sh.j2"], "web1\nweb2\n").exits(0);
    assert_eq!(sandbox.run("mkuserdata", &["--check"], &made.stdout).exits(0).stderr, "");
    sandbox.run("mkuserdata", &["--extract", "hosts"], &made.stdout).exits(0);
    let read = |path: &str| std::fs::read_to_string(sandbox.dir().join(path)).unwrap();
    assert_eq!(read("hosts/web2/name.sh"), "#!/bin/sh\nhostname web2\n");
    assert_eq!(read("hosts/web1/base.cfg"), "#cloud-config\na: 1\n");
}

#[test]
fn truncated_user_data_is_a_problem() {
    let sandbox = sandbox();
    sandbox.file("noise.sh", format!("#!/bin/sh\n# {}\n", Dice(5).noise(700)));
    let user_data = build(&sandbox, &["base.cfg", "noise.sh"]);
    assert_eq!(user_data[..2], [0x1f, 0x8b]);
    for size in [2, 10, 11, 100, user_data.len() - 8, user_data.len() - 1] {
        let run = check(&sandbox, &user_data[..size]).exits(1);
        assert!(run.stderr.starts_with("mkuserdata: stdin: is broken gzip, or cut off: "), "{}", run.stderr);
        assert_eq!(cloud_init::judge(&[user_data[..size].to_vec()])[0].scripts, []);
    }
    let mut flipped = user_data.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    check(&sandbox, &flipped).exits(1);
    let text = unpacked(&user_data);
    for missing in [2, 11, 50] {
        let run = check(&sandbox, &text[..text.len() - missing]).exits(1);
        assert!(run.stderr.contains("its last boundary is missing: it may be cut off"), "{missing}: {}", run.stderr);
    }
    // An unreadable one does not stop the others.
    sandbox.file("cut", &user_data[..100]);
    let run = sandbox.run("mkuserdata", &["--list", "-1", "cut", "a.sh"], "").exits(1);
    assert_eq!(run.stdout, "part-001\n");
    let run = sandbox.run("mkuserdata", &["--list", "missing"], "").exits(2);
    assert_eq!(run.stderr, "mkuserdata: cannot read missing: No such file or directory\n");
}

#[test]
fn user_data_above_the_limit_of_ec2_is_a_problem() {
    let sandbox = sandbox();
    sandbox.file("noise.sh", format!("#!/bin/sh\n# {}\n", Dice(5).noise(25_000)));
    let user_data = build(&sandbox, &["--limit", "99999", "noise.sh"]);
    let run = check(&sandbox, &user_data).exits(1);
    assert_eq!(run.stderr, format!("mkuserdata: stdin: has {} bytes: EC2 allows at most 16384\n", user_data.len()));
}
