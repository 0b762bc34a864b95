//! One conference: callers who do anything, a mixer that fails, a node that ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use focus::{
    Creator, DialEnd, DialRules, End, EndPolicy, EntryPolicy, EntryRules, Focus, FocusConfig, Key,
    LEGS_MAX, LegId, MediaPort, MediaSeat, Output, PinSalt, ReferralId,
};
use sip::{
    Essentials, FlowId, HeaderName, Incoming, Message, Method, Request, Response, ServerTxnId,
    Source, StatusCode, Transport, Uri,
};
use units::{Instant, Rng};

use crate::{Choices, Target, Trail};

/// [`Focus`].
pub const FOCUS: Target =
    Target { name: "focus", run: focus, seeds: || super::random(300), words: &[], longest: 1_000 };

const URI: &str = "sip:conf-abcdefghijklmnopqrstuvwxyz2345672345672345@mix.example.com";
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.200\r\ns=-\r\nc=IN IP4 192.0.2.200\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n";
const OFFERS: &[&str] = &[
    OFFER,
    OFFER,
    "",
    "v=0\r\no=- 1 2 IN IP4 192.0.2.200\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4002 RTP/AVP 8\r\na=sendonly\r\n",
    "v=0\r\no=- 1 2 IN IP4 192.0.2.200\r\ns=-\r\nc=IN IP4 192.0.2.200\r\nt=0 0\r\nm=image 4000 udptl t38\r\n",
    "v=0\r\n",
];
const MORE: &[&str] = &[
    "",
    "",
    "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n",
    "Supported: timer, 100rel\r\nSession-Expires: 90;refresher=uac\r\nAllow: INVITE, ACK, BYE, UPDATE\r\n",
    "Session-Expires: 10\r\n",
    "Require: recipient-list-invite\r\n",
    "Require: 100rel\r\n",
    "Min-SE: x\r\n",
];
const REFERS: &[&str] = &[
    "Refer-To: <sip:dan@192.0.2.44>\r\n",
    "Refer-To: <sip:dan@192.0.2.44>\r\n",
    "Refer-To: <sip:c2@192.0.2.2;method=BYE>\r\n",
    "Refer-To: <sip:dan@192.0.2.44;method=BYE>\r\n",
    "Refer-To: <sip:far@198.51.100.9>\r\n",
    "Refer-To: <tel:+1>\r\n",
    "Refer-To: <sip:dan@192.0.2.45?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>\r\n",
    "Refer-To: <sip:dan@192.0.2.46>\r\nRefer-Sub: false\r\nSupported: norefersub\r\n",
    "Refer-To: x\r\n",
    "",
];
/// As long as everything that a silent peer can keep waiting for.
const QUIET_MS: u64 = 1_200_000;

fn focus(data: &[u8], trail: &mut Trail) {
    let mut choices = Choices::new(data);
    let end = choices.pick(&[EndPolicy::LastLeaves, EndPolicy::CreatorLeaves]);
    let callers: Vec<_> = (1..=3).map(Caller::new).collect();
    let creator = Creator::of(&callers[0].incoming("INVITE", 1, ("", OFFER)));
    let Uri::Sip(conference_uri) = URI.parse().expect("a URI") else { return };
    let config = FocusConfig {
        conference_uri,
        end,
        max_time: choices.percent(20).then(|| Duration::from_millis(choices.below(400_000) as u64)),
        entry: entry(&mut choices),
        creator: choices.percent(70).then_some(creator),
        tag_prefix: "n1s0".to_owned(),
        dial_out: DialRules {
            allow: vec!["192.0.2.0/24".parse().expect("a rule")],
            ..DialRules::default()
        },
        nat: sip::Nat::Auto,
    };
    let empty_until = Instant::from_millis(choices.below(200_000) as u64);
    let mut world = World {
        focus: Focus::new(Instant::ZERO, config, Rng::from_number(1)).kept_empty_until(empty_until),
        now: Instant::ZERO,
        choices,
        trail,
        callers,
        txns: 0,
        seats: 0,
        wanted: Vec::new(),
        reports: Vec::new(),
        answered: BTreeSet::new(),
        asked: BTreeMap::new(),
        legs: BTreeMap::new(),
        apart: BTreeSet::new(),
        heard_tag: String::new(),
        is_over: false,
    };
    while !world.choices.is_over() {
        world.step();
        assert!(world.focus.leg_count() <= LEGS_MAX);
    }
    world.finish();
}

