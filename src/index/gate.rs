//! Who may publish and take away: passwords, tokens, and the lock that counts wrong tries.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use sha2::{Digest, Sha256};

use crate::base::address::unmapped;
use crate::base::{InfoHash, Span, Time};
use crate::wire::authorization::Authorization;

/// Wrong tries of one address before it must wait.
const TRIES_MAX: u32 = 5;
/// The first wait; each further wrong try doubles it …
const LOCK: Span = Span::secs(60);
/// … up to this long.
const LOCK_MAX: Span = Span::secs(3600);
/// Wrong tries are forgotten after this time without one.
const FORGET: Span = Span::secs(2 * 3600);
/// Addresses whose tries are counted; the one that was quiet for longest makes room.
const COUNTED_MAX: usize = 1000;

/// Who may publish.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum PublishBy {
    #[default]
    Anyone,
    /// Who knows the password, or an operator's.
    Password,
}

/// What became of a claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    Right,
    /// No password, or a wrong one.
    Wrong,
    /// Too many wrong ones: not looked at for so many seconds.
    Locked(u64),
}

#[derive(Debug)]
struct Tries {
    count: u32,
    last: Time,
    locked_until: Time,
}

/// The passwords, as digests, and who tried wrong ones.
#[derive(Debug, Default)]
pub struct Gate {
    pub publish_by: PublishBy,
    password: Option<[u8; 32]>,
    opers: Vec<(String, [u8; 32])>,
    /// What tokens are made of.
    secret: [u8; 32],
    token_count: u64,
    tries: BTreeMap<IpAddr, Tries>,
}

impl Gate {
    /// `opers` are names and passwords; `secret` must be new and unguessable.
    pub fn new(publish_by: PublishBy, password: Option<&str>, opers: &[(String, String)], secret: [u8; 32]) -> Gate {
        let opers = opers.iter().map(|(name, password)| (name.clone(), digest(password)));
        Gate {
            publish_by,
            password: password.map(digest),
            opers: opers.collect(),
            secret,
            token_count: 0,
            tries: BTreeMap::new(),
        }
    }

    /// Whether these credentials may publish, where a password is needed for that.
    pub fn may_publish(&mut self, from: IpAddr, claim: Option<&Authorization>, now: Time) -> Claim {
        if self.publish_by == PublishBy::Anyone {
            return Claim::Right;
        }
        self.judge(from, claim, now, |gate, claim| match claim {
            Authorization::Basic { password, .. } | Authorization::Bearer(password) => {
                let is_password = gate.password.is_some_and(|right| same(&right, &digest(password)));
                is_password | gate.is_oper(claim)
            }
        })
    }

    /// Whether these credentials are an operator's; wrong ones are counted.
    pub fn is_operator(&mut self, from: IpAddr, claim: Option<&Authorization>, now: Time) -> bool {
        self.judge(from, claim, now, Gate::is_oper) == Claim::Right
    }

    /// Whether these credentials may take away what this token belongs to.
    pub fn may_remove(&mut self, from: IpAddr, token: &[u8; 16], claim: Option<&Authorization>, now: Time) -> Claim {
        self.judge(from, claim, now, |gate, claim| match claim {
            Authorization::Bearer(shown) => same(token, &Gate::remembered(shown)),
            Authorization::Basic { .. } => gate.is_oper(claim),
        })
    }

    /// A new token for a publisher, and what to remember of it.
    pub fn new_token(&mut self, info_hash: InfoHash) -> (String, [u8; 16]) {
        self.token_count += 1;
        let mut hasher = Sha256::new();
        hasher.update(self.secret);
        hasher.update(self.token_count.to_be_bytes());
        hasher.update(info_hash.0);
        let token: String = hasher.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let remembered = Gate::remembered(&token);
        (token, remembered)
    }

    fn remembered(token: &str) -> [u8; 16] {
        let mut half = [0; 16];
        half.copy_from_slice(&digest(token)[..16]);
        half
    }

    fn is_oper(&self, claim: &Authorization) -> bool {
        let Authorization::Basic { name, password } = claim else { return false };
        let shown = digest(password);
        // No short cut: how long it takes must not tell which names there are.
        self.opers.iter().fold(false, |found, (oper, right)| found | (same(right, &shown) & (oper == name)))
    }

    fn judge(
        &mut self,
        from: IpAddr,
        claim: Option<&Authorization>,
        now: Time,
        is_right: impl FnOnce(&Gate, &Authorization) -> bool,
    ) -> Claim {
        let from = subscriber(from);
        if let Some(tries) = self.tries.get(&from)
            && tries.locked_until > now
        {
            return Claim::Locked(tries.locked_until.since(now).0.div_ceil(Span::secs(1).0));
        }
        let Some(claim) = claim else { return Claim::Wrong };
        if is_right(self, claim) {
            self.tries.remove(&from);
            return Claim::Right;
        }
        self.count(from, now);
        Claim::Wrong
    }

