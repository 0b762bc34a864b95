//! Who may do what: challenges, proofs, and what they are worth.

use std::net::SocketAddr;
use std::time::Duration;

use focus::DialRules;
use node::{AuthConfig, Entry, Leftovers, Notice, Role, User};
use sip::digest::{Algorithm, Challenge, Credentials, Ha1, NonceKey, Password};
use sip::{HeaderName, Message, Response};

use crate::rig::{Caller, FACTORY, Rig, Setting, contact, header, requests};

pub(crate) const REALM: &str = "convoke.example";

fn user(name: &str, role: Role) -> User {
    let secret =
        |algorithm| Ha1::of(algorithm, name, REALM, &Password::new(format!("{name}'s password")));
    let known = |algorithm: &Algorithm| *algorithm != Algorithm::Md5 || name == "oldphone";
    let secrets = Algorithm::ALL.into_iter().filter(known).map(secret).collect();
    User { name: name.to_owned(), role, secrets }
}

pub(crate) fn config() -> AuthConfig {
    AuthConfig {
        realm: REALM.to_owned(),
        users: vec![
            user("alice", Role::Creator),
            user("bob", Role::Creator),
            user("mary", Role::Moderator),
            user("oldphone", Role::Creator),
        ],
        nonce_key: NonceKey::new([9; 32]),
        algorithms: vec![Algorithm::Sha256],
        factory: Entry::Required,
        join: Entry::Open,
        subscribe: Entry::Required,
    }
}

pub(crate) fn rig(auth: AuthConfig) -> Rig {
    Rig::with(Setting { auth: Some(auth), ..Setting::default() })
}

fn joins_need_users() -> Rig {
    rig(AuthConfig { join: Entry::Required, ..config() })
}

/// The challenges of a 401, in order.
fn challenges(response: &Response) -> Vec<Challenge> {
    assert_eq!(response.status.code(), 401, "{response:?}");
    let fields = response.headers.all(&HeaderName::WwwAuthenticate);
    fields.map(|value| value.text().parse().expect("a challenge")).collect()
}

pub(crate) fn challenge(response: &Response) -> Challenge {
    challenges(response).remove(0)
}

/// What somebody proves, and to whom.
pub(crate) struct Proof<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: String,
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) number: u32,
}

impl<'a> Proof<'a> {
    pub(crate) fn of(name: &'a str, uri: &'a str) -> Self {
        let password = format!("{name}'s password");
        Self { name, password, method: "INVITE", uri, number: 1 }
    }

    fn wrong(name: &'a str, uri: &'a str, guess: u32) -> Self {
        Self { password: format!("guess {guess}"), ..Self::of(name, uri) }
    }

    fn credentials(&self, challenge: &Challenge) -> Credentials {
        let password = Password::new(self.password.as_str());
        let ha1 = Ha1::of(challenge.algorithm, self.name, &challenge.realm, &password);
        let count = (self.number, "0a4f113b");
        Credentials::answering(challenge, (self.name, &ha1), (self.method, self.uri), count)
    }

    pub(crate) fn line(&self, challenge: &Challenge) -> String {
        format!("Authorization: {}\r\n", self.credentials(challenge))
    }
}

/// The caller asks, is challenged, and asks again with this proof.
fn ask_with(rig: &mut Rig, caller: &mut Caller, uri: &str, proof: &Proof<'_>) -> Response {
    caller.extra.clear();
    let asked = rig.ask(caller.address, &caller.invite(uri));
    caller.extra = proof.line(&challenge(&asked));
    caller.cseq += 1;
    rig.ask(caller.address, &caller.invite(uri))
}

fn conference(rig: &mut Rig, caller: &mut Caller) -> String {
    let name = caller.name.clone();
    let response = ask_with(rig, caller, FACTORY, &Proof::of(&name, FACTORY));
    assert_eq!(response.status.code(), 302, "{response:?}");
    contact(&response)
}

