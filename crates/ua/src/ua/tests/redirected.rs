use sip::{HeaderName, Method, Request};

use crate::event::{CallFailure, CallId, Event};
use crate::testing::{Solo, media, reply, udp_at, uri};
use crate::{CallOptions, REDIRECTS_MAX};

const FACTORY: &str = "sip:conference@192.0.2.2";

fn call(solo: &mut Solo) -> (CallId, Request) {
    let options = CallOptions::new(media(20_000));
    let call = solo.run(|ua, now| ua.call(now, &uri(FACTORY), options)).expect("called");
    (call, solo.next_request(&Method::Invite))
}

/// Redirects an INVITE; takes its ACK.
fn redirect(solo: &mut Solo, invite: &Request, contacts: &[&str]) {
    let mut response = reply(invite, 302, "factory");
    for contact in contacts {
        response.headers.push(HeaderName::Contact, *contact);
    }
    solo.receive(response.to_bytes());
    solo.next_request(&Method::Ack);
}

fn where_to(event: Event) -> (String, bool) {
    match event {
        Event::Redirected { to, conference, .. } => (to.to_string(), conference),
        other => panic!("{other:?}"),
    }
}

fn text(request: &Request, name: &HeaderName) -> String {
    request.headers.get(name).map(|value| value.text().into_owned()).unwrap_or_default()
}

/// B09 · RFC 3261 §8.1.3.4: the Contact becomes the Request-URI, CSeq and branch are new, all else
/// stays.
#[test]
fn a_302_is_followed_with_the_same_request_to_another_uri() {
    let mut solo = Solo::new();
    let (id, first) = call(&mut solo);
    redirect(&mut solo, &first, &["<sip:conf-k7%41q@192.0.2.3:5070;x=Y>;IsFocus"]);
    assert_eq!(
        where_to(solo.event()),
        ("sip:conf-k7%41q@192.0.2.3:5070;x=Y".to_owned(), true),
        "byte for byte"
    );
    assert_eq!(solo.sent[0].1, "192.0.2.3:5070");
    let second = solo.next_request(&Method::Invite);
    assert_eq!(second.uri.to_string(), "sip:conf-k7%41q@192.0.2.3:5070;x=Y");
    for name in [HeaderName::To, HeaderName::From, HeaderName::CallId, HeaderName::Contact] {
        assert_eq!(text(&second, &name), text(&first, &name), "{name:?}");
    }
    assert_eq!(second.body, first.body);
    assert_eq!(second.headers.cseq().expect("CSeq").number, 2);
    let branch =
        |request: &Request| request.headers.top_via().expect("Via").branch().map(str::to_owned);
    assert_ne!(branch(&second), branch(&first));
    assert_eq!(second.headers.count(&HeaderName::Via), 1);

    // The dialog is made of the focus' 200 (RFC 3261 §12.1.2).
    solo.answer_ok(&second, "focus");
    let ack = solo.next_request(&Method::Ack);
    assert_eq!(ack.headers.cseq().expect("CSeq").number, 2);
    solo.take_events();
    solo.run(|ua, now| ua.hangup(now, id));
    assert_eq!(solo.next_request(&Method::Bye).headers.cseq().expect("CSeq").number, 3);
}

/// B09 · RFC 3261 §8.1.3.4: a loop A-B-A ends, because no URI is tried twice; "same" is that of
/// RFC 3261 §19.1.4.
#[test]
fn a_redirection_back_to_where_we_were_is_refused() {
    let mut solo = Solo::new();
    let (id, first) = call(&mut solo);
    redirect(&mut solo, &first, &["<sip:b@192.0.2.2>"]);
    solo.take_events();
    let second = solo.next_request(&Method::Invite);
    redirect(&mut solo, &second, &["<sip:%63onference@192.0.2.2>", "<SIP:b@192.0.2.2>"]);
    match solo.event() {
        Event::CallFailed { call, why: CallFailure::RedirectExhausted(refusal) } => {
            assert_eq!((call, refusal.status.code()), (id, 302));
        }
        other => panic!("{other:?}"),
    }
    solo.sent_nothing();
}

