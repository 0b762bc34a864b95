use std::time::Duration;

use sip::digest::{Account, Algorithm, Challenge, Credentials, Password};
use sip::{HeaderName, Method, Request, Response};

use crate::config::UaConfig;
use crate::event::{Event, How, Refusal};
use crate::testing::{ALICE, Solo, accepted, config, media, reply, udp_at, uri};
use crate::{CallOptions, RegisterConfig, RegisterFailure, RegistrationNews};

fn settings() -> UaConfig {
    let register =
        RegisterConfig { registrar: uri("sip:192.0.2.2"), aor: uri("sip:alice@192.0.2.2") };
    UaConfig { register: Some(register), ..config("alice", ALICE) }
}

/// Registers at the start; the first REGISTER.
fn begun(settings: UaConfig) -> (Solo, Request) {
    let mut solo = Solo::with(settings);
    solo.run_until_ms(0);
    let register = solo.next_request(&Method::Register);
    (solo, register)
}

fn expires(request: &Request) -> u32 {
    request.headers.expires().expect("Expires").expect("there")
}

fn cseq(request: &Request) -> u32 {
    request.headers.cseq().expect("CSeq").number
}

fn listed(request: &Request, seconds: u32) -> Response {
    let others = "<sip:alice@198.51.100.9>;expires=7";
    let ours = format!("<sip:alice@192.0.2.1:5060>;q=0.5;expires={seconds}");
    reply(request, 200, "r")
        .with_header(HeaderName::Contact, others)
        .with_header(HeaderName::Contact, ours)
        .with_header(HeaderName::Expires, "9")
}

fn news(solo: &mut Solo) -> RegistrationNews {
    match solo.event() {
        Event::Registration(news) => news,
        other => panic!("{other:?}"),
    }
}

/// RFC 3261 §10.2, §10.2.4: to the domain, for the address-of-record, with one Call-ID and a number that
/// rises; and again before our own binding, of all that are listed, runs out.
#[test]
fn a_binding_is_asked_for_at_once_and_refreshed_before_it_ends() {
    let (mut solo, first) = begun(settings());
    assert_eq!(first.uri, uri("sip:192.0.2.2"));
    let header = |name| first.headers.get(&name).expect("there").text().into_owned();
    assert_eq!(header(HeaderName::To), "<sip:alice@192.0.2.2>");
    assert!(header(HeaderName::From).starts_with("<sip:alice@192.0.2.2>;tag="));
    assert_eq!(header(HeaderName::Contact), "<sip:alice@192.0.2.1:5060>");
    assert_eq!((cseq(&first), expires(&first)), (1, 300));
    solo.receive(listed(&first, 120).to_bytes());
    let aor = uri("sip:alice@192.0.2.2");
    assert_eq!(news(&mut solo), RegistrationNews::Up { aor, seconds: 120 });
    assert!(solo.ua.is_quiet(), "nobody waits for what only goes on");

    solo.run_until_ms(79_999);
    solo.sent_nothing();
    solo.run_until_ms(80_000);
    let second = solo.next_request(&Method::Register);
    assert_eq!(second.headers.call_id(), first.headers.call_id());
    assert_eq!(cseq(&second), 2);
    solo.receive(listed(&second, 20).to_bytes());
    assert!(solo.take_events().is_empty(), "a refresh is no news");
    solo.run_until_ms(90_000);
    assert_eq!(cseq(&solo.next_request(&Method::Register)), 3, "a short one at its half");
}

/// RFC 3261 §10.2.8: 423 names the least time; it is asked for at once, and only if it makes sense.
#[test]
fn a_longer_time_is_asked_for_where_the_registrar_wants_it() {
    let brief = |request: &Request, least: &str| {
        reply(request, 423, "r").with_header(HeaderName::MinExpires, least).to_bytes()
    };
    let (mut solo, first) = begun(settings());
    solo.receive(brief(&first, "600"));
    let second = solo.next_request(&Method::Register);
    assert_eq!((cseq(&second), expires(&second)), (2, 600));
    assert!(solo.take_events().is_empty());
    for nonsense in ["600", "60", "x", "99999999999"] {
        let (mut solo, first) = begun(settings());
        solo.receive(brief(&first, "600"));
        let second = solo.next_request(&Method::Register);
        solo.receive(brief(&second, nonsense));
        let RegistrationNews::Failed { why, .. } = news(&mut solo) else { panic!("{nonsense}") };
        assert_eq!(why, RegisterFailure::NoInterval);
        solo.sent_nothing();
    }
}

