//! `ec2-ls --watch` on a terminal.

use crate::show::{hosts, on_terminal_of};
use kit::ec2_server::{Ec2Server, Fault, Rule};
use kit::hostile::wait_until;
use kit::{Outcome, REGION, Sandbox};

/// Runs `ec2-ls --watch 1` with `args` on a terminal of so many columns and rows. After two listings of `ec2` calls `change`,
/// waits for so many more listings, and presses Ctrl-C.
fn watched(
    ec2: &Ec2Server,
    sandbox: &Sandbox,
    (size, args): ((usize, usize), &str),
    change: impl FnOnce(),
    listings: usize,
) -> Outcome {
    let line = format!(
        "bash -c 'env --default-signal=INT ec2-ls --watch 1 {args} & while [ ! -e enough ]; do sleep 0.1; done; kill -INT $!; wait $!; echo \"[$?]\"'"
    );
    std::thread::scope(|scope| {
        let run = scope.spawn(|| on_terminal_of(sandbox, size, &line));
        let wait = |listings: usize| {
            let before = ec2.count("DescribeInstances");
            wait_until("listings", || run.is_finished() || ec2.count("DescribeInstances") >= before + listings);
        };
        wait(2);
        change();
        wait(listings);
        sandbox.file("enough", "");
        run.join().expect("a run")
    })
}

const WIDE: ((usize, usize), &str) = ((160, 24), "");

/// The last table on the screen.
fn last_frame(run: &Outcome) -> &str {
    run.stdout.rsplit("Every 1s").next().expect("rsplit gives at least one part")
}

#[test]
fn watch_redraws_the_table_and_ends_on_ctrl_c() {
    let (ec2, sandbox) = hosts(["web1", "web2"]);
    let run = watched(&ec2, &sandbox, WIDE, || {}, 1);
    assert!(run.stdout.matches("Every 1s: ec2-ls").count() >= 2, "{:?}", run.stdout);
    assert!(run.stdout.contains("2 hosts: 2 running") && run.stdout.contains("web2"), "{:?}", run.stdout);
    assert!(run.stdout.ends_with("\x1b[?25h\x1b[?1049l[130]\n"), "{:?}", run.stdout);
}

#[test]
fn watch_keeps_the_last_table_if_nothing_answers() {
    let (ec2, sandbox) = hosts(["web1", "web2"]);
    ec2.fault(Rule::on("DescribeInstances", Fault::unauthorized()).after(1).always());
    let run = watched(&ec2, &sandbox, WIDE, || {}, 2);
    let last = last_frame(&run);
    assert!(
        last.contains("? web1") && last.contains("? web2") && last.contains("DescribeInstances in us-east-1"),
        "{last:?}"
    );
}

#[test]
fn watch_shows_hosts_once_while_another_account_of_the_region_fails() {
    let (ec2, _) = hosts(["db1", "db2"]);
    let profile = |name: &str, endpoint: &str| {
        let keys = "aws_access_key_id = AKID\naws_secret_access_key = secret";
        format!("[profile {name}]\nregion = {REGION}\nendpoint_url = {endpoint}\n{keys}\n")
    };
    let sandbox = Sandbox::new();
    let config = profile("prod", &ec2.endpoint) + &profile("dead", "http://127.0.0.1:1");
    sandbox.file(".aws/config", config);
    let run = watched(&ec2, &sandbox, ((160, 24), "--account prod,dead"), || {}, 3);
    let last = last_frame(&run);
    assert!(last.contains("2 hosts: 2 running") && !last.contains("? db"), "{last:?}");
}

#[test]
fn watch_shows_marked_hosts_first_if_not_all_fit() {
    let (ec2, sandbox) = hosts((1..=30).map(|number| format!("n{number}")));
    let stop = || _ = sandbox.run("ec2-power", &["stop", "--wait", "n30"], "").exits(0);
    let run = watched(&ec2, &sandbox, ((160, 10), ""), stop, 4);
    let last = last_frame(&run);
    let line = last.lines().find(|line| line.contains("n30")).unwrap_or_else(|| panic!("{last:?}"));
    assert!(line.starts_with("* ") && line.contains("stopped"), "{last:?}");
    assert!(last.contains("... and 2"), "{last:?}");
}

#[test]
fn watch_needs_a_terminal_and_a_table() {
    let sandbox = Sandbox::new();
    let run = sandbox.run("ec2-ls", &["--watch", "5", "-o", "table"], "").exits(2);
    assert!(
        run.stderr.starts_with("ec2-ls: --watch draws on a terminal, and stdout is not one\nec2-ls: "),
        "{}",
        run.stderr
    );
    let run = sandbox.run("ec2-ls", &["--watch", "5", "-o", "json"], "").exits(2);
    assert!(run.stderr.contains("while ec2-ls; do sleep 5; done"), "{}", run.stderr);
    sandbox.run("ec2-ls", &["--watch", "0.5"], "").exits(2);
}
