//! `#include`: finds lines that cloud-init would fail to fetch.

/// cloud-init takes each line for a URL, with or without `#include` before it (`_do_include` in user_data.py).
pub fn include(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut urls = 0;
    for (number, line) in text.replace("\r\n", "\n").split(['\n', '\r']).enumerate() {
        let url = url_of(line);
        if url.is_empty() {
            continue;
        }
        urls += 1;
        let what = match url {
            url if !is_fetched(url) => "counts as a URL to include",
            url if goes_on(url) => "has text after its URL, which becomes part of the URL",
            _ => continue,
        };
        let number = number + 1;
        problems
            .push(format!("line {number} {what}: cloud-init would fail to fetch it, and take none of the user-data"));
    }
    if urls == 0 {
        problems.push("has no URL: cloud-init would include nothing".to_string());
    }
    problems
}

fn url_of(line: &str) -> &str {
    let after = |prefix: &str| {
        let start = line.get(..prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then(|| line[prefix.len()..].trim_start())
    };
    let rest = after("#include-once").or_else(|| after("#include")).unwrap_or(line);
    if rest.starts_with('#') { "" } else { rest.trim() }
}

/// Returns whether all releases of cloud-init would fetch it (`read_file_or_url` in url_helper.py).
fn is_fetched(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    let scheme = ["http://", "https://", "file:///"].iter().find_map(|scheme| lower.strip_prefix(scheme));
    match scheme {
        Some(rest) => !rest.is_empty() && !rest.starts_with([':', '/', ' ']),
        None => url.starts_with('/'),
    }
}

/// Returns whether a comment follows, or another word if it is not a path. Paths may contain blanks.
fn goes_on(url: &str) -> bool {
    let is_path = url.starts_with('/') || url.to_ascii_lowercase().starts_with("file:");
    match url.split_once(char::is_whitespace) {
        Some((_, rest)) => !is_path || rest.contains('#'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(content: &str) -> String {
        include(content).join("; ")
    }

    #[test]
    fn prose_and_indented_lines_count_as_urls() {
        assert!(found("#included are packages\n").starts_with("line 1 counts as a URL to include: "));
        assert!(found("#include\n\n #include http://x/\n").starts_with("line 3 counts as a URL to include: "));
        assert!(found("#include\nhttp://\ns3://x/y\n").contains("; line 3 "));
        assert_eq!(found("#include\n# none\n"), "has no URL: cloud-init would include nothing");
    }
}
