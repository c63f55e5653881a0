//! User-data as an instance was given it, taken apart as cloud-init takes it apart.

use crate::check;
use crate::cost::LIMIT;
use crate::kind::{Folder, Kind, NOT_MULTIPART, PLAIN, PartType};
use crate::{name, order, secret, yaml};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cerveza_manners::{Failure, Result};
use flate2::read::MultiGzDecoder;
use mailparse::body::Body;
use mailparse::{MailHeaderMap, ParsedMail};
use std::io::Read;

/// What a few bytes of gzip may become: far more than anyone means.
const MOST_UNPACKED: u64 = 64 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Received {
    pub parts: Vec<Seen>,
    /// What is wrong with the whole, and with the parts among each other.
    pub problems: Vec<String>,
}

/// A part as cloud-init sees it.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The name by which cloud-init knows it.
    pub name: String,
    pub part_type: PartType,
    /// How the message holds it: its Content-Transfer-Encoding, `gzip`, or `archive` for a part within one.
    pub encoding: &'static str,
    pub content: Vec<u8>,
    pub merge_type: Option<String>,
    pub launch_index: Option<String>,
    /// What cloud-init does with it, and in what order: `script 2` is the second of the scripts to run.
    pub runs: String,
    pub problems: Vec<String>,
    pub warnings: Vec<String>,
}

/// A part before cloud-init names it.
struct Leaf {
    name: Option<String>,
    declared: String,
    encoding: &'static str,
    content: Vec<u8>,
    merge_type: Option<String>,
    launch_index: Option<String>,
    problems: Vec<String>,
}

impl Received {
    pub fn read(bytes: &[u8]) -> Result<Received> {
        let mut problems = Vec::new();
        let bytes = match unwrapped(bytes) {
            None => bytes.to_vec(),
            Some(bytes) => {
                problems.push("is wrapped in base64: releases of cloud-init differ in whether they see it".to_string());
                bytes
            }
        };
        if bytes.len() > LIMIT {
            problems.push(format!("has {} bytes: EC2 takes at most {LIMIT}", bytes.len()));
        }
        let text = match is_gzip(&bytes) {
            true => unpack(&bytes)?,
            false => bytes,
        };
        if text.trim_ascii().is_empty() {
            return Err(Failure::usage("is empty"));
        }
        let leaves = match is_message(&text) {
            true => leaves(&text, &mut problems)?,
            false => vec![Leaf::alone(text)],
        };
        let mut parts = Vec::new();
        for leaf in leaves {
            see(leaf, &mut parts);
        }
        number(&mut parts);
        problems.extend(among(&parts));
        Ok(Received { parts, problems })
    }
}

impl Leaf {
    fn alone(content: Vec<u8>) -> Leaf {
        let declared = NOT_MULTIPART.to_string();
        let (name, merge_type, launch_index) = (None, None, None);
        Leaf { name, declared, encoding: "none", content, merge_type, launch_index, problems: Vec::new() }
    }
}

/// What base64 around it hides, if it looks like user-data.
fn unwrapped(bytes: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let inner = BASE64_STANDARD.decode(text).ok().filter(|inner| !inner.is_empty())?;
    (is_gzip(&inner) || is_message(&inner) || Kind::of(&inner).is_some()).then_some(inner)
}

fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// `convert_string` in cloud-init's user_data.py.
fn is_message(text: &[u8]) -> bool {
    let start = text[..text.len().min(4096)].to_ascii_lowercase();
    memchr::memmem::find(&start, b"mime-version:").is_some()
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(MOST_UNPACKED + 1).read_to_end(&mut text);
    match read {
        Err(_) => Err(Failure::usage("is broken gzip, or cut off: cloud-init would take none of it")),
        Ok(_) if text.len() as u64 > MOST_UNPACKED => Err(Failure::usage("unpacks to more than 64 MiB")),
        Ok(_) => Ok(text),
    }
}

