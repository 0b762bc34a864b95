use sip::{HeaderName, Message, Method, Request, Response, parse_datagram};

use super::*;
use crate::testing::{ALICE, BOB, config, path, uri};

struct Rig {
    watcher: Watcher,
    now: Instant,
    requests: Vec<Request>,
    events: Vec<WatcherEvent>,
}

impl Rig {
    fn new(stay: Option<Duration>) -> Self {
        let config =
            WatcherConfig { ua: config("alice", ALICE), conference: uri("sip:c@192.0.2.2"), stay };
        let watcher = Watcher::new(Instant::ZERO, config, Rng::from_number(1)).unwrap();
        let mut rig = Self { watcher, now: Instant::ZERO, requests: vec![], events: vec![] };
        rig.drain();
        rig
    }

    fn drain(&mut self) {
        while let Some(output) = self.watcher.poll_output() {
            match output {
                WatcherOutput::Send(packet) => match parse_datagram(&packet.bytes).unwrap() {
                    Message::Request(request) => self.requests.push(request),
                    Message::Response(_) => {}
                },
                WatcherOutput::Event(event) => self.events.push(event),
                WatcherOutput::Resolve { wanted, .. } => panic!("{wanted:?} is a number"),
            }
        }
    }

    fn run_until(&mut self, seconds: u64) {
        let end = Instant::from_millis(seconds * 1_000);
        while let Some(at) = self.watcher.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.watcher.handle_deadline(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn receive(&mut self, bytes: Vec<u8>) {
        self.watcher.handle_packet(self.now, Packet { path: path(ALICE, BOB), bytes });
        self.drain();
    }

    fn answer(&mut self, code: u16, header: Option<(HeaderName, u32)>) {
        let subscribe = self.requests.last().unwrap();
        assert_eq!(subscribe.method, Method::Subscribe);
        let status = StatusCode::new(code).unwrap();
        let mut response = Response::answering(subscribe, status).with_to_tag("focus");
        if let Some((name, value)) = header {
            response.headers.push(name, value);
        }
        self.receive(response.to_bytes());
    }

    fn notify(&mut self, cseq: u32, state: &str, body: &str) {
        let first = &self.requests[0];
        let text = format!(
            "NOTIFY sip:alice@192.0.2.1:5060 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKx{cseq}\n\
             From: {};tag=focus\nTo: {}\nCall-ID: {}\nCSeq: {cseq} NOTIFY\nMax-Forwards: 70\n\
             Contact: <sip:c@192.0.2.2>\nEvent: conference\nSubscription-State: {state}\n\
             Content-Type: application/conference-info+xml\nContent-Length: {}\n\n",
            first.headers.to().unwrap(),
            first.headers.from_().unwrap(),
            first.headers.call_id().unwrap(),
            body.len()
        );
        self.receive((text.replace('\n', "\r\n") + body).into_bytes());
    }
}

const EMPTY: &str = "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"sip:c@h\" \
                     version=\"1\"><users/></conference-info>";

/// Nobody has joined yet: tried again when the server says.
#[test]
fn what_is_refused_for_now_is_tried_again() {
    let mut rig = Rig::new(None);
    rig.answer(480, Some((HeaderName::RetryAfter, 5)));
    let retry_after = Some(Duration::from_secs(5));
    let why = Ended::Refused { status: StatusCode::TEMPORARILY_UNAVAILABLE, retry_after };
    assert_eq!(rig.events, [WatcherEvent::Waiting { why, again_in: Duration::from_secs(5) }]);
    rig.run_until(4);
    assert_eq!(rig.requests.len(), 1);
    rig.run_until(5);
    assert_eq!(rig.requests.len(), 2);
    assert_ne!(rig.requests[0].headers.call_id(), rig.requests[1].headers.call_id());
}

#[test]
fn what_is_refused_for_good_ends_it() {
    let mut rig = Rig::new(None);
    rig.answer(404, None);
    let why = Ended::Refused { status: StatusCode::NOT_FOUND, retry_after: None };
    assert_eq!(rig.events, [WatcherEvent::Ended(why), WatcherEvent::Finished]);
    let mut rig = Rig::new(None);
    rig.run_until(40);
    assert_eq!(rig.events, [WatcherEvent::Ended(Ended::Silent), WatcherEvent::Finished]);
    assert_eq!(rig.watcher.deadline(), None);
}

/// A server that forgot us is asked again, less and less often.
#[test]
fn what_is_lost_is_tried_again_less_and_less_often() {
    let mut rig = Rig::new(None);
    rig.answer(200, Some((HeaderName::Expires, 3_600)));
    rig.notify(1, "terminated;reason=timeout", EMPTY);
    assert!(matches!(rig.events[0], WatcherEvent::Roster(_)));
    let mut waits = Vec::new();
    for _ in 0..9 {
        let Some(WatcherEvent::Waiting { again_in, .. }) = rig.events.last() else { panic!() };
        waits.push(again_in.as_secs());
        rig.run_until(rig.now.as_millis() / 1_000 + again_in.as_secs());
        rig.run_until(rig.now.as_millis() / 1_000 + 33);
    }
    assert_eq!(waits, [1, 30, 30, 30, 30, 32, 60, 60, 60]);
}

/// `--for`: unsubscribes, waits for the last NOTIFY, and is done.
#[test]
fn it_stops_when_it_shall() {
    let mut rig = Rig::new(Some(Duration::from_secs(10)));
    rig.answer(200, Some((HeaderName::Expires, 3_600)));
    rig.notify(1, "active;expires=3600", EMPTY);
    rig.run_until(10);
    let end = rig.requests.last().unwrap();
    assert_eq!(end.headers.expires(), Ok(Some(0)));
    rig.answer(200, Some((HeaderName::Expires, 0)));
    rig.notify(2, "terminated;reason=timeout", "");
    let last = &rig.events[rig.events.len() - 2..];
    assert_eq!(last, [WatcherEvent::Ended(Ended::Unsubscribed), WatcherEvent::Finished]);
}
