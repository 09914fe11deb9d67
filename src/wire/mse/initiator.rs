//! The caller's side of an MSE handshake.

use super::dh::{PUBLIC_LEN, Secret};
use super::{Agreed, Chance, Fault, Incoming, PAD_MAX, PLAINTEXT, RC4, VC};
use super::{ciphers, gather, gather_encrypted, hide, mark, number, offered, pad, seek, torrent_name, zero_pad};
use crate::base::InfoHash;
use crate::base::encryption::{Crypto, Encryption};
use crate::wire::rc4::Rc4;

/// Longest initial payload.
const INITIAL_MAX: usize = u16::MAX as usize;
/// `select` and the length of the pad.
const CHOICE_LEN: usize = 6;

/// Somebody who knows which torrent it calls for.
#[derive(Debug)]
pub struct Initiator {
    info_hash: InfoHash,
    offered: u32,
    secret: Secret,
    rng: fastrand::Rng,
    heard: Vec<u8>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Their public key comes.
    Key,
    /// Where their encrypted part begins is sought, by the constant as it looks encrypted.
    Verify {
        outgoing: Rc4,
        incoming: Rc4,
        constant: [u8; VC.len()],
    },
    /// What they chose, and how long their pad is.
    Choice {
        outgoing: Rc4,
        incoming: Rc4,
    },
    /// Their pad.
    Pad {
        outgoing: Rc4,
        incoming: Rc4,
        crypto: Crypto,
        len: usize,
    },
    Over,
}

impl Initiator {
    /// Begins: adds what is said first to `out`. Takes as long as a [`Secret::agree`].
    pub fn new(info_hash: InfoHash, encryption: Encryption, chance: Chance, out: &mut Vec<u8>) -> Initiator {
        let secret = Secret::new(chance.secret);
        let mut rng = fastrand::Rng::with_seed(chance.pads);
        out.extend(secret.public());
        pad(&mut rng, out);
        let offered = offered(encryption);
        Initiator { info_hash, offered, secret, rng, heard: Vec::new(), stage: Stage::Key }
    }

    /// Takes what it needs from the front of `bytes`. The first 64 KiB of `initial` leave encrypted as soon as that is
    /// possible; the caller keeps the rest. What is said goes to `out`.
    ///
    /// # Errors
    /// The other side does not do its part: there is nothing more to say to it.
    pub fn feed(
        &mut self,
        bytes: &mut &[u8],
        initial: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Agreed>, Fault> {
        loop {
            self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Key => {
                    if !gather(&mut self.heard, bytes, PUBLIC_LEN) {
                        self.stage = Stage::Key;
                        return Ok(None);
                    }
                    self.name_torrent(initial, out)?
                }
                Stage::Verify { outgoing, mut incoming, constant } => {
                    if !seek(&mut self.heard, bytes, &constant)? {
                        self.stage = Stage::Verify { outgoing, incoming, constant };
                        return Ok(None);
                    }
                    self.heard.clear();
                    incoming.skip(VC.len());
                    Stage::Choice { outgoing, incoming }
                }
                Stage::Choice { outgoing, mut incoming } => {
                    if !gather_encrypted(&mut self.heard, bytes, CHOICE_LEN, &mut incoming) {
                        self.stage = Stage::Choice { outgoing, incoming };
                        return Ok(None);
                    }
                    let crypto = self.chosen()?;
                    let len = number(&self.heard[4..]);
                    self.heard.clear();
                    if len > PAD_MAX {
                        return Err(Fault::LongPad);
                    }
                    Stage::Pad { outgoing, incoming, crypto, len }
                }
                Stage::Pad { outgoing, mut incoming, crypto, len } => {
                    if !gather_encrypted(&mut self.heard, bytes, len, &mut incoming) {
                        self.stage = Stage::Pad { outgoing, incoming, crypto, len };
                        return Ok(None);
                    }
                    let is_plain = crypto == Crypto::Plaintext;
                    let incoming = Incoming { cipher: incoming, left: is_plain.then_some(0) };
                    let outgoing = (!is_plain).then_some(outgoing);
                    return Ok(Some(Agreed { info_hash: self.info_hash, crypto, incoming, outgoing }));
                }
                Stage::Over => return Err(Fault::NotFound),
            };
        }
    }

    /// Their key is here: everything that is for us to say is said.
    fn name_torrent(&mut self, initial: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Stage, Fault> {
        let theirs = self.heard.first_chunk::<PUBLIC_LEN>().ok_or(Fault::NotFound)?;
        let agreed = self.secret.agree(theirs).map_err(|_| Fault::Degenerate)?;
        self.heard.clear();
        let (mut outgoing, incoming) = ciphers(&agreed, self.info_hash);
        out.extend(mark(&agreed));
        out.extend(hide(torrent_name(self.info_hash), &agreed));
        let from = out.len();
        out.extend(VC);
        out.extend(self.offered.to_be_bytes());
        zero_pad(&mut self.rng, out);
        let len = initial.len().min(INITIAL_MAX);
        out.extend((len as u16).to_be_bytes());
        out.extend(initial.drain(..len));
        outgoing.apply(&mut out[from..]);
        let mut constant = VC;
        incoming.clone().apply(&mut constant);
        Ok(Stage::Verify { outgoing, incoming, constant })
    }

    fn chosen(&self) -> Result<Crypto, Fault> {
        match number(&self.heard[..4]) as u32 & self.offered {
            PLAINTEXT => Ok(Crypto::Plaintext),
            RC4 => Ok(Crypto::Rc4),
            _ => Err(Fault::NoCrypto),
        }
    }
}
