//! To tags of answers that nothing is kept of.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;

use crate::{HeaderName, HeaderValue, Headers};

/// Makes the same tag for each copy of a request (RFC 3261 §8.2.7), and one that others cannot guess.
///
/// Those of what was read prove nothing: whoever needs a proof, as the factory does, makes its own tag. Those of refusals
/// that were made at a look prove that their receiver has got one, as far as this hash goes: nothing more than
/// a better place under overload hangs on that, and a better hash would cost more than all else of a refusal.
pub(super) struct StatelessTags {
    secret: [u8; 16],
    /// What all tags of refusals begin with.
    refusals: DefaultHasher,
}

impl StatelessTags {
    pub(super) fn new(secret: [u8; 16]) -> Self {
        let mut refusals = DefaultHasher::new();
        (secret, "refusal").hash(&mut refusals);
        Self { secret, refusals }
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

    /// The same, with the prefix, for a request that was only looked at: by what its ACK has from it (RFC 3261 §17.1.1.3), and where it came from.
    pub(super) fn of_refusal(
        &self,
        prefix: &str,
        source: IpAddr,
        (call_id, from_tag, cseq): (&str, Option<&str>, u32),
    ) -> String {
        let mut hasher = self.refusals.clone();
        (source, call_id, from_tag.unwrap_or_default(), cseq).hash(&mut hasher);
        let mut tag = String::with_capacity(prefix.len() + 1 + 16);
        tag.push_str(prefix);
        tag.push('r');
        let hash = hasher.finish();
        for at in (0..16).rev() {
            tag.push(char::from(b"0123456789abcdef"[(hash >> (4 * at) & 15) as usize]));
        }
        tag
    }
}

impl fmt::Debug for StatelessTags {
    /// Shows nothing of the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StatelessTags")
    }
}
