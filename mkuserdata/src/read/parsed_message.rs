//! User-data as an instance was given it, taken apart as cloud-init takes it apart.

use crate::build::user_data_size::LIMIT;
use crate::cloud_init::content_type::Kind;
use crate::cloud_init::foreign::Foreign;
use crate::cloud_init::wrapping::{MOST_UNPACKED, is_gzip, is_message, unpacked, unwrapped};
use crate::read::decoded_part::{Leaf, Seeing, Seen, among, number};
use crate::read::decoding;
use crate::read::message::{self, Entity};

#[derive(Debug)]
pub(crate) struct Received {
    pub parts: Vec<Seen>,
    /// What is wrong with the whole, and with the parts among each other.
    pub problems: Vec<String>,
    /// What is worth knowing, but not wrong.
    pub notes: Vec<String>,
}

impl Received {
    /// `is_decoded` tells that its base64 has been undone, as EC2 does. What comes from a file may be as the API has it.
    pub fn read(bytes: &[u8], is_decoded: bool) -> Received {
        let (mut problems, mut notes) = (Vec::new(), Vec::new());
        let mut bytes = bytes.to_vec();
        let mut layers = usize::from(is_decoded);
        while let Some(inner) = unwrapped(&bytes) {
            bytes = inner;
            layers += 1;
        }
        let differ = "releases of cloud-init differ in whether they";
        match layers {
            0 => {}
            1 if is_decoded => {}
            1 => notes.push(format!("is base64, read as what is in it: {differ} do")),
            _ => problems.push(format!("is base64 in base64, of which EC2 decodes one: {differ} decode another")),
        }
        if bytes.len() > LIMIT {
            problems.push(format!("has {} bytes: EC2 takes at most {LIMIT}", bytes.len()));
        }
        let text = match is_gzip(&bytes).then(|| unpacked(&bytes, MOST_UNPACKED)) {
            None => bytes,
            Some(Ok(text)) => text,
            Some(Err(error)) => {
                problems.push(format!("is broken gzip, or cut off: cloud-init would ignore it ({error})"));
                return Received { parts: Vec::new(), problems, notes };
            }
        };
        let foreign = Foreign::of(&text).filter(|_| !is_message(&text) && Kind::of(&text).is_none());
        if let Some(foreign) = foreign {
            notes.push(format!("is {foreign}: cloud-init has nothing to do with it, and it is not checked"));
            return Received { parts: vec![Seen::foreign(foreign, text)], problems, notes };
        }
        let leaves = match is_message(&text) {
            true => leaves(&text, &mut problems),
            false => vec![Leaf::alone(text)],
        };
        let mut seen = Seeing::default();
        leaves.into_iter().for_each(|leaf| seen.see(leaf));
        let mut parts = seen.parts;
        problems.extend(number(&mut parts));
        problems.extend(among(&parts));
        Received { parts, problems, notes }
    }
}

/// The parts of the message that are no containers, in order.
fn leaves(text: &[u8], problems: &mut Vec<String>) -> Vec<Leaf> {
    if std::str::from_utf8(text).is_err() {
        problems.push("is not UTF-8: cloud-init would take none of it".to_string());
    }
    let (entities, wrong) = message::parse(text);
    problems.extend(wrong);
    entities.into_iter().map(leaf).collect()
}

fn leaf(entity: Entity) -> Leaf {
    let mut problems = Vec::new();
    let as_is = |name| (name, entity.body.clone());
    let given = entity.headers.get("content-transfer-encoding").unwrap_or("7bit").to_lowercase();
    let (encoding, content) = match given.as_str() {
        "quoted-printable" => ("quoted-printable", decoding::quoted_printable(&entity.body)),
        "base64" => ("base64", decoding::base64(&entity.body)),
        "7bit" => as_is("7bit"),
        "8bit" => as_is("8bit"),
        "binary" => as_is("binary"),
        _ => {
            problems.push(format!("is of the transfer encoding '{given}', which is not undone here"));
            as_is("none")
        }
    };
    if encoding == "base64" && !decoding::is_strict_base64(&entity.body) {
        problems.push("is not strict base64: cloud-init may read other bytes".to_string());
    }
    if !entity.body.is_ascii() {
        problems.push("is not ASCII as it stands in the message: cloud-init would damage it".to_string());
    }
    let declared = entity.headers.content_type();
    if declared.starts_with("message/") {
        problems.push(format!("is of type {declared}: cloud-init would fail, and take none of the user-data"));
    }
    let spelled = |name: &str| entity.headers.get_spelled(name).filter(|value| !value.is_empty());
    Leaf {
        name: entity.headers.name(),
        merge_type: spelled("Merge-Type").or_else(|| spelled("X-Merge-Type")).map(str::to_string),
        launch_index: entity.headers.get("launch-index").map(str::to_string),
        declared,
        encoding,
        content,
        problems,
    }
}
