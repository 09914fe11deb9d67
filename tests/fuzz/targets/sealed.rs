//! Sealed messages: nothing foreign opens or panics, and what was sealed opens once, whatever lies in it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use peerlink::seal::{GroupKey, Identity, Kind, Opener, Place, Refused, Sealer, TEXT_LEN_MAX, Target};

static ANNA: LazyLock<Identity> = LazyLock::new(|| Identity::new([1; 32]));
static BOB: LazyLock<Identity> = LazyLock::new(|| Identity::new([2; 32]));

fuzz_target!(|bytes: &[u8]| {
    let key = GroupKey::new([9; 32]);
    let with = ANNA.public();
    let places = [
        Place::Group { name: "#films", key: Some(&key) },
        Place::Group { name: "#films", key: None },
        Place::Private { with: None },
        Place::Private { with: Some(&with) },
    ];
    let mut opener = Opener::default();
    for place in places {
        assert!(opener.open(&BOB, place, bytes).is_err(), "nobody has sealed this");
    }
    let Some((first, text)) = bytes.split_first() else { return };
    // A sealed message with one byte changed, and its genuine one, of a text or of bytes that are none.
    let text = String::from_utf8_lossy(&text[..text.len().min(TEXT_LEN_MAX / 3)]);
    let mut sealer = Sealer::new([7; 32]);
    let bob = BOB.public();
    let (target, place) = match first % 2 {
        0 => (Target::Group { name: "#films", key: &key }, places[0]),
        _ => (Target::Person(&bob), places[2]),
    };
    let sealed = sealer.seal(&ANNA, target, Kind::Message, 5, &text).expect("short enough, and Bob's key is one");
    let mut changed = sealed.clone();
    let at = bytes.iter().fold(0, |at, byte| (at * 31 + usize::from(*byte)) % sealed.len());
    changed[at] ^= 1 << (first % 8);
    assert!(opener.open(&BOB, place, &changed).is_err());
    assert_eq!(opener.open(&BOB, place, &sealed).map(|opened| opened.text), Ok(text.into_owned()));
    assert_eq!(opener.open(&BOB, place, &sealed), Err(Refused::Replayed));
});
