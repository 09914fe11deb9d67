//! Passwords, held as digests and compared in constant time.

use sha2::{Digest, Sha256};

/// The server's password and those of operators.
#[derive(Default)]
pub struct Passwords {
    server: Option<[u8; 32]>,
    opers: Vec<(String, [u8; 32])>,
}

impl Passwords {
    pub fn new(server: Option<&str>, opers: &[(String, String)]) -> Passwords {
        let opers = opers.iter().map(|(name, password)| (name.clone(), digest(password)));
        Passwords { server: server.map(digest), opers: opers.collect() }
    }

    /// Whether a password is needed to come in.
    pub fn is_closed(&self) -> bool {
        self.server.is_some()
    }

    /// Whether this is the server's password; any is, where it has none.
    pub fn opens(&self, shown: &str) -> bool {
        let shown = digest(shown);
        self.server.is_none_or(|right| same(&right, &shown))
    }

    /// Whether an operator of this name has this password.
    pub fn is_oper(&self, name: &str, shown: &str) -> bool {
        let shown = digest(shown);
        // All are compared, so that the time tells nothing.
        self.opers.iter().fold(false, |found, (oper, right)| found | (same(right, &shown) & (oper == name)))
    }
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords(..)")
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_ones_open() {
        let passwords = Passwords::new(Some("door"), &[("anna".into(), "key".into())]);
        assert!(passwords.is_closed() && passwords.opens("door") && !passwords.opens("Door") && !passwords.opens(""));
        assert!(
            passwords.is_oper("anna", "key")
                && !passwords.is_oper("bert", "key")
                && !passwords.is_oper("anna", "door")
        );
        let open = Passwords::default();
        assert!(!open.is_closed() && open.opens("anything") && !open.is_oper("", ""));
        assert_eq!(format!("{passwords:?}"), "Passwords(..)");
    }
}