/// J, B31 · RFC 3911 §4: where joining needs a user, it does so by the name of a dialog too, though anybody may ask the
/// factory.
#[test]
fn naming_a_dialog_at_the_factory_is_no_way_round_the_door() {
    let auth = AuthConfig { factory: Entry::Open, join: Entry::Required, ..config() };
    let mut setting = Setting { auth: Some(auth), ..Setting::default() };
    setting.factory.answer = focus::factory::AnswerForm::Deliver;
    let mut rig = Rig::with(setting);
    let mut alice = Caller::new("alice", 1);
    let response = rig.ask(alice.address, &alice.invite(FACTORY));
    assert_eq!(response.status.code(), 200);
    alice.to_tag = response.headers.to().expect("To").tag().map(str::to_owned);
    rig.receive(alice.address, &alice.request("ACK", FACTORY));
    let Caller { call_id, from_tag, to_tag, .. } = &alice;
    let to_tag = to_tag.as_deref().expect("a tag");
    let mut eve = Caller::new("eve", 9);
    for header in ["Join", "Replaces"] {
        eve.cseq += 1;
        eve.extra = format!("{header}: {call_id};to-tag={to_tag};from-tag={from_tag}\r\n");
        assert_eq!(rig.ask(eve.address, &eve.invite(FACTORY)).status.code(), 401, "{header}");
    }
    assert_eq!(rig.node.status(rig.now).conferences[0].legs.len(), 1);
}

/// J01, J07, B02 · RFC 3261 §22.1, §22.2: 401 with realm, nonce and qop, and nothing kept; the proof
/// makes one conference, the same one again for a copy, for a proof anew, and none for its ACK.
#[test]
fn a_conference_is_made_for_a_known_user_and_once() {
    let mut rig = rig(config());
    let mut alice = Caller::new("alice", 1);
    let first = rig.ask(alice.address, &alice.invite(FACTORY));
    let asked = challenge(&first);
    assert_eq!(asked, Challenge::new(REALM, &asked.nonce, Algorithm::Sha256, false));
    assert!(header(&first, &HeaderName::WwwAuthenticate).expect("there").starts_with("Digest "));
    assert!(first.headers.to().expect("To").tag().is_some());
    assert_eq!(rig.node.leftovers(), Leftovers::default());
    assert_eq!(rig.receive(alice.address, &alice.request("ACK", FACTORY)), []);

    let uri = conference(&mut rig, &mut alice);
    let invite = alice.invite(FACTORY);
    assert_eq!(contact(&rig.ask(alice.address, &invite)), uri, "a copy from the wire");
    alice.to_tag = Some("made-up".to_owned());
    for extra in [alice.extra.clone(), String::new()] {
        // The ACK to the 302, with its To tag: with the credentials of its INVITE or without.
        let answer = rig.ask(alice.address, &invite);
        alice.to_tag = answer.headers.to().expect("To").tag().map(str::to_owned);
        alice.extra = extra;
        assert_eq!(rig.receive(alice.address, &alice.request("ACK", FACTORY)), []);
        assert_eq!(rig.node.leftovers().holds, 1);
    }
    alice.to_tag = None;
    alice.cseq += 1;
    assert_eq!(conference(&mut rig, &mut alice), uri, "asked anew with a new nonce");
    assert_eq!(rig.node.leftovers().holds, 1);
    let held = rig.notices.iter().filter(|notice| matches!(notice, Notice::Held { .. }));
    assert_eq!(held.count(), 1);
    assert_eq!(rig.node.status(rig.now).refused[&401], 3);

    let mut other = Caller::new("bob", 2);
    assert_ne!(conference(&mut rig, &mut other), uri);
}

/// J01 · RFC 3261 §22, RFC 8760 §2.6: Basic is never taken, whatever is in it.
#[test]
fn basic_is_not_taken() {
    let mut rig = rig(config());
    let mut alice = Caller::new("alice", 1);
    let asked = challenge(&rig.ask(alice.address, &alice.invite(FACTORY)));
    for others in
        ["Basic YWxpY2U6YWxpY2UncyBwYXNzd29yZA==", "NoOneKnowsThisScheme opaque-data=here"]
    {
        alice.extra = format!("Authorization: {others}\r\n");
        alice.cseq += 1;
        let again = rig.ask(alice.address, &alice.invite(FACTORY));
        assert_eq!(again.headers.count(&HeaderName::WwwAuthenticate), 1);
        assert_eq!(challenge(&again).realm, REALM);
    }
    alice.extra.push_str(&Proof::of("alice", FACTORY).line(&asked));
    alice.cseq += 1;
    let response = rig.ask(alice.address, &alice.invite(FACTORY));
    assert_eq!(response.status.code(), 302, "beside it Digest is taken");
}

