//! Two ends of a connection, and those that dial something else.

use super::*;
use crate::wire::mse::torrent_name;

const HASH: InfoHash = InfoHash([3; 20]);
const PLAIN: &[u8] = b"\x13BitTorrent protocol, and more";

fn house<T>(encryption: Encryption, with: impl FnOnce(&House<'_>) -> T) -> T {
    let find = |name: &[u8; 20]| (*name == torrent_name(HASH)).then_some(HASH);
    let chance = || Some(Chance { secret: [encryption as u8 + 1; 20], pads: 5 });
    with(&House { encryption, find: &find, chance: &chance })
}

/// What one end hears of bytes that come in steps: its news, and what its machine hears.
fn hear(
    cipher: &mut Cipher,
    encryption: Encryption,
    bytes: &[u8],
    step: usize,
    say: &mut Vec<u8>,
) -> Result<(Vec<News>, Vec<u8>), Refused> {
    let (mut news, mut heard) = (Vec::new(), Vec::new());
    let mut parts: Vec<Vec<u8>> = bytes.chunks(step).map(<[u8]>::to_vec).rev().collect();
    while let Some(mut part) = parts.pop() {
        if cipher.open(&mut part) {
            heard.extend(part);
            continue;
        }
        let result = house(encryption, |house| cipher.hear(&mut part, house, say))?;
        heard.extend(result.early);
        heard.extend(&part[result.from..]);
        if result.news == News::Secret {
            assert!(cipher.waits());
            parts.push(cipher.agree(say)?);
        }
        if news.last() != Some(&result.news) {
            news.push(result.news);
        }
    }
    Ok((news, heard))
}

/// Two ends that shook hands, with a payload each way while they did.
fn pair(caller: Encryption, callee: Encryption, step: usize) -> (Cipher, Cipher, Crypto) {
    let mut calling = Cipher::Dialling(HASH);
    let mut called = Cipher::of_caller(callee);
    let (mut to_called, mut to_calling) = (Vec::new(), Vec::new());
    house(caller, |house| calling.begin(house, &mut to_called)).unwrap();
    let mut said = PLAIN.to_vec();
    assert!(!calling.seal(&mut said) && said.is_empty(), "held");
    let (mut news, mut heard) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    while !to_called.is_empty() || !to_calling.is_empty() {
        let bytes = std::mem::take(&mut to_called);
        let (more, text) = hear(&mut called, callee, &bytes, step, &mut to_calling).unwrap();
        news.0.extend(more);
        heard.0.extend(text);
        let bytes = std::mem::take(&mut to_calling);
        let (more, text) = hear(&mut calling, caller, &bytes, step, &mut to_called).unwrap();
        news.1.extend(more);
        heard.1.extend(text);
    }
    assert_eq!((&heard.0[..], &heard.1[..]), (PLAIN, &b""[..]));
    let agreed = |news: &[News]| {
        let agreed: Vec<Crypto> = news
            .iter()
            .filter_map(|news| if let News::Agreed(crypto) = news { Some(*crypto) } else { None })
            .collect();
        assert_eq!(agreed.len(), 1);
        agreed[0]
    };
    assert!(news.0.contains(&News::Spoke) || news.0.contains(&News::Secret));
    assert_eq!(agreed(&news.0), agreed(&news.1));
    (calling, called, agreed(&news.0))
}

#[test]
fn ends_that_agree_hear_what_the_other_says() {
    use Encryption::{Prefer, Require, Tolerate};
    for step in [1, 20, 97, 333, 1024] {
        for (caller, callee, crypto) in [
            (Prefer, Tolerate, Crypto::Plaintext),
            (Require, Prefer, Crypto::Rc4),
            (Prefer, Require, Crypto::Rc4),
            (Require, Require, Crypto::Rc4),
        ] {
            let (mut calling, mut called, agreed) = pair(caller, callee, step);
            assert_eq!(agreed, crypto);
            for _ in 0..3 {
                let mut bytes = b"some words".to_vec();
                assert!(calling.seal(&mut bytes));
                assert_eq!(bytes == b"some words", crypto == Crypto::Plaintext);
                assert!(called.open(&mut bytes));
                assert_eq!(bytes, b"some words");
                std::mem::swap(&mut calling, &mut called);
            }
            // Nothing is left of it where the rest is plain.
            let is_plain = matches!((&calling, &called), (Cipher::Plain, Cipher::Plain));
            assert_eq!(is_plain, crypto == Crypto::Plaintext);
        }
    }
}

#[test]
fn blocks_are_encrypted_where_they_lie() {
    let (mut calling, mut called, _) = pair(Encryption::Require, Encryption::Require, 1024);
    let mut run = Run((0..=255).collect());
    let block = |head, start, len| Outgoing { head: [head; 13], start, len };
    // The last one is asked for twice.
    let mut blocks = [block(1, 0, 100), block(2, 100, 56), block(3, 200, 56), block(3, 200, 56)];
    assert!(calling.seal_blocks(&mut run, &mut blocks));
    assert_eq!(&run.0[156..200], (156..200).collect::<Vec<u8>>(), "nobody asked for these");
    let expected = [(1, 0..=99), (2, 100..=155), (3, 200..=255), (3, 200..=255)];
    for (block, (head, payload)) in blocks.iter().zip(expected) {
        let start = block.start as usize;
        let mut bytes = [&block.head[..], &run.0[start..start + block.len as usize]].concat();
        assert!(called.open(&mut bytes));
        assert_eq!(bytes, [vec![head; 13], payload.collect()].concat());
    }
    // Plain ones stay as they are.
    let mut plain = [block(1, 0, 9)];
    let before = run.0.clone();
    assert!(Cipher::Plain.seal_blocks(&mut run, &mut plain) && run.0 == before && plain[0].head == [1; 13]);
}

#[test]
fn who_speaks_plainly_is_heard_or_not() {
    use Encryption::{Off, Prefer, Require, Tolerate};
    let get = b"GET / HTTP/1.1\r\n\r\n";
    for step in [1, 5, 19, 20, 21, 100] {
        for text in [PLAIN, get] {
            for encryption in [Off, Tolerate, Prefer] {
                let mut cipher = Cipher::of_caller(encryption);
                let (_, heard) = hear(&mut cipher, encryption, text, step, &mut Vec::new()).unwrap();
                assert_eq!(heard, text);
                assert!(matches!(cipher, Cipher::Plain));
            }
            let mut cipher = Cipher::of_caller(Require);
            let said = &mut Vec::new();
            assert_eq!(hear(&mut cipher, Require, text, step, said), Err(Refused::Plain));
            assert!(said.is_empty());
        }
    }
}

#[test]
fn noise_and_keys_that_are_none_end_it() {
    let mut say = Vec::new();
    let mut cipher = Cipher::of_caller(Encryption::Prefer);
    let noise: Vec<u8> = (0..2000u32).map(|at| ((at * 31) >> 3) as u8).collect();
    let end = hear(&mut cipher, Encryption::Prefer, &noise, 100, &mut say);
    assert_eq!(end, Err(Refused::Fault(Fault::NotFound)));
    let mut cipher = Cipher::of_caller(Encryption::Prefer);
    let end = hear(&mut cipher, Encryption::Prefer, &[0; 200], 100, &mut say);
    assert_eq!(end, Err(Refused::Fault(Fault::Degenerate)));
    let mut cipher = Cipher::of_caller(Encryption::Prefer);
    let find = |_: &[u8; 20]| None;
    let house = House { encryption: Encryption::Prefer, find: &find, chance: &|| None };
    assert_eq!(cipher.hear(&mut [9; 30], &house, &mut say), Err(Refused::NoRandomness));
}
