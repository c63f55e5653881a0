//! Finds the last line of an output, which usually says what went wrong.

/// The most bytes of a line. Only the end of a longer line is shown.
const LONGEST: usize = 4096;

/// Returns the last line that is not blank, without the white space around it.
pub fn last_line(output: &[u8]) -> Option<String> {
    let tail = &output[output.len().saturating_sub(LONGEST)..];
    let mut lines = tail.rsplit(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii);
    lines.find(|line| !line.is_empty()).map(|line| String::from_utf8_lossy(line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_at_the_end_do_not_count() {
        assert_eq!(last_line(b"a\n b \r\n \n\n").as_deref(), Some("b"));
        assert_eq!(last_line(b" \n"), None);
        assert_eq!(last_line(&[b'x'; 5000]).map(|line| line.len()), Some(LONGEST));
    }
}
