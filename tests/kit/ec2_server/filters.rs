//! Applies the filters, ids and pages of Describe calls.

use super::params::{ApiError, Params};
use std::collections::BTreeMap;

/// The filters of a resource: each with the values that a resource has for it. `tag:KEY` and `tag-key` come on top.
pub type Fields<T> = &'static [(&'static str, fn(&T) -> Vec<String>)];

/// EC2 refuses a call with more values than this in all of its filters together. "If you specify more than 200 values,
/// the request fails" (Filter in the API reference; `FilterLimitExceeded` in its list of error codes).
const VALUES: usize = 200;

/// Returns the `items` that match all filters of the call. A filter that the resource does not have is an error.
pub fn filtered<'a, T>(
    params: &Params,
    items: impl IntoIterator<Item = &'a T>,
    fields: Fields<T>,
    tags: fn(&T) -> &BTreeMap<String, String>,
) -> Result<Vec<&'a T>, ApiError> {
    let filters: Vec<(String, Vec<String>)> = params
        .items("Filter")
        .iter()
        .map(|filter| (filter.get("Name").unwrap_or_default().to_string(), filter.list("Value")))
        .collect();
    if filters.iter().map(|(_, values)| values.len()).sum::<usize>() > VALUES {
        let message = format!("The maximum number of filter values specified on a single call is {VALUES}");
        return Err(ApiError::new("FilterLimitExceeded", message));
    }
    let is_tag = |name: &str| name.starts_with("tag:") || name == "tag-key";
    let field = |name: &str| fields.iter().find(|(known, _)| *known == name).map(|(_, values)| values);
    for (name, values) in &filters {
        if !is_tag(name) && field(name).is_none() {
            return Err(ApiError::value(format!("The filter '{name}' is invalid")));
        }
        // What that means is not documented.
        if filters.iter().filter(|(other, _)| other == name).count() > 1 {
            return Err(ApiError::value(format!("The filter '{name}' is given twice")));
        }
        if values.is_empty() {
            return Err(ApiError::value(format!("The filter '{name}' has no values")));
        }
    }
    let matches = |item: &T, (name, wanted): &(String, Vec<String>)| {
        let has: Vec<String> = match (name.strip_prefix("tag:"), field(name)) {
            (Some(key), _) => tags(item).get(key).cloned().into_iter().collect(),
            (None, Some(values)) => values(item),
            (None, None) => tags(item).keys().cloned().collect(),
        };
        has.iter().any(|value| wanted.iter().any(|pattern| is_match(pattern, value)))
    };
    Ok(items.into_iter().filter(|item| filters.iter().all(|filter| matches(item, filter))).collect())
}

/// Returns whether a value matches a filter. `*` and `?` are wildcards, unless `\` is before them.
fn is_match(pattern: &str, value: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => value.is_empty(),
        Some('*') => {
            let ends = value.char_indices().map(|(at, _)| at).chain([value.len()]);
            ends.into_iter().any(|at| is_match(rest.as_str(), &value[at..]))
        }
        Some(first) => {
            let literal = if first == '\\' { rest.next().unwrap_or('\\') } else { first };
            let mut others = value.chars();
            others.next().is_some_and(|other| other == literal || first == '?')
                && is_match(rest.as_str(), others.as_str())
        }
    }
}

/// Returns the page of `items` that the call requests, and the token of the next page. `MaxResults` counts items; it
/// cannot be combined with ids.
pub fn page<'a, T>(
    params: &Params,
    items: Vec<&'a T>,
    ids: &str,
    least: usize,
) -> Result<(Vec<&'a T>, Option<String>), ApiError> {
    let Some(size) = params.number("MaxResults")? else { return Ok((items, None)) };
    if !params.list(ids).is_empty() {
        return Err(ApiError::combination(format!("The parameter {ids} cannot be used with the parameter maxResults")));
    }
    let size = usize::try_from(size).unwrap_or_default();
    if !(least..=1000).contains(&size) {
        let message =
            format!("Value ( {size} ) for parameter maxResults is invalid. Expecting a value from {least} to 1000.");
        return Err(ApiError::value(message));
    }
    let start: usize = match params.get("NextToken") {
        None => 0,
        Some(token) => {
            let number = token.strip_prefix("page-").and_then(|number| number.parse().ok());
            number.ok_or_else(|| ApiError::new("InvalidNextToken", "The token is not valid"))?
        }
    };
    let more = items.len() > start + size;
    let page = items.into_iter().skip(start).take(size).collect();
    Ok((page, more.then(|| format!("page-{}", start + size))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_unless_they_are_escaped() {
        assert!(is_match("web*", "web12") && is_match("w?b", "web") && is_match("*", "") && is_match("é?", "éa"));
        assert!(
            is_match(r"a\*\\", r"a*\") && !is_match(r"a\*", "ab") && !is_match("web", "web1") && !is_match("?", "")
        );
    }
}
