//! File names: which names a server may give us, and the temporary names that we make.

use sha1::{Digest, Sha1};

/// The longest name that file systems take.
const LONGEST: usize = 255;
const ENDING: &str = ".pssh-rs";

/// Returns whether a name that a server gave is the name of one file in its folder.
pub fn is_plain(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0)
}

/// Returns whether a symbolic link, `depth` folders below the top of its tree, leads into that tree. Accepts `..` only at
/// the start, because behind another link it leads elsewhere.
pub fn stays_inside(target: &[u8], depth: usize) -> bool {
    if target.is_empty() || target.starts_with(b"/") || target.contains(&0) {
        return false;
    }
    let steps: Vec<&[u8]> =
        target.split(|byte| *byte == b'/').filter(|step| !step.is_empty() && *step != b".").collect();
    let up = steps.iter().take_while(|step| **step == b"..").count();
    up <= depth && !steps[up..].contains(&b"..".as_slice())
}

/// Returns the name under which a file is written until it is complete. Size and time of the source are in it, so only a
/// copy of the same source is continued. Of a long name it has the start and a hash.
pub fn temporary(name: &[u8], size: u64, time: &str) -> Vec<u8> {
    let tail = format!(".{size}-{time}{ENDING}");
    let mut made = b".".to_vec();
    if 1 + name.len() + tail.len() <= LONGEST {
        made.extend_from_slice(name);
    } else {
        let hash = Sha1::digest(name);
        let hash: String = hash.iter().take(10).map(|byte| format!("{byte:02x}")).collect();
        let room = LONGEST - 2 - hash.len() - tail.len();
        made.extend_from_slice(&name[..room.min(name.len())]);
        made.push(b'.');
        made.extend_from_slice(hash.as_bytes());
    }
    made.extend_from_slice(tail.as_bytes());
    made
}

/// Returns `folder/name`, or the name alone if the folder is empty.
pub fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = folder.to_vec();
    if !path.is_empty() && !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// Returns the folder of a path, with its slash, and the name.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    path.split_at(path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1))
}

/// Returns a path as text for messages.
pub fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_out_of_its_folder_is_not_plain() {
        for name in ["", ".", "..", "/", "a/b", "../x", "/etc/passwd", "..\0", "\0"] {
            assert!(!is_plain(name.as_bytes()), "{name:?}");
        }
        for name in ["a", "...", "..a", " ", "a\nb", "-rf", "~", "$(id)", "a\\..\\b"] {
            assert!(is_plain(name.as_bytes()), "{name:?}");
        }
        assert!(is_plain(b"\xff\xfe"));
    }

    #[test]
    fn a_link_stays_inside_if_it_leads_to_its_tree() {
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
    fn a_temporary_name_is_short_enough_and_of_one_file() {
        assert_eq!(temporary(b"a", 5, "7.0"), b".a.5-7.0.pssh-rs");
        let (one, other) = ([b'x'; 255], [&[b'x'; 254][..], b"y"].concat());
        let of = |name: &[u8]| temporary(name, u64::MAX, "18446744073709551615.999999999");
        assert_eq!(of(&one).len(), 255);
        assert_ne!(of(&one), of(&other));
        assert_ne!(temporary(b"a", 5, "7.0"), temporary(b"a", 5, "8.0"));
    }

    #[test]
    fn paths_are_split_and_joined() {
        assert_eq!(split(b"/a/b"), (&b"/a/"[..], &b"b"[..]));
        assert_eq!(split(b"b"), (&b""[..], &b"b"[..]));
        assert_eq!(join(b"/a/", b"b"), b"/a/b");
        assert_eq!(join(b"a", b"b"), b"a/b");
        assert_eq!(join(b"", b"b"), b"b");
    }
}
