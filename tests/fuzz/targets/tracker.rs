//! What a tracker tells us, over HTTP and UDP, and what others ask over UDP: bounds hold, nothing that could upset a terminal is
//! left in its texts, and what is read can be written and read again. The first byte says what the rest is.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use peerlink::base::{InfoHash, limits};
use peerlink::wire::udp_tracker::{Answer, Question, is_question, transaction_answered, transaction_asked};
use peerlink::wire::url::{Url, resolve};
use peerlink::wire::{announce, http_reply};

fn over_http(bytes: &[u8]) {
    if let Ok(found) = announce::parse_scrape(bytes, &[InfoHash([b'a'; 20])]) {
        assert!(found.len() <= 1);
    }
    let Ok(reply) = announce::parse(bytes) else { return };
    assert!(reply.peers.len() + reply.named.len() <= limits::REPLY_PEERS);
    assert!(reply.peers.iter().all(|peer| peer.port() != 0) && reply.named.iter().all(|peer| peer.port != 0));
    for text in [&reply.failure, &reply.warning].into_iter().flatten() {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}

fn over_udp(bytes: &[u8]) {
    for ip in [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0u16; 8])] {
        let Ok((transaction, answer)) = Answer::parse(bytes, ip) else { continue };
        assert_eq!(transaction_answered(bytes), Some(transaction));
        match answer {
            // Made safe to show, it is no longer what it was.
            Answer::Failed(why) => assert!(!why.contains(char::is_control) && why.chars().count() <= 300),
            answer => assert_eq!(Answer::parse(&answer.to_bytes(transaction, ip), ip), Ok((transaction, answer))),
        }
    }
}

fn asked(bytes: &[u8]) {
    transaction_asked(bytes);
    is_question(bytes);
    let _ = Question::parse(bytes);
}

fn names(text: &str) {
    http_reply::content_range(text);
    for candidate in [text, &resolve("http://u@a.example:81/x/y?z#f", text)] {
        let Ok(url) = Url::parse(candidate) else { continue };
        let target = url.target();
        assert!(target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic()), "{candidate:?}");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => over_http(bytes),
        1 => over_udp(bytes),
        2 => asked(bytes),
        _ => names(&String::from_utf8_lossy(bytes)),
    }
});
