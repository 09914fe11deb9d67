//! Answers of web servers, right and wrong, in pieces of every size.

use super::place::tests::names;
use super::*;
use crate::base::BLOCK_LEN;

const B: u64 = BLOCK_LEN as u64;

/// Files of these lengths in a folder, a negative one is a pad file; pieces of two blocks.
fn web(lens: &[i64]) -> Web {
    let paths: Vec<String> = (0..lens.len()).map(|index| format!("t/{index}")).collect();
    let mut names = names(&paths.iter().map(String::as_str).collect::<Vec<_>>());
    let mut files = names.files.to_vec();
    let mut offset = 0;
    for (file, len) in files.iter_mut().zip(lens) {
        (file.offset, file.len, file.pad) = (offset, len.unsigned_abs(), *len < 0);
        offset += file.len;
    }
    names.files = files.into();
    let geometry = Geometry::new(offset, 2 * BLOCK_LEN).unwrap();
    Web::new(0, Place::parse("http://h.example/", &names).unwrap(), names, geometry, true, None)
}

fn want(web: &mut Web, piece: u32) {
    let geometry = web.geometry;
    let piece = geometry.piece(piece).unwrap();
    (0..geometry.block_count(piece)).for_each(|number| web.want(geometry.block_number(piece, number).unwrap()));
}

/// Target and range of each request.
fn asked(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let one = |request: &str| {
        let target = request.strip_prefix("GET ").unwrap().split(' ').next().unwrap();
        let range = request.split("Range: bytes=").nth(1).unwrap().split("\r\n").next().unwrap();
        format!("{target} {range}")
    };
    text.split_terminator("\r\n\r\n").map(one).collect()
}

/// What comes of these bytes, in steps of so many: blocks begun, payload, and how many blocks were whole.
fn hear(web: &mut Web, bytes: &[u8], step: usize) -> Result<(Vec<Block>, Vec<u8>, usize), Refusal> {
    let mut heard = (Vec::new(), Vec::new(), 0);
    for mut some in bytes.chunks(step) {
        while let Some(event) = web.next(&mut some)? {
            match event {
                Event::Begins(block) => heard.0.push(block),
                Event::Payload { bytes, last } | Event::Zeros { bytes, last } => {
                    heard.1.extend_from_slice(bytes);
                    heard.2 += usize::from(last);
                }
                Event::Carried { bytes, last } => {
                    heard.1.extend(bytes);
                    heard.2 += usize::from(last);
                }
            }
        }
        assert!(some.is_empty(), "bytes were left");
    }
    Ok(heard)
}

fn partial(range: Range<u64>, total: u64, more: &str) -> Vec<u8> {
    let (first, last, len) = (range.start, range.end - 1, range.end - range.start);
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{total}\r\nContent-Length: {len}\r\n{more}\r\n"
    );
    let mut bytes = head.into_bytes();
    bytes.extend(range.map(byte_at));
    bytes
}

fn byte_at(at: u64) -> u8 {
    (at % 251) as u8
}

#[test]
fn neighbouring_blocks_are_one_range_and_come_as_blocks_however_they_are_cut() {
    for step in [1, 7, 4096, usize::MAX] {
        let mut web = web(&[4 * B as i64, 0]);
        want(&mut web, 1);
        assert_eq!(asked(&web.requests()), ["/t/0 32768-65535"]);
        assert!(web.requests().is_empty(), "the second waits for the first answer");
        let answer = partial(2 * B..4 * B, 4 * B, "X: y\r\n");
        let (begun, payload, whole) = hear(&mut web, &answer, step).unwrap();
        assert_eq!((begun.len(), whole), (2, 2));
        assert!(payload.iter().copied().eq((2 * B..4 * B).map(byte_at)));
        assert!(web.has_answered() && web.asked_count() == 0 && web.payload_left() == 0);
    }
}