/// The parts of the message that are no containers, in order.
fn leaves(text: &[u8], problems: &mut Vec<String>) -> Result<Vec<Leaf>> {
    if std::str::from_utf8(text).is_err() {
        problems.push("is not UTF-8: cloud-init would take none of it".to_string());
    }
    // mailparse ends the headers only at a blank line.
    let mail = mailparse::parse_mail(text).map_err(|error| Failure::usage(format!("is broken MIME: {error}")))?;
    if let Some(boundary) = mail.ctype.params.get("boundary") {
        let end = format!("--{boundary}--");
        if !text.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_end() == end.as_bytes()) {
            problems.push("its last boundary is missing: it may be cut off".to_string());
        }
    }
    Ok(mail.parts().filter(|part| !part.ctype.mimetype.starts_with("multipart/")).map(leaf).collect())
}

fn leaf(part: &ParsedMail) -> Leaf {
    let mut problems = Vec::new();
    let damaged = "is not ASCII and not encoded: cloud-init would damage it";
    let broken = "is broken in its transfer encoding: cloud-init would read it as it stands";
    let (encoding, decoded) = match part.get_body_encoded() {
        Body::Base64(body) => ("base64", body.get_decoded().map_err(|_| body.get_raw().to_vec())),
        Body::QuotedPrintable(body) => ("quoted-printable", Ok(decoded_lines(body.get_raw()))),
        Body::SevenBit(body) => ("7bit", Ok(body.get_raw().to_vec())),
        Body::EightBit(body) => ("8bit", Ok(body.get_raw().to_vec())),
        Body::Binary(body) => ("binary", Ok(body.get_raw().to_vec())),
    };
    let content = decoded.unwrap_or_else(|raw| {
        problems.push(broken.to_string());
        raw
    });
    if !matches!(encoding, "base64" | "quoted-printable") && !content.is_ascii() {
        problems.push(damaged.to_string());
    }
    let disposition = part.get_content_disposition();
    let name = disposition.params.get("filename").or_else(|| part.ctype.params.get("name"));
    let header = |name: &str| part.headers.get_first_value(name).filter(|value| !value.is_empty());
    Leaf {
        name: name.map(|name| name.trim().to_string()).filter(|name| !name.is_empty()),
        declared: part.ctype.mimetype.clone(),
        encoding,
        content,
        merge_type: header("Merge-Type").or_else(|| header("X-Merge-Type")),
        launch_index: header("Launch-Index"),
        problems,
    }
}

/// Quoted-printable of lines that end in a newline alone, which the crate would make CR LF.
fn decoded_lines(raw: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(raw.len());
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        let (line, end) = match line.strip_suffix(b"\n") {
            None => (line, &b""[..]),
            Some(line) => line.strip_suffix(b"\r").map_or((line, &b"\n"[..]), |line| (line, b"\r\n")),
        };
        let (line, end) = match line.trim_ascii_end().strip_suffix(b"=") {
            Some(soft) => (soft, &b""[..]),
            None => (line.trim_ascii_end(), end),
        };
        let decoded = quoted_printable::decode(line, quoted_printable::ParseMode::Robust);
        content.extend(decoded.unwrap_or_else(|_| line.to_vec()));
        content.extend(end);
    }
    content
}

/// Names the part as cloud-init does, and goes into it if it is an archive.
fn see(leaf: Leaf, parts: &mut Vec<Seen>) {
    let Leaf { name, declared, mut encoding, mut content, merge_type, launch_index, mut problems } = leaf;
    let mut part_type = PartType::of(&declared, &content);
    if let PartType::Gzip(_) = part_type
        && let Ok(unpacked) = unpack(&content)
    {
        part_type = PartType::of(PLAIN, &unpacked);
        (encoding, content) = ("gzip", unpacked);
    }
    let told = [PLAIN, NOT_MULTIPART].contains(&declared.as_str()) || encoding == "gzip";
    problems.extend(check::problems(&part_type, (!told).then_some(declared.as_str()), &content));
    let entries = match part_type.kind() {
        Some(Kind::CloudConfigArchive) => yaml::entries(&String::from_utf8_lossy(&content)),
        _ => Vec::new(),
    };
    parts.push(Seen {
        name: name.unwrap_or_else(|| format!("part-{:03}", attached(parts) + 1)),
        warnings: secret::warnings(&content),
        runs: String::new(),
        part_type,
        encoding,
        content,
        merge_type,
        launch_index,
        problems,
    });
    for entry in entries {
        let part_type = entry.part_type();
        let content = entry.content.into_bytes();
        parts.push(Seen {
            name: entry.name.unwrap_or_else(|| format!("part-{:03}", attached(parts) + 1)),
            problems: check::problems(&part_type, entry.declared.as_deref().or(Some(&part_type.to_string())), &content),
            warnings: Vec::new(),
            encoding: "archive",
            runs: String::new(),
            merge_type: None,
            launch_index: None,
            part_type,
            content,
        });
    }
}

