//! Secrets: tokens that prove a node's address, and transaction ids that nobody can guess.

use std::net::{IpAddr, SocketAddr};

use sha1::{Digest, Sha1};

use crate::base::{InfoHash, Span, Time};

/// A token is good for one to two of these (BEP 5: ten minutes).
const ROTATION: Span = Span::secs(300);

/// A token of ours: short, since it is sent to strangers.
pub type Token = [u8; 4];

/// Made from one secret of the driver's that never leaves.
pub struct Tokens {
    secret: [u8; 32],
    count: u64,
}

impl Tokens {
    /// `secret` is random in a way that nobody can follow: from the operating system.
    pub fn new(secret: [u8; 32]) -> Tokens {
        Tokens { secret, count: 0 }
    }

    /// What this address has to bring back to announce itself for this hash.
    pub fn token(&self, to: SocketAddr, info_hash: &InfoHash, now: Time) -> Token {
        self.token_of(to.ip(), info_hash, now.0 / ROTATION.0)
    }

    /// Whether it is a token that we gave to this address for this hash a while ago.
    pub fn is_valid(&self, token: &[u8], from: SocketAddr, info_hash: &InfoHash, now: Time) -> bool {
        let epoch = now.0 / ROTATION.0;
        let is_of = |epoch| self.token_of(from.ip(), info_hash, epoch) == token;
        is_of(epoch) || (epoch > 0 && is_of(epoch - 1))
    }

    fn token_of(&self, ip: IpAddr, info_hash: &InfoHash, epoch: u64) -> Token {
        let mut hasher = Sha1::new();
        hasher.update(self.secret);
        hasher.update(epoch.to_le_bytes());
        match ip {
            IpAddr::V4(ip) => hasher.update(ip.octets()),
            IpAddr::V6(ip) => hasher.update(ip.octets()),
        }
        hasher.update(info_hash.0);
        first(hasher)
    }

    /// The next transaction id: who does not see our questions cannot answer them in somebody's name.
    pub fn transaction(&mut self) -> [u8; 4] {
        self.count += 1;
        let mut hasher = Sha1::new();
        hasher.update(self.secret);
        hasher.update(b"transaction");
        hasher.update(self.count.to_le_bytes());
        first(hasher)
    }
}

fn first(hasher: Sha1) -> [u8; 4] {
    let digest: [u8; 20] = hasher.finalize().into();
    [digest[0], digest[1], digest[2], digest[3]]
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_address_and_hash_and_five_minutes_at_least() {
        let tokens = Tokens::new([7; 32]);
        let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let (hash, now) = (InfoHash([1; 20]), Time(123_456_789_000));
        let token = tokens.token(at("1.2.3.4:5"), &hash, now);
        for (from, hash, later_s, is_valid) in [
            ("1.2.3.4:6", hash, 0, true),
            ("1.2.3.4:5", hash, 300, true),
            ("1.2.3.4:5", hash, 600, false),
            ("1.2.3.5:5", hash, 0, false),
            ("1.2.3.4:5", InfoHash([2; 20]), 0, false),
        ] {
            let later = now + Span::secs(later_s);
            assert_eq!(tokens.is_valid(&token, at(from), &hash, later), is_valid, "{from} {later_s}");
        }
        assert!(!tokens.is_valid(&[], at("1.2.3.4:5"), &hash, now));
        let mut tokens = tokens;
        assert_ne!(tokens.transaction(), tokens.transaction());
    }
}