/// J02 · RFC 8760 §2.1, §2.3: one challenge an algorithm, best first; MD5 only where it is switched on,
/// and then only for users who have an MD5 secret (T37).
#[test]
fn algorithms_are_offered_in_order_and_md5_by_a_switch() {
    let with =
        |algorithms: &[Algorithm]| rig(AuthConfig { algorithms: algorithms.into(), ..config() });
    let mut open = with(&Algorithm::ALL);
    let mut phone = Caller::new("oldphone", 1);
    let response = open.ask(phone.address, &phone.invite(FACTORY));
    let asked = challenges(&response);
    let offered: Vec<_> = asked.iter().map(|challenge| challenge.algorithm).collect();
    assert_eq!(offered, Algorithm::ALL);
    assert!(asked.iter().all(|challenge| challenge.realm == REALM));
    for (name, code) in [("oldphone", 302), ("alice", 401)] {
        phone.cseq += 1;
        phone.extra = Proof { number: phone.cseq, ..Proof::of(name, FACTORY) }.line(&asked[2]);
        let response = open.ask(phone.address, &phone.invite(FACTORY));
        assert_eq!(response.status.code(), code, "{name}");
    }
    for (number, asked) in asked[..2].iter().enumerate() {
        let mut bob = Caller::new("bob", 20);
        bob.address = phone.address;
        bob.call_id = format!("call {number}").replace(' ', "-");
        bob.extra = Proof { number: 9 + bob.cseq, ..Proof::of("bob", FACTORY) }.line(asked);
        let response = open.ask(bob.address, &bob.invite(FACTORY));
        let code = if number == 0 { 302 } else { 401 };
        assert_eq!(response.status.code(), code, "the count was used with the first");
    }

    let mut closed = with(&[Algorithm::Sha256]);
    let mut phone = Caller::new("oldphone", 1);
    let asked = challenges(&closed.ask(phone.address, &phone.invite(FACTORY)));
    assert_eq!(asked.len(), 1);
    phone.cseq += 1;
    let md5 = Challenge { algorithm: Algorithm::Md5, ..asked[0].clone() };
    phone.extra = Proof::of("oldphone", FACTORY).line(&md5);
    let response = closed.ask(phone.address, &phone.invite(FACTORY));
    assert_eq!(challenges(&response).len(), 1);
    assert!(!challenge(&response).stale);
}

/// J04 · RFC 8760 §2.6: a peer who knows no qop is let in, once a nonce.
#[test]
fn a_proof_without_qop_is_taken_once() {
    let mut rig = rig(config());
    let mut alice = Caller::new("alice", 1);
    let mut asked = challenge(&rig.ask(alice.address, &alice.invite(FACTORY)));
    asked.qop = sip::digest::Qop::Unnamed;
    alice.extra = Proof::of("alice", FACTORY).line(&asked);
    assert!(!alice.extra.contains("qop="));
    alice.cseq += 1;
    assert_eq!(rig.ask(alice.address, &alice.invite(FACTORY)).status.code(), 302);
    alice.cseq += 1;
    assert!(challenge(&rig.ask(alice.address, &alice.invite(FACTORY))).stale);
}

