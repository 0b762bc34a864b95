//! Passwords, what stands for them, and the proof that one knows them.

use std::fmt;

use subtle::ConstantTimeEq as _;

use super::{Algorithm, Count};

/// A password. Nothing of it shows in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes a password as it was typed.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// H(A1): what a server keeps instead of a password (RFC 7616 §3.4.2). Within its realm it is worth as
/// much as the password, so nothing of it shows in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    algorithm: Algorithm,
    hex: String,
}

impl Ha1 {
    /// Hashes a user's password for a realm.
    pub fn of(algorithm: Algorithm, user: &str, realm: &str, password: &Password) -> Self {
        Self { algorithm, hex: algorithm.hash(&[user, realm, &password.0]) }
    }

    /// Takes one that was kept: hex digits, as many as the algorithm makes. `None` for anything else.
    pub fn from_hex(algorithm: Algorithm, hex: &str) -> Option<Self> {
        let good = hex.len() == algorithm.hex_len() && hex.bytes().all(|b| b.is_ascii_hexdigit());
        good.then(|| Self { algorithm, hex: hex.to_ascii_lowercase() })
    }

    /// As it is kept: lower-case hex.
    pub fn as_hex(&self) -> &str {
        &self.hex
    }

    /// The algorithm that made it.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The response: RFC 7616 §3.4.1 with `qop=auth`; without a count, that of RFC 2069, which old
    /// peers know alone (RFC 3261 §22.4).
    pub fn response(&self, method: &str, uri: &str, nonce: &str, count: Option<&Count>) -> String {
        let a2 = self.algorithm.hash(&[method, uri]);
        match count {
            Some(Count { nc, cnonce, .. }) => {
                self.algorithm.hash(&[&self.hex, nonce, nc, cnonce, "auth", &a2])
            }
            None => self.algorithm.hash(&[&self.hex, nonce, &a2]),
        }
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({})", self.algorithm)
    }
}

/// The user's name as a hash: RFC 7616 §3.4.4.
pub(super) fn user_hash(algorithm: Algorithm, user: &str, realm: &str) -> String {
    algorithm.hash(&[user, realm])
}

/// Whether two digests in hex are the same. Takes the same time wherever they differ.
pub fn same(expected: &str, got: &str) -> bool {
    // RFC 8760 §2.2 wants lower case; some phones write upper case.
    let got = got.to_ascii_lowercase();
    bool::from(expected.as_bytes().ct_eq(got.as_bytes()))
}
