//! A conference calls somebody because its creator says so: room, way, reports.

use std::net::SocketAddr;
use std::time::Duration;

use focus::DialRules;
use node::{Leftovers, Notice};
use sip::{HeaderName, Message, Method, Request, Response, StatusCode};

use crate::rig::{Caller, FACTORY, Rig, Setting, header, requests};

/// A node that may call anybody on loopback, with a conference whose creator is in it.
fn conference() -> (Rig, Caller, String) {
    with(Setting::default())
}

fn with(setting: Setting) -> (Rig, Caller, String) {
    let allow = vec!["127.0.0.0/8".parse().expect("a rule")];
    let mut rig =
        Rig::with(Setting { dial_out: DialRules { allow, ..DialRules::default() }, ..setting });
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    assert_eq!(rig.join(&mut alice, &uri).status.code(), 200);
    (rig, alice, uri)
}

/// The creator's REFER inside his dialog; the messages that it causes.
fn refer(rig: &mut Rig, alice: &mut Caller, uri: &str, refer_to: &str) -> Vec<Message> {
    alice.cseq += 1;
    alice.extra = format!("Refer-To: <{refer_to}>\r\n");
    let got = rig.receive(alice.address, &alice.request("REFER", uri));
    alice.extra.clear();
    got
}

fn status(messages: &[Message]) -> u16 {
    let first = messages.iter().find_map(|message| match message {
        Message::Response(response) => Some(response.status.code()),
        Message::Request(_) => None,
    });
    first.expect("an answer")
}

fn only(messages: Vec<Message>, method: &Method) -> Vec<Request> {
    requests(messages).into_iter().filter(|request| request.method == *method).collect()
}

const BOB: &str = "sip:bob@127.0.0.1:6002";

fn bob() -> SocketAddr {
    "127.0.0.1:6002".parse().expect("an address")
}

fn answer(request: &Request, status: u16) -> Response {
    let status = StatusCode::new(status).expect("a status");
    let response = Response::answering(request, status).with_to_tag("bobs");
    if request.method == Method::Invite && status.is_success() {
        let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                   m=audio 16002 RTP/AVP 0 8\r\n";
        return response
            .with_header(HeaderName::Contact, format!("<{BOB}>"))
            .with_body("application/sdp", sdp);
    }
    response
}

fn say(rig: &mut Rig, from: SocketAddr, response: &Response) -> Vec<Message> {
    rig.receive_bytes(from, &response.to_bytes())
}

/// Answers every NOTIFY with 200; gives the first lines of their bodies, once a NOTIFY.
fn take_reports(rig: &mut Rig, alice: &Caller, messages: Vec<Message>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut notifies = only(messages, &Method::Notify);
    notifies.dedup_by_key(|notify| notify.headers.cseq().expect("there").number);
    for notify in notifies {
        let body = String::from_utf8_lossy(&notify.body).into_owned();
        lines.push(body.lines().next().unwrap_or_default().to_owned());
        say(rig, alice.address, &answer(&notify, 200));
    }
    lines
}

/// B20, B21, C02, C04 · RFC 4579 §5.5
#[test]
fn the_creator_brings_somebody_in_and_nothing_is_left_afterwards() {
    let (mut rig, mut alice, uri) = conference();
    let got = refer(&mut rig, &mut alice, &uri, BOB);
    assert_eq!(status(&got), 200);
    let invite = only(got.clone(), &Method::Invite).remove(0);
    assert_eq!(take_reports(&mut rig, &alice, got), ["SIP/2.0 100 Trying"]);
    assert_eq!(rig.used_and_held(), (2, 2), "room before the call");
    let contact = invite.headers.contact().expect("readable").expect("there");
    assert_eq!((contact.uri.to_string(), contact.is_focus()), (uri.clone(), true));

    say(&mut rig, bob(), &answer(&invite, 180));
    let got = say(&mut rig, bob(), &answer(&invite, 200));
    assert_eq!(only(got, &Method::Ack).len(), 1);
    assert_eq!(rig.node.status(rig.now).conferences[0].legs.len(), 2);
    let got = rig.pass(Duration::from_secs(3));
    assert_eq!(take_reports(&mut rig, &alice, got), ["SIP/2.0 200 OK"]);

    rig.leave(&mut alice, &uri);
    let mut bob_in = Caller::new("bob", 2);
    bob_in.call_id = invite.headers.call_id().expect("there").to_owned();
    bob_in.from_tag = "bobs".to_owned();
    bob_in.to_tag = invite.headers.from_().expect("there").tag().map(str::to_owned);
    rig.leave(&mut bob_in, &uri);
    rig.pass(Duration::from_secs(40));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
    assert!(rig.notices.iter().any(|notice| matches!(notice, Notice::Calling { .. })));
}

