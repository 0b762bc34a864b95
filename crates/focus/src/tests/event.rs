//! The conference event package, at its notifier.

use sip::{DialogId, HeaderName, Method, Request, Response, StatusCode};
use units::{Instant, UnixTime};

use super::rig::{CONFERENCE, Caller, Rig, header};
use super::schema::{self, Element};
use crate::{
    Creator, End, EndPolicy, EventTerms, Output, Subscriber, UNPROVED_WATCHERS_MAX, WATCHERS_MAX,
    WATCHERS_OF_ADDRESS_MAX, WatcherId, check_subscribe,
};

const EVENT: &str = "Event: conference\n";

/// A terminal that subscribes, in a dialog of its own or in that of its call.
fn watcher(name: &'static str, last: u8) -> Caller {
    Caller { more: EVENT.to_owned(), ..Caller::new(name, last) }
}

impl Rig {
    fn try_subscribe(&mut self, caller: &mut Caller, who: Subscriber) -> Result<(), Response> {
        let incoming = caller.next("SUBSCRIBE", "");
        let txn = self.txn();
        let result = self.focus.subscribe(self.now, txn, &incoming, who);
        self.drain();
        result
    }

    /// SUBSCRIBE from outside, the 200, and the first NOTIFY with its answer.
    fn subscribe(&mut self, caller: &mut Caller) -> (WatcherId, Element) {
        self.subscribe_as(caller, Subscriber::default())
    }

    fn subscribe_as(&mut self, caller: &mut Caller, who: Subscriber) -> (WatcherId, Element) {
        self.try_subscribe(caller, who).unwrap();
        let response = self.last_response();
        assert_eq!(response.status, StatusCode::OK);
        caller.heard(&response);
        let (id, notify) = self.informs().pop().unwrap();
        self.told(id, 200);
        (id, schema::read(&notify.body))
    }

    /// SUBSCRIBE in the dialog of a call.
    fn subscribe_inside(&mut self, caller: &mut Caller) -> (WatcherId, Element) {
        caller.more = EVENT.to_owned();
        assert_eq!(self.status(&caller.next("SUBSCRIBE", "")), 200);
        caller.more.clear();
        let (id, notify) = self.informs().pop().unwrap();
        self.told(id, 200);
        (id, schema::read(&notify.body))
    }

    /// All NOTIFYs so far.
    fn informs(&self) -> Vec<(WatcherId, Request)> {
        let informs = self.log.iter().filter_map(|(_, output)| match output {
            Output::Inform { watcher, request, .. } => Some((*watcher, request.clone())),
            _ => None,
        });
        informs.collect()
    }

    /// The documents that somebody was told, with the Subscription-State and when.
    fn documents(&self, id: WatcherId) -> Vec<(u64, String, Element)> {
        let told = self.log.iter().filter_map(|(ms, output)| match output {
            Output::Inform { watcher, request, .. } if *watcher == id => {
                let state = request.headers.get(&HeaderName::SubscriptionState).unwrap();
                Some((*ms, state.text().into_owned(), schema::read(&request.body)))
            }
            _ => None,
        });
        told.collect()
    }

    fn told(&mut self, id: WatcherId, status: u16) {
        let response = Response::new(StatusCode::new(status).unwrap());
        self.focus.informed(self.now, id, Some(&response));
        self.drain();
    }

    /// Lets time pass; every NOTIFY is answered 200 at once.
    fn run_answering(&mut self, ms: u64) {
        let end = Instant::from_millis(ms);
        let mut answered = self.informs().len();
        while let Some(at) = self.focus.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.focus.handle_deadline(self.now);
            self.drain();
            for (id, _) in self.informs().split_off(answered) {
                answered += 1;
                self.told(id, 200);
            }
        }
        self.now = end;
    }

    fn watches(&self) -> (Vec<DialogId>, Vec<DialogId>) {
        let (mut started, mut ended) = (vec![], vec![]);
        for (_, output) in &self.log {
            match output {
                Output::DialogOpened { dialog } => started.push(dialog.clone()),
                Output::DialogClosed { dialog } => ended.push(dialog.clone()),
                _ => {}
            }
        }
        (started, ended)
    }
}

fn refused(mut caller: Caller) -> Response {
    check_subscribe(&caller.next("SUBSCRIBE", ""), sip::Nat::Auto).unwrap_err()
}

