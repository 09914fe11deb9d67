//! Handshakes of both sides with each other and with those that break the rules.

use super::*;

const HASH: InfoHash = InfoHash([7; 20]);
const HANDSHAKE: &[u8] = b"\x13BitTorrent protocol and so on";

fn chance(seed: u8) -> Chance {
    Chance { secret: std::array::from_fn(|at| seed.wrapping_add(3 * at as u8)), pads: u64::from(seed) }
}

fn find(name: &[u8; 20]) -> Option<InfoHash> {
    [InfoHash([1; 20]), HASH, InfoHash([9; 20])].into_iter().find(|hash| torrent_name(*hash) == *name)
}

type Feed<'a> = dyn FnMut(&mut &[u8], &mut Vec<u8>) -> Result<Option<Agreed>, Fault> + 'a;

/// One side, fed in steps of so many bytes; what is left over stays in `rest`.
struct Side<'a> {
    step: usize,
    rest: Vec<u8>,
    feed: &'a mut Feed<'a>,
}

impl Side<'_> {
    fn hear(&mut self, bytes: &[u8], said: &mut Vec<u8>) -> Result<Option<Agreed>, Fault> {
        let mut fed = 0;
        while fed < bytes.len() {
            let mut part = &bytes[fed..bytes.len().min(fed + self.step)];
            fed += part.len();
            let agreed = (self.feed)(&mut part, said)?;
            if agreed.is_some() {
                self.rest = [part, &bytes[fed..]].concat();
                return Ok(agreed);
            }
            assert!(part.is_empty(), "bytes are left over of a handshake that is not over");
        }
        Ok(None)
    }
}

fn called(responder: &mut Responder, bytes: &mut &[u8], said: &mut Vec<u8>) -> Result<Option<Agreed>, Fault> {
    loop {
        match responder.feed(bytes, find, said)? {
            Step::More => return Ok(None),
            Step::Secret => responder.agree(said)?,
            Step::Agreed(agreed) => return Ok(Some(*agreed)),
        }
    }
}

/// A whole handshake: what each side agreed on, and what the caller's initial payload arrived as.
fn meet(
    caller: Encryption,
    callee: Encryption,
    seed: u8,
    step: usize,
    initial: &[u8],
) -> Result<(Agreed, Agreed, Vec<u8>), Fault> {
    let (mut to_callee, mut to_caller) = (Vec::new(), Vec::new());
    let mut initial = initial.to_vec();
    let mut initiator = Initiator::new(HASH, caller, chance(seed), &mut to_callee);
    let mut responder = Responder::new(callee, chance(seed.wrapping_add(100)));
    let mut calling = |bytes: &mut &[u8], said: &mut Vec<u8>| initiator.feed(bytes, &mut initial, said);
    let mut calling = Side { step, rest: Vec::new(), feed: &mut calling };
    let mut answering = |bytes: &mut &[u8], said: &mut Vec<u8>| called(&mut responder, bytes, said);
    let mut answering = Side { step, rest: Vec::new(), feed: &mut answering };
    let (mut ours, mut theirs) = (None, None);
    while ours.is_none() || theirs.is_none() {
        assert!(!to_callee.is_empty() || !to_caller.is_empty(), "both wait");
        let heard = std::mem::take(&mut to_callee);
        theirs = answering.hear(&heard, &mut to_caller)?.or(theirs);
        let heard = std::mem::take(&mut to_caller);
        ours = calling.hear(&heard, &mut to_callee)?.or(ours);
    }
    let mut theirs = theirs.unwrap();
    let mut arrived = answering.rest;
    theirs.incoming.apply(&mut arrived);
    assert!(calling.rest.is_empty(), "nothing was sent to the caller yet");
    Ok((ours.unwrap(), theirs, arrived))
}

/// Says something with one side's cipher, and hears it with the other's.
fn carry(from: &mut Agreed, to: &mut Agreed, text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    from.outgoing.iter_mut().for_each(|cipher| cipher.apply(&mut bytes));
    assert_eq!(bytes == text, from.crypto == Crypto::Plaintext, "what is on its way");
    to.incoming.apply(&mut bytes);
    bytes
}

