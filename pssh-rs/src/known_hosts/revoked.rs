//! The file of RevokedHostKeys: one public key in each line, which is refused from any host.

use super::entry::parse;
use super::index::Index;
use crate::base::user_file;
use std::path::Path;

/// Reads the file. Anything malformed is an error, because it may hide a revoked key.
pub fn read(path: &Path) -> Result<Index, String> {
    let shown = path.display();
    let cannot = |why: &str| format!("cannot use the file {shown} of RevokedHostKeys: {why}");
    let bytes = user_file::read(path).map_err(|error| cannot(&error.to_string()))?;
    if bytes.starts_with(b"SSHKRL\n\0") {
        return Err(cannot("it is a KRL, which only --engine openssh can read"));
    }
    let mut index = Index::default();
    for (number, line) in String::from_utf8_lossy(&bytes).lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = || format!("{shown}:{}", number + 1);
        match parse(&format!("@revoked * {line}"), place) {
            Ok(Some(entry)) => index.add_entry(entry),
            _ => return Err(cannot(&format!("its line {} is not a public key", number + 1))),
        }
    }
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

    #[test]
    fn a_file_revokes_its_keys_for_any_name_and_a_malformed_line_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revoked");
        let read_text = |text: &[u8]| {
            fs::write(&path, text).unwrap();
            read(&path)
        };
        let index = read_text(format!("# old\n\n  {A} comment\n").as_bytes()).unwrap();
        assert_eq!(index.entries_for("[any]:2222")[0].place, format!("{}:3", path.display()));
        let why = |text: &[u8]| read_text(text).unwrap_err();
        assert!(why(b"SSHKRL\n\0\0\0\0\x01").ends_with("only --engine openssh can read"));
        assert!(why(format!("{A}\nweb1 {A}\n").as_bytes()).ends_with("its line 2 is not a public key"));
        fs::remove_file(&path).unwrap();
        assert!(read(&path).unwrap_err().contains("No such file"));
    }
}