#[test]
fn pieces_reach_over_files_and_pads_are_filled_with_zeros() {
    let mut web = web(&[100, -28, 0, 1000, 2 * B as i64]);
    want(&mut web, 0);
    assert_eq!(asked(&web.requests()), ["/t/0 0-99"]);
    let (begun, payload, whole) = hear(&mut web, &partial(0..100, 100, ""), usize::MAX).unwrap();
    assert_eq!((begun.len(), payload.len(), whole), (1, 128, 0), "the zeros follow at once");
    assert!(payload[100..].iter().all(|byte| *byte == 0));
    assert_eq!(web.payload_left(), BLOCK_LEN - 128);
    // It keeps the connection: requests do not wait any more.
    assert_eq!(asked(&web.requests()), ["/t/3 0-999", "/t/4 0-31639"]);
    let mut answers = partial(0..1000, 1000, "");
    answers.extend(partial(0..31640, 2 * B, ""));
    assert_eq!(hear(&mut web, &answers, 999).unwrap().2, 2);
}

#[test]
fn what_came_of_a_block_before_is_not_asked_for_again() {
    let mut web = web(&[20_000, 100, 2 * B as i64]);
    let geometry = web.geometry;
    let block = geometry.block_number(geometry.piece(0).unwrap(), 1).unwrap();
    web.carried = Some((block, (0..3616).map(|_| 7).collect()));
    want(&mut web, 0);
    assert_eq!(asked(&web.requests()), ["/t/0 0-16383"]);
    let (begun, payload, whole) = hear(&mut web, &partial(0..B, 20_000, ""), 5000).unwrap();
    assert_eq!((begun.len(), payload.len(), whole), (2, B as usize + 3616, 1));
    assert_eq!(asked(&web.requests()), ["/t/1 0-99", "/t/2 0-12667"]);
    let answers = [partial(0..100, 100, ""), partial(0..12_668, 2 * B, "")].concat();
    assert_eq!(hear(&mut web, &answers, usize::MAX).unwrap().2, 1);
    assert!(web.carried().is_none() && web.asked_count() == 0);
}

#[test]
fn what_is_asked_before_it_was_sent_is_joined_and_later_it_is_not() {
    let mut web = web(&[8 * B as i64, 0]);
    want(&mut web, 0);
    want(&mut web, 1);
    assert_eq!(asked(&web.requests()), ["/t/0 0-65535"]);
    want(&mut web, 2);
    want(&mut web, 3);
    hear(&mut web, &partial(0..4 * B, 8 * B, ""), usize::MAX).unwrap();
    assert_eq!(asked(&web.requests()), ["/t/0 65536-131071"]);
}

#[test]
fn nothing_more_is_asked_of_who_closes_or_has_not_ended() {
    for head in ["HTTP/1.1 200 OK\r\nContent-Length: 81920\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"] {
        let mut web = web(&[5 * B as i64, 0]);
        want(&mut web, 0);
        web.requests();
        want(&mut web, 1);
        let answer = [head.as_bytes(), &vec![7; 2 * B as usize]].concat();
        assert_eq!(hear(&mut web, &answer, usize::MAX).unwrap().2, 2);
        assert!(web.requests().is_empty(), "{head}");
    }
}

#[test]
fn a_whole_file_will_do_where_little_of_it_is_wasted() {
    let whole = |len: u64, more: &str| {
        let mut bytes = format!("HTTP/1.1 200 OK\r\n{more}\r\n").into_bytes();
        bytes.extend((0..len).map(byte_at));
        bytes
    };
    for more in [format!("Content-Length: {}\r\n", 5 * B), "Connection: close\r\n".into()] {
        let mut web = web(&[5 * B as i64, 0]);
        want(&mut web, 1);
        web.requests();
        let heard = hear(&mut web, &whole(5 * B, &more), 10_000);
        if more.starts_with("Connection") {
            assert_eq!(heard, Err(Refusal::Over));
            continue;
        }
        let (_, payload, whole) = heard.unwrap();
        assert!(whole == 2 && payload.iter().copied().eq((2 * B..4 * B).map(byte_at)));
    }
    let mut long = web(&[100 * B as i64, 0]);
    want(&mut long, 0);
    long.requests();
    let answer = whole(0, &format!("Content-Length: {}\r\n", 100 * B));
    assert_eq!(hear(&mut long, &answer, usize::MAX), Err(Refusal::NoRanges));
}

