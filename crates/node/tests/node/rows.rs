//! Rows of the conformance list that belong to no other file.

use std::time::Duration;

use sip::HeaderName;

use crate::rig::{Caller, FACTORY, Rig, Setting, contact, header, requests};

/// A34 · RFC 3261 §11.2: OPTIONS is answered with the code that an INVITE would get.
#[test]
fn options_gets_the_code_of_an_invite() {
    let mut setting = Setting { seats: 5, ..Setting::default() };
    setting.factory.legs_max = Some(4);
    let mut rig = Rig::with(setting);
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    let mut number = 1;
    let mut both = |rig: &mut Rig, target: &str| {
        let codes = ["OPTIONS", "INVITE"].map(|method| {
            number += 1;
            let asking = Caller::new("zoe", number);
            let text = match method {
                "INVITE" => asking.invite(target),
                _ => asking.request(method, target),
            };
            rig.ask(asking.address, &text).status.code()
        });
        assert_eq!(codes[0], codes[1], "{target}");
        codes[0]
    };
    assert_eq!(both(&mut rig, "sip:nobody@127.0.0.1"), 404);
    assert_eq!(both(&mut rig, "tel:+1"), 416);
    rig.join(&mut alice, &uri);
    // One seat is free, and the factory would hold four.
    assert_eq!(both(&mut rig, FACTORY), 480);
    for number in 200..203 {
        rig.join(&mut Caller::new("anna", number), &uri);
    }
    assert_eq!(both(&mut rig, &uri), 486);
    rig.shutdown();
    assert_eq!(both(&mut rig, FACTORY), 503);
}

/// B07 · RFC 3261 §8.3: a redirect server does not look at what it does not know, and sends nothing by itself.
#[test]
fn the_redirecting_factory_ignores_what_it_does_not_know() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    alice.extra = "Require: nothingSupportsThis, recipient-list-invite\r\nX-Unknown: (\"\r\n\
                   Proxy-Require: foo\r\nAllow: FOO, BAR\r\n"
        .to_owned();
    rig.conference(&alice);
    assert_eq!(requests(rig.pass(Duration::from_secs(200))), [], "nothing by itself");
}

/// B12 · RFC 4353 §3.1: whatever a proxy makes of host, port and parameters, the URI reaches its focus and no other.
#[test]
fn a_rewritten_conference_uri_reaches_its_focus_and_no_other() {
    let mut rig = Rig::new();
    let (alice, bob) = (Caller::new("alice", 1), Caller::new("bob", 2));
    let (hers, his) = (rig.conference(&alice), rig.conference(&bob));
    let user = |uri: &str| uri["sip:".len()..uri.find('@').expect("@")].to_owned();
    let escaped = format!("%63onf{}", &user(&hers)["conf".len()..]);
    let ways = [
        format!("sip:{}@proxy.example.net", user(&hers)),
        format!("sip:{}@[2001:db8::5]:5099;transport=tcp;maddr=192.0.2.1;x=y", user(&hers)),
        format!("sip:{}@127.0.0.1;lr;user=ip", user(&hers)),
        format!("sip:{escaped}@127.0.0.1:5060"),
    ];
    for (number, way) in (10..).zip(&ways) {
        assert_eq!(rig.join(&mut Caller::new("anna", number), way).status.code(), 200, "{way}");
    }
    let status = rig.node.status(rig.now);
    let legs = |uri: &str| {
        let found = status.conferences.iter().find(|conference| conference.uri == uri);
        found.map_or(0, |conference| conference.legs.len())
    };
    assert_eq!((legs(&hers), legs(&his)), (ways.len(), 0));
}

/// B18 · RFC 4353 §4.1: who is not let in gets a final answer, whatever the reason, and nothing is kept of him.
#[test]
fn a_joiner_who_is_not_let_in_gets_one_final_answer() {
    let mut setting = Setting::default();
    (setting.factory.expect, setting.factory.legs_max) = (1, Some(1));
    let mut rig = Rig::with(setting);
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let refused = rig.join(&mut Caller::new("bob", 2), &uri);
    assert_eq!(refused.status.code(), 486);
    assert!(header(&refused, &HeaderName::Warning).is_some(), "and says why");
    rig.leave(&mut alice, &uri);
    assert_eq!(rig.join(&mut Caller::new("carol", 3), &uri).status.code(), 404);
    assert_eq!(requests(rig.pass(Duration::from_secs(200))), []);
}

const LIST: &str = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\n\
    Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\r\n\
    <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>\
    <entry uri=\"sip:victim@127.0.0.1:6066\"/></list></resource-lists>\r\n--b--\r\n";