#[test]
fn a_chain_of_ever_new_uris_ends() {
    let mut solo = Solo::new();
    let (id, mut invite) = call(&mut solo);
    for hop in 0..REDIRECTS_MAX {
        redirect(&mut solo, &invite, &[&format!("<sip:hop{hop}@192.0.2.2>")]);
        assert_eq!(where_to(solo.event()).0, format!("sip:hop{hop}@192.0.2.2"));
        invite = solo.next_request(&Method::Invite);
    }
    redirect(&mut solo, &invite, &["<sip:one-more@192.0.2.2>"]);
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::TooManyRedirects });
    solo.sent_nothing();
}

/// B09 · RFC 3261 §8.1.3.4: by falling q; on a failure the next, each with a higher CSeq.
#[test]
fn contacts_are_tried_by_q_until_one_answers() {
    let mut solo = Solo::new();
    let (_, first) = call(&mut solo);
    let contacts = [
        "<sip:third@192.0.2.2>;q=0.2",
        "<sip:first@192.0.2.2>",
        "<tel:+4930123>;q=0.9",
        "<sip:second@192.0.2.2>;q=0.75",
    ];
    redirect(&mut solo, &first, &contacts);
    let mut tried = Vec::new();
    for (number, code) in [(2, 404), (3, 503), (4, 0)] {
        tried.push(where_to(solo.event()).0);
        let invite = solo.next_request(&Method::Invite);
        assert_eq!(invite.headers.cseq().expect("CSeq").number, number);
        if code != 0 {
            solo.answer(&invite, code);
            solo.next_request(&Method::Ack);
        } else {
            solo.answer_ok(&invite, "third");
        }
    }
    let expected = ["sip:first@192.0.2.2", "sip:second@192.0.2.2", "sip:third@192.0.2.2"];
    assert_eq!(tried, expected);
    assert!(matches!(solo.event(), Event::Established { .. }));
}

/// B09: the first Contact is dead (A17: 64*T1), the next is tried.
#[test]
fn a_dead_contact_gives_way_to_the_next() {
    let mut solo = Solo::new();
    let (_, first) = call(&mut solo);
    redirect(&mut solo, &first, &["<sip:dead@192.0.2.66>", "<sip:alive@192.0.2.2>"]);
    solo.take_events();
    solo.run_until_ms(31_999);
    assert!(solo.events.is_empty());
    solo.sent.clear();
    solo.run_until_ms(32_000);
    assert_eq!(where_to(solo.event()).0, "sip:alive@192.0.2.2");
    assert_eq!(solo.next_request(&Method::Invite).uri.to_string(), "sip:alive@192.0.2.2");
}

/// RFC 3261 §21.6: a 6xx speaks for all places.
#[test]
fn a_6xx_ends_the_search() {
    let mut solo = Solo::new();
    let (_, first) = call(&mut solo);
    redirect(&mut solo, &first, &["<sip:a@192.0.2.2>", "<sip:b@192.0.2.2>"]);
    solo.take_events();
    let second = solo.next_request(&Method::Invite);
    solo.answer(&second, 603);
    solo.next_request(&Method::Ack);
    assert!(matches!(solo.event(), Event::CallFailed { why: CallFailure::Refused(_), .. }));
    solo.sent_nothing();
}

/// RFC 3261 §8.1.3.4, §19.1.5: headers of the Contact's URI go into the request, the dangerous ones
/// do not; `method` and the headers are not in the Request-URI.
#[test]
fn headers_of_the_contact_are_applied() {
    let mut solo = Solo::new();
    let (_, first) = call(&mut solo);
    let contact = "<sip:c@192.0.2.2;method=INVITE?Subject=talk&Call-ID=evil&From=%3Csip:eve%40x%3E\
                   &Route=%3Csip:192.0.2.66%3Blr%3E&body=no&Priority=a%0d%0aEvil:%20b>";
    redirect(&mut solo, &first, &[contact]);
    let second = solo.next_request(&Method::Invite);
    assert_eq!(second.uri.to_string(), "sip:c@192.0.2.2");
    assert_eq!(text(&second, &HeaderName::Subject), "talk");
    assert_eq!(text(&second, &HeaderName::CallId), text(&first, &HeaderName::CallId));
    assert_eq!(text(&second, &HeaderName::From), text(&first, &HeaderName::From));
    assert_eq!(second.headers.count(&HeaderName::Route), 0);
    assert_eq!(second.headers.count(&HeaderName::Priority), 0, "a header in a header");
    assert_eq!(second.body, first.body);
}