/// J05 · RFC 8760 §2.6, RFC 3261 §22.4: the uri in the credentials is checked, and need not be the
/// Request-URI.
#[test]
fn the_uri_in_the_credentials_is_one_of_ours() {
    let mut rig = joins_need_users();
    let mut alice = Caller::new("alice", 1);
    let uri = conference(&mut rig, &mut alice);
    let good = [FACTORY, "sip:9000@example.com", "sip:127.0.0.1:5060", uri.as_str()];
    let bad = [
        "sip:bob@127.0.0.1",
        "sip:conference@elsewhere.example",
        "tel:+1",
        "not a URI",
        "sip:conf-x@y",
    ];
    for (written, code) in good.map(|uri| (uri, 200)).into_iter().chain(bad.map(|uri| (uri, 400))) {
        let mut caller = Caller::new("alice", 2);
        caller.call_id = format!("call-{}", written.len());
        caller.branch = u32::try_from(written.len()).expect("small");
        let response = ask_with(&mut rig, &mut caller, &uri, &Proof::of("alice", written));
        assert_eq!(response.status.code(), code, "{written}");
        assert_eq!(header(&response, &HeaderName::Warning).is_some(), code == 400);
    }
    let malformed = "Authorization: Digest username=\"alice\", realm=\"convoke.example\r\n";
    let mut caller = Caller::new("alice", 3);
    caller.extra = malformed.to_owned();
    assert_eq!(rig.ask(caller.address, &caller.invite(&uri)).status.code(), 400);
}

/// J06, T37 · RFC 7616 §3.3, §3.4: the same count again, or an old nonce, with a right proof is stale;
/// with a wrong one it is only wrong.
#[test]
fn old_and_used_nonces_are_stale() {
    let mut rig = rig(config());
    let mut alice = Caller::new("alice", 1);
    conference(&mut rig, &mut alice);
    alice.cseq += 1;
    let replayed = challenge(&rig.ask(alice.address, &alice.invite(FACTORY)));
    assert!(replayed.stale, "the same count in another request");
    let mut eve = Caller::new("eve", 1);
    eve.extra = alice.extra.clone();
    assert!(challenge(&rig.ask(eve.address, &eve.invite(FACTORY))).stale);
    let elsewhere = SocketAddr::new("192.0.2.66".parse().expect("an address"), 5060);
    assert!(!challenge(&rig.ask(elsewhere, &eve.invite(FACTORY))).stale, "a nonce of another's");

    let next = Proof { number: 2, ..Proof::of("alice", FACTORY) };
    alice.extra = next.line(&replayed);
    alice.cseq += 1;
    rig.pass(Duration::from_secs(300));
    assert_eq!(rig.ask(alice.address, &alice.invite(FACTORY)).status.code(), 302);
    rig.pass(Duration::from_secs(1));
    let later = Proof { number: 3, ..Proof::of("alice", FACTORY) };
    alice.extra = later.line(&replayed);
    alice.cseq += 1;
    let asked = challenge(&rig.ask(alice.address, &alice.invite(FACTORY)));
    assert!(asked.stale && asked.nonce != replayed.nonce);
    alice.extra = Proof::wrong("alice", FACTORY, 1).line(&replayed);
    alice.cseq += 1;
    assert!(!challenge(&rig.ask(alice.address, &alice.invite(FACTORY))).stale);
    alice.extra = later.line(&Challenge { nonce: "00".repeat(24), ..asked.clone() });
    alice.cseq += 1;
    assert!(!challenge(&rig.ask(alice.address, &alice.invite(FACTORY))).stale, "none of ours");
}

/// J06 · Another node with the same key takes the nonce.
#[test]
fn a_nonce_of_one_node_is_good_at_another() {
    let (mut one, mut other) = (rig(config()), rig(config()));
    let mut alice = Caller::new("alice", 1);
    let asked = challenge(&one.ask(alice.address, &alice.invite(FACTORY)));
    alice.extra = Proof::of("alice", FACTORY).line(&asked);
    alice.cseq += 1;
    assert_eq!(other.ask(alice.address, &alice.invite(FACTORY)).status.code(), 302);
}

