//! Who subscribes to a conference, from outside and inside its calls.

use std::time::Duration;

use node::{Leftovers, Refusal, UNASKED_NOTIFIES_MAX};
use sip::{HeaderName, Message, Request, Response, StatusCode};

use crate::rig::{Caller, FACTORY, Rig, header};

fn watcher(number: u16) -> Caller {
    Caller { extra: "Event: conference\r\n".to_owned(), ..Caller::new("dave", number) }
}

/// A SUBSCRIBE; the answer, and the NOTIFY that follows.
fn subscribe(rig: &mut Rig, caller: &mut Caller, uri: &str) -> (Response, Option<Request>) {
    caller.cseq += 1;
    let got = rig.receive(caller.address, &caller.request("SUBSCRIBE", uri));
    let mut got = got.into_iter();
    let Some(Message::Response(response)) = got.next() else { panic!("no answer first") };
    let notify = got.next().map(|message| match message {
        Message::Request(request) => request,
        Message::Response(response) => panic!("two answers: {response:?}"),
    });
    if response.status.is_success() {
        caller.to_tag = response.headers.to().expect("To").tag().map(str::to_owned);
    }
    (response, notify)
}

fn answer(rig: &mut Rig, caller: &Caller, notify: &Request, status: u16) -> Vec<Message> {
    let status = StatusCode::new(status).expect("a status");
    rig.receive_bytes(caller.address, &Response::answering(notify, status).to_bytes())
}

fn state(notify: &Request) -> String {
    let value = notify.headers.get(&HeaderName::SubscriptionState);
    value.map(|value| value.text().into_owned()).unwrap_or_default()
}

fn body(notify: &Request) -> String {
    String::from_utf8(notify.body.clone()).expect("UTF-8")
}

/// D02, C15 · RFC 4575 §3.5: without users to ask for, whoever holds the URI may; there must be somebody in.
#[test]
fn whoever_holds_the_uri_is_told_and_nothing_is_left() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    let mut dave = watcher(9);
    let (early, none) = subscribe(&mut rig, &mut dave, &uri);
    assert_eq!((early.status.code(), none), (480, None));
    assert_eq!(header(&early, &HeaderName::RetryAfter).as_deref(), Some("5"));
    assert_eq!(rig.node.leftovers().transactions, 0);

    rig.join(&mut alice, &uri);
    let (taken, notify) = subscribe(&mut rig, &mut dave, &uri);
    assert_eq!(taken.status.code(), 200);
    let notify = notify.expect("at once");
    assert!(body(&notify).contains("sip:alice@example.com"));
    assert_eq!(answer(&mut rig, &dave, &notify, 200), []);
    assert_eq!(rig.node.leftovers().subscriptions, 1);
    // A forged or unknown URI looks like nothing at all.
    let nobody = uri.replace("conf-", "conf-a");
    assert_eq!(subscribe(&mut rig, &mut watcher(10), &nobody).0.status.code(), 404);

    rig.leave(&mut alice, &uri);
    let last = rig.sent.last().map(|(_, packet)| packet.bytes.clone()).expect("a NOTIFY");
    let last = String::from_utf8(last).expect("UTF-8");
    assert!(last.contains("terminated;reason=noresource") && last.contains("state=\"deleted\""));
    assert_eq!(rig.node.leftovers().subscriptions, 0);
    let (gone, none) = subscribe(&mut rig, &mut dave, &uri);
    assert_eq!((gone.status.code(), none), (481, None));
    rig.pass(Duration::from_secs(200));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// B33 · RFC 4579 §3.4: in the dialog of a call, which ends before the subscription does.
