//! Checks a cloud-config: its YAML, the type of its root, and `merge_how`.

use crate::cloud_config::merge_how;
use crate::cloud_config::yaml_node::Node;
use crate::cloud_config::yaml_outline::{IGNORED, Root, YamlOutline};

/// Returns what is wrong with a cloud-config, which is a mapping.
pub(crate) fn cloud_config(text: &str) -> Vec<String> {
    let outline = match YamlOutline::of(text) {
        Err(problem) => return vec![problem],
        Ok(outline) => outline,
    };
    let mut problems = outline.problems;
    problems.extend(another_root(outline.root, Root::Mapping, "has nothing but comments"));
    let merge_how = Node::read(text).and_then(|node| merge_how::merge_how(&node));
    problems.extend(merge_how.and_then(|value| merge_how::problem(&value)).map(|why| format!("merge_how: {why}")));
    problems
}

pub(crate) fn another_root(root: Root, wanted: Root, empty: &str) -> Option<String> {
    let noun = |root: Root| match root {
        Root::Mapping => "mapping",
        Root::List => "list",
        Root::Plain | Root::Empty => "plain value",
    };
    match root {
        root if root == wanted => None,
        Root::Empty => Some(format!("{empty}: {IGNORED}")),
        root => Some(format!("is a {}, not a YAML {}: {IGNORED}", noun(root), noun(wanted))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> String {
        cloud_config(text).join("; ")
    }

    #[test]
    fn a_cloud_config_is_a_mapping() {
        assert_eq!(config("#cloud-config\na: [1, {b: c}]\n"), "");
        assert_eq!(config("#cloud-config\n---\na: 99999999999999999999\n"), "");
        assert_eq!(config("#cloud-config\n- a\n"), "is a list, not a YAML mapping: cloud-init would ignore it");
        assert_eq!(
            config("#cloud-config\nhello\n"),
            "is a plain value, not a YAML mapping: cloud-init would ignore it"
        );
        assert_eq!(config("#cloud-config\n# a: 1\n"), "has nothing but comments: cloud-init would ignore it");
        assert!(config("#cloud-config\na: 1\n b: [\n").starts_with("is not YAML: mapping values are not allowed "));
        assert_eq!(
            config("#cloud-config\na:\t\x07\n"),
            "line 2 has a control character, which YAML does not allow: cloud-init would ignore it"
        );
        assert_eq!(
            config("#cloud-config\na: 1\n---\nb: 1\n"),
            "has several YAML documents: cloud-init would ignore it"
        );
    }

    #[test]
    fn merge_how_is_checked() {
        assert_eq!(config("merge_how: 'list(append)+dict(recurse_list)+str()'\na: 1\n"), "");
        assert!(config("merge_how: 'list(append)'\na: 1\n").starts_with("merge_how: "));
        assert_eq!(config("a: {merge_how: x}\n"), "");
    }
}