/// J07 · RFC 3261 §22.1: ACK and CANCEL are never challenged, by whatever door.
#[test]
fn ack_and_cancel_are_never_challenged() {
    let mut rig = joins_need_users();
    let alice = Caller::new("alice", 1);
    assert_eq!(rig.receive(alice.address, &alice.request("ACK", FACTORY)), []);
    assert_eq!(rig.ask(alice.address, &alice.request("CANCEL", FACTORY)).status.code(), 481);
    let mut bob = Caller::new("bob", 2);
    let uri = conference(&mut rig, &mut bob);
    bob.cseq += 1;
    let response = ask_with(&mut rig, &mut bob, &uri, &Proof::of("bob", &uri));
    assert_eq!(response.status.code(), 200);
    bob.to_tag = response.headers.to().expect("To").tag().map(str::to_owned);
    bob.extra.clear();
    assert_eq!(rig.receive(bob.address, &bob.request("ACK", &uri)), []);
    assert!(rig.notices.iter().any(|notice| matches!(notice, Notice::Joined { .. })));
    bob.cseq += 1;
    let reinvite = rig.ask(bob.address, &bob.invite(&uri));
    assert_eq!(reinvite.status.code(), 200, "whoever is in is not asked again");
    rig.leave(&mut bob, &uri);
}

/// D02, D21 · RFC 4575 §3.5, §8.1: from outside known users, from inside whoever is in; a moderator sees more.
#[test]
fn who_may_subscribe() {
    let mut rig = rig(config());
    let mut alice = Caller::new("alice", 1);
    let uri = conference(&mut rig, &mut alice);
    let mut guest = Caller::new("guest", 2);
    rig.join(&mut guest, &uri);
    let extra = "Event: conference\r\n";
    let mut outsider = Caller { extra: extra.to_owned(), ..Caller::new("dave", 3) };
    let asked = challenge(&rig.ask(outsider.address, &outsider.request("SUBSCRIBE", &uri)));
    assert_eq!(rig.node.leftovers().subscriptions, 0);
    let mut told = |name: &str, number| {
        let proof = Proof { method: "SUBSCRIBE", ..Proof::of(name, &uri) };
        let mut caller = Caller { extra: extra.to_owned(), ..Caller::new(name, number) };
        let asked = challenge(&rig.ask(caller.address, &caller.request("SUBSCRIBE", &uri)));
        caller.extra = proof.line(&asked) + extra;
        caller.cseq += 1;
        let got = rig.receive(caller.address, &caller.request("SUBSCRIBE", &uri));
        let [Message::Response(taken), Message::Request(notify)] = &got[..] else {
            panic!("{got:?}")
        };
        assert_eq!(taken.status.code(), 200);
        String::from_utf8(notify.body.clone()).expect("UTF-8")
    };
    let (bobs, marys, alices) = (told("bob", 4), told("mary", 5), told("alice", 6));
    assert!(bobs.contains("guest") && !bobs.contains("call-info"));
    assert!(marys.contains("call-info") && alices.contains("call-info"));
    outsider.extra = Proof::wrong("bob", &uri, 1).line(&asked) + extra;
    outsider.cseq += 1;
    let refused = rig.ask(outsider.address, &outsider.request("SUBSCRIBE", &uri));
    assert_eq!(refused.status.code(), 401);
    guest.extra = extra.to_owned();
    guest.cseq += 1;
    assert_eq!(rig.receive(guest.address, &guest.request("SUBSCRIBE", &uri)).len(), 2);
}

/// T35 · Every method needs a user; what becomes of it then is another matter.
#[test]
fn every_method_is_challenged() {
    let methods = [
        "MESSAGE",
        "SUBSCRIBE",
        "INFO",
        "PUBLISH",
        "OPTIONS",
        "REGISTER",
        "NOTIFY",
        "REFER",
        "UPDATE",
        "PRACK",
        "BYE",
        "NEWMETHOD",
    ];
    let mut rig = joins_need_users();
    let mut alice = Caller::new("alice", 1);
    let uri = conference(&mut rig, &mut alice);
    for (number, method) in methods.into_iter().enumerate() {
        for target in [FACTORY, &uri, "sip:127.0.0.1", "sip:nobody@127.0.0.1"] {
            let mut caller = Caller::new("mary", u16::try_from(number).expect("small"));
            let asked = challenge(&rig.ask(caller.address, &caller.request(method, target)));
            caller.extra = Proof { method, ..Proof::of("mary", FACTORY) }.line(&asked);
            caller.cseq += 1;
            let answer = rig.ask(caller.address, &caller.request(method, target));
            // B22: no user brings anybody into a factory.
            let of_factory = method == "REFER" && target == FACTORY;
            let is_refused = [401, 403].contains(&answer.status.code());
            assert_eq!(is_refused, of_factory, "{method} {target}");
        }
    }
    let stranger = Caller::new("eve", 99);
    let mut http = stranger.request("OPTIONS", FACTORY);
    http = http.replacen(FACTORY, "http://127.0.0.1/", 1);
    assert_eq!(rig.ask(stranger.address, &http).status.code(), 401);
}

