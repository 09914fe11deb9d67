//! The side of an MSE handshake that was called.

use super::dh::{PUBLIC_LEN, Secret};
use super::{Agreed, Chance, Fault, Incoming, PAD_MAX, PLAINTEXT, RC4, VC};
use super::{ciphers, gather, gather_encrypted, hide, mark, number, offered, pad, seek, zero_pad};
use crate::base::InfoHash;
use crate::base::encryption::{Crypto, Encryption};
use crate::wire::rc4::Rc4;

/// The constant, `provide` and the length of the pad.
const OFFER_LEN: usize = VC.len() + 6;
/// The torrent's name.
const NAME_LEN: usize = 20;
/// The length of the initial payload.
const LEN_LEN: usize = 2;

/// How far a handshake is.
#[derive(Debug)]
pub enum Step {
    /// More bytes are needed.
    More,
    /// [`Responder::agree`] is needed, which takes time: now or later, and before anything else is fed.
    Secret,
    Agreed(Box<Agreed>),
}

/// Somebody who is called, and has torrents.
#[derive(Debug)]
pub struct Responder {
    taken: u32,
    secret: Secret,
    rng: fastrand::Rng,
    heard: Vec<u8>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Their public key comes.
    Key,
    /// The pad, and where it ends.
    Mark {
        agreed: [u8; PUBLIC_LEN],
        mark: [u8; 20],
    },
    /// The torrent's name.
    Name {
        agreed: [u8; PUBLIC_LEN],
    },
    /// What they offer, and how long their pad is.
    Offer(Ciphers),
    /// Their pad, and the length of their initial payload.
    Pad {
        ciphers: Ciphers,
        crypto: Crypto,
        len: usize,
    },
    Over,
}

#[derive(Debug)]
struct Ciphers {
    info_hash: InfoHash,
    incoming: Rc4,
    outgoing: Rc4,
}

impl Responder {
    pub fn new(encryption: Encryption, chance: Chance) -> Responder {
        Responder {
            taken: offered(encryption),
            secret: Secret::new(chance.secret),
            rng: fastrand::Rng::with_seed(chance.pads),
            heard: Vec::new(),
            stage: Stage::Key,
        }
    }

    /// Takes what it needs from the front of `bytes`; `find` knows a torrent by its name ([`super::torrent_name`]). What
    /// is said goes to `out`.
    ///
    /// # Errors
    /// The other side does not do its part: there is nothing more to say to it.
    pub fn feed(
        &mut self,
        bytes: &mut &[u8],
        find: impl Fn(&[u8; 20]) -> Option<InfoHash>,
        out: &mut Vec<u8>,
    ) -> Result<Step, Fault> {
        loop {
            self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Key => {
                    let is_whole = gather(&mut self.heard, bytes, PUBLIC_LEN);
                    self.stage = Stage::Key;
                    return Ok(if is_whole { Step::Secret } else { Step::More });
                }
                Stage::Mark { agreed, mark } => {
                    if !seek(&mut self.heard, bytes, &mark)? {
                        self.stage = Stage::Mark { agreed, mark };
                        return Ok(Step::More);
                    }
                    self.heard.clear();
                    Stage::Name { agreed }
                }
                Stage::Name { agreed } => {
                    if !gather(&mut self.heard, bytes, NAME_LEN) {
                        self.stage = Stage::Name { agreed };
                        return Ok(Step::More);
                    }
                    let hidden = self.heard.first_chunk().ok_or(Fault::NotFound)?;
                    let info_hash = find(&hide(*hidden, &agreed)).ok_or(Fault::UnknownTorrent)?;
                    self.heard.clear();
                    let (incoming, outgoing) = ciphers(&agreed, info_hash);
                    Stage::Offer(Ciphers { info_hash, incoming, outgoing })
                }
                Stage::Offer(mut ciphers) => {
                    if !gather_encrypted(&mut self.heard, bytes, OFFER_LEN, &mut ciphers.incoming) {
                        self.stage = Stage::Offer(ciphers);
                        return Ok(Step::More);
                    }
                    let (crypto, len) = self.choose()?;
                    self.heard.clear();
                    Stage::Pad { ciphers, crypto, len }
                }
                Stage::Pad { mut ciphers, crypto, len } => {
                    if !gather_encrypted(&mut self.heard, bytes, len + LEN_LEN, &mut ciphers.incoming) {
                        self.stage = Stage::Pad { ciphers, crypto, len };
                        return Ok(Step::More);
                    }
                    let initial_len = number(&self.heard[len..]);
                    return Ok(Step::Agreed(Box::new(self.answer(ciphers, crypto, initial_len, out))));
                }
                Stage::Over => return Err(Fault::NotFound),
            };
        }
    }

    /// Makes our public key and what both sides know then; says the first. Does nothing where it is not asked for.
    ///
    /// # Errors
    /// Their public key gives the secret away.
    pub fn agree(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let (Stage::Key, Some(theirs)) = (&self.stage, self.heard.first_chunk::<PUBLIC_LEN>()) else { return Ok(()) };
        let agreed = self.secret.agree(theirs).map_err(|_| Fault::Degenerate)?;
        self.heard.clear();
        out.extend(self.secret.public());
        pad(&mut self.rng, out);
        self.stage = Stage::Mark { agreed, mark: mark(&agreed) };
        Ok(())
    }

    /// For tests: as if both sides had agreed on this.
    #[cfg(test)]
    pub(super) fn pretend(&mut self, agreed: &[u8; PUBLIC_LEN]) {
        self.stage = Stage::Mark { agreed: *agreed, mark: mark(agreed) };
    }

    /// What is chosen of their offer, and the length of their pad. Where both sides take both, it is plaintext, which
    /// costs nothing: who wants all encrypted offers nothing else.
    fn choose(&self) -> Result<(Crypto, usize), Fault> {
        let (constant, rest) = self.heard.split_at(VC.len());
        if constant != VC {
            return Err(Fault::NotVerified);
        }
        let both = number(&rest[..4]) as u32 & self.taken;
        let len = number(&rest[4..]);
        if len > PAD_MAX {
            Err(Fault::LongPad)
        } else if both & PLAINTEXT != 0 {
            Ok((Crypto::Plaintext, len))
        } else if both & RC4 != 0 {
            Ok((Crypto::Rc4, len))
        } else {
            Err(Fault::NoCrypto)
        }
    }

    /// Says what was chosen.
    fn answer(&mut self, ciphers: Ciphers, crypto: Crypto, initial_len: usize, out: &mut Vec<u8>) -> Agreed {
        let Ciphers { info_hash, incoming, mut outgoing } = ciphers;
        let from = out.len();
        out.extend(VC);
        out.extend(match crypto {
            Crypto::Plaintext => PLAINTEXT.to_be_bytes(),
            Crypto::Rc4 => RC4.to_be_bytes(),
        });
        zero_pad(&mut self.rng, out);
        outgoing.apply(&mut out[from..]);
        let is_plain = crypto == Crypto::Plaintext;
        let incoming = Incoming { cipher: incoming, left: is_plain.then_some(initial_len) };
        Agreed { info_hash, crypto, incoming, outgoing: (!is_plain).then_some(outgoing) }
    }
}