#[test]
fn both_sides_agree_whatever_the_pads_and_however_bytes_arrive() {
    use Encryption::{Prefer, Require, Tolerate};
    for seed in 0..40 {
        let step = [1, 2, 7, 19, 20, 96, 97, 600, 5000][usize::from(seed) % 9];
        for (caller, callee, crypto) in [
            (Prefer, Prefer, Crypto::Plaintext),
            (Tolerate, Prefer, Crypto::Plaintext),
            (Require, Prefer, Crypto::Rc4),
            (Prefer, Require, Crypto::Rc4),
            (Require, Require, Crypto::Rc4),
        ] {
            let (mut ours, mut theirs, arrived) = meet(caller, callee, seed, step, HANDSHAKE).unwrap();
            assert_eq!(arrived, HANDSHAKE, "seed {seed}");
            assert_eq!((ours.crypto, theirs.crypto, theirs.info_hash), (crypto, crypto, HASH));
            assert_eq!(carry(&mut ours, &mut theirs, b"from the caller"), b"from the caller");
            assert_eq!(carry(&mut theirs, &mut ours, b"to the caller"), b"to the caller");
            assert_eq!(carry(&mut ours, &mut theirs, &[9; 3000]), [9; 3000]);
        }
    }
}

#[test]
fn without_initial_payload_and_with_more_than_fits() {
    let (ours, theirs, arrived) = meet(Encryption::Prefer, Encryption::Prefer, 1, 64, b"").unwrap();
    assert!(arrived.is_empty() && !theirs.incoming.is_needed() && !ours.incoming.is_needed());
    let long = vec![5; 70_000];
    let mut said = Vec::new();
    let mut initiator = Initiator::new(HASH, Encryption::Prefer, chance(1), &mut said);
    let mut responder = Responder::new(Encryption::Prefer, chance(2));
    let mut answer = Vec::new();
    called(&mut responder, &mut &said[..], &mut answer).unwrap();
    let (mut initial, mut next) = (long.clone(), Vec::new());
    assert!(initiator.feed(&mut &answer[..], &mut initial, &mut next).unwrap().is_none());
    assert_eq!(initial.len(), 70_000 - 65_535, "the rest is the caller's");
    let mut bytes = &next[..];
    let mut agreed = called(&mut responder, &mut bytes, &mut Vec::new()).unwrap().unwrap();
    let mut arrived = bytes.to_vec();
    assert!(!agreed.incoming.apply(&mut arrived));
    assert_eq!(arrived, long[..65_535]);
}

#[test]
fn who_wants_all_encrypted_and_who_wants_nothing_of_it_do_not_agree() {
    let mut said = Vec::new();
    let agreed = [8; PUBLIC_LEN];
    // A caller that offers plaintext alone, to somebody who requires more.
    for (provide, callee, ends) in [
        (PLAINTEXT, Encryption::Require, Err(Fault::NoCrypto)),
        (PLAINTEXT, Encryption::Prefer, Ok(Crypto::Plaintext)),
        (RC4, Encryption::Prefer, Ok(Crypto::Rc4)),
        (0, Encryption::Prefer, Err(Fault::NoCrypto)),
        (4 | 8, Encryption::Prefer, Err(Fault::NoCrypto)),
        (0xffff_ffff, Encryption::Require, Ok(Crypto::Rc4)),
    ] {
        let (responder, mut bytes) = named(callee, &agreed, HASH);
        let (mut cipher, _) = ciphers(&agreed, HASH);
        let mut offer = [&VC[..], &provide.to_be_bytes(), &[0, 0, 0, 0]].concat();
        cipher.apply(&mut offer);
        bytes.extend(offer);
        let met = called(&mut { responder }, &mut &bytes[..], &mut said);
        assert_eq!(met.map(|agreed| agreed.unwrap().crypto), ends);
    }
}

/// Somebody called who knows the secret, and the bytes up to the torrent's name.
fn named(encryption: Encryption, agreed: &[u8; PUBLIC_LEN], info_hash: InfoHash) -> (Responder, Vec<u8>) {
    let mut responder = Responder::new(encryption, chance(3));
    responder.pretend(agreed);
    (responder, [mark(agreed), hide(torrent_name(info_hash), agreed)].concat())
}