/// D01 · RFC 4575 §3.1, §3.3, §3.4
#[test]
fn the_package_its_body_and_its_duration_are_as_they_should() {
    let mut rig = Rig::new();
    rig.join(&mut Caller::new("alice", 1));
    let mut dave = watcher("dave", 9);
    rig.try_subscribe(&mut dave, Subscriber::default()).unwrap();
    let response = rig.last_response();
    assert_eq!(header(&response, &HeaderName::Expires), "3600");
    let (_, notify) = rig.informs().pop().unwrap();
    let text = |name| notify.headers.get(&name).unwrap().text().into_owned();
    assert_eq!(text(HeaderName::Event), "conference");
    assert_eq!(text(HeaderName::ContentType), "application/conference-info+xml");
    assert_eq!(text(HeaderName::SubscriptionState), "active;expires=3600");
    assert!(text(HeaderName::Contact).contains(CONFERENCE));

    for accept in ["application/*", "text/plain, application/conference-info+xml", "*/*"] {
        let more = format!("{EVENT}Accept: {accept}\n");
        let mut caller = Caller { more, ..Caller::new("dave", 9) };
        assert!(check_subscribe(&caller.next("SUBSCRIBE", ""), sip::Nat::Auto).is_ok(), "{accept}");
    }
    for accept in ["application/sdp", ""] {
        let more = format!("{EVENT}Accept: {accept}\n");
        let refusal = refused(Caller { more, ..Caller::new("dave", 9) });
        assert_eq!(refusal.status.code(), 406, "{accept}");
    }
}

/// C16 · RFC 6665 §4.2.1.1
#[test]
fn other_packages_and_brief_intervals_are_refused() {
    let with = |more: &str| Caller { more: more.to_owned(), ..Caller::new("dave", 9) };
    for more in ["Event: foo\n", "Event: Conference\n", ""] {
        let refusal = refused(with(more));
        assert_eq!(refusal.status.code(), 489, "{more}");
        assert!(header(&refusal, &HeaderName::AllowEvents).contains("conference"));
    }
    let brief = refused(with("Event: conference\nExpires: 1\n"));
    assert_eq!(brief.status.code(), 423);
    assert_eq!(header(&brief, &HeaderName::MinExpires), "60");
    assert_eq!(refused(with("Event: conference\nExpires: x\n")).status.code(), 400);
    assert_eq!(refused(with("Event: conference\nContact: *\n")).status.code(), 400);
    assert_eq!(refused(with("Event: conference\nRequire: foo\n")).status.code(), 420);
}

/// C15 · RFC 6665 §4.2.1.2, and D13 · RFC 4575 §5.2
#[test]
fn a_whole_document_comes_at_once() {
    let mut rig = Rig::new();
    let terms =
        EventTerms { wall: Some((Instant::ZERO, UnixTime(1_795_400_000))), users_max: Some(25) };
    rig.focus = rig.focus.telling(terms);
    let mut alice = Caller::new("alice", 1);
    let (_, joined) = rig.invite(&mut alice);
    rig.run_to_ms(2_000);
    rig.send(&alice.ack());
    let (_, document) = rig.subscribe(&mut watcher("dave", 9));
    assert_eq!((document.get("state"), document.get("version")), ("full", "1"));
    assert_eq!(document.get("entity"), CONFERENCE);
    assert!(header(&joined, &HeaderName::Contact).contains(document.get("entity")));
    let description = document.child("conference-description").unwrap();
    let uris = |list| {
        (
            description.at(&format!("{list}/entry/uri")),
            description.at(&format!("{list}/entry/purpose")),
        )
    };
    assert_eq!(uris("conf-uris"), (CONFERENCE, "participation"));
    assert_eq!(uris("service-uris"), (CONFERENCE, "event"));
    assert_eq!(description.at("maximum-user-count"), "25");
    let state = document.child("conference-state").unwrap();
    assert_eq!(
        [state.at("user-count"), state.at("active"), state.at("locked")],
        ["1", "true", "false"]
    );

    // D14, D18, D20 · RFC 4575 §5.3.4, §5.7, §5.8
    let user = document.user("sip:alice@example.com").unwrap();
    assert_eq!(user.at("display-text"), "alice");
    let endpoint = user.child("endpoint").unwrap();
    assert_eq!([endpoint.at("status"), endpoint.at("joining-method")], ["connected", "dialed-in"]);
    assert_eq!(endpoint.at("joining-info/when"), "2026-11-23T02:13:20Z");
    let media = endpoint.child("media").unwrap();
    let stream = description.child("available-media").unwrap().child("entry").unwrap();
    assert_eq!(media.at("label"), stream.get("label"));
    assert_eq!([media.at("type"), stream.at("type")], ["audio", "audio"]);
    assert_eq!([media.at("status"), stream.at("status")], ["sendrecv", "sendrecv"]);
}

