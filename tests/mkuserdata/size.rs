//! The size of user-data, the cost of each part, the limit, and stable bytes.

use crate::{Dice, build, judge_one, refused, unpacked};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kit::Sandbox;

/// A sandbox with parts of all encodings, some of which hardly compress.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("base.txt", "#cloud-config\npackages: [ntp]\n");
    sandbox.file("setup.sh", "#!/bin/sh\necho é\n");
    sandbox.file("noise.sh", format!("#!/bin/sh\n: {}\n", Dice(7).noise(3000)));
    sandbox.file("rest.sh", (0..400).map(|n| format!("#!/bin/sh\necho {n} {}\n", n * n % 97)).collect::<String>());
    sandbox.file("binary", (0..=255).collect::<Vec<u8>>());
    sandbox
}

const ALL: [&str; 7] =
    ["--force", "base.txt", "setup.sh", "noise.sh", "rest.sh", "binary:text/x-mine", "--merge=append"];

fn made(sandbox: &Sandbox, options: &[&str]) -> Vec<u8> {
    crate::forced(sandbox, &[options, &ALL].concat()).0
}

fn sha256(sandbox: &Sandbox, bytes: &[u8]) -> String {
    sandbox.file("sum", bytes);
    sandbox.sh("sha256sum sum").exits(0).stdout[..64].to_string()
}

/// If these bytes change, user-data differs for everyone who compares it, so a change must be intended.
#[test]
fn the_bytes_never_change() {
    let sandbox = sandbox();
    let options: [&[&str]; 4] = [&[], &["--fast"], &["--no-gzip"], &["--boundary=MY-BOUNDARY"]];
    let sums = options.map(|options| sha256(&sandbox, &made(&sandbox, options)));
    assert_eq!(
        sums,
        [
            "bd9c5fbc14025a87ab3690eb9235043efb3a30d399ad8c5d1385edc2d240e506",
            "0011a1f5a8532f65a1f63147dfd6e748f4c8af9a3e1afe0925915760f3589d99",
            "38b8e8634928c7f94ddc22009a33851c837308ba13598b27309e96938cc14c8d",
            "efba9b5b052c59c2781abf38c7462cfd415f0404ef6557c28f81a41b27378df0"
        ]
    );
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let sandbox = sandbox();
    assert!(made(&sandbox, &[]) == made(&sandbox, &[]) && made(&sandbox, &["--fast"]) == made(&sandbox, &["--fast"]));
    let first = build(&sandbox, &["base.txt", "noise.sh"]);
    assert_eq!(first[..3], [0x1f, 0x8b, 8]);
    assert_eq!(first[4..8], [0; 4], "the time in the header");
    std::fs::rename(sandbox.dir().join("noise.sh"), sandbox.dir().join("later")).unwrap();
    sandbox.file("folder/noise.sh", std::fs::read(sandbox.dir().join("later")).unwrap());
    assert_eq!(build(&sandbox, &["base.txt", "folder/noise.sh"]), first);
}

#[test]
fn the_smaller_of_gzip_and_plain_is_written_and_fast_is_a_little_larger() {
    let sandbox = sandbox();
    let [thorough, fast, plain] = [&[][..], &["--fast"], &["--no-gzip"]].map(|options| made(&sandbox, options));
    assert!(thorough.len() < fast.len() && fast.len() < thorough.len() * 6 / 5, "{} {}", thorough.len(), fast.len());
    assert!(unpacked(&thorough) == plain && unpacked(&fast) == plain);
    assert!(plain.starts_with(b"MIME-Version: 1.0\n"));
    // The same for the smallest input.
    sandbox.file("least", "#!");
    let [tiny, plain] =
        [&["--force", "least"][..], &["--force", "--no-gzip", "least"]].map(|args| crate::forced(&sandbox, args).0);
    assert!(tiny.len() <= plain.len() && unpacked(&tiny) == plain);
}

#[test]
fn base64_is_one_line_of_the_same_bytes() {
    let sandbox = sandbox();
    let encoded = String::from_utf8(made(&sandbox, &["--base64"])).unwrap();
    assert_eq!(encoded, format!("{}\n", BASE64_STANDARD.encode(made(&sandbox, &[]))));
}

#[test]
fn a_given_boundary_is_used_or_refused() {
    let sandbox = sandbox();
    let user_data = build(&sandbox, &["--boundary", "==MY BOUNDARY==", "base.txt", "setup.sh"]);
    let text = String::from_utf8(user_data.clone()).unwrap();
    assert!(text.contains("boundary=\"==MY BOUNDARY==\"\n") && text.ends_with("\n--==MY BOUNDARY==--\n"), "{text}");
    let verdict = judge_one(user_data);
    assert_eq!((verdict.parts.len(), verdict.defects), (2, vec![]));
    for bad in ["", "é", "x ", "a\"b", &"x".repeat(71)] {
        let error = refused(&sandbox, &["--boundary", bad, "base.txt"]);
        assert_eq!(error, format!("{bad}: RFC 2046 does not allow it as a boundary"));
    }
    sandbox.file("mine.sh", "#!/bin/sh\n--MINE--\n");
    let error = refused(&sandbox, &["--boundary=MINE", "base.txt", "mine.sh"]);
    assert_eq!(error, "a line of mine.sh begins with the boundary, --MINE");
    // A default boundary occurs in no part.
    sandbox.file("cerveza.sh", "#!/bin/sh\n--cerveza\n--cerveza1--\n");
    let text = String::from_utf8(build(&sandbox, &["--no-gzip", "base.txt", "cerveza.sh"])).unwrap();
    assert!(text.contains("boundary=cerveza2\n"), "{text}");
}

