//! Two stacks that talk over a link which loses, doubles, delays and reorders.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use units::soonest;

use super::*;
use crate::{
    Dialog, DialogId, HeaderName, NameAddr, SuccessAction, SuccessRetransmit, TRANSACTION_TIMEOUT,
};

/// What the answering side does with a call, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Accept,
    Refuse,
    /// Rings until it is cancelled.
    Ring,
    /// OPTIONS.
    Probe,
}

const PLANS: [Plan; 4] = [Plan::Accept, Plan::Refuse, Plan::Ring, Plan::Probe];
const CALLS: usize = 24;

/// What the link does to each packet.
#[derive(Clone, Copy)]
struct Faults {
    loss_percent: f64,
    copy_percent: f64,
    delay_ms_max: u64,
}

/// What the asking side knows of one call.
#[derive(Default)]
struct Asked {
    finals: Vec<u16>,
    acks: usize,
    failed: bool,
    ended: usize,
}

struct World {
    rng: Rng,
    faults: Faults,
    now: Instant,
    asker: Stack,
    answerer: Stack,
    /// Packets under way, by time of arrival.
    link: BTreeMap<(Instant, u64), Packet>,
    packets: u64,
    asked: BTreeMap<ClientTxnId, (Plan, Request, Asked)>,
    /// Branches that the answering user has heard of: a second time would be a fault.
    heard: BTreeSet<String>,
    invites: BTreeMap<ServerTxnId, Incoming>,
    /// 2xx that wait for their ACK.
    successes: BTreeMap<DialogId, (SuccessRetransmit, Response, Source)>,
    acked: usize,
    given_up: usize,
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

const ASKER: &str = "198.51.100.1:5060";
const ANSWERER: &str = "198.51.100.2:5060";

impl World {
    fn new(seed: u64, faults: Faults) -> Self {
        let mut rng = Rng::from_number(seed);
        let stack = |prefix: &str, rng: &mut Rng| {
            let tag_prefix = prefix.to_owned();
            Stack::new(
                StackConfig { advertise: vec![], tag_prefix, asks_for_control: true },
                rng.fork(),
            )
        };
        Self {
            asker: stack("a", &mut rng),
            answerer: stack("b", &mut rng),
            rng,
            faults,
            now: Instant::ZERO,
            link: BTreeMap::new(),
            packets: 0,
            asked: BTreeMap::new(),
            heard: BTreeSet::new(),
            invites: BTreeMap::new(),
            successes: BTreeMap::new(),
            acked: 0,
            given_up: 0,
        }
    }

    fn ask(&mut self, number: usize) {
        let plan = PLANS[number % PLANS.len()];
        let method = if plan == Plan::Probe { Method::Options } else { Method::Invite };
        let uri: crate::Uri = format!("sip:{plan:?}@198.51.100.2").parse().expect("a URI");
        let call_id = self.asker.new_call_id();
        let from = format!("<sip:asker@198.51.100.1>;tag={}", self.asker.new_tag());
        let request = Request::new(method.clone(), uri.clone())
            .with_header(HeaderName::MaxForwards, MAX_FORWARDS)
            .with_header(HeaderName::From, from)
            .with_header(HeaderName::To, format!("<{uri}>"))
            .with_header(HeaderName::CallId, call_id)
            .with_header(HeaderName::CSeq, format!("1 {method}"))
            .with_header(HeaderName::Contact, format!("<sip:{ASKER}>"));
        let to = Source {
            transport: Transport::Udp,
            local: addr(ASKER),
            remote: addr(ANSWERER),
            flow: FlowId::NONE,
        };
        let txn = self.asker.request(self.now, request.clone(), to).expect("room");
        if plan == Plan::Ring {
            self.asker.cancel(self.now, txn);
        }
        self.asked.insert(txn, (plan, request, Asked::default()));
    }

    /// Runs until nothing is under way and nothing is due.
    fn run(&mut self) {
        for number in 0..CALLS {
            self.ask(number);
        }
        self.drain();
        for _ in 0..1_000_000 {
            let arrival = self.link.keys().next().map(|(at, _)| *at);
            let retransmits =
                self.successes.values().filter_map(|(leaf, ..)| leaf.deadline()).min();
            let stacks = soonest(self.asker.deadline(), self.answerer.deadline());
            let Some(next) = soonest(soonest(arrival, retransmits), stacks) else { return };
            self.now = self.now.max(next);
            self.step();
        }
        panic!("the world does not come to rest");
    }