/// D09 · RFC 4575 §5.2: a conference that nobody is in yet; who has not acknowledged is not told of.
#[test]
fn a_document_of_nobody_has_its_parts_all_the_same() {
    let mut rig = Rig::new();
    rig.invite(&mut Caller::new("alice", 1));
    let (_, document) = rig.subscribe(&mut watcher("dave", 9));
    assert_eq!(document.users(), []);
    assert_eq!(document.at("conference-state/user-count"), "0");
}

/// D04, D08, D10 · RFC 4575 §3.6, §4.3, §4.4: joins and leaves are told, in order, each watcher with a counter of his own.
#[test]
fn joins_and_leaves_are_told_as_changes() {
    let mut rig = Rig::new();
    rig.join(&mut Caller::new("alice", 1));
    let (early, _) = rig.subscribe(&mut watcher("dave", 9));
    rig.run_answering(10_000);
    let mut bob = Caller::new("bob", 2);
    rig.join(&mut bob);
    rig.told(early, 200);
    rig.run_answering(20_000);
    let (late, first) = rig.subscribe(&mut watcher("erin", 10));
    assert_eq!((first.get("version"), first.users().len()), ("1", 2));
    rig.send(&bob.next("BYE", ""));
    rig.told(early, 200);
    rig.run_answering(60_000);

    let told = rig.documents(early);
    let versions: Vec<_> = told.iter().map(|(_, _, document)| document.get("version")).collect();
    assert_eq!(versions, ["1", "2", "3", "4"]);
    let [_, (at, _, joined), (_, _, left), (_, _, removed)] = &told[..] else { panic!() };
    assert_eq!((*at, joined.get("state"), joined.users().len()), (10_000, "partial", 1));
    assert_eq!(joined.at("conference-state/user-count"), "2");
    // D19 · RFC 4575 §5.7.6: how he left, and then he is removed.
    let gone = left.user("sip:bob@example.com").unwrap().child("endpoint").unwrap();
    assert_eq!([gone.at("status"), gone.at("disconnection-method")], ["disconnected", "departed"]);
    assert_eq!(left.at("conference-state/user-count"), "1");
    assert_eq!(removed.user("sip:bob@example.com").unwrap().get("state"), "deleted");
    let later = rig.documents(late);
    let versions: Vec<_> = later.iter().map(|(_, _, document)| document.get("version")).collect();
    assert_eq!(versions, ["1", "2", "3"]);
}

/// D05 · RFC 4575 §3.9: a hundred joins in five seconds.
#[test]
fn a_hundred_joins_make_two_notifies() {
    let mut rig = Rig::new();
    rig.join(&mut Caller::new("alice", 1));
    let (id, _) = rig.subscribe(&mut watcher("dave", 9));
    rig.run_answering(10_000);
    let names: Vec<&'static str> = (0..98).map(|n| &*format!("guest{n}").leak()).collect();
    for (number, name) in names.iter().enumerate() {
        rig.join(&mut Caller::new(name, 100));
        rig.told(id, 200);
        rig.run_answering(10_000 + 50 * (number as u64 + 1));
    }
    rig.run_answering(60_000);
    let told = rig.documents(id);
    let times: Vec<_> = told.iter().map(|(at, _, _)| *at).collect();
    assert_eq!(times, [0, 10_000, 15_000]);
    assert_eq!((told[1].2.users().len(), told[2].2.users().len()), (1, 97));
    assert_eq!(told[2].2.at("conference-state/user-count"), "99");
}

/// D03 · RFC 4575 §3.2
#[test]
fn a_refresh_is_answered_by_the_whole_state() {
    let mut rig = Rig::new();
    rig.join(&mut Caller::new("alice", 1));
    let mut dave = watcher("dave", 9);
    let (id, _) = rig.subscribe(&mut dave);
    dave.more = format!("{EVENT}Expires: 600\n");
    let response = rig.send(&dave.next("SUBSCRIBE", "")).unwrap();
    assert_eq!(header(&response, &HeaderName::Expires), "600");
    let told = rig.documents(id);
    assert_eq!((told[1].1.as_str(), told[1].2.get("state")), ("active;expires=600", "full"));
    assert_eq!(told[1].2.get("version"), "2");
}

