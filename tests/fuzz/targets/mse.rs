//! The handshake of MSE, both sides: what others say leads to an end within bounds, whatever it is; two sides that nobody
//! disturbs agree. Disturbed are bytes on their way, encrypted ones too: what changes there changes beneath.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::base::InfoHash;
use peerlink::base::encryption::Encryption;
use peerlink::wire::mse::{Agreed, Chance, Fault, Initiator, PAD_MAX, Responder, Step, torrent_name};

const HASH: InfoHash = InfoHash([7; 20]);
const HANDSHAKE: [u8; 68] = [0x13; 68];
/// The most that either side says: its key, names and choices, a pad twice, and what goes along.
const SAID_MAX: usize = 96 + 40 + 16 + 2 * PAD_MAX + HANDSHAKE.len();

fn feed(responder: &mut Responder, bytes: &mut &[u8], said: &mut Vec<u8>) -> Result<Option<Agreed>, Fault> {
    let find = |name: &[u8; 20]| (*name == torrent_name(HASH)).then_some(HASH);
    loop {
        match responder.feed(bytes, find, said)? {
            Step::More => return Ok(None),
            Step::Secret => responder.agree(said)?,
            Step::Agreed(agreed) => return Ok(Some(*agreed)),
        }
    }
}

/// Feeds bytes in steps. What is left over is for whoever goes on.
fn steps(
    bytes: &[u8],
    step: usize,
    mut feed: impl FnMut(&mut &[u8]) -> Result<Option<Agreed>, Fault>,
) -> Result<Option<(Agreed, Vec<u8>)>, Fault> {
    let mut fed = 0;
    while fed < bytes.len() {
        let mut part = &bytes[fed..bytes.len().min(fed + step)];
        fed += part.len();
        if let Some(agreed) = feed(&mut part)? {
            return Ok(Some((agreed, [part, &bytes[fed..]].concat())));
        }
        assert!(part.is_empty());
    }
    Ok(None)
}

fn policy(number: u8) -> Encryption {
    [Encryption::Tolerate, Encryption::Prefer, Encryption::Require][usize::from(number) % 3]
}

fuzz_target!(|input: &[u8]| {
    let Some(([how, step, pads], rest)) = input.split_first_chunk::<3>() else { return };
    let step = usize::from(*step) + 1;
    let chance = |number: u8| Chance { secret: [number; 20], pads: u64::from(*pads) + u64::from(number) };
    let (mut to_called, mut to_calling, mut initial) = (Vec::new(), Vec::new(), HANDSHAKE.to_vec());
    let mut initiator = Initiator::new(HASH, policy(how & 3), chance(1), &mut to_called);
    let mut responder = Responder::new(policy(how >> 2 & 3), chance(2));
    if how & 0x80 != 0 {
        // Anything, to both.
        let mut said = Vec::new();
        let _ = steps(rest, step, |part| feed(&mut responder, part, &mut said));
        assert!(said.len() <= SAID_MAX);
        said.clear();
        let _ = steps(rest, step, |part| initiator.feed(part, &mut initial, &mut said));
        assert!(said.len() <= SAID_MAX);
        return;
    }
    // Who is told, which byte of all that it is told, and what happens to it.
    let edits: Vec<(bool, usize, u8)> = rest
        .chunks_exact(3)
        .map(|edit| (edit[0] & 0x80 != 0, usize::from(edit[0] & 7) << 8 | usize::from(edit[1]), edit[2]))
        .collect();
    let is_disturbed = edits.iter().any(|(_, _, change)| *change != 0);
    let mut passed = [0, 0];
    let mut disturb = |is_calling: bool, bytes: &mut [u8]| {
        let passed = &mut passed[usize::from(is_calling)];
        for (_, at, change) in edits.iter().filter(|(to, ..)| *to == is_calling) {
            if let Some(byte) = at.checked_sub(*passed).and_then(|at| bytes.get_mut(at)) {
                *byte ^= change;
            }
        }
        *passed += bytes.len();
    };
    let mut ends = (None, None);
    while !to_called.is_empty() || !to_calling.is_empty() {
        let mut bytes = std::mem::take(&mut to_called);
        disturb(false, &mut bytes);
        if ends.0.is_none() && !bytes.is_empty() {
            match steps(&bytes, step, |part| feed(&mut responder, part, &mut to_calling)) {
                Ok(agreed) => ends.0 = agreed,
                Err(fault) => return assert!(is_disturbed, "{fault}"),
            }
        }
        assert!(to_calling.len() <= SAID_MAX);
        let mut bytes = std::mem::take(&mut to_calling);
        disturb(true, &mut bytes);
        if ends.1.is_none() && !bytes.is_empty() {
            match steps(&bytes, step, |part| initiator.feed(part, &mut initial, &mut to_called)) {
                Ok(agreed) => ends.1 = agreed,
                Err(fault) => return assert!(is_disturbed, "{fault}"),
            }
        }
        assert!(to_called.len() <= SAID_MAX);
    }
    match ends {
        (Some((mut called, mut rest)), Some((calling, _))) if !is_disturbed => {
            assert_eq!(called.crypto, calling.crypto);
            called.incoming.apply(&mut rest);
            assert_eq!(rest, HANDSHAKE);
        }
        _ => assert!(is_disturbed, "both wait"),
    }
});
