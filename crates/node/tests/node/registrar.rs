//! The lab registrar: who is registered for how long, and what is sent on to him (RFC 3261 §10.3, §16.11).

use std::net::SocketAddr;
use std::time::Duration;

use node::{Leftovers, Notice};
use sip::{Contacts, HeaderName, Message, Packet, Request, Response, StatusCode, Transport, Via};

use crate::auth;
use crate::rig::{Caller, FACTORY, NODE, Rig, Setting, header};

const DOMAIN: &str = "sip:example.com";

fn rig() -> Rig {
    Rig::new().with_lab_registrar()
}

fn rig_with_users() -> Rig {
    auth::rig(auth::config()).with_lab_registrar()
}

/// A phone's REGISTER; `contacts` are whole header lines.
fn register(phone: &Caller, contacts: &str) -> String {
    let own = format!("Contact: <sip:{}@{}>\r\n", phone.name, phone.address);
    let to = format!("To: <{DOMAIN}>");
    let aor = format!("To: <sip:{}@example.com>", phone.name);
    phone.request("REGISTER", DOMAIN).replace(&own, contacts).replace(&to, &aor)
}

fn own_contact(phone: &Caller, seconds: u32) -> String {
    format!("Contact: <sip:{}@{}>;expires={seconds}\r\n", phone.name, phone.address)
}

fn registered(rig: &mut Rig, phone: &mut Caller, contacts: &str) -> Vec<(String, String)> {
    phone.cseq += 1;
    let response = rig.ask(phone.address, &register(phone, contacts));
    assert_eq!(response.status.code(), 200, "{response:?}");
    listed(&response)
}

/// The Contacts of a 200, each with its time.
fn listed(response: &Response) -> Vec<(String, String)> {
    let Ok(Contacts::List(contacts)) = response.headers.contacts() else { panic!("{response:?}") };
    let one = |contact: sip::NameAddr| {
        (contact.uri.to_string(), contact.params.value("expires").expect("a time").to_owned())
    };
    contacts.into_iter().map(one).collect()
}

fn status_of(rig: &mut Rig, phone: &mut Caller, contacts: &str) -> u16 {
    phone.cseq += 1;
    rig.ask(phone.address, &register(phone, contacts)).status.code()
}

fn phones(rig: &Rig) -> Vec<(String, String, u64)> {
    let status = rig.node.status(rig.now).registrar.expect("a registrar");
    let one = |phone: node::PhoneStatus| (phone.user, phone.contact, phone.seconds_left);
    status.phones.into_iter().map(one).collect()
}

fn bob() -> (Caller, String) {
    let bob = Caller::new("bob", 7);
    let contact = format!("sip:bob@{}", bob.address);
    (bob, contact)
}

/// The only message since, and where it went.
fn sent_on(rig: &mut Rig, from: SocketAddr, text: &str) -> (SocketAddr, Message) {
    let before = rig.sent.len();
    let mut got = rig.receive(from, text);
    assert_eq!(got.len(), 1, "{got:#?} to {text}");
    (rig.sent[before].1.path.remote, got.remove(0))
}

fn request_on(rig: &mut Rig, from: SocketAddr, text: &str) -> (SocketAddr, Request) {
    match sent_on(rig, from, text) {
        (to, Message::Request(request)) => (to, request),
        (_, Message::Response(response)) => panic!("{response:?} to {text}"),
    }
}

fn vias(message: &Request) -> Vec<Via> {
    message.headers.vias().expect("Vias")
}