/// RFC 3261 §21.3.4, §21.3.5: these name no other place of the same callee.
#[test]
fn use_proxy_and_alternative_service_are_not_followed() {
    for code in [305, 380] {
        let mut solo = Solo::new();
        let (_, first) = call(&mut solo);
        let response =
            reply(&first, code, "x").with_header(HeaderName::Contact, "<sip:p@192.0.2.9>");
        solo.receive(response.to_bytes());
        solo.next_request(&Method::Ack);
        assert!(matches!(solo.event(), Event::CallFailed { why: CallFailure::Refused(_), .. }));
        solo.sent_nothing();
    }
}

#[test]
fn redirections_are_not_followed_when_that_was_asked() {
    let mut solo = Solo::new();
    let options = CallOptions { follow_redirects: false, ..CallOptions::new(media(20_000)) };
    solo.run(|ua, now| ua.call(now, &uri(FACTORY), options)).expect("called");
    let invite = solo.next_request(&Method::Invite);
    redirect(&mut solo, &invite, &["<sip:b@192.0.2.2>"]);
    assert!(matches!(solo.event(), Event::CallFailed { why: CallFailure::Refused(_), .. }));
    solo.sent_nothing();
}

/// A 302 after our CANCEL is the end, not a new call (RFC 3261 §9.1).
#[test]
fn a_302_that_crosses_the_cancel_is_not_followed() {
    let mut solo = Solo::new();
    let (id, first) = call(&mut solo);
    solo.answer(&first, 100);
    solo.run(|ua, now| ua.hangup(now, id));
    solo.next_request(&Method::Cancel);
    redirect(&mut solo, &first, &["<sip:b@192.0.2.2>"]);
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::Cancelled });
    solo.sent_nothing();
}

#[test]
fn a_redirection_to_a_name_asks_for_its_address() {
    let mut solo = Solo::new();
    let (_, first) = call(&mut solo);
    redirect(&mut solo, &first, &["<sip:c@mixer.example.com>;isfocus"]);
    assert_eq!(where_to(solo.event()).0, "sip:c@mixer.example.com");
    let (id, ..) = solo.lookups.remove(0);
    let address = crate::testing::addr("192.0.2.3:5060");
    solo.run(|ua, now| ua.resolved(now, id, &[udp_at(address)]));
    assert_eq!(solo.sent[0].1, "192.0.2.3:5060");
    assert_eq!(solo.next_request(&Method::Invite).headers.cseq().expect("CSeq").number, 2);
}

/// B32 · RFC 3911 §5: whoever is sent on asks to join the same dialog there.
#[test]
fn join_is_repeated_in_the_redirected_invite() {
    let mut solo = Solo::new();
    let join = "abc%40192.0.2.9%3Bto-tag%3D1%3Bfrom-tag%3D2";
    let target = uri(&format!("sip:conference@192.0.2.2?Join={join}"));
    let options = CallOptions::new(media(20_000));
    solo.run(|ua, now| ua.call(now, &target, options)).expect("called");
    let value = |request: &Request| {
        request.headers.get(&HeaderName::Join).expect("Join").text().into_owned()
    };
    let first = solo.next_request(&Method::Invite);
    assert_eq!(value(&first), "abc@192.0.2.9;to-tag=1;from-tag=2");
    let moved = reply(&first, 302, "bob").with_header(HeaderName::Contact, "<sip:c@192.0.2.3>");
    solo.receive(moved.to_bytes());
    solo.next_request(&Method::Ack);
    let second = solo.next_request(&Method::Invite);
    assert_eq!(second.uri, uri("sip:c@192.0.2.3"));
    assert_eq!(value(&second), value(&first));
}
