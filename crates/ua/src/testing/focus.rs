//! A factory and its focus, as small as a peer written by hand: enough of them for terminals.

use std::collections::{BTreeMap, VecDeque};

use sip::{
    Dialog, HeaderName, Incoming, Method, NameAddr, Packet, Response, SipUri, Source, Stack,
    StackConfig, StatusCode, SuccessAction, SuccessRetransmit, Uri,
};
use units::{Instant, Rng};

use super::world::{Machine, Made, Seen};
use super::{SDP, uri};

/// Answers `sip:conference@` by 302 or 200, `sip:conf-...@` by 200; BYE by 200.
pub(crate) struct Focus {
    stack: Stack,
    conference: Uri,
    /// What the factory answers.
    factory: u16,
    /// What the conference answers.
    admits: u16,
    seats: usize,
    legs: BTreeMap<String, Leg>,
    made: VecDeque<Made>,
}

struct Leg {
    dialog: Dialog,
    from: String,
    success: Response,
    retransmit: SuccessRetransmit,
    to: Source,
}

impl Focus {
    pub(crate) fn new(address: &str, factory: u16, admits: u16) -> Self {
        Self {
            stack: Stack::new(StackConfig::default(), Rng::from_number(99)),
            conference: uri(&format!("sip:conf-k7%41q@{address};x=Y")),
            factory,
            admits,
            seats: usize::MAX,
            legs: BTreeMap::new(),
            made: VecDeque::new(),
        }
    }

    pub(crate) fn with_seats(mut self, seats: usize) -> Self {
        self.seats = seats;
        self
    }

    /// Sends everybody to a conference elsewhere.
    pub(crate) fn sending_to(mut self, conference: Uri) -> Self {
        self.conference = conference;
        self
    }

    pub(crate) fn conference(&self) -> Uri {
        self.conference.clone()
    }

    /// Who is in, by the user parts of their From.
    pub(crate) fn members(&self) -> Vec<String> {
        let mut members: Vec<String> = self.legs.values().map(|leg| leg.from.clone()).collect();
        members.sort();
        members
    }

    /// Says BYE to all.
    pub(crate) fn end(&mut self, now: Instant) {
        for (_, mut leg) in std::mem::take(&mut self.legs) {
            let bye = leg.dialog.request(Method::Bye);
            let to = leg.dialog.destination();
            self.stack.request(now, bye, to).expect("room");
        }
        self.pump(now);
    }

    fn pump(&mut self, now: Instant) {
        while let Some(output) = self.stack.poll_output() {
            match output {
                sip::Output::Send(packet) => self.made.push_back(Made::Packet(packet)),
                sip::Output::Event(sip::Event::Request(incoming)) => self.request(now, &incoming),
                sip::Output::Event(_) => {}
            }
        }
    }

    fn request(&mut self, now: Instant, incoming: &Incoming) {
        let user = match &incoming.request.uri {
            Uri::Sip(SipUri { user: Some(user), .. }) => user.clone(),
            _ => String::new(),
        };
        match incoming.request.method {
            Method::Ack => {
                if let Some(leg) = self.legs.get_mut(&incoming.essentials.call_id) {
                    leg.retransmit.acked();
                }
            }
            Method::Bye => {
                let left = self.legs.remove(&incoming.essentials.call_id);
                if let Some(leg) = left {
                    self.made.push_back(Made::Seen(Seen::Focus(format!("left {}", leg.from))));
                }
                self.answer(now, incoming, StatusCode::OK);
            }
            Method::Invite if user == "conference" => self.factory(now, incoming),
            Method::Invite if user.starts_with("conf-") => self.conference_leg(now, incoming),
            Method::Invite => self.answer(now, incoming, StatusCode::NOT_FOUND),
            _ => self.answer(now, incoming, StatusCode::NOT_IMPLEMENTED),
        }
    }

    fn answer(&mut self, now: Instant, incoming: &Incoming, status: StatusCode) {
        let response = Response::answering(&incoming.request, status).with_to_tag("focus");
        let txn = self.stack.accept(now, incoming).expect("room");
        self.stack.respond(now, txn, response);
    }

    fn factory(&mut self, now: Instant, incoming: &Incoming) {
        match self.factory {
            200 => self.conference_leg(now, incoming),
            302 => {
                let txn = self.stack.accept(now, incoming).expect("room");
                let contact = format!("<{}>;isfocus", self.conference);
                let response =
                    Response::answering(&incoming.request, StatusCode::MOVED_TEMPORARILY)
                        .with_to_tag("factory")
                        .with_header(HeaderName::Contact, contact);
                self.stack.respond(now, txn, response);
            }
            code => self.refuse(now, incoming, code),
        }
    }

    fn refuse(&mut self, now: Instant, incoming: &Incoming, code: u16) {
        let status = StatusCode::new(code).expect("a status");
        let response = Response::answering(&incoming.request, status)
            .with_to_tag("focus")
            .with_header(HeaderName::Warning, "399 pool \"no seat is free\"")
            .with_header(HeaderName::RetryAfter, 7);
        let txn = self.stack.accept(now, incoming).expect("room");
        self.stack.respond(now, txn, response);
    }

    fn conference_leg(&mut self, now: Instant, incoming: &Incoming) {
        if self.admits != 200 {
            return self.refuse(now, incoming, self.admits);
        }
        if self.legs.len() >= self.seats {
            return self.refuse(now, incoming, 486);
        }
        let contact = NameAddr::new(self.conference.clone()).with_isfocus();
        let dialog = Dialog::answering(incoming, "leg", contact).expect("a dialog");
        let success = dialog.response(incoming, StatusCode::OK).with_body("application/sdp", SDP);
        let txn = self.stack.accept(now, incoming).expect("room");
        self.stack.respond(now, txn, success.clone());
        let from = match &incoming.essentials.from.uri {
            Uri::Sip(SipUri { user: Some(user), .. }) => user.clone(),
            _ => String::new(),
        };
        let line = match incoming.request.headers.get(&HeaderName::ReferredBy) {
            Some(by) => format!("joined {from} by {}", by.text()),
            None => format!("joined {from}"),
        };
        self.made.push_back(Made::Seen(Seen::Focus(line)));
        let retransmit = SuccessRetransmit::new(now);
        let leg = Leg { dialog, from, success, retransmit, to: incoming.source };
        self.legs.insert(incoming.essentials.call_id.clone(), leg);
    }
}

impl Machine for Focus {
    fn handle_packet(&mut self, now: Instant, packet: Packet) {
        self.stack.handle_packet(now, packet);
        self.pump(now);
    }

    fn handle_deadline(&mut self, now: Instant) {
        self.stack.handle_deadline(now);
        self.pump(now);
        for leg in self.legs.values_mut() {
            match leg.retransmit.handle_deadline(now) {
                SuccessAction::Again => self.stack.resend_success(&leg.success, leg.to),
                SuccessAction::Nothing | SuccessAction::GiveUp => {}
            }
        }
        self.pump(now);
    }

    fn deadline(&self) -> Option<Instant> {
        let legs = self.legs.values().filter_map(|leg| leg.retransmit.deadline()).min();
        units::soonest(legs, self.stack.deadline())
    }

    fn poll(&mut self) -> Option<Made> {
        self.made.pop_front()
    }

    fn as_focus(&mut self) -> &mut Focus {
        self
    }
}
