//! Lines of IRC: whatever bytes come, in whatever pieces, they are cut into the same lines, and a line that is read and
//! written again is the same line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::wire::irc::{
    Cut, Limits, Line, Source, Stream, Writer, escape, matches, read_time, unescape, write_time,
};

fn lines(stream: &mut Stream, bytes: &[u8], found: &mut Vec<Vec<u8>>) {
    stream.feed(bytes, |cut| {
        found.push(match cut {
            Cut::Line(line) => line.to_vec(),
            Cut::TooLong => Vec::new(),
        });
        true
    });
}

fn copy(line: &Line<'_>) -> Vec<u8> {
    let mut to = Vec::new();
    let mut writer = line.tags.written().fold(Writer::new(&mut to), |writer, tag| writer.written_tag(tag));
    if let Some(source) = line.source {
        writer = writer.source(source);
    }
    writer = writer.command(line.command);
    if let Some((last, others)) = line.params().split_last() {
        writer = others.iter().fold(writer, |writer, param| writer.param(param)).last(last);
    }
    writer.end();
    to
}

fuzz_target!(|bytes: &[u8]| {
    let Some((step, bytes)) = bytes.split_first() else { return };
    let (mut whole, mut parts) = (Vec::new(), Vec::new());
    lines(&mut Stream::of_client(), bytes, &mut whole);
    let mut stream = Stream::of_client();
    bytes.chunks(usize::from(*step).max(1)).for_each(|part| lines(&mut stream, part, &mut parts));
    assert_eq!(whole, parts, "reads end anywhere");
    assert!(stream.kept() <= 4096 + 512, "what is kept is bounded");
    for limits in [Limits::OF_CLIENT, Limits::OF_SERVER] {
        for text in &whole {
            let Ok(line) = Line::parse(text, limits) else { continue };
            let written = copy(&line);
            let text = written.strip_suffix(b"\r\n").expect("a line has an end");
            let again =
                Line::parse(text, Limits { tags: usize::MAX / 4, body: usize::MAX / 4 }).expect("what was written");
            assert_eq!((line.source, line.command, line.params()), (again.source, again.command, again.params()));
            assert!(line.tags.iter().eq(again.tags.iter()));
            for (_, value) in line.tags.iter() {
                let meant = unescape(value);
                assert_eq!(unescape(&escape(&meant)), meant);
            }
            let _ = line.source.map(Source::of);
            if let [mask, text, ..] = line.params() {
                let _ = matches(mask, text);
                assert!(matches("*", text));
            }
            if let Some(ms) = line.last().and_then(read_time) {
                let mut to = Vec::new();
                write_time(ms, &mut to);
                assert_eq!(read_time(std::str::from_utf8(&to).expect("ASCII")), Some(ms));
            }
        }
    }
});