/// How it lets people in: mostly at once.
fn entry(choices: &mut Choices<'_>) -> EntryPolicy {
    let pins =
        [None, None, None, Some("1234")].map(|pin| pin.map(|pin| pin.parse().expect("a PIN")));
    let others = [None, None, Some("56789")].map(|pin| pin.map(|pin| pin.parse().expect("a PIN")));
    let rules = EntryRules {
        pin: choices.pick(&pins),
        moderator_pin: choices.pick(&others),
        lobby: choices.percent(25),
    };
    assert_eq!(rules.check(), Ok(()));
    rules.policy(&KEY, || PinSalt([1; 10]))
}

/// What the prints of PINs are made under.
const KEY: [u8; 32] = [7; 32];

/// What a leg went through, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Started,
    Opened,
    Closed,
    Ended,
}

struct Caller {
    number: u8,
    call: u32,
    cseq: u32,
    to_tag: String,
}

struct World<'a> {
    focus: Focus,
    now: Instant,
    choices: Choices<'a>,
    trail: &'a mut Trail,
    callers: Vec<Caller>,
    txns: u64,
    seats: u16,
    /// Seats that were asked for, and reports to be answered.
    wanted: Vec<LegId>,
    reports: Vec<(ReferralId, Request)>,
    /// Transactions that were answered.
    answered: BTreeSet<ServerTxnId>,
    /// The last request to each leg, by method.
    asked: BTreeMap<(LegId, String), Request>,
    legs: BTreeMap<LegId, Vec<Mark>>,
    /// Who hears nobody.
    apart: BTreeSet<LegId>,
    /// Our tag in the last answer.
    heard_tag: String,
    is_over: bool,
}

fn path(number: u8) -> Source {
    Source {
        transport: Transport::Udp,
        local: ([198, 51, 100, 1], 5060).into(),
        remote: ([192, 0, 2, number], 5060).into(),
        flow: FlowId::NONE,
    }
}

impl Caller {
    fn new(number: u8) -> Self {
        Self { number, call: 0, cseq: 0, to_tag: String::new() }
    }

    fn incoming(&self, method: &str, cseq: u32, (more, body): (&str, &str)) -> Incoming {
        let Self { number, call, to_tag, .. } = self;
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} {URI} SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.{number}:5060;branch=z9hG4bK{number}{method}{cseq}\r\n\
             From: <sip:c{number}@example.com>;tag=t{number}\r\nTo: <{URI}>{to_tag}\r\n\
             Call-ID: call-{number}-{call}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:c{number}@192.0.2.{number}>\r\n{more}{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let Ok(Message::Request(request)) = sip::parse_datagram(text.as_bytes()) else {
            panic!("cannot be read: {text}")
        };
        let essentials = Essentials::of(&request.headers).expect("read");
        Incoming { request, essentials, source: path(*number) }
    }
}

