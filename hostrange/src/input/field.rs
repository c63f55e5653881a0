//! `FieldValues`: the values of one field of the records, by host, for `--by`. Nothing else of a record is kept.

use crate::pattern::names::Names;
use cerveza_manners::{Tool, key_hint, keys_of};
use cerveza_record::{LineError, Record, Value, each_line, is_include, leads_into, printed_name};
use hashbrown::{HashMap, HashSet};
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
    /// The `instance_id` of each record. Two instances of one name count as two hosts.
    instances: HashSet<String>,
    /// Whether a record has the field, even if it is null.
    is_known: bool,
    /// The fields of the first record.
    known: Vec<String>,
}

/// A value of a host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HostValue {
    /// Its index in [`FieldValues::values`]. `None`: the host has no value.
    pub index: Option<u32>,
    /// How many instances of this name have the value.
    pub count: u32,
}

impl FieldValues {
    pub fn new(path: &str) -> FieldValues {
        FieldValues {
            path: path.to_string(),
            values: IndexMap::new(),
            hosts: HashMap::new(),
            instances: HashSet::new(),
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
            } else if !text.starts_with('#') || is_include(text) {
                names.push_str(text);
            }
            names.push('\n');
            Ok(())
        })?;
        Ok(names)
    }

    /// Adds the values of a record. Of several records of a host with one instance the first counts.
    fn add(&mut self, record: &Record) {
        let values = record.values_at(&self.path);
        self.is_known |= !values.is_empty() || record.has(&self.path);
        let id = record.str("instance_id");
        let is_instance = id.is_some();
        let is_repeated = id.is_some_and(|id| !self.instances.insert(id));
        // An instance that has been renamed is in two records with different names.
        if is_repeated && self.hosts.contains_key(record.host()) {
            return;
        }
        let mut indices: SmallVec<[Option<u32>; 2]> = values.iter().map(|value| Some(self.index_of(value))).collect();
        if indices.is_empty() && is_instance {
            indices.push(None);
        }
        indices.sort_unstable();
        indices.dedup();
        for index in indices {
            let values = self.hosts.entry_ref(record.host()).or_default();
            match values.iter_mut().find(|value| value.index == index) {
                None => values.push(HostValue { index, count: 1 }),
                Some(value) => value.count += u32::from(is_instance),
            }
        }
    }

    /// Returns the index of a value. Adds it if it is new.
    fn index_of(&mut self, value: &Value) -> u32 {
        let text = match value {
            Value::String(text) => Cow::Borrowed(text),
            value => Cow::Owned(value.to_string()),
        };
        let index = self.values.get_index_of(text.as_str());
        index.unwrap_or_else(|| self.values.insert_full(text.into_owned(), value.clone()).0) as u32
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