#[test]
fn above_the_limit_nothing_is_written_and_the_largest_part_is_first() {
    let sandbox = sandbox();
    sandbox.file("big.sh", format!("#!/bin/sh\n: {}\n", Dice(7).noise(900)).repeat(30));
    sandbox.file("dear.sh", format!("#!/bin/sh\n: {}\n", Dice(9).noise(30_000)));
    sandbox.file("user-data", "as it was");
    let args = ["--keep-names", "-w", "user-data", "base.txt", "big.sh", "dear.sh"];
    let run = sandbox.run("mkuserdata", &args, "").exits(2);
    let lines: Vec<&str> = run.stderr.lines().collect();
    let bytes: usize = lines[0].split(' ').nth(4).unwrap().parse().unwrap();
    assert_eq!(
        lines[0],
        format!("mkuserdata: the user-data has {bytes} bytes, {} too many: EC2 allows at most 16384", bytes - 16384)
    );
    assert_eq!(lines[1], "    BYTES      COST  PART");
    let rows: Vec<Vec<&str>> = lines[2..5].iter().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.iter().map(|row| row[2]).collect::<Vec<_>>(), ["dear.sh", "big.sh", "base.txt"]);
    assert_eq!((rows[0][0], rows[1][0]), ("30013", "27390"));
    let cost: usize = rows.iter().map(|row| row[1].parse::<usize>().unwrap()).sum();
    assert!(cost.abs_diff(bytes) < bytes / 10, "the costs are {cost} of {bytes}");
    assert_eq!(std::fs::read_to_string(sandbox.dir().join("user-data")).unwrap(), "as it was");
    assert_eq!(sandbox.run("mkuserdata", &["dear.sh"], "").exits(2).stdout, "");
    // The limit applies after compression.
    sandbox.file("spaces.sh", format!("#!/bin/sh\n{}", "# \n".repeat(20_000)));
    assert!(build(&sandbox, &["spaces.sh"]).len() < 1000);
    assert!(refused(&sandbox, &["--no-gzip", "spaces.sh"]).contains(" too many: EC2 allows at most 16384"));
}

#[test]
fn a_given_limit_is_exact() {
    let sandbox = sandbox();
    let size = made(&sandbox, &[]).len();
    assert_eq!(made(&sandbox, &["--limit", &size.to_string()]).len(), size);
    let run = sandbox.run("mkuserdata", &[&["--limit", &(size - 1).to_string()], &ALL[..]].concat(), "").exits(2);
    assert!(
        run.stderr.contains(&format!("the user-data has {size} bytes, 1 too many: the limit is {}", size - 1)),
        "{}",
        run.stderr
    );
    // If --fast would exceed the limit, the best compression is used.
    assert_eq!(made(&sandbox, &["--fast", "--limit", &size.to_string()]).len(), size);
}

#[test]
fn size_shows_what_each_part_costs_and_writes_no_user_data() {
    let sandbox = sandbox();
    let run = sandbox.run("mkuserdata", &["--size", "-o", "table", "--no-gzip", "base.txt", "noise.sh"], "").exits(0);
    assert_eq!(run.stdout, "    BYTES      COST  PART\n     3013      3196  noise.sh\n       30       118  base.txt\n");
    let size = build(&sandbox, &["--no-gzip", "base.txt", "noise.sh"]).len();
    assert_eq!(run.stderr, format!("mkuserdata: {size} bytes of user-data; the limit is 16384\n"));
    let run = sandbox.run("mkuserdata", &["--size", "base.txt", "noise.sh"], "").exits(0);
    let rows = run.records();
    assert_eq!((&rows[0]["part"], &rows[0]["size"]), (&"noise.sh".into(), &3013.into()));
    assert_eq!(rows[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["part", "size", "cost"]);
    assert_eq!(
        sandbox.run("mkuserdata", &["--size", "-1", "base.txt", "noise.sh"], "").exits(0).stdout,
        "noise.sh\nbase.txt\n"
    );
    sandbox.run("mkuserdata", &["--size", "-w", "both", "base.txt", "noise.sh"], "").exits(0);
    assert_eq!(std::fs::read(sandbox.dir().join("both")).unwrap(), build(&sandbox, &["base.txt", "noise.sh"]));
}