impl World<'_> {
    fn step(&mut self) {
        match self.choices.below(18) {
            0..=2 => self.invite(),
            3..=7 => self.in_dialog(),
            8..=10 => self.peer_answers(),
            11 => self.report_answered(),
            12 => {
                let leg = self.leg();
                match self.choices.below(3) {
                    0 => self.focus.media_failed(self.now, leg),
                    _ => self.focus.media_silent(self.now, leg),
                }
            }
            13 => {
                let ms = self.choices.below(65_000) as u64;
                self.run_until(self.now.as_millis() + ms);
            }
            14 | 15 => self.key(),
            16 => self.let_in(),
            _ => {
                if self.choices.percent(10) {
                    self.focus.end(self.now, End::Ordered);
                }
            }
        }
        self.drain();
    }

    fn leg(&mut self) -> LegId {
        LegId(u32::try_from(self.choices.below(6)).unwrap_or(0))
    }

    /// Somebody keys: a PIN, a part of one, anything.
    fn key(&mut self) {
        let leg = self.leg();
        for key in self.choices.pick(&["1234", "56789", "0000", "#", "12*", "9", "d"]).bytes() {
            let key = match key {
                b'#' => Key::Hash,
                b'*' => Key::Star,
                b'0'..=b'9' => Key::Digit(key - b'0'),
                _ => Key::Other,
            };
            self.focus.key(self.now, leg, key, &KEY);
        }
        self.trail.step("key");
    }

    /// An administrator is at the door.
    fn let_in(&mut self) {
        let (leg, now) = (self.leg(), self.now);
        let done = match self.choices.below(5) {
            0 => {
                let rules = entry(&mut self.choices);
                self.focus.set_entry(now, rules);
                "other rules".to_owned()
            }
            1 => {
                let max = self.choices.below(600_000) as u64;
                self.focus.set_max_time(now, (max > 0).then(|| Duration::from_millis(max)));
                "other time".to_owned()
            }
            2 => format!("removed {:?}", self.focus.remove_leg(now, leg)),
            3 => format!("appointed {:?}", self.focus.appoint(now, leg, self.choices.percent(70))),
            _ => format!("admitted {:?}", self.focus.admit_leg(now, leg)),
        };
        self.trail.step(&done);
    }

    fn txn(&mut self) -> ServerTxnId {
        self.txns += 1;
        serde_json::from_value(self.txns.into()).expect("invariant: a name is a number")
    }

    fn seat(&mut self) -> MediaSeat {
        self.seats += 1;
        let address = SocketAddr::from(([198, 51, 100, 1], 20_000 + self.seats));
        MediaSeat { port: MediaPort(self.seats.into()), address }
    }

    fn invite(&mut self) {
        let index = self.choices.below(3);
        let message = (self.choices.pick(MORE), self.choices.pick(OFFERS));
        let caller = &mut self.callers[index];
        (caller.call, caller.cseq) = (caller.call + 1, caller.cseq + 1);
        caller.to_tag.clear();
        let incoming = caller.incoming("INVITE", caller.cseq, message);
        let txn = self.txn();
        let seat = self.seat();
        let result = self.focus.invite(self.now, txn, &incoming, seat);
        self.trail.mark(
            "invite",
            &match &result {
                Ok(_) => "in".to_owned(),
                Err(refusal) => refusal.status.to_string(),
            },
        );
        if result.is_err() {
            return self.drain();
        }
        self.drain();
        assert!(self.answered.contains(&txn), "who is in was told so");
        self.callers[index].to_tag = format!(";tag={}", self.heard_tag);
    }

    fn in_dialog(&mut self) {
        let index = self.choices.below(3);
        let methods = [
            "ACK",
            "ACK",
            "BYE",
            "INVITE",
            "UPDATE",
            "OPTIONS",
            "INFO",
            "REFER",
            "REFER",
            "PRACK",
            "SUBSCRIBE",
        ];
        let method = self.choices.pick(&methods);
        let message = (self.choices.pick(MORE), self.choices.pick(OFFERS));
        let caller = &mut self.callers[index];
        if caller.to_tag.is_empty() {
            return;
        }
        let cseq = match (method, self.choices.percent(10)) {
            ("ACK", false) => caller.cseq,
            (_, true) => caller.cseq.saturating_sub(1),
            (_, false) => {
                caller.cseq += 1;
                caller.cseq
            }
        };
        let message = match method {
            "REFER" => (self.choices.pick(REFERS), ""),
            "SUBSCRIBE" => {
                (self.choices.pick(&["Event: refer\r\nExpires: 0\r\n", "Event: refer\r\n"]), "")
            }
            _ => message,
        };
        let incoming = caller.incoming(method, cseq, message);
        let txn = (method != "ACK").then(|| self.txn());
        self.focus.request(self.now, txn, &incoming);
        self.drain();
        assert!(txn.is_none_or(|txn| self.answered.contains(&txn)), "{method} was not answered");
    }

    fn peer_answers(&mut self) {
        let index = self.choices.below(self.asked.len());
        let Some(((leg, method), request)) = self.asked.iter().nth(index) else { return };
        let (leg, method) = (*leg, Method::parse(method).expect("a method"));
        let codes = [200, 200, 100, 180, 183, 302, 404, 405, 408, 422, 481, 488, 491, 500];
        let status = StatusCode::new(self.choices.pick(&codes)).expect("a status");
        let mut response = Response::answering(request, status).with_to_tag("callee");
        response.headers.push(HeaderName::Contact, "<sip:callee@192.0.2.44>");
        let body = self.choices.pick(OFFERS);
        if method == Method::Invite && status.is_success() && !body.is_empty() {
            response.set_body("application/sdp", body);
        }
        if self.choices.percent(20) {
            response.headers.push(HeaderName::MinSe, "120");
        }
        match self.choices.percent(10) {
            true if method == Method::Invite && self.last(leg).is_none() => {
                self.focus.dial_failed(self.now, leg, DialEnd::Unreachable(String::new()));
            }
            true => {
                let why = [sip::Failure::Timeout, sip::Failure::Transport];
                let why = self.choices.pick(&why);
                self.focus.request_failed(self.now, leg, &method, why);
            }
            false => self.focus.answered(self.now, leg, &method, &response, path(44)),
        }
    }

    /// What becomes of a report of ours.
    fn report_answered(&mut self) {
        let index = self.choices.below(self.reports.len());
        if index >= self.reports.len() {
            return;
        }
        let (referral, request) = self.reports.swap_remove(index);
        let status = StatusCode::new(self.choices.pick(&[200, 481, 503])).expect("a status");
        match self.choices.below(4) {
            0 => self.focus.notify_unsent(self.now, referral),
            1 => self.focus.notify_answered(self.now, referral, None),
            _ => {
                let response = Response::answering(&request, status);
                self.focus.notify_answered(self.now, referral, Some(&response));
            }
        }
    }

    fn drain(&mut self) {
        loop {
            self.take_outputs();
            let Some(leg) = self.wanted.pop() else { return };
            let seat = match self.choices.percent(10) {
                true => Err((StatusCode::TEMPORARILY_UNAVAILABLE, "no room".to_owned())),
                false => Ok(self.seat()),
            };
            self.focus.seated(self.now, leg, seat);
        }
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.focus.poll_output() {
            let now = self.now;
            self.trail.tell(|| {
                format!("{now} {}", format!("{output:?}").chars().take(120).collect::<String>())
            });
            match output {
                Output::Respond { txn, response } => {
                    assert!(self.answered.insert(txn), "answered twice");
                    self.trail.step(&format!("answer {}", response.status));
                    let to = response.headers.to().expect("a To");
                    to.tag().unwrap_or_default().clone_into(&mut self.heard_tag);
                }
                Output::LegStarted { leg, .. } => self.mark(leg, Mark::Started),
                Output::OpenMedia { leg, media } => {
                    self.apart(leg, media.apart);
                    self.mark(leg, Mark::Opened);
                }
                Output::CloseMedia { leg, .. } => self.mark(leg, Mark::Closed),
                Output::LegEnded { leg, cause, .. } => {
                    self.trail.step(&format!("leg ended {cause:?}"));
                    self.mark(leg, Mark::Ended);
                }
                Output::UpdateMedia { leg, media } => {
                    self.apart(leg, media.apart);
                    assert_eq!(self.last(leg), Some(Mark::Opened), "media changed but not open");
                }
                Output::Request { leg, request, .. } => {
                    let method = request.method.as_str().to_owned();
                    self.trail.step(&method);
                    let wanted =
                        if request.method == Method::Bye { Mark::Closed } else { Mark::Opened };
                    assert_eq!(self.last(leg), Some(wanted), "{method} at the wrong time");
                    self.asked.insert((leg, method), request);
                }
                Output::ResendSuccess { leg, .. } => {
                    assert_ne!(self.last(leg), Some(Mark::Ended), "something after the end");
                }
                Output::SeatWanted { leg, .. } => self.wanted.push(leg),
                Output::Dial { leg, request, .. } => {
                    self.trail.step("dial");
                    assert_eq!(self.last(leg), None, "a leg that is there is called");
                    self.asked.insert((leg, "INVITE".to_owned()), request);
                }
                Output::DialEnded { leg, why, .. } => {
                    let why = format!("{why:?}");
                    let kind = why.split(['(', ' ']).next().unwrap_or_default();
                    self.trail.step(&format!("dial ended {kind}"));
                    assert_eq!(self.last(leg), None, "a leg that is there was not called");
                    self.asked.remove(&(leg, "INVITE".to_owned()));
                }
                Output::Notify { referral, request, .. } => {
                    self.trail.step("notify");
                    self.reports.truncate(20);
                    self.reports.push((referral, request));
                }
                Output::Ended { cause } => {
                    assert!(!self.is_over, "it ends once");
                    self.trail.step(&format!("ended {cause:?}"));
                    self.is_over = true;
                }
                output => self.at_the_door(&output),
            }
        }
    }

    /// What concerns those who are let in.
    fn at_the_door(&mut self, output: &Output) {
        match output {
            Output::Joined(line) => {
                self.trail.step("joined");
                assert!(!self.apart.contains(&line.leg), "joined, and hears nobody");
            }
            Output::Waits(line) => {
                self.trail.step(&format!("waits {:?}", line.state));
                assert!(self.apart.contains(&line.leg), "not in, and hears all");
            }
            Output::Prompt { leg, prompt } => {
                self.trail.step(&format!("prompt {prompt:?}"));
                assert_eq!(self.last(*leg), Some(Mark::Opened), "nobody is there to hear it");
            }
            Output::EndsSoon { .. } => self.trail.step("ends soon"),
            _ => {}
        }
    }

    /// Whoever was let in stays in.
    fn apart(&mut self, leg: LegId, is_apart: bool) {
        let was_in = self.last(leg) == Some(Mark::Opened) && !self.apart.contains(&leg);
        assert!(!(was_in && is_apart), "{leg:?} was in, and is out again");
        if is_apart {
            self.apart.insert(leg);
        } else {
            self.apart.remove(&leg);
        }
    }

    fn last(&self, leg: LegId) -> Option<Mark> {
        self.legs.get(&leg).and_then(|marks| marks.last()).copied()
    }

    fn mark(&mut self, leg: LegId, mark: Mark) {
        assert!(!self.is_over, "{mark:?} after the end of all");
        assert!(self.last(leg) < Some(mark), "{leg:?}: {mark:?} after {:?}", self.legs.get(&leg));
        self.legs.entry(leg).or_default().push(mark);
    }

    fn run_until(&mut self, ms: u64) {
        let end = Instant::from_millis(ms);
        let mut stuck = 0;
        while let Some(at) = self.focus.deadline().filter(|at| *at <= end) {
            stuck = if at <= self.now { stuck + 1 } else { 0 };
            assert!(stuck < 100, "a deadline that never moves");
            self.now = self.now.max(at);
            self.focus.handle_deadline(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Told to end, with peers that are silent: it ends by itself.
    fn finish(&mut self) {
        self.focus.end(self.now, End::Ordered);
        self.drain();
        self.run_until(self.now.as_millis() + QUIET_MS);
        let whole = [Mark::Started, Mark::Opened, Mark::Closed, Mark::Ended];
        assert!(self.legs.values().all(|marks| *marks == whole), "{:?}", self.legs);
        assert_eq!((self.focus.leg_count(), self.focus.deadline()), (0, None));
        assert!(self.is_over, "it ended");
    }
}
