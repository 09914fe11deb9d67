//! Sealed messages as strangers, thieves and later readers meet them, and the test vectors of the README.

use super::*;
use crate::wire::base64url;

const WHEN_S: u64 = 1_795_000_000;

fn anna() -> Identity {
    Identity::new([1; 32])
}

fn bob() -> Identity {
    Identity::new([2; 32])
}

fn eve() -> Identity {
    Identity::new([3; 32])
}

fn films() -> GroupKey {
    GroupKey::new([9; 32])
}

/// A message of Anna to the group.
fn to_films(sealer: &mut Sealer, text: &str) -> Vec<u8> {
    let target = Target::Group { name: "#films", key: &films() };
    sealer.seal(&anna(), target, Kind::Message, WHEN_S, text).unwrap()
}

fn open_films(opener: &mut Opener, bytes: &[u8]) -> Result<String, Refused> {
    let opened = opener.open(&bob(), Place::Group { name: "#films", key: Some(&films()) }, bytes)?;
    assert_eq!((opened.sender, opened.kind, opened.written_s), (anna().public(), Kind::Message, WHEN_S));
    Ok(opened.text)
}

#[test]
fn the_group_reads_what_was_sealed_for_it() {
    let (mut sealer, mut opener) = (Sealer::new([7; 32]), Opener::default());
    for text in ["", "hello", "\u{1F980} and \u{e4}", &"x".repeat(TEXT_LEN_MAX)] {
        let sealed = to_films(&mut sealer, text);
        assert!(sealed.len() <= MESSAGE_LEN_MAX);
        assert_eq!(open_films(&mut opener, &sealed).as_deref(), Ok(text));
    }
    let target = Target::Group { name: "#films", key: &films() };
    let long = "x".repeat(TEXT_LEN_MAX + 1);
    assert_eq!(sealer.seal(&anna(), target, Kind::Message, 0, &long), Err(NotSealed::TooLong));
}

#[test]
fn names_of_groups_have_no_case() {
    let sealed = to_films(&mut Sealer::new([7; 32]), "hello");
    let place = Place::Group { name: "#FilmS", key: Some(&films()) };
    assert!(Opener::default().open(&bob(), place, &sealed).is_ok());
}

#[test]
fn who_has_no_passphrase_or_another_is_told_so() {
    let sealed = to_films(&mut Sealer::new([7; 32]), "hello");
    let open = |key| Opener::default().open(&eve(), Place::Group { name: "#films", key }, &sealed);
    assert_eq!(open(None), Err(Refused::NoKey));
    assert_eq!(open(Some(&GroupKey::new([8; 32]))), Err(Refused::OtherKey));
}

#[test]
fn a_message_changed_anywhere_is_forged() {
    let sealed = to_films(&mut Sealer::new([7; 32]), "hello");
    for at in 1..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 0x40;
        assert_eq!(open_films(&mut Opener::default(), &changed), Err(Refused::Forged), "byte {at}");
    }
    let mut private = sealed.clone();
    private[0] = 2;
    assert_eq!(open_films(&mut Opener::default(), &private), Err(Refused::Forged));
    private[0] = 3;
    assert_eq!(open_films(&mut Opener::default(), &private), Err(Refused::Unknown));
}

#[test]
fn what_is_moved_to_another_group_is_forged() {
    let sealed = to_films(&mut Sealer::new([7; 32]), "hello");
    let place = Place::Group { name: "#music", key: Some(&films()) };
    assert_eq!(Opener::default().open(&bob(), place, &sealed), Err(Refused::Forged));
}

#[test]
fn nobody_makes_a_message_in_anothers_name_though_knowing_the_passphrase() {
    let mut sealer = Sealer::new([7; 32]);
    let target = Target::Group { name: "#films", key: &films() };
    let mut forged = sealer.seal(&eve(), target, Kind::Message, WHEN_S, "I am Anna").unwrap();
    forged[1..33].copy_from_slice(&anna().public().0);
    assert_eq!(open_films(&mut Opener::default(), &forged), Err(Refused::Forged));
    // Nor is another's text made one's own by signing it: the sender is bound into what is sealed.
    let sealed = to_films(&mut sealer, "hello");
    let mut taken = sealed[..sealed.len() - SIGNATURE_LEN].to_vec();
    taken[1..33].copy_from_slice(&eve().public().0);
    let parts = message::Parts::parse(&sealed).unwrap();
    let head = message::Head { sender: eve().public(), ..parts.head };
    let signed = message::signed(&head.bound(message::Bound::Group("#films")), parts.sealed);
    taken.extend_from_slice(&eve().sign(&signed));
    assert_eq!(open_films(&mut Opener::default(), &taken), Err(Refused::OtherKey));
}

