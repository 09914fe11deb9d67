//! Random damage to URLs and tracker replies: whatever comes out, nothing panics and every bound holds.

use peerlink::base::{InfoHash, limits};
use peerlink::wire::udp_tracker::{self, Answer, Question};
use peerlink::wire::url::{self, Url};
use peerlink::wire::{announce, http_reply};

/// `count` variations of one of the `seeds`: bytes changed, removed, doubled, or pieces of another put in.
fn damaged(seeds: &[&[u8]], count: usize, mut each: impl FnMut(&[u8])) {
    let mut rng = fastrand::Rng::with_seed(20);
    for _ in 0..count {
        let mut bytes = seeds[rng.usize(..seeds.len())].to_vec();
        for _ in 0..rng.usize(0..6) {
            let at = rng.usize(..=bytes.len());
            match rng.u8(..5) {
                0 => bytes.insert(at, rng.u8(..)),
                1 => bytes.insert(at, *rng.choice(b"/:?#[]@%.-ei0159ld \r\n").unwrap_or(&b'/')),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                3 => bytes.truncate(at),
                _ => {
                    let other = seeds[rng.usize(..seeds.len())];
                    let from = rng.usize(..=other.len());
                    let to = rng.usize(from..=other.len());
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
            }
        }
        each(&bytes);
    }
}

#[test]
fn urls_survive_damage() {
    let seeds: [&[u8]; 5] = [
        b"http://user:pass@tracker.example.org:8080/a/b/../announce?key=1&x=%20#top",
        b"https://[2001:db8::1%25eth0]:443/\xc3\xa4/./..",
        b"udp://127.0.0.1:6969/announce",
        b"//host/path?query",
        b"bytes 0-499/1234",
    ];
    let base = "http://u@a.example:81/x/y?z#f";
    let mut good = 0;
    damaged(&seeds, 50_000, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let resolved = url::resolve(base, &text);
        url::resolve(&text, base);
        url::resolve(&text, "../x");
        url::split(&text);
        url::percent_decode(&text);
        http_reply::content_range(&text);
        for candidate in [&*text, &resolved] {
            let Ok(parsed) = Url::parse(candidate) else { continue };
            good += 1;
            let target = parsed.target();
            assert!(target.starts_with('/') && target.bytes().all(|b| b.is_ascii_graphic()), "{candidate:?}");
            assert!(!target.contains('#') && parsed.port != Some(0));
            assert!(
                parsed.host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:%_~".contains(&b)),
                "{candidate:?}"
            );
        }
    });
    assert!(good > 1000, "only {good} were URLs at all");
}

#[test]
fn replies_survive_damage() {
    let seeds: [&[u8]; 4] = [
        b"d8:completei5e8:intervali1800e12:min intervali60e5:peers12:abcdefghijkl6:peers618:abcdefghijklmnopqre",
        b"d5:peersld2:ip9:127.0.0.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti6881eed2:ip4:host4:porti3eeee",
        b"d14:failure reason4:full8:retry ini5e15:warning message3:a\x1bb10:tracker id2:xx11:external ip4:abcde",
        b"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei4e10:incompletei5e10:downloadedi6eeee",
    ];
    let mut good = 0;
    damaged(&seeds, 50_000, |bytes| {
        if let Ok(found) = announce::parse_scrape(bytes, &[InfoHash([b'a'; 20])]) {
            assert!(found.len() <= 1);
        }
        let Ok(reply) = announce::parse(bytes) else { return };
        good += 1;
        assert!(reply.peers.len() + reply.named.len() <= limits::REPLY_PEERS);
        assert!(reply.peers.iter().all(|peer| peer.port() != 0) && reply.named.iter().all(|peer| peer.port != 0));
        for text in [&reply.failure, &reply.warning].into_iter().flatten() {
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    });
    assert!(good > 1000, "only {good} were replies at all");
}

#[test]
fn datagrams_survive_damage() {
    let announce = [&b"\0\0\0\x01\0\0\0\x09\0\0\x07\x08\0\0\0\x02\0\0\0\x03"[..], &[7; 36]].concat();
    let question =
        [&[1; 8][..], &[0, 0, 0, 1, 0, 0, 0, 9], &[5; 40], &[0; 42], b"\x02\x09/announce\x01\x00"].concat();
    let seeds: [&[u8]; 6] = [
        b"\0\0\0\0\0\0\0\x09\x01\x02\x03\x04\x05\x06\x07\x08",
        &announce,
        b"\0\0\0\x02\0\0\0\x09\0\0\0\x01\0\0\0\x02\0\0\0\x03",
        b"\0\0\0\x03\0\0\0\x09not today",
        &udp_tracker::connect(9),
        &question,
    ];
    let (mut answers, mut questions) = (0, 0);
    let ips = ["127.0.0.1", "::1"].map(|ip| ip.parse::<std::net::IpAddr>().unwrap());
    damaged(&seeds, 50_000, |bytes| {
        for ip in ips {
            let Ok((transaction, answer)) = Answer::parse(bytes, ip) else { continue };
            answers += 1;
            assert_eq!(udp_tracker::transaction_answered(bytes), Some(transaction));
            match answer {
                // Made safe to show, it is no longer what it was.
                Answer::Failed(why) => assert!(!why.contains(char::is_control) && why.chars().count() <= 300),
                answer => assert_eq!(Answer::parse(&answer.to_bytes(transaction, ip), ip), Ok((transaction, answer))),
            }
        }
        questions += usize::from(Question::parse(bytes).is_ok());
    });
    assert!(answers > 10_000 && questions > 1_000, "{answers} answers, {questions} questions");
}