    fn count(&mut self, from: IpAddr, now: Time) {
        if !self.tries.contains_key(&from) && self.tries.len() >= COUNTED_MAX {
            let quiet = self.tries.iter().min_by_key(|(_, tries)| tries.last).map(|(ip, _)| *ip);
            quiet.and_then(|ip| self.tries.remove(&ip));
        }
        let tries = self.tries.entry(from).or_insert(Tries { count: 0, last: now, locked_until: Time::ZERO });
        if now.since(tries.last) > FORGET {
            tries.count = 0;
        }
        tries.count += 1;
        tries.last = now;
        if tries.count >= TRIES_MAX {
            let doubled = LOCK.times(1 << (tries.count - TRIES_MAX).min(16));
            tries.locked_until = now + doubled.min(LOCK_MAX);
        }
    }

    pub fn check(&self) {
        assert!(self.tries.len() <= COUNTED_MAX, "too many tries are remembered");
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Equal, in a time that does not tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// Who is counted as one: an address of IPv4, a /64 of IPv6.
pub fn subscriber(ip: IpAddr) -> IpAddr {
    match unmapped(ip) {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate::new(PublishBy::Password, Some("pw"), &[("root".into(), "op:er".into())], [1; 32])
    }

    fn basic(name: &str, password: &str) -> Option<Authorization> {
        Some(Authorization::Basic { name: name.into(), password: password.into() })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn passwords_and_tokens_open() {
        let mut gate = gate();
        let (token, remembered) = gate.new_token(InfoHash([9; 20]));
        let (other, _) = gate.new_token(InfoHash([9; 20]));
        assert_ne!(token, other);
        let from = ip("192.0.2.1");
        let bearer = |text: &str| Some(Authorization::Bearer(text.into()));
        for claim in [basic("", "pw"), basic("x", "pw"), basic("root", "op:er"), bearer("pw")] {
            assert_eq!(gate.may_publish(from, claim.as_ref(), Time::ZERO), Claim::Right, "{claim:?}");
        }
        for claim in [basic("root", "pwd"), basic("toor", "op:er"), bearer("op:er"), None] {
            assert_eq!(gate.may_publish(from, claim.as_ref(), Time::ZERO), Claim::Wrong, "{claim:?}");
        }
        assert_eq!(gate.may_remove(from, &remembered, bearer(&token).as_ref(), Time::ZERO), Claim::Right);
        assert_eq!(gate.may_remove(from, &remembered, basic("root", "op:er").as_ref(), Time::ZERO), Claim::Right);
        for claim in [bearer(&other), basic("", "pw"), basic("", &token), None] {
            assert_eq!(gate.may_remove(from, &remembered, claim.as_ref(), Time::ZERO), Claim::Wrong, "{claim:?}");
        }
        let mut open = Gate::default();
        assert_eq!(open.may_publish(from, None, Time::ZERO), Claim::Right);
        assert_eq!(open.may_remove(from, &remembered, basic("", "").as_ref(), Time::ZERO), Claim::Wrong);
    }

    #[test]
    fn wrong_tries_lock_the_address_for_longer_and_longer() {
        let mut gate = gate();
        let (bad, good) = (basic("", "x"), basic("", "pw"));
        let from = ip("2001:db8::1");
        let mut now = Time::ZERO;
        for _ in 0..TRIES_MAX {
            assert_eq!(gate.may_publish(from, bad.as_ref(), now), Claim::Wrong);
        }
        assert_eq!(gate.may_publish(ip("2001:db8::2"), good.as_ref(), now), Claim::Locked(60));
        assert_eq!(gate.may_publish(ip("2001:db8:0:1::1"), good.as_ref(), now), Claim::Right);
        now += Span::secs(60);
        assert_eq!(gate.may_publish(from, bad.as_ref(), now), Claim::Wrong);
        assert_eq!(gate.may_publish(from, good.as_ref(), now + Span::secs(119)), Claim::Locked(1));
        assert_eq!(gate.may_publish(from, good.as_ref(), now + Span::secs(120)), Claim::Right);
        assert_eq!(gate.may_publish(from, bad.as_ref(), now), Claim::Wrong, "a right one starts anew");
    }

    #[test]
    fn the_table_is_bounded() {
        let mut gate = gate();
        for n in 0..3 * COUNTED_MAX as u32 {
            let from = IpAddr::V4(n.into());
            gate.may_publish(from, basic("", "x").as_ref(), Time(u64::from(n)));
            gate.check();
        }
        assert!(gate.tries.contains_key(&IpAddr::V4((3 * COUNTED_MAX as u32 - 1).into())));
    }
}
