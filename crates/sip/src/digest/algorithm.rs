//! The hash algorithms.

use std::fmt;

use data_encoding::HEXLOWER;
use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

/// Names a hash algorithm of the IANA registry "Hash Algorithms for HTTP Digest Authentication". The
/// order is that of our preference, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256: mandatory (RFC 7616 §3.7).
    Sha256,
    /// SHA-512 cut to 256 bits: the backup (RFC 7616 §3.7).
    Sha512_256,
    /// MD5: broken, and all that old peers know.
    Md5,
}

impl Algorithm {
    /// All of them, most preferred first.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha512_256, Self::Md5];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
            Self::Md5 => "MD5",
        }
    }

    /// Reads the name in any case; `None` for one that we do not know, the `-sess` ones among them.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Characters of a digest: RFC 8760 §2.2.
    pub const fn hex_len(self) -> usize {
        match self {
            Self::Sha256 | Self::Sha512_256 => 64,
            Self::Md5 => 32,
        }
    }

    /// The digest of the parts with a colon between each two, in lower-case hex.
    pub(super) fn hash(self, parts: &[&str]) -> String {
        match self {
            Self::Sha256 => joined::<Sha256>(parts),
            Self::Sha512_256 => joined::<Sha512_256>(parts),
            Self::Md5 => joined::<Md5>(parts),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn joined<D: Digest>(parts: &[&str]) -> String {
    let mut hash = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    HEXLOWER.encode(&hash.finalize())
}