#[test]
fn a_subscription_in_a_call_outlives_it() {
    let mut rig = Rig::new();
    let (mut alice, mut bob) = (Caller::new("alice", 1), Caller::new("bob", 2));
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    rig.join(&mut bob, &uri);
    bob.extra = "Event: conference\r\nExpires: 600\r\n".to_owned();
    let (taken, notify) = subscribe(&mut rig, &mut bob, &uri);
    assert_eq!(
        (taken.status.code(), header(&taken, &HeaderName::Expires)),
        (200, Some("600".to_owned()))
    );
    assert_eq!(state(notify.as_ref().expect("at once")), "active;expires=600");
    answer(&mut rig, &bob, &notify.expect("at once"), 200);
    rig.leave(&mut bob, &uri);
    let told = rig.pass(Duration::from_secs(6));
    let Some(Message::Request(notify)) = told.first() else { panic!("{told:?}") };
    assert!(body(notify).contains("disconnected"));
    answer(&mut rig, &bob, notify, 200);
    bob.extra = "Event: conference\r\nExpires: 0\r\n".to_owned();
    let (taken, notify) = subscribe(&mut rig, &mut bob, &uri);
    assert_eq!(taken.status.code(), 200);
    assert_eq!(state(&notify.expect("the last")), "terminated;reason=timeout");
    assert_eq!(subscribe(&mut rig, &mut bob, &uri).0.status.code(), 481);
    assert_eq!(rig.node.leftovers().dialogs, 1, "alice's");
}

/// C18 · RFC 6665 §4.2.2: who does not answer is forgotten, after one NOTIFY and its copies.
#[test]
fn who_does_not_answer_is_forgotten() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let (_, notify) = subscribe(&mut rig, &mut watcher(9), &uri);
    let copies = rig.pass(Duration::from_secs(60));
    // None over TCP, where a document this long goes (RFC 3261 §18.1.1).
    assert!(copies.len() <= 10, "{} copies", copies.len());
    assert!(copies.iter().all(|copy| *copy == Message::Request(notify.clone().expect("one"))));
    assert_eq!(rig.node.leftovers().subscriptions, 0);
    let (_, notify) = subscribe(&mut rig, &mut watcher(10), &uri);
    answer(&mut rig, &watcher(10), &notify.expect("one"), 481);
    assert_eq!(rig.node.leftovers().subscriptions, 0);
}

/// T20: an address that answers nothing is not flooded, nor is that of somebody who is in: a datagram's source proves
/// nothing.
#[test]
fn an_address_that_answers_nothing_gets_few_subscriptions() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    alice.address = "127.0.0.2:6001".parse().expect("an address");
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let mut first = None;
    let from = |ip: &str, number: usize| {
        let mut caller = watcher(10 + u16::try_from(number).expect("small"));
        caller.address = format!("{ip}:{}", caller.address.port()).parse().expect("an address");
        caller
    };
    for number in 0..UNASKED_NOTIFIES_MAX {
        let mut dave = from("127.0.0.2", number);
        // Also who wants one document only.
        if number % 2 == 0 {
            dave.extra += "Expires: 0\r\n";
        }
        let (taken, notify) = subscribe(&mut rig, &mut dave, &uri);
        assert_eq!(taken.status.code(), 200);
        first = first.or(notify.map(|notify| (dave, notify)));
    }
    assert_eq!(subscribe(&mut rig, &mut from("127.0.0.2", 90), &uri).0.status.code(), 480);
    assert_eq!(rig.node.figures().tallies.refusals.of(Refusal::Unanswered), 1);
    assert_eq!(subscribe(&mut rig, &mut from("127.0.0.4", 91), &uri).0.status.code(), 200);
    let (dave, notify) = first.expect("a NOTIFY");
    answer(&mut rig, &dave, &notify, 200);
    assert_eq!(subscribe(&mut rig, &mut from("127.0.0.2", 92), &uri).0.status.code(), 200);
    assert_eq!(subscribe(&mut rig, &mut from("127.0.0.2", 93), &uri).0.status.code(), 480);
    // Unanswered for as long as they are sent: then others may ask.
    rig.pass(Duration::from_secs(40));
    assert_eq!(subscribe(&mut rig, &mut from("127.0.0.2", 94), &uri).0.status.code(), 200);
}

