use sip::digest::{Account, Algorithm, Challenge, Credentials, Ha1, Password};
use sip::{HeaderName, Message, Method, Request, Response};

use crate::config::UaConfig;
use crate::event::{CallFailure, CallId, Event, How, ReferOutcome};
use crate::testing::{ALICE, Solo, accepted, config, media, reply, uri};
use crate::{CallOptions, EndCause};

const FACTORY: &str = "sip:conference@192.0.2.2";

/// Alice, whose account is for Bob's host alone.
fn alice() -> Solo {
    let account = Account {
        user: "alice".to_owned(),
        password: Password::new("secret"),
        realm: None,
        hosts: vec!["192.0.2.2".parse().expect("a host")],
    };
    Solo::with(UaConfig { credentials: vec![account], ..config("alice", ALICE) })
}

fn call(solo: &mut Solo, target: &str) -> CallId {
    let (target, options) = (uri(target), CallOptions::new(media(20_000)));
    solo.run(|ua, now| ua.call(now, &target, options)).expect("called")
}

fn challenged(request: &Request, realm: &str, nonce: &str, is_stale: bool) -> Response {
    let challenge = Challenge::new(realm, nonce, Algorithm::Sha256, is_stale).to_string();
    reply(request, 401, "guard").with_header(HeaderName::WwwAuthenticate, challenge)
}

/// The proof in a request; it is right for its method.
fn proof(request: &Request) -> Credentials {
    let fields: Vec<_> = request.headers.all(&HeaderName::Authorization).collect();
    assert_eq!(fields.len(), 1, "{request:?}");
    let credentials: Credentials = fields[0].text().parse().expect("credentials");
    let secret = Ha1::of(Algorithm::Sha256, "alice", &credentials.realm, &Password::new("secret"));
    let method = if request.method == Method::Ack { "INVITE" } else { request.method.as_str() };
    assert!(credentials.prove(&secret, method));
    credentials
}

fn count(request: &Request) -> u32 {
    proof(request).count.expect("a count").number
}

fn cseq(request: &Request) -> u32 {
    request.headers.cseq().expect("CSeq").number
}

/// Calls the factory and is challenged once; the INVITE with proof.
fn proved(solo: &mut Solo) -> (CallId, Request) {
    let id = call(solo, FACTORY);
    let first = solo.next_request(&Method::Invite);
    assert_eq!(first.headers.count(&HeaderName::Authorization), 0);
    solo.receive(challenged(&first, "r", "n1", false).to_bytes());
    let ack = solo.next_request(&Method::Ack);
    assert_eq!(cseq(&ack), cseq(&first));
    let again = solo.next_request(&Method::Invite);
    assert!(solo.take_events().is_empty(), "the owner hears nothing of it");
    (id, again)
}

/// J07, A18 · RFC 3261 §22.1, §22.2: the same INVITE with a new branch and CSeq + 1; the ACK brings its
/// credentials; so do the requests after it, and their numbers go on.
#[test]
fn a_challenged_call_comes_up_with_proof() {
    let mut solo = alice();
    let (id, invite) = proved(&mut solo);
    assert_eq!((cseq(&invite), count(&invite)), (2, 1));
    assert_eq!(proof(&invite).uri, FACTORY);
    solo.answer(&invite, 180);
    assert!(matches!(solo.event(), Event::Ringing { call, .. } if call == id));
    solo.receive(accepted(&invite, "bob").to_bytes());
    let ack = solo.next_request(&Method::Ack);
    assert_eq!((cseq(&ack), proof(&ack)), (2, proof(&invite)));
    assert!(matches!(solo.event(), Event::Established { call, .. } if call == id));
    solo.receive(accepted(&invite, "bob").to_bytes());
    assert_eq!(proof(&solo.next_request(&Method::Ack)), proof(&invite), "the copy of the ACK too");

    solo.run(|ua, now| ua.hangup(now, id));
    let bye = solo.next_request(&Method::Bye);
    assert_eq!((cseq(&bye), count(&bye)), (3, 2));
    solo.receive(challenged(&bye, "r", "n2", true).to_bytes());
    let bye = solo.next_request(&Method::Bye);
    assert_eq!((cseq(&bye), count(&bye)), (4, 1));
    solo.answer(&bye, 200);
    assert_eq!(solo.event(), Event::CallEnded { call: id, why: EndCause::Local });
    assert!(solo.ua.is_quiet());
    solo.run_until_ms(100_000);
    solo.sent_nothing();
}

