//! What can be learned by trying conference URIs: nothing.

use std::time::Duration;

use sip::HeaderName;

use crate::rig::{Caller, Rig};

/// T39, T40 · A conference that has ended, one that nobody joined in time, a token with one character
/// changed, one of another key, and a name that never was: status, fields and their values are the
/// same, and each is one packet for one packet.
#[test]
fn dead_expired_forged_and_unknown_uris_look_all_alike() {
    let mut rig = Rig::new();
    let expired = rig.conference(&Caller::new("alice", 1));
    rig.pass(Duration::from_secs(62));
    let mut bob = Caller::new("bob", 2);
    let ended = rig.conference(&bob);
    rig.join(&mut bob, &ended);
    rig.leave(&mut bob, &ended);
    let live = rig.conference(&Caller::new("carol", 3));
    let last = live.rfind('@').expect("a host") - 20;
    let other = if live.as_bytes()[last] == b'a' { "b" } else { "a" };
    let mut forged = live.clone();
    forged.replace_range(last..=last, other);
    // A node with other keys would have made it so.
    let key = pool::TokenKeys { current: pool::Key::new(1, [99; 32]), previous: vec![] };
    let deadline = crate::rig::WALL.after(Duration::from_secs(3_600));
    let foreign = pool::mint(&key, 1, pool::ConferenceId([7; 10]), deadline);
    let foreign = format!("sip:{foreign}@127.0.0.1:5060");

    let mut answers = Vec::new();
    for (number, uri) in
        [&expired, &ended, &forged, &foreign, "sip:nobody@127.0.0.1:5060"].into_iter().enumerate()
    {
        for method in ["INVITE", "OPTIONS"] {
            let mut eve = Caller::new("eve", 9);
            eve.call_id = format!("try-{number}");
            let text = if method == "INVITE" { eve.invite(uri) } else { eve.request(method, uri) };
            let response = rig.ask(eve.address, &text);
            assert_eq!(response.status.code(), 404, "{uri}");
            let to = response.headers.to().expect("To");
            let fields: Vec<String> = response
                .headers
                .iter()
                .filter(|(name, _)| !matches!(name, HeaderName::To | HeaderName::CallId))
                .map(|(name, value)| format!("{name:?} {}", value.text()))
                .collect();
            answers.push((method, response.reason, fields, to.tag().expect("a tag").len()));
        }
    }
    let first = answers[..2].to_vec();
    assert!(answers.chunks(2).all(|pair| pair == first), "{answers:#?}");
    assert_eq!(rig.join(&mut Caller::new("dave", 4), &live).status.code(), 200, "and one lives");
}
