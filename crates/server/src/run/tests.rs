//! What the loop hands on, and in which order, with sockets on loopback and a clock that stands still.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Mutex;
use std::sync::mpsc::{channel, sync_channel};

use node::{Asker, Keys, NewConference};
use pool::{Key, TokenKeys};
use units::Rng;

use super::*;
use crate::admin::ASKED_MAX;
use crate::config::{Config, Flags};
use crate::events::{Events, events};
use crate::{bind, room, start};

/// A loop in the hands of a test, the address that it speaks SIP on, and who may read its events.
fn held() -> (Loop, SocketAddr, Events) {
    with_mixers().0
}

/// The same, with what its mixers say.
fn with_mixers() -> ((Loop, SocketAddr, Events), mpsc::Receiver<FromShard>) {
    let text = "[[sip.listen]]\nbind = \"127.0.0.1:0\"\n[media]\nmixers = 1\n";
    let config = Config::from_toml("", text, &Flags::default()).expect("good");
    let sockets = bind::all_sip(&config).expect("bound");
    let local = sockets[0].local;
    let token = TokenKeys { current: Key::new(0, [3; 32]), previous: Vec::new() };
    let keys = Keys { identity: [1; 32], stateless: [2; 32], token };
    let of_node = start::node_config(&config, &sockets, room::pool_config(&config, None), keys);
    let clock = Clock::start();
    let node = Node::new(of_node, clock.now(), unix_time(), Rng::from_number(1)).expect("a node");
    let (mixers, from_shards) = Mixers::start(&config, [4; 32]).expect("mixers");
    let (teller, events) = events();
    let names = (sockets, Resolver::new(&config.dns, Rng::from_number(2)));
    let work = Loop::new(clock, node, mixers, names, config.access, teller).expect("registered");
    ((work, local, events), from_shards)
}

/// A clock that goes on only when a test says so.
fn stopped() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().expect("a runtime")
}

/// What waits in the socket, or behind others in the loop, is late when its turn comes: that it had no turn is what overload
/// is seen by.
#[test]
fn a_datagram_has_waited_since_it_came_and_not_since_its_turn_came() {
    stopped().block_on(async {
        let (mut work, local, _events) = held();
        let phone = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let from = phone.local_addr().expect("told");
        let options = format!(
            "OPTIONS sip:conference@{local} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK1\r\n\
             From: <sip:a@{from}>;tag=1\r\nTo: <sip:conference@{local}>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        phone.send_to(options.as_bytes(), local).expect("sent");
        // So that it can have come before: the kernel's clock does not stand still.
        tokio::time::advance(Duration::from_secs(60)).await;
        let happening = work.wires.next().await;
        work.handle(Wake::Wire(happening), &mut [0; 2_000]);
        let waited = |work: &Loop| work.node.figures().overload.wait_us;
        assert_eq!(waited(&work).total(), 0, "its turn has not come");
        tokio::time::advance(Duration::from_secs(1)).await;
        work.drain();
        let waited = waited(&work);
        assert_eq!(waited.total(), 1, "it was served");
        assert!(waited.sum() >= 1_000_000, "{waited:?}");
    });
}

/// An administrator is answered when the receivers of events are sure to hear of what he has done.
#[test]
fn what_was_made_is_answered_behind_its_event() {
    stopped().block_on(async {
        let (work, _, _events) = held();
        let (webhooks, mut take) = Webhooks::by_hand();
        let mut work = work.with_webhooks(webhooks);
        let (tell, told) = channel();
        let make = move |node: &mut Node, now| {
            let asker = Asker { name: "the test".to_owned(), key: None };
            let made = node.create_conference(now, &NewConference::default(), &asker);
            let tell: crate::keeping::Tell =
                Box::new(move |is_kept| tell.send(is_kept).expect("the test waits"));
            Some((made.expect("made").id, tell))
        };
        work.handle(Wake::Asked(Asked::Steer(Box::new(make))), &mut []);
        assert!(told.try_recv().is_err(), "its event is on its way");
        assert_eq!(take(), Some(false), "its event");
        assert!(told.try_recv().is_err());
        assert_eq!((take(), told.try_recv()), (Some(true), Ok(true)));
    });
}

/// Whoever asks without end by HTTP, at whatever cost each, holds up a call for one question, not for all that wait.
#[test]
fn a_call_waits_for_one_question_and_not_for_all() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answered_at = Arc::new(Mutex::new(Vec::new()));
    runtime.expect("a runtime").block_on(async {
        let ((work, local, _events), from_shards) = with_mixers();
        let caller = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let nobody = "INVITE sip:nobody@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1\r\n\
             From: <sip:a@h>;tag=1\r\nTo: <sip:nobody@127.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
        // It is in the socket before the first question is answered.
        caller.send_to(nobody.as_bytes(), local).expect("sent");
        let (asked, asked_receiver) = mpsc::channel(ASKED_MAX);
        let (orders, order_receiver) = mpsc::channel(1);
        let (ready, _is_ready) = sync_channel(1);
        for number in 0..ASKED_MAX {
            let (answered_at, orders) = (Arc::clone(&answered_at), orders.clone());
            let question = Asked::Steer(Box::new(move |node, now| {
                if node.status(now).refused.contains_key(&404) {
                    answered_at.lock().expect("no panic").push(number);
                }
                if number + 1 == ASKED_MAX {
                    orders.try_send(Order::Stop).expect("the loop runs");
                }
                None
            }));
            assert!(asked.try_send(question).is_ok());
        }
        work.run(from_shards, asked_receiver, ready, order_receiver).await
    });
    let seen = answered_at.lock().expect("no panic");
    assert!(seen.first().is_some_and(|first| *first <= 2), "{seen:?}");
}

/// Whoever changes the deadline of a server that a signal has told to end moves the end of the process too.
#[test]
fn the_newest_deadline_counts_for_the_end_of_the_process() {
    stopped().block_on(async {
        let (mut work, _, _events) = held();
        let make = |node: &mut Node, now| {
            let asker = Asker { name: "the test".to_owned(), key: None };
            node.create_conference(now, &NewConference::default(), &asker).expect("made");
            None
        };
        work.handle(Wake::Asked(Asked::Steer(Box::new(make))), &mut []);
        let drain = |work: &mut Loop, within| {
            let (asked, _) = tokio::sync::oneshot::channel();
            work.handle(Wake::Asked(Asked::Drain(within, asked)), &mut []);
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        drain(&mut work, seconds(1));
        assert_eq!(work.ends, None, "nobody told the process to end");
        work.handle(Wake::Order(Order::DrainAndStop(Duration::from_secs(1))), &mut []);
        drain(&mut work, seconds(30));
        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(!work.has_drained(), "it has 30 s now");
        drain(&mut work, None);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!work.has_drained(), "and now as long as it takes");
        drain(&mut work, seconds(5));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(work.has_drained());
    });
}
