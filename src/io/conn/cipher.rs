//! What stands between a connection's socket and its machine: nothing, the handshake of MSE, or ciphers. Payload is
//! encrypted where it lies; plain connections pay for one look at what they are.

use crate::base::InfoHash;
use crate::base::encryption::{Crypto, Encryption};
use crate::base::limits::CONTROL_QUEUE_LEN;
use crate::machine::{Outgoing, Run};
use crate::wire::mse::{Agreed, Chance, Fault, Incoming, Initiator, Responder, Step};
use crate::wire::rc4::Rc4;
use crate::wire::sniff::{Spoken, sniff};

/// Bytes read at once while hands are shaken: what is left over of them may have to be kept.
const READ_LEN: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub enum Cipher {
    /// Bytes are what they are.
    #[default]
    Plain,
    /// We dial, and call for this torrent as soon as there is a connection.
    Dialling(InfoHash),
    /// Somebody dialled us; these first bytes of it could be several things yet.
    Sniffing(Vec<u8>),
    Meeting(Box<Meeting>),
    Ciphers(Box<Ciphers>),
}

/// A handshake under way.
#[derive(Debug)]
pub struct Meeting {
    side: Side,
    /// What our machine said meanwhile.
    held: Vec<u8>,
    /// What came before [`Responder::agree`] was done; until then nothing more is read.
    waiting: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Side {
    Called(Responder),
    Calling(Initiator),
}

/// An encrypted connection; None where that direction is plain.
#[derive(Debug)]
pub struct Ciphers {
    incoming: Option<Incoming>,
    outgoing: Option<Rc4>,
}

/// What bytes of a handshake brought.
#[derive(Debug, PartialEq, Eq)]
pub struct Heard {
    /// For the machine, before …
    pub early: Vec<u8>,
    /// … the bytes from here on, decrypted by now.
    pub from: usize,
    pub news: News,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    Nothing,
    /// It said something, and nobody knows yet what.
    Spoke,
    /// [`Cipher::agree`] is needed, now or later.
    Secret,
    Agreed(Crypto),
}

/// Why a connection ends before its machine has heard anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Fault(Fault),
    /// It is plain, and only encrypted ones are welcome.
    Plain,
    NoRandomness,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Fault(fault) => write!(f, "cannot agree on encryption: {fault}"),
            Refused::Plain => f.write_str("is not encrypted"),
            Refused::NoRandomness => f.write_str("is given up: there is no randomness"),
        }
    }
}

/// What a caller is judged by.
pub struct House<'a> {
    pub encryption: Encryption,
    /// A torrent by its name in MSE.
    pub find: &'a dyn Fn(&[u8; 20]) -> Option<InfoHash>,
    pub chance: &'a dyn Fn() -> Option<Chance>,
}

impl Cipher {
    /// Of somebody who dialled us.
    pub fn of_caller(encryption: Encryption) -> Cipher {
        if encryption == Encryption::Off { Cipher::Plain } else { Cipher::Sniffing(Vec::new()) }
    }

    /// Bytes to read at once.
    pub fn appetite(&self, wanted: usize) -> usize {
        match self {
            Cipher::Plain | Cipher::Ciphers(_) => wanted,
            Cipher::Dialling(_) | Cipher::Sniffing(_) | Cipher::Meeting(_) => wanted.min(READ_LEN),
        }
    }

    /// Whether nothing may be read now.
    pub fn waits(&self) -> bool {
        matches!(self, Cipher::Meeting(meeting) if meeting.waiting.is_some())
    }

    /// More is held than a peer is told before it has said a word.
    pub fn overflows(&self) -> bool {
        matches!(self, Cipher::Meeting(meeting) if meeting.held.len() > CONTROL_QUEUE_LEN)
    }

    /// What was read becomes what the machine hears. False while hands are shaken: [`Self::hear`] it.
    pub fn open(&mut self, bytes: &mut [u8]) -> bool {
        match self {
            Cipher::Plain => true,
            Cipher::Ciphers(ciphers) => {
                if ciphers.incoming.as_mut().is_some_and(|incoming| !incoming.apply(bytes)) {
                    ciphers.incoming = None;
                    self.drop_idle();
                }
                true
            }
            Cipher::Dialling(_) | Cipher::Sniffing(_) | Cipher::Meeting(_) => false,
        }
    }

    /// What the machine says becomes what is sent. False: nothing now, it is held.
    pub fn seal(&mut self, bytes: &mut Vec<u8>) -> bool {
        match self {
            Cipher::Plain | Cipher::Dialling(_) | Cipher::Sniffing(_) => true,
            Cipher::Ciphers(ciphers) => {
                ciphers.outgoing.iter_mut().for_each(|cipher| cipher.apply(bytes));
                true
            }
            Cipher::Meeting(meeting) => {
                meeting.held.append(bytes);
                false
            }
        }
    }

    /// Whether what is sent is changed or held.
    pub fn seals(&self) -> bool {
        match self {
            Cipher::Ciphers(ciphers) => ciphers.outgoing.is_some(),
            Cipher::Meeting(_) => true,
            Cipher::Plain | Cipher::Dialling(_) | Cipher::Sniffing(_) => false,
        }
    }

    /// The same for blocks, where they lie. False: nobody sends blocks to a peer that has not said a word.
    pub fn seal_blocks(&mut self, run: &mut Run, blocks: &mut [Outgoing]) -> bool {
        let Cipher::Ciphers(ciphers) = self else { return !matches!(self, Cipher::Meeting(_)) };
        let Some(cipher) = &mut ciphers.outgoing else { return true };
        part(run, blocks);
        for block in blocks {
            cipher.apply(&mut block.head);
            cipher.apply(&mut run.0[block.start as usize..][..block.len as usize]);
        }
        true
    }

