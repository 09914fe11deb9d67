//! The bencode reader: every walk ends, and what is read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::wire::bencode::{Value, Writer, parse, parse_prefix};

fn copy(value: Value<'_>, writer: &mut Writer) {
    if let Some(number) = value.as_int() {
        writer.int(number);
    } else if let Some(bytes) = value.as_bytes() {
        writer.bytes(bytes);
    } else if value.is_list() {
        writer.list(|writer| value.items().for_each(|item| copy(item, writer)));
    } else {
        writer.0.push(b'd');
        for (key, value) in value.entries() {
            writer.bytes(key);
            copy(value, writer);
        }
        writer.0.push(b'e');
    }
}

fuzz_target!(|bytes: &[u8]| {
    match parse_prefix(bytes) {
        Ok((value, len)) => {
            assert_eq!(value.raw(), &bytes[..len]);
            let mut writer = Writer::new();
            copy(value, &mut writer);
            assert_eq!(writer.0, value.raw(), "there is one way to write a value");
            let sorted = value.is_sorted();
            assert_eq!(parse(&writer.0).map(Value::is_sorted), Ok(sorted));
        }
        Err(error) => assert!(error.at <= bytes.len()),
    }
});