/// C17 · RFC 6665 §4.2.1.4, §4.4.3
#[test]
fn polls_ends_and_timeouts_leave_nothing() {
    let mut rig = Rig::new();
    rig.join(&mut Caller::new("alice", 1));
    let mut poll = Caller { more: format!("{EVENT}Expires: 0\n"), ..Caller::new("dave", 9) };
    let (id, document) = rig.subscribe(&mut poll);
    assert_eq!(rig.documents(id)[0].1, "terminated;reason=timeout");
    assert_eq!(document.users().len(), 1);

    let mut erin = watcher("erin", 10);
    let (id, _) = rig.subscribe(&mut erin);
    erin.more = format!("{EVENT}Expires: 0\n");
    assert_eq!(rig.status(&erin.next("SUBSCRIBE", "")), 200);
    assert_eq!(rig.documents(id)[1].1, "terminated;reason=timeout");
    // Too late: it is gone, and its dialog with it.
    assert_eq!(rig.status(&erin.next("SUBSCRIBE", "")), 481);

    let mut frank = Caller { more: format!("{EVENT}Expires: 60\n"), ..Caller::new("frank", 11) };
    let (id, _) = rig.subscribe(&mut frank);
    rig.run_answering(60_000);
    assert_eq!(rig.documents(id)[1].1, "terminated;reason=timeout");
    assert_eq!(rig.focus.watcher_count(), 0);
    let (started, ended) = rig.watches();
    assert_eq!((started.len(), started), (3, ended));
}

/// C18 · RFC 6665 §4.2.2: no NOTIFY storm to who is not there.
#[test]
fn a_dead_subscriber_is_forgotten() {
    let mut rig = Rig::new();
    rig.join(&mut Caller::new("alice", 1));
    for (number, status) in [(9, Some(481)), (10, None)] {
        let mut dave = watcher("dave", number);
        dave.call_id = format!("watch-{number}");
        rig.try_subscribe(&mut dave, Subscriber::default()).unwrap();
        let (id, _) = rig.informs().pop().unwrap();
        match status {
            Some(status) => rig.told(id, status),
            None => rig.focus.informed(rig.now, id, None),
        }
        rig.drain();
    }
    assert_eq!((rig.focus.watcher_count(), rig.informs().len()), (0, 2));
    rig.join(&mut Caller::new("bob", 2));
    rig.run_to_ms(60_000);
    assert_eq!(rig.informs().len(), 2);
}

/// B33 · RFC 4579 §3.4, RFC 5057: the BYE ends the call and not the subscription in its dialog.
#[test]
fn a_subscription_outlives_the_call_whose_dialog_it_shares() {
    let mut rig = Rig::new();
    let (mut alice, mut bob) = (Caller::new("alice", 1), Caller::new("bob", 2));
    rig.join(&mut alice);
    rig.join(&mut bob);
    let (id, document) = rig.subscribe_inside(&mut bob);
    assert_eq!(document.users().len(), 2);
    let first = rig.informs().pop().unwrap().1.headers.cseq().unwrap().number;
    assert_eq!(rig.status(&bob.next("BYE", "")), 200);
    assert_eq!(rig.watches().0.len(), 1, "the dialog is still ours");
    rig.run_answering(6_000);
    let (_, _, left) = rig.documents(id).pop().unwrap();
    assert_eq!(left.user("sip:bob@example.com").unwrap().at("endpoint/status"), "disconnected");
    let notify = rig.informs().pop().unwrap().1;
    assert_eq!(notify.headers.cseq().unwrap().number, first + 1, "one dialog, one count");

    // It can be refreshed and ended; the session in it stays over.
    bob.more = EVENT.to_owned();
    assert_eq!(rig.status(&bob.next("SUBSCRIBE", "")), 200);
    bob.more.clear();
    assert_eq!(rig.status(&bob.next("OPTIONS", "")), 200);
    assert_eq!(rig.status(&bob.next("BYE", "")), 481);
    assert_eq!(rig.status(&bob.next("INVITE", super::rig::OFFER)), 481);
    bob.more = format!("{EVENT}Expires: 0\n");
    rig.told(id, 200);
    assert_eq!(rig.status(&bob.next("SUBSCRIBE", "")), 200);
    assert_eq!(rig.focus.watcher_count(), 0);
    let (started, ended) = rig.watches();
    assert_eq!(started, ended);
}