/// A18 · RFC 3261 §22.1: the ACK to a 302 and to a 486 brings the credentials as well; and the call that
/// follows the 302 goes on with the nonce, counted, and the next number.
#[test]
fn the_proof_goes_through_the_redirection() {
    let mut solo = alice();
    let (id, invite) = proved(&mut solo);
    let redirect = reply(&invite, 302, "factory")
        .with_header(HeaderName::Contact, "<sip:conf-1@192.0.2.3>;isfocus");
    solo.receive(redirect.to_bytes());
    assert_eq!(proof(&solo.next_request(&Method::Ack)), proof(&invite));
    assert_eq!(solo.sent[0].1, "192.0.2.3:5060");
    let joining = solo.next_request(&Method::Invite);
    assert_eq!((cseq(&joining), count(&joining)), (3, 2));
    assert_eq!(proof(&joining).uri, "sip:conf-1@192.0.2.3");
    assert!(matches!(solo.event(), Event::Redirected { call, .. } if call == id));
    // The focus has forgotten the nonce: a new one, without a word of stale, is asked for once.
    solo.receive(challenged(&joining, "r", "n2", false).to_bytes());
    solo.next_request(&Method::Ack);
    let joining = solo.next_request(&Method::Invite);
    assert_eq!((cseq(&joining), count(&joining)), (4, 1));
    solo.receive(reply(&joining, 486, "focus").to_bytes());
    assert_eq!(proof(&solo.next_request(&Method::Ack)), proof(&joining));
    assert!(matches!(solo.event(), Event::CallFailed { call, .. } if call == id));
}

/// T34 · A wrong password is told once, and a loop of challenges ends.
#[test]
fn a_second_challenge_is_a_refusal() {
    let mut solo = alice();
    let (id, invite) = proved(&mut solo);
    solo.receive(challenged(&invite, "r", "n2", false).to_bytes());
    solo.next_request(&Method::Ack);
    solo.sent_nothing();
    match solo.event() {
        Event::CallFailed { call, why: CallFailure::Refused(refusal) } => {
            assert_eq!((call, refusal.status.code()), (id, 401));
        }
        other => panic!("{other:?}"),
    }

    let mut solo = alice();
    let (_, mut invite) = proved(&mut solo);
    let mut invites = 2;
    while solo.events.is_empty() {
        invites += 1;
        solo.receive(challenged(&invite, "r", &format!("n{invites}"), true).to_bytes());
        solo.next_request(&Method::Ack);
        if let Some((_, _, Message::Request(next))) = solo.sent.pop() {
            invite = next;
        }
    }
    assert_eq!((invites, cseq(&invite)), (6, 5), "four times, and not a fifth");
    solo.sent_nothing();
    solo.run_until_ms(100_000);
    assert!(solo.ua.is_quiet());
}

/// Without an account a challenge is a refusal like another.
#[test]
fn without_an_account_a_challenge_is_a_refusal() {
    let mut solo = Solo::new();
    let id = call(&mut solo, FACTORY);
    let invite = solo.next_request(&Method::Invite);
    solo.receive(challenged(&invite, "r", "n1", false).to_bytes());
    solo.next_request(&Method::Ack);
    solo.sent_nothing();
    assert!(matches!(solo.event(), Event::CallFailed { call, .. } if call == id));
}

/// Whoever hangs up while he is challenged is not called again; a CANCEL goes to the INVITE that runs.
#[test]
fn hanging_up_ends_a_challenged_call() {
    let mut solo = alice();
    let id = call(&mut solo, FACTORY);
    let first = solo.next_request(&Method::Invite);
    solo.run(|ua, now| ua.hangup(now, id));
    solo.receive(challenged(&first, "r", "n1", false).to_bytes());
    solo.next_request(&Method::Ack);
    solo.sent_nothing();
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::Cancelled });

    let mut solo = alice();
    let (id, invite) = proved(&mut solo);
    solo.answer(&invite, 180);
    solo.take_events();
    solo.run(|ua, now| ua.hangup(now, id));
    let cancel = solo.next_request(&Method::Cancel);
    assert_eq!(cancel.headers.top_via(), invite.headers.top_via());
    assert_eq!(cancel.headers.count(&HeaderName::Authorization), 0);
    solo.answer(&cancel, 200);
    solo.receive(reply(&invite, 487, "bob").to_bytes());
    assert_eq!(cseq(&solo.next_request(&Method::Ack)), 2);
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::Cancelled });
    solo.run_until_ms(100_000);
    assert!(solo.ua.is_quiet());
}

/// A17: the INVITE with proof that nobody answers fails like another.
#[test]
fn no_answer_to_the_proof_is_no_answer() {
    let mut solo = alice();
    let (id, _) = proved(&mut solo);
    solo.run_until_ms(40_000);
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::NoAnswer });
    assert_eq!(solo.sent.len(), 6, "six copies more");
}

