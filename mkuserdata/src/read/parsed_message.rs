//! Reads existing user-data: removes base64 and gzip, splits the message, and decodes its parts.

use crate::build::user_data_size::LIMIT;
use crate::cloud_init::content_type::ContentType;
use crate::cloud_init::foreign::Foreign;
use crate::cloud_init::wrapping::{MOST_UNPACKED, is_gzip, is_message, unpacked, unwrapped};
use crate::read::decoded_part::{DecodedPart, MessagePart, PartDecoder, problems_between, set_run_order};
use crate::read::decoding;
use crate::read::message::{self, Entity};

#[derive(Debug)]
pub(crate) struct ParsedMessage {
    pub parts: Vec<DecodedPart>,
    /// What is wrong with the whole, and between parts.
    pub problems: Vec<String>,
    /// What is worth knowing, but not wrong.
    pub notes: Vec<String>,
}

impl ParsedMessage {
    /// `is_decoded` says that its base64 is already decoded, as EC2 does it. A file may contain the base64 of the API.
    pub fn read(bytes: &[u8], is_decoded: bool) -> ParsedMessage {
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
            problems.push(format!("has {} bytes: EC2 allows at most {LIMIT}", bytes.len()));
        }
        let text = match is_gzip(&bytes).then(|| unpacked(&bytes, MOST_UNPACKED)) {
            None => bytes,
            Some(Ok(text)) => text,
            Some(Err(error)) => {
                problems.push(format!("is broken gzip, or cut off: cloud-init would ignore it ({error})"));
                return ParsedMessage { parts: Vec::new(), problems, notes };
            }
        };
        let foreign = Foreign::of(&text).filter(|_| !is_message(&text) && ContentType::of(&text).is_none());
        if let Some(foreign) = foreign {
            notes.push(format!("is {foreign}: cloud-init has nothing to do with it, and it is not checked"));
            return ParsedMessage { parts: vec![DecodedPart::foreign(foreign, text)], problems, notes };
        }
        let message_parts =
            if is_message(&text) { message_parts(&text, &mut problems) } else { vec![MessagePart::alone(text)] };
        let mut decoder = PartDecoder::default();
        message_parts.into_iter().for_each(|part| decoder.decode_part(part));
        let mut parts = decoder.parts;
        problems.extend(set_run_order(&mut parts));
        problems.extend(problems_between(&parts));
        ParsedMessage { parts, problems, notes }
    }
}

/// Returns the parts of the message that contain no others, in order.
fn message_parts(text: &[u8], problems: &mut Vec<String>) -> Vec<MessagePart> {
    if std::str::from_utf8(text).is_err() {
        problems.push("is not UTF-8: cloud-init would take none of it".to_string());
    }
    let (entities, wrong) = message::parse(text);
    problems.extend(wrong);
    entities.into_iter().map(message_part).collect()
}

fn message_part(entity: Entity) -> MessagePart {
    let mut problems = Vec::new();
    let as_is = |name| (name, entity.body.clone());
    let given = entity.headers.get("content-transfer-encoding").unwrap_or("7bit").to_lowercase();
    let (encoding, content) = match given.as_str() {
        "quoted-printable" => ("quoted-printable", decoding::quoted_printable(&entity.body)),
        "base64" => {
            let content = decoding::base64(&entity.body);
            if content.is_none() {
                problems.push(
                    "is not strict base64: cloud-init may read other bytes, and it is not undone here".to_string(),
                );
            }
            ("base64", content.unwrap_or(entity.body.clone()))
        }
        "7bit" => as_is("7bit"),
        "8bit" => as_is("8bit"),
        "binary" => as_is("binary"),
        _ => {
            problems.push(format!("is of the transfer encoding '{given}', which is not undone here"));
            as_is("none")
        }
    };
    if !entity.body.is_ascii() {
        problems.push("is not ASCII as it stands in the message: cloud-init would damage it".to_string());
    }
    let declared = entity.headers.content_type();
    if declared.starts_with("message/") {
        problems.push(format!("is of type {declared}: cloud-init would fail, and take none of the user-data"));
    }
    let spelled = |name: &str| entity.headers.get_spelled(name).filter(|value| !value.is_empty());
    MessagePart {
        name: entity.headers.name(),
        merge_type: spelled("Merge-Type").or_else(|| spelled("X-Merge-Type")).map(str::to_string),
        launch_index: entity.headers.get("launch-index").map(str::to_string),
        declared,
        encoding,
        content,
        problems,
    }
}