#[test]
fn chunked_answers_are_understood() {
    for step in [1, 1000, usize::MAX] {
        let mut web = web(&[4 * B as i64, 0]);
        want(&mut web, 0);
        web.requests();
        let mut answer = format!(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 P\r\nContent-Range: bytes 0-{}/*\r\nTransfer-Encoding: chunked\r\n\r\n",
            2 * B - 1
        )
        .into_bytes();
        let body: Vec<u8> = (0..2 * B).map(byte_at).collect();
        for chunk in body.chunks(5000) {
            answer.extend(format!("{:x}\r\n", chunk.len()).bytes());
            answer.extend_from_slice(chunk);
            answer.extend(b"\r\n");
        }
        let short = answer.clone();
        answer.extend(b"0\r\n\r\n");
        let (_, payload, whole) = hear(&mut web, &answer, step).unwrap();
        assert!(payload == body && whole == 2 && web.has_answered());
        for (end, what) in [(&b"1\r\nx\r\n"[..], "longer"), (b"xyz", "malformed")] {
            let mut web = self::web(&[4 * B as i64, 0]);
            want(&mut web, 0);
            web.requests();
            let refusal = hear(&mut web, &[&short, end].concat(), step).unwrap_err();
            assert!(refusal.to_string().contains(what), "{refusal}");
        }
    }
}

#[test]
fn answers_that_are_of_no_use_say_why() {
    let of = |answer: &[u8]| {
        let mut web = web(&[4 * B as i64, 5]);
        want(&mut web, 0);
        web.requests();
        hear(&mut web, answer, usize::MAX).unwrap_err()
    };
    let status = |head: &str| of(format!("HTTP/1.1 {}\r\n\r\n", head.replace('|', "\r\n")).as_bytes());
    assert_eq!(status("404 Not Found"), Refusal::Missing { file: 0, status: 404 });
    assert_eq!(status("416 x|Content-Range: bytes */5"), Refusal::Missing { file: 0, status: 416 });
    assert_eq!(status("503 x|Retry-After: 9"), Refusal::Busy { status: 503, retry_after_s: Some(9) });
    assert_eq!(status("500 x"), Refusal::Busy { status: 500, retry_after_s: None });
    assert_eq!(status("403 x"), Refusal::Refused { status: 403 });
    assert_eq!(status("304 x"), Refusal::Refused { status: 304 });
    assert_eq!(status("302 x|Location: /y"), Refusal::Moved { file: 0, to: "/y".into() });
    assert_eq!(status("302 x"), Refusal::Refused { status: 302 });
    assert_eq!(status("200 x|Content-Length: 9"), Refusal::OtherLength { file: 0 });
    assert_eq!(of(&partial(0..2 * B, 9 * B, "")), Refusal::OtherLength { file: 0 });
    let nonsense = [
        partial(0..B, 4 * B, ""),
        partial(1..2 * B + 1, 4 * B, ""),
        partial(0..2 * B, 4 * B, "Content-Encoding: gzip\r\n"),
        b"HTTP/1.1 206 x\r\nContent-Length: 32768\r\n\r\n".to_vec(),
        b"HTTP/1.1 101 x\r\n\r\n".to_vec(),
        b"HTTP/1.1 102 x\r\n\r\n".repeat(20),
        b"SSH-2.0-x\r\n\r\n".to_vec(),
        vec![b'x'; HEAD_LEN + 1],
    ];
    for answer in nonsense {
        let refusal = of(&answer);
        assert!(matches!(refusal, Refusal::Nonsense(_)), "{refusal:?} to {:.60}", answer.escape_ascii().to_string());
    }
    let mut unasked = web(&[5, 5]);
    assert!(hear(&mut unasked, b"HTTP/1.1 200 OK\r\n", usize::MAX).is_err());
}
