//! JSON of strangers: refused or read within bounds, and what is written of it reads back as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::wire::json::{self, Number, Value};

/// Written by our own writer; what is kept of a number is what JSON has.
fn write(value: &Value, to: &mut String) {
    match value {
        Value::Null => to.push_str("null"),
        Value::Bool(is_on) => json::number(is_on, to),
        Value::Number(Number::U64(number)) => json::number(number, to),
        Value::Number(Number::I64(number)) => json::number(number, to),
        Value::Number(Number::F64(number)) if number.is_finite() => json::number(number, to),
        Value::Number(Number::F64(_)) => to.push('0'),
        Value::String(text) => json::quote(text, to),
        Value::Array(list) => json::write_list(list, to, write),
        Value::Object(object) => {
            let mut writer = json::Writer::begin(to);
            for (key, value) in object {
                write(value, writer.key(key));
            }
            writer.end();
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some(value) = json::read(bytes) else { return };
    let _ = (json::int(&value), json::float(&value), json::switch(&value), json::text(&value), json::list(&value));
    let mut text = String::new();
    write(&value, &mut text);
    assert!(!text.contains('<') && !text.contains('\n'), "{text}");
    let again = json::read(text.as_bytes()).expect("what we wrote");
    let mut second = String::new();
    write(&again, &mut second);
    assert_eq!(text, second);
});
