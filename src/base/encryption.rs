//! Whether connections with peers are encrypted (MSE), and how.

/// What a person wants. From the least to the most encryption.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum Encryption {
    /// Never: who encrypts is not understood.
    #[default]
    Off,
    /// Plain first, then encrypted; who dials us chooses.
    Tolerate,
    /// Encrypted first, then plain; who dials us chooses.
    Prefer,
    /// Always, and all that is said, not the handshake alone.
    Require,
}

impl Encryption {
    /// The words that people use.
    pub const WORDS: [&'static str; 4] = ["off", "tolerate", "prefer", "require"];

    /// None for a word that is none of these.
    pub fn from_word(word: &str) -> Option<Encryption> {
        let all = [Encryption::Off, Encryption::Tolerate, Encryption::Prefer, Encryption::Require];
        all.into_iter().find(|one| Encryption::WORDS[*one as usize] == word)
    }

    /// Whether a peer is dialled encrypted the first time.
    pub fn is_first(self) -> bool {
        self >= Encryption::Prefer
    }

    /// Whether a peer that does not answer to the one is tried with the other.
    pub fn has_second(self) -> bool {
        matches!(self, Encryption::Tolerate | Encryption::Prefer)
    }
}

/// What both sides agreed on for all that follows their handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crypto {
    /// Only the handshake was encrypted.
    Plaintext,
    Rc4,
}
