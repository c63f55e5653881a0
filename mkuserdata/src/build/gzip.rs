//! Compresses to gzip (RFC 1952) without a time or a name, with the same bytes on every machine.

use flate2::{Compress, Compression, FlushCompress};
use zopfli::{BlockType, DeflateEncoder, Options, Write};

/// How thoroughly to compress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// zlib's best level: some 5% larger, a hundred times faster.
    Fast,
    #[default]
    Thorough,
}

/// How far back deflate can refer, in bytes.
const WINDOW: usize = 32 * 1024;

pub(crate) fn gzip(text: &[u8], effort: Effort) -> Vec<u8> {
    let deflated = match effort {
        Effort::Fast => zlib(text, &[], FlushCompress::Finish),
        Effort::Thorough => zopfli(&[text]),
    };
    framed(&[&deflated], crc32fast::hash(text), text.len())
}

/// The beginning that all messages of a run have in common. It is compressed once.
#[derive(Debug)]
pub(crate) struct Head {
    text: Vec<u8>,
    /// Deflate blocks that end at a byte. None is marked as the last.
    blocks: Vec<u8>,
    crc: crc32fast::Hasher,
}

impl Head {
    pub fn new(text: Vec<u8>, effort: Effort) -> Head {
        let blocks = match effort {
            Effort::Fast => zlib(&text, &[], FlushCompress::Sync),
            // The empty chunk makes the text's own blocks not the last.
            Effort::Thorough => without_last_block(zopfli(&[&text, &[]])),
        };
        let mut crc = crc32fast::Hasher::new();
        crc.update(&text);
        Head { text, blocks, crc }
    }

    /// Returns the rest of `text` after this head, or `None` if it begins otherwise.
    pub fn rest<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        text.strip_prefix(&self.text[..])
    }

    /// Returns gzip of this head and `rest`. The end of the head is the dictionary for `rest`.
    pub fn gzip_with(&self, rest: &[u8]) -> Vec<u8> {
        let window = &self.text[self.text.len().saturating_sub(WINDOW)..];
        let mut crc = self.crc.clone();
        crc.update(rest);
        let rest_blocks = zlib(rest, window, FlushCompress::Finish);
        framed(&[&self.blocks, &rest_blocks], crc.finalize(), self.text.len() + rest.len())
    }
}

/// Returns the compressed size of each text if they are compressed one after another, so a text costs nothing for what it has
/// in common with those before it.
pub(crate) fn costs(texts: &[&[u8]]) -> Vec<usize> {
    let mut stream = Compress::new(Compression::best(), false);
    let cost = |text: &&[u8]| {
        let mut out = Vec::with_capacity(bound(text.len()));
        deflate(&mut stream, text, &mut out, FlushCompress::Sync);
        out.len()
    };
    texts.iter().map(cost).collect()
}

/// Adds the header and trailer of RFC 1952: no time, no name, 2 for the best compression, 255 for an unknown system.
fn framed(deflated: &[&[u8]], crc: u32, size: usize) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    out.extend(deflated.concat());
    out.extend(crc.to_le_bytes());
    // The size modulo 2^32.
    out.extend((size as u32).to_le_bytes());
    out
}

fn zlib(text: &[u8], dictionary: &[u8], flush: FlushCompress) -> Vec<u8> {
    let mut stream = Compress::new(Compression::best(), false);
    if !dictionary.is_empty() {
        // It fails only after the first byte was compressed.
        let _ = stream.set_dictionary(dictionary);
    }
    let mut out = Vec::with_capacity(bound(text.len()));
    deflate(&mut stream, text, &mut out, flush);
    out
}

/// Compresses all of `text` into `out`. It cannot fail, because `out` has enough capacity.
fn deflate(stream: &mut Compress, text: &[u8], out: &mut Vec<u8>, flush: FlushCompress) {
    let before = stream.total_in();
    let _ = stream.compress_vec(text, out, flush);
    debug_assert_eq!(stream.total_in() - before, text.len() as u64);
}

/// Returns an upper bound for the compressed size, including the flush at the end (`deflateBound` in zlib.h).
fn bound(size: usize) -> usize {
    size + size / 8 + 256
}

/// Returns the chunks as one deflate stream.
fn zopfli(chunks: &[&[u8]]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Options::default(), BlockType::Dynamic, Vec::new());
    // Writing to a Vec cannot fail. The crate is used without std, whose logarithms differ by machine.
    for chunk in chunks {
        let _ = encoder.write(chunk);
    }
    encoder.finish().unwrap_or_default()
}

/// Removes the last block, which is empty, and adds an empty stored block so that the rest ends at a byte.
fn without_last_block(mut deflate: Vec<u8>) -> Vec<u8> {
    // RFC 1951: such a block is the bits 1 (the last), 1 0 (fixed codes) and 0000000 (its end), and zeros fill the byte:
    // the highest bit that is set is its second.
    let last = deflate.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    let second = last * 8 + (7 - deflate[last].leading_zeros() as usize);
    let end = second - 1;
    deflate.truncate(end / 8 + 1);
    deflate[end / 8] &= (1 << (end % 8)) - 1;
    // 0 (not the last), 00 (stored), zeros to the next byte; then a length of 0, and its complement.
    deflate.resize((end + 3).div_ceil(8), 0);
    deflate.extend([0, 0, 0xff, 0xff]);
    deflate
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::bufread::GzDecoder;
    use proptest::prelude::*;
    use std::io::Read;

    fn unpacked(bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        let mut decoder = GzDecoder::new(bytes);
        decoder.read_to_end(&mut text).unwrap();
        assert!(decoder.into_inner().is_empty(), "bytes behind the end");
        text
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_text_comes_back_whole_or_in_two_pieces(
            head in prop::collection::vec(any::<u8>(), 0..400), rest in prop::collection::vec(0u8..4, 0..400),
        ) {
            let whole = [&head[..], &rest[..]].concat();
            for effort in [Effort::Fast, Effort::Thorough] {
                prop_assert_eq!(&unpacked(&gzip(&whole, effort)), &whole);
                let head = Head::new(head.clone(), effort);
                prop_assert_eq!(head.rest(&whole), Some(&rest[..]));
                prop_assert_eq!(&unpacked(&head.gzip_with(&rest)), &whole);
            }
        }
    }

    #[test]
    fn large_texts_come_back_too_and_the_head_is_a_dictionary() {
        let head: Vec<u8> = (0..30_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let rest = &head[head.len() - 20_000..];
        for effort in [Effort::Fast, Effort::Thorough] {
            let once = gzip(&head, effort).len();
            let both = Head::new(head.clone(), effort).gzip_with(rest);
            assert!(both.len() < once + 400, "{} {once}", both.len());
            assert_eq!(unpacked(&both), [&head[..], rest].concat());
        }
    }

    #[test]
    fn zopfli_is_smaller_and_no_time_is_in_it() {
        let text: String = (0..500).map(|n| format!("echo line {n} of {}\n", n * n % 97)).collect();
        let [fast, thorough] = [Effort::Fast, Effort::Thorough].map(|effort| gzip(text.as_bytes(), effort));
        assert!(thorough.len() < fast.len(), "{} {}", thorough.len(), fast.len());
        assert_eq!(thorough[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
    }

    #[test]
    fn repeated_text_costs_little() {
        let text: String = (0..300).map(|n| format!("{}", n * n)).collect();
        let costs = costs(&[text.as_bytes(), b"x", text.as_bytes()]);
        assert!(costs[0] > 400 && costs[1] < 10 && costs[2] < 40, "{costs:?}");
    }
}
