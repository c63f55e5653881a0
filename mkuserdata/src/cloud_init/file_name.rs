//! The file name of a part. cloud-init writes scripts to files of this name and runs them sorted by it.

/// Returns why cloud-init could not write a file of this cleaned name.
pub(crate) fn problem(cleaned: &str) -> Option<String> {
    /// The limit of file systems, without room for a number in front.
    const LONGEST: usize = 255;
    match cleaned.len() {
        0 => Some(
            "cloud-init keeps only letters, digits and -_.() of a file name: of this one nothing is left".to_string(),
        ),
        _ if matches!(cleaned, "." | "..") => Some(format!("cloud-init could not write a file of the name {cleaned}")),
        length if length > LONGEST => {
            Some(format!("its name has {length} characters for cloud-init: a file's has at most {LONGEST}"))
        }
        _ => None,
    }
}

/// Returns the name of the file that cloud-init writes (`clean_filename` in its util.py).
pub(crate) fn cleaned(name: &str) -> String {
    let kept = |c: &char| c.is_ascii_alphanumeric() || "_-.()".contains(*c);
    name.replace('/', "_").chars().filter(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_some_characters_of_a_name_are_kept() {
        assert_eq!(cleaned("a \"é;.sh"), "a.sh");
    }
}