/// D06 · RFC 4575 §3.3, §4.6
#[test]
fn the_end_of_the_conference_is_told_to_all() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    rig.join(&mut alice);
    let (inside, _) = rig.subscribe_inside(&mut alice);
    let (outside, _) = rig.subscribe(&mut watcher("dave", 9));
    let mut erin = watcher("erin", 10);
    let known = Subscriber { is_proved: true, ..Subscriber::default() };
    rig.try_subscribe(&mut erin, known).unwrap();
    let (waiting, _) = rig.informs().pop().unwrap();
    rig.send(&alice.next("BYE", ""));
    for id in [inside, outside, waiting] {
        let (_, state, document) = rig.documents(id).pop().unwrap();
        assert_eq!(state, "terminated;reason=noresource");
        assert_eq!((document.get("state"), document.get("entity")), ("deleted", CONFERENCE));
        let versions: Vec<u32> = rig
            .documents(id)
            .iter()
            .map(|(_, _, told)| told.get("version").parse().unwrap())
            .collect();
        assert!(versions.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    }
    assert_eq!((rig.focus.watcher_count(), rig.ended()), (0, vec![End::LastLeft]));
    assert!(matches!(rig.log.last(), Some((_, Output::Ended { .. }))));
    let (started, ended) = rig.watches();
    assert_eq!((started.len(), ended.len()), (3, 3));
}

/// D11, D16 · RFC 4575 §4.5, §5.6
#[test]
fn a_user_with_two_devices_is_one_and_two_who_hide_are_two() {
    let mut rig = Rig::new();
    rig.join(&mut Caller::new("alice", 1));
    let mut again = Caller::new("alice", 7);
    again.call_id = "from-the-car".to_owned();
    let car = rig.join(&mut again);
    for (name, last) in [("bob", 2), ("carol", 3)] {
        let mut hidden = Caller::new(name, last);
        hidden.more = "Privacy: id\n".to_owned();
        rig.join(&mut hidden);
    }
    let (_, document) = rig.subscribe(&mut watcher("dave", 9));
    let entities: Vec<_> = document.users().iter().map(|user| user.get("entity")).collect();
    assert_eq!(
        entities,
        [
            "sip:alice@example.com",
            "sip:anonymous3@anonymous.invalid",
            "sip:anonymous4@anonymous.invalid"
        ]
    );
    let alice = document.user("sip:alice@example.com").unwrap();
    assert_eq!(alice.children.iter().filter(|child| child.name == "endpoint").count(), 2);
    assert_eq!(document.at("conference-state/user-count"), "3");
    rig.focus.identify(rig.now, car, "alice");
    let (_, document) = rig.subscribe(&mut watcher("erin", 10));
    assert!(document.user("sip:alice@mix.example.com").is_some(), "whom he proved to be");
}

/// D16 · RFC 4575 §5.6: the name of somebody who proved it is no one else's.
#[test]
fn nobody_is_shown_as_somebody_else_who_proved_it() {
    let mut rig = Rig::new();
    let alice = rig.join(&mut Caller::new("alice", 1));
    rig.focus.identify(rig.now, alice, "alice");
    let ways = [
        "sip:alice@mix.example.com",
        "sip:alice@MIX.example.com",
        "sip:al%69ce@mix.example.com:5060",
        "sips:Alice@mix.example.com;x=y",
    ];
    for (name, way) in ["liar1", "liar2", "liar3", "liar4"].into_iter().zip(ways) {
        let mut liar = Caller::new(name, 2);
        let invite = liar.next("INVITE", super::rig::OFFER);
        let text = String::from_utf8(invite.request.to_bytes()).unwrap();
        let text = text.replace(&format!("sip:{name}@example.com"), way);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let head: Vec<_> =
            head.lines().filter(|line| !line.starts_with("Content-Length")).collect();
        let invite = super::rig::incoming(&format!("{}\n\n{body}", head.join("\n")), &liar.address);
        rig.try_invite(&invite).unwrap();
        liar.heard(&rig.last_response());
        rig.send(&liar.ack());
    }
    let (_, document) = rig.subscribe(&mut watcher("dave", 9));
    let entities: Vec<_> = document.users().iter().map(|user| user.get("entity")).collect();
    let unverified = (2..6).map(|n| format!("sip:unverified{n}@anonymous.invalid"));
    let expected: Vec<_> =
        ["sip:alice@mix.example.com".to_owned()].into_iter().chain(unverified).collect();
    assert_eq!(entities, expected);
}

/// Where phones are believed, a subscriber's Contact is too, at first and after a refresh.
#[test]
fn a_subscriber_is_reached_by_the_rule_for_nats() {
    for (nat, at) in [(sip::Nat::Off, "192.0.2.9:5060"), (sip::Nat::Auto, "203.0.113.9:1")] {
        let mut rig = Rig::new();
        rig.focus.config.nat = nat;
        let mut dave = watcher("dave", 9);
        dave.seen_as = Some("203.0.113.9:1".to_owned());
        rig.subscribe(&mut dave);
        assert_eq!(rig.status(&dave.next("SUBSCRIBE", "")), 200);
        let went = rig.log.iter().filter_map(|(_, output)| match output {
            Output::Inform { to, .. } => Some(to.remote.to_string()),
            _ => None,
        });
        assert_eq!(went.collect::<Vec<_>>(), [at, at]);
    }
}

