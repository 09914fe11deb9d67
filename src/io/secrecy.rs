//! Hands are shaken in MSE here, before a connection's machine hears of it: whom we dialled at once, who dialled us as
//! far as the time for such work goes. Making a secret takes less than half a millisecond, on a small box a few.

use super::conn::cipher::{Heard, House, News, Refused};
use super::reactor::{Reactor, Stage};
use crate::base::{ConnId, InfoHash, Span, Time};
use crate::machine::{Closed, Input};
use crate::wire::mse::Chance;

/// Handshakes of callers take one part in so many of all time …
const SHARE: u64 = 10;
/// … after this much of it, which a quiet hour leaves: a hundred handshakes on a PC, some dozen on a router.
const BURST: Span = Span::millis(50);
/// No secret takes longer; where one seems to, something else went on meanwhile.
const SECRET_MAX: Span = Span::millis(5);
/// Secrets made in one turn of the loop.
const SECRETS: usize = 4;

/// Time that may be spent for strangers.
#[derive(Debug, Default)]
pub struct Allowance {
    /// What was spent is paid off then.
    paid: Time,
}

impl Allowance {
    /// When there is time again; now or earlier where there is.
    pub fn next(&self) -> Option<Time> {
        Some(Time(self.paid.0.saturating_sub(BURST.times(SHARE).0)))
    }

    pub fn has(&self, now: Time) -> bool {
        self.next().is_none_or(|next| next <= now)
    }

    /// So much was spent, until now.
    pub fn spend(&mut self, now: Time, took: Span) {
        self.paid = self.paid.max(now) + took.min(SECRET_MAX).times(SHARE);
    }
}

/// Randomness of one handshake.
fn chance() -> Option<Chance> {
    let mut bytes = [0; 28];
    getrandom::fill(&mut bytes).ok()?;
    let (secret, pads) = bytes.split_first_chunk::<20>()?;
    Some(Chance { secret: *secret, pads: u64::from_ne_bytes(pads.try_into().ok()?) })
}

impl Reactor {
    /// The connection that is being dialled is to be encrypted.
    pub(super) fn encrypt(&mut self, id: ConnId, info_hash: InfoHash) {
        if let Some(&key) = self.by_id.get(&id)
            && let Some(conn) = self.conns.get_mut(key)
        {
            conn.cipher = super::conn::cipher::Cipher::Dialling(info_hash);
        }
    }

    /// A dial succeeded: what encryption says first is said first.
    pub(super) fn begin_encryption(&mut self, stage: &mut Stage<'_>, id: ConnId) {
        self.with_cipher(stage, id, |cipher, house, say| cipher.begin(house, say));
    }

    /// So many bytes were read of a connection whose hands are shaken.
    pub(super) fn shake_hands_of_scratch(&mut self, stage: &mut Stage<'_>, id: ConnId, len: usize) {
        let mut scratch = std::mem::take(&mut self.scratch);
        self.shake_hands(stage, id, &mut scratch[..len]);
        self.scratch = scratch;
    }

    fn shake_hands(&mut self, stage: &mut Stage<'_>, id: ConnId, bytes: &mut [u8]) {
        let heard = self.with_cipher(stage, id, |cipher, house, say| cipher.hear(bytes, house, say));
        let Some(Heard { early, from, news }) = heard else { return };
        match news {
            News::Nothing => {}
            News::Spoke => self.feed(stage, Input::Spoke { conn: id }),
            News::Secret => {
                self.waiting_for_secrets.push_back(id);
                self.feed(stage, Input::Spoke { conn: id });
            }
            News::Agreed(crypto) => self.feed(stage, Input::Encrypted { conn: id, crypto }),
        }
        for bytes in [&early, &bytes[from..]] {
            if !bytes.is_empty() && self.by_id.contains_key(&id) {
                self.feed(stage, Input::Received { conn: id, bytes });
            }
        }
    }

    /// Goes on with callers whose key came, as far as there is time for it.
    pub(super) fn make_secrets(&mut self, stage: &mut Stage<'_>) {
        let mut made = 0;
        while made < SECRETS {
            let began = self.clock.now();
            if !self.allowance.has(began) {
                return;
            }
            let Some(id) = self.waiting_for_secrets.pop_front() else { return };
            let agreed = self.with_cipher(stage, id, |cipher, _, say| cipher.agree(say));
            let Some(mut rest) = agreed else { continue };
            made += 1;
            let now = self.clock.now();
            self.allowance.spend(now, now.since(began));
            if !rest.is_empty() {
                self.shake_hands(stage, id, &mut rest);
            }
            if let Some(&key) = self.by_id.get(&id) {
                self.list(key);
            }
        }
    }

    /// Does something with a connection's cipher, and sends what that says. None where the connection is no more, then
    /// or before.
    fn with_cipher<T>(
        &mut self,
        stage: &mut Stage<'_>,
        id: ConnId,
        what: impl FnOnce(&mut super::conn::cipher::Cipher, &House<'_>, &mut Vec<u8>) -> Result<T, Refused>,
    ) -> Option<T> {
        let key = *self.by_id.get(&id)?;
        let conn = self.conns.get_mut(key)?;
        let machine = &*stage.machine;
        let find = |name: &[u8; 20]| machine.torrent_named(name);
        let house = House { encryption: self.out.encryption, find: &find, chance: &chance };
        let mut say = Vec::new();
        match what(&mut conn.cipher, &house, &mut say) {
            Ok(result) => {
                if !say.is_empty() {
                    self.enqueue(id, |conn| conn.queue.push(say));
                }
                self.by_id.contains_key(&id).then_some(result)
            }
            Err(refused) => {
                log::debug!("{id:?} {refused}");
                self.lose(stage, key, id, Closed::Error);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_floods_gets_a_tenth_of_all_time() {
        let mut allowance = Allowance::default();
        let mut now = Time(1_000_000_000);
        let took = Span(200);
        let (mut at_once, mut later) = (0, 0);
        while allowance.has(now) {
            allowance.spend(now, took);
            at_once += 1;
        }
        assert_eq!(at_once, BURST.0 / took.0 + 1);
        for _ in 0..10_000 {
            now += Span::millis(1);
            if allowance.has(now) {
                allowance.spend(now, took);
                later += 1;
            }
        }
        // Ten seconds.
        assert!((4_950..=5_050).contains(&later), "{later}");
        // A stalled machine is nobody's fault.
        allowance.spend(now + Span::secs(60), Span::secs(60));
        assert!(allowance.has(now + Span::secs(60)));
    }
}