/// J07 · RFC 3261 §22.2: REGISTER with proof has the next number, and refreshes bring proof by themselves
/// with the nonce that is known, counted up.
#[test]
fn a_challenged_registration_is_proved_and_its_nonce_used_again() {
    let account = Account {
        user: "alice".to_owned(),
        password: Password::new("secret"),
        realm: None,
        hosts: vec!["192.0.2.2".parse().expect("a host")],
    };
    let (mut solo, first) = begun(UaConfig { credentials: vec![account], ..settings() });
    let challenge = Challenge::new("r", "n1", Algorithm::Sha256, false).to_string();
    let refusal = reply(&first, 401, "r").with_header(HeaderName::WwwAuthenticate, challenge);
    solo.receive(refusal.to_bytes());
    let proved = solo.next_request(&Method::Register);
    let count = |request: &Request| {
        let field = request.headers.get(&HeaderName::Authorization).expect("proof");
        let credentials: Credentials = field.text().parse().expect("credentials");
        assert_eq!(credentials.uri, "sip:192.0.2.2");
        credentials.count.expect("a count").number
    };
    assert_eq!((cseq(&proved), count(&proved)), (2, 1));
    solo.receive(listed(&proved, 120).to_bytes());
    assert!(matches!(news(&mut solo), RegistrationNews::Up { .. }));
    solo.run_until_ms(80_000);
    let again = solo.next_request(&Method::Register);
    assert_eq!((cseq(&again), count(&again)), (3, 2));
}

/// RFC 5626 §4.5: tried again after a while, the longer the more often it failed, half an hour at most,
/// never before a Retry-After.
#[test]
fn a_refused_registration_is_tried_again_ever_more_rarely() {
    let (mut solo, mut register) = begun(settings());
    let mut waits = Vec::new();
    for _ in 0..9 {
        solo.receive(reply(&register, 403, "r").to_bytes());
        let RegistrationNews::Failed { why, again_in } = news(&mut solo) else { panic!("failed") };
        assert!(
            matches!(why, RegisterFailure::Refused(Refusal { status, .. }) if status.code() == 403)
        );
        assert_eq!(why.advice(), "this user may not register that address");
        let due = solo.now + again_in;
        solo.run_until_ms(due.as_millis() - 1);
        solo.sent_nothing();
        solo.run_until_ms(due.as_millis() + 1);
        register = solo.next_request(&Method::Register);
        waits.push(again_in.as_secs());
    }
    for (wait, whole) in waits.iter().zip([30, 60, 120, 240, 480, 960, 1_800, 1_800, 1_800]) {
        assert!((whole / 2..=whole).contains(wait), "{waits:?}");
    }
    let busy = reply(&register, 503, "r").with_header(HeaderName::RetryAfter, "1799");
    solo.receive(busy.to_bytes());
    let RegistrationNews::Failed { again_in, .. } = news(&mut solo) else { panic!("failed") };
    assert!(again_in >= Duration::from_secs(1_799));
}

