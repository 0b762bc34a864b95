use super::*;
use crate::testing::uri;

fn contacts(texts: &[&str]) -> Vec<NameAddr> {
    texts.iter().map(|text| text.parse().expect("a Contact")).collect()
}

fn order(texts: &[&str]) -> Vec<String> {
    let called = uri("sip:factory@h");
    let mut targets = TargetSet::new(called.clone());
    targets.redirected(&called, contacts(texts)).expect("the first");
    std::iter::from_fn(|| targets.next()).map(|target| target.uri.to_string()).collect()
}

/// RFC 3261 §8.1.3.4, §25.1.
#[test]
fn targets_come_by_falling_q_and_then_in_their_order() {
    let texts =
        ["<sip:a@h>;q=0.5", "<sip:b@h>", "<sip:c@h>;q=0.25", "<sip:d@h>;q=1.0", "<sip:e@h>;q=0"];
    assert_eq!(order(&texts), ["sip:b@h", "sip:d@h", "sip:a@h", "sip:c@h", "sip:e@h"]);
    for (q, expected) in
        [("0.5", 500), ("0.05", 50), ("0.", 0), ("0", 0), ("1", 1_000), ("0.1234", 1_000)]
    {
        assert_eq!(thousandths(Some(q)), expected, "{q}");
    }
    assert_eq!(thousandths(None), 1_000);
    assert_eq!(thousandths(Some("-1")), 1_000);
}

/// RFC 3261 §8.1.3.4: MUST NOT add any URI twice; §19.1.4 says what the same is.
#[test]
fn no_uri_is_put_in_twice() {
    let texts =
        ["<sip:%61@H>", "<sip:a@h>", "<sip:a@h:5060>", "<sip:factory@H>", "<tel:1>", "<tel:1>"];
    assert_eq!(order(&texts), ["sip:%61@H", "sip:a@h:5060", "tel:1"]);
}

#[test]
fn a_tried_uri_does_not_come_back() {
    let called = uri("sip:a@h");
    let mut targets = TargetSet::new(called.clone());
    targets.redirected(&called, contacts(&["<sip:b@h>"])).expect("one");
    let b = targets.next().expect("b");
    targets.redirected(&b.uri, contacts(&["<sip:a@h>", "<sip:b@h>"])).expect("two");
    assert_eq!(targets.next(), None);
}

/// B10 · RFC 3261 §8.1.3.4.
#[test]
fn a_secure_call_is_not_redirected_to_an_insecure_uri() {
    let called = uri("sips:a@h");
    let mut targets = TargetSet::new(called.clone());
    targets.redirected(&called, contacts(&["<sip:b@h>", "<sips:c@h>"])).expect("one");
    assert_eq!(targets.next().map(|target| target.uri.to_string()).as_deref(), Some("sips:c@h"));
    assert_eq!(targets.next(), None);
}

#[test]
fn redirections_and_targets_are_bounded() {
    let called = uri("sip:a@h");
    let mut targets = TargetSet::new(called.clone());
    let many: Vec<NameAddr> =
        (0..100).map(|number| NameAddr::new(uri(&format!("sip:{number}@h")))).collect();
    targets.redirected(&called, many).expect("one");
    assert_eq!(std::iter::from_fn(|| targets.next()).count(), TARGETS_MAX - 1);
    for _ in 1..REDIRECTS_MAX {
        targets.redirected(&called, Vec::new()).expect("up to the bound");
    }
    assert_eq!(targets.redirected(&called, Vec::new()), Err(TooMany));
}