#[test]
fn what_was_opened_before_is_a_replay_and_restarts_and_history_are_not() {
    let (mut sealer, mut opener) = (Sealer::new([7; 32]), Opener::default());
    let sealed: Vec<_> = (0..10).map(|number| to_films(&mut sealer, &number.to_string())).collect();
    // Live messages first, then the history before them, backwards.
    for at in [8, 9, 7, 6, 5, 4, 3, 2, 1, 0] {
        assert_eq!(open_films(&mut opener, &sealed[at]), Ok(at.to_string()));
    }
    for bytes in &sealed {
        assert_eq!(open_films(&mut opener, bytes), Err(Refused::Replayed));
    }
    // Anna's program starts again: its counters do, too.
    let again = to_films(&mut Sealer::new([8; 32]), "back");
    assert_eq!(open_films(&mut opener, &again).as_deref(), Ok("back"));
    // A forgery does not use up the counter of the genuine one.
    let genuine = to_films(&mut sealer, "late");
    let mut forged = genuine.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(open_films(&mut opener, &forged), Err(Refused::Forged));
    assert_eq!(open_films(&mut opener, &genuine).as_deref(), Ok("late"));
}

#[test]
fn only_the_two_read_a_private_message() {
    let mut sealer = Sealer::new([7; 32]);
    let (anna_key, bob_key, eve_key) = (anna().public(), bob().public(), eve().public());
    let sealed = sealer.seal(&anna(), Target::Person(&bob_key), Kind::Action, WHEN_S, "for you").unwrap();
    let open = |who: Identity, with| Opener::default().open(&who, Place::Private { with }, &sealed);
    let opened = open(bob(), None).unwrap();
    assert_eq!((opened.sender, opened.kind, opened.text.as_str()), (anna_key, Kind::Action, "for you"));
    // The sender finds it again in the history.
    assert_eq!(open(anna(), Some(&bob_key)).as_ref(), Ok(&opened));
    assert_eq!(open(anna(), None), Err(Refused::NoKey));
    assert_eq!(open(anna(), Some(&eve_key)), Err(Refused::Forged), "it was not for Eve");
    for with in [None, Some(&anna_key), Some(&bob_key)] {
        assert_eq!(open(eve(), with), Err(Refused::Forged));
    }
    let in_group = Place::Group { name: "#films", key: Some(&films()) };
    assert_eq!(Opener::default().open(&bob(), in_group, &sealed), Err(Refused::Forged));
    assert_eq!(open_private(&to_films(&mut sealer, "hello")), Err(Refused::Forged));
    let weak = Target::Person(&PublicKey([0; 32]));
    assert_eq!(sealer.seal(&anna(), weak, Kind::Message, 0, ""), Err(NotSealed::BadKey));
}

fn open_private(bytes: &[u8]) -> Result<Opened, Refused> {
    Opener::default().open(&bob(), Place::Private { with: None }, bytes)
}

#[test]
fn no_session_comes_twice_and_none_is_known_from_another() {
    let mut sealer = Sealer::new([7; 32]);
    let mut seen = std::collections::BTreeSet::new();
    // More conversations than are remembered, round and round.
    for _ in 0..3 {
        for number in 0..300_u32 {
            let name = format!("#{number}");
            let target = Target::Group { name: &name, key: &films() };
            let sealed = sealer.seal(&anna(), target, Kind::Message, 0, "").unwrap();
            assert!(seen.insert(sealed[33..57].to_vec()), "a nonce came twice");
        }
    }
}

#[test]
fn the_test_vectors_of_the_readme_hold() {
    let readme = include_str!("../../README.md");
    let (anna, bob) = (Identity::new(std::array::from_fn(|at| at as u8)), Identity::new([0x42; 32]));
    let key = GroupKey::stretch(b"correct horse battery staple", "#Films").unwrap();
    let mut sealer = Sealer::new([0; 32]);
    let mut vector = |target, text| {
        let sealed = sealer.seal(&anna, target, Kind::Message, 1_795_000_000, text).unwrap();
        base64url::encode(&sealed)
    };
    let vectors = [
        ("anna", anna.public().to_string()),
        ("bob", bob.public().to_string()),
        ("login", base64url::encode(&anna.log_in(&[0x11; 32], "anna"))),
        ("group", vector(Target::Group { name: "#films", key: &key }, "hello")),
        ("again", vector(Target::Group { name: "#films", key: &key }, "")),
        ("private", vector(Target::Person(&bob.public()), "for you")),
    ];
    for (name, vector) in vectors {
        assert!(readme.contains(&vector), "{name}: {vector}");
    }
}
