//! The README shows the figures that `make bench` has written, and no others.

use std::fs::read_to_string;

/// The figures between the lines that `make bench` looks for.
fn figures(page: &str) -> &str {
    let (_, rest) = page.split_once("<!-- Figures of make bench -->\n").expect("the line before the figures");
    rest.split_once("<!-- End of figures -->\n").expect("the line after the figures").0
}

fn readme() -> String {
    read_to_string(kit::root().join("README.md")).expect("README.md")
}

#[test]
fn the_readme_shows_the_figures_of_the_results() {
    // Before the first run of the bench, there are no figures.
    let results = read_to_string(kit::root().join("bench/RESULTS.md")).unwrap_or_default();
    let expected = if results.is_empty() { "" } else { figures(&results) };
    // The pages are in different folders.
    assert_eq!(figures(&readme()).replace("](bench/", "]("), expected, "run: make bench");
}

#[test]
fn the_chart_shows_the_figures_of_the_readme() {
    let chart = read_to_string(kit::root().join("bench/results.svg")).unwrap_or_default();
    let readme = readme();
    let figures = figures(&readme);
    let shown: Vec<&str> =
        chart.split(r#"<tspan class="times">"#).skip(1).filter_map(|text| text.split('<').next()).collect();
    let bracketed = figures.matches("x)").count() + figures.matches("x**)").count();
    assert_eq!(shown.len(), bracketed, "the number of bars and of programs");
    for times in shown {
        assert!(figures.contains(&format!("({times})")) || figures.contains(&format!("(**{times}**)")), "{times}");
    }
}

#[test]
fn the_readme_has_no_other_figures() {
    let readme = readme();
    let rest = readme.replace(figures(&readme), "");
    let words: Vec<&str> = rest.split_whitespace().collect();
    let is_number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    for pair in words.windows(2) {
        let has_unit =
            is_number(pair[0]) && ["ms", "MiB", "times"].contains(&pair[1].trim_end_matches(['.', ',', ';']));
        let is_factor =
            pair[0].trim_end_matches(['.', ',', ';']).strip_suffix('x').is_some_and(|n| n.parse::<f64>().is_ok());
        assert!(!has_unit && !is_factor, "README.md has a figure outside those of make bench: {} {}", pair[0], pair[1]);
    }
}