/// RFC 3261 §13.2.2.4, §15: a 2xx that crosses the CANCEL ends the conference's last wait, not its duty: the copy of that
/// 2xx and one of another fork get an ACK, and the fork its BYE. Afterwards nothing is left.
#[test]
fn what_is_answered_after_the_end_is_acknowledged_and_hung_up() {
    let (mut rig, mut alice, uri) = conference();
    let got = refer(&mut rig, &mut alice, &uri, BOB);
    let invite = only(got.clone(), &Method::Invite).remove(0);
    take_reports(&mut rig, &alice, got);
    say(&mut rig, bob(), &answer(&invite, 180));
    rig.leave(&mut alice, &uri);
    let methods = |messages: Vec<Message>| -> Vec<Method> {
        let requests = requests(messages).into_iter();
        let mut methods: Vec<_> = requests.map(|request| request.method).collect();
        methods.retain(|method| *method != Method::Notify);
        methods
    };
    let ok = answer(&invite, 200);
    assert_eq!(methods(say(&mut rig, bob(), &ok)), [Method::Ack, Method::Bye]);
    assert_eq!(rig.node.leftovers().conferences, 0, "it is over");
    assert_eq!(methods(say(&mut rig, bob(), &ok)), [Method::Ack]);
    let fork = String::from_utf8(ok.to_bytes()).expect("text").replace("bobs", "fork");
    let got = rig.receive_bytes(bob(), fork.as_bytes());
    assert_eq!(methods(got), [Method::Ack, Method::Bye]);
    rig.pass(Duration::from_secs(70));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
    assert_eq!(methods(rig.receive_bytes(bob(), fork.as_bytes())), []);
}