    /// There is a connection: says what is said first. Nothing where nothing is to be encrypted.
    pub fn begin(&mut self, house: &House<'_>, say: &mut Vec<u8>) -> Result<(), Refused> {
        if let Cipher::Dialling(info_hash) = *self {
            let chance = (house.chance)().ok_or(Refused::NoRandomness)?;
            let side = Side::Calling(Initiator::new(info_hash, house.encryption, chance, say));
            *self = Cipher::Meeting(Box::new(Meeting { side, held: Vec::new(), waiting: None }));
        }
        Ok(())
    }

    /// Bytes came while hands are shaken. What has to be answered at once goes to `say`.
    ///
    /// # Errors
    /// The connection is of no use.
    pub fn hear(&mut self, bytes: &mut [u8], house: &House<'_>, say: &mut Vec<u8>) -> Result<Heard, Refused> {
        match self {
            Cipher::Sniffing(seen) => {
                let mut early = std::mem::take(seen);
                early.extend_from_slice(bytes);
                self.judge(early, bytes.len(), house, say)
            }
            Cipher::Meeting(meeting) => {
                let mut rest = &bytes[..];
                let agreed = match meeting.hear(&mut rest, house, say).map_err(Refused::Fault)? {
                    Step::More => None,
                    Step::Secret => {
                        meeting.waiting = Some(rest.to_vec());
                        return Ok(Heard { early: Vec::new(), from: bytes.len(), news: News::Secret });
                    }
                    Step::Agreed(agreed) => Some(agreed),
                };
                let from = bytes.len() - rest.len();
                let news = agreed.map_or(News::Nothing, |agreed| self.go_on(*agreed, say));
                self.open(&mut bytes[from..]);
                Ok(Heard { early: Vec::new(), from, news })
            }
            Cipher::Plain | Cipher::Dialling(_) | Cipher::Ciphers(_) => {
                self.open(bytes);
                Ok(Heard { early: Vec::new(), from: 0, news: News::Nothing })
            }
        }
    }

    /// Does what [`News::Secret`] asked for; what came meanwhile is to be heard then.
    ///
    /// # Errors
    /// The connection is of no use.
    pub fn agree(&mut self, say: &mut Vec<u8>) -> Result<Vec<u8>, Refused> {
        let Cipher::Meeting(meeting) = self else { return Ok(Vec::new()) };
        if let Side::Called(responder) = &mut meeting.side {
            responder.agree(say).map_err(Refused::Fault)?;
        }
        Ok(meeting.waiting.take().unwrap_or_default())
    }

    /// A caller's first bytes, `new` of which have just come.
    fn judge(
        &mut self,
        mut early: Vec<u8>,
        new: usize,
        house: &House<'_>,
        say: &mut Vec<u8>,
    ) -> Result<Heard, Refused> {
        match sniff(&early) {
            Spoken::More => {
                *self = Cipher::Sniffing(early);
                Ok(Heard { early: Vec::new(), from: new, news: News::Spoke })
            }
            Spoken::Http | Spoken::BitTorrent if house.encryption == Encryption::Require => Err(Refused::Plain),
            Spoken::Http | Spoken::BitTorrent => {
                *self = Cipher::Plain;
                early.truncate(early.len() - new);
                Ok(Heard { early, from: 0, news: News::Nothing })
            }
            Spoken::Group => {
                let chance = (house.chance)().ok_or(Refused::NoRandomness)?;
                let side = Side::Called(Responder::new(house.encryption, chance));
                *self = Cipher::Meeting(Box::new(Meeting { side, held: Vec::new(), waiting: None }));
                // Before the secret is made nothing is left over.
                let heard = self.hear(&mut early, house, say)?;
                let news = if heard.news == News::Nothing { News::Spoke } else { heard.news };
                Ok(Heard { early: Vec::new(), from: new, news })
            }
        }
    }

    /// Hands are shaken.
    fn go_on(&mut self, agreed: Agreed, say: &mut Vec<u8>) -> News {
        let Agreed { crypto, incoming, mut outgoing, .. } = agreed;
        if let Cipher::Meeting(meeting) = self {
            outgoing.iter_mut().for_each(|cipher| cipher.apply(&mut meeting.held));
            say.append(&mut meeting.held);
        }
        let incoming = Some(incoming).filter(Incoming::is_needed);
        *self = Cipher::Ciphers(Box::new(Ciphers { incoming, outgoing }));
        self.drop_idle();
        News::Agreed(crypto)
    }

    fn drop_idle(&mut self) {
        if matches!(self, Cipher::Ciphers(ciphers) if ciphers.incoming.is_none() && ciphers.outgoing.is_none()) {
            *self = Cipher::Plain;
        }
    }
}

/// What blocks share of their run, each has for itself then.
fn part(run: &mut Run, blocks: &mut [Outgoing]) {
    let mut end = 0;
    for block in blocks {
        let (start, len) = (block.start as usize, block.len as usize);
        if start < end {
            block.start = run.0.len() as u32;
            run.0.extend_from_within(start..start + len);
        }
        end = end.max(start + len);
    }
}

impl Meeting {
    fn hear(&mut self, rest: &mut &[u8], house: &House<'_>, say: &mut Vec<u8>) -> Result<Step, Fault> {
        match &mut self.side {
            Side::Called(responder) => responder.feed(rest, house.find, say),
            Side::Calling(initiator) => {
                let agreed = initiator.feed(rest, &mut self.held, say)?;
                Ok(agreed.map_or(Step::More, |agreed| Step::Agreed(Box::new(agreed))))
            }
        }
    }
}

#[cfg(test)]
mod tests;
