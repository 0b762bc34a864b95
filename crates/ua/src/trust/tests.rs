use super::*;
use crate::testing::{addr, uri};

fn referrer(from: &str, source: &str, in_call: bool) -> Referrer {
    Referrer {
        from: sip::NameAddr::new(uri(from)),
        referred_by: Some(uri("sip:trusted@example.com")),
        source: addr(source),
        in_call,
    }
}

fn matches(pattern: &str, from: &str, source: &str) -> bool {
    let patterns = vec![pattern.parse().expect(pattern)];
    let policy = TrustPolicy { loopback: false, callers: false, patterns };
    policy.allows(&referrer(from, source, true))
}

#[test]
fn the_default_is_loopback_and_the_peers_of_calls() {
    let policy = TrustPolicy::default();
    assert!(policy.allows(&referrer("sip:a@b", "127.0.0.1:5060", false)));
    assert!(policy.allows(&referrer("sip:a@b", "[::1]:5060", false)));
    assert!(policy.allows(&referrer("sip:a@b", "192.0.2.1:5060", true)));
    assert!(!policy.allows(&referrer("sip:a@b", "192.0.2.1:5060", false)));
    assert!(!policy.allows(&referrer("sip:a@127.0.0.1", "192.0.2.1:5060", false)));
}

#[test]
fn networks_are_matched_by_where_the_packet_came_from() {
    let from = "sip:alice@example.com";
    for (pattern, source, expected) in [
        ("192.0.2.7", "192.0.2.7:5060", true),
        ("192.0.2.7", "192.0.2.8:5060", false),
        ("192.0.2.0/24", "192.0.2.255:9", true),
        ("192.0.2.0/24", "192.0.3.0:9", false),
        ("192.0.2.128/25", "192.0.2.127:9", false),
        ("0.0.0.0/0", "203.0.113.1:9", true),
        ("0.0.0.0/0", "[2001:db8::1]:9", false),
        ("2001:db8::/32", "[2001:db8:1::1]:9", true),
        ("2001:db8::/32", "[2001:db9::1]:9", false),
        ("::/0", "[2001:db9::1]:9", true),
        ("*", "203.0.113.1:9", true),
    ] {
        assert_eq!(matches(pattern, from, source), expected, "{pattern} {source}");
    }
}

/// RFC 3261 §19.1.4: user with case, host without. Referred-By is not looked at.
#[test]
fn uris_are_matched_by_from() {
    let source = "203.0.113.1:9";
    for (pattern, from, expected) in [
        ("sip:alice@example.com", "sip:alice@EXAMPLE.com:5070;x=y", true),
        ("alice@example.com", "sip:Alice@example.com", false),
        ("alice@*", "sip:alice@192.0.2.1", true),
        ("*@example.com", "sip:bob@example.com", true),
        ("*@example.com", "sip:example.com", true),
        ("*@example.com", "sip:bob@sub.example.com", false),
        ("*@*", "tel:+4930123", false),
        ("trusted@example.com", "sip:eve@example.com", false),
    ] {
        assert_eq!(matches(pattern, from, source), expected, "{pattern} {from}");
    }
}

#[test]
fn what_is_no_pattern_says_so() {
    for text in ["", "alice", "@example.com", "alice@", "a b@c", "192.0.2.0/x", "a@b@c", "1.2.3"] {
        assert_eq!(text.parse::<Pattern>(), Err(PatternError::Malformed), "{text:?}");
    }
    let error = "192.0.2.0/33".parse::<Pattern>();
    assert_eq!(error, Err(PatternError::PrefixTooLong { got: 33, max: 32 }));
}
