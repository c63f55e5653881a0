//! The option --set, which overrides a key of a profile.

use crate::document::keys::canonical;
use crate::document::yaml::{self, Content, Node, Pair, Position};

/// One of --set: `metadata options.http tokens=optional`.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    pub argument: String,
    pub root: Node,
}

impl Override {
    pub fn parse(argument: &str) -> std::result::Result<Override, String> {
        let (keys, value) = argument.split_once('=').ok_or("expected KEY=VALUE")?;
        let documents = yaml::read(value).map_err(|error| error.message)?;
        let position = Position { line: 1, column: 1 };
        let nothing = Node { position, content: Content::Plain(String::new()) };
        let value = match <[yaml::Document; 1]>::try_from(documents) {
            Ok([document]) => document.root,
            Err(documents) if documents.is_empty() => nothing,
            Err(_) => return Err("expected one value".to_string()),
        };
        // The name of a tag may have dots.
        let is_tag = keys.split_once('.').is_some_and(|(first, _)| canonical(first) == "tags");
        let keys: Vec<&str> = keys.splitn(if is_tag { 2 } else { usize::MAX }, '.').map(str::trim).collect();
        if let Some(number) = keys[1..].iter().position(|key| !is_tag && key.parse::<usize>().is_ok()) {
            let list = keys[..=number].join(".");
            return Err(format!("{list}: a list is set as a whole, as in --set '{list}=[...]'"));
        }
        if keys.iter().any(|key| key.is_empty()) {
            return Err("expected KEY=VALUE, with a dot between a key and one within it".to_string());
        }
        let root = keys.iter().rev().fold(value, |value, key| {
            let key = Node { position, content: Content::Plain(key.to_string()) };
            Node { position, content: Content::Mapping(vec![Pair { key, value, is_merged: false }]) }
        });
        Ok(Override { argument: argument.to_string(), root })
    }
}