/// B35 · RFC 4579 §6, RFC 4575 §8.2: nothing of who he is or where is in any NOTIFY, for whomever.
#[test]
fn who_asks_for_privacy_is_nowhere_named() {
    for privacy in ["Privacy: id\n", "Privacy: header;user\n", "Privacy: critical, id\n"] {
        let mut rig = Rig::new();
        rig.join(&mut Caller::new("alice", 1));
        let mut bob = Caller::new("bob", 2);
        bob.more = privacy.to_owned();
        rig.join(&mut bob);
        rig.subscribe(&mut watcher("dave", 9));
        bob.more.clear();
        rig.send(&bob.next("BYE", ""));
        rig.run_answering(30_000);
        assert!(rig.informs().len() > 1);
        for (_, notify) in rig.informs() {
            let text = String::from_utf8(notify.to_bytes()).unwrap();
            assert!(!text.contains("bob") && !text.contains("192.0.2.2"), "{text}");
        }
    }
}

/// D21, D22 · RFC 4575 §5.7.9, §8.2
#[test]
fn only_an_owner_sees_the_dialogs() {
    let mut alice = Caller::new("alice", 1);
    let creator = Creator::of(&alice.clone().next("INVITE", ""));
    let mut rig = Rig::with(EndPolicy::LastLeaves, Some(creator));
    rig.join(&mut alice);
    let mut bob = Caller::new("bob", 2);
    rig.join(&mut bob);
    let call = |document: &Element| {
        let user = document.user("sip:bob@example.com").unwrap();
        user.at("endpoint/call-info/sip/call-id").to_owned()
    };
    let (_, guest) = rig.subscribe_inside(&mut bob);
    let (_, creator) = rig.subscribe_inside(&mut alice);
    let owner = Subscriber { is_owner: true, ..Subscriber::default() };
    let (_, moderator) = rig.subscribe_as(&mut watcher("dave", 9), owner);
    assert_eq!(
        [call(&guest), call(&creator), call(&moderator)],
        ["", "call-of-bob", "call-of-bob"]
    );
    let role = |document: &Element, name: &str| {
        document.user(&format!("sip:{name}@example.com")).unwrap().at("roles/entry").to_owned()
    };
    assert_eq!([role(&guest, "alice"), role(&guest, "bob")], ["creator", ""]);
}

/// D17, D20 · RFC 4575 §5.7.3, §5.8.5: from the participant's side.
#[test]
fn hold_is_shown() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    rig.join(&mut alice);
    let hold = super::rig::OFFER.to_owned() + "a=sendonly\r\n";
    rig.send(&alice.next("INVITE", &hold));
    rig.send(&alice.ack());
    let (_, document) = rig.subscribe(&mut watcher("dave", 9));
    let alice = document.user("sip:alice@example.com").unwrap();
    assert_eq!(
        [alice.at("endpoint/status"), alice.at("endpoint/media/status")],
        ["on-hold", "inactive"]
    );
}

/// D18 · RFC 4575 §5.7.2: who had him join.
#[test]
fn who_was_referred_is_shown_with_whom_by() {
    let mut rig = Rig::new();
    let mut bob = Caller::new("bob", 2);
    bob.more = "Referred-By: <sip:alice@example.com;transport=udp>;cid=x\n".to_owned();
    rig.join(&mut bob);
    let (_, document) = rig.subscribe(&mut watcher("dave", 9));
    let bob = document.user("sip:bob@example.com").unwrap();
    assert_eq!(bob.at("endpoint/referred/by"), "sip:alice@example.com");
}