/// B21: whoever does not come leaves nothing.
#[test]
fn who_refuses_gives_seat_and_port_back() {
    let (mut rig, mut alice, uri) = conference();
    let got = refer(&mut rig, &mut alice, &uri, BOB);
    let invite = only(got.clone(), &Method::Invite).remove(0);
    take_reports(&mut rig, &alice, got);
    let got = say(&mut rig, bob(), &answer(&invite, 486));
    assert_eq!(only(got, &Method::Ack).len(), 1);
    assert_eq!(rig.used_and_held(), (1, 3));
    let got = rig.pass(Duration::from_secs(2));
    assert_eq!(take_reports(&mut rig, &alice, got), ["SIP/2.0 486 Busy Here"]);
    let missed = |notice: &Notice| matches!(notice, Notice::NotReached { status: 486, .. });
    assert!(rig.notices.iter().any(missed));
    rig.leave(&mut alice, &uri);
    rig.pass(Duration::from_secs(40));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// A37 · RFC 7339 §5.5, §5.10: who is called says with his answer that he is overloaded. For as long as he said nobody calls him,
/// which the creator hears at once and the notices explain; seat and port are free again; then he is called as before.
#[test]
fn who_is_overloaded_is_not_called_for_as_long_as_he_says() {
    let (mut rig, mut alice, uri) = conference();
    let got = refer(&mut rig, &mut alice, &uri, BOB);
    let invite = only(got.clone(), &Method::Invite).remove(0);
    take_reports(&mut rig, &alice, got);
    let mut busy = answer(&invite, 486);
    let mut via = busy.headers.top_via().expect("a Via");
    assert_eq!((via.params.get("oc"), via.params.value("oc-algo")), (Some(None), Some("\"loss\"")));
    via.params.set("oc", Some("100"));
    via.params.set("oc-validity", Some("10000"));
    via.params.set("oc-seq", Some("1795400000.1"));
    busy.headers.set_top_via(&via);
    say(&mut rig, bob(), &busy);
    let got = rig.pass(Duration::from_secs(2));
    assert_eq!(take_reports(&mut rig, &alice, got), ["SIP/2.0 486 Busy Here"]);

    is_kept_back(&mut rig, &mut alice, (&uri, "sip:carol@127.0.0.1:6002"), "overloaded");
    let unsent = rig.node.figures().unsent;
    assert_eq!(unsent.of(sip::RequestUnsent::NextHopOverloaded), 1);

    // Another place has asked for nothing.
    let got = refer(&mut rig, &mut alice, &uri, "sip:dave@127.0.0.1:6003");
    let invite = only(got, &Method::Invite).remove(0);
    let dave = "127.0.0.1:6003".parse().expect("an address");
    say(&mut rig, dave, &answer(&invite, 486));
    rig.pass(Duration::from_secs(7));
    let got = refer(&mut rig, &mut alice, &uri, BOB);
    assert_eq!(only(got, &Method::Invite).len(), 1, "his time is over");
    rig.leave(&mut alice, &uri);
    rig.pass(Duration::from_secs(70));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// Whoever is to be called is not, which its creator hears at once, and why the log says in these words.
fn is_kept_back(rig: &mut Rig, alice: &mut Caller, (uri, target): (&str, &str), words: &str) {
    let got = refer(rig, alice, uri, target);
    assert!(only(got.clone(), &Method::Invite).is_empty(), "it is kept back");
    assert_eq!(rig.used_and_held(), (1, 3), "seat and port are free again");
    take_reports(rig, alice, got);
    let got = rig.pass(Duration::from_secs(2));
    assert_eq!(take_reports(rig, alice, got), ["SIP/2.0 503 Service Unavailable"]);
    let why = rig.notices.iter().rev().find_map(|notice| match notice {
        Notice::NotReached { status: 503, why, .. } => Some(why.as_str()),
        _ => None,
    });
    assert!(why.is_some_and(|why| why.contains(words)), "{why:?}");
}

/// A37 · RFC 7339 §5.9: who has not answered three calls in a row is not called again at once, which the creator need not wait 32 s to
/// hear; after some seconds he is tried, and when he answers he is called as ever.
#[test]
fn who_has_fallen_silent_is_called_again_after_a_pause() {
    let (mut rig, mut alice, uri) = conference();
    for n in 0..3 {
        let got = refer(&mut rig, &mut alice, &uri, BOB);
        assert_eq!(only(got.clone(), &Method::Invite).len(), 1, "{n}");
        take_reports(&mut rig, &alice, got);
        let got = rig.pass(Duration::from_secs(34));
        assert_eq!(take_reports(&mut rig, &alice, got), ["SIP/2.0 408 Request Timeout"]);
    }
    is_kept_back(&mut rig, &mut alice, (&uri, BOB), "has answered none");
    assert_eq!(rig.node.figures().unsent.of(sip::RequestUnsent::NextHopSilent), 1);

    rig.pass(Duration::from_secs(60));
    for n in 0..2 {
        let got = refer(&mut rig, &mut alice, &uri, BOB);
        let invite = only(got.clone(), &Method::Invite).pop().expect("he is tried again");
        take_reports(&mut rig, &alice, got);
        say(&mut rig, bob(), &answer(&invite, 486));
        let got = rig.pass(Duration::from_secs(2));
        assert_eq!(take_reports(&mut rig, &alice, got), ["SIP/2.0 486 Busy Here"], "{n}");
    }
    rig.leave(&mut alice, &uri);
    rig.pass(Duration::from_secs(70));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

#[test]
fn who_answers_nothing_is_given_up() {
    let (mut rig, mut alice, uri) = conference();
    let got = refer(&mut rig, &mut alice, &uri, BOB);
    take_reports(&mut rig, &alice, got);
    let got = rig.pass(Duration::from_secs(35));
    assert_eq!(take_reports(&mut rig, &alice, got), ["SIP/2.0 408 Request Timeout"]);
    assert_eq!(rig.used_and_held(), (1, 3));
}

/// RFC 3261 §9.1: a callee who has rung gets a CANCEL when the conference ends.
#[test]
fn the_end_of_the_conference_cancels_the_call() {
    let (mut rig, mut alice, uri) = conference();
    let got = refer(&mut rig, &mut alice, &uri, BOB);
    let invite = only(got, &Method::Invite).remove(0);
    say(&mut rig, bob(), &answer(&invite, 180));
    alice.cseq += 1;
    let got = rig.receive(alice.address, &alice.request("BYE", &uri));
    let cancel = only(got, &Method::Cancel).remove(0);
    say(&mut rig, bob(), &answer(&cancel, 200));
    say(&mut rig, bob(), &answer(&invite, 487));
    rig.pass(Duration::from_secs(40));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// B22, T33 · RFC 4579 §5.5
#[test]
fn a_refer_to_the_factory_is_refused_and_makes_no_conference() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    alice.extra = format!("Refer-To: <{BOB}>\r\n");
    let refused = rig.ask(alice.address, &alice.request("REFER", FACTORY));
    assert_eq!(refused.status.code(), 403);
    assert!(header(&refused, &HeaderName::Warning).expect("a reason").contains("302"));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// T31: no refusal keeps anything, and nobody steers who is not in.
#[test]
fn who_may_not_steer_gets_one_answer_and_nothing_is_kept() {
    let (mut rig, _, uri) = conference();
    let before = rig.node.leftovers();
    let mut eve = Caller::new("eve", 9);
    for refer_to in [BOB, "sip:alice@example.com;method=BYE", "tel:+19005551234"] {
        eve.cseq += 1;
        eve.extra = format!("Refer-To: <{refer_to}>\r\n");
        assert_eq!(rig.ask(eve.address, &eve.request("REFER", &uri)).status.code(), 403);
    }
    assert_eq!(rig.node.leftovers(), before);
    // Held, and nobody in it.
    let frank = Caller::new("frank", 5);
    let held = rig.conference(&frank);
    eve.cseq += 1;
    assert_eq!(rig.ask(eve.address, &eve.request("REFER", &held)).status.code(), 480);
}

/// What has no rule, no room or no way.
#[test]
fn what_cannot_be_called_is_said() {
    let (mut rig, mut alice, uri) = conference();
    assert_eq!(status(&refer(&mut rig, &mut alice, &uri, "sip:bob@192.0.2.1")), 403);
    for refer_to in ["sip:bob@127.0.0.1;transport=tls", "sips:bob@127.0.0.1"] {
        let got = refer(&mut rig, &mut alice, &uri, refer_to);
        assert_eq!(status(&got), 200);
        take_reports(&mut rig, &alice, got);
        let got = rig.pass(Duration::from_secs(2));
        assert_eq!(take_reports(&mut rig, &alice, got), ["SIP/2.0 503 Service Unavailable"]);
    }
    assert_eq!(rig.used_and_held(), (1, 3));
    let legs_max = Some(1);
    let setting = Setting::default();
    let factory = focus::factory::FactoryConfig { legs_max, expect: 1, ..setting.factory.clone() };
    let (mut rig, mut alice, uri) = with(Setting { factory, ..setting });
    let got = refer(&mut rig, &mut alice, &uri, BOB);
    assert_eq!(only(got.clone(), &Method::Invite).len(), 0);
    take_reports(&mut rig, &alice, got);
    let got = rig.pass(Duration::from_secs(2));
    assert_eq!(take_reports(&mut rig, &alice, got), ["SIP/2.0 486 Busy Here"]);
}

/// B25 · RFC 4579 §5.7: who is referred calls the conference himself; his reports, if he sends any, are not taken.
#[test]
fn the_conference_refers_somebody_to_itself() {
    let (mut rig, mut alice, uri) = conference();
    let to_itself = uri.replace('@', "%40");
    let refer_to = format!("{BOB};method=REFER?Refer-To={to_itself}");
    let got = refer(&mut rig, &mut alice, &uri, &refer_to);
    let refer = only(got.clone(), &Method::Refer).remove(0);
    assert_eq!(take_reports(&mut rig, &alice, got), ["SIP/2.0 100 Trying"]);
    assert_eq!(refer.headers.refer_to().expect("there").uri.to_string(), uri);
    say(&mut rig, bob(), &answer(&refer, 202));
    let got = rig.pass(Duration::from_secs(2));
    assert_eq!(take_reports(&mut rig, &alice, got), ["SIP/2.0 202 Accepted"]);
    let mut bob_in = Caller::new("bob", 2);
    assert_eq!(rig.join(&mut bob_in, &uri).status.code(), 200);
    rig.leave(&mut alice, &uri);
    rig.leave(&mut bob_in, &uri);
    rig.pass(Duration::from_secs(40));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// T32: nobody is rung again and again, whichever conferences it is for.
#[test]
fn one_target_is_called_so_often_a_minute_and_no_more() {
    let (mut rig, mut alice, uri) = conference();
    let mut called = 0;
    let other_ways = ["sip:b%6fb@127.0.0.1:6002", "sip:%62ob@127.0.0.1:6002;x=y", BOB];
    for name in other_ways.into_iter().cycle().take(10) {
        let got = refer(&mut rig, &mut alice, &uri, name);
        for invite in only(got, &Method::Invite) {
            called += 1;
            say(&mut rig, bob(), &answer(&invite, 486));
        }
    }
    assert_eq!(called, 6);
    rig.pass(Duration::from_secs(61));
    let got = refer(&mut rig, &mut alice, &uri, BOB);
    assert_eq!(only(got, &Method::Invite).len(), 1);
}

/// RFC 4538: a caller's dialog, as he names it.
fn names(caller: &Caller) -> String {
    let own = caller.request("OPTIONS", FACTORY);
    let call_id = own.lines().find_map(|line| line.strip_prefix("Call-ID: ")).expect("one");
    let tag = own.lines().find(|line| line.starts_with("From: ")).expect("one");
    let (_, tag) = tag.split_once(";tag=").expect("a tag");
    let theirs = caller.to_tag.as_deref().expect("a dialog");
    format!("Target-Dialog: {call_id};remote-tag={tag};local-tag={theirs}\r\n")
}

/// T33 · RFC 3261 §8.2.2.2: one REFER by two ways calls once.
#[test]
fn a_refer_that_comes_by_two_ways_is_followed_once() {
    let (mut rig, mut alice, uri) = conference();
    let mut outside = alice.clone();
    outside.to_tag = None;
    outside.call_id = "outside".to_owned();
    outside.extra = format!("Refer-To: <{BOB}>\r\n{}", names(&alice));
    let got = rig.receive(outside.address, &outside.request("REFER", &uri));
    assert_eq!((status(&got), only(got, &Method::Invite).len()), (200, 1));
    outside.rebranch();
    assert_eq!(rig.ask(outside.address, &outside.request("REFER", &uri)).status.code(), 482);
    rig.leave(&mut alice, &uri);
}

/// C16 · RFC 6665 §4.2.1.1: SUBSCRIBE to what is not served.
#[test]
fn subscriptions_to_unknown_packages_are_refused_with_what_is_known() {
    let (mut rig, _, uri) = conference();
    let mut eve = Caller::new("eve", 9);
    eve.extra = "Event: presence\r\n".to_owned();
    let refused = rig.ask(eve.address, &eve.request("SUBSCRIBE", &uri));
    assert_eq!(refused.status.code(), 489);
    assert!(header(&refused, &HeaderName::AllowEvents).expect("there").contains("refer"));
}
