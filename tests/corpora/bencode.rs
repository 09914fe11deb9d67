//! `bdecode_libtorrent.json` and `bencode_other.json`: what the reader accepts, where it stops, what it says.

use peerlink::wire::bencode::{Problem, Value, Writer, parse_prefix};

use crate::table::{self, Row};

#[test]
fn bencode_tables() {
    let mut count = 0;
    for file in ["bdecode_libtorrent.json", "bencode_other.json"] {
        let Some(table) = table::load(file) else { return };
        for row in table.at("cases").list() {
            row.only_keys(&["name", "line", "source", "input", "input_gen", "expect"]);
            judge(row);
            count += 1;
        }
    }
    println!("bencode: {count} rows judged");
}

fn judge(row: &table::Value) {
    let name = row.text_at("name");
    let input = match row.get("input_gen").and_then(Row::text) {
        None => table::bytes(row.at("input")),
        Some("b'1000000:'+b'\\0'*1000000") => [b"1000000:".as_slice(), &[0; 1_000_000]].concat(),
        Some(other) => panic!("{name}: an input made in an unknown way: {other}"),
    };
    let expect = row.at("expect");
    expect.only_keys(&[
        "result",
        "int_value",
        "root_type",
        "soft_error",
        "note",
        "canonical",
        "reencodes",
        "encodes_as",
        "error",
        "error_pos",
        "consumed",
        "string_value",
        "string_length",
        "printed",
    ]);
    let read = parse_prefix(&input);
    match expect.text_at("result") {
        "ok" | "accepted_with_soft_error" => {
            let (value, len) = read.unwrap_or_else(|error| panic!("{name}: {error}"));
            judge_value(name, expect, value, len);
        }
        "error" => {
            let error = read.map(|(value, _)| panic!("{name}: read {value:?}")).unwrap_err();
            let wanted: &[Problem] = match expect.text_at("error") {
                "" => &[],
                "overflow" => &[Problem::Overflow],
                "expected_digit" => &[Problem::NoDigit],
                "unexpected_eof" => &[Problem::Ends],
                other => panic!("{name}: unknown error {other}"),
            };
            assert!(wanted.is_empty() || wanted.contains(&error.problem), "{name}: {error}");
            if let Some(at) = expect.get("error_pos").and_then(Row::int) {
                assert!(error.at as i64 == at, "{name}: {error}, not at byte {at}");
            }
        }
        "either" => {}
        other => panic!("{name}: unknown result {other}"),
    }
}

fn judge_value(name: &str, expect: &table::Value, value: Value<'_>, len: usize) {
    if let Some(wanted) = expect.get("int_value") {
        assert_eq!(value.as_int(), wanted.int(), "{name}");
    }
    if let Some(wanted) = expect.get("string_value") {
        assert_eq!(value.as_text(), wanted.text(), "{name}");
    }
    if let Some(wanted) = expect.get("string_length").and_then(Row::int) {
        assert_eq!(value.as_bytes().map(|bytes| bytes.len() as i64), Some(wanted), "{name}");
    }
    if let Some(wanted) = expect.get("consumed").and_then(Row::int) {
        assert_eq!(len as i64, wanted, "{name}");
    }
    if let Some(wanted) = expect.get("encodes_as").and_then(Row::text) {
        assert_eq!(written(value), wanted.as_bytes(), "{name}");
    }
    if expect.get("canonical").or(expect.get("reencodes")).and_then(Row::is_true) == Some(true) {
        assert_eq!(written(value), value.raw(), "{name}");
    }
    assert_eq!(expect.get("soft_error").is_none(), value.is_sorted(), "{name}: order of keys");
    match expect.text_at("root_type") {
        "" => {}
        "int" => assert!(value.as_int().is_some(), "{name}"),
        "string" => assert!(value.as_bytes().is_some(), "{name}"),
        "list" => assert!(value.is_list(), "{name}"),
        "dict" => assert!(value.is_dict(), "{name}"),
        other => panic!("{name}: unknown type {other}"),
    }
}

/// The value, read and written again.
fn written(value: Value<'_>) -> Vec<u8> {
    fn write(writer: &mut Writer, value: Value<'_>) {
        if let Some(number) = value.as_int() {
            writer.int(number);
        } else if let Some(bytes) = value.as_bytes() {
            writer.bytes(bytes);
        } else if value.is_list() {
            writer.list(|writer| value.items().for_each(|item| write(writer, item)));
        } else {
            writer.dict(|dict| value.entries().for_each(|(key, value)| write(dict.key(key), value)));
        }
    }
    let mut writer = Writer::new();
    write(&mut writer, value);
    writer.0
}