/// Holding the URI is enough to join, and to ask whether one would be let in; unknown URIs are 404 and
/// look all alike.
#[test]
fn joining_needs_the_uri_alone() {
    let mut rig = rig(config());
    let mut alice = Caller::new("alice", 1);
    let uri = conference(&mut rig, &mut alice);
    let mut bob = Caller::new("anybody", 2);
    assert_eq!(rig.ask(bob.address, &bob.request("OPTIONS", &uri)).status.code(), 200);
    assert_eq!(rig.join(&mut bob, &uri).status.code(), 200);
    let mut eve = Caller::new("eve", 3);
    eve.cseq += 1;
    let guess = uri.replace("conf-a", "conf-b").replace("conf-", "conf-a");
    assert_eq!(rig.ask(eve.address, &eve.invite(&guess)).status.code(), 404);
    assert_eq!(challenge(&rig.ask(eve.address, &eve.invite(FACTORY))).realm, REALM);
    rig.leave(&mut bob, &uri);
}

/// T36 · The roster shows who proved to be whom; From is only his own word. A wrong proof at an open
/// door gets in as anybody would.
#[test]
fn the_roster_shows_the_proved_user() {
    let mut rig = rig(config());
    let mut alice = Caller::new("alice", 1);
    let response = ask_with(&mut rig, &mut alice, FACTORY, &Proof::of("alice", FACTORY));
    let uri = contact(&response);
    let asked = challenge(&rig.ask(alice.address, &Caller::new("alice", 1).invite(FACTORY)));
    let shown = |rig: &Rig| -> Vec<(String, Option<String>, bool)> {
        let status = rig.node.status(rig.now);
        let legs = status.conferences[0].legs.iter();
        legs.map(|leg| (leg.participant.clone(), leg.user.clone(), leg.creator)).collect()
    };
    let mut mallory = Caller::new("bob", 2);
    mallory.extra =
        "P-Asserted-Identity: <sip:alice@example.com>\r\nRemote-Party-ID: x\r\n".to_owned();
    mallory.extra.push_str(&Proof::wrong("alice", &uri, 1).line(&asked));
    mallory.address = alice.address;
    rig.join(&mut mallory, &uri);
    assert_eq!(shown(&rig), [("sip:bob@example.com".to_owned(), None, false)]);

    // Another terminal of hers, and so another Call-ID: her name says that she is the creator.
    let mut desk = Caller::new("desk", 1);
    desk.extra = Proof { number: 2, ..Proof::of("alice", &uri) }.line(&asked);
    rig.join(&mut desk, &uri);
    let joined = ("sip:desk@example.com".to_owned(), Some("alice".to_owned()), true);
    assert_eq!(shown(&rig)[1], joined);
    assert!(rig.notices.iter().any(|notice| matches!(notice,
        Notice::Joined { user: Some(user), .. } if user == "alice")));
    let failed = Notice::LoginFailed {
        user: Some("alice".to_owned()),
        source: alice.address.ip().to_string(),
        locked: false,
    };
    assert!(rig.notices.contains(&failed));
}