/// C15 · RFC 3261 §8.2.2.2: one SUBSCRIBE by two ways is one subscription.
#[test]
fn a_subscribe_that_comes_by_two_ways_subscribes_once() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let mut dave = watcher(9);
    dave.cseq += 1;
    let first = rig.receive(dave.address, &dave.request("SUBSCRIBE", &uri));
    assert!(matches!(&first[0], Message::Response(ok) if ok.status.code() == 200));
    dave.rebranch();
    assert_eq!(rig.ask(dave.address, &dave.request("SUBSCRIBE", &uri)).status.code(), 482);
    assert_eq!(rig.node.leftovers().subscriptions, 1);
}

/// T20: NOTIFYs go where Contact says, so it is there that those count which nobody has answered, whoever asks for them and
/// from wherever.
#[test]
fn nobody_has_a_third_party_flooded_by_his_contact() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let mut statuses = Vec::new();
    for number in 0..UNASKED_NOTIFIES_MAX + 1 {
        let mut eve = watcher(10 + u16::try_from(number).expect("small"));
        // Half of them from where alice is in.
        if number % 2 == 0 {
            eve.address = format!("127.0.0.3:{}", eve.address.port()).parse().expect("an address");
        }
        eve.cseq += 1;
        let own = format!("Contact: <sip:dave@{}>", eve.address);
        let text = eve.request("SUBSCRIBE", &uri).replace(&own, "Contact: <sip:x@192.0.2.66>");
        let got = rig.receive(eve.address, &text);
        let Some(Message::Response(response)) = got.into_iter().next() else { panic!("no answer") };
        statuses.push(response.status.code());
    }
    let last = statuses.pop();
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(last, Some(480));
}

/// C16 · RFC 6665 §4.2.1.1: with what there is instead. A factory has no packages.
#[test]
fn what_is_not_served_is_refused_statelessly() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    rig.pass(Duration::from_secs(40));
    let before = rig.node.leftovers().transactions;
    for (target, extra, status) in [
        (FACTORY, "Event: conference\r\n", 489),
        ("sip:127.0.0.1", "Event: message-summary\r\n", 489),
        (&uri, "Event: dialog\r\n", 489),
        (&uri, "", 489),
        (&uri, "Event: conference\r\nExpires: 5\r\n", 423),
        (&uri, "Event: conference\r\nAccept: text/plain\r\n", 406),
    ] {
        let mut caller = Caller { extra: extra.to_owned(), ..Caller::new("dave", 9) };
        let (refused, none) = subscribe(&mut rig, &mut caller, target);
        assert_eq!((refused.status.code(), none), (status, None), "{target} {extra}");
        if status == 489 {
            assert!(
                header(&refused, &HeaderName::AllowEvents)
                    .is_some_and(|all| all.contains("conference"))
            );
        }
    }
    assert_eq!(rig.node.leftovers().transactions, before);
}

/// C19 · RFC 6665 §4.6, §4.1.3: a CANCEL changes nothing, and a NOTIFY to us belongs nowhere.
#[test]
fn a_cancel_of_a_subscribe_changes_nothing() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let mut dave = watcher(9);
    subscribe(&mut rig, &mut dave, &uri);
    let tag = dave.to_tag.take();
    let cancel = dave.request("CANCEL", &uri).replace("-CANCEL-", "-SUBSCRIBE-");
    rig.receive(dave.address, &cancel);
    assert_eq!(rig.node.leftovers().subscriptions, 1);
    dave.to_tag = tag;
    dave.cseq += 1;
    assert_eq!(rig.ask(dave.address, &dave.request("NOTIFY", &uri)).status.code(), 405);
    dave.cseq += 1;
    dave.to_tag = Some("nobody".to_owned());
    assert_eq!(rig.ask(dave.address, &dave.request("NOTIFY", &uri)).status.code(), 481);
}