    fn step(&mut self) {
        while let Some(entry) = self.link.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let packet = entry.remove();
            let stack =
                if packet.path.local == addr(ASKER) { &mut self.asker } else { &mut self.answerer };
            stack.handle_packet(self.now, packet);
            self.drain();
        }
        self.asker.handle_deadline(self.now);
        self.drain();
        self.answerer.handle_deadline(self.now);
        self.drain();
        self.resend();
    }

    fn resend(&mut self) {
        let mut over = vec![];
        for (id, (leaf, response, source)) in &mut self.successes {
            match leaf.handle_deadline(self.now) {
                SuccessAction::Nothing => {}
                SuccessAction::Again => self.answerer.resend_success(response, *source),
                SuccessAction::GiveUp => over.push(id.clone()),
            }
        }
        self.given_up += over.len();
        for id in over {
            self.successes.remove(&id);
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.asker.poll_output() {
            match output {
                Output::Send(packet) => self.transmit(packet),
                Output::Event(event) => self.asker_event(event),
            }
        }
        while let Some(output) = self.answerer.poll_output() {
            match output {
                Output::Send(packet) => self.transmit(packet),
                Output::Event(event) => self.answerer_event(event),
            }
        }
    }

    fn transmit(&mut self, packet: Packet) {
        let Source { local, remote, .. } = packet.path;
        let path = Source { local: remote, remote: local, ..packet.path };
        let copies = if self.rng.percent(self.faults.copy_percent) { 2 } else { 1 };
        for _ in 0..copies {
            if self.rng.percent(self.faults.loss_percent) {
                continue;
            }
            let delay = Duration::from_millis(self.rng.below(self.faults.delay_ms_max + 1));
            self.packets += 1;
            let bytes = packet.bytes.clone();
            self.link.insert((self.now + delay, self.packets), Packet { path, bytes });
        }
    }

    fn asker_event(&mut self, event: Event) {
        match event {
            Event::Response { txn, response, source, .. } => {
                let (_, request, asked) = self.asked.get_mut(&txn).expect("we asked");
                assert_eq!(asked.ended, 0, "nothing after the end");
                if response.status.is_final() {
                    asked.finals.push(response.status.code());
                }
                if response.status.is_success() && request.method == Method::Invite {
                    asked.acks += 1;
                    let dialog = Dialog::established(request, &response, source).expect("a dialog");
                    let ack = dialog.ack(1);
                    self.asker.send_once(self.now, ack, dialog.destination());
                }
            }
            Event::Failed { txn, .. } => {
                self.asked.get_mut(&txn).expect("we asked").2.failed = true;
            }
            Event::ClientEnded { txn } => self.asked.get_mut(&txn).expect("we asked").2.ended += 1,
            event => panic!("the asking side hears {event:?}"),
        }
    }

    fn answerer_event(&mut self, event: Event) {
        match event {
            Event::Request(incoming) if incoming.request.method == Method::Ack => {
                let id = DialogId::of_request(&incoming.essentials);
                if self.successes.remove(&id).is_some() {
                    self.acked += 1;
                }
            }
            Event::Request(incoming) => self.answer(*incoming),
            Event::Cancelled { invite } => {
                let incoming = &self.invites[&invite];
                let terminated =
                    Response::answering(&incoming.request, StatusCode::REQUEST_TERMINATED);
                self.answerer.respond(self.now, invite, terminated);
            }
            Event::AckMissing { .. } | Event::ServerEnded { .. } => {}
            event => panic!("the answering side hears {event:?}"),
        }
    }

    fn answer(&mut self, incoming: Incoming) {
        let branch = incoming.essentials.via.branch().expect("a branch").to_owned();
        assert!(self.heard.insert(branch), "a copy got through");
        let txn = self.answerer.accept(self.now, &incoming).expect("room");
        let user = incoming.request.uri.as_sip().and_then(|uri| uri.user.clone());
        let answering = |status| Response::answering(&incoming.request, status);
        match user.as_deref() {
            Some("Accept") => {
                let contact =
                    NameAddr::new(format!("sip:{ANSWERER}").parse::<crate::Uri>().expect("a URI"));
                let tag = self.answerer.new_tag();
                let dialog = Dialog::answering(&incoming, tag, contact).expect("a dialog");
                let ok = dialog.response(&incoming, StatusCode::OK);
                let leaf = SuccessRetransmit::new(self.now);
                self.successes.insert(dialog.id, (leaf, ok.clone(), incoming.source));
                self.answerer.respond(self.now, txn, ok);
            }
            Some("Refuse") => {
                self.answerer.respond(self.now, txn, answering(StatusCode::BUSY_HERE))
            }
            Some("Ring") => self.answerer.respond(self.now, txn, answering(StatusCode::RINGING)),
            Some("Probe") => self.answerer.respond(self.now, txn, answering(StatusCode::OK)),
            user => panic!("a call for {user:?}"),
        }
        self.invites.insert(txn, incoming);
    }

    /// What must hold whatever the link does.
    fn check(&self, seed: u64) {
        for (plan, _, asked) in self.asked.values() {
            assert_eq!(asked.ended, 1, "seed {seed}: every transaction ends once");
            let expected = match plan {
                Plan::Accept | Plan::Probe => 200,
                Plan::Refuse => 486,
                Plan::Ring => 487,
            };
            assert!(asked.finals.iter().all(|status| *status == expected), "seed {seed}: {plan:?}");
            // A CANCEL may be lost for good, or come after the INVITE's time.
            assert_eq!(asked.finals.is_empty(), asked.failed, "seed {seed}: {plan:?}");
            if *plan == Plan::Accept {
                assert_eq!(asked.acks, asked.finals.len());
            } else {
                assert!(asked.finals.len() <= 1, "seed {seed}: told once");
            }
        }
        for stack in [&self.asker, &self.answerer] {
            assert_eq!(stack.transaction_count(), 0, "seed {seed}");
            assert_eq!(stack.deadline(), None, "seed {seed}");
            let counters = stack.counters();
            assert_eq!(counters.malformed_answered + counters.malformed_dropped, 0, "seed {seed}");
        }
        assert!(self.successes.is_empty(), "seed {seed}");
        assert!(self.now.since(Instant::ZERO) < 6 * TRANSACTION_TIMEOUT, "seed {seed}");
    }
}

/// A11-A18, A26 · Whatever the link does: the answering user hears of each request once, the asking user
/// gets the one right outcome, and nothing is left over.
#[test]
fn two_stacks_agree_over_a_bad_link() {
    let (mut succeeded, mut acked, mut given_up) = (0, 0, 0);
    for seed in 0..50 {
        let faults = Faults { loss_percent: 20.0, copy_percent: 10.0, delay_ms_max: 900 };
        let mut world = World::new(seed, faults);
        world.run();
        world.check(seed);
        succeeded += world.asked.values().filter(|(.., asked)| !asked.failed).count();
        acked += world.acked;
        given_up += world.given_up;
    }
    // 20 % loss is what the timers are made for: all but a few calls get through.
    assert!(succeeded > 50 * CALLS * 98 / 100, "{succeeded}");
    assert!(acked > 50 * CALLS / 4 * 98 / 100, "{acked}");
    assert!(given_up < 5, "{given_up}");
}

/// A12-A18 · A perfect link carries nothing twice.
#[test]
fn good_link_needs_no_copies() {
    let mut world =
        World::new(1, Faults { loss_percent: 0.0, copy_percent: 0.0, delay_ms_max: 20 });
    world.run();
    world.check(1);
    assert_eq!(world.acked, CALLS / 4);
    for stack in [&world.asker, &world.answerer] {
        let counters = stack.counters();
        assert_eq!((counters.request_copies, counters.stray_responses), (0, 0));
    }
    // Accept: INVITE 200 ACK. Refuse: INVITE 486 ACK. Ring: INVITE 180 CANCEL 200 487 ACK. Probe: 2.
    let per_round = 3 + 3 + 6 + 2;
    assert_eq!(world.packets, u64::try_from(CALLS / 4 * per_round).expect("small"));
}

/// A17 · A dead link fails every request and leaves nothing.
#[test]
fn dead_link_fails_everything() {
    let mut world =
        World::new(1, Faults { loss_percent: 101.0, copy_percent: 0.0, delay_ms_max: 0 });
    world.run();
    world.check(1);
    assert!(world.asked.values().all(|(.., asked)| asked.failed));
    assert!(world.heard.is_empty());
}
