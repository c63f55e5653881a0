//! Reads the instances in the XML of an answer while it arrives, and keeps only what a record needs.
//!
//! The SDK makes a structure of everything that EC2 says of an instance, some 250 elements; a record needs 30. What is
//! left of the answer, the root with its direct children, is for the SDK: it reads `nextToken` there.

use crate::instance::InstanceFacts;
use quick_xml::errors::Error;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

/// Where instances are in DescribeInstances and RunInstances, below the root.
const INSTANCES: [&str; 2] = ["/reservationSet/item/instancesSet/item", "/instancesSet/item"];
/// The account that they belong to.
const OWNERS: [&str; 2] = ["/reservationSet/item/ownerId", "/ownerId"];
const RESERVATION: &str = "/reservationSet/item";

/// How deep an element is that the SDK still gets: the root is 1.
const KEPT_DEPTH: usize = 2;

#[derive(Debug)]
pub(crate) struct InstanceXml {
    /// What has arrived and is not read yet: the last tag and what follows it.
    rest: Vec<u8>,
    document: Document,
    /// The names of all open elements, each after a `/`.
    path: String,
    /// Where the name of each open element begins in `path`.
    open: Vec<usize>,
    /// The text since the last tag.
    text: String,
    /// The instance that is being read, and the length of its path.
    instance: Option<(usize, InstanceFacts)>,
    account: String,
    /// The instances of the reservation so far: its account may come after them.
    reservation: Vec<InstanceFacts>,
    instances: Vec<InstanceFacts>,
}

/// What is known of the document so far.
#[derive(Debug, PartialEq)]
enum Document {
    Unknown,
    /// The root is open, or closed.
    Ec2,
    /// Anything else, such as a proxy's page. The SDK gets all of it.
    Foreign,
}

/// Why an answer cannot be used.
#[derive(Debug, PartialEq)]
pub(crate) struct BadXml(pub String);

impl InstanceXml {
    pub fn new() -> InstanceXml {
        InstanceXml {
            rest: Vec::new(),
            document: Document::Unknown,
            path: String::new(),
            open: Vec::new(),
            text: String::new(),
            instance: None,
            account: String::new(),
            reservation: Vec::new(),
            instances: Vec::new(),
        }
    }

    /// Reads the next part of the answer. Returns what of it is for the SDK.
    pub fn read(&mut self, part: &[u8]) -> Result<Vec<u8>, BadXml> {
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(part);
        // A text is whole once the next tag begins.
        let whole = bytes.iter().rposition(|byte| *byte == b'<').unwrap_or_default();
        let (kept, read) = self.read_tokens(&bytes[..whole])?;
        bytes.drain(..read);
        self.rest = bytes;
        Ok(kept)
    }

    /// Returns the instances of the reservations that have been read since the last time.
    pub fn take_instances(&mut self) -> Vec<InstanceFacts> {
        std::mem::take(&mut self.instances)
    }

    /// Reads what is left at the end of the answer. Returns what of it is for the SDK.
    pub fn finish(&mut self) -> Result<Vec<u8>, BadXml> {
        let bytes = std::mem::take(&mut self.rest);
        let (mut kept, read) = self.read_tokens(&bytes)?;
        match self.document {
            Document::Ec2 if !self.open.is_empty() || read < bytes.len() => Err(BadXml("it was cut off".into())),
            Document::Ec2 => Ok(kept),
            Document::Unknown | Document::Foreign => {
                kept.extend_from_slice(&bytes[read..]);
                Ok(kept)
            }
        }
    }

    /// Reads all whole tokens. Returns what is for the SDK, and how many bytes were read.
    fn read_tokens(&mut self, bytes: &[u8]) -> Result<(Vec<u8>, usize), BadXml> {
        let mut reader = Reader::from_reader(bytes);
        let config = reader.config_mut();
        // A part begins anywhere in the document, so its tags are matched here.
        (config.allow_unmatched_ends, config.check_end_names, config.expand_empty_elements) = (true, false, true);
        let (mut kept, mut read) = (Vec::new(), 0);
        while self.document != Document::Foreign {
            let depth_before = self.open.len();
            match reader.read_event() {
                Ok(Event::Eof) => return Ok((kept, read)),
                Ok(event) => self.take_event(&event)?,
                // It ends within a token.
                Err(Error::Syntax(_)) => return Ok((kept, read)),
                Err(error) => return Err(BadXml(format!("it is not well-formed XML: {error}"))),
            }
            if self.document != Document::Foreign {
                let end = reader.buffer_position() as usize;
                if depth_before.max(self.open.len()) <= KEPT_DEPTH {
                    kept.extend_from_slice(&bytes[read..end]);
                }
                read = end;
            }
        }
        kept.extend_from_slice(&bytes[read..]);
        Ok((kept, bytes.len()))
    }

    fn take_event(&mut self, event: &Event) -> Result<(), BadXml> {
        match event {
            Event::Start(tag) => self.begin(tag.name().0),
            Event::End(tag) => return self.end(tag.name().0),
            Event::Text(text) => self.text.push_str(text),
            Event::CData(text) => self.text.push_str(text),
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().ok().flatten();
                let known = || quick_xml::escape::resolve_xml_entity(reference);
                match (character, known()) {
                    (Some(character), _) => self.text.push(character),
                    (None, Some(text)) => self.text.push_str(text),
                    (None, None) => return Err(BadXml(format!("it has the unknown reference &{};", &**reference))),
                }
            }
            Event::DocType(_) => self.document = Document::Foreign,
            Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn begin(&mut self, name: &str) {
        self.text.clear();
        if self.open.is_empty() {
            let is_ec2 = self.document == Document::Unknown && name.ends_with("Response");
            self.document = if is_ec2 { Document::Ec2 } else { Document::Foreign };
        }
        self.open.push(self.path.len());
        self.path.push('/');
        self.path.push_str(name);
        if let Some((start, facts)) = &mut self.instance {
            facts.begin(&self.path[*start + 1..]);
        } else if INSTANCES.contains(&self.below_root()) {
            self.instance = Some((self.path.len(), InstanceFacts::default()));
        }
    }

    fn end(&mut self, name: &str) -> Result<(), BadXml> {
        let start = self.open.last().copied().unwrap_or_default();
        if self.path.get(start + 1..) != Some(name) {
            return Err(BadXml(format!("it is not well-formed XML: unexpected </{name}>")));
        }
        if let Some((start, facts)) = &mut self.instance {
            if *start < self.path.len() {
                facts.note(&self.path[*start + 1..], &self.text)
            } else {
                self.reservation.extend(self.instance.take().map(|(_, facts)| facts))
            }
        } else if OWNERS.contains(&self.below_root()) {
            self.account.clone_from(&self.text);
        } else if self.below_root() == RESERVATION || self.open.len() == 1 {
            self.reservation.iter_mut().for_each(|facts| facts.finish(&self.account));
            self.instances.append(&mut self.reservation);
            self.account.clear();
        }
        self.text.clear();
        self.path.truncate(start);
        self.open.pop();
        Ok(())
    }

    fn below_root(&self) -> &str {
        let root_end = self.open.get(1).copied().unwrap_or(self.path.len());
        &self.path[root_end..]
    }
}

#[cfg(test)]
mod tests;
