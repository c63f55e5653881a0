//! File names: which names a server may give us, and the temporary names that we make.

use sha1::{Digest, Sha1};

/// The longest name that file systems take.
const LONGEST: usize = 255;
const ENDING: &str = ".pssh-rs";

/// Whether a name that a server gave is one file in the folder at hand, and nothing else.
pub fn is_plain(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0)
}

/// Whether a symbolic link, `depth` folders below its tree's top, leads to somewhere in that tree. Only leading `..` are
/// taken: behind another link one would lead elsewhere than it reads.
pub fn stays_inside(target: &[u8], depth: usize) -> bool {
    if target.is_empty() || target.starts_with(b"/") || target.contains(&0) {
        return false;
    }
    let steps: Vec<&[u8]> =
        target.split(|byte| *byte == b'/').filter(|step| !step.is_empty() && *step != b".").collect();
    let up = steps.iter().take_while(|step| **step == b"..").count();
    up <= depth && !steps[up..].contains(&b"..".as_slice())
}

/// The name under which a file is written until it is complete: it tells the source's size and time, so that only what
/// came of the same source is continued. A long name is told by its hash.
pub fn temporary(name: &[u8], size: u64, time: &str) -> Vec<u8> {
    let tail = format!(".{size}-{time}{ENDING}");
    let mut made = b".".to_vec();
    match 1 + name.len() + tail.len() <= LONGEST {
        true => made.extend_from_slice(name),
        false => {
            let hash = Sha1::digest(name);
            let hash: String = hash.iter().take(10).map(|byte| format!("{byte:02x}")).collect();
            let room = LONGEST - 2 - hash.len() - tail.len();
            made.extend_from_slice(&name[..room.min(name.len())]);
            made.push(b'.');
            made.extend_from_slice(hash.as_bytes());
        }
    }
    made.extend_from_slice(tail.as_bytes());
    made
}

/// `folder/name`; the name alone where the folder is where we are.
pub fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = folder.to_vec();
    if !path.is_empty() && !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// A path's folder, with its slash, and its name.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    path.split_at(path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1))
}

/// As text for messages, and only for them.
pub fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_listing_gives_no_way_out_of_its_folder() {
        for name in ["", ".", "..", "/", "a/b", "../x", "/etc/passwd", "..\0", "\0"] {
            assert!(!is_plain(name.as_bytes()), "{name:?}");
        }
        for name in ["a", "...", "..a", " ", "a\nb", "-rf", "~", "$(id)", "a\\..\\b"] {
            assert!(is_plain(name.as_bytes()), "{name:?}");
        }
        assert!(is_plain(b"\xff\xfe"));
    }

    #[test]
    fn a_link_that_leaves_its_tree_is_told() {
        for (target, depth) in [("a", 0), ("./a/b", 0), ("../a", 1), ("../../a//b", 2), (".", 0), ("..", 1)] {
            assert!(stays_inside(target.as_bytes(), depth), "{target} {depth}");
        }
        for (target, depth) in
            [("", 9), ("/etc", 9), ("..", 0), ("../../a", 1), ("a/../b", 9), ("./../x", 0), ("a\0", 1)]
        {
            assert!(!stays_inside(target.as_bytes(), depth), "{target} {depth}");
        }
    }

    #[test]
    fn a_temporary_name_is_never_too_long_nor_another_file_s() {
        assert_eq!(temporary(b"a", 5, "7.0"), b".a.5-7.0.pssh-rs");
        let (one, other) = ([b'x'; 255], [&[b'x'; 254][..], b"y"].concat());
        let of = |name: &[u8]| temporary(name, u64::MAX, "18446744073709551615.999999999");
        assert_eq!(of(&one).len(), 255);
        assert_ne!(of(&one), of(&other));
        assert_ne!(temporary(b"a", 5, "7.0"), temporary(b"a", 5, "8.0"));
    }

    #[test]
    fn paths_come_apart_and_together() {
        assert_eq!(split(b"/a/b"), (&b"/a/"[..], &b"b"[..]));
        assert_eq!(split(b"b"), (&b""[..], &b"b"[..]));
        assert_eq!(join(b"/a/", b"b"), b"/a/b");
        assert_eq!(join(b"a", b"b"), b"a/b");
        assert_eq!(join(b"", b"b"), b"b");
    }
}
