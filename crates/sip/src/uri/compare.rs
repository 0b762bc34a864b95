//! When two SIP URIs are the same (RFC 3261 §19.1.4).

use crate::uri::{
    SipUri,
    escape::{self, is_reserved},
};

impl SipUri {
    /// Says whether both name the same, by all the rules of RFC 3261 §19.1.4. Not transitive: a parameter that only one
    /// of them has is mostly ignored.
    pub fn equivalent(&self, other: &Self) -> bool {
        // Parameters that stand there twice, which is forbidden, must not make a URI differ from itself.
        self == other || self.matches(other)
    }

    fn matches(&self, other: &Self) -> bool {
        self.secure == other.secure
            && same_optional(self.user.as_deref(), other.user.as_deref(), Case::Matters)
            && same_optional(self.password.as_deref(), other.password.as_deref(), Case::Matters)
            && self.host.equivalent(&other.host)
            && self.port == other.port // absent is not 5060
            && params_match(self, other)
            && params_match(other, self)
            && headers_match(self, other)
    }
}

#[derive(Clone, Copy)]
enum Case {
    Matters,
    Ignored,
}

/// Parameters that must be in both or in none. The rules name user, ttl, method and maddr; transport follows from "a URI
/// omitting any component with a default value will not match", and from the third example of unequal URIs.
const NEVER_IGNORED: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

/// Says whether every parameter of `a` is in `b` with the same value, or may be ignored.
fn params_match(a: &SipUri, b: &SipUri) -> bool {
    a.params.iter().all(|(name, value)| {
        let twin = b.params.iter().find(|(other, _)| same(name, other, Case::Ignored));
        match twin {
            Some((_, other)) => same_optional(value, other, Case::Ignored),
            None => !NEVER_IGNORED.iter().any(|known| same(name, known, Case::Ignored)),
        }
    })
}

/// Says whether both have the same header components, in any order. Names without regard to case; values exactly:
/// each header field would have its own rules, and refusing to see two as equal is the safe side.
fn headers_match(a: &SipUri, b: &SipUri) -> bool {
    let count = |uri: &SipUri, (name, value): &(String, String)| {
        let is_same = |(other, text): &&(String, String)| {
            same(name, other, Case::Ignored) && same(value, text, Case::Matters)
        };
        uri.headers.iter().filter(is_same).count()
    };
    a.headers.len() == b.headers.len()
        && a.headers.iter().all(|header| count(a, header) == count(b, header))
}

fn same_optional(a: Option<&str>, b: Option<&str>, case: Case) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same(a, b, case),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Compares character by character. An escape equals the character it stands for, unless that is a reserved one.
fn same(a: &str, b: &str, case: Case) -> bool {
    let normal = |text| {
        escape::bytes(text).map(move |(byte, escaped): (u8, bool)| {
            let byte = match case {
                Case::Matters => byte,
                Case::Ignored => byte.to_ascii_lowercase(),
            };
            (byte, escaped && is_reserved(byte))
        })
    };
    normal(a).eq(normal(b))
}