/// RFC 3261 §8.1.3.1: no answer in 64*T1 is a failure, and so is a host without an address.
#[test]
fn a_mute_or_unknown_registrar_is_told() {
    let (mut solo, _) = begun(settings());
    solo.run_until_ms(32_000);
    let RegistrationNews::Failed { why, .. } = news(&mut solo) else { panic!("failed") };
    assert_eq!(
        (why.clone(), why.advice()),
        (RegisterFailure::NoAnswer, "is the registrar's address right?")
    );

    let register = RegisterConfig {
        registrar: uri("sip:registrar.example"),
        aor: uri("sip:alice@registrar.example"),
    };
    let mut solo = Solo::with(UaConfig { register: Some(register), ..config("alice", ALICE) });
    solo.run_until_ms(0);
    let (late, host, _) = solo.lookups.remove(0);
    assert_eq!(host, "registrar.example");
    solo.run_until_ms(180_000);
    let RegistrationNews::Failed { why, again_in } = news(&mut solo) else { panic!("failed") };
    assert_eq!(why, RegisterFailure::NoAnswer, "the resolver never said anything");
    solo.run(|ua, now| ua.resolved(now, late, &[udp_at("192.0.2.9:5060".parse().expect("one"))]));
    solo.sent_nothing();
    solo.run_until_ms(180_001 + u64::try_from(again_in.as_millis()).expect("short"));
    let (id, ..) = solo.lookups.remove(0);
    solo.run(|ua, now| ua.resolved(now, id, &[]));
    let RegistrationNews::Failed { why, .. } = news(&mut solo) else { panic!("failed") };
    assert_eq!(why, RegisterFailure::Unreachable);
}

/// RFC 3261 §10.2.2: taken out with Expires 0 for our own Contact alone, after what is under way
/// (§10.2), and waited for no longer than 3 s.
#[test]
fn at_the_end_our_own_binding_is_taken_out() {
    let (mut solo, first) = begun(settings());
    solo.run(|ua, now| ua.unregister(now));
    solo.sent_nothing();
    assert!(!solo.ua.is_quiet());
    solo.receive(listed(&first, 120).to_bytes());
    let last = solo.next_request(&Method::Register);
    assert_eq!((cseq(&last), expires(&last)), (2, 0));
    assert!(last.headers.contact().expect("Contact").is_some(), "never `*`: others are there");
    solo.take_events();
    solo.receive(reply(&last, 200, "r").to_bytes());
    assert_eq!(news(&mut solo), RegistrationNews::Gone);
    assert!(solo.ua.is_quiet());
    solo.run_until_ms(600_000);
    solo.sent_nothing();

    let (mut solo, first) = begun(settings());
    solo.receive(listed(&first, 120).to_bytes());
    solo.take_events();
    solo.run(|ua, now| ua.unregister(now));
    solo.run_until_ms(2_999);
    assert!(!solo.ua.is_quiet());
    solo.run_until_ms(3_000);
    assert_eq!(news(&mut solo), RegistrationNews::Gone);
    assert!(solo.ua.is_quiet());

    let (mut solo, first) = begun(settings());
    solo.receive(reply(&first, 403, "r").to_bytes());
    solo.take_events();
    solo.run(|ua, now| ua.unregister(now));
    assert!(solo.ua.is_quiet() && solo.take_events().is_empty(), "there was nothing to take out");
    solo.sent_nothing();
}

/// RFC 3261 §10.2.2: a refresh that failed leaves the binding before it: who goes then takes that out. Not once it has
/// run out.
#[test]
fn who_goes_after_a_failed_refresh_takes_himself_out() {
    for (waits_ms, is_bound) in [(0, true), (50_000, false)] {
        let (mut solo, first) = begun(settings());
        solo.receive(listed(&first, 120).to_bytes());
        solo.take_events();
        solo.run_until_ms(80_000);
        let refresh = solo.next_request(&Method::Register);
        let busy = reply(&refresh, 503, "r").with_header(HeaderName::RetryAfter, 600);
        solo.receive(busy.to_bytes());
        assert!(matches!(news(&mut solo), RegistrationNews::Failed { .. }));
        solo.run_until_ms(80_000 + waits_ms);
        solo.run(|ua, now| ua.unregister(now));
        if !is_bound {
            solo.sent_nothing();
            continue;
        }
        let last = solo.next_request(&Method::Register);
        assert_eq!(last.headers.expires().expect("Expires"), Some(0));
        assert!(!solo.ua.is_quiet());
        solo.receive(reply(&last, 200, "r").to_bytes());
        assert_eq!(news(&mut solo), RegistrationNews::Gone);
        assert!(solo.ua.is_quiet());
    }
}

