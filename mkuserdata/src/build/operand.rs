//! PART on the command line: `FILE`, `FILE:TYPE`, `FILE:raw` or `-`.

use crate::cloud_init::content_type::full_type;
use cerveza_manners::Result;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operand {
    pub path: PathBuf,
    /// The full type, if one is given.
    pub declared: Option<String>,
    /// It is the whole user-data, and is not changed.
    pub is_raw: bool,
}

/// The word for "unchanged" in place of a type.
const RAW: &str = "raw";

impl Operand {
    /// Parses `FILE:TYPE`. If a file of the whole name exists, it is that file without a type.
    pub fn parse(word: &OsStr) -> Result<Operand> {
        let plain = Operand { path: PathBuf::from(word), declared: None, is_raw: false };
        if plain.path.exists() {
            return Ok(plain);
        }
        match word.to_str().and_then(|word| word.rsplit_once(':')) {
            Some((path, declared)) if !path.is_empty() && declared.eq_ignore_ascii_case(RAW) => {
                Ok(Operand { path: PathBuf::from(path), declared: None, is_raw: true })
            }
            Some((path, declared)) if !path.is_empty() => {
                let declared = full_type(declared).map_err(|failure| failure.within(Path::new(word).display()))?;
                Ok(Operand { path: PathBuf::from(path), declared: Some(declared), is_raw: false })
            }
            _ => Ok(plain),
        }
    }
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Returns the name of a file in messages.
pub(crate) fn label(path: &Path) -> String {
    if is_stdin(path) { "stdin".to_string() } else { path.display().to_string() }
}

/// Opens the file, or stdin for `-`.
pub(crate) fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    Ok(if is_stdin(path) { Box::new(io::stdin().lock()) } else { Box::new(File::open(path)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_follows_the_last_colon() {
        let parse = |word: &str| Operand::parse(OsStr::new(word)).map_err(|failure| failure.message);
        let operand = |path: &str, declared: Option<&str>| {
            Ok(Operand { path: PathBuf::from(path), declared: declared.map(str::to_string), is_raw: false })
        };
        assert_eq!(parse("a.sh"), operand("a.sh", None));
        assert_eq!(parse("-"), operand("-", None));
        assert_eq!(parse("a:b.sh:x-shellscript-per-boot"), operand("a:b.sh", Some("text/x-shellscript-per-boot")));
        assert_eq!(parse("-:text/x-mine"), operand("-", Some("text/x-mine")));
        assert_eq!(
            parse("C:/user.ps1:Raw"),
            Ok(Operand { path: PathBuf::from("C:/user.ps1"), declared: None, is_raw: true })
        );
        assert_eq!(parse("a.sh:shell"), Err("a.sh:shell: cloud-init knows no type shell".to_string()));
    }

    #[test]
    fn a_file_with_the_whole_name_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a:cloud-config");
        std::fs::write(&path, "").unwrap();
        assert_eq!(Operand::parse(path.as_os_str()).unwrap(), Operand { path, declared: None, is_raw: false });
    }
}