/// How many parts cloud-init has attached so far: it opens includes and archives first.
fn attached(parts: &[Seen]) -> usize {
    let opened = [Kind::Include, Kind::IncludeOnce, Kind::CloudConfigArchive];
    parts.iter().filter(|part| !part.part_type.kind().is_some_and(|kind| opened.contains(&kind))).count()
}

/// Says of each part what cloud-init does with it, and which place it has among its like.
fn number(parts: &mut [Seen]) {
    let folders: Vec<Option<Folder>> =
        parts.iter().map(|part| order::folder_of(part.part_type.kind(), &part.content)).collect();
    let names: Vec<String> = parts.iter().map(|part| name::cleaned(&part.name)).collect();
    let (mut merges, mut boothooks, mut handled) = (0, 0, false);
    let next = |count: &mut usize, what: &str| {
        *count += 1;
        format!("{what} {count}")
    };
    for at in 0..parts.len() {
        let mut kind = parts[at].part_type.kind();
        if kind == Some(Kind::Jinja) {
            kind = order::behind_first_line(&parts[at].content);
        }
        let before = |other: &usize| folders[*other] == folders[at] && (&names[*other], *other) < (&names[at], at);
        let place = || (0..parts.len()).filter(before).count() + 1;
        parts[at].runs = match (kind, folders[at]) {
            (_, Some(Folder::Instance)) => format!("script {}", place()),
            (_, Some(Folder::PerBoot)) => format!("per-boot {}", place()),
            (_, Some(Folder::PerInstance)) => format!("per-instance {}", place()),
            (_, Some(Folder::PerOnce)) => format!("per-once {}", place()),
            (Some(Kind::CloudConfig | Kind::CloudConfigJsonp), _) => next(&mut merges, "merge"),
            (Some(Kind::CloudBoothook), _) => next(&mut boothooks, "boothook"),
            (Some(Kind::Include | Kind::IncludeOnce), _) => "fetched".to_string(),
            (Some(Kind::CloudConfigArchive), _) => "opened".to_string(),
            (Some(Kind::PartHandler), _) => "handler".to_string(),
            (Some(_), _) => "rendered".to_string(),
            (None, _) => match parts[at].part_type {
                PartType::NodeConfig => "nodeadm".to_string(),
                PartType::Custom(_) if handled => "handled".to_string(),
                _ => "ignored".to_string(),
            },
        };
        handled |= matches!(kind, Some(Kind::PartHandler | Kind::Include | Kind::IncludeOnce));
    }
}

/// What is wrong with the parts among each other.
fn among(parts: &[Seen]) -> Vec<String> {
    let names: Vec<_> =
        parts.iter().map(|part| (part.name.clone(), order::folder_of(part.part_type.kind(), &part.content))).collect();
    // Who puts numbers before names means the order that they give.
    let is_numbered =
        |(name, folder): &(String, Option<Folder>)| folder.is_none() || name.starts_with(|c: char| c.is_ascii_digit());
    let mut problems = if names.iter().all(is_numbered) { Vec::new() } else { order::changed(&names) };
    for (first, second, name) in order::collisions(&names) {
        let (first, second) = (first + 1, second + 1);
        problems.push(format!("parts {first} and {second}: cloud-init would write both as {name}, one over the other"));
    }
    for (at, part) in parts.iter().enumerate() {
        if part.runs == "ignored"
            && let PartType::Custom(mime) = &part.part_type
        {
            let number = at + 1;
            problems.push(format!(
                "part {number}: no part handler before it: cloud-init would ignore a part of type {mime}"
            ));
        }
    }
    problems
}