/// D07 · RFC 4575 §4.1, and D15: names of any kind, and no more of them than a datagram holds.
#[test]
fn a_thousand_long_names_fit_into_a_datagram() {
    let mut rig = Rig::new();
    let long: &'static str = "<\u{1F389}&\u{202E}>".repeat(60).leak();
    for number in 0..300_u32 {
        let name = if number % 2 == 0 { long } else { "Zoë \u{4f1a}\u{8b70}" };
        let mut caller = Caller::new("guest", 2);
        caller.call_id = format!("call-{number}");
        caller.uri = CONFERENCE.to_owned();
        let invite = caller.next("INVITE", super::rig::OFFER);
        let text = String::from_utf8(invite.request.to_bytes()).unwrap();
        let from = format!("From: \"{name}\" <sip:guest{number}@example.com>");
        let text = text.replace("From: guest <sip:guest@example.com>", &from);
        let text = text.replace("From: \"guest\" <sip:guest@example.com>", &from);
        assert!(text.contains(name));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let head: Vec<_> =
            head.lines().filter(|line| !line.starts_with("Content-Length")).collect();
        let invite =
            super::rig::incoming(&format!("{}\n\n{body}", head.join("\n")), &caller.address);
        rig.try_invite(&invite).unwrap();
        caller.heard(&rig.last_response());
        rig.send(&caller.ack());
    }
    let (_, document) = rig.subscribe(&mut watcher("dave", 9));
    assert!(rig.informs().pop().unwrap().1.to_bytes().len() < 60_000);
    assert!((20..=100).contains(&document.users().len()));
    assert_eq!(document.at("conference-state/user-count"), "300");
}

/// T-bound: the one too many is told when to try again, and nothing is kept of him.
#[test]
fn there_are_no_more_subscriptions_than_the_limit() {
    let mut rig = Rig::new();
    rig.join(&mut Caller::new("alice", 1));
    for number in 0..WATCHERS_MAX {
        let mut dave = watcher("dave", if number % 2 == 0 { 8 } else { 9 });
        dave.call_id = format!("watch-{number}");
        rig.subscribe(&mut dave);
    }
    let refusal = rig.try_subscribe(&mut watcher("erin", 10), Subscriber::default()).unwrap_err();
    assert_eq!(refusal.status.code(), 480);
    assert_eq!(header(&refusal, &HeaderName::RetryAfter), "60");
    assert_eq!(rig.focus.watcher_count(), WATCHERS_MAX);
    rig.focus.end(rig.now, End::Ordered);
    rig.drain();
    let mut late = watcher("late", 11);
    assert_eq!(rig.try_subscribe(&mut late, Subscriber::default()).unwrap_err().status.code(), 404);
    assert_eq!(rig.sent(&Method::Bye).len(), 1);
}

/// T20: nobody takes them all: not one host, and not who forges many addresses. In a call as well.
#[test]
fn one_address_and_those_who_answer_nothing_leave_room() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 8);
    rig.join(&mut alice);
    for number in 0..WATCHERS_OF_ADDRESS_MAX {
        let mut dave = watcher("dave", 8);
        dave.call_id = format!("watch-{number}");
        rig.subscribe(&mut dave);
    }
    let refusal = rig.try_subscribe(&mut watcher("dave", 8), Subscriber::default()).unwrap_err();
    assert!(header(&refusal, &HeaderName::Warning).contains("of this address"));
    alice.more = EVENT.to_owned();
    assert_eq!(rig.status(&alice.next("SUBSCRIBE", "")), 480);

    for number in 0..UNPROVED_WATCHERS_MAX {
        let last = 100 + u8::try_from(number).unwrap();
        let mut forged = watcher("nobody", last);
        forged.call_id = format!("forged-{number}");
        rig.try_subscribe(&mut forged, Subscriber::default()).unwrap();
    }
    let refusal = rig.try_subscribe(&mut watcher("eve", 9), Subscriber::default()).unwrap_err();
    assert!(header(&refusal, &HeaderName::Warning).contains("have not answered"));
    let known = Subscriber { is_proved: true, ..Subscriber::default() };
    rig.try_subscribe(&mut watcher("erin", 10), known).unwrap();
    let (id, _) = rig.informs().into_iter().rev().nth(1).unwrap();
    rig.told(id, 200);
    rig.try_subscribe(&mut watcher("eve", 9), Subscriber::default()).unwrap();
}

/// T20 · RFC 6665 §4.2.2: who has not answered the first NOTIFY gets no other, whatever happens; who has, hears the end.
#[test]
fn nothing_more_goes_to_who_has_not_answered_the_first() {
    let mut rig = Rig::new();
    rig.join(&mut Caller::new("alice", 1));
    rig.try_subscribe(&mut watcher("forged", 9), Subscriber::default()).unwrap();
    let (silent, _) = rig.informs().pop().unwrap();
    let (known, _) = rig.subscribe(&mut watcher("dave", 10));
    rig.join(&mut Caller::new("bob", 2));
    rig.run_to_ms(20_000);
    rig.told(known, 200);
    rig.focus.end(rig.now, End::Ordered);
    rig.drain();
    let count = |rig: &Rig, id| rig.documents(id).len();
    for (_, leg) in rig.sent(&Method::Bye) {
        rig.focus.response(rig.now, leg, &Method::Bye, StatusCode::OK);
        rig.drain();
    }
    assert_eq!((count(&rig, silent), count(&rig, known)), (1, 4));
    assert_eq!(rig.focus.watcher_count(), 0);
}

