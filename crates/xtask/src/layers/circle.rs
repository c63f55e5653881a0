//! Finds circles in a graph. Its nodes are names, and an arrow means that one name imports another.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The arrows of a graph, each with its number of imports.
pub(super) type Arrows = BTreeMap<(String, String), usize>;

/// Returns the circles through wanted names, the shortest first. After each circle, its arrow with the fewest imports is
/// removed, until no circle is left.
pub(super) fn circles(mut arrows: Arrows, wanted: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    let mut circles = Vec::new();
    while let Some(circle) = shortest_circle(&arrows, &wanted) {
        let weakest = steps(&circle).min_by_key(|step| arrows[step]);
        weakest.map(|step| arrows.remove(&step));
        circles.push(circle);
    }
    circles
}

/// The arrows of a circle, one after another; the last leads back to its first name.
pub(super) fn steps(circle: &[String]) -> impl Iterator<Item = (String, String)> {
    let next = circle.iter().cycle().skip(1);
    circle.iter().cloned().zip(next.cloned())
}

fn shortest_circle(arrows: &Arrows, wanted: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let names: BTreeSet<&String> = arrows.keys().map(|(from, _)| from).filter(|name| wanted(name)).collect();
    names.into_iter().filter_map(|name| circle_through(name, arrows)).min_by_key(Vec::len)
}

/// Finds the shortest way from a name back to itself, by breadth-first search.
fn circle_through(start: &String, arrows: &Arrows) -> Option<Vec<String>> {
    let mut ways = VecDeque::from([vec![start.clone()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for (from, to) in arrows.keys().filter(|(from, _)| way.last() == Some(from)) {
            if to == start {
                return Some(way);
            }
            if from != to && seen.insert(to) {
                ways.push_back(way.iter().chain([to]).cloned().collect());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(arrows: &[(&str, &str, usize)]) -> Vec<String> {
        let arrow = |(from, to, imports): &(&str, &str, usize)| ((from.to_string(), to.to_string()), *imports);
        circles(arrows.iter().map(arrow).collect(), |name| name != "z").iter().map(|circle| circle.join(" ")).collect()
    }

    #[test]
    fn a_graph_that_runs_one_way_has_no_circle() {
        assert!(found(&[("a", "b", 1), ("a", "c", 1), ("b", "c", 1)]).is_empty());
    }

    #[test]
    fn the_shortest_circle_comes_first() {
        let arrows = [("a", "b", 1), ("b", "c", 1), ("c", "a", 1), ("x", "y", 1), ("y", "x", 1)];
        assert_eq!(found(&arrows), ["x y", "a b c"]);
    }

    #[test]
    fn the_arrow_of_the_fewest_imports_breaks_every_circle_it_is_part_of() {
        let arrows = [("a", "b", 5), ("b", "a", 1), ("b", "c", 5), ("c", "a", 5)];
        assert_eq!(found(&arrows), ["a b", "a b c"]);
        let arrows = [("a", "b", 1), ("b", "a", 5), ("b", "c", 5), ("c", "a", 5)];
        assert_eq!(found(&arrows), ["a b"]);
    }

    #[test]
    fn a_circle_goes_through_a_wanted_name() {
        assert!(found(&[("z", "z", 1)]).is_empty());
        assert_eq!(found(&[("z", "y", 1), ("y", "z", 1)]), ["y z"]);
    }
}
