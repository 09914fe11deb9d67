//! The bytes of a connection, cut into lines; what is not a whole line yet is kept, and nothing else.

use super::{CLIENT_TAGS_LEN, LINE_LEN, SERVER_TAGS_LEN};

/// Cuts lines off the bytes that come in. Holds no memory between whole lines.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Stream {
    rest: Vec<u8>,
    /// The line under way was too long: its bytes are thrown away up to its end.
    is_skipping: bool,
    is_server: bool,
}

/// What was cut off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut<'a> {
    /// A line without its end, never empty.
    Line(&'a [u8]),
    /// A line longer than any may be; it was thrown away. Said once for each.
    TooLong,
}

impl Stream {
    /// What a client sends.
    pub fn of_client() -> Stream {
        Stream::default()
    }

    /// What a server sends: more tags.
    pub fn of_server() -> Stream {
        Stream { is_server: true, ..Stream::default() }
    }

    /// Bytes kept.
    pub fn kept(&self) -> usize {
        self.rest.len()
    }

    /// Takes bytes and hands over each line that is whole. When `each` says false, all that follows is kept until the
    /// next call, which may bring no bytes; the caller then bounds what it brings.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Cut<'_>) -> bool) {
        let mut gathered = std::mem::take(&mut self.rest);
        let mut left = bytes;
        if !gathered.is_empty() {
            gathered.extend_from_slice(bytes);
            left = &gathered;
        }
        let mut goes_on = true;
        while goes_on && let Some(end) = left.iter().position(|byte| *byte == b'\n') {
            let line = without_cr(&left[..end]);
            left = &left[end + 1..];
            if std::mem::take(&mut self.is_skipping) {
                continue;
            }
            if line.len() > self.len_max() {
                goes_on = each(Cut::TooLong);
            } else if !line.is_empty() {
                goes_on = each(Cut::Line(line));
            }
        }
        if goes_on && left.len() > self.len_max() {
            left = &[];
            if !std::mem::replace(&mut self.is_skipping, true) {
                each(Cut::TooLong);
            }
        }
        if self.is_skipping && goes_on {
            left = &[];
        }
        self.rest = if left.is_empty() {
            Vec::new()
        } else if left.len() == gathered.len() {
            gathered
        } else {
            left.to_vec()
        };
    }

    /// Keeps bytes for a later call of [`Self::feed`]; the caller bounds them.
    pub fn keep(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// `@`, tags, a blank, and the rest with CR LF.
    fn len_max(&self) -> usize {
        let tags = if self.is_server { SERVER_TAGS_LEN } else { CLIENT_TAGS_LEN };
        tags + 2 + LINE_LEN
    }
}

/// Lines end in CR LF; a lone LF is borne with.
fn without_cr(mut line: &[u8]) -> &[u8] {
    while let Some(shorter) = line.strip_suffix(b"\r") {
        line = shorter;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts(stream: &mut Stream, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        stream.feed(bytes, |cut| {
            found.push(match cut {
                Cut::Line(line) => String::from_utf8_lossy(line).into_owned(),
                Cut::TooLong => "!".into(),
            });
            true
        });
        found
    }

    #[test]
    fn lines_are_the_same_wherever_reads_end() {
        let mut bytes = b"NICK a\r\n\r\n\nUSER a 0 * :b \n".to_vec();
        bytes.extend(vec![b'x'; 5000]);
        bytes.extend(b"\r\nPING z\r\r\nrest");
        let whole = cuts(&mut Stream::of_client(), &bytes);
        assert_eq!(whole, ["NICK a", "USER a 0 * :b ", "!", "PING z"]);
        for step in [1, 2, 3, 7, 100, 4000, 4700] {
            let mut stream = Stream::of_client();
            let found: Vec<String> = bytes.chunks(step).flat_map(|part| cuts(&mut stream, part)).collect();
            assert_eq!(found, whole, "step {step}");
            assert_eq!(stream.kept(), 4);
            assert_eq!(cuts(&mut stream, b"\n"), ["rest"]);
            assert_eq!((stream.kept(), stream.rest.capacity()), (0, 0));
        }
    }

    #[test]
    fn what_is_not_wanted_now_is_kept() {
        let mut stream = Stream::of_client();
        let mut taken = 0;
        stream.feed(b"a\nb\nc\nd", |_| {
            taken += 1;
            taken < 2
        });
        assert_eq!((taken, stream.kept()), (2, 3));
        assert_eq!(cuts(&mut stream, b""), ["c"]);
        assert_eq!(cuts(&mut stream, b"\n"), ["d"]);
    }

    #[test]
    fn a_server_may_send_longer_tags() {
        let mut line = vec![b'x'; 8000];
        line.push(b'\n');
        assert_eq!(cuts(&mut Stream::of_client(), &line), ["!"]);
        assert_eq!(cuts(&mut Stream::of_server(), &line)[0].len(), 8000);
    }
}