/// RFC 7989 §6: the dialog of a subscription is in the conference's session, as the calls are.
#[test]
fn a_subscriptions_dialog_names_the_session() {
    let mut rig = Rig::new();
    rig.join(&mut Caller::new("alice", 1));
    let mut dave = watcher("dave", 9);
    let his = "a".repeat(32);
    dave.more += &format!("Session-ID: {his};remote={}\n", "0".repeat(32));
    let (id, _) = rig.subscribe(&mut dave);
    let session = |headers: &sip::Headers| headers.session_id().expect("a Session-ID");
    let ok = session(&rig.last_response().headers);
    let notify = session(&rig.informs().pop().unwrap().1.headers);
    for said in [ok, notify] {
        assert_eq!(said.remote.expect("his end").to_string(), his);
        assert_eq!(said.local, rig.focus.session);
    }
    // He has become another.
    let moved = "b".repeat(32);
    let more = format!("{moved};remote={}", ok.local);
    let taken = Response::new(StatusCode::OK).with_header(HeaderName::SessionId, more);
    rig.join(&mut Caller::new("bob", 2));
    rig.run_to_ms(6_000);
    rig.focus.informed(rig.now, id, Some(&taken));
    rig.drain();
    rig.join(&mut Caller::new("carol", 3));
    rig.run_to_ms(12_000);
    let notify = session(&rig.informs().pop().unwrap().1.headers);
    assert_eq!(notify.remote.expect("his end").to_string(), moved);
}

/// D17, D18, D19 · RFC 4575 §5.7.3, §5.7.4, §5.7.6: somebody whom the focus calls.
#[test]
fn who_is_called_is_shown_from_the_first_ring_to_the_end() {
    for (finals, method) in [(486, "busy"), (404, "failed"), (600, "failed"), (200, "departed")] {
        let mut rig = Rig::new();
        let (_, _) = rig.call_bob();
        let (id, first) = rig.subscribe(&mut watcher("dave", 9));
        let bob = "sip:bob@192.0.2.2:5060";
        let seen = |document: &Element, what: &str| document.user(bob).unwrap().at(what).to_owned();
        assert_eq!(seen(&first, "endpoint/status"), "dialing-out");
        assert_eq!(seen(&first, "endpoint/joining-method"), "dialed-out");
        rig.callee_says(180, "b");
        rig.run_answering(6_000);
        let last = |rig: &Rig| rig.documents(id).pop().unwrap().2;
        assert_eq!(seen(&last(&rig), "endpoint/status"), "alerting");
        rig.callee_says(finals, "b");
        rig.run_answering(12_000);
        if finals == 200 {
            let here = last(&rig);
            assert_eq!(seen(&here, "endpoint/status"), "connected");
            assert_eq!(seen(&here, "endpoint/referred/by"), "sip:alice@example.com");
            continue;
        }
        let told = rig.documents(id);
        let gone = told
            .iter()
            .rev()
            .find(|(_, _, told)| told.user(bob).is_some_and(|bob| bob.child("endpoint").is_some()));
        let gone = &gone.unwrap().2;
        assert_eq!(seen(gone, "endpoint/status"), "disconnected");
        assert_eq!(seen(gone, "endpoint/disconnection-method"), method);
        let reason = seen(gone, "endpoint/disconnection-info/reason");
        assert!(reason.starts_with(&format!("Reason: SIP;cause={finals};text=")), "{reason}");
        rig.run_answering(30_000);
        assert_eq!(last(&rig).user(bob).unwrap().get("state"), "deleted");
    }
}

/// RFC 4575 §5.5.3, §5.8.5
#[test]
fn who_watches_is_told_of_mute_and_lock() {
    let mut rig = Rig::new();
    let leg = rig.join(&mut Caller::new("bob", 2));
    let mut carol = watcher("carol", 3);
    let (id, _) = rig.subscribe(&mut carol);
    rig.focus.mute(rig.now, leg, true).unwrap();
    rig.focus.lock(rig.now, true);
    rig.drain();
    rig.run_to_ms(10_000);
    let (_, _, document) = rig.documents(id).pop().unwrap();
    let text = format!("{document:?}");
    assert_eq!(document.child("conference-state").unwrap().at("locked"), "true");
    assert!(text.contains("recvonly") && !text.contains("sendrecv"), "{text}");
}