/// RFC 3261 §8.1.2: with an outbound proxy everything outside a dialog goes there with it in Route, and
/// still says whom it is for; also after a redirection, and the CANCEL and the ACK of a refusal
/// (§9.1, §17.1.1.3). A dialog has a route of its own.
#[test]
fn all_calls_go_by_the_proxy() {
    const PROXY: &str = "192.0.2.5:5080";
    let proxied = UaConfig { proxy: Some(uri("sip:192.0.2.5:5080")), ..config("alice", ALICE) };
    let mut solo = Solo::with(proxied);
    let target = uri("sip:conference@example.com");
    let options = || CallOptions::new(media(20_000));
    solo.run(|ua, now| ua.call(now, &target, options())).expect("called");
    let via_proxy = |solo: &mut Solo, method: &Method| {
        assert_eq!(solo.sent[0].1, PROXY);
        let request = solo.next_request(method);
        let route = request.headers.get(&HeaderName::Route).expect("Route").text().into_owned();
        assert_eq!(route, "<sip:192.0.2.5:5080;lr>");
        assert_eq!(request.headers.count(&HeaderName::Route), 1);
        request
    };
    let invite = via_proxy(&mut solo, &Method::Invite);
    assert_eq!(invite.uri, target);
    let moved =
        reply(&invite, 302, "f").with_header(HeaderName::Contact, "<sip:conf-1@192.0.2.2>;isfocus");
    solo.receive_from(PROXY, moved.to_bytes());
    let ack = via_proxy(&mut solo, &Method::Ack);
    assert_eq!(ack.uri, target);
    let second = via_proxy(&mut solo, &Method::Invite);
    assert_eq!(second.uri, uri("sip:conf-1@192.0.2.2"));
    solo.receive_from(PROXY, accepted(&second, "bob").to_bytes());
    assert_eq!(solo.sent[0].1, "192.0.2.2:5060", "no Record-Route: straight to the Contact");
    assert_eq!(solo.next_request(&Method::Ack).headers.count(&HeaderName::Route), 0);

    let (bob, conference) = (uri("sip:bob@example.com"), uri("sip:conf-1@192.0.2.2"));
    solo.run(|ua, now| ua.refer(now, &bob, &conference, How::Outside)).expect("referred");
    assert_eq!(via_proxy(&mut solo, &Method::Refer).uri, bob);
    let call = solo.run(|ua, now| ua.call(now, &bob, options())).expect("called");
    let invite = via_proxy(&mut solo, &Method::Invite);
    solo.receive_from(PROXY, reply(&invite, 180, "b").to_bytes());
    solo.run(|ua, now| ua.hangup(now, call));
    via_proxy(&mut solo, &Method::Cancel);
}

/// Who is registered calls as whom others know, and REFERs name him so.
#[test]
fn calls_come_from_the_registered_address() {
    let (mut solo, _) = begun(settings());
    solo.run(|ua, now| ua.call(now, &uri("sip:bob@192.0.2.2"), CallOptions::new(media(20_000))))
        .expect("called");
    let invite = solo.next_request(&Method::Invite);
    assert_eq!(invite.headers.from_().expect("From").uri, uri("sip:alice@192.0.2.2"));
    let contact = invite.headers.contact().expect("Contact").expect("there");
    assert_eq!(contact.uri, uri("sip:alice@192.0.2.1:5060"));
    let (bob, conference) = (uri("sip:bob@192.0.2.2"), uri("sip:conf-1@192.0.2.2"));
    solo.run(|ua, now| ua.refer(now, &bob, &conference, How::Outside)).expect("referred");
    let refer = solo.next_request(&Method::Refer);
    let by = refer.headers.referred_by().expect("Referred-By").expect("there");
    assert_eq!(by.uri, uri("sip:alice@192.0.2.2"));
}