/// A joiner who needs a user: the nonce of the factory's challenge goes on being used at the focus,
/// with the next count (seen in the wild), and with the credentials of the factory copied as they are
/// he is asked once more.
#[test]
fn the_nonce_of_the_factory_is_good_at_the_focus() {
    let mut rig = joins_need_users();
    let mut alice = Caller::new("alice", 1);
    let asked = challenge(&rig.ask(alice.address, &alice.invite(FACTORY)));
    alice.extra = Proof::of("alice", FACTORY).line(&asked);
    alice.cseq += 1;
    let uri = contact(&rig.ask(alice.address, &alice.invite(FACTORY)));
    alice.cseq += 1;
    let copied = challenge(&rig.ask(alice.address, &alice.invite(&uri)));
    assert!(copied.stale);
    alice.extra = Proof { number: 2, ..Proof::of("alice", &uri) }.line(&asked);
    assert_eq!(rig.join(&mut alice, &uri).status.code(), 200);
    let mut eve = Caller::new("eve", 2);
    assert_eq!(rig.join(&mut eve, &uri).status.code(), 401);
    assert_eq!(rig.join(&mut eve, &uri.replace("conf-", "conf-a")).status.code(), 401);
    rig.leave(&mut alice, &uri);
}

/// B05 · RFC 4579 §5.4: a proxy recurses on the 302 with the same request, so with the same proof.
#[test]
fn a_recursing_proxy_brings_the_proof_along() {
    let mut rig = joins_need_users();
    let mut alice = Caller::new("alice", 1);
    let uri = conference(&mut rig, &mut alice);
    alice.rebranch();
    let response = rig.ask(alice.address, &alice.invite(&uri));
    assert_eq!(response.status.code(), 200, "{response:?}");
    rig.pass(Duration::from_secs(40));
    alice.rebranch();
    alice.from_tag.push('2');
    assert_eq!(rig.ask(alice.address, &alice.invite(&uri)).status.code(), 401);
}

/// T38 · Five wrong passwords lock the user from that address, whoever he is; nobody else; and what
/// comes without a nonce of ours for its address is no try.
#[test]
fn guessing_locks_user_and_source() {
    for name in ["alice", "nobody-of-that-name"] {
        let mut rig = rig(config());
        let mut thief = Caller::new("thief", 1);
        let asked = challenge(&rig.ask(thief.address, &thief.invite(FACTORY)));
        let mut guess =
            |rig: &mut Rig, from: SocketAddr, proof: Proof<'_>, challenge: &Challenge| {
                thief.cseq += 1;
                thief.extra = proof.line(challenge);
                let text = thief.invite(FACTORY);
                // Each comes twice: the wire copies it, and that is no try.
                let first = rig.ask(from, &text);
                rig.ask(from, &text);
                first.status.code()
            };
        let forged = Challenge { nonce: "0".repeat(48), ..asked.clone() };
        let home = Caller::new("thief", 1).address;
        let away = SocketAddr::new("192.0.2.66".parse().expect("an address"), 5060);
        for number in 0..20 {
            assert_eq!(guess(&mut rig, home, Proof::wrong(name, FACTORY, number), &forged), 401);
            assert_eq!(guess(&mut rig, away, Proof::wrong(name, FACTORY, number), &asked), 401);
        }
        for number in 0..5 {
            assert_eq!(guess(&mut rig, home, Proof::wrong(name, FACTORY, number), &asked), 401);
        }
        for number in 5..8 {
            assert_eq!(guess(&mut rig, home, Proof::wrong(name, FACTORY, number), &asked), 403);
        }
        assert_eq!(guess(&mut rig, home, Proof::of(name, FACTORY), &asked), 403, "right or not");
        assert_eq!(guess(&mut rig, home, Proof::of("bob", FACTORY), &asked), 302);
        let mut owner = Caller::new("alice", 7);
        owner.address = away;
        conference(&mut rig, &mut owner);

        let known = (name == "alice").then(|| name.to_owned());
        let source = home.ip().to_string();
        let locked = Notice::LoginFailed { user: known, source, locked: true };
        assert_eq!(rig.notices.iter().filter(|notice| **notice == locked).count(), 1);
        let all = |notice: &&Notice| matches!(notice, Notice::LoginFailed { .. });
        assert_eq!(rig.notices.iter().filter(all).count(), 5);

        rig.pass(Duration::from_secs(15 * 60));
        let mut back = Caller::new("alice", 1);
        back.call_id.push('2');
        conference(&mut rig, &mut back);
    }
}

