//! Reads the parameters of a call of EC2's query API. Also the errors that EC2 returns.

use std::collections::BTreeMap;
use std::fmt::Display;

/// The parameters of a call by their full names, such as `TagSpecification.1.Tag.2.Key`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(pub BTreeMap<String, String>);

/// An error as EC2 sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    pub status: u16,
    pub code: String,
    pub message: String,
}

pub type Answer = Result<String, ApiError>;

impl ApiError {
    /// A client error: HTTP status 400.
    pub fn new(code: impl Into<String>, message: impl Display) -> ApiError {
        ApiError { status: 400, code: code.into(), message: message.to_string() }
    }

    pub fn server(status: u16, code: &str, message: impl Display) -> ApiError {
        ApiError { status, ..ApiError::new(code, message) }
    }

    pub fn value(message: impl Display) -> ApiError {
        ApiError::new("InvalidParameterValue", message)
    }

    pub fn missing(name: &str) -> ApiError {
        ApiError::new("MissingParameter", format!("The request must contain the parameter {name}"))
    }

    pub fn combination(message: impl Display) -> ApiError {
        ApiError::new("InvalidParameterCombination", message)
    }
}

impl Params {
    /// Reads a body of the type application/x-www-form-urlencoded.
    pub fn parse(body: &str) -> Params {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        };
        Params(body.split('&').filter(|pair| !pair.is_empty()).map(pair).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| ApiError::missing(name))
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(ApiError::value(format!("Value ({other}) for parameter {name} is invalid."))),
        }
    }

    pub fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let parse =
            |text: &str| text.parse().map_err(|_| ApiError::value(format!("Value ({text}) for {name} is invalid.")));
        self.get(name).map(parse).transpose()
    }

    /// Returns the values of `name.1`, `name.2`, ... in the order of their numbers.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.items(name).into_iter().filter_map(|item| item.0.get("").cloned()).collect()
    }

    /// Returns the structures `name.1.FIELD`, `name.2.FIELD`, ... in the order of their numbers, with the names of their fields.
    /// A plain value has the empty name.
    pub fn items(&self, name: &str) -> Vec<Params> {
        let mut items: BTreeMap<usize, Params> = BTreeMap::new();
        for (key, value) in &self.0 {
            let Some(rest) = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let (number, field) = rest.split_once('.').unwrap_or((rest, ""));
            if let Ok(number) = number.parse() {
                items.entry(number).or_default().0.insert(field.to_string(), value.clone());
            }
        }
        items.into_values().collect()
    }

    /// Returns the fields of the structure `name`.
    pub fn under(&self, name: &str) -> Params {
        let field = |(key, value): (&String, &String)| {
            let field = key.strip_prefix(name)?.strip_prefix('.')?;
            Some((field.to_string(), value.clone()))
        };
        Params(self.0.iter().filter_map(field).collect())
    }

    /// Returns the tags in `TagSpecification` for this type of resource.
    pub fn tags_for(&self, resource: &str) -> BTreeMap<String, String> {
        let specifications = self.items("TagSpecification");
        let of_kind = specifications.iter().filter(|item| item.get("ResourceType") == Some(resource));
        of_kind.flat_map(|item| tags(&item.items("Tag"))).collect()
    }

    /// Fails unless each parameter is one of `known`, where `#` stands for a number.
    pub fn check(&self, known: &[&str]) -> Result<(), ApiError> {
        let shape = |name: &str| {
            let part = |part: &str| if part.parse::<u32>().is_ok() { "#".to_string() } else { part.to_string() };
            name.split('.').map(part).collect::<Vec<_>>().join(".")
        };
        let is_known = |name: &str| ["Action", "Version"].contains(&name) || known.contains(&shape(name).as_str());
        match self.0.keys().find(|name| !is_known(name)) {
            Some(name) => Err(ApiError::new("UnknownParameter", format!("The parameter {name} is not recognized"))),
            None => Ok(()),
        }
    }
}

/// Pairs of `Key` and `Value`.
pub fn tags(items: &[Params]) -> BTreeMap<String, String> {
    let text = |item: &Params, name| item.get(name).unwrap_or_default().to_string();
    items.iter().map(|item| (text(item, "Key"), text(item, "Value"))).collect()
}

pub fn decode(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next(), rest.next()].map(|digit| digit.unwrap_or_default() as char);
                let value = digits.iter().try_fold(0, |value, digit| Some(value * 16 + digit.to_digit(16)?));
                bytes.extend(value.map(|value| value as u8));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_structures_come_in_the_order_of_their_numbers() {
        let params = Params::parse("A.10=ten&A.2=two&T.1.Key=a%20b&T.1.Value=%C3%A9+&P.Zone=z");
        assert_eq!(params.list("A"), ["two", "ten"]);
        assert_eq!(tags(&params.items("T")), [("a b".to_string(), "é ".to_string())].into());
        assert_eq!(params.under("P").get("Zone"), Some("z"));
        assert!(params.check(&["A.#", "T.#.Key", "T.#.Value", "P.Zone"]).is_ok());
        assert_eq!(params.check(&["A.#", "T.#.Key", "T.#.Value"]).unwrap_err().code, "UnknownParameter");
    }
}