#[test]
fn a_caller_that_breaks_the_rules_is_refused() {
    let agreed = [4; PUBLIC_LEN];
    let fault = |info_hash, change: &dyn Fn(&mut Vec<u8>, &mut Vec<u8>)| {
        let (mut responder, mut bytes) = named(Encryption::Prefer, &agreed, info_hash);
        let mut offer = [&VC[..], &3u32.to_be_bytes(), &[0, 0, 0, 0]].concat();
        change(&mut bytes, &mut offer);
        let (mut cipher, _) = ciphers(&agreed, info_hash);
        cipher.apply(&mut offer);
        bytes.extend(offer);
        called(&mut responder, &mut &bytes[..], &mut Vec::new()).map(|agreed| agreed.is_some())
    };
    assert_eq!(fault(HASH, &|_, _| {}), Ok(true));
    assert_eq!(fault(InfoHash([8; 20]), &|_, _| {}), Err(Fault::UnknownTorrent));
    assert_eq!(fault(HASH, &|bytes, _| bytes[25] ^= 1), Err(Fault::UnknownTorrent));
    assert_eq!(fault(HASH, &|_, offer| offer[3] = 1), Err(Fault::NotVerified));
    assert_eq!(fault(HASH, &|_, offer| offer[12..14].copy_from_slice(&[2, 1])), Err(Fault::LongPad));
    assert_eq!(fault(HASH, &|_, offer| offer[12..14].copy_from_slice(&[2, 0])), Ok(false), "the pad comes yet");
    // The longest pad before the mark, and one more.
    let pad = |len| move |bytes: &mut Vec<u8>, _: &mut Vec<u8>| drop(bytes.splice(..0, vec![0; len]));
    assert_eq!(fault(HASH, &pad(PAD_MAX)), Ok(true));
    assert_eq!(fault(HASH, &pad(PAD_MAX + 1)), Err(Fault::NotFound));
    // Bytes without end are not gathered without end.
    let mut responder = Responder::new(Encryption::Prefer, chance(3));
    responder.pretend(&agreed);
    let mut taken = 0;
    let end = loop {
        let noise = [taken as u8; 50];
        taken += noise.len();
        match called(&mut responder, &mut &noise[..], &mut Vec::new()) {
            Ok(_) => assert!(taken < PAD_MAX + 100),
            Err(fault) => break fault,
        }
    };
    assert_eq!(end, Fault::NotFound);
    // After the end there is nothing more to say.
    assert!(called(&mut responder, &mut &[0; 9][..], &mut Vec::new()).is_err());
}

#[test]
fn degenerate_keys_are_refused_by_both() {
    for key in [[0; PUBLIC_LEN], [0xff; PUBLIC_LEN]] {
        let mut responder = Responder::new(Encryption::Prefer, chance(3));
        let mut said = Vec::new();
        let met = called(&mut responder, &mut &key[..], &mut said);
        assert_eq!((met.err(), said.len()), (Some(Fault::Degenerate), 0));
        let mut initiator = Initiator::new(HASH, Encryption::Prefer, chance(3), &mut said);
        said.clear();
        let met = initiator.feed(&mut &key[..], &mut HANDSHAKE.to_vec(), &mut said);
        assert_eq!((met.err(), said.len()), (Some(Fault::Degenerate), 0));
    }
}

/// What a caller hears of somebody who answers like this.
fn answered(encryption: Encryption, pad: usize, change: &dyn Fn(&mut Vec<u8>)) -> Result<Option<Crypto>, Fault> {
    let mut said = Vec::new();
    let mut initiator = Initiator::new(HASH, encryption, chance(3), &mut said);
    let secret = dh::Secret::new([6; dh::SECRET_LEN]);
    let agreed = secret.agree(said.first_chunk().unwrap()).unwrap();
    let (_, mut cipher) = ciphers(&agreed, HASH);
    let mut choice = [&VC[..], &RC4.to_be_bytes(), &[0, 3], &[0; 3]].concat();
    change(&mut choice);
    cipher.apply(&mut choice);
    let answer = [&secret.public()[..], &vec![1; pad], &choice].concat();
    let met = initiator.feed(&mut &answer[..], &mut Vec::new(), &mut said);
    met.map(|agreed| agreed.map(|agreed| agreed.crypto))
}

#[test]
fn a_callee_that_breaks_the_rules_is_refused() {
    use Encryption::{Prefer, Require};
    assert_eq!(answered(Prefer, 0, &|_| {}), Ok(Some(Crypto::Rc4)));
    assert_eq!(answered(Prefer, PAD_MAX, &|_| {}), Ok(Some(Crypto::Rc4)));
    assert_eq!(answered(Prefer, PAD_MAX + 1, &|_| {}), Err(Fault::NotFound));
    assert_eq!(answered(Prefer, 5, &|choice| choice[11] = 1), Ok(Some(Crypto::Plaintext)));
    assert_eq!(answered(Require, 5, &|choice| choice[11] = 1), Err(Fault::NoCrypto));
    for wrong in [0, 3, 4] {
        assert_eq!(answered(Prefer, 5, &|choice| choice[11] = wrong), Err(Fault::NoCrypto));
    }
    assert_eq!(answered(Prefer, 5, &|choice| choice[12..14].copy_from_slice(&[2, 1])), Err(Fault::LongPad));
    assert_eq!(answered(Prefer, 5, &|choice| choice[12..14].copy_from_slice(&[2, 0])), Ok(None));
}
