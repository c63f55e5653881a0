//! Copies against a real sshd.

use super::test_server::{Server, soon};
use super::*;
use crate::base::shutdown::Shutdown;
use crate::base::wait::WaitError;
use cerveza_results::Copied;
use std::ffi::{OsStr, OsString};
use std::fs::{self, FileTimes, Permissions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

fn date(path: &Path, seconds: u64) {
    let file = fs::File::open(path).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    file.set_times(FileTimes::new().set_accessed(at).set_modified(at)).unwrap();
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Creates a tree of difficult files: 8 files, 2 links, 3 folders.
fn plant(top: &Path) {
    fs::create_dir_all(top.join("sub/empty")).unwrap();
    fs::write(top.join("nothing"), "").unwrap();
    fs::write(top.join("two words"), "a").unwrap();
    fs::write(top.join("new\nline"), "b").unwrap();
    fs::write(top.join(OsStr::from_bytes(b"\xff\xfe")), "c").unwrap();
    fs::write(top.join("x".repeat(255)), "long").unwrap();
    fs::write(top.join("sub/secret"), "d").unwrap();
    fs::write(top.join("sub/set"), "e").unwrap();
    let big: Vec<u8> = (0..3_000_017u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(top.join("big"), big).unwrap();
    symlink("../big", top.join("sub/up")).unwrap();
    symlink("no/where", top.join("dangling")).unwrap();
    mode(&top.join("sub/secret"), 0o600);
    mode(&top.join("sub/set"), 0o4755);
    date(&top.join("nothing"), 1);
    date(&top.join("sub/secret"), 1_000_000_000);
    mode(&top.join("sub/empty"), 0o500);
    date(&top.join("sub"), 1_100_000_000);
}

/// Returns what a copy keeps of a tree, by path.
fn look(top: &Path) -> Vec<(OsString, u32, i64, Vec<u8>)> {
    let mut seen = Vec::new();
    let mut todo = vec![top.to_path_buf()];
    while let Some(path) = todo.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let (mut mode, mut mtime) = (metadata.mode() & !0o7000, metadata.mtime());
        let content = match metadata.file_type() {
            kind if kind.is_dir() => {
                todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                Vec::new()
            }
            kind if kind.is_symlink() => {
                (mode, mtime) = (0, 0);
                fs::read_link(&path).unwrap().into_os_string().into_vec()
            }
            _ => fs::read(&path).unwrap(),
        };
        seen.push((path.strip_prefix(top).unwrap().as_os_str().to_os_string(), mode, mtime, content));
    }
    seen.sort();
    seen
}

#[test]
fn a_pushed_and_pulled_tree_is_the_same_and_a_second_run_copies_nothing() {
    let server = Server::sftp();
    let (here, there, back) = (server.path("here"), server.path("there"), server.path("back"));
    plant(&here);
    let bytes = 3_000_017 + 3 + 4 + 2;
    let pushed = server.push(&here, &there).unwrap();
    assert_eq!(pushed, Copied { files: 10, bytes, ..Copied::default() });
    assert_eq!(look(&there), look(&here));
    let pulled = server.pull(&there, &back, "a/..").unwrap();
    assert_eq!(pulled, Copied { files: 10, bytes, ..Copied::default() });
    assert_eq!(look(&back.join("a%2F../there")), look(&here));
    mode(&back.join("a%2F../there/nothing"), 0o640);
    let again = server.pull(&there, &back, "a/..").unwrap();
    assert_eq!(again, Copied { unchanged: 10, ..Copied::default() });
    assert_eq!(look(&back.join("a%2F../there")), look(&here));
}

#[test]
fn a_second_push_sends_what_changed_and_replaces_links() {
    let server = Server::sftp();
    let (here, there) = (server.path("here"), server.path("there"));
    plant(&here);
    fs::create_dir(&there).unwrap();
    // The folder becomes the destination; into it only with a slash.
    assert_eq!(server.push(&here, &there).unwrap().files, 10);
    let other = server.path("other");
    fs::create_dir(&other).unwrap();
    assert_eq!(server.push(&here, format!("{}/", other.display())).unwrap().files, 10);
    assert!(other.join("here/two words").exists());
    let into = there.clone();
    assert_eq!(server.push(&here, &there).unwrap(), Copied { unchanged: 10, ..Copied::default() });
    let elsewhere = server.path("elsewhere");
    fs::write(&elsewhere, "untouched").unwrap();
    fs::remove_file(into.join("two words")).unwrap();
    symlink(&elsewhere, into.join("two words")).unwrap();
    mode(&into.join("nothing"), 0o666);
    fs::write(here.join("sub/secret"), "changed").unwrap();
    let pushed = server.push(&here, &there).unwrap();
    assert_eq!(pushed, Copied { files: 2, bytes: 8, unchanged: 8, ..Copied::default() });
    assert_eq!(look(&into), look(&here));
    assert_eq!(fs::read(&elsewhere).unwrap(), b"untouched");
}

#[test]
fn an_interrupted_copy_is_continued_if_only_we_can_have_written_it() {
    let server = Server::sftp();
    let (source, target) = (server.path("source"), server.path("target"));
    let (pattern, len) = ((0..250).collect::<Vec<u8>>(), 64_000_000);
    let content = pattern.repeat(len as usize / pattern.len());
    fs::write(&source, &content).unwrap();
    // Ctrl-C in the middle.
    let plan = PushPlan::read(&[Spec { source: source.clone().into(), dest: Some(target.clone().into()) }]).unwrap();
    let shutdown = Shutdown::new().unwrap();
    let stop = Arc::clone(&shutdown.stop);
    let session = server.session_until(shutdown);
    let pushed = server.during_push(|| stop.set(), || push(&session, &plan, "here", soon()));
    let error = pushed.unwrap_err();
    assert!(matches!(error.cause, Cause::WaitError(WaitError::Stopped)), "{error}");
    let sent = error.copied.bytes;
    drop(session);
    let partial = PathBuf::from(error.partial.unwrap());
    assert!(!target.exists() && partial.metadata().unwrap().len() >= sent);
    // The server may still be writing what it had received.
    std::thread::sleep(Duration::from_millis(300));
    let there = partial.metadata().unwrap().len();
    let pushed = push(&server.session(), &plan, "here", soon()).unwrap();
    assert_eq!(pushed.bytes, len - there.saturating_sub(512 * 1024));
    assert_eq!(fs::read(&target).unwrap(), content);
    assert!(!partial.exists());

    // A file that others could have written is not continued.
    fs::remove_file(&target).unwrap();
    fs::write(&partial, vec![b'!'; 1_500_000]).unwrap();
    mode(&partial, 0o644);
    assert_eq!(push(&server.session(), &plan, "here", soon()).unwrap().bytes, len);
    assert_eq!(fs::read(&target).unwrap(), content);

    // Pulled: the beginning is there.
    let back = server.path("back");
    fs::create_dir_all(back.join("h")).unwrap();
    let mtime = target.metadata().unwrap().mtime().to_string();
    let partial = back.join("h").join(OsStr::from_bytes(&names::temporary(b"target", len, &mtime)));
    fs::write(&partial, &content[..content.len() - 10]).unwrap();
    mode(&partial, 0o600);
    assert_eq!(server.pull(&target, &back, "h").unwrap(), Copied { files: 1, bytes: 10, ..Copied::default() });
    assert_eq!(fs::read(back.join("h/target")).unwrap(), content);
    assert!(!partial.exists());
}

#[test]
fn a_failed_copy_names_the_path_and_leaves_nothing_behind() {
    let server = Server::sftp();
    let (source, there) = (server.path("f"), server.path("there"));
    fs::write(&source, "new").unwrap();
    fs::create_dir_all(there.join("f")).unwrap();
    let said = |result: Result<Copied, Box<CopyError>>| result.unwrap_err().to_string();
    let at = there.display();
    assert_eq!(said(server.push(&source, &there)), format!("{at}/f: is a folder"));
    assert_eq!(said(server.push(&source, there.join("no/"))), format!("{at}/no/: no such folder"));
    assert_eq!(
        said(server.push(&source, there.join("no/such"))),
        format!("{at}/no/such: no such file or directory (SFTP 2)")
    );
    let folder = server.path("d");
    fs::create_dir(&folder).unwrap();
    assert_eq!(said(server.push(&folder, &source)), format!("{}: not a folder", source.display()));
    assert_eq!(
        said(server.pull(there.join("none"), &server.path("back"), "h")),
        format!("{at}/none: no such file or directory")
    );
    assert_eq!(
        said(server.pull(there.join("*.x"), &server.path("back"), "h")),
        format!("{at}/*.x: nothing there matches")
    );
    assert_eq!(fs::read_dir(&there).unwrap().count(), 1);
}

#[test]
fn a_pull_finds_files_by_pattern_and_skips_links_out_of_the_tree() {
    let server = Server::sftp();
    let (there, back) = (server.path("there"), server.path("back"));
    for name in ["a", "b", "c"] {
        fs::create_dir_all(there.join(name)).unwrap();
        fs::write(there.join(name).join("x.log"), name).unwrap();
    }
    fs::remove_file(there.join("c/x.log")).unwrap();
    fs::write(there.join("file"), "").unwrap();
    assert_eq!(server.pull(there.join("*/*.log"), &back, "h").unwrap().files, 2);
    assert_eq!(fs::read(back.join("h/a/x.log")).unwrap(), b"a");
    assert_eq!(fs::read(back.join("h/b/x.log")).unwrap(), b"b");

    symlink("/etc/passwd", there.join("a/abs")).unwrap();
    symlink("../../../up", there.join("a/up")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, there.join("a/pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let pulled = server.pull(&there, &back, "h").unwrap();
    let mut skipped = pulled.skipped.clone();
    skipped.sort();
    let at = there.display();
    assert_eq!(
        skipped,
        [
            format!("{at}/a/abs: the symbolic link leads out of what is pulled: /etc/passwd"),
            format!("{at}/a/pipe: neither file, folder nor symbolic link"),
            format!("{at}/a/up: the symbolic link leads out of what is pulled: ../../../up"),
        ]
    );
    assert_eq!(fs::read_dir(back.join("h/there/a")).unwrap().count(), 1);

    // What was a folder is a link out of here now, as a hostile server may have it made by an earlier run: not followed.
    fs::remove_dir_all(back.join("h/there/a")).unwrap();
    let outside = server.path("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, back.join("h/there/a")).unwrap();
    assert!(matches!(server.pull(&there, &back, "h").unwrap_err().cause, Cause::Local(_)));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn a_wildcard_reports_links_that_lead_nowhere() {
    let server = Server::sftp();
    let (there, back) = (server.path("there"), server.path("back"));
    fs::create_dir(&there).unwrap();
    fs::write(there.join("a.log"), "a").unwrap();
    symlink("no/where", there.join("b.log")).unwrap();
    symlink("a.log", there.join("c.log")).unwrap();
    let pulled = server.pull(there.join("*.log"), &back, "h").unwrap();
    let at = there.display();
    assert_eq!((pulled.files, pulled.skipped), (2, vec![format!("{at}/b.log: the symbolic link leads nowhere")]));
    assert_eq!(fs::read(back.join("h/c.log")).unwrap(), b"a");
    let error = server.pull(there.join("b*"), &back, "h").unwrap_err();
    assert_eq!(error.to_string(), format!("{at}/b*: nothing matches but symbolic links that lead nowhere"));
    // A folder that the rest of the pattern is not in is passed over.
    fs::create_dir(there.join("d")).unwrap();
    fs::write(there.join("d/x"), "x").unwrap();
    fs::create_dir(there.join("e")).unwrap();
    let pulled = server.pull(there.join("[de]/x"), &back, "h").unwrap();
    assert_eq!((pulled.files, pulled.skipped), (1, Vec::new()));
}

#[test]
fn a_source_that_changes_during_a_push_leaves_no_file() {
    let server = Server::sftp();
    let (source, target) = (server.path("source"), server.path("target"));
    fs::write(&source, vec![1; 64_000_000]).unwrap();
    let plan = PushPlan::read(&[Spec { source: source.clone().into(), dest: Some(target.clone().into()) }]).unwrap();
    let session = server.session();
    let change = || fs::write(&source, "shorter").unwrap();
    let error = server.during_push(change, || push(&session, &plan, "here", soon())).unwrap_err();
    assert!(matches!(&error.cause, Cause::Local(why) if why.ends_with("it changed while it was read")), "{error}");
    assert!(error.partial.is_none());
    let left: Vec<_> = fs::read_dir(server.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.as_bytes().ends_with(b".pssh-rs") || name == "target"), "{left:?}");
}

#[test]
fn two_runs_copy_the_same_file_at_the_same_time() {
    let server = Server::sftp();
    let (source, target, back) = (server.path("source"), server.path("target"), server.path("back"));
    fs::write(&source, vec![7; 40_000_000]).unwrap();
    let twice = |copy: &(dyn Fn() -> Result<Copied, Box<CopyError>> + Sync)| {
        std::thread::scope(|scope| [scope.spawn(copy), scope.spawn(copy)].map(|run| run.join().unwrap().unwrap()))
    };
    twice(&|| server.push(&source, &target));
    twice(&|| server.pull(&source, &back, "h"));
    for copy in [target, back.join("h/source")] {
        assert!(fs::read(&copy).unwrap() == fs::read(&source).unwrap(), "{}", copy.display());
    }
}

#[test]
fn a_file_of_the_kernel_is_shorter_than_its_size() {
    let server = Server::sftp();
    server.pull("/sys/class/net/lo/mtu", &server.path("back"), "h").unwrap();
    assert_eq!(fs::read("/sys/class/net/lo/mtu").unwrap(), fs::read(server.path("back/h/mtu")).unwrap());
}

#[test]
fn permission_denied_names_the_path() {
    let server = Server::start("Subsystem sftp internal-sftp -R", "");
    let (source, target) = (server.path("f"), server.path("g"));
    fs::write(&source, "new").unwrap();
    let error = server.push(&source, &target).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: permission denied (SFTP 3)", target.display()));
    assert_eq!(server.pull(&source, &server.path("back"), "h").unwrap().files, 1);
}

#[test]
fn a_replacement_in_two_steps_is_reported() {
    let server = Server::start("Subsystem sftp internal-sftp -P posix-rename", "");
    let (source, target) = (server.path("f"), server.path("g"));
    fs::write(&source, "new").unwrap();
    fs::write(&target, "old, longer").unwrap();
    let why = "replaced in two steps: the server has no posix-rename@openssh.com";
    assert_eq!(server.push(&source, &target).unwrap().skipped, [format!("{}: {why}", target.display())]);
    assert_eq!(fs::read(&target).unwrap(), b"new");
}

#[test]
fn a_server_without_sftp_has_its_own_error() {
    let server = Server::start("", "");
    let source = server.path("f");
    fs::write(&source, "").unwrap();
    let error = server.push(&source, "f").unwrap_err();
    assert!(
        matches!(&error.cause, Cause::NoSftp(why) if why.starts_with("the server has no SFTP subsystem")),
        "{error}"
    );
    let server = Server::start("Subsystem sftp /bin/echo this is no SFTP at all", "");
    let error = server.push(&source, "f").unwrap_err();
    assert!(matches!(&error.cause, Cause::NoSftp(_)), "{error}");
}

#[test]
fn a_silent_server_ends_by_the_deadline() {
    let server = Server::start("Subsystem sftp /bin/sleep 30", "");
    let source = server.path("f");
    fs::write(&source, "").unwrap();
    let plan = PushPlan::read(&[Spec { source: source.into(), dest: None }]).unwrap();
    let deadline = Some(Instant::now() + Duration::from_millis(300));
    let error = push(&server.session(), &plan, "here", deadline).unwrap_err();
    assert!(matches!(error.cause, Cause::WaitError(WaitError::Deadline)), "{error}");
    let begun = Instant::now();
    let error = push(&server.session(), &plan, "here", soon()).unwrap_err();
    assert_eq!(error.to_string(), "no answer from the SFTP server within 15s");
    assert!(begun.elapsed() >= Duration::from_secs(15));
}

#[test]
fn in_a_chroot_paths_start_at_the_chroot() {
    // sshd changes its root only as root.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // sshd wants all folders down to it to be root's alone, which /tmp is not.
    let jail = TempDir::new_in("/").unwrap();
    mode(jail.path(), 0o755);
    let server = Server::start(
        "Subsystem sftp internal-sftp",
        &format!("ChrootDirectory {}\nForceCommand internal-sftp", jail.path().display()),
    );
    let source = server.path("f");
    fs::write(&source, "jailed").unwrap();
    assert_eq!(server.push(&source, "/g").unwrap().files, 1);
    assert_eq!(fs::read(jail.path().join("g")).unwrap(), b"jailed");
    assert_eq!(server.pull("/g", &server.path("back"), "h").unwrap().files, 1);
    assert_eq!(fs::read(server.path("back/h/g")).unwrap(), b"jailed");
    assert!(server.push(&source, "/../../etc/no/g").unwrap_err().cause.is_missing());
}