/// T22, T38 · A name that nobody has gets the very answer that a wrong password gets.
#[test]
fn unknown_users_look_like_wrong_passwords() {
    let answer = |name: &str| {
        let mut rig = rig(config());
        let mut caller = Caller::new("caller", 1);
        let response = ask_with(&mut rig, &mut caller, FACTORY, &Proof::wrong(name, FACTORY, 1));
        (response.status, header(&response, &HeaderName::WwwAuthenticate), response.body)
    };
    assert_eq!(answer("alice"), answer("nobody"));
    // Not even an empty password opens what is computed in place of a secret.
    let mut rig = rig(config());
    let mut caller = Caller::new("caller", 1);
    let empty = Proof { password: String::new(), ..Proof::of("nobody", FACTORY) };
    assert_eq!(ask_with(&mut rig, &mut caller, FACTORY, &empty).status.code(), 401);
}

/// T20 · Credentials prove the address: the hold is firm at once, and no soft limit holds it back.
#[test]
fn a_known_users_hold_is_firm() {
    let mut rig = rig(config());
    let mut calls = Vec::new();
    for number in 0..20 {
        let mut alice = Caller::new("alice", number);
        alice.name = "alice".to_owned();
        calls.push(conference(&mut rig, &mut alice));
    }
    calls.dedup();
    assert_eq!(calls.len(), 20, "more than one unproved source may hold");
}

/// T31 · REFER to the focus: the one who made the conference, or a moderator; inside the dialog too.
#[test]
fn steering_needs_the_creator_or_a_moderator() {
    let allow = vec!["192.0.2.0/24".parse().expect("a rule")];
    let dial_out = DialRules { allow, ..DialRules::default() };
    let mut rig = Rig::with(Setting { auth: Some(config()), dial_out, ..Setting::default() });
    let mut alice = Caller::new("alice", 1);
    let uri = conference(&mut rig, &mut alice);
    alice.cseq += 1;
    alice.extra.clear();
    rig.join(&mut alice, &uri);
    for inside in [false, true] {
        for (name, is_let) in [("alice", true), ("bob", false), ("mary", true)] {
            let mut caller = if inside { alice.clone() } else { Caller::new("x", 5) };
            alice.cseq += 2;
            caller.call_id = if inside { caller.call_id } else { format!("refer-{name}") };
            caller.cseq = alice.cseq - 1;
            caller.extra = "Refer-To: <sip:carol@192.0.2.9>\r\n".to_owned();
            let first = rig.ask(caller.address, &caller.request("REFER", &uri));
            let proof = Proof { method: "REFER", ..Proof::of(name, &uri) };
            caller.extra.push_str(&proof.line(&challenge(&first)));
            caller.cseq += 1;
            let got = rig.receive(caller.address, &caller.request("REFER", &uri));
            let Message::Response(response) = &got[0] else { panic!("{got:?}") };
            let code = response.status.code();
            assert!(code != 401 && (code != 403) == is_let, "{name}, inside {inside}: {code}");
        }
    }
}

/// T30 · The focus has no account: whoever challenges its BYE gets no proof, and the leg ends.
#[test]
fn the_focus_answers_no_challenge() {
    let mut rig = rig(config());
    let mut alice = Caller::new("alice", 1);
    let uri = conference(&mut rig, &mut alice);
    alice.cseq += 1;
    alice.extra.clear();
    rig.join(&mut alice, &uri);
    let sent = requests(rig.shutdown());
    let [bye] = &sent[..] else { panic!("{sent:?}") };
    let leak = "Digest realm=\"elsewhere\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256";
    let refusal = Response::answering(bye, sip::StatusCode::UNAUTHORIZED)
        .with_header(HeaderName::WwwAuthenticate, leak);
    assert_eq!(rig.receive_bytes(alice.address, &refusal.to_bytes()), []);
    assert_eq!(rig.pass(Duration::from_secs(60)), []);
    assert_eq!(rig.node.leftovers().dialogs, 0);
}
