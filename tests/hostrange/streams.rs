//! Reading stdin and writing stdout: when names are written, memory, bad lines and errors.

use crate::{names_in, printed, refused};
use kit::Sandbox;

#[test]
fn the_first_names_come_at_once_and_a_reader_may_stop() {
    for line in [
        "hostrange -1 'n[1-999999999999]' | head -n 1",
        "hostrange 'n[1-99999]' -o names -x 'n[2-9]' -i 'n[1-99999999]' | head -n 1",
        "hostrange -s '\\n' 'n[1-999999999999]' n5 --nth 0- | head -n 1",
        "hostrange 'n[1-999999999999]' | head -n 1 | hostrange -1",
    ] {
        let run = Sandbox::new().sh(line).exits(0);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("n1\n", ""), "{line}");
    }
}

#[test]
fn memory_does_not_grow_with_the_names() {
    for line in [
        "hostrange -1 'n[1-3000000]' | tail -n 1",
        "hostrange 'n[1-3000000]' | tail -n 1 | hostrange -1",
        "hostrange -1 --sort 'n[1-3000000]' --nth 5- | tail -n 1",
    ] {
        let run = Sandbox::new().sh(&format!("ulimit -v 100000; {line}")).exits(0);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("n3000000\n", ""), "{line}");
    }
}

#[test]
fn a_bad_line_ends_the_run_with_nothing_written() {
    let good = "n[1-100000]\n{\"host\":\"web1\"}\n";
    for (bad, message) in [
        ("{\"name\":\"x\"}", "line 3: the record has no \"host\""),
        ("{\"host\":7}", "line 3: \"host\" is not a string"),
        ("n[3-1]", "line 3: bad expression: the range goes down: write 1-3\n  n[3-1]\n    ^^^"),
        (
            "-",
            "line 3: bad expression: a host name does not begin with '-' (to leave hosts out: ! or -x)\n  -\n  ^\n\
             hostrange: if it is one name, put it in double quotes: \"-\"",
        ),
    ] {
        assert_eq!(refused(&[], format!("{good}{bad}\nweb2\n")), format!("hostrange: stdin: {message}\n"));
    }
    let sandbox = Sandbox::new();
    sandbox.file("list", "web1\n\nweb;2\n");
    let run = sandbox.run("hostrange", &["n1", "-x", "^list"], "").exits(2);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.starts_with("hostrange: list: line 3: bad expression: "), "{}", run.stderr);
}

#[test]
fn text_of_any_editor_is_read() {
    let stdin = "\u{feff}web1\r\n# web9\r\n\r\n  {\"host\":\"web2\",\"x\":1}\t\r\n\tweb[3-4] , web5 \n   #web9\nweb6";
    assert_eq!(names_in(&Sandbox::new(), &[], stdin), "web1 web2 web3 web4 web5 web6");
    assert_eq!(printed(&["-i", "web2"], stdin), "{\"host\":\"web2\",\"x\":1}\n");
    let sandbox = Sandbox::new();
    sandbox.file("list", "\u{feff}web1\r\nweb2");
    assert_eq!(names_in(&sandbox, &["^list"], ""), "web1 web2");
}

#[test]
fn text_that_is_not_utf_8_is_refused_with_its_line() {
    assert_eq!(refused(&[], b"web1\nweb\xff\n"), "hostrange: stdin: line 2: not UTF-8\n");
    assert_eq!(refused(&[], b"{\"host\":\"\xe9\"}\n"), "hostrange: stdin: line 1: not UTF-8\n");
    let run = Sandbox::new().sh("hostrange $'web\\xff'").exits(2);
    assert!(run.stderr.starts_with("hostrange: invalid UTF-8 was detected"), "{}", run.stderr);
}

#[test]
fn an_empty_input_is_a_warning_and_fails_with_fail_empty() {
    let message = "hostrange: no hosts: the input was empty\n";
    for stdin in ["", "\n", "# nothing\n\n"] {
        for args in [&[][..], &["-1"], &["-f"], &["-"], &["--sort"], &["-x", "n1"]] {
            let run = Sandbox::new().run("hostrange", args, stdin).exits(0);
            assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", message), "{args:?}");
        }
        let run = Sandbox::new().run("hostrange", &["--fail-empty"], stdin).exits(1);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", message));
        assert_eq!(printed(&["-c"], stdin), "0\n");
        let run = Sandbox::new().run("hostrange", &["-c", "--fail-empty"], stdin).exits(1);
        assert_eq!(run.stdout, "0\n");
    }
}

#[test]
fn a_full_disk_is_reported_for_every_output() {
    for form in ["", "-1", "-f", "-c", "-s,", "-o table", "--index web1", "--split 2", "--sort"] {
        let run = Sandbox::new().sh(&format!("hostrange {form} web1 > /dev/full")).exits(2);
        let message = "hostrange: cannot write to stdout: No space left on device\n";
        assert_eq!(run.stderr, message, "{form}");
    }
}

#[test]
fn a_messy_list_folds_and_expands_to_the_same_hosts() {
    let mut list: Vec<String> = (0..3000)
        .map(|number: u32| {
            // Numbers with gaps, in random order.
            let (a, b) = (number.wrapping_mul(2_654_435_761) % 900, number * 7 % 41);
            match number % 6 {
                0 => format!("n{a}"),
                1 => format!("n{a:04}"),
                2 => format!("rack{b}-n{a:02}.example.org"),
                3 => format!("10.{b}.0.{}", a % 256),
                4 => format!("r{b:02}c{}n{}", a % 7, a % 11),
                _ => format!("DB_{b}x{a}"),
            }
        })
        .collect();
    let odd = [
        "localhost",
        "007",
        "7",
        "root@web1",
        "fe80::1%eth0",
        "x--y",
        "n00",
        "n000",
        "a1b2c3d4",
        "n99999999999999999999",
    ];
    list.extend(odd.map(str::to_string));
    let sandbox = Sandbox::new();
    sandbox.file("list", list.join("\n"));
    list.sort();
    list.dedup();
    let hosts = list.iter().map(|name| format!("{name}\n")).collect::<String>();
    for options in ["", "--autostep 3", "--axis 1", "--axis -1"] {
        let line = format!("hostrange -f {options} < list | tee folded | hostrange -1 | sort");
        let run = sandbox.sh(&line).exits(0);
        assert_eq!(run.stderr, "");
        assert!(run.stdout == hosts, "{line} gives other hosts: {}", run.stdout);
        let folded = std::fs::read_to_string(sandbox.dir().join("folded")).unwrap();
        assert_eq!(folded.lines().count(), 1, "{line}");
        assert!(folded.len() < hosts.len(), "{line} gives {} bytes", folded.len());
    }
}
