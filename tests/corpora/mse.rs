//! The rows of `protocol_vectors.json` about encryption: key streams of RC4, and public keys of MSE.

use peerlink::wire::mse::dh::{PUBLIC_LEN, Secret};
use peerlink::wire::rc4::Rc4;

use crate::table::{self, Row};

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |digit: char| digit.to_digit(16).unwrap_or_else(|| panic!("{hex} is not hex")) as u8;
    let digits: Vec<u8> = hex.chars().map(digit).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn key_streams_are_those_of_rfc_6229() {
    let Some(table) = table::load("protocol_vectors.json") else { return };
    let rows = table.at("mse_rc4_rfc6229").list();
    assert!(!rows.is_empty());
    for row in rows {
        row.only_keys(&["source", "key", "keystream_at_1024", "keystream_at_4096", "recomputed_here_ok"]);
        for (key, place) in [("keystream_at_1024", 1024), ("keystream_at_4096", 4096)] {
            let mut cipher = Rc4::new(&bytes(row.text_at("key")));
            cipher.skip(place);
            let mut stream = [0; 16];
            cipher.apply(&mut stream);
            assert_eq!(stream[..], bytes(row.text_at(key)), "{} at {place}", row.text_at("key"));
        }
    }
}

#[test]
fn public_keys_are_taken_or_refused() {
    let Some(table) = table::load("protocol_vectors.json") else { return };
    let row = table.at("mse_dh");
    row.only_keys(&["prime", "generator", "public_key_must_be_rejected", "public_key_must_be_accepted", "source"]);
    let prime: [u8; PUBLIC_LEN] = bytes(row.text_at("prime")).try_into().expect("768 bits");
    let key = |text: &str| {
        let mut key = if text.starts_with('p') { prime } else { [0; PUBLIC_LEN] };
        // The last byte of the prime is far from 0 and 255.
        match text.strip_prefix('p') {
            Some("") => {}
            Some(less) => key[PUBLIC_LEN - 1] -= less[1..].parse::<u8>().expect("a small number"),
            None => key[PUBLIC_LEN - 1] = text.parse().expect("a small number"),
        }
        key
    };
    let secret = Secret::new([9; 20]);
    for (name, is_taken) in [("public_key_must_be_rejected", false), ("public_key_must_be_accepted", true)] {
        for text in row.at(name).list().iter().filter_map(Row::text) {
            assert_eq!(secret.agree(&key(text)).is_ok(), is_taken, "{text}");
        }
    }
    let generator = row.at("generator").int().expect("a number");
    assert_eq!(secret.agree(&key(&generator.to_string())), Ok(secret.public()));
}