/// T30 · Whoever is not the account's host gets no proof, whatever realm he names: an invitee who is
/// referred, or one who has called us.
#[test]
fn strangers_get_no_proof() {
    let mut solo = alice();
    proved(&mut solo);
    let (mallory, conference) = (uri("sip:mallory@192.0.2.66"), uri("sip:conf-1@192.0.2.2"));
    let refer = solo.run(|ua, now| ua.refer(now, &mallory, &conference, How::Outside));
    let request = solo.next_request(&Method::Refer);
    assert_eq!(request.headers.count(&HeaderName::Authorization), 0);
    solo.receive_from("192.0.2.66:5060", challenged(&request, "r", "n9", false).to_bytes());
    solo.sent_nothing();
    match solo.event() {
        Event::ReferEnded { refer: id, outcome: ReferOutcome::Refused(refusal) } => {
            assert_eq!((Ok(id), refusal.status.code()), (refer, 401));
        }
        other => panic!("{other:?}"),
    }

    solo.receive_text(
        "INVITE sip:alice@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKm\n\
         From: <sip:conference@192.0.2.2>;tag=m\nTo: <sip:alice@192.0.2.1>\nCall-ID: his\n\
         CSeq: 1 INVITE\nContact: <sip:conference@192.0.2.2>\nMax-Forwards: 70\n\n",
    );
    let Event::IncomingCall { call, .. } = solo.event() else { panic!("a call") };
    solo.run(|ua, now| ua.accept(now, call, media(20_000))).expect("accepted");
    let ok = solo.next_response(200);
    let tag = ok.headers.to().expect("To").tag().expect("a tag").to_owned();
    let answer = crate::testing::SDP;
    solo.receive_text(&format!(
        "ACK sip:alice@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKn\n\
         From: <sip:conference@192.0.2.2>;tag=m\nTo: <sip:alice@192.0.2.1>;tag={tag}\nCall-ID: his\n\
         CSeq: 1 ACK\nMax-Forwards: 70\nContent-Type: application/sdp\nContent-Length: {}\n\n{}",
        answer.len(),
        answer.replace("\r\n", "\n"),
    ));
    solo.take_events();
    solo.run(|ua, now| ua.hangup(now, call));
    let bye = solo.next_request(&Method::Bye);
    solo.receive(challenged(&bye, "r", "n10", false).to_bytes());
    solo.sent_nothing();
}

/// RFC 3515 §2.4.6: a REFER in a dialog that was challenged is known by its new number.
#[test]
fn a_challenged_refer_is_reported_by_its_new_number() {
    let mut solo = alice();
    let (call, invite) = proved(&mut solo);
    solo.receive(accepted(&invite, "bob").to_bytes());
    solo.next_request(&Method::Ack);
    solo.take_events();
    let (peer, to) = (uri("sip:bob@192.0.2.2"), uri("sip:carol@192.0.2.9"));
    let refer = solo.run(|ua, now| ua.refer(now, &peer, &to, How::Inside(call))).expect("referred");
    let first = solo.next_request(&Method::Refer);
    assert_eq!((cseq(&first), count(&first)), (3, 2));
    solo.receive(challenged(&first, "r", "n5", true).to_bytes());
    let again = solo.next_request(&Method::Refer);
    assert_eq!((cseq(&again), count(&again)), (4, 1));
    assert_eq!(again.headers.refer_to(), first.headers.refer_to());
    solo.answer(&again, 200);
    assert_eq!(solo.event(), Event::ReferAccepted { refer });
    let body = "SIP/2.0 200 OK";
    let headers = format!(
        "Event: refer;id=4\nSubscription-State: terminated;reason=noresource\n\
         Content-Type: message/sipfrag\nContent-Length: {}\n\n{body}",
        body.len()
    );
    let mut dialog = invite;
    dialog.headers.set(HeaderName::To, "<sip:conference@192.0.2.2>");
    solo.receive_text(&Solo::in_dialog(&dialog, "NOTIFY", 1, &headers));
    solo.next_response(200);
    let outcome = ReferOutcome::Succeeded;
    assert_eq!(solo.event(), Event::ReferEnded { refer, outcome });
}

/// J03 · RFC 3261 §22.3: a proxy asks by 407, and has its answer in the other field.
#[test]
fn a_proxy_is_answered_in_its_own_field() {
    let mut solo = alice();
    call(&mut solo, FACTORY);
    let first = solo.next_request(&Method::Invite);
    let unknown = "Digest realm=\"r\", nonce=\"n\", algorithm=SHA3-512, qop=\"auth\"";
    let challenge = Challenge::new("r", "n1", Algorithm::Sha256, false).to_string();
    let refusal = reply(&first, 407, "proxy")
        .with_header(HeaderName::ProxyAuthenticate, unknown)
        .with_header(HeaderName::ProxyAuthenticate, challenge);
    solo.receive(refusal.to_bytes());
    solo.next_request(&Method::Ack);
    let again = solo.next_request(&Method::Invite);
    assert_eq!(again.headers.count(&HeaderName::ProxyAuthorization), 1);
    assert_eq!(again.headers.count(&HeaderName::Authorization), 0);
    solo.answer(&again, 180);
    solo.receive(accepted(&again, "bob").to_bytes());
    let ack = solo.next_request(&Method::Ack);
    assert_eq!(ack.headers.count(&HeaderName::ProxyAuthorization), 1);
}