/// RFC 3261 §10.3: bound, shown with its time, refreshed, taken out, or run out; a copy changes nothing,
/// and what is older than what was done is refused.
#[test]
fn a_phone_is_registered_for_its_time() {
    let mut rig = rig();
    let (mut bob, contact) = bob();
    let first = register(&bob, &own_contact(&bob, 60));
    let bound = vec![(contact.clone(), "60".to_owned())];
    assert_eq!(listed(&rig.ask(bob.address, &first)), bound);
    rig.pass(Duration::from_secs(10));
    assert_eq!(listed(&rig.ask(bob.address, &first))[0].1, "50", "a copy refreshes nothing");
    assert_eq!(registered(&mut rig, &mut bob, ""), [(contact.clone(), "50".to_owned())]);
    let own = own_contact(&bob, 90);
    assert_eq!(registered(&mut rig, &mut bob, &own), [(contact.clone(), "90".to_owned())]);
    assert_eq!(rig.ask(bob.address, &first).status.code(), 500, "out of order");
    assert_eq!(phones(&rig), [("bob".to_owned(), contact.clone(), 90)]);
    rig.pass(Duration::from_secs(89));
    assert_eq!(phones(&rig).len(), 1);
    rig.pass(Duration::from_secs(1));
    assert_eq!(phones(&rig), []);

    assert_eq!(registered(&mut rig, &mut bob, &own).len(), 1);
    let out = own_contact(&bob, 0);
    assert_eq!(registered(&mut rig, &mut bob, &out), []);
    let told = |notice: &Notice| match notice {
        Notice::PhoneRegistered { user, .. } => Some(format!("+{user}")),
        Notice::PhoneGone { user, cause, .. } => Some(format!("-{user}: {cause}")),
        _ => None,
    };
    let told: Vec<String> = rig.notices.iter().filter_map(told).collect();
    let late = "-bob: it did not register again in time";
    assert_eq!(told, ["+bob", late, "+bob", "-bob: it was taken out"]);
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// RFC 3261 §10.2.1.1, §10.2.2, §10.3: several Contacts; too short a time is answered with the least;
/// the oldest goes when there is one more; `*` takes all out, and nothing else.
#[test]
fn several_contacts_and_times_have_their_bounds() {
    let mut rig = rig();
    let (mut bob, _) = bob();
    let at = |number: u32| format!("Contact: <sip:bob@192.0.2.{number}>\r\n");
    let two =
        format!("{}{}Expires: 40\r\n", at(1), "Contact: <sip:bob@192.0.2.2>;expires=9999\r\n");
    let times = |listed: Vec<(String, String)>| {
        listed.into_iter().map(|(_, time)| time).collect::<Vec<_>>()
    };
    assert_eq!(times(registered(&mut rig, &mut bob, &two)), ["40", "3600"]);
    assert_eq!(times(registered(&mut rig, &mut bob, &at(3)))[2], "300", "nothing was said");
    bob.cseq += 1;
    let brief = rig.ask(bob.address, &register(&bob, &format!("{}Expires: 29\r\n", at(4))));
    assert_eq!(brief.status.code(), 423);
    assert_eq!(header(&brief, &HeaderName::MinExpires).as_deref(), Some("30"));
    registered(&mut rig, &mut bob, &at(4));
    let uris: Vec<String> =
        registered(&mut rig, &mut bob, &at(5)).into_iter().map(|(uri, _)| uri).collect();
    assert_eq!(uris, [2, 3, 4, 5].map(|number| format!("sip:bob@192.0.2.{number}")));
    let five: String = (1..=5).map(at).collect();
    assert_eq!(status_of(&mut rig, &mut bob, &five), 403);
    assert_eq!(status_of(&mut rig, &mut bob, "Contact: *\r\n"), 400);
    assert_eq!(status_of(&mut rig, &mut bob, "Contact: *\r\nExpires: 60\r\n"), 400);
    assert_eq!(registered(&mut rig, &mut bob, "Contact: *\r\nExpires: 0\r\n"), []);
    let long = format!("Contact: <sip:bob@192.0.2.1;x={}>\r\n", "x".repeat(256));
    for odd in [long.as_str(), "Contact: <tel:+1>\r\n", "Contact: <sips:bob@192.0.2.1>\r\n"] {
        assert_eq!(status_of(&mut rig, &mut bob, odd), 403, "{odd}");
    }
    bob.extra = "Require: path\r\n".to_owned();
    assert_eq!(status_of(&mut rig, &mut bob, &at(1)), 420);
}

/// A20 · RFC 3261 §8.2.1, §10.3: 405 where there is no registrar; where there is one, it is for its own
/// domain, and for names that are nobody else's.
#[test]
fn a_registrar_is_one_for_its_own_names_only() {
    let (mut bob, _) = bob();
    let own = own_contact(&bob, 60);
    let answer = Rig::new().ask(bob.address, &register(&bob, &own));
    assert_eq!(answer.status.code(), 405);
    assert!(header(&answer, &HeaderName::Allow).is_some());

    let mut rig = rig();
    let text = register(&bob, &own);
    let elsewhere = text.replace("REGISTER sip:example.com", "REGISTER sip:elsewhere.example");
    let foreign = text.replace("bob@example.com>\r\nCall", "bob@elsewhere.example>\r\nCall");
    let nobody = text.replace("To: <sip:bob@example.com>", "To: <sip:example.com>");
    for other in [elsewhere, foreign, nobody] {
        assert_ne!(other, text);
        assert_eq!(rig.ask(bob.address, &other).status.code(), 404, "{other}");
    }
    for name in ["conference", "9000", "conf-aaaaaaaa"] {
        let mut taken = bob.clone();
        taken.name = name.to_owned();
        let own = own_contact(&taken, 60);
        assert_eq!(status_of(&mut rig, &mut taken, &own), 404, "{name}");
    }
    assert_eq!(rig.ask(NODE, &text).status.code(), 403, "we do not call ourselves");
    assert_eq!(phones(&rig), []);
    assert_eq!(registered(&mut rig, &mut bob, &own).len(), 1);
}

/// RFC 3261 §16.6, §16.11: to where the phone registered from, with its Contact as Request-URI and our
/// Via on top; a copy, the CANCEL and the ACK to a refusal go the same way; answers go back, and
/// nothing is kept.
#[test]
fn requests_go_on_to_the_phone_and_answers_back() {
    let mut rig = rig();
    let (mut bob, contact) = bob();
    let own = own_contact(&bob, 60).replace("127.0.0.1", "192.0.2.99");
    registered(&mut rig, &mut bob, &own);
    let mut alice = Caller::new("alice", 1);
    alice.extra = "Route: <sip:127.0.0.1:5060;lr>\r\n".to_owned();
    let invite = alice.invite("sip:bob@example.com");
    let (to, first) = request_on(&mut rig, alice.address, &invite);
    assert_eq!(to, bob.address, "not where the Contact says");
    assert_eq!(first.uri.to_string(), contact.replace("127.0.0.1", "192.0.2.99"));
    assert_eq!(first.headers.max_forwards(), Ok(Some(69)));
    for gone in [HeaderName::RecordRoute, HeaderName::Route] {
        assert_eq!(first.headers.count(&gone), 0);
    }
    let [ours, theirs] = &vias(&first)[..] else { panic!("{first:?}") };
    assert_eq!((ours.host.as_str(), ours.port), ("127.0.0.1", Some(5060)));
    assert_eq!(theirs.branch(), Some("z9hG4bK-alice-INVITE-1-1"));

    let (_, copy) = request_on(&mut rig, alice.address, &invite);
    assert_eq!(vias(&copy)[0].branch(), ours.branch());
    let cancel = alice.request("CANCEL", "sip:bob@example.com").replace("-CANCEL-", "-INVITE-");
    let ack = alice.request("ACK", "sip:bob@example.com").replace("-ACK-", "-INVITE-");
    for (text, method) in [(cancel, "CANCEL"), (ack, "ACK")] {
        let (to, request) = request_on(&mut rig, alice.address, &text);
        assert_eq!((to, request.method.as_str()), (bob.address, method));
        assert_eq!(vias(&request)[0].branch(), ours.branch(), "{method}");
    }
    alice.cseq += 1;
    let (_, next) = request_on(&mut rig, alice.address, &alice.invite("sip:bob@example.com"));
    assert_ne!(vias(&next)[0].branch(), ours.branch());

    for status in [StatusCode::TRYING, StatusCode::RINGING, StatusCode::OK] {
        let answer = Response::answering(&first, status).with_to_tag("b");
        let (to, message) = sent_on(&mut rig, bob.address, &text_of(&answer));
        let Message::Response(back) = message else { panic!("an answer") };
        assert_eq!((to, back.status), (alice.address, status));
        let [only] = &back.headers.vias().expect("Vias")[..] else { panic!("{back:?}") };
        assert_eq!(only.branch(), theirs.branch());
    }
    let relayed = rig.node.status(rig.now).registrar.expect("one").relayed;
    assert_eq!((relayed.requests, relayed.answers, relayed.stray_answers), (5, 3, 0));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
    assert_eq!(rig.pass(Duration::from_secs(40)), []);
}

fn text_of(response: &Response) -> String {
    String::from_utf8(response.to_bytes()).expect("text")
}

/// T20: nobody can have an answer sent anywhere that he was not asked for.
#[test]
fn answers_to_nothing_are_dropped_and_counted() {
    let mut rig = rig();
    let (mut bob, _) = bob();
    let own = own_contact(&bob, 60);
    registered(&mut rig, &mut bob, &own);
    let alice = Caller::new("alice", 1);
    let (_, invite) = request_on(&mut rig, alice.address, &alice.invite("sip:bob@example.com"));
    let good = text_of(&Response::answering(&invite, StatusCode::OK).with_to_tag("b"));
    let back = vias(&invite)[0].params.value("convoke-back").expect("where to").to_owned();
    let victim = back.replace("7f000001-1771", "c0000201-1771");
    assert_ne!(victim, back);
    let forged = [
        good.replace(&back, &victim),
        good.replace("call-alice-1", "call-alice-2"),
        good.replace("tag-alice", "tag-other"),
        good.replace("CSeq: 1", "CSeq: 2"),
        good.replace("-INVITE-1-1", "-INVITE-1-2"),
        good.replace("relay-", "relay-0"),
        good.replace("convoke-back", "convoke-beck"),
    ];
    for text in &forged {
        assert_ne!(*text, good);
        assert_eq!(rig.receive(bob.address, text), [], "{text}");
    }
    let relayed = rig.node.status(rig.now).registrar.expect("one").relayed;
    assert_eq!((relayed.answers, relayed.stray_answers), (0, 7));
}

/// RFC 3261 §16.3: what may not be sent on is answered, each with its own status; no request goes by us
/// twice, and none goes on to others than our phones.
#[test]
fn what_cannot_be_sent_on_is_refused() {
    let mut rig = rig();
    let (mut bob, contact) = bob();
    let own = own_contact(&bob, 60);
    registered(&mut rig, &mut bob, &own);
    let mut alice = Caller::new("alice", 1);
    let target = "sip:bob@example.com";
    let (_, once) = request_on(&mut rig, alice.address, &alice.invite(target));
    let our_via = format!("Via: {}\r\n", vias(&once)[0]);
    let text = alice.invite(target);
    let cases = [
        (text.replace("Max-Forwards: 70", "Max-Forwards: 0"), 483),
        (text.replace("From:", &format!("{our_via}From:")), 482),
        (text.replace("From:", "Proxy-Require: foo\r\nFrom:"), 420),
        (text.replace("From:", "Route: <sip:elsewhere.example;lr>\r\nFrom:"), 403),
        (alice.invite("sip:carol@example.com"), 480),
        (alice.invite("sip:bob@elsewhere.example"), 404),
    ];
    for (request, code) in cases {
        let response = rig.ask(alice.address, &request);
        assert_eq!(response.status.code(), code, "{request}");
        assert_eq!(header(&response, &HeaderName::Unsupported).is_some(), code == 420);
    }
    let ack = alice.request("ACK", target).replace("Max-Forwards: 70", "Max-Forwards: 0");
    assert_eq!(rig.receive(alice.address, &ack), []);
    assert_eq!(rig.node.status(rig.now).registrar.expect("one").relayed.lost_acks, 1);
    // A phone that sends everything by us, in its dialogs too.
    alice.to_tag = Some("b".to_owned());
    alice.extra = "Route: <sip:example.com;lr>\r\n".to_owned();
    let (to, bye) = request_on(&mut rig, alice.address, &alice.request("BYE", &contact));
    assert_eq!((to, bye.uri.to_string()), (bob.address, contact));
    let elsewhere = alice.request("BYE", "sip:bob@192.0.2.9");
    assert_eq!(rig.ask(alice.address, &elsewhere).status.code(), 481, "no open relay");
}

/// With authentication a phone registers its own name and no other, callers are known users, ACK and
/// CANCEL are not asked, and what was proved to us does not go on to the phone.
#[test]
fn users_register_their_own_names_and_call_each_other() {
    let mut rig = rig_with_users();
    let (mut bob, _) = bob();
    let own = own_contact(&bob, 60);
    let proved = |rig: &mut Rig, caller: &mut Caller, user: &str, method: &str, text: &str| {
        let asked = auth::challenge(&rig.ask(caller.address, text));
        let uri = if method == "REGISTER" { DOMAIN } else { "sip:bob@example.com" };
        let proof = auth::Proof { method, ..auth::Proof::of(user, uri) }.line(&asked);
        caller.cseq += 1;
        text.replace("CSeq: 1 ", &format!("CSeq: {} ", caller.cseq))
            .replace("Max-Forwards", &format!("{proof}Max-Forwards"))
    };
    let text = register(&bob, &own);
    let as_alice = proved(&mut rig, &mut bob.clone(), "alice", "REGISTER", &text);
    let refused = rig.ask(bob.address, &as_alice);
    assert_eq!(refused.status.code(), 403);
    assert!(header(&refused, &HeaderName::Warning).expect("why").contains("his own name"));
    assert_eq!(phones(&rig), []);
    let as_bob = proved(&mut rig, &mut bob, "bob", "REGISTER", &text);
    assert_eq!(rig.ask(bob.address, &as_bob).status.code(), 200);

    // T39: a stranger does not learn who is there.
    let eve = Caller::new("eve", 9);
    for name in ["bob", "nobody"] {
        let asked = rig.ask(eve.address, &eve.invite(&format!("sip:{name}@example.com")));
        assert_eq!(auth::challenge(&asked).realm, auth::REALM, "{name}");
    }
    let mut alice = Caller::new("alice", 1);
    alice.extra = "Authorization: Digest realm=\"elsewhere\", username=\"a\", nonce=\"n\", \
                   uri=\"sip:x\", response=\"00000000000000000000000000000000\"\r\n"
        .to_owned();
    let invite = alice.invite("sip:bob@example.com");
    let mut refused = alice.clone();
    refused.to_tag = crate::rig::to_tag(&rig.ask(alice.address, &invite));
    let ack = refused.request("ACK", "sip:bob@example.com");
    assert_eq!(rig.receive(alice.address, &ack), [], "the ACK to our own answer goes no further");
    let invite = proved(&mut rig, &mut alice, "alice", "INVITE", &invite);
    let (to, on) = request_on(&mut rig, alice.address, &invite);
    assert_eq!(to, bob.address);
    let kept: Vec<_> = on.headers.all(&HeaderName::Authorization).collect();
    assert_eq!(kept.len(), 1, "{on:?}");
    assert!(kept[0].text().contains("elsewhere"));
    alice.extra.clear();
    let cancel = alice.request("CANCEL", "sip:bob@example.com").replace("-CANCEL-", "-INVITE-");
    assert_eq!(request_on(&mut rig, alice.address, &cancel).0, bob.address);
}

/// B20 · RFC 4579 §5.5: a conference that is to call a registered phone calls it where it registered from,
/// without asking itself for a password.
#[test]
fn a_conference_calls_a_registered_phone() {
    let allow = vec!["sip:*@example.com".parse().expect("a rule")];
    let dial_out = focus::DialRules { allow, ..focus::DialRules::default() };
    let mut rig = Rig::with(Setting { dial_out, ..Setting::default() }).with_lab_registrar();
    let (mut bob, contact) = bob();
    let own = own_contact(&bob, 60);
    registered(&mut rig, &mut bob, &own);
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    alice.cseq += 1;
    alice.extra = "Refer-To: <sip:bob@example.com>\r\n".to_owned();
    let before = rig.sent.len();
    let got = rig.receive(alice.address, &alice.request("REFER", &uri));
    let invite = got.iter().position(|message| {
        matches!(message, Message::Request(request) if request.method == sip::Method::Invite)
    });
    let invite = invite.expect("an INVITE");
    let Message::Request(request) = &got[invite] else { panic!("{got:?}") };
    assert_eq!(request.uri.to_string(), contact);
    assert_eq!(request.headers.to().expect("To").uri.to_string(), "sip:bob@example.com");
    assert_eq!(rig.sent[before + invite].1.path.remote, bob.address);
    assert_eq!(rig.node.status(rig.now).registrar.expect("one").relayed.requests, 0);
}

/// T21: a flood of REGISTERs from one address leaves room for others, and none of it stays.
#[test]
fn one_address_cannot_fill_the_table() {
    let mut rig = rig();
    let mut codes = Vec::new();
    for number in 0..300 {
        let mut phone = Caller::new(&format!("p{number}"), 1);
        let own = own_contact(&phone, 60);
        codes.push(status_of(&mut rig, &mut phone, &own));
    }
    assert!(codes[..256].iter().all(|code| *code == 200));
    assert!(codes[256..].iter().all(|code| *code == 503));
    let (mut bob, _) = bob();
    bob.address = SocketAddr::new("192.0.2.1".parse().expect("one"), 5060);
    let own = own_contact(&bob, 60);
    assert_eq!(registered(&mut rig, &mut bob, &own).len(), 1);
    rig.pass(Duration::from_secs(61));
    assert_eq!(phones(&rig), []);
    let mut again = Caller::new("again", 1);
    let own = own_contact(&again, 60);
    assert_eq!(registered(&mut rig, &mut again, &own).len(), 1);
}

/// A phone on TCP is reached by its connection, and is gone with it.
#[test]
fn a_connection_takes_its_phones_along() {
    let mut rig = rig();
    rig.transport = Transport::Tcp;
    let (mut bob, _) = bob();
    let own = own_contact(&bob, 60);
    registered(&mut rig, &mut bob, &own);
    rig.transport = Transport::Udp;
    let alice = Caller::new("alice", 1);
    let (_, invite) = request_on(&mut rig, alice.address, &alice.invite("sip:bob@example.com"));
    assert_eq!(vias(&invite)[0].transport, "TCP");
    let Packet { path, .. } = rig.sent.last().expect("sent").1.clone();
    assert_eq!((path.transport, path.remote), (Transport::Tcp, bob.address));
    let now = rig.now;
    rig.node.handle_input(now, node::Input::Arrival(sip::Arrival::Failed(path)));
    assert_eq!(phones(&rig), []);
    assert_eq!(rig.ask(alice.address, &alice.invite("sip:bob@example.com")).status.code(), 480);
    assert_eq!(rig.ask(alice.address, &alice.invite(FACTORY)).status.code(), 302);
}

/// J: a Contact is where its owner is, not who: whatever a phone writes there, no request that is for us or for another user
/// goes to it.
#[test]
fn a_contact_takes_nothing_that_is_for_others() {
    let mut rig = rig();
    let alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    let (mut bob, contact) = bob();
    let asked_for =
        [FACTORY, &uri, "sip:127.0.0.1:5060", "sip:carol@127.0.0.1", "sip:carol@127.0.0.1:5060"];
    for wanted in asked_for {
        let line = format!("Contact: <{wanted}>\r\nExpires: 60\r\n");
        registered(&mut rig, &mut bob, &line);
        let mut dave = Caller::new("dave", 4);
        dave.cseq += 1;
        for message in rig.receive(dave.address, &dave.invite(wanted)) {
            assert!(matches!(message, Message::Response(_)), "{wanted}: {message:?}");
        }
    }
    let own = own_contact(&bob, 60);
    registered(&mut rig, &mut bob, &own);
    assert_eq!(request_on(&mut rig, alice.address, &alice.invite(&contact)).0, bob.address);
}
