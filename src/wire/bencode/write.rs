//! Writes bencode with keys in the order that BEP 3 wants.

/// Writes values one after the other.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn new() -> Writer {
        Writer::default()
    }

    /// The bytes of one dictionary.
    pub fn dict_bytes(fill: impl FnOnce(&mut DictWriter<'_>)) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.dict(fill);
        writer.0
    }

    pub fn int(&mut self, value: i64) {
        self.0.extend_from_slice(format!("i{value}e").as_bytes());
    }

    /// A string.
    pub fn bytes(&mut self, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        self.0.extend_from_slice(format!("{}:", value.len()).as_bytes());
        self.0.extend_from_slice(value);
    }

    /// A value that is bencoded already.
    pub fn raw(&mut self, value: impl AsRef<[u8]>) {
        self.0.extend_from_slice(value.as_ref());
    }

    pub fn list(&mut self, fill: impl FnOnce(&mut Writer)) {
        self.0.push(b'l');
        fill(self);
        self.0.push(b'e');
    }

    pub fn dict(&mut self, fill: impl FnOnce(&mut DictWriter<'_>)) {
        self.0.push(b'd');
        fill(&mut DictWriter { writer: self, last_key: None });
        self.0.push(b'e');
    }
}

/// Writes a dictionary's entries.
pub struct DictWriter<'w> {
    writer: &'w mut Writer,
    last_key: Option<Vec<u8>>,
}

impl DictWriter<'_> {
    /// Writes a key; write its one value with what is returned.
    ///
    /// # Panics
    /// When keys do not come in ascending order: a bug of ours.
    pub fn key(&mut self, key: impl AsRef<[u8]>) -> &mut Writer {
        let key = key.as_ref();
        let is_sorted = self.last_key.as_deref().is_none_or(|last| last < key);
        assert!(is_sorted, "keys are written in ascending order: {}", key.escape_ascii());
        self.last_key = Some(key.to_vec());
        self.writer.bytes(key);
        self.writer
    }

    pub fn int(&mut self, key: impl AsRef<[u8]>, value: i64) {
        self.key(key).int(value);
    }

    pub fn bytes(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.key(key).bytes(value);
    }

    pub fn raw(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.key(key).raw(value);
    }

    pub fn list(&mut self, key: impl AsRef<[u8]>, fill: impl FnOnce(&mut Writer)) {
        self.key(key).list(fill);
    }

    pub fn dict(&mut self, key: impl AsRef<[u8]>, fill: impl FnOnce(&mut DictWriter<'_>)) {
        self.key(key).dict(fill);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Value, parse};
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let bytes = Writer::dict_bytes(|d| {
            d.int("a", i64::MIN);
            d.list("b", |w| {
                w.bytes("x");
                w.int(0);
            });
            d.dict("c", |d| d.bytes([0xff, 0], b"y"));
            d.raw("d", "le");
        });
        assert_eq!(bytes, b"d1:ai-9223372036854775808e1:bl1:xi0ee1:cd2:\xff\x001:ye1:dlee");
        let root = parse(&bytes).unwrap();
        assert_eq!(root.get("a").and_then(Value::as_int), Some(i64::MIN));
    }

    #[test]
    #[should_panic(expected = "ascending order")]
    fn unsorted_writing_is_a_bug() {
        Writer::dict_bytes(|d| {
            d.int("b", 1);
            d.int("a", 1);
        });
    }
}
