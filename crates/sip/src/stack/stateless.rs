//! To tags of answers that nothing is kept of.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::{HeaderName, HeaderValue, Headers};

/// Makes the same tag for each copy of a request (RFC 3261 §8.2.7), and one that others cannot guess.
///
/// It is no proof of anything: whoever needs one, as the factory does, makes its own tag.
pub(super) struct StatelessTags {
    secret: [u8; 16],
}

impl StatelessTags {
    pub(super) const fn new(secret: [u8; 16]) -> Self {
        Self { secret }
    }

    /// The tag, without the prefix, by the header fields that an answer has from its request.
    pub(super) fn tag(&self, headers: &Headers) -> String {
        let mut hasher = DefaultHasher::new();
        self.secret.hash(&mut hasher);
        for name in [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
            headers.get(&name).map(HeaderValue::as_bytes).hash(&mut hasher);
        }
        format!("{:016x}", hasher.finish())
    }
}

impl fmt::Debug for StatelessTags {
    /// Shows nothing of the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StatelessTags")
    }
}
