//! `FieldValues`: the values of one field of the records, by host, for `--by`. Nothing else of a record is kept.

use crate::pattern::names::Names;
use cerveza_manners::{Tool, key_hint, keys_of};
use cerveza_record::{LineError, Record, Value, each_line, leads_into, printed_name};
use hashbrown::HashMap;
use indexmap::IndexMap;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::io::{BufReader, Read};

/// Size of a read.
const BLOCK: usize = 256 * 1024;

pub(crate) struct FieldValues {
    /// The field: a key or a dotted path.
    pub path: String,
    /// The values by their text: the number 80 and the text "80" are one value.
    pub values: IndexMap<String, Value>,
    /// The values of each host that was read from a record.
    hosts: HashMap<String, SmallVec<[HostValue; 2]>>,
    /// The values of each instance. Two instances of one name count as two hosts.
    instances: HashMap<String, SmallVec<[Option<u32>; 2]>>,
    /// Whether a record has the field, even if it is null.
    is_known: bool,
    /// The fields of the first record.
    known: Vec<String>,
}

/// A value of a host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HostValue {
    /// Its index in [`FieldValues::values`]. `None`: the host has no value.
    pub place: Option<u32>,
    /// How many instances of this name have the value.
    pub count: u32,
}

impl FieldValues {
    pub fn new(path: &str) -> FieldValues {
        FieldValues {
            path: path.to_string(),
            values: IndexMap::new(),
            hosts: HashMap::new(),
            instances: HashMap::new(),
            is_known: false,
            known: Vec::new(),
        }
    }

    /// Reads an input. Returns its text with each record replaced by its name.
    pub fn read(&mut self, input: impl Read) -> Result<String, LineError> {
        let mut names = String::new();
        each_line(BufReader::with_capacity(BLOCK, input), |line, text| {
            if text.starts_with('{') {
                let record = Record::parse_some(text, |key| key == "instance_id" || leads_into(&self.path, key));
                let record = record.map_err(|why| LineError::NotARecord { line, why })?;
                if self.known.is_empty() {
                    self.known = Record::parse(text).map(|record| keys_of(record.iter())).unwrap_or_default();
                }
                self.add(&record);
                names.push_str(&printed_name(record.host()));
            } else if !text.starts_with('#') {
                names.push_str(text);
            }
            names.push('\n');
            Ok(())
        })?;
        Ok(names)
    }

    fn add(&mut self, record: &Record) {
        let values = record.values_at(&self.path);
        self.is_known |= !values.is_empty() || record.has(&self.path);
        if values.is_empty() {
            self.count(record, None);
        }
        for value in values {
            let text = match &value {
                Value::String(text) => Cow::Borrowed(text),
                value => Cow::Owned(value.to_string()),
            };
            let index = match self.values.get_index_of(text.as_str()) {
                Some(index) => index,
                None => {
                    let text = text.into_owned();
                    self.values.insert_full(text, value).0
                }
            };
            self.count(record, Some(index as u32));
        }
    }

    /// Counts the host of a record for one value, unless it is counted already. Several records may be of one instance: it
    /// has no value only if none of them has.
    fn count(&mut self, record: &Record, place: Option<u32>) {
        let id = record.str("instance_id");
        if place.is_none() && id.is_none() {
            return;
        }
        let values = self.hosts.entry_ref(record.host()).or_default();
        let mut is_new_instance = false;
        if let Some(id) = id {
            let places = self.instances.entry(id).or_default();
            if places.contains(&place) || place.is_none() && !places.is_empty() {
                return;
            }
            is_new_instance = true;
            if places.as_slice() == [None] {
                places.clear();
                values.iter_mut().filter(|value| value.place.is_none()).for_each(|value| value.count -= 1);
                values.retain(|value| value.count > 0);
            }
            places.push(place);
        }
        match values.iter_mut().find(|value| value.place == place) {
            None => values.push(HostValue { place, count: 1 }),
            Some(value) => value.count += u32::from(is_new_instance),
        }
    }

    /// Returns the values of a host, none if it has no record.
    pub fn values_of(&self, host: &str) -> &[HostValue] {
        self.hosts.get(host).map_or(&[], SmallVec::as_slice)
    }

    /// Whether a host of a run may have a value. If it is faster to look up each host, it is true.
    pub fn has_values_in(&self, run: &Names<'_>) -> bool {
        let positions = run.position()..run.position() + run.left();
        let is_in_run = |host: &str| run.pattern().find(host).is_some_and(|position| positions.contains(&position));
        run.left() <= self.hosts.len() as u128 || self.hosts.keys().any(|host| is_in_run(host))
    }

    /// Warns if no record has the field: it may be misspelt.
    pub fn warn_if_unknown(&self, tool: &Tool) {
        let path = &self.path;
        if self.is_known {
            return;
        }
        if self.known.is_empty() {
            tool.warn(format!(
                "--by {path}: these hosts have no records with this key: pipe in records, as from ec2-ls"
            ));
        } else {
            tool.warn(format!("--by {path}: no record has this field{}", key_hint(path, &self.known)));
        }
    }
}