/// E01, E02, E06, T32 · RFC 5366 §3: lists of whom to call are not served. The focus says so by 420, or by 415 where nothing
/// was required, and calls nobody.
#[test]
fn lists_of_uris_are_refused_and_nobody_is_called() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    alice.extra = "Require: recipient-list-invite\r\n".to_owned();
    alice.cseq += 1;
    let invite = alice.with_body("INVITE", &uri, "multipart/mixed;boundary=b", LIST);
    let refused = rig.ask(alice.address, &invite);
    assert_eq!(refused.status.code(), 420);
    let unsupported = header(&refused, &HeaderName::Unsupported);
    assert_eq!(unsupported.as_deref(), Some("recipient-list-invite"));
    alice.extra.clear();
    alice.cseq += 1;
    let invite = alice.with_body("INVITE", &uri, "multipart/mixed;boundary=b", LIST);
    assert_eq!(rig.ask(alice.address, &invite).status.code(), 415);
    let options = rig.ask(alice.address, &alice.request("OPTIONS", FACTORY));
    let supported = header(&options, &HeaderName::Supported).unwrap_or_default();
    assert!(!supported.contains("recipient-list"), "{supported}");
    // Inside the dialog a list has no meaning, and starts nothing.
    assert_eq!(rig.join(&mut alice, &uri).status.code(), 200);
    alice.cseq += 1;
    let again = alice.with_body("INVITE", &uri, "multipart/mixed;boundary=b", LIST);
    assert_eq!(rig.ask(alice.address, &again).status.code(), 415);
    let called = requests(rig.pass(Duration::from_secs(5)));
    assert!(called.iter().all(|request| request.method != sip::Method::Invite), "{called:?}");
    assert_eq!(rig.used_and_held(), (1, 3), "and the leg is there");
}

/// E01, E02 · RFC 5366 §3, RFC 5621 §4.2: a list that may be ignored is; but how many it names is how much room is held, before
/// what the address says and what the factory expects. Nobody on it is called.
#[test]
fn list_that_may_be_ignored_says_how_many_are_to_come() {
    let list = |handling: &str, entries: &str| {
        format!(
            "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n\
             c=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 16001 RTP/AVP 0\r\n\r\n--b\r\n\
             Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list{handling}\r\n\r\n\
             <rl:resource-lists xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\"><rl:list>{entries}\
             <!-- <rl:entry uri=\"sip:nobody@h\"/> --><entry uri=\"sip:other@h\"/></rl:list></rl:resource-lists>\r\n--b--\r\n"
        )
    };
    let optional = ";handling=optional";
    let who = |names: &[&str]| -> String {
        names.iter().map(|name| format!("<rl:entry uri=\"sip:{name}@example.com\"/>")).collect()
    };
    let seven = who(&["a", "b", "c", "d", "e", "f", "a", "alice"]);
    for (number, (handling, entries, uri, extra, seats)) in [
        (optional, seven.as_str(), FACTORY, "", 7),
        (optional, &seven, "sip:conference@127.0.0.1:5060;seats=3", "", 7),
        (optional, "", "sip:conference@127.0.0.1:5060;seats=3", "", 3),
        (optional, "<rl:entry uri=\"", FACTORY, "", 4),
        // Where it may not be ignored nobody comes by this request: the focus will refuse it.
        ("", &seven, FACTORY, "", 4),
        (optional, &seven, FACTORY, "Require: recipient-list-invite\r\n", 4),
    ]
    .into_iter()
    .enumerate()
    {
        let mut rig = Rig::new();
        let mut alice = Caller::new("alice", 1);
        alice.extra = extra.to_owned();
        let body = list(handling, entries);
        let invite = alice.with_body("INVITE", uri, "multipart/mixed;boundary=b", &body);
        let response = rig.ask(alice.address, &invite);
        if response.status.code() == 302 {
            assert_eq!(rig.used_and_held(), (0, seats), "{number}");
        } else {
            assert_eq!((response.status.code(), handling), (415, ""), "{number}");
            assert_eq!(rig.used_and_held(), (0, 0), "{number}");
        }
        assert_eq!(requests(rig.pass(Duration::from_secs(1))), [], "nobody is called");
    }
    // `max` of the factory is more than a list can say.
    let mut setting = Setting::default();
    setting.factory.legs_max = Some(5);
    let mut rig = Rig::with(setting);
    let alice = Caller::new("alice", 1);
    let body = list(optional, &seven);
    let invite = alice.with_body("INVITE", FACTORY, "multipart/mixed;boundary=b", &body);
    let uri = contact(&rig.ask(alice.address, &invite));
    assert_eq!(rig.used_and_held(), (0, 5));
    // And the focus lets the same body in.
    let alice = Caller { cseq: 2, ..alice };
    let invite = alice.with_body("INVITE", &uri, "multipart/mixed;boundary=b", &body);
    assert_eq!(rig.ask(alice.address, &invite).status.code(), 200);
}
