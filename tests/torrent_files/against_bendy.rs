//! The bencode reader against `bendy`, which is strict: what bendy reads we read alike, and what we read with sorted
//! keys bendy reads.

use arbtest::arbitrary::{Result, Unstructured};
use arbtest::arbtest;
use bendy::decoding::{Decoder, Object};
use peerlink::wire::bencode::{Limits, Value, Writer, parse_with};

const DEPTH: usize = 20;

/// One step of a walk through a value.
#[derive(PartialEq, Debug)]
enum Step {
    List,
    Dict,
    End,
    Int(i64),
    Bytes(Vec<u8>),
}

/// None where bendy refuses the bytes, or reads a number beyond 64 bits.
fn bendy_steps(bytes: &[u8]) -> Option<Vec<Step>> {
    fn walk(object: Object<'_, '_>, steps: &mut Vec<Step>) -> Option<()> {
        match object {
            Object::List(mut list) => {
                steps.push(Step::List);
                while let Some(item) = list.next_object().ok()? {
                    walk(item, steps)?;
                }
                steps.push(Step::End);
            }
            Object::Dict(mut dict) => {
                steps.push(Step::Dict);
                while let Some((key, value)) = dict.next_pair().ok()? {
                    steps.push(Step::Bytes(key.to_vec()));
                    walk(value, steps)?;
                }
                steps.push(Step::End);
            }
            Object::Integer(text) => steps.push(Step::Int(text.parse().ok()?)),
            Object::Bytes(bytes) => steps.push(Step::Bytes(bytes.to_vec())),
        }
        Some(())
    }
    let mut decoder = Decoder::new(bytes).with_max_depth(DEPTH);
    let mut steps = Vec::new();
    walk(decoder.next_object().ok()??, &mut steps)?;
    match decoder.next_object() {
        Ok(None) => Some(steps),
        _ => None,
    }
}

fn our_steps(value: Value<'_>, steps: &mut Vec<Step>) {
    if let Some(number) = value.as_int() {
        steps.push(Step::Int(number));
    } else if let Some(bytes) = value.as_bytes() {
        steps.push(Step::Bytes(bytes.to_vec()));
    } else if value.is_list() {
        steps.push(Step::List);
        value.items().for_each(|item| our_steps(item, steps));
        steps.push(Step::End);
    } else {
        steps.push(Step::Dict);
        value.entries().for_each(|(key, value)| {
            steps.push(Step::Bytes(key.to_vec()));
            our_steps(value, steps);
        });
        steps.push(Step::End);
    }
}

/// Bytes that often are bencode, and often almost.
fn nearly_bencode(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut writer = Writer::new();
    write_value(u, &mut writer, 0)?;
    let mut bytes = writer.0;
    for _ in 0..u.int_in_range(0..=2)? {
        let at = u.choose_index(bytes.len().max(1))?;
        let byte = *u.choose(b"0123456789:-deil\x00a")?;
        match u.int_in_range(0..=2)? {
            0 if at < bytes.len() => bytes[at] = byte,
            1 if at < bytes.len() => drop(bytes.drain(at..=at)),
            _ => bytes.insert(at.min(bytes.len()), byte),
        }
    }
    Ok(bytes)
}

fn write_value(u: &mut Unstructured<'_>, writer: &mut Writer, depth: usize) -> Result<()> {
    let count = if depth < 4 { u.int_in_range(0..=4)? } else { 0 };
    match u.int_in_range(0..=3)? {
        0 => writer.int(if u.arbitrary()? { u.arbitrary()? } else { u.int_in_range(-20..=20)? }),
        1 => writer.bytes(&u.arbitrary::<[u8; 12]>()?[..u.int_in_range(0..=12)?]),
        2 => {
            writer.0.push(b'l');
            (0..count).try_for_each(|_| write_value(u, writer, depth + 1))?;
            writer.0.push(b'e');
        }
        _ => {
            writer.0.push(b'd');
            let mut keys: Vec<u8> = (0..count).map(|_| u.int_in_range(b'a'..=b'f')).collect::<Result<_>>()?;
            if u.ratio(9, 10)? {
                keys.sort_unstable();
                keys.dedup();
            }
            for key in keys {
                writer.bytes([key]);
                write_value(u, writer, depth + 1)?;
            }
            writer.0.push(b'e');
        }
    }
    Ok(())
}

#[test]
fn both_readers_agree() {
    let (mut read_count, mut refused_count) = (0, 0);
    for seed in 0..4_000_u64 {
        arbtest(|u| {
            let bytes = nearly_bencode(u)?;
            let ours = parse_with(&bytes, Limits { depth: DEPTH, tokens: 1_000 });
            let theirs = bendy_steps(&bytes);
            match (ours, theirs) {
                (Ok(value), theirs) => {
                    let mut steps = Vec::new();
                    our_steps(value, &mut steps);
                    assert_eq!(theirs.is_some(), value.is_sorted(), "{}", bytes.escape_ascii());
                    assert!(theirs.is_none_or(|theirs| theirs == steps), "{}", bytes.escape_ascii());
                    read_count += 1;
                }
                (Err(error), theirs) => {
                    assert!(theirs.is_none(), "bendy reads {}, we: {error}", bytes.escape_ascii());
                    assert!(error.at <= bytes.len());
                    refused_count += 1;
                }
            }
            Ok(())
        })
        .seed(seed << 32 | 400);
    }
    println!("bencode: {read_count} values read by both, {refused_count} refused by both");
    assert!(read_count > 1_000 && refused_count > 1_000);
}
